"""Which runs were heard of: told to their shards every few seconds, packed."""

from collections import defaultdict

from swarming_common.bus.port import Bus
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import RunsHeard
from swarming_common.model.task_id import RunId


class Heard:
    """Collects runs whose bots spoke, until the next `tell`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._runs: dict[int, set[RunId]] = defaultdict(set)

    def note(self, shard: int, run: RunId) -> None:
        """This run's bot spoke just now."""
        self._runs[shard].add(run)

    async def tell(self) -> None:
        """Send what was noted since the last time."""
        noted, self._runs = self._runs, defaultdict(set)
        for shard, runs in noted.items():
            pairs = tuple((run.task_id, run.number) for run in runs)
            self._bus.send(addresses.shard(shard), RunsHeard(runs=pairs))
