"""Another priority for a task that waits."""

from datetime import timedelta

from swarming_common.events.tasks import TaskReprioritized
from swarming_common.model.states import TaskState
from swarming_scheduler.state import Undecided
from swarming_scheduler.usecases.cancel import cancel
from swarming_scheduler.usecases.priority import PriorityOutcome, reprioritize
from tests.unit.scheduler.builders import BEGINNING, World, a_request


def test_a_task_of_a_better_priority_goes_first_and_of_an_equal_one_by_its_age(world: World):
    first, second, third = [world.submit(a_request(priority=50)) for _ in range(3)]

    outcome = reprioritize(world.state, third.task_id, 30, world.now, world.now)
    reprioritize(world.state, second.task_id, 30, world.now, world.now)
    order = []
    for number in range(3):
        world.offer(f"bot{number}")
        order.append(next(one for one in (first, second, third) if one.run and one.run.bot_id == f"bot{number}"))

    assert outcome == PriorityOutcome(ok=True, priority=30)
    assert order == [second, third, first]


def test_the_change_is_told_once_with_what_was_before(world: World):
    task = world.submit(a_request(priority=50))

    for _ in range(2):
        reprioritize(world.state, task.task_id, 30, BEGINNING, world.now)

    [told] = world.state.changes.events
    assert told.fact == TaskReprioritized(task_id=task.text_id, priority=30, previous_priority=50)
    assert task.task_id in world.state.changes.tasks


def test_an_older_wish_that_is_told_later_does_not_win(world: World):
    task = world.submit(a_request(priority=50))
    newer, older = BEGINNING + timedelta(seconds=2), BEGINNING + timedelta(seconds=1)

    reprioritize(world.state, task.task_id, 20, newer, world.now)
    outcome = reprioritize(world.state, task.task_id, 90, older, world.now)

    assert outcome == PriorityOutcome(ok=True, priority=20)
    assert (task.priority, task.prioritized_ts) == (20, newer)


def test_a_wish_for_what_is_so_already_is_remembered_against_older_ones(world: World):
    task = world.submit(a_request(priority=50))

    reprioritize(world.state, task.task_id, 50, BEGINNING + timedelta(seconds=2), world.now)
    reprioritize(world.state, task.task_id, 90, BEGINNING + timedelta(seconds=1), world.now)

    assert task.priority == 50
    assert task.task_id in world.state.changes.tasks
    assert world.state.changes.events == []


def test_a_task_that_runs_or_has_ended_keeps_its_priority(world: World):
    running, _ = world.running(request=a_request(priority=50))
    ended = world.submit()
    cancel(world.state, ended.task_id, False, world.now)

    assert reprioritize(world.state, running.task_id, 1, world.now, world.now) == PriorityOutcome(ok=False, priority=50)
    assert reprioritize(world.state, ended.task_id, 1, world.now, world.now) == PriorityOutcome(ok=False, priority=None)


def test_a_task_of_which_nothing_is_decided_takes_the_priority_and_no_place_in_the_queue(world: World):
    task = world.submit(a_request(priority=50))
    world.state.engine.remove(task.task_id)
    world.state.undecided[task.task_id] = Undecided(task, 0, since=world.now, needs_twins=True)
    task.taskseq = 0

    outcome = reprioritize(world.state, task.task_id, 30, world.now, world.now)
    world.offer()

    assert (outcome.ok, task.priority, task.state) == (True, 30, TaskState.PENDING)
    assert world.state.changes.events == []
