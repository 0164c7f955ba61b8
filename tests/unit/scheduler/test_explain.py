"""What a shard tells of a task that waits."""

from swarming_common.hints.frontend import WhyAnswered
from swarming_common.hints.scheduler import WhyAsked
from swarming_common.model.task_id import TaskId
from swarming_scheduler.consumers import HINTS
from swarming_scheduler.usecases.explain import answer
from tests.unit.scheduler.builders import World, a_request, a_slice


def test_a_waiting_task_is_told_its_place(world: World):
    slices = (a_slice(os="Linux"), a_slice())
    older = world.submit(a_request(priority=50, slices=slices))
    urgent = world.submit(a_request(priority=30, slices=slices))
    world.pass_time(1)
    task = world.submit(a_request(priority=50, slices=slices))
    world.submit(a_request(priority=60, slices=slices))
    world.offer("mac", os="Mac")

    told = answer(world.state, "q", task.task_id)

    assert told == WhyAnswered(
        question_id="q",
        is_waiting=True,
        slice_expiration_ts=task.slice_expiration_ts,
        rank=3,
        queue_length=4,
        ahead_by_priority=1,
        ahead_by_age=1,
        next_up=(urgent.task_id, older.task_id),
        waiting_bots=1,
    )


def test_the_bots_that_lost_a_task_are_told(world: World):
    task = world.submit()
    task.excluded_bots = frozenset({"bot2", "bot1"})

    assert answer(world.state, "q", task.task_id).excluded_bots == ("bot1", "bot2")


def test_a_task_that_does_not_wait_here_is_told_as_that(world: World):
    running, _ = world.running()

    for task_id in (running.task_id, TaskId(17)):
        assert answer(world.state, "q", task_id) == WhyAnswered(question_id="q", is_waiting=False)


def test_the_answer_goes_to_whoever_asked_and_nothing_is_written(world: World):
    task = world.submit()
    question = WhyAsked(question_id="q", task_id=task.task_id, reply_to="frontend1")

    HINTS[WhyAsked](world.state, question, world.now)

    changes = world.state.changes
    [(address, hint)] = changes.hints
    assert address == "frontend.frontend1"
    assert isinstance(hint, WhyAnswered)
    assert [changes.tasks, changes.runs, changes.events, changes.cursors] == [{}, {}, [], []]
