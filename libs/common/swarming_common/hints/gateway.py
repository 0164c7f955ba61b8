"""What a bot gateway reads."""

from swarming_common.hints.wire import Hint
from swarming_common.model.request import TaskProperties
from swarming_common.model.task_id import TaskId


class RunAssigned(Hint):
    """Give this run to the bot of this offer; `task_run` says the same.

    `run_number` with `task_id` is the run's id. Sent again until the bot's first update confirms the run.
    """

    task_id: TaskId
    run_number: int
    shard: int
    offer_id: str
    bot_id: str
    properties: TaskProperties
    secret_bytes: str | None = None  # base64
    service_account: str = "none"
    realm: str = ""
    bot_ping_tolerance_secs: int


class BidMade(Hint):
    """What this shard would give the bot of this offer now, or that it has nothing for it. Nothing is reserved."""

    shard: int
    offer_id: str
    bot_id: str
    rank: tuple[int, TaskId] | None = None
    """Priority and id of the task; the lowest goes first. None if there is no task for the bot."""


class ShardAlive(Hint):
    """A shard is served, once a second: its epoch, how many offers it knows of each gateway, and whether tasks wait."""

    shard: int
    epoch: int
    offers: dict[str, int]
    has_pending: bool = False


class BotSettingChanged(Hint):
    """A person set something of this bot; `bot_setting` says what."""

    bot_id: str


class BotCommandsGiven(Hint):
    """Rows were written to `command` for bots; the feed has them."""


class BotFilesChanged(Hint):
    """Somebody uploaded hooks or an archive for bots: look into `upload`."""
