"""Group commit: what callers bring while a commit is under way goes into the next one, together.

Alone, a caller never waits for company. The batch function must be repeatable: after an unclear commit the same items
are written again, and one's own nonce in a row tells "already written" from a conflict with somebody else.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy import Connection

from swarming_common.database.port import Database, HotBatch
from swarming_common.errors import DatabaseAway, DataRejected

Item = TypeVar("Item")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)

RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0)
"""A restart of the database that is shorter than their sum goes unnoticed by callers."""

MAX_WAITING = 10_000
"""More than come at once from the bots of one gateway; beyond it the database is away, or too slow to ever catch up."""

_REFUSED = Counter(
    "swarming_group_commit_refused_total",
    "Rises by one when an item is refused because too many wait for the database already.",
    ["name"],
)
_SIZES = Histogram(
    "swarming_group_commit_items",
    "Observed at each group commit: how many callers' items it wrote.",
    ["name"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)


class TooManyWait(DatabaseAway):
    """Too many wait for the database; nothing was written."""


class GroupCommit(Generic[Item, Result]):
    """Commits items in the order they were brought, one commit at a time."""

    def __init__(
        self,
        database: Database,
        write: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        *,
        name: str,
        durable: Callable[[Item], bool] = lambda _: True,
        max_items: int = 500,
    ) -> None:
        """`write` returns one result for each item, in order; `durable` as in Database.write, for a single item."""
        self._database = database
        self._write = write
        self._durable = durable
        self._max_items = max_items
        self._name = name
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._sizes = _SIZES.labels(name)
        self._refused = _REFUSED.labels(name)

    async def submit(self, item: Item) -> Result:
        """Durable once it returns. Raises DataRejected if the database refuses this item's data, which harms nobody
        else, DatabaseAway if it stayed away: then the item may or may not be written; if it is TooManyWait, it is not.
        """
        if len(self._waiting) >= MAX_WAITING:
            self._refused.inc()
            raise TooManyWait
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name=f"group_commit:{self._name}")
        return await done

    async def close(self) -> None:
        """Wait until everything brought so far is decided."""
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_items))]
            self._sizes.observe(len(batch))
            await self._decide(batch)

    async def _decide(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]], *, was_refused: bool = False) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
        except DataRejected as error:
            if was_refused:
                _fail(batch, error)
                return
            # Also one that was alone is tried again: what it met may have been a row that was being written at that
            # moment, even by its own earlier try, and now it finds that.
            for one in batch:
                await self._decide([one], was_refused=True)
        except Exception as error:
            if not isinstance(error, DatabaseAway):
                log.exception("group_commit_failed", group=self._name)
            _fail(batch, error)
        else:
            for (_, done), result in zip(batch, results, strict=True):
                if not done.done():
                    done.set_result(result)

    async def _commit(self, items: Sequence[Item]) -> Sequence[Result]:
        for delay in RETRY_SECONDS:
            try:
                return await self._once(items)
            except DatabaseAway as error:
                log.warning("group_commit_retried", group=self._name, items=len(items), reason=str(error))
                await asyncio.sleep(delay)
        return await self._once(items)

    async def _once(self, items: Sequence[Item]) -> Sequence[Result]:
        return await self._database.write(
            lambda connection: self._write(connection, items), durable=self._is_durable(items)
        )

    def _is_durable(self, items: Sequence[Item]) -> bool:
        return any(self._durable(item) for item in items)


class HotGroupCommit(GroupCommit[Item, Result]):
    """A group commit of hot batches."""

    def __init__(
        self,
        database: Database,
        batch: Callable[[Sequence[Item]], HotBatch[Sequence[Result]]],
        *,
        name: str,
        durable: Callable[[Item], bool] = lambda _: True,
        max_items: int = 500,
    ) -> None:
        """`batch` writes items, with one result for each, in order; the rest as in GroupCommit."""
        super().__init__(
            database,
            lambda connection, items: batch(items).portable(connection),
            name=name,
            durable=durable,
            max_items=max_items,
        )
        self._batch = batch

    async def _once(self, items: Sequence[Item]) -> Sequence[Result]:
        return await self._database.write_hot(self._batch(items), durable=self._is_durable(items))


def _fail(batch: Sequence[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)
