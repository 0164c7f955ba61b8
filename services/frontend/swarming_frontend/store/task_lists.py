"""Lists of tasks: which rows, in which order, from which place on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from swarming_common.database.tables import task_request, task_result
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import EPOCH, TaskId, new_task_id
from swarming_frontend.standing import Standing
from swarming_frontend.store.containment import has_tags
from swarming_frontend.store.standings import read_standings, standing_query, state_of_task

LARGEST_INTEGER = 2**63 - 1
"""Of the database."""

_result = task_result.c


class StateFilter(Enum):
    """The names by which clients ask for states (client-api-v1.md section 6)."""

    PENDING = 0
    RUNNING = 1
    PENDING_RUNNING = 2
    COMPLETED = 3
    COMPLETED_SUCCESS = 4
    COMPLETED_FAILURE = 5
    EXPIRED = 6
    TIMED_OUT = 7
    BOT_DIED = 8
    CANCELED = 9
    ALL = 10
    DEDUPED = 11
    KILLED = 12
    NO_RESOURCE = 13
    CLIENT_ERROR = 14


class TaskSort(Enum):
    """What lists may be ordered by, the newest first; a task without that moment is not in the list."""

    CREATED_TS = 0
    COMPLETED_TS = 2
    ABANDONED_TS = 3
    STARTED_TS = 4


_MOMENTS: dict[TaskSort, ColumnElement[Any]] = {
    TaskSort.COMPLETED_TS: _result.completed_ts,
    TaskSort.ABANDONED_TS: _result.abandoned_ts,
    TaskSort.STARTED_TS: _result.started_ts,
}


@dataclass(frozen=True, kw_only=True)
class TaskFilter:
    """Which tasks; `start` and `end` are about the moment that the list is ordered by, `end` is not included."""

    state: StateFilter = StateFilter.ALL
    tags: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    sort: TaskSort = TaskSort.CREATED_TS
    parent: TaskId | None = None
    """Only the children of this task."""


@dataclass(frozen=True)
class TaskPlace:
    """A task's place in a list; `moment` is None in the order of creation, which is that of the ids."""

    task_id: int
    moment: AwareDatetime | None = None


def list_tasks(
    connection: Connection, wanted: TaskFilter, after: TaskPlace | None, limit: int
) -> tuple[list[Standing], TaskPlace | None]:
    """At most `limit` tasks after this place, and the place to go on from, None at the end."""
    query = _narrowed(standing_query(), wanted, connection.dialect.name)
    moment = _MOMENTS.get(wanted.sort)
    task_id = task_request.c.task_id
    if moment is None:
        query = query.order_by(task_id.desc())
        if after is not None:
            query = query.where(task_id < after.task_id)
    else:
        query = query.order_by(moment.desc(), task_id.desc())
        if after is not None:
            is_later = and_(moment == after.moment, task_id < after.task_id)
            query = query.where(or_(moment < after.moment, is_later))
    found = read_standings(connection, query.limit(limit + 1))
    if len(found) <= limit:
        return found, None
    return found[:limit], _place(found[limit - 1], wanted.sort)


def list_ids(
    connection: Connection, wanted: TaskFilter, after: TaskPlace | None, limit: int
) -> tuple[list[tuple[TaskId, int]], TaskPlace | None]:
    """At most `limit` tasks with their shards, the newest first, and the place to go on from, None at the end."""
    query: Select[Any] = select(task_request.c.task_id, task_request.c.shard).select_from(
        task_request.outerjoin(task_result, _result.task_id == task_request.c.task_id)
    )
    query = _narrowed(query, wanted, connection.dialect.name).order_by(task_request.c.task_id.desc())
    if after is not None:
        query = query.where(task_request.c.task_id < after.task_id)
    found = [(TaskId(row.task_id), row.shard) for row in connection.execute(query.limit(limit + 1))]
    return found[:limit], TaskPlace(found[limit - 1][0]) if len(found) > limit else None


def count_tasks(connection: Connection, wanted: TaskFilter) -> int:
    """How many tasks there are of these."""
    some = _narrowed(standing_query(), wanted, connection.dialect.name).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def states_of(connection: Connection, task_ids: Sequence[int]) -> dict[int, TaskState]:
    """The states of those that exist."""
    query = (
        select(task_request.c.task_id, state_of_task)
        .select_from(task_request.outerjoin(task_result, _result.task_id == task_request.c.task_id))
        .where(task_request.c.task_id.in_(task_ids))
    )
    return {row[0]: TaskState(row[1]) for row in connection.execute(query)}


def _narrowed(query: Select[Any], wanted: TaskFilter, dialect: str) -> Select[Any]:
    moment = _MOMENTS.get(wanted.sort)
    if moment is None:
        # ids begin with the millisecond of their creation, and they have the index
        if wanted.start is not None:
            query = query.where(task_request.c.task_id >= _first_id(wanted.start))
        if wanted.end is not None:
            query = query.where(task_request.c.task_id < _first_id(wanted.end))
    else:
        query = query.where(moment.is_not(None))
        if wanted.start is not None:
            query = query.where(moment >= wanted.start)
        if wanted.end is not None:
            query = query.where(moment < wanted.end)
    if wanted.parent is not None:
        query = query.where(task_request.c.parent_task_id == wanted.parent)
    if wanted.tags:
        query = query.where(has_tags(task_request.c.tags, wanted.tags, dialect))
    return query if wanted.state is StateFilter.ALL else query.where(_in_state(wanted.state))


def _in_state(wanted: StateFilter) -> ColumnElement[bool]:
    match wanted:
        case StateFilter.PENDING:
            return or_(_result.state.is_(None), _result.state == int(TaskState.PENDING))
        case StateFilter.PENDING_RUNNING:
            return or_(_result.state.is_(None), _result.state.in_([TaskState.PENDING, TaskState.RUNNING]))
        case StateFilter.COMPLETED_SUCCESS | StateFilter.COMPLETED_FAILURE:
            failed = wanted is StateFilter.COMPLETED_FAILURE
            return and_(_result.state == int(TaskState.COMPLETED), _result.failure.is_(failed))
        case StateFilter.DEDUPED:
            return _result.deduped_task_id.is_not(None)
        case _:
            return _result.state == int(TaskState[wanted.name])


def _first_id(moment: datetime) -> int:
    """No id of that moment or later is below it. Ids end in the year 2288, and a moment after that is after all."""
    return min(new_task_id(max(moment, EPOCH), 0) - 1, LARGEST_INTEGER)


def _place(last: Standing, sort: TaskSort) -> TaskPlace:
    moment = {
        TaskSort.CREATED_TS: None,
        TaskSort.COMPLETED_TS: last.completed_ts,
        TaskSort.ABANDONED_TS: last.abandoned_ts,
        TaskSort.STARTED_TS: last.started_ts,
    }[sort]
    return TaskPlace(last.task_id, moment)
