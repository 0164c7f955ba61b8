"""Have a bot end: give it a task without a pool or a command, ahead of all others (client-api-v1.md section 12)."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.model import priority
from swarming_common.model.request import TaskProperties, TaskRequest, TaskSlice
from swarming_common.model.request_limits import MAX_NAME_LENGTH
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.tags import TERMINATION_TAG, with_automatic_tags
from swarming_common.model.task_id import TaskId, format_task_id
from swarming_frontend.identity import Caller
from swarming_frontend.store.bots import bot_by_id
from swarming_frontend.store.terminations import last_termination
from swarming_frontend.usecases.restrict_bot import UNKNOWN_BOT
from swarming_frontend.usecases.submit import Submit

EXPIRATION_SECS = 5 * 24 * 3600
TAGS = (TERMINATION_TAG, "rbe:none")
SUBMITTED_AS = "swarming:terminate"
"""In place of a caller: whoever asks, a bot has one order to end at a time."""


@dataclass(frozen=True, kw_only=True)
class TerminateBot:
    """End the bot's process once it is idle."""

    bot_id: str
    reason: str | None
    by: Caller


class Terminate:
    """Gives orders to end."""

    def __init__(self, database: Database, submit: Submit, shard_count: int) -> None:
        self._database = database
        self._submit = submit
        self._shard_count = shard_count

    async def __call__(self, command: TerminateBot, now: datetime) -> TaskId:
        """The order's task: the one under way, if there is one. Raises NotFound, DatabaseAway."""
        bot_id = command.bot_id
        bot = await self._database.read(lambda c: bot_by_id(c, bot_id, now))
        if bot is None:
            raise NotFound(UNKNOWN_BOT)
        last = await self._database.read(lambda c: last_termination(c, bot_id))
        if last is not None and not last.state.is_final:
            return last.task_id
        # Of several who ask at once all see the same last order, so they give the same uuid and get one task.
        uuid = f"{bot_id} after {'none' if last is None else format_task_id(last.task_id)}"
        pools = bot.dimensions.get("pool") or [""]
        submitted = await self._submit.as_it_is(
            termination(command),
            shard=shard_of_pool(pools[0], self._shard_count),
            caller=SUBMITTED_AS,
            request_uuid=uuid,
            now=now,
        )
        return submitted.stored.task_id


def termination(command: TerminateBot) -> TaskRequest:
    """The request: it asks for the bot and nothing else, so only this bot can run it, and every bot of the name can."""
    name = f"Terminate {command.bot_id}" + (f": {command.reason}" if command.reason else "")
    by = command.by
    properties = TaskProperties(
        dimensions=(("id", command.bot_id),), execution_timeout_secs=0, io_timeout_secs=0, grace_period_secs=0
    )
    request = TaskRequest(
        name=name[:MAX_NAME_LENGTH],
        priority=priority.HIGHEST,
        user=by.name if by.kind == "user" else str(by),
        authenticated=str(by),
        task_slices=(TaskSlice(properties=properties, expiration_secs=EXPIRATION_SECS, wait_for_capacity=True),),
    )
    return request.model_copy(update={"tags": with_automatic_tags(TAGS, request)})
