"""What can happen in the model world, as the rules of a state machine: hypothesis chooses what, when and to whom.

The rules choose the large things; the noise within (delays, fates of single hints, how long a process runs) comes from
a seed that each rule brings, so that leaving a rule out changes little else while a failure is being made smaller.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from swarming_common.model.dimensions import requirements
from swarming_common.model.request import TaskProperties, TaskRequest, TaskSlice
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_common.pools.port import FixedPools, Order, PoolSettings
from swarming_scheduler.settings import SchedulerSettings
from tests.properties.bus import MOODS
from tests.properties.database import Memory
from tests.properties.gateways import Waits
from tests.properties.machines import Habits
from tests.properties.promises import hold
from tests.properties.world import Plan, World

EXAMPLES_VARIABLE = "SWARMING_PROPERTY_EXAMPLES"
EXAMPLES = int(os.environ.get(EXAMPLES_VARIABLE, "250"))
"""For each of the two tests; with those of test_engine_property.py more than a thousand in all."""
STEPS = 20
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

PLAN = Plan(
    scheduler=SchedulerSettings(
        confirm_seconds=7.0,
        silence_margin_seconds=6.0,
        feed_seconds=5.0,
        bots_seconds=4.0,
        bot_death_timeout_secs=8,
        reusable_task_age_secs=30.0,
    ),
    gateway=Waits(hold_seconds=5.0, unfinished_hold_seconds=1.0, heard_seconds=0.5, seen_seconds=1.0),
    pools=FixedPools(named={"south": PoolSettings(order=Order.LIFO), "red": PoolSettings(task_retries=2)}),
)
"""Everything waits for seconds where it really waits for minutes."""

POOLS = ("south", "red")
"""Of two shards."""
PINGS = 3
"""The ping tolerance."""
RUNS = 12
"""The longest that a process may take; not all do."""
STEADY = 2
"""In a calm world so many bots are up that can run anything."""

memory: list[Memory] = []
"""One for all the worlds of a process."""

PAUSES = st.sampled_from([0.0, 0.0, 0.02, 0.3, 1.0, 3.0])
NOISE = st.integers(0, 2**20)
HESITATIONS = (0.0, 0.5, 9.0)
INDEX = st.integers(0, 1_000)
SYSTEMS = st.sampled_from([None, None, "linux", "mac", "linux|mac"])
SLICES = st.lists(
    st.fixed_dictionaries(
        {
            "os": SYSTEMS,
            "expiration": st.sampled_from([1, 4, 12]),
            "waits": st.booleans(),
            "idempotent": st.sampled_from([False, False, False, True]),
            "pinned": st.sampled_from([None, None, None, "bot0", "bot1|bot2", "nobody"]),
        }
    ),
    min_size=1,
    max_size=3,
)


class Happenings(RuleBasedStateMachine):
    """Work, machines, the network and the broker; `Owners` adds what happens to schedulers."""

    world: World

    @initialize(
        noise=NOISE,
        mood=st.sampled_from(["good", "good", *sorted(MOODS)]),
        hesitates=st.sampled_from([0.0, 0.0, *HESITATIONS]),
    )
    def begin(self, noise: int, mood: str, hesitates: float) -> None:
        if not memory:
            memory.append(Memory())
        self.world = World(PLAN, memory[0], noise)
        self.order: list[TaskId] = []
        self.world.broker.mood = MOODS[mood]
        self.world.habits = Habits(longest_hesitation=hesitates)
        for system in ("linux", "linux", "mac"):
            self.join(0.0, noise, POOLS, system)
        self.world.pass_time(0.5)
        self.submit_many(0.0, noise, POOLS[noise % 2], 20, 2)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.end()
        finally:
            self.world.close()

    def end(self) -> None:
        """The world calms down, and then every task ends within its time."""
        world = self.world
        if world.failure is not None:
            return
        self.calm_down()
        world.pass_time(2.0)
        until = world.clock.seconds + world.seconds_to_end()
        while world.unfinished() and world.clock.seconds < until:
            world.pass_time(1.0)
        world.check_all_ended()
        while not world.is_all_relayed() and world.clock.seconds < until:
            world.pass_time(1.0)
        hold(world.is_all_relayed(), "every event is relayed", world.promises.relayed_seq)

    def calm_down(self) -> None:
        world = self.world
        world.do(world.calm_down())
        for number in range(STEADY):
            machine = world.machines.get(f"bot{number}")
            if machine is None:
                self._add_machine(number, POOLS, "linux")
            elif not machine.is_up:
                world.do(_at_once(machine.come_up))

    def go_on(self, pause: float, noise: int) -> None:
        """How every rule begins."""
        self.world.chance.seed(noise)
        self.world.pass_time(pause)

    # --- work -------------------------------------------------------------------------------------------------------

    @rule(
        pause=PAUSES,
        noise=NOISE,
        pool=st.sampled_from(POOLS),
        priority=st.sampled_from([10, 20, 30]),
        slices=SLICES,
        copies=st.sampled_from([1, 1, 1, 4]),
        parent=st.one_of(st.none(), st.none(), INDEX),
        outlives=st.booleans(),
    )
    def submit(
        self,
        pause: float,
        noise: int,
        pool: str,
        priority: int,
        slices: list[dict[str, Any]],
        copies: int,
        parent: int | None,
        outlives: bool,
    ) -> None:
        self.go_on(pause, noise)
        started = [one for one in self.order if self.world.promises.runs[one]]
        run_id = None if parent is None or not started else str(RunId(started[parent % len(started)], 1))
        request = TaskRequest(
            name="a task",
            priority=priority,
            authenticated="user:a",
            bot_ping_tolerance_secs=PINGS,
            task_slices=tuple(_slice(pool, one) for one in slices),
            parent_run_id=run_id,
            outlives_parent=outlives,
        )
        for _ in range(copies):
            self.order.append(self.world.do(self.world.submit(request)))

    @rule(
        pause=PAUSES,
        noise=NOISE,
        pool=st.sampled_from(POOLS),
        priority=st.sampled_from([10, 20, 30]),
        count=st.integers(1, 3),
    )
    def submit_many(self, pause: float, noise: int, pool: str, priority: int, count: int) -> None:
        """What any bot can run, and some of it will last."""
        anything = {"os": None, "expiration": 12, "waits": True, "idempotent": False, "pinned": None}
        self.submit(pause, noise, pool, priority, [anything], count, None, outlives=False)

    @rule(pause=PAUSES, noise=NOISE, which=INDEX, kill=st.booleans())
    def cancel(self, pause: float, noise: int, which: int, kill: bool) -> None:
        self.go_on(pause, noise)
        if (task_id := self._task(which)) is not None:
            self.world.do(self.world.cancel(task_id, kill))

    @rule(pause=PAUSES, noise=NOISE, which=INDEX, priority=st.sampled_from([5, 25, 35]))
    def reprioritize(self, pause: float, noise: int, which: int, priority: int) -> None:
        self.go_on(pause, noise)
        if (task_id := self._task(which)) is not None:
            self.world.do(self.world.reprioritize(task_id, priority))

    # --- machines ---------------------------------------------------------------------------------------------------

    @rule(
        pause=PAUSES,
        noise=NOISE,
        pools=st.sampled_from([POOLS, POOLS[:1], POOLS[1:]]),
        system=st.sampled_from(["linux", "mac"]),
    )
    def join(self, pause: float, noise: int, pools: tuple[str, ...], system: str) -> None:
        self.go_on(pause, noise)
        if len(self.world.machines) < 6:
            self._add_machine(len(self.world.machines), pools, system)

    @rule(pause=PAUSES, noise=NOISE, which=INDEX, back_after=st.sampled_from([None, None, 0.5, 3.0]))
    def vanish(self, pause: float, noise: int, which: int, back_after: float | None) -> None:
        """A machine, mostly one with a process; it may come back soon, without it."""
        self.go_on(pause, noise)
        busy = [one for one in self.world.machines.values() if one.process is not None]
        machine = self._machine(which, busy or [one for one in self.world.machines.values() if one.is_up])
        if machine is not None:
            self.world.do(_at_once(machine.vanish))
            if back_after is not None:
                self.world.loop.call_later(back_after, machine.come_up)

    @rule(pause=PAUSES, noise=NOISE, which=INDEX)
    def come_back(self, pause: float, noise: int, which: int) -> None:
        self.go_on(pause, noise)
        machine = self._machine(which, [one for one in self.world.machines.values() if not one.is_up])
        if machine is not None:
            self.world.do(_at_once(machine.come_up))

    @rule(pause=PAUSES, noise=NOISE, which=INDEX, seconds=st.sampled_from([1.0, 4.0, 15.0]))
    def cut_off(self, pause: float, noise: int, which: int, seconds: float) -> None:
        self.go_on(pause, noise)
        machine = self._machine(which, list(self.world.machines.values()))
        if machine is not None:
            machine.is_cut_off_until = self.world.clock.seconds + seconds

    @rule(
        pause=PAUSES,
        noise=NOISE,
        lost=st.sampled_from([0.0, 0.1, 0.5]),
        fails=st.sampled_from([0.0, 0.1]),
        hesitates=st.sampled_from(HESITATIONS),
    )
    def change_habits(self, pause: float, noise: int, lost: float, fails: float, hesitates: float) -> None:
        self.go_on(pause, noise)
        self.world.habits = Habits(lost_requests=lost, fails=fails, longest_hesitation=hesitates)

    @rule(noise=NOISE, seconds=st.sampled_from([5.0, 10.0]))
    def work(self, noise: int, seconds: float) -> None:
        """Nothing else happens for a while."""
        self.go_on(seconds, noise)

    # --- what carries words -----------------------------------------------------------------------------------------

    @rule(pause=PAUSES, noise=NOISE, mood=st.sampled_from(sorted(MOODS)))
    def change_mood(self, pause: float, noise: int, mood: str) -> None:
        self.go_on(pause, noise)
        self.world.broker.mood = MOODS[mood]

    @rule(pause=PAUSES, noise=NOISE, seconds=st.sampled_from([0.5, 3.0]))
    def broker_goes_away(self, pause: float, noise: int, seconds: float) -> None:
        self.go_on(pause, noise)
        self.world.broker.go_down()
        self.world.loop.call_later(seconds, self.world.broker.come_back)

    @rule(pause=PAUSES, noise=NOISE, which=INDEX)
    def kill_gateway(self, pause: float, noise: int, which: int) -> None:
        self.go_on(pause, noise)
        gateways = self.world.gateways
        self.world.do(self.world.kill_gateway(gateways[which % len(gateways)]))

    # ----------------------------------------------------------------------------------------------------------------

    def _add_machine(self, number: int, pools: tuple[str, ...], system: str) -> None:
        async def add() -> None:
            self.world.add_machine(f"bot{number}", {"pool": pools, "os": (system,)})

        self.world.do(add())

    def _machine(self, which: int, among: list[Any]) -> Any:
        return among[which % len(among)] if among else None

    def _task(self, which: int) -> TaskId | None:
        live = [one for one in self.order if not self.world.state_of(one).is_final]
        running = [one for one in live if self.world.state_of(one) is TaskState.RUNNING]
        among = running if which % 2 and running else live or self.order
        return among[which % len(among)] if among else None


class Owners(Happenings):
    """Schedulers die, are stopped and woken, leave and join."""

    @rule(
        pause=PAUSES,
        noise=NOISE,
        which=INDEX,
        when=st.sampled_from(["now", "before", "after"]),
        is_replaced=st.sampled_from([True, True, False]),
    )
    def kill_scheduler(self, pause: float, noise: int, which: int, when: str, is_replaced: bool) -> None:
        """With kill -9: now, or with its next commit under way, which arrives or does not."""
        self.go_on(pause, noise)
        process = self._machine(which, self.world.living_schedulers())
        if process is None:
            return
        if when == "now":
            self.world.do(_at_once(process.die))
        process.dies_before_write, process.dies_after_write = when == "before", when == "after"
        if is_replaced and len(self.world.living_schedulers()) < 4:
            self.world.do(_at_once(self.world.add_scheduler))

    @rule(pause=PAUSES, noise=NOISE)
    def start_scheduler(self, pause: float, noise: int) -> None:
        self.go_on(pause, noise)
        if len(self.world.living_schedulers()) < 3:
            self.world.do(_at_once(self.world.add_scheduler))

    @rule(pause=PAUSES, noise=NOISE, which=INDEX, seconds=st.sampled_from([2.0, 7.0, 20.0]))
    def stop_scheduler(self, pause: float, noise: int, which: int, seconds: float) -> None:
        """With SIGSTOP; it wakes up later, and others may own its shards by then."""
        self.go_on(pause, noise)
        process = self._machine(which, self.world.living_schedulers())
        if process is not None:
            self.world.do(_at_once(lambda: self.world.stop_scheduler(process)))
            self.world.loop.call_later(seconds, process.wake)

    @rule(pause=PAUSES, noise=NOISE, which=INDEX)
    def leave(self, pause: float, noise: int, which: int) -> None:
        """In good order; its shards move."""
        self.go_on(pause, noise)
        process = self._machine(which, self.world.living_schedulers())
        if process is not None and len(self.world.schedulers) > 1:
            self.world.do(self.world.leave(process))

    @rule(pause=PAUSES, noise=NOISE, which=INDEX)
    def cut_off_from_database(self, pause: float, noise: int, which: int) -> None:
        """Its writer and its locks are gone; it begins a new tenure."""
        self.go_on(pause, noise)
        process = self._machine(which, self.world.living_schedulers())
        if process is not None:
            process.cut_off()


def _slice(pool: str, wanted: dict[str, Any]) -> TaskSlice:
    asked = [("pool", pool)]
    asked += [("os", wanted["os"])] if wanted["os"] else []
    asked += [("id", wanted["pinned"])] if wanted["pinned"] else []
    properties = TaskProperties(
        command=("true",),
        dimensions=requirements(asked),
        execution_timeout_secs=RUNS,
        idempotent=wanted["idempotent"],
    )
    return TaskSlice(properties=properties, expiration_secs=wanted["expiration"], wait_for_capacity=wanted["waits"])


async def _at_once(act: Any) -> None:
    act()
