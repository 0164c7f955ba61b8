"""While a takeover loads, nothing is served before what is not loaded yet and comes first."""

from dataclasses import replace
from datetime import timedelta

from swarming_common.model.task_id import new_task_id
from swarming_common.pools.port import FixedPools, Order, PoolSettings
from swarming_scheduler.horizon import Horizon
from swarming_scheduler.state import LiveTask, Undecided
from swarming_scheduler.usecases.assign import enqueue
from swarming_scheduler.usecases.take_in import live_task
from tests.unit.scheduler.builders import BEGINNING, RULES, World, a_request

NEWEST_FIRST = FixedPools(PoolSettings(order=Order.LIFO))


def a_task(world: World, *, age: float = 0, priority: int = 100) -> LiveTask:
    created = BEGINNING - timedelta(seconds=age)
    task_id = new_task_id(created, len(world.requests))
    request = world.requests[task_id] = a_request(priority=priority)
    task = world.state.tasks[task_id] = live_task(world.state, task_id, created, request, priority)
    return task


def loading(*, pools: FixedPools | None = None) -> World:
    world = World()
    if pools is not None:
        world.state.rules = replace(RULES, pools=pools)
    world.state.horizon = Horizon()
    return world


def reach(world: World, task: LiveTask) -> None:
    """Loading has come so far."""
    assert world.state.horizon is not None
    for task_id in world.state.horizon.reach(task.priority, task.task_id):
        enqueue(world.state, world.state.tasks[task_id], world.now)


def test_nothing_is_served_before_the_first_chunk():
    world = loading()
    world.offer("bot1")
    task = a_task(world)

    enqueue(world.state, task, world.now)

    assert task.run is None
    assert world.state.engine.pending == 0


def test_what_comes_before_the_last_task_that_was_loaded_is_served():
    world = loading()
    first, last = a_task(world, age=20), a_task(world, age=10)
    enqueue(world.state, first, world.now)
    enqueue(world.state, last, world.now)

    reach(world, last)
    world.offer("bot1")
    world.offer("bot2")

    assert first.run is not None
    assert last.run is None


def test_a_new_task_of_the_same_priority_does_not_overtake_what_is_not_loaded():
    world = loading()
    last = a_task(world, age=10)
    reach(world, last)
    world.offer("bot1")

    new = a_task(world)
    enqueue(world.state, new, world.now)

    assert new.run is None
    reach(world, a_task(world, age=30, priority=101))
    assert new.run is not None


def test_a_new_task_of_a_better_priority_is_served_at_once():
    world = loading()
    reach(world, a_task(world, age=10, priority=100))
    world.offer("bot1")

    new = a_task(world, priority=99)
    enqueue(world.state, new, world.now)

    assert new.run is not None


def test_the_newest_of_a_priority_are_known_only_when_all_of_it_is_loaded():
    world = loading(pools=NEWEST_FIRST)
    older, newer = a_task(world, age=20), a_task(world, age=10)
    for task in (older, newer):
        enqueue(world.state, task, world.now)
    world.offer("bot1")

    reach(world, newer)
    before = (older.run, newer.run)
    reach(world, a_task(world, age=20, priority=101))

    assert before == (None, None)
    assert newer.run is not None
    assert older.run is None


def test_all_that_was_held_comes_in_order_at_the_end():
    world = loading()
    horizon = Horizon()
    tasks = [a_task(world, age=age, priority=priority) for age, priority in ((1, 7), (5, 7), (3, 9), (9, 8))]
    for task in tasks:
        horizon.hold(task)
        horizon.hold(task)

    found = list(horizon.reach_end())

    assert found == [tasks[1].task_id, tasks[0].task_id, tasks[3].task_id, tasks[2].task_id]
    assert not horizon.is_beyond(tasks[2])


def test_what_was_held_and_waits_for_a_look_at_the_tables_meanwhile_is_in_no_queue():
    world = loading()
    held, last = a_task(world, age=20), a_task(world, age=10)
    enqueue(world.state, held, world.now)
    world.state.undecided[held.task_id] = Undecided(held, 0, since=world.now, needs_twins=False)

    reach(world, last)
    world.offer("bot1")

    assert held.run is None
    assert world.state.engine.pending == 0
