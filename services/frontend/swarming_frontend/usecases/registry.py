"""Everything that the frontend can do, in one value."""

from dataclasses import dataclass

from swarming_common.clock import Clock
from swarming_common.database.health import DatabaseHealth
from swarming_frontend.usecases.bot_past import BotPast
from swarming_frontend.usecases.cancel import Cancel
from swarming_frontend.usecases.cancel_tasks import CancelByTags
from swarming_frontend.usecases.current_bot_code import CurrentBotCode
from swarming_frontend.usecases.delete_bots import DeleteBots
from swarming_frontend.usecases.enrol import Enrol
from swarming_frontend.usecases.list_bots import ListBots
from swarming_frontend.usecases.list_tasks import ListTasks
from swarming_frontend.usecases.read_output import ReadTaskOutput
from swarming_frontend.usecases.read_task import ReadTask
from swarming_frontend.usecases.restrict_bot import SetBots
from swarming_frontend.usecases.retry import Retry
from swarming_frontend.usecases.set_priority import Reprioritize
from swarming_frontend.usecases.submit import Submit
from swarming_frontend.usecases.terminate_bot import Terminate
from swarming_frontend.usecases.uploads import Uploads
from swarming_frontend.usecases.why import WhyPending


@dataclass(frozen=True, kw_only=True)
class Usecases:
    """What handlers may call, and the clock that they read at the door."""

    clock: Clock
    submit: Submit
    cancel: Cancel
    cancel_by_tags: CancelByTags
    reprioritize: Reprioritize
    retry: Retry
    read_task: ReadTask
    read_output: ReadTaskOutput
    list_tasks: ListTasks
    list_bots: ListBots
    bot_past: BotPast
    set_bots: SetBots
    delete_bots: DeleteBots
    terminate: Terminate
    why: WhyPending
    health: DatabaseHealth
    uploads: Uploads
    enrol: Enrol
    current_bot_code: CurrentBotCode
