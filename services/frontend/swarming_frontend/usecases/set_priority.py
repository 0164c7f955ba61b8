"""Give a task that waits another priority; the scheduler does it, if the task still waits by then."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.database.port import Database
from swarming_common.errors import InvalidInput, NotFound
from swarming_common.model import priority
from swarming_common.model.commands import CommandKind
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_frontend.commands import Commands
from swarming_frontend.standing import Standing
from swarming_frontend.store.requests import shard_of_task
from swarming_frontend.store.standings import standing_of_task
from swarming_frontend.usecases.read_task import UNKNOWN_TASK


@dataclass(frozen=True, kw_only=True)
class SetPriority:
    """The lower number goes first."""

    task_id: TaskId
    priority: int
    by: str


@dataclass(frozen=True, kw_only=True)
class PriorityOutcome:
    """Whether the task has, or will have, this priority; not if it does not wait any more. And which it has now."""

    ok: bool
    priority: int


class Reprioritize:
    """Changes priorities."""

    def __init__(self, database: Database, commands: Commands, guarded_priority: int) -> None:
        self._database = database
        self._commands = commands
        self._guarded_priority = guarded_priority

    async def __call__(self, command: SetPriority, now: datetime) -> PriorityOutcome:
        """Once this returns the command is durable. Raises InvalidInput, NotFound, DatabaseAway."""
        asked = allowed(command.priority, self._guarded_priority)
        task_id = command.task_id
        shard = await self._database.read(lambda c: shard_of_task(c, task_id))
        standing = await self._standing(task_id)
        if shard is None or standing is None:
            raise NotFound(UNKNOWN_TASK)
        if standing.state is not TaskState.PENDING:
            return PriorityOutcome(ok=False, priority=standing.priority)
        arguments = {"priority": asked}
        word = await self._commands.give(CommandKind.PRIORITY, task_id, arguments, shard=shard, by=command.by, now=now)
        if word is not None and word.priority is not None:
            return PriorityOutcome(ok=word.ok, priority=word.priority)
        standing = await self._standing(task_id) or standing
        will_be = word is None and standing.state is TaskState.PENDING
        return PriorityOutcome(ok=will_be, priority=asked if will_be else standing.priority)

    async def _standing(self, task_id: TaskId) -> Standing | None:
        return await self._database.read(lambda c: standing_of_task(c, task_id))


def allowed(asked: int, guarded_priority: int) -> int:
    """The priority that a caller without special rights gets. Raises InvalidInput."""
    if not priority.HIGHEST <= asked <= priority.LOWEST:
        raise InvalidInput("priority", f"expected an integer from {priority.HIGHEST} to {priority.LOWEST}")
    given = max(asked, guarded_priority)
    if given == priority.HIGHEST:
        raise InvalidInput("priority", f"expected at least 1, {priority.HIGHEST} is for terminations")
    return given
