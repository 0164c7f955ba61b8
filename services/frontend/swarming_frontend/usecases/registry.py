"""Everything that the frontend can do, in one value."""

from dataclasses import dataclass

from swarming_common.clock import Clock
from swarming_frontend.usecases.cancel import Cancel
from swarming_frontend.usecases.list_bots import ListBots
from swarming_frontend.usecases.list_tasks import ListTasks
from swarming_frontend.usecases.read_output import ReadTaskOutput
from swarming_frontend.usecases.read_task import ReadTask
from swarming_frontend.usecases.submit import Submit


@dataclass(frozen=True, kw_only=True)
class Usecases:
    """What handlers may call, and the clock that they read at the door."""

    clock: Clock
    submit: Submit
    cancel: Cancel
    read_task: ReadTask
    read_output: ReadTaskOutput
    list_tasks: ListTasks
    list_bots: ListBots
