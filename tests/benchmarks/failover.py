"""`make bench-failover`: how soon a shard with very many pending tasks is served again when its owner is gone.

Two of each service on real servers. All tasks come in through the API, in one pool, so in one shard; some bots work on
them. Then the owner of the shard is killed (kill -9) and started again, or stopped (SIGSTOP) and woken up when another
serves, and then no harm may have been done. The figure is the time from the signal until another client of the
database sees the next assignment. Writes build/bench/failover.json.
"""

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from tests.benchmarks.distributed import distributed
from tests.benchmarks.yardstick import measure
from tests.cluster.cluster import Cluster
from tests.cluster.flood import submit
from tests.cluster.owners import owner_of
from tests.cluster.records import event_rows, faults_in_numbers

REPORT = Path("build/bench/failover.json")
POOL = "failover"
SHARD = shard_of_pool(POOL)
BOTS = 8
TASK_SECONDS = 0.5
LOOK_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
STEADY_ASSIGNMENTS = 2 * BOTS
"""So many one after another show that all bots have work again."""
SETTLING_SECONDS = 5.0
TARGETS = {"kill -9": 5.0, "SIGSTOP": 10.0}


@dataclass(frozen=True, kw_only=True)
class Round:
    """One loss of the owner; seconds since the signal."""

    signal: str
    pending: int
    claimed: float
    """Until another process had the shard."""
    assigned: float
    """Until the next assignment."""
    steady: float
    """Until all bots had work again."""
    loaded: float | None
    """How long the new owner then took to have everything in memory; it serves meanwhile."""
    harm: list[str]
    """What must not be; in words."""


def main() -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    yardstick = measure()
    with distributed(replicas=2) as cluster:
        rounds = asyncio.run(_measure(cluster, args.tasks, args.rounds))
    _show(rounds)
    for line in yardstick.lines():
        print(f"  {line}")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(one) for one in rounds], indent=1))
    return 0


async def _measure(cluster: Cluster, tasks: int, rounds: int) -> list[Round]:
    watch = await Watch.open(cluster)
    await _fill(cluster, watch, tasks)
    cluster.start_bots(BOTS, dimensions=[("pool", POOL)])
    done = []
    for name in TARGETS:
        for _ in range(rounds):
            await watch.wait_until(_is_steady, await watch.look())
            await asyncio.sleep(SETTLING_SECONDS)
            done.append(await _lose_owner(cluster, watch, name))
            print(f"  {done[-1]}", flush=True)
    await watch.close()
    return done


async def _fill(cluster: Cluster, watch: "Watch", tasks: int) -> None:
    began = time.monotonic()
    await submit([cluster.ports[name] for name in cluster.names("frontend")], _body(), tasks)
    accepted = time.monotonic() - began
    while True:
        if await watch.pending() >= tasks:
            break
        await asyncio.sleep(LOOK_SECONDS)
    print(
        f"{tasks} tasks accepted by the API in {accepted:.1f} s ({tasks / accepted:.0f}/s),"
        f" all queued after {time.monotonic() - began:.1f} s",
        flush=True,
    )


def _body() -> dict[str, Any]:
    properties = {
        "command": ["sleep", str(TASK_SECONDS)],
        "dimensions": [{"key": "pool", "value": POOL}],
        "execution_timeout_secs": 60,
        "io_timeout_secs": 0,
    }
    one_slice = {"expiration_secs": 24 * 3600, "wait_for_capacity": True, "properties": properties}
    return {"name": "failover", "priority": 100, "task_slices": [one_slice]}


def _is_steady(now: "Sight") -> bool:
    return now.assigned >= STEADY_ASSIGNMENTS


async def _lose_owner(cluster: Cluster, watch: "Watch", name: str) -> Round:
    owner = await asyncio.to_thread(owner_of, cluster, SHARD)
    assert owner is not None, "nobody owns the shard"
    program, pending, before = cluster.services[owner], await watch.pending(), await watch.look()
    began = time.monotonic()
    program.signal(signal.SIGKILL if name == "kill -9" else signal.SIGSTOP)
    claimed = await watch.wait_until(lambda now: now.epoch > before.epoch) - began
    assigned = await watch.wait_until(lambda now: now.assigned > 0, before) - began
    steady = await watch.wait_until(_is_steady, before) - began
    loaded = await _wait_for_loading(cluster, (await watch.look()).epoch)
    if name == "kill -9":
        program.wait(PATIENCE_SECONDS)
        await asyncio.to_thread(cluster.restart, owner)
    else:
        program.signal(signal.SIGCONT)
        await asyncio.sleep(SETTLING_SECONDS)  # it may still look ready, until it notices
        await asyncio.to_thread(cluster.wait_ready, owner)
    await asyncio.sleep(SETTLING_SECONDS)
    harm = await watch.harm() + faults_in_numbers(await asyncio.to_thread(cluster.read, event_rows))
    return Round(
        signal=name,
        pending=pending,
        claimed=claimed,
        assigned=assigned,
        steady=steady,
        loaded=loaded,
        harm=harm,
    )


async def _wait_for_loading(cluster: Cluster, epoch: int) -> float | None:
    """What the owner of this epoch says in its log of how long it loaded."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for name in cluster.names("scheduler"):
            for line in cluster.services[name].log.read_text().splitlines():
                if '"shard_loaded"' in line:
                    said = json.loads(line)
                    if (said["shard"], said["epoch"]) == (SHARD, epoch):
                        return float(said["seconds"])
        await asyncio.sleep(0.2)
    return None


@dataclass(frozen=True, slots=True)
class Sight:
    """The shard at a moment, by the clock of the database; schedulers date events by it too."""

    moment: datetime
    epoch: int
    last_seq: int
    assigned: int
    """Assignments since an earlier sight. Who is dead or stopped decides none any more."""


class Watch:
    """Looks at the tables from outside."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, cluster: Cluster) -> "Watch":
        """On a connection of its own."""
        return cls(await asyncpg.connect(cluster.settings["SWARMING_DATABASE_URL"]))

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()

    async def look(self, since: Sight | None = None) -> Sight:
        """How it stands now."""
        row = await self._connection.fetchrow(
            """
            SELECT clock_timestamp() AS moment, epoch,
                (SELECT coalesce(max(seq), 0) FROM task_event WHERE task_event.shard = $1) AS last_seq,
                (SELECT count(*) FROM task_event WHERE task_event.shard = $1 AND seq > $2
                    AND name = 'task.assigned' AND created_ts > coalesce($3, clock_timestamp())) AS assigned
            FROM shard WHERE shard.shard = $1
            """,
            SHARD,
            since.last_seq if since else 1 << 60,
            since.moment if since else None,
        )
        return Sight(*row.values())

    async def wait_until(self, is_so: Callable[[Sight], bool], since: Sight | None = None) -> float:
        """The time (monotonic) when it was seen to be so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so(await self.look(since)):
            assert time.monotonic() < deadline, "the shard is not served any more"
            await asyncio.sleep(LOOK_SECONDS)
        return time.monotonic()

    async def pending(self) -> int:
        """How many tasks wait."""
        query = f"SELECT count(*) FROM task_result WHERE shard = $1 AND state = {int(TaskState.PENDING)}"
        return int(await self._connection.fetchval(query, SHARD))

    async def harm(self) -> list[str]:
        """No bot was lost, so no task may have begun twice, and nothing but success may have come of any."""
        twice = await self._connection.fetchval("SELECT count(*) FROM task_run WHERE run_number > 1")
        names = ["task.queued", "task.assigned", "task.completed"]
        told = await self._connection.fetch(
            "SELECT name, count(*) FROM task_event WHERE name <> ALL($1) GROUP BY name", names
        )
        failed = await self._connection.fetchval("SELECT count(*) FROM task_result WHERE failure OR internal_failure")
        found = [f"{count} {name}" for name, count in told]
        return found + [f"{count} {what}" for count, what in ((twice, "second runs"), (failed, "failures")) if count]


def _show(rounds: list[Round]) -> None:
    print("signal      pending   claimed  assigned    steady    loaded   harm")
    for one in rounds:
        loaded = f"{one.loaded:7.2f} s" if one.loaded is not None else "?"
        print(
            f"{one.signal:9} {one.pending:9}  {one.claimed:6.2f} s  {one.assigned:6.2f} s  {one.steady:6.2f} s"
            f" {loaded}   {one.harm or 'none'}"
        )
    for name, target in TARGETS.items():
        seconds = [one.assigned for one in rounds if one.signal == name]
        print(
            f"{name}: next assignment after {statistics.median(seconds):.2f} s in the middle,"
            f" {max(seconds):.2f} s at most (target {target:.0f} s)"
        )


if __name__ == "__main__":
    sys.exit(main())
