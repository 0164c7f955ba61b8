"""What people ask of a shard's tasks. A command is found by its hint or by the feed, and acted on once."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from swarming_common.clock import Clock
from swarming_common.database.feed import Feed
from swarming_common.database.port import Database
from swarming_common.database.tables import command
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.model.commands import CommandKind
from swarming_common.model.task_id import TaskId
from swarming_scheduler import store
from swarming_scheduler.intake import Intake
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.cancel import cancel
from swarming_scheduler.usecases.priority import reprioritize

log = structlog.get_logger(__name__)

REMEMBERED_COMMANDS = 10_000
DECIDED_SECONDS = 0.02
"""Between two looks whether a task is decided, which takes a look at the tables."""


class Commands:
    """The commands to one shard."""

    def __init__(
        self,
        state: ShardState,
        database: Database,
        clock: Clock,
        cursor: int,
        intake: Intake,
    ) -> None:
        """`intake` reads the feed of submissions: a command may overtake its task."""
        self._state = state
        self._database = database
        self._clock = clock
        self._feed = Feed(command, store.commands_given(state.number), cursor)
        self._intake = intake
        self._acted: OrderedDict[str, None] = OrderedDict()

    @property
    def cursor(self) -> int:
        """How far the feed was read."""
        return self._feed.cursor

    async def look_up(self, command_id: str) -> None:
        """Act on the command that a hint named."""
        row = await self._database.read(lambda c: store.command_by_id(c, command_id))
        if row is not None:
            await self._act_on([row])

    async def read_feed(self) -> None:
        """Act on what no hint told."""
        async for rows in self._feed.read(self._database):
            await self._act_on(rows)

    async def _act_on(self, rows: Any) -> None:
        """Each once, though hint and feed both tell of it: what was refused stays refused."""
        fresh = [row for row in rows if row.command_id not in self._acted]
        if any(self._is_unknown(row.task_id) for row in fresh):  # perhaps only the hint of its submission was lost
            await self._intake.read_feed()
        for row in fresh:
            if row.kind == CommandKind.PRIORITY:
                await self._until_decided(row.task_id)
            if row.command_id not in self._acted:  # else the other teller came first, while this one waited
                self._remember(row.command_id)
                self._act(row)

    async def _until_decided(self, task_id: TaskId) -> None:
        """A task of which it is not decided how it goes on may have no row yet that could keep what is asked."""
        while task_id in self._state.undecided:  # noqa: ASYNC110 - the memory is plain data, without events to wait for
            await asyncio.sleep(DECIDED_SECONDS)

    def _is_unknown(self, task_id: TaskId) -> bool:
        return task_id not in self._state.tasks and task_id not in self._state.ended

    def _remember(self, command_id: str) -> None:
        self._acted[command_id] = None
        if len(self._acted) > REMEMBERED_COMMANDS:
            self._acted.popitem(last=False)

    def _act(self, row: Any) -> None:
        act = ACTS.get(row.kind)
        if act is None:
            log.warning("unknown_command", kind=row.kind, command_id=row.command_id)
            return
        try:
            done = act(self._state, row, self._clock.now())
        except (KeyError, TypeError, ValueError) as error:
            log.error("command_unreadable", kind=row.kind, command_id=row.command_id, reason=repr(error))
            return
        if row.reply_to:
            self._state.changes.hints.append((addresses.frontend(row.reply_to), done))


def _cancel(state: ShardState, row: Any, now: datetime) -> CommandDone:
    kill_running = bool(row.arguments.get("kill_running"))
    outcome = cancel(state, TaskId(row.task_id), kill_running, now, row.created_ts)
    return CommandDone(command_id=row.command_id, ok=outcome.ok, was_running=outcome.was_running)


def _reprioritize(state: ShardState, row: Any, now: datetime) -> CommandDone:
    outcome = reprioritize(state, TaskId(row.task_id), int(row.arguments["priority"]), row.created_ts, now)
    return CommandDone(command_id=row.command_id, ok=outcome.ok, priority=outcome.priority)


ACTS: dict[str, Callable[[ShardState, Any, datetime], CommandDone]] = {
    CommandKind.CANCEL: _cancel,
    CommandKind.PRIORITY: _reprioritize,
}
"""Who acts on which kind of command."""
