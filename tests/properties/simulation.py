"""A long simulation: thousands of bots for hours of virtual time, machines that vanish, shards that move, bursts of
work.

`python -m tests.properties.simulation --seed 7 --bots 3000 --hours 2` prints what happened; the same seed tells the
same story. The promises are those of the property tests; what takes long to check is looked at every so often.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from swarming_common.model.dimensions import requirements
from swarming_common.model.request import TaskProperties, TaskRequest, TaskSlice
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_common.pools.port import FixedPools, Order, PoolSettings
from swarming_scheduler.settings import SchedulerSettings
from tests.properties.bus import MOODS, Mood
from tests.properties.database import Memory
from tests.properties.gateways import Waits
from tests.properties.machines import Habits, Machine
from tests.properties.promises import hold
from tests.properties.schedulers import WatchedShard
from tests.properties.world import Plan, World

SHARDS = 4
POOLS = ("south", "east", "red", "green", "west", "north")
SYSTEMS = ("linux", "linux", "linux", "mac", "windows")
HOUR = 3600.0
CHECK_SECONDS = 120.0
CALM_SECONDS = 30.0
A_BIT_LOSSY = Mood(lose=0.02, double=0.02, delay=0.05, longest_delay=3.0)

PLAN = Plan(
    shards=SHARDS,
    schedulers=3,
    gateways=3,
    scheduler=SchedulerSettings(bots_seconds=30.0, reusable_task_age_secs=0.0),
    gateway=Waits(),
    habits=Habits(
        update_seconds=10.0, longest_grace=5.0, longest_run=300.0, lost_requests=0.002, fails=0.01, unnoticed=0.3
    ),
    pools=FixedPools(named={"green": PoolSettings(order=Order.LIFO), "red": PoolSettings(task_retries=2)}),
    latencies=(0.001,),
    small_pages=False,
    serialises=False,
    checks_memory=False,
)
"""The times are the real ones; a process takes up to five minutes."""


@dataclass
class Story:
    """One simulation."""

    seed: int
    bots: int
    hours: float
    world: World = field(init=False)
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.world = World(PLAN, Memory(), self.seed)

    def tell(self) -> dict[str, object]:
        """From the first machine to the end of the last task. Raises PromiseBroken."""
        began, takeovers = time.process_time(), WatchedShard.count
        try:
            self._let_happen()
            self._calm_down()
            return self._totals(time.process_time() - began, WatchedShard.count - takeovers)
        finally:
            self.world.close()

    def _let_happen(self) -> None:
        world = self.world
        world.do(self._come_up())
        checked = 0.0
        while world.clock.seconds < self.hours * HOUR:
            world.pass_time(self.chance.expovariate(1.0))
            world.do(self._something())
            if world.clock.seconds - checked > CHECK_SECONDS:
                checked = world.clock.seconds
                self._check_memory()

    async def _come_up(self) -> None:
        for number in range(self.bots):
            pools = tuple(self.chance.sample(POOLS, self.chance.choice((1, 1, 1, 2))))
            self.world.add_machine(f"bot{number}", {"pool": pools, "os": (self.chance.choice(SYSTEMS),)})

    async def _something(self) -> None:
        """Each second about: work that keeps half of the bots busy, and now and then a mishap."""
        chance, busy = self.chance, max(1.0, self.bots / 2 / 150.0)
        for _ in range(int(chance.expovariate(1 / busy)) + 1):
            await self._submit(chance.choice((50, 100, 100, 150)))
        if chance.random() < 0.003:
            self.happened["bursts"] += 1
            for _ in range(self.bots // 10):
                await self._submit(chance.choice((20, 200)))
        if chance.random() < 0.05 and (live := self._some_task()) is not None:
            await self.world.cancel(live, kill_running=chance.random() < 0.5)
        if chance.random() < 0.02 and (live := self._some_task()) is not None:
            await self.world.reprioritize(live, chance.randrange(10, 200))
        self._mishap_of_machines()
        await self._mishap_of_servers()

    async def _submit(self, priority: int) -> None:
        chance = self.chance
        pool = chance.choice(POOLS)
        slices = tuple(self._slice(pool) for _ in range(chance.choice((1, 1, 1, 2))))
        request = TaskRequest(
            name="a task",
            priority=priority,
            authenticated="user:a",
            bot_ping_tolerance_secs=chance.choice((60, 120)),
            task_slices=slices,
        )
        await self.world.submit(request)

    def _slice(self, pool: str) -> TaskSlice:
        asked = [("pool", pool)] + ([("os", self.chance.choice(SYSTEMS))] if self.chance.random() < 0.5 else [])
        properties = TaskProperties(
            command=("true",), dimensions=requirements(asked), execution_timeout_secs=self.chance.choice((120, 600))
        )
        return TaskSlice(properties=properties, expiration_secs=self.chance.choice((60, 600, 1800)))

    def _mishap_of_machines(self) -> None:
        chance, machines = self.chance, list(self.world.machines.values())
        for _ in range(max(1, self.bots // 1_000)):
            machine: Machine = chance.choice(machines)
            if machine.is_up and chance.random() < 0.2:
                self.happened["machines vanished"] += 1
                machine.vanish()
                self.world.loop.call_later(chance.uniform(5.0, 900.0), machine.come_up)
            elif chance.random() < 0.1:
                self.happened["machines cut off"] += 1
                machine.is_cut_off_until = self.world.clock.seconds + chance.uniform(5.0, 300.0)

    async def _mishap_of_servers(self) -> None:
        chance, world = self.chance, self.world
        if chance.random() < 1 / 300:
            process = chance.choice(world.living_schedulers())
            how = chance.choice(("killed", "stopped", "left", "cut off"))
            self.happened[f"schedulers {how}"] += 1
            if how == "killed":
                process.die()
                world.add_scheduler()
            elif how == "stopped":
                world.stop_scheduler(process)
                world.loop.call_later(chance.uniform(1.0, 60.0), process.wake)
            elif how == "left":
                world.add_scheduler()
                await world.leave(process)
            else:
                process.cut_off()
        if chance.random() < 1 / 900:
            self.happened["gateways killed"] += 1
            await world.kill_gateway(chance.choice(world.gateways))
        if chance.random() < 1 / 1200:
            self.happened["broker away"] += 1
            world.broker.go_down()
            world.loop.call_later(chance.uniform(1.0, 30.0), world.broker.come_back)
        if chance.random() < 1 / 120:
            world.broker.mood = chance.choice((MOODS["good"], MOODS["good"], A_BIT_LOSSY))

    def _some_task(self) -> TaskId | None:
        shard = self.chance.randrange(SHARDS)
        live = self.world.promises.live[shard]
        return TaskId(next(iter(live))) if live else None

    def _check_memory(self) -> None:
        for process in self.world.living_schedulers():
            if process.session.running.is_set():
                for shard in process.shards:
                    shard.check_memory(self.world.promises)

    def _calm_down(self) -> None:
        world = self.world
        world.do(world.calm_down())
        for machine in world.machines.values():
            world.do(_come_back(machine))
        until = world.clock.seconds + world.seconds_to_end()
        while world.unfinished() and world.clock.seconds < until:
            world.pass_time(CALM_SECONDS)
        world.check_all_ended()
        world.pass_time(CALM_SECONDS)
        hold(world.is_all_relayed(), "every event is relayed", world.promises.relayed_seq)

    def _totals(self, cpu_seconds: float, takeovers: int) -> dict[str, object]:
        promises = self.world.promises
        names = Counter(name for events in promises.events.values() for name in events)
        states = Counter(TaskState(row["state"]).name for row in promises.results.values())
        return {
            "seed": self.seed,
            "bots": self.bots,
            "virtual hours": round(self.world.clock.seconds / HOUR, 2),
            "cpu seconds": round(cpu_seconds, 1),
            "tasks": len(self.world.submitted),
            **dict(sorted(states.items())),
            "runs": sum(len(runs) for runs in promises.runs.values()),
            "retries": names["task.retried"],
            "requeues": names["task.requeued"],
            "events": sum(names.values()),
            "takeovers": takeovers,
            **dict(sorted(self.happened.items())),
        }


async def _come_back(machine: Machine) -> None:
    machine.come_up()


def _lines(totals: dict[str, object]) -> Iterator[str]:
    for name, value in totals.items():
        yield f"{name:>20}  {value}"


def main() -> None:
    """Simulate and print the totals."""
    parser = argparse.ArgumentParser(description="Simulate a Swarming in virtual time.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bots", type=int, default=3_000)
    parser.add_argument("--hours", type=float, default=1.0)
    given = parser.parse_args()
    began = time.time()
    for line in _lines(Story(given.seed, given.bots, given.hours).tell()):
        print(line)
    print(f"{'wall seconds':>20}  {time.time() - began:.1f}")


if __name__ == "__main__":
    main()
