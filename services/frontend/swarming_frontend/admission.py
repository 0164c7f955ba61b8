"""Whether a pool may take one more task: a limit on how many wait, kept about right without asking anybody.

Each shard tells once a second how many tasks wait in its pools that have a limit; to that, a frontend adds what it has
accepted since. What other frontends have accepted since, and what is under way, is not known: a limit may be passed by
as much as all frontends accept in a second or two. Before the first word of a shard its pools take everything.
"""

from collections import Counter

from swarming_common.bus.port import Bus, Mailbox
from swarming_common.errors import SwarmingError
from swarming_common.hints import addresses
from swarming_common.hints.frontend import TasksPending
from swarming_common.hints.wire import Hint
from swarming_common.model.shards import shard_of_pool
from swarming_common.pools.port import Pools

RETRY_AFTER_SECONDS = 5
"""What a refused caller is told: long enough for some tasks to be taken, and for the count to be right again."""


class TooManyPending(SwarmingError):
    """The pool has as many waiting tasks as it may have."""

    retry_after_seconds = RETRY_AFTER_SECONDS


class Admission:
    """Counts what waits in the pools that have a limit."""

    def __init__(self, pools: Pools, shard_count: int) -> None:
        self._pools = pools
        self._shard_count = shard_count
        self._told: dict[int, dict[str, int]] = {}
        self._accepted: Counter[str] = Counter()
        self._mailbox: Mailbox | None = None

    async def open(self, bus: Bus) -> None:
        """Start to listen to the shards."""
        self._mailbox = await bus.open_mailbox(self.read)
        await self._mailbox.listen(addresses.ALL_FRONTENDS)

    async def close(self) -> None:
        """Stop listening."""
        if self._mailbox is not None:
            await self._mailbox.close()

    def read(self, hint: Hint) -> None:
        """Take a shard's word: what was accepted before is counted in it, or soon will be."""
        if isinstance(hint, TasksPending):
            self._told[hint.shard] = hint.pending
            for pool in [one for one in self._accepted if self._shard_of(one) == hint.shard]:
                del self._accepted[pool]

    def admit(self, pool: str) -> None:
        """Count one more task in a pool. Raises TooManyPending when it has too many already."""
        most = self._pools.of(pool).max_pending
        if most is None:
            return
        told = self._told.get(self._shard_of(pool))
        if told is None:
            return
        waiting = told.get(pool, 0) + self._accepted[pool]
        if waiting >= most:
            raise TooManyPending(
                f"pool {pool} has {waiting} tasks waiting, and may have {most}; "
                f"try again in {RETRY_AFTER_SECONDS} seconds"
            )
        self._accepted[pool] += 1

    def _shard_of(self, pool: str) -> int:
        return shard_of_pool(pool, self._shard_count)
