"""The process's one writer of decisions: everything that all its shards decided, again and again in one commit."""

import asyncio
import time

from swarming_common.database.port import Writer
from swarming_scheduler import metrics, store
from swarming_scheduler.rows import freeze
from swarming_scheduler.shard import Shard

TASKS_IN_A_COMMIT = 1_000
"""A commit must end well within the time after which the database takes its writer for dead, and what it needs of the
event loop must not hold up everything else."""

STALE_SECONDS = 2.0
"""Twice the time between two beats: for so long the writer was heard by the database, and nobody else had our locks."""


class Committer:
    """Commits what its shards decided while the last commit was under way, and lets them tell it."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()
        self.shards: dict[int, Shard] = {}
        self._last_answer = time.monotonic()

    async def beat(self) -> None:
        """A word to the database, once a second. Raises DatabaseAway when the writer is lost."""
        await self.writer.beat()
        self._last_answer = time.monotonic()

    def wake(self) -> None:
        """Something was decided."""
        self._due.set()

    async def run(self) -> None:
        """Commit until cancelled. Raises DatabaseAway or LostOwnership: then all the shards' memory is void."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self.commit()

    async def commit(self) -> None:
        """Commit what was decided so far, or as much of it as one commit should write; the rest is due at once."""
        async with self._turn:
            changed = [shard for shard in self.shards.values() if shard.state.changes]
            if not changed:
                return
            taken = [(shard, shard.take_changes(TASKS_IN_A_COMMIT // len(changed))) for shard in changed]
            if any(shard.state.changes for shard in changed):
                self.wake()
            late_costs = [one for _, changes in taken for one in changes.late_costs]
            if late_costs:
                await self.writer.write(lambda c: store.add_late_costs(c, late_costs))
            batch = freeze((shard.state, changes, shard.event_numbers) for shard, changes in taken)
            requests: store.Requests = {}
            if batch:
                before = time.monotonic()
                requests = await self.writer.write_hot(store.hot_batch(batch))
                self._last_answer = time.monotonic()
                metrics.COMMITS.observe(self._last_answer - before)
            elif time.monotonic() - self._last_answer > STALE_SECONDS:
                await self.beat()  # who was stopped for a while must not tell anything of what it may not own any more
            for shard, changes in taken:
                shard.tell(changes, requests)

    async def commit_all(self, shard: Shard) -> None:
        """Commit all that this shard has decided; it must not go on deciding."""
        await self.commit()
        while shard.state.changes:
            await self.commit()
