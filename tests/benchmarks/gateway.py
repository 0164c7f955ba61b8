"""`make bench-gateway`: one bot gateway with 5,000 idle bots, in the distributed form on real servers.

The bots are simulated in this one process. First a few of them carry out some thousands of tasks, each reported done at
once, which shows what a poll and an update cost the gateway. Then all are idle on held polls: the gateway's processor
time and memory, and, one task after the other, the time from a submission to the moment in which its run has reached a
bot. Nothing fails when a target is missed. Writes build/bench/gateway.json.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from swarming_common.file_limit import raise_file_limit
from tests.benchmarks.distributed import distributed
from tests.benchmarks.simulated_bots import SimulatedBot, start_bots
from tests.benchmarks.yardstick import Yardstick, measure, ms, percentile
from tests.cluster.cluster import Cluster
from tests.cluster.flood import submit

REPORT = Path("build/bench/gateway.json")
BUSY_BOTS = 200
RAMP_SECONDS = 45.0
"""As long as a poll is held, so that polls end as evenly as those of bots that came one by one."""
SETTLING_SECONDS = 5.0
PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 300.0
TARGET_SHARE = 0.2
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Busy:
    """What polls and updates cost."""

    tasks: int
    bots: int
    seconds: float
    gateway_cpu_seconds: float
    pairs_per_cpu_second: float
    """A pair is a poll that was answered with a task and the update that ended it."""
    yardstick: Yardstick


@dataclass(frozen=True, kw_only=True)
class Idle:
    """What waiting bots cost; bytes and seconds."""

    bots: int
    seconds: float
    polls_per_second: float
    failures: int
    """How often bots were refused for want of strength, since the first came."""
    gateway_share: float
    """Of one core."""
    other_shares: dict[str, float]
    memory_without_bots: int
    memory: int
    memory_per_bot: float
    yardstick: Yardstick


@dataclass(frozen=True, kw_only=True)
class HandedOut:
    """From the moment in which a task is submitted until its run has reached a bot; seconds."""

    tasks: int
    p50: float
    p99: float
    yardstick: Yardstick


def main() -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bots", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=45.0, help="how long the idle bots are watched")
    parser.add_argument("--tasks", type=int, default=4_000, help="of the busy bots")
    parser.add_argument("--upstream", action="store_true", help="the idle bots are upstream's, held for a shorter time")
    parser.add_argument("--submissions", type=int, default=200, help="while the others wait")
    args = parser.parse_args()
    files = raise_file_limit()
    if files < args.bots + 100:
        parser.error(f"this process may open {files} files only, too few for {args.bots} bots")
    with distributed(settings={"SWARMING_LOG_LEVEL": "warning"}) as cluster:
        figures = uvloop.run(_measure(cluster, args))
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([{"what": type(one).__name__, **asdict(one)} for one in figures], indent=1))
    return 0


async def _measure(cluster: Cluster, args: argparse.Namespace) -> list[Busy | Idle | HandedOut]:
    gateway = _Watched(cluster.services["botgateway-1"].pid)
    memory_without_bots = gateway.memory
    busy = await _busy(cluster, gateway, args.tasks)
    _show_busy(busy)
    arrivals = _Arrivals()
    bots = await start_bots(
        _gateway_url(cluster),
        _ids("idle", args.bots),
        ["idle"],
        RAMP_SECONDS,
        on_run=arrivals.note,
        are_upstream=args.upstream,
    )
    await asyncio.sleep(SETTLING_SECONDS)
    idle = await _idle(cluster, gateway, bots, memory_without_bots, args.seconds)
    _show_idle(idle)
    handed_out = await _handed_out(cluster, arrivals, args.submissions)
    _show_handed_out(handed_out)
    for bot in bots:
        bot.close()
    return [busy, idle, handed_out]


async def _busy(cluster: Cluster, gateway: "_Watched", tasks: int) -> Busy:
    yardstick = await asyncio.to_thread(measure)
    done: asyncio.Queue[str] = asyncio.Queue()
    bots = await start_bots(_gateway_url(cluster), _ids("busy", BUSY_BOTS), ["busy"], 1.0, on_done=done.put_nowait)
    began, cpu = time.monotonic(), gateway.cpu_seconds
    await submit([cluster.ports["frontend-1"]], _task("busy"), tasks)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(tasks):
            await done.get()
    seconds, cpu = time.monotonic() - began, gateway.cpu_seconds - cpu
    for bot in bots:
        bot.close()
    await asyncio.sleep(SETTLING_SECONDS)
    return Busy(
        tasks=tasks,
        bots=BUSY_BOTS,
        seconds=seconds,
        gateway_cpu_seconds=cpu,
        pairs_per_cpu_second=tasks / cpu,
        yardstick=yardstick,
    )


async def _idle(
    cluster: Cluster, gateway: "_Watched", bots: list[SimulatedBot], memory_without_bots: int, seconds: float
) -> Idle:
    others = {name: _Watched(one.pid) for name, one in cluster.services.items() if one.pid != gateway.pid}
    yardstick = await asyncio.to_thread(measure)
    polls, began, cpu = sum(bot.polls for bot in bots), time.monotonic(), gateway.cpu_seconds
    others_cpu = {name: one.cpu_seconds for name, one in others.items()}
    await asyncio.sleep(seconds)
    lasted = time.monotonic() - began
    memory = gateway.memory
    return Idle(
        bots=len(bots),
        seconds=lasted,
        polls_per_second=(sum(bot.polls for bot in bots) - polls) / lasted,
        failures=sum(bot.failures for bot in bots),
        gateway_share=(gateway.cpu_seconds - cpu) / lasted,
        other_shares={name: (one.cpu_seconds - others_cpu[name]) / lasted for name, one in others.items()},
        memory_without_bots=memory_without_bots,
        memory=memory,
        memory_per_bot=(memory - memory_without_bots) / len(bots),
        yardstick=yardstick,
    )


async def _handed_out(cluster: Cluster, arrivals: "_Arrivals", submissions: int) -> HandedOut:
    yardstick = await asyncio.to_thread(measure)
    times = []
    for _ in range(submissions):
        await asyncio.sleep(PAUSE_SECONDS)
        came, began = arrivals.next(), time.perf_counter()
        await submit([cluster.ports["frontend-1"]], _task("idle"), 1, connections=1)
        times.append(await asyncio.wait_for(came, PATIENCE_SECONDS) - began)
    return HandedOut(tasks=submissions, p50=percentile(times, 0.5), p99=percentile(times, 0.99), yardstick=yardstick)


def _gateway_url(cluster: Cluster) -> str:
    return f"http://127.0.0.1:{cluster.ports['botgateway-1']}"


def _ids(name: str, count: int) -> list[str]:
    return [f"{name}-{number:05}" for number in range(count)]


def _task(pool: str) -> dict[str, Any]:
    properties = {
        "command": ["true"],
        "dimensions": [{"key": "pool", "value": pool}],
        "execution_timeout_secs": 60,
        "io_timeout_secs": 0,
    }
    one_slice = {"expiration_secs": 3600, "wait_for_capacity": True, "properties": properties}
    return {"name": "gateway", "priority": 100, "task_slices": [one_slice]}


class _Arrivals:
    """When the next run comes to any of the bots."""

    def __init__(self) -> None:
        self._came: asyncio.Future[float] | None = None

    def next(self) -> "asyncio.Future[float]":
        """Done with the moment (perf_counter) of the next one."""
        self._came = asyncio.get_running_loop().create_future()
        return self._came

    def note(self, run_id: str) -> None:
        """A run has come."""
        del run_id
        if self._came is not None and not self._came.done():
            self._came.set_result(time.perf_counter())


class _Watched:
    """What the system says of a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def cpu_seconds(self) -> float:
        """Used so far, its own and the system's for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory(self) -> int:
        """Resident, in bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def _show_busy(busy: Busy) -> None:
    print(
        f"{busy.tasks} tasks on {busy.bots} bots in {busy.seconds:.1f} s ({busy.tasks / busy.seconds:.0f}/s):"
        f" {busy.pairs_per_cpu_second:.0f} pairs of poll and update per second of the gateway's processor time"
    )
    _show_yardstick(busy.yardstick)


def _show_idle(idle: Idle) -> None:
    others = ", ".join(f"{name} {share:.0%}" for name, share in idle.other_shares.items())
    print(
        f"{idle.bots} idle bots over {idle.seconds:.0f} s, {idle.polls_per_second:.0f} polls/s: the gateway uses"
        f" {idle.gateway_share:.1%} of a core (target {TARGET_SHARE:.0%}) and {idle.memory / 2**20:.0f} MiB"
        f" ({idle.memory_per_bot / 1024:.1f} KiB for each bot); others: {others}"
    )
    _show_yardstick(idle.yardstick)


def _show_handed_out(handed_out: HandedOut) -> None:
    print(
        f"submit → handed to a bot over {handed_out.tasks} tasks while they wait: p50 {ms(handed_out.p50)},"
        f" p99 {ms(handed_out.p99)}"
    )
    _show_yardstick(handed_out.yardstick)


def _show_yardstick(yardstick: Yardstick) -> None:
    for line in yardstick.lines():
        print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
