"""Which runs were heard of, and what they cost: told to their shards every few seconds, packed; while the bus is away
by their rows."""

from collections import defaultdict

from swarming_botgateway.store.heard_runs import hot_heard_runs
from swarming_common.bus.port import Bus
from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import RunsHeard
from swarming_common.model.task_id import RunId

Costs = dict[RunId, float | None]


class Heard:
    """Collects runs whose bots spoke, until the next `tell`."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self._bus = bus
        self._database = database
        self._runs: dict[int, Costs] = defaultdict(dict)

    def note(self, shard: int, run: RunId, cost_usd: float | None = None) -> None:
        """This run's bot spoke just now, and may have said what the run has cost so far."""
        runs = self._runs[shard]
        runs[run] = runs.get(run) if cost_usd is None else cost_usd

    async def tell(self) -> None:
        """Tell what was noted since the last time. Raises DatabaseAway, and then it is told the next time."""
        noted, self._runs = self._runs, defaultdict(dict)
        if not self._bus.connected:
            await self._tell_by_rows(noted)
            return
        for shard, runs in noted.items():
            pairs = tuple((run.task_id, run.number) for run in runs)
            self._bus.send(addresses.shard(shard), RunsHeard(runs=pairs, costs_usd=tuple(runs.values())))

    async def _tell_by_rows(self, noted: dict[int, Costs]) -> None:
        """A scheduler that still has the bus takes silence at its word, and would give these runs to other bots."""
        runs = [heard for some in noted.values() for heard in some.items()]
        try:
            if runs:
                await self._database.write_hot(hot_heard_runs(runs), durable=False)
        except DatabaseAway:
            for shard, some in noted.items():
                self._runs[shard] = some | self._runs[shard]
            raise
