"""Act on what a bot said of its run; the first report that ends it wins."""

from datetime import datetime

from swarming_common.hints.scheduler import Report
from swarming_common.model.reports import TRY_ELSEWHERE, ReportKind
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler.changes import LateCost
from swarming_scheduler.state import LiveRun, LiveTask, ShardState
from swarming_scheduler.usecases.end import end_run, lose_run, requeue


def take_report(
    state: ShardState,
    task_id: TaskId,
    run_number: int,
    bot_id: str,
    report: Report,
    now: datetime,
) -> None:
    """Repeatable; a report of a run that is not the task's current one, or not that bot's, changes nothing."""
    if report.kind is ReportKind.LATE:
        _note_late(state, RunId(task_id, run_number), bot_id, report)
        return
    found = state.live_run(task_id, run_number)
    if found is None or found[1].bot_id != bot_id:
        return
    task, run = found
    confirm_run(state, task_id, run_number, bot_id, now)
    _note_cost(run, report.cost_usd)
    if not report.kind.ends_the_run:
        return
    run.revoking = None
    _note(run, report)
    if report.kind is ReportKind.LOST:
        lose_run(state, task, run, report.message or "the bot came back without the run", now)
    elif report.kind is ReportKind.FAILED and report.details.get(TRY_ELSEWHERE):
        lose_run(state, task, run, report.message or "the machine of the bot failed", now)
    elif report.kind is ReportKind.CANCELED:
        requeue(state, task, run, now)
    else:
        final = _final_state(run, report)
        task.reason = report.message or (_timeout(report) if final is TaskState.TIMED_OUT else task.reason)
        end_run(state, task, run, final, now)


def confirm_run(state: ShardState, task_id: TaskId, run_number: int, bot_id: str, now: datetime) -> None:
    """The bot has the run: it need not be sent again, and from now on silence counts."""
    found = state.live_run(task_id, run_number)
    if found is not None and found[1].bot_id == bot_id:
        found[1].is_confirmed = True
        found[1].assignment = None
        found[1].last_heard = now


def hear_of_run(
    state: ShardState, task_id: TaskId, run_number: int, now: datetime, cost_usd: float | None = None
) -> None:
    """Its bot spoke to a gateway, and may have said what the run has cost so far."""
    found = state.live_run(task_id, run_number)
    if found is not None:
        found[1].last_heard = now
        _note_cost(found[1], cost_usd)


def write_costs(state: ShardState) -> None:
    """Have the next commit write what runs have cost so far, where that is news."""
    for bot in state.bots.values():
        run = bot.run
        if run is not None and run.has_new_cost and run.revoking is None:
            run.has_new_cost = False
            state.changes.runs[run.run_id] = run


def _note_late(state: ShardState, run_id: RunId, bot_id: str, report: Report) -> None:
    """A superseded run adds its cost to itself; its task may be gone from memory."""
    if report.cost_usd is not None:
        state.changes.late_costs.append(LateCost(run_id, bot_id, report.cost_usd))


def _note_cost(run: LiveRun, cost_usd: float | None) -> None:
    """Costs are sums that only grow, so the largest is the newest, in whatever order words come."""
    if cost_usd is not None and (run.cost_usd is None or cost_usd > run.cost_usd):
        run.cost_usd, run.has_new_cost = cost_usd, True


def _note(run: LiveRun, report: Report) -> None:
    run.exit_code, run.duration, run.reason = report.exit_code, report.duration, report.message
    run.details = report.details or None


def _final_state(run: LiveRun, report: Report) -> TaskState:
    if run.is_killing:
        return TaskState.KILLED
    if report.kind is ReportKind.FAILED:
        run.internal_failure = True
        has_missing = any(report.details.get(key) for key in ("missing_cas", "missing_cipd"))
        return TaskState.CLIENT_ERROR if has_missing else TaskState.BOT_DIED
    if report.hard_timeout or report.io_timeout:
        return TaskState.TIMED_OUT
    return TaskState.COMPLETED


def _timeout(report: Report) -> str:
    if report.hard_timeout:
        return "it ran for longer than its execution_timeout_secs"
    return "it printed nothing for longer than its io_timeout_secs"


def is_failure(task: LiveTask) -> bool:
    """Upstream's `failure`: a non-zero exit code or a timeout."""
    run = task.last_run
    return task.state is TaskState.TIMED_OUT or (run is not None and run.exit_code not in (None, 0))
