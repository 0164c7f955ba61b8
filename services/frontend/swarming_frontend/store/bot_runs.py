"""`task_run`: the runs of a bot, as a list."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import ColumnElement, Connection, and_, or_

from swarming_common.database.tables import task_run
from swarming_common.model.states import TaskState
from swarming_frontend.standing import Standing
from swarming_frontend.store.standings import read_runs, run_query
from swarming_frontend.store.task_lists import StateFilter, TaskFilter, TaskSort

_run = task_run.c
_MOMENTS: dict[TaskSort, ColumnElement[Any]] = {
    TaskSort.CREATED_TS: _run.started_ts,  # a run is created when it is given to its bot
    TaskSort.STARTED_TS: _run.started_ts,
    TaskSort.COMPLETED_TS: _run.completed_ts,
    TaskSort.ABANDONED_TS: _run.abandoned_ts,
}


@dataclass(frozen=True)
class RunPlace:
    """A run's place in such a list."""

    moment: AwareDatetime
    task_id: int
    run_number: int


def runs_of_bot(
    connection: Connection, bot_id: str, wanted: TaskFilter, after: RunPlace | None, limit: int
) -> tuple[list[Standing], RunPlace | None]:
    """At most `limit` runs after this place, the newest first, and the place to go on from, None at the end."""
    moment = _MOMENTS[wanted.sort]
    terms: list[ColumnElement[bool]] = [_run.bot_id == bot_id, moment.is_not(None)]
    if wanted.start is not None:
        terms.append(moment >= wanted.start)
    if wanted.end is not None:
        terms.append(moment < wanted.end)
    if wanted.state is not StateFilter.ALL:
        terms.append(_in_state(wanted.state))
    if after is not None:
        same_task = and_(_run.task_id == after.task_id, _run.run_number < after.run_number)
        later_key = or_(_run.task_id < after.task_id, same_task)
        terms.append(or_(moment < after.moment, and_(moment == after.moment, later_key)))
    order = (moment.desc(), _run.task_id.desc(), _run.run_number.desc())
    found = read_runs(connection, run_query().where(*terms).order_by(*order).limit(limit + 1))
    if len(found) <= limit:
        return found, None
    return found[:limit], _place(found[limit - 1], wanted.sort)


def _in_state(wanted: StateFilter) -> ColumnElement[bool]:
    match wanted:
        case StateFilter.PENDING | StateFilter.DEDUPED:
            return _run.state.is_(None)  # a run is neither
        case StateFilter.PENDING_RUNNING:
            return _run.state == int(TaskState.RUNNING)
        case StateFilter.COMPLETED_SUCCESS | StateFilter.COMPLETED_FAILURE:
            failed = wanted is StateFilter.COMPLETED_FAILURE
            return and_(_run.state == int(TaskState.COMPLETED), _run.failure.is_(failed))
        case _:
            return _run.state == int(TaskState[wanted.name])


def _place(last: Standing, sort: TaskSort) -> RunPlace:
    moment: datetime | None = {
        TaskSort.COMPLETED_TS: last.completed_ts,
        TaskSort.ABANDONED_TS: last.abandoned_ts,
    }.get(sort, last.started_ts)
    assert moment is not None
    assert last.run_number is not None
    return RunPlace(moment, last.task_id, last.run_number)
