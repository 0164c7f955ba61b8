"""Which runs are tried again by themselves, and how a task ends that waits for its next run in vain."""

import pytest

from swarming_common.events.tasks import TaskBotDied
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_scheduler.changes import LateCost
from swarming_scheduler.usecases.cancel import CancelOutcome, cancel
from swarming_scheduler.usecases.expire import expire
from swarming_scheduler.usecases.hand_out import revoke_silent
from tests.unit.scheduler.builders import World, a_request, a_slice

SOON = a_request(slices=(a_slice(expiration_secs=200),))


def test_a_task_is_never_tried_again_on_the_bot_that_lost_it(world: World):
    task, run = world.running("bot1")

    world.report(run, ReportKind.LOST)
    world.offer("bot1")
    assert task.state is TaskState.PENDING
    world.offer("bot2")

    assert task.run is not None
    assert (task.run.bot_id, task.run.run_id.number) == ("bot2", 2)


def test_a_failure_of_the_machine_is_tried_again_on_another_bot(world: World):
    task, run = world.running("bot1")

    world.report(run, ReportKind.FAILED, message="the bot's disk is full", details={"try_elsewhere": True})
    world.offer("bot1")
    assert task.state is TaskState.PENDING
    world.offer("bot2")

    assert task.run is not None
    assert task.run.bot_id == "bot2"


def test_an_order_to_end_is_not_tried_again_since_no_other_bot_can_do_it(world: World):
    only_its_bot = a_slice(expiration_secs=200)
    properties = only_its_bot.properties.model_copy(update={"dimensions": (("id", "bot1"),), "command": ()})
    order = a_request(slices=(only_its_bot.model_copy(update={"properties": properties}),))
    task, run = world.running("bot1", order)

    world.report(run, ReportKind.LOST)

    assert task.state is TaskState.BOT_DIED


@pytest.mark.parametrize(("asked", "state"), [("bot1", TaskState.BOT_DIED), ("bot1|bot2", TaskState.PENDING)])
def test_a_task_is_tried_again_only_if_it_asks_for_another_bot_too(world: World, asked: str, state: TaskState):
    task, run = world.running("bot1", a_request(slices=(a_slice(id=asked),)))

    world.report(run, ReportKind.LOST)

    assert task.state is state


def test_a_bot_that_lost_a_run_after_the_task_expired_ends_it(world: World):
    task, run = world.running("bot1", SOON)
    world.pass_time(200)

    world.report(run, ReportKind.LOST)

    assert task.state is TaskState.BOT_DIED


def test_a_task_that_expires_while_it_waits_to_be_tried_again_ends_as_the_run_that_was_lost(world: World):
    task, run = world.running("bot1", SOON)
    world.report(run, ReportKind.LOST, message="came back without it")
    world.pass_time(200)

    expire(world.state, world.now)

    [told] = world.state.changes.events
    assert isinstance(told.fact, TaskBotDied)
    assert (told.fact.run_id, told.fact.bot_id) == (str(run.run_id), "bot1")
    assert (task.state, task.last_run, task.started_ts) == (TaskState.BOT_DIED, run, run.started_ts)
    assert task.reason == "came back without it"


def test_a_cancel_that_was_refused_while_the_task_ran_stays_refused_when_it_is_read_again(world: World):
    task, run = world.running("bot1")
    world.pass_time(1)
    given = world.now
    refused = CancelOutcome(ok=False, was_running=True)
    assert cancel(world.state, task.task_id, False, world.now, given) == refused
    world.pass_time(1)
    world.report(run, ReportKind.LOST)

    assert cancel(world.state, task.task_id, False, world.now, given) == refused
    assert cancel(world.state, task.task_id, False, world.now, world.now) == CancelOutcome(ok=True, was_running=False)


def test_it_does_so_too_when_a_second_run_was_given_and_taken_back(world: World):
    task, run = world.running("bot1", SOON)
    world.report(run, ReportKind.LOST)
    world.offer("bot2")
    second = task.run
    assert second is not None
    world.report(second, ReportKind.CANCELED)
    world.pass_time(200)

    expire(world.state, world.now)

    assert (task.state, task.last_run) == (TaskState.BOT_DIED, run)


def test_a_run_whose_process_never_started_leaves_an_expired_task_expired(world: World):
    task, run = world.running("bot1", SOON)
    world.report(run, ReportKind.CANCELED)
    world.pass_time(200)

    expire(world.state, world.now)

    assert task.state is TaskState.EXPIRED


def test_a_late_report_of_a_silent_run_adds_its_cost_to_itself_and_nothing_else(world: World):
    task, run = world.running("bot1")
    world.report(run, ReportKind.CONFIRMED)
    world.pass_time(90)
    revoke_silent(world.state, world.now)
    world.commit()
    world.settle()
    world.offer("bot2")
    second, told = task.run, len(world.told)

    late = {"exit_code": 0, "duration": 99.0, "cost_usd": 0.25}
    world.report(run, ReportKind.LATE, **late)

    assert (task.state, task.run) == (TaskState.RUNNING, second)
    assert (run.state, run.exit_code) == (TaskState.BOT_DIED, None)
    assert len(world.told) == told
    assert world.late_costs == [LateCost(run.run_id, "bot1", 0.25)]
