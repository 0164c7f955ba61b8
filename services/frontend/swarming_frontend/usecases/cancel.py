"""Cancel a task: give the command, answer with its shard's word or, without it, from the rows."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.model.commands import CommandKind
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_frontend.commands import Commands
from swarming_frontend.store.requests import shard_of_task
from swarming_frontend.store.standings import state_and_run
from swarming_frontend.usecases.read_task import UNKNOWN_TASK


@dataclass(frozen=True, kw_only=True)
class CancelTask:
    """End a task that waits and, with `kill_running`, also one that runs."""

    task_id: TaskId
    kill_running: bool
    by: str


@dataclass(frozen=True, kw_only=True)
class CancelOutcome:
    """Whether the task is, or will be, cancelled by this; and whether it was running when asked."""

    ok: bool
    was_running: bool


class Cancel:
    """Cancels tasks."""

    def __init__(self, database: Database, commands: Commands) -> None:
        self._database = database
        self._commands = commands

    async def __call__(self, command: CancelTask, now: datetime) -> CancelOutcome:
        """Once this returns the command is durable. Raises NotFound, DatabaseAway."""
        task_id = command.task_id
        shard = await self._database.read(lambda c: shard_of_task(c, task_id))
        state = await self._state(task_id)
        if shard is None or state is None:
            raise NotFound(UNKNOWN_TASK)
        if state.is_final:
            return CancelOutcome(ok=False, was_running=False)
        arguments = {"kill_running": command.kill_running}
        word = await self._commands.give(CommandKind.CANCEL, task_id, arguments, shard=shard, by=command.by, now=now)
        if word is not None:
            return CancelOutcome(ok=word.ok, was_running=word.was_running)
        return from_rows(await self._state(task_id) or state, kill_running=command.kill_running)

    async def _state(self, task_id: TaskId) -> TaskState | None:
        found = await self._database.read(lambda c: state_and_run(c, task_id))
        return None if found is None else found[0]


def from_rows(state: TaskState, *, kill_running: bool) -> CancelOutcome:
    """What to say when no word came: a task in this state will be cancelled, or it was already."""
    if state is TaskState.RUNNING:
        return CancelOutcome(ok=kill_running, was_running=True)
    return CancelOutcome(ok=state in (TaskState.PENDING, TaskState.CANCELED, TaskState.KILLED), was_running=False)
