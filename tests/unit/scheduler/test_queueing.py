"""Order, matching and expiration."""

from swarming_common.model.states import TaskState
from swarming_scheduler.usecases.cancel import cancel
from swarming_scheduler.usecases.expire import expire
from tests.unit.scheduler.builders import World, a_request, a_slice


def test_the_lower_priority_number_goes_first_then_the_older_task(world: World):
    late = world.submit(a_request(priority=50))
    world.pass_time(1)
    later = world.submit(a_request(priority=50))
    world.pass_time(1)
    urgent = world.submit(a_request(priority=10))

    order = []
    for number in range(3):
        world.offer(f"bot{number}")
        order.append(next(t.task_id for t in (late, later, urgent) if t.run and t.run.bot_id == f"bot{number}"))

    assert order == [urgent.task_id, late.task_id, later.task_id]


def test_a_bot_gets_only_what_it_can_run(world: World):
    task = world.submit(a_request(slices=(a_slice(os="Mac|Windows"),)))

    world.offer("linux", os="Linux")
    assert task.state is TaskState.PENDING
    world.offer("mac", os="Mac")

    assert task.run is not None
    assert task.run.bot_id == "mac"


def test_a_task_for_a_bot_s_id_waits_for_that_bot(world: World):
    world.offer("bot1")
    task = world.submit(a_request(slices=(a_slice(id="bot2"),)))
    assert task.state is TaskState.PENDING

    world.offer("bot2")

    assert task.run is not None
    assert task.run.bot_id == "bot2"


def test_a_queue_that_was_empty_for_a_while_serves_again(world: World):
    for number in range(3):
        task = world.submit()
        world.offer(f"bot{number}")

        assert task.state is TaskState.RUNNING


def test_a_bot_that_waits_is_found_by_a_later_queue(world: World):
    world.offer("bot1", os="Linux")

    task = world.submit(a_request(slices=(a_slice(os="Linux"),)))

    assert task.state is TaskState.RUNNING


def test_a_task_expires_when_its_last_slice_does(world: World):
    slices = (a_slice(expiration_secs=60, os="Mac"), a_slice(expiration_secs=120, os="Linux"))
    task = world.submit(a_request(slices=slices))

    world.pass_time(60)
    expire(world.state, world.now)
    assert (task.state, task.current_slice) == (TaskState.PENDING, 1)
    world.pass_time(119)
    expire(world.state, world.now)
    assert task.state is TaskState.PENDING
    world.pass_time(1)
    expire(world.state, world.now)

    assert task.state is TaskState.EXPIRED
    assert world.state.engine.pending == 0


def test_a_canceled_task_is_not_handed_out(world: World):
    task = world.submit()

    outcome = cancel(world.state, task.task_id, kill_running=False, now=world.now)
    world.offer("bot1")

    assert (outcome.ok, task.state) == (True, TaskState.CANCELED)
    assert world.sent == []
