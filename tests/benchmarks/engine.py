"""`make bench-engine`: what an assignment costs the scheduler's matching engine, and what a pending task.

Each case has a process of its own, in which 10,000 bots (fleet.py: of 500 kinds, each a class of its own) and all
dimension sets are known and so many tasks are pending, of five priorities, in the order of their creation. Measured in
CPU time:

- assignments: bots offer themselves, each with dimensions decoded anew, and get a task;
- submissions: the tasks that take the place of those assigned, so that the queue keeps its length;
- to waiting bots: nothing is pending, all bots wait, and each submission gets a bot.

Memory is how much the resident size of another process grows when the tasks are submitted to an engine that knows bots
and sets already; small cases take several engines. `shard_bytes_per_task` is the same for a whole shard's memory, into
which the tasks come as decoded requests. Writes build/bench/engine.json. Asserts nothing.
"""

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

from swarming_common.model.dimensions import Requirements
from swarming_common.model.request import TaskProperties, TaskRequest, TaskSlice
from swarming_common.model.task_id import new_task_id
from swarming_scheduler.changes import Changes
from swarming_scheduler.engine.bots import WaitingBot
from swarming_scheduler.engine.matching import Engine
from swarming_scheduler.engine.queues import Ticket
from swarming_scheduler.rules import Rules
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.take_in import take_in
from tests.benchmarks.fleet import KINDS, Fleet, a_fleet, decoded

REPORT = Path("build/bench/engine.json")
PENDING = (1_000, 100_000, 1_000_000)
SETS = (1, 100, 5_000)
BOTS = 10_000
PRIORITIES = (20, 100, 100, 100, 150, 200, 250)
ROUNDS = 3
"""So often does each bot come while it is measured."""
MEASURED = 30_000
"""Assignments to waiting bots."""
YARDSTICK_ROUNDS = 200_000
BATCH = 100
"""So many tasks are assigned before as many are submitted."""
TARGET_RATE, TARGET_BYTES, TARGET_RATIO = 100_000, 300, 1.5
TASKS_FOR_MEMORY = 20_000
"""A smaller case is filled into several engines until there are so many tasks."""
SHARD_TASKS = 100_000
"""At most so many requests are decoded to measure a shard."""
RULES = Rules(confirm_seconds=70, silence_margin_seconds=30, bot_death_timeout_secs=600)
Tasks = Iterator[tuple[Ticket, Requirements]]
BEGINNING = datetime(2026, 11, 23, 12, tzinfo=UTC)


def main() -> int:
    """Run all cases, or the one that is asked for; print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=3, metavar=("WHAT", "PENDING", "SETS"))
    case = parser.parse_args().case
    if case:
        print(json.dumps(_MEASURED[case[0]](int(case[1]), int(case[2]))))
        return 0
    print(_HEADER)
    figures = []
    for pending in PENDING:
        for sets in SETS:
            figures.append(_figures(pending, sets))
            _show(figures[-1], figures)
    print(f"targets: {TARGET_RATE:,} assignments a second, {TARGET_BYTES} bytes a task, {TARGET_RATIO} times the cost")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(figures, indent=1))
    return 0


def _figures(pending: int, sets: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "pending": pending,
        "dimension_sets": sets,
        "bots": BOTS,
        "bot_classes": BOTS,
        "kinds_of_bots": KINDS,
    }
    for what in _MEASURED:
        command = [sys.executable, "-m", "tests.benchmarks.engine", "--case", what, str(pending), str(sets)]
        found |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


_HEADER = """\
                       ------------- per CPU second -------------   of an assignment   bytes of a task
   pending   sets      assign   first time   submit   bot waiting   yardsticks  cost   engine   shard"""


def _show(one: dict[str, Any], all_: list[dict[str, Any]]) -> None:
    """`cost` is the assignment's beside that of the first case with as many sets, in yardsticks."""
    cost = one["cost_in_yardsticks"]
    first = next(other for other in all_ if other["dimension_sets"] == one["dimension_sets"])
    one["cost_to_fewest_pending"] = round(cost / first["cost_in_yardsticks"], 2)
    print(
        f"{one['pending']:10,} {one['dimension_sets']:6,} {one['assignments_per_cpu_second']:11,}"
        f" {one['first_assignments_per_cpu_second']:12,} {one['submissions_per_cpu_second']:8,}"
        f" {one['assignments_to_waiting_bots_per_cpu_second']:13,} {cost:12.1f}"
        f" {one['cost_to_fewest_pending']:5.2f} {one['bytes_per_task']:8} {one['shard_bytes_per_task']:7}",
        flush=True,
    )


def _measure_speed(pending: int, sets: int) -> dict[str, Any]:
    fleet, yardstick = a_fleet(BOTS, sets), [_yardstick()]
    random, tasks, engine = Random(pending), _tasks(fleet, pending), Engine()
    _know_sets(engine, fleet)
    for ticket, asked in islice(tasks, pending):
        engine.submit(ticket, asked)
    batch = min(BATCH, pending // 10)
    firsts, _ = _assign(engine, _shuffled(fleet.bots, random), tasks, batch)
    yardstick.append(_yardstick())
    rounds = [_assign(engine, _shuffled(fleet.bots, random), tasks, batch) for _ in range(ROUNDS)]
    yardstick.append(_yardstick())
    cost = sorted(yardstick)[1]
    assigned = sum(one[0].seconds for one in rounds) / sum(one[0].count for one in rounds)
    submitted = sum(one[1].seconds for one in rounds) / sum(one[1].count for one in rounds)
    return {
        "assignments_per_cpu_second": round(1 / assigned),
        "first_assignments_per_cpu_second": round(firsts.count / firsts.seconds),
        "submissions_per_cpu_second": round(1 / submitted),
        "assignments_to_waiting_bots_per_cpu_second": round(1 / _assign_to_waiting(fleet, random)),
        "yardstick_us": round(cost * 1e6, 3),
        "cost_in_yardsticks": round(assigned / cost, 2),
        "smallest_share_of_sets": fleet.shares[0],
        "median_share_of_sets": statistics.median(fleet.shares),
    }


@dataclass
class _Timed:
    """CPU seconds for so many."""

    count: int = 0
    seconds: float = 0.0


def _assign(engine: Engine, bots: list[str], tasks: Tasks, batch: int) -> tuple[_Timed, _Timed]:
    """Each bot offers itself once; what is assigned is submitted anew, a batch at a time. A bot for which there is
    nothing goes away again; its time counts, but not as an assignment."""
    assigned, submitted = _Timed(), _Timed()
    for start in range(0, len(bots), batch):
        offers = [decoded(bot) for bot in bots[start : start + batch]]
        before = time.process_time()
        matches = [engine.offer(WaitingBot(dimensions["id"][0], dimensions)) for dimensions in offers]
        assigned.seconds += time.process_time() - before
        count = sum(match is not None for match in matches)
        assigned.count += count
        for dimensions in offers:
            engine.withdraw(dimensions["id"][0])
        new = list(islice(tasks, count))
        before = time.process_time()
        for ticket, asked in new:
            engine.submit(ticket, asked)
        submitted.seconds += time.process_time() - before
        submitted.count += count
    return assigned, submitted


def _assign_to_waiting(fleet: Fleet, random: Random) -> float:
    """CPU seconds of a submission that finds a waiting bot, the first for each set left aside."""
    engine, tasks, bots = Engine(), _tasks(fleet, 0), {decoded(bot)["id"][0]: bot for bot in fleet.bots}
    for bot_id in _shuffled(list(bots), random):
        engine.offer(WaitingBot(bot_id, decoded(bots[bot_id])))
    _know_sets(engine, fleet)
    timed = _Timed()
    while timed.count < MEASURED:
        new = list(islice(tasks, BATCH))
        before = time.process_time()
        matches = [engine.submit(ticket, asked) for ticket, asked in new]
        timed.seconds += time.process_time() - before
        found = [match for match in matches if match is not None]
        timed.count += len(found)
        for match in found:
            engine.offer(WaitingBot(match.bot_id, decoded(bots[match.bot_id])))
    return timed.seconds / timed.count


def _measure_memory(pending: int, sets: int) -> dict[str, Any]:
    fleet = a_fleet(BOTS, sets)
    engines = [Engine() for _ in range(max(1, TASKS_FOR_MEMORY // pending))]
    for engine in engines:
        _know_sets(engine, fleet)
    for bot in fleet.bots:
        engines[0].offer(WaitingBot(json.loads(bot)["id"][0], decoded(bot)))
        engines[0].withdraw(json.loads(bot)["id"][0])
    tasks = _tasks(fleet, pending)

    def fill() -> None:
        for engine in engines:
            for ticket, asked in islice(tasks, pending):
                engine.submit(ticket, asked)

    return {"bytes_per_task": round(_growth(fill) / (pending * len(engines)))}


def _measure_shard_memory(pending: int, sets: int) -> dict[str, Any]:
    """Requests of a plain kind, decoded as from hints; one commit for each thousand of them."""
    fleet, count = a_fleet(BOTS, sets), min(pending, SHARD_TASKS)
    shards = [ShardState(number, RULES) for number in range(max(1, TASKS_FOR_MEMORY // count))]
    tasks = _tasks(fleet, count)
    requests = {asked: _request(asked).model_dump_json() for asked in fleet.sets}

    def fill() -> None:
        for shard in shards:
            for number, (ticket, asked) in enumerate(islice(tasks, count)):
                created = BEGINNING + timedelta(microseconds=ticket.created)
                request = TaskRequest.model_validate_json(requests[asked])
                take_in(shard, ticket.task_id, created, request, created)
                if number % 1_000 == 999:
                    shard.changes = Changes()
            shard.changes = Changes()

    return {"shard_bytes_per_task": round(_growth(fill) / (count * len(shards)))}


_MEASURED = {"speed": _measure_speed, "memory": _measure_memory, "shard_memory": _measure_shard_memory}


def _request(asked: Requirements) -> TaskRequest:
    properties = TaskProperties(command=("python3", "run.py"), dimensions=asked, execution_timeout_secs=3600)
    return TaskRequest(
        name="bench",
        priority=100,
        user="someone",
        authenticated="user:someone@example.com",
        tags=("purpose:bench",),
        task_slices=(TaskSlice(properties=properties, expiration_secs=86_400, wait_for_capacity=True),),
    )


def _tasks(fleet: Fleet, seed: int) -> Tasks:
    """Endless; each with a real id, 0.7 ms after the one before."""
    random = Random(seed)
    demand = fleet.demand(random)
    for number in count():
        created = BEGINNING + timedelta(microseconds=700 * number)
        task_id = new_task_id(created, random.getrandbits(16))
        microseconds = int(created.timestamp() * 1_000_000)
        yield Ticket(random.choice(PRIORITIES), microseconds, task_id), next(demand)


def _know_sets(engine: Engine, fleet: Fleet) -> None:
    """Every set was asked for before."""
    for (ticket, _), asked in zip(_tasks(fleet, 0), fleet.sets, strict=False):
        match = engine.submit(ticket, asked)
        engine.remove(ticket.task_id)
        if match is not None:
            bot = next(bot for bot in fleet.bots if match.bot_id in bot)
            engine.offer(WaitingBot(match.bot_id, decoded(bot)))


def _shuffled(bots: list[str], random: Random) -> list[str]:
    return random.sample(bots, len(bots))


def _growth(fill: Callable[[], None]) -> int:
    """By how many bytes the process grows. What set-up left free is used up first, so that nothing hides in it."""
    gc.collect()
    ballast = [[number << 64, (number << 144, str(number))] for number in range(100_000)]
    before = _resident()
    fill()
    gc.collect()
    after = _resident()
    del ballast
    return after - before


def _resident() -> int:
    """Bytes; at most so far, where the system does not tell what is resident now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _yardstick() -> float:
    """CPU seconds for a fixed piece of Python: into a heap of a thousand and out of it, into a dict and out of it."""
    heap = list(range(1_000))
    heapify(heap)
    places: dict[int, int] = {}
    before = time.process_time()
    for number in range(YARDSTICK_ROUNDS):
        heappush(heap, number)
        places[number] = heappop(heap)
        del places[number]
    return (time.process_time() - before) / YARDSTICK_ROUNDS


if __name__ == "__main__":
    sys.exit(main())
