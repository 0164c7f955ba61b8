"""The process's one writer of decisions: everything that all its shards decided, again and again in one commit."""

import asyncio
import time

from swarming_common.database.port import Writer
from swarming_scheduler import metrics, store
from swarming_scheduler.rows import freeze
from swarming_scheduler.shard import Shard


class Committer:
    """Commits what its shards decided while the last commit was under way, and lets them tell it."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()
        self.shards: dict[int, Shard] = {}

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
        """Commit what was decided so far; also for whoever must be sure of it."""
        async with self._turn:
            taken = [(shard, shard.take_changes()) for shard in self.shards.values() if shard.state.changes]
            if not taken:
                return
            batch = freeze((shard.state, changes, shard.event_numbers) for shard, changes in taken)
            requests: store.Requests = {}
            if batch:
                before = time.monotonic()
                requests = await self.writer.write(lambda c: store.write_batch(c, batch), one_statement=True)
                metrics.COMMITS.observe(time.monotonic() - before)
            for shard, changes in taken:
                shard.tell(changes, requests)
