"""Hand a run out safely: say it again until its bot confirms it, and take it back only when that is safe.

Taking back has two steps. First the row says `revoked`; from that commit on no gateway takes an update for the run.
Then, after that commit, the run's reports are read: if the bot was quicker the run goes on (or ends as it reported),
else the task goes to another bot. A gateway does the mirror image at a run's first update: it commits the report, then
looks whether the run was revoked meanwhile. So at least one of the two sees what the other wrote, and the bot does not
start what was given to another (docs/decisions/0002).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from swarming_common.hints import addresses
from swarming_common.hints.scheduler import Report
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import TaskId
from swarming_scheduler.state import LiveBot, LiveRun, LiveTask, Revoking, ShardState
from swarming_scheduler.usecases.end import lose_run, requeue
from swarming_scheduler.usecases.report import confirm_run, take_report

RESEND_AFTER_SECONDS = (1.0, 2.0, 4.0)


def offer_again(state: ShardState, bot: LiveBot, now: datetime) -> None:
    """Send a bot's unconfirmed run to its newest open offer, or to the one that it was sent to before."""
    run = bot.run
    if run is None or run.is_confirmed or run.revoking is not None:
        return
    if bot.offers:
        _, offer = bot.offers.popitem()
        run.offer_id, run.gateway_id, run.last_offered = (
            offer.offer_id,
            offer.gateway_id,
            now,
        )
        state.changes.runs[run.run_id] = run
    if run.assignment is not None:
        run.assignment = run.assignment.model_copy(update={"offer_id": run.offer_id})
        state.changes.hints.append((addresses.gateway(run.gateway_id), run.assignment))


def resend_unconfirmed(state: ShardState, now: datetime) -> None:
    """The sweep's part: send again after 1, 2 and 4 seconds, and take back what was never confirmed."""
    for bot in [bot for bot in state.bots.values() if bot.run is not None]:
        run = bot.run
        if run is None or run.is_confirmed or run.revoking is not None:
            continue
        age = (now - run.last_offered).total_seconds()
        if age >= state.rules.confirm_seconds:
            revoke(state, state.tasks[run.run_id.task_id], run, Revoking.UNCONFIRMED)
        elif run.resends < len(RESEND_AFTER_SECONDS) and age >= RESEND_AFTER_SECONDS[run.resends]:
            run.resends += 1
            offer_again(state, bot, now)


def decline(state: ShardState, task_id: TaskId, run_number: int, offer_id: str, now: datetime) -> None:
    """The run reached its gateway too late for this offer. It counts only for the run's newest offer."""
    found = state.live_run(task_id, run_number)
    if found is None:
        return
    task, run = found
    if run.is_confirmed or run.revoking is not None or run.offer_id != offer_id:
        return
    bot = state.bots[run.bot_id]
    if bot.offers:
        offer_again(state, bot, now)
    else:
        revoke(state, task, run, Revoking.UNCONFIRMED)


def revoke_silent(state: ShardState, now: datetime) -> None:
    """The sweep's part: take away confirmed runs whose bots were not heard for too long."""
    for bot in list(state.bots.values()):
        run = bot.run
        if run is None or not run.is_confirmed or run.revoking is not None:
            continue
        task = state.tasks[run.run_id.task_id]
        tolerance = timedelta(seconds=task.ping_tolerance_secs + state.rules.silence_margin_seconds)
        if now - run.last_heard >= tolerance:
            revoke(state, task, run, Revoking.SILENT)


def listen_anew(state: ShardState, now: datetime) -> None:
    """Nobody could be heard until now, so silence begins now: it counts only while somebody listens."""
    for bot in state.bots.values():
        if bot.run is not None:
            bot.run.last_heard = now


def revoke(state: ShardState, task: LiveTask, run: LiveRun, why: Revoking) -> None:
    """The first step: from the next commit on, no gateway takes an update for this run."""
    run.revoking = why
    state.changes.runs[run.run_id] = run
    state.changes.revoked.append((task, run))


def settle_revoked(
    state: ShardState,
    task: LiveTask,
    run: LiveRun,
    reports: Sequence[Report],
    now: datetime,
) -> None:
    """The second step: `reports` is all that the run's bot ever said of it."""
    if task.run is not run or run.revoking is None:
        return
    why, run.revoking = run.revoking, None
    ending = next((report for report in reports if report.kind.ends_the_run), None)
    if ending is not None:
        take_report(state, run.run_id.task_id, run.run_id.number, run.bot_id, ending, now)
    elif why is Revoking.SILENT:
        lose_run(state, task, run, why.value, now)
    elif any(report.kind is ReportKind.CONFIRMED for report in reports):
        state.changes.runs[run.run_id] = run
        confirm_run(state, run.run_id.task_id, run.run_id.number, run.bot_id, now)
    else:
        requeue(state, task, run, now)
