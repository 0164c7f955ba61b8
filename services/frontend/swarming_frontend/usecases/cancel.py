"""Cancel a task: write the command, tell its shard, answer with the shard's word or, without it, from the rows."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime

from swarming_common.bus.port import Bus
from swarming_common.database.group_commit import GroupCommit
from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.scheduler import CommandGiven
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_frontend import metrics
from swarming_frontend.replies import Replies
from swarming_frontend.store.commands import NewCommand, write_commands
from swarming_frontend.store.requests import shard_of_task
from swarming_frontend.store.standings import state_and_run
from swarming_frontend.usecases.read_task import UNKNOWN_TASK

CANCEL = "cancel"
WORD_SECONDS = 1.0
"""How long an answer waits for the owner's word; the row makes sure that it happens all the same."""


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

    def __init__(self, *, database: Database, bus: Bus, replies: Replies, word_seconds: float = WORD_SECONDS) -> None:
        self._database = database
        self._bus = bus
        self._replies = replies
        self._word_seconds = word_seconds
        self._writer: GroupCommit[NewCommand, None] = GroupCommit(database, write_commands, name="command")

    async def __call__(self, command: CancelTask, now: datetime) -> CancelOutcome:
        """Once this returns the command is durable. Raises NotFound, DatabaseAway."""
        task_id = command.task_id
        shard = await self._database.read(lambda c: shard_of_task(c, task_id))
        state = await self._state(task_id)
        if shard is None or state is None:
            raise NotFound(UNKNOWN_TASK)
        if state.is_final:
            return CancelOutcome(ok=False, was_running=False)
        word = await self._give(command, shard, now)
        metrics.COMMANDS_GIVEN.labels(CANCEL, "assumed" if word is None else "told").inc()
        if word is not None:
            return CancelOutcome(ok=word.ok, was_running=word.was_running)
        return from_rows(await self._state(task_id) or state, kill_running=command.kill_running)

    async def close(self) -> None:
        """Finish what was accepted."""
        await self._writer.close()

    async def _state(self, task_id: TaskId) -> TaskState | None:
        found = await self._database.read(lambda c: state_and_run(c, task_id))
        return None if found is None else found[0]

    async def _give(self, command: CancelTask, shard: int, now: datetime) -> CommandDone | None:
        row = NewCommand(
            command_id=uuid.uuid4().hex,
            shard=shard,
            kind=CANCEL,
            task_id=command.task_id,
            arguments={"kill_running": command.kill_running},
            given_by=command.by,
            reply_to=self._replies.frontend_id,
            created_ts=now,
        )
        with self._replies.expected(row.command_id) as word:
            await self._writer.submit(row)
            self._bus.send(addresses.shard(shard), CommandGiven(command_id=row.command_id))
            await asyncio.wait({word}, timeout=self._word_seconds)
            return word.result() if word.done() else None


def from_rows(state: TaskState, *, kill_running: bool) -> CancelOutcome:
    """What to say when no word came: a task in this state will be cancelled, or it was already."""
    if state is TaskState.RUNNING:
        return CancelOutcome(ok=kill_running, was_running=True)
    return CancelOutcome(ok=state in (TaskState.PENDING, TaskState.CANCELED, TaskState.KILLED), was_running=False)
