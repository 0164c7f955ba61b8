"""What is decided when a task comes in and when a slice ends: capacity, twins, the pool's settings."""

from dataclasses import replace
from datetime import timedelta

import pytest

from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_common.pools.port import FixedPools, Order, PoolSettings
from swarming_scheduler.capacity import SeenBot
from swarming_scheduler.rows import EventNumbers, freeze
from swarming_scheduler.state import LiveTask, ShardState, Twin
from swarming_scheduler.usecases.cancel import cancel
from swarming_scheduler.usecases.expire import expire
from swarming_scheduler.usecases.take_in import take_in
from tests.unit.scheduler.builders import BEGINNING, RULES, World, a_bot, a_request, a_slice

TWIN = Twin(RunId(TaskId(0x7C2236000000001), 1), bot_id="bot9", exit_code=0, duration=60.0, cost_usd=0.25)


@pytest.fixture
def world() -> World:
    """Nothing is known of any bot."""
    return World(ShardState(7, replace(RULES, reusable_task_age_secs=3600.0)))


def windows(**options):
    return a_slice(os="Windows", **options)


def end_slice(world: World, *bots: SeenBot, seconds: float = 60) -> None:
    world.pass_time(seconds)
    expire(world.state, world.now)
    world.commit()
    world.decide(*bots)


def test_a_task_that_a_known_bot_could_run_waits_without_any_look_at_the_tables(world: World):
    world.state.capacity.note(a_bot("bot1", os=("Windows",)))

    task = world.submit(a_request(slices=(windows(),)))

    assert (task.state, world.undecided) == (TaskState.PENDING, [])
    assert world.told == ["task.queued"]


def test_memory_alone_never_says_that_there_is_no_capacity(world: World):
    task = world.submit(a_request(slices=(windows(),)))
    assert (task.state, world.told) == (TaskState.PENDING, [])

    world.decide(a_bot("bot1", os=("Windows",)))

    assert (task.state, world.told) == (TaskState.PENDING, ["task.queued"])
    assert world.state.engine.pending == 1


def test_a_task_that_no_bot_could_run_ends_at_once_with_the_reason(world: World):
    task = world.submit(a_request(slices=(windows(), a_slice(os="Mac"))))
    world.decide(a_bot("bot1", os=("Linux",)))

    assert task.state is TaskState.NO_RESOURCE
    assert task.reason == (
        "no live bot has os=Windows among 1 bot of pool default; no live bot has os=Mac among 1 bot of pool default"
    )
    assert (task.abandoned_ts, task.completed_ts) == (world.now, world.now)
    assert world.told == ["task.no_resource"]


def test_a_look_at_the_table_before_the_task_came_does_not_count(world: World):
    world.state.capacity.replace([], world.now)
    world.pass_time(1)

    task = world.submit(a_request(slices=(windows(),)))

    assert task.state is TaskState.PENDING
    assert len(world.undecided) == 1


def test_a_task_that_waits_for_capacity_waits_and_so_does_a_termination(world: World):
    waiting = world.submit(a_request(slices=(windows(waits=True),)))
    properties = a_slice(id="bot1").properties.model_copy(update={"dimensions": (("id", "bot1"),)})
    termination = world.submit(a_request(slices=(a_slice().model_copy(update={"properties": properties}),)))

    assert (waiting.state, termination.state) == (TaskState.PENDING, TaskState.PENDING)
    assert world.undecided == []


def test_slices_without_capacity_are_skipped(world: World):
    task = world.submit(a_request(slices=(windows(expiration_secs=60), a_slice(expiration_secs=120, os="Linux"))))
    world.decide(a_bot("bot1", os=("Linux",)))

    assert (task.state, task.current_slice) == (TaskState.PENDING, 1)
    assert task.slice_expiration_ts == BEGINNING + timedelta(seconds=120)


def test_a_slice_that_ends_gives_way_to_the_next_usable_one(world: World):
    linux, windows_bot = a_bot("bot1", os=("Linux",)), a_bot("bot2", os=("Windows",))
    world.state.capacity.note(linux)
    slices = (a_slice(expiration_secs=60, os="Linux"), a_slice(os="Mac"), windows())
    task = world.submit(a_request(slices=slices))

    end_slice(world, linux, windows_bot)

    assert (task.state, task.current_slice) == (TaskState.PENDING, 2)


def test_a_task_expires_when_a_slice_ends_and_no_later_one_is_usable(world: World):
    linux = a_bot("bot1", os=("Linux",))
    world.state.capacity.note(linux)
    task = world.submit(a_request(slices=(a_slice(expiration_secs=60, os="Linux"), windows())))

    end_slice(world, linux)

    assert task.state is TaskState.EXPIRED
    assert world.told == ["task.queued", "task.expired"]


def test_a_dead_bot_is_no_capacity_except_just_after_a_takeover(world: World):
    dead = a_bot("bot1", os=("Windows",), last_seen=BEGINNING - timedelta(seconds=601))
    first = world.submit(a_request(slices=(windows(),)))
    world.decide(dead)
    world.state.served_since = world.now
    second = world.submit(a_request(slices=(windows(),)))
    world.pass_time(601)
    third = world.submit(a_request(slices=(windows(),)))
    world.decide(dead)

    assert [one.state for one in (first, second, third)] == [
        TaskState.NO_RESOURCE,
        TaskState.PENDING,
        TaskState.NO_RESOURCE,
    ]


def test_an_undecided_task_can_be_canceled_and_is_left_alone_then(world: World):
    task = world.submit(a_request(slices=(windows(),)))

    outcome = cancel(world.state, task.task_id, kill_running=False, now=world.now)
    world.decide()

    assert (outcome.ok, task.state) == (True, TaskState.CANCELED)
    assert world.state.undecided == {}
    assert world.told == ["task.queued", "task.canceled"]


def test_an_undecided_task_that_is_told_of_again_stays_one(world: World):
    request = a_request(slices=(windows(),))
    task = world.submit(request)

    take_in(world.state, task.task_id, BEGINNING, request, world.now)
    world.commit()

    assert len(world.undecided) == 1


def test_an_undecided_task_expires_if_the_answer_comes_too_late(world: World):
    task = world.submit(a_request(slices=(windows(),)))
    world.pass_time(300)

    world.decide(a_bot("bot1", os=("Windows",)))

    assert task.state is TaskState.EXPIRED


def idempotent(world: World, *, properties_hash: str = "abc", **options) -> LiveTask:
    return world.submit(a_request(slices=(a_slice(properties_hash=properties_hash, **options),)))


def row_of(world: World, task: LiveTask):
    world.state.changes.tasks[task.task_id] = task
    return freeze([(world.state, world.state.changes, EventNumbers(0))]).results[-1]


def test_an_idempotent_task_takes_the_result_of_its_twin(world: World):
    task = idempotent(world)
    world.decide(twins={"abc": TWIN})

    assert task.state is TaskState.COMPLETED
    assert world.told == ["task.deduped"]
    row = row_of(world, task)
    assert (row["run_number"], row["bot_id"], row["exit_code"], row["duration"]) == (None, "bot9", 0, 60.0)
    assert (row["deduped_task_id"], row["deduped_run_number"], row["cost_saved_usd"]) == (TWIN.run_id.task_id, 1, 0.25)
    assert (row["failure"], row["properties_hash"], row["started_ts"]) == (False, None, None)


def test_an_idempotent_task_without_a_twin_is_queued(world: World):
    task = idempotent(world, waits=True)
    assert world.state.engine.pending == 0

    world.decide(twins={"other": TWIN})

    assert (task.state, world.state.engine.pending) == (TaskState.PENDING, 1)


def test_a_later_slice_s_twin_is_better_than_running_the_first(world: World):
    task = world.submit(a_request(slices=(a_slice(waits=True), windows(properties_hash="abc"))))
    world.decide(twins={"abc": TWIN})

    assert (task.state, task.current_slice) == (TaskState.COMPLETED, 1)


def test_a_slice_that_ends_looks_for_a_twin_again(world: World):
    slices = (a_slice(expiration_secs=60, waits=True), a_slice(waits=True, os="Mac", properties_hash="abc"))
    task = world.submit(a_request(slices=slices))
    world.decide()
    assert task.state is TaskState.PENDING

    world.pass_time(60)
    expire(world.state, world.now)
    world.commit()
    world.decide(twins={"abc": TWIN})

    assert task.state is TaskState.COMPLETED


def test_a_task_that_is_not_idempotent_is_not_looked_up(world: World):
    world.submit(a_request(slices=(a_slice(waits=True),)))

    assert world.undecided == []


def test_nothing_is_reused_where_results_may_be_of_no_age():
    world = World(ShardState(7, replace(RULES, reusable_task_age_secs=0.0)))

    idempotent(world, waits=True)

    assert world.undecided == []


@pytest.mark.parametrize(("exit_code", "found"), [(0, "abc"), (1, None)])
def test_only_a_successful_run_may_be_reused(world: World, exit_code, found):
    task = idempotent(world, waits=True)
    world.decide()
    world.offer("bot1")
    assert task.run is not None

    world.report(task.run, exit_code=exit_code, duration=1.0)

    assert row_of(world, task)["properties_hash"] == found


def test_a_pool_chooses_its_order_and_its_retries():
    pools = FixedPools(named={"default": PoolSettings(order=Order.LIFO, task_retries=4)})
    world = World(ShardState(7, replace(RULES, pools=pools)))
    tasks = []
    for priority in (100, 100, 50):
        tasks.append(world.submit(a_request(priority=priority, slices=(a_slice(waits=True),))))
        world.pass_time(1)

    order = []
    for number in range(3):
        world.offer(f"bot{number}")
        order.append(next(tasks.index(one) for one in tasks if one.run and one.run.bot_id == f"bot{number}"))

    assert order == [2, 1, 0]
    assert [one.retries for one in tasks] == [4, 4, 4]


def test_what_waits_is_counted_by_pool():
    world = World()
    for _ in range(3):
        world.submit()
    world.offer("bot1")
    canceled = world.submit()
    cancel(world.state, canceled.task_id, kill_running=False, now=world.now)

    assert world.state.pending_in_pools() == {"default": 2}
