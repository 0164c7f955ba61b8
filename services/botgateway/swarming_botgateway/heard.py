"""Which runs were heard of: told to their shards every few seconds, packed; while the bus is away by their rows."""

from collections import defaultdict

from swarming_botgateway.store.heard_runs import hot_heard_runs
from swarming_common.bus.port import Bus
from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import RunsHeard
from swarming_common.model.task_id import RunId


class Heard:
    """Collects runs whose bots spoke, until the next `tell`."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self._bus = bus
        self._database = database
        self._runs: dict[int, set[RunId]] = defaultdict(set)

    def note(self, shard: int, run: RunId) -> None:
        """This run's bot spoke just now."""
        self._runs[shard].add(run)

    async def tell(self) -> None:
        """Tell what was noted since the last time. Raises DatabaseAway, and then it is told the next time."""
        noted, self._runs = self._runs, defaultdict(set)
        if not self._bus.connected:
            await self._tell_by_rows(noted)
            return
        for shard, runs in noted.items():
            pairs = tuple((run.task_id, run.number) for run in runs)
            self._bus.send(addresses.shard(shard), RunsHeard(runs=pairs))

    async def _tell_by_rows(self, noted: dict[int, set[RunId]]) -> None:
        """A scheduler that still has the bus takes silence at its word, and would give these runs to other bots."""
        runs = [run for some in noted.values() for run in some]
        try:
            if runs:
                await self._database.write_hot(hot_heard_runs(runs), durable=False)
        except DatabaseAway:
            for shard, some in noted.items():
                self._runs[shard] |= some
            raise
