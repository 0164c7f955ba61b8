"""Takes in what is submitted to a shard, as the feed of submissions tells it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from swarming_common.database.feed import Feed
from swarming_common.database.request_rows import request_fields
from swarming_common.database.tables import task_request
from swarming_common.lifecycle import Ports
from swarming_common.model.request import TaskRequest
from swarming_common.model.task_id import TaskId
from swarming_scheduler import store
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.take_in import take_in

log = structlog.get_logger(__name__)

TAKEN_IN_AT_ONCE = 250
"""About 10 ms of work, in which nobody else gets a turn."""
BACKLOG_SECONDS = 0.05


class Intake:
    """The submissions of one shard."""

    def __init__(self, state: ShardState, ports: Ports, cursor: int, wake_commit: Callable[[], None]) -> None:
        self._state = state
        self._ports = ports
        self._wake_commit = wake_commit
        self._feed = Feed(task_request, store.requests_not_taken_in(state.number), cursor)
        self._decided_cursor = cursor

    @property
    def decided_cursor(self) -> int:
        """How far the feed was read, but not past a request that has no row yet."""
        if not self._state.undecided:
            self._decided_cursor = self._feed.cursor
        return self._decided_cursor

    async def read_feed(self) -> None:
        """Take in what no hint told."""
        async for rows in self._feed.read(self._ports.database):
            for start in range(0, len(rows), TAKEN_IN_AT_ONCE):
                self._take_in(rows[start : start + TAKEN_IN_AT_ONCE])
                await self._let_commits_catch_up()

    def _take_in(self, rows: Sequence[Any]) -> None:
        now = self._ports.clock.now()
        for row in rows:
            try:
                request = TaskRequest.model_validate(request_fields(row._asdict()))
            except ValueError as error:
                log.error("request_unreadable", shard=self._state.number, task_id=row.task_id, reason=str(error))
                continue
            take_in(self._state, TaskId(row.task_id), row.created_ts, request, now)
        self._wake_commit()

    async def _let_commits_catch_up(self) -> None:
        await asyncio.sleep(0)
        while self._state.changes.is_backlog:  # noqa: ASYNC110 - plain data, without events to wait for
            await asyncio.sleep(BACKLOG_SECONDS)
