"""How a task ends as its bot reports it."""

import pytest

from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_scheduler.usecases.cancel import cancel
from tests.unit.scheduler.builders import World

OVER = {"exit_code": -15, "duration": 60.0}


@pytest.mark.parametrize(
    ("kind", "facts", "state"),
    [
        (ReportKind.FINISHED, {"exit_code": 0, "duration": 1.0}, TaskState.COMPLETED),
        (ReportKind.FINISHED, {"exit_code": 7, "duration": 1.0}, TaskState.COMPLETED),
        (ReportKind.FINISHED, OVER | {"hard_timeout": True}, TaskState.TIMED_OUT),
        (ReportKind.FINISHED, OVER | {"io_timeout": True}, TaskState.TIMED_OUT),
        (ReportKind.FAILED, {"message": "out of disk"}, TaskState.BOT_DIED),
        (ReportKind.FAILED, {"details": {"try_elsewhere": False}}, TaskState.BOT_DIED),
        (ReportKind.FAILED, {"details": {"missing_cas": [{"digest": "x"}]}}, TaskState.CLIENT_ERROR),
        (ReportKind.FAILED, {"details": {"missing_cipd": [{"package_name": "x"}]}}, TaskState.CLIENT_ERROR),
        (ReportKind.FAILED, {"details": {"unreachable_data": [{"url": "x"}]}}, TaskState.BOT_DIED),
    ],
)
def test_a_task_ends_as_its_bot_reports_and_is_not_tried_again(
    world: World, kind: ReportKind, facts: dict[str, object], state: TaskState
):
    task, run = world.running("bot1")
    world.offer("bot2")

    world.report(run, kind, **facts)

    assert (task.state, run.state, run.exit_code) == (state, state, facts.get("exit_code"))
    assert run.internal_failure is (kind is ReportKind.FAILED)
    assert world.state.tasks == {}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"hard_timeout": True}, "it ran for longer than its execution_timeout_secs"),
        ({"io_timeout": True}, "it printed nothing for longer than its io_timeout_secs"),
        ({"io_timeout": True, "message": "in the bot's words"}, "in the bot's words"),
    ],
)
def test_a_task_that_timed_out_says_by_which_of_its_limits(world: World, facts: dict[str, object], reason: str):
    task, run = world.running("bot1")

    world.report(run, ReportKind.FINISHED, **OVER, **facts)

    assert task.reason == reason


def test_a_timeout_without_an_exit_code_shows_one_and_how_long_it_ran(world: World):
    task, run = world.running("bot1")
    world.pass_time(61)

    world.report(run, hard_timeout=True)

    assert (task.state, run.exit_code, run.duration) == (TaskState.TIMED_OUT, -1, 61.0)


def test_a_task_that_was_told_to_stop_is_killed_however_its_process_ended(world: World):
    task, run = world.running("bot1")
    cancel(world.state, task.task_id, True, world.now)

    world.report(run, exit_code=-15, duration=1.0, io_timeout=True)

    assert task.state is TaskState.KILLED
