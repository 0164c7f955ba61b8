"""`make bench-pools`: bots that are in four pools, each pool served by another shard.

Simulated bots work off a backlog in all four pools; printed are the events of a task and the tasks per second. Then
tasks are submitted one after the other to the idle system; printed is the time from the submission to the arrival of
the run at a bot. Writes build/bench/pools.json.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from sqlalchemy import Connection, func, select

from swarming_common.database.tables import task_event
from swarming_common.model.shards import shard_of_pool
from tests.benchmarks.distributed import distributed
from tests.benchmarks.simulated_bots import start_bots
from tests.benchmarks.yardstick import Yardstick, measure, ms, percentile
from tests.cluster.deployment import Deployment
from tests.cluster.flood import submit
from tests.cluster.standalone import Standalone

REPORT = Path("build/bench/pools.json")
POOLS = 4
PAUSE_SECONDS = 0.05
SETTLING_SECONDS = 2.0
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Seconds, but for the counts."""

    form: str
    bots: int
    tasks: int
    tasks_per_second: float
    assigned_per_task: float
    requeued_per_task: float
    idle_tasks: int
    idle_p50: float
    idle_p99: float
    yardstick: Yardstick


def main() -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bots", type=int, default=16)
    parser.add_argument("--tasks", type=int, default=1_000, help="of the backlog, in all pools together")
    parser.add_argument("--idle-tasks", type=int, default=100, help="submitted one after the other")
    parser.add_argument("--form", choices=("embedded", "distributed"), action="append")
    args = parser.parse_args()
    figures = []
    for form in args.form or ("embedded", "distributed"):
        with _deployment(form) as (deployment, frontend, gateway):
            figures.append(uvloop.run(_measure(form, deployment, frontend, gateway, args)))
        _show(figures[-1])
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(one) for one in figures], indent=1))
    return 0


@contextmanager
def _deployment(form: str) -> Iterator[tuple[Deployment, int, int]]:
    """It, and the ports of its frontend and its bot gateway."""
    if form == "embedded":
        with tempfile.TemporaryDirectory(prefix="swarming-bench-") as folder, Standalone(Path(folder)) as standalone:
            port = urlsplit(standalone.url).port or 80
            yield standalone, port, port
    else:
        with distributed(settings={"SWARMING_LOG_LEVEL": "warning"}) as cluster:
            yield cluster, cluster.ports["frontend-1"], cluster.ports["botgateway-1"]


async def _measure(form: str, deployment: Deployment, frontend: int, gateway: int, args: argparse.Namespace) -> Figures:
    pools, yardstick = _pools_of_different_shards(), await asyncio.to_thread(measure)
    came: asyncio.Queue[float] = asyncio.Queue()
    done: asyncio.Queue[str] = asyncio.Queue()
    tasks = args.tasks // len(pools) * len(pools)
    for pool in pools:
        await submit([frontend], _task(pool), tasks // len(pools))
    began = time.monotonic()
    bots = await start_bots(
        f"http://127.0.0.1:{gateway}",
        [f"bot-{number:03}" for number in range(args.bots)],
        pools,
        0.1,
        on_run=lambda run_id: came.put_nowait(time.perf_counter()),
        on_done=done.put_nowait,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(tasks):
            await done.get()
    seconds = time.monotonic() - began
    await asyncio.sleep(SETTLING_SECONDS)
    events = await asyncio.to_thread(deployment.read, _count_events)
    while not came.empty():
        came.get_nowait()
    times = []
    for number in range(args.idle_tasks):
        await asyncio.sleep(PAUSE_SECONDS)
        before = time.perf_counter()
        await submit([frontend], _task(pools[number % len(pools)]), 1, connections=1)
        times.append(await asyncio.wait_for(came.get(), PATIENCE_SECONDS) - before)
    for bot in bots:
        bot.close()
    return Figures(
        form=form,
        bots=args.bots,
        tasks=tasks,
        tasks_per_second=tasks / seconds,
        assigned_per_task=events.get("task.assigned", 0) / tasks,
        requeued_per_task=events.get("task.requeued", 0) / tasks,
        idle_tasks=args.idle_tasks,
        idle_p50=percentile(times, 0.5),
        idle_p99=percentile(times, 0.99),
        yardstick=yardstick,
    )


def _count_events(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(task_event.c.name, func.count()).group_by(task_event.c.name))
    return {row.name: row[1] for row in rows}


def _pools_of_different_shards() -> list[str]:
    found: dict[int, str] = {}
    for number in range(100):
        found.setdefault(shard_of_pool(f"pool-{number}"), f"pool-{number}")
    return list(found.values())[:POOLS]


def _task(pool: str) -> dict[str, Any]:
    properties = {
        "command": ["true"],
        "dimensions": [{"key": "pool", "value": pool}],
        "execution_timeout_secs": 60,
        "io_timeout_secs": 0,
    }
    one_slice = {"expiration_secs": 3600, "wait_for_capacity": True, "properties": properties}
    return {"name": "pools", "priority": 100, "task_slices": [one_slice]}


def _show(figures: Figures) -> None:
    print(
        f"{figures.form}: {figures.tasks} tasks in {POOLS} pools, {figures.bots} bots in all of them:"
        f" {figures.tasks_per_second:.0f} tasks/s, {figures.assigned_per_task:.3f} task.assigned and"
        f" {figures.requeued_per_task:.3f} task.requeued a task; idle: submit → run at a bot over"
        f" {figures.idle_tasks} tasks p50 {ms(figures.idle_p50)}, p99 {ms(figures.idle_p99)}"
    )
    for line in figures.yardstick.lines():
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
