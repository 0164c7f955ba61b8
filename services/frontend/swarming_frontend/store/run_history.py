"""`task_run`: what bots did lately, and which of them were lost with a task."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from swarming_common.database.tables import task_run
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_frontend.explanation.forecast import RunSpan
from swarming_frontend.explanation.situation import LostRun
from swarming_frontend.store.states import as_a_word

RUNS_OF_EACH = 20

_run = task_run.c
_NEWEST_RUNS = (
    select(_run.started_ts, _run.completed_ts, _run.state)
    .where(_run.bot_id == bindparam("of_bot"), _run.started_ts >= bindparam("since", type_=_run.started_ts.type))
    .order_by(_run.started_ts.desc())
    .limit(RUNS_OF_EACH)
)
_OLDER_LIVE_RUNS = select(_run.started_ts).where(
    _run.bot_id == bindparam("of_bot"),
    _run.state == as_a_word(TaskState.RUNNING),
    _run.started_ts < bindparam("since", type_=_run.started_ts.type),
)


def newest_runs(connection: Connection, bot_ids: Sequence[str], since: datetime) -> list[RunSpan]:
    """The newest runs of each of these bots that began after a moment, and those that have gone on since before it."""
    found = []
    for bot_id in bot_ids:
        of_bot = {"of_bot": bot_id, "since": since}
        for started, completed, state in connection.execute(_NEWEST_RUNS, of_bot):
            if completed is not None or state == TaskState.RUNNING:
                found.append(RunSpan(started, completed))
        found += [RunSpan(started, None) for started in connection.execute(_OLDER_LIVE_RUNS, of_bot).scalars()]
    return found


def lost_runs(connection: Connection, task_id: TaskId) -> list[LostRun]:
    """The runs of a task whose bots were lost, in order."""
    rows = connection.execute(
        select(_run.bot_id, _run.reason)
        .where(_run.task_id == task_id, _run.state == int(TaskState.BOT_DIED))
        .order_by(_run.run_number)
    )
    return [LostRun(bot_id=bot_id, reason=reason) for bot_id, reason in rows]
