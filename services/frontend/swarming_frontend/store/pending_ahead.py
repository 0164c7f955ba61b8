"""`task_result`: where a pending task stands, and the others that stand before it in its shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pydantic_core
from sqlalchemy import ColumnElement, Connection, Text, and_, cast, func, literal, or_, select

from swarming_common.database.tables import task_request, task_result
from swarming_common.model.dimensions import Requirements, requirements
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_frontend.store.states import as_a_word

MOST_READ = 2_000
"""Of them are looked at: enough to tell a long wait from a short one, and some tens of milliseconds."""

_request, _result = task_request.c, task_result.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How a pending task waits."""

    priority: int
    current_slice: int = 0
    slice_expiration_ts: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAhead:
    """Tasks that stand before ours in the order of priority, then age; the first `MOST_READ` of them."""

    tasks: Sequence[tuple[TaskId, int, Requirements]]
    """Id, priority, and what its current slice asks for; in order."""
    is_least: bool
    """Whether there are more."""


def waiting(connection: Connection, task_id: TaskId) -> Waiting | None:
    """How a task waits, None if the scheduler has not taken it in yet."""
    row = connection.execute(
        select(_result.priority, _result.current_slice, _result.slice_expiration_ts).where(_result.task_id == task_id)
    ).one_or_none()
    return None if row is None else Waiting(priority=row[0], current_slice=row[1], slice_expiration_ts=row[2])


def pending_ahead(
    connection: Connection, *, shard: int, priority: int, task_id: TaskId, newest_first: bool = False
) -> PendingAhead:
    """What stands before a task, of all pools of its shard; without those that the scheduler has not taken in yet.

    The order within a priority is that of task ids, which begin with the millisecond of their creation.
    """
    id_, place = _result.task_id, _result.priority
    is_before = id_ > task_id if newest_first else id_ < task_id
    rows = connection.execute(
        select(id_, place, _asked(connection.dialect.name))
        .select_from(task_result.join(task_request, _request.task_id == id_))
        .where(
            _result.shard == shard,
            _result.state == as_a_word(TaskState.PENDING),
            place <= priority,
            or_(place < priority, and_(place == priority, is_before)),
        )
        .order_by(place, id_.desc() if newest_first else id_)
        .limit(MOST_READ + 1)
    ).all()
    parsed: dict[str, Requirements] = {}
    for row in rows:
        if row[2] not in parsed:
            parsed[row[2]] = requirements((key, value) for key, value in pydantic_core.from_json(row[2]))
    tasks = [(TaskId(row[0]), row[1], parsed[row[2]]) for row in rows[:MOST_READ]]
    return PendingAhead(tasks=tasks, is_least=len(rows) > MOST_READ)


def _asked(dialect: str) -> ColumnElement[str]:
    """The JSON of the current slice's dimensions, as text."""
    number = cast(_result.current_slice, Text)
    if dialect == "postgresql":
        path = ("task_slices", number, "properties", "dimensions")
        return cast(func.json_extract_path(_request.request, *path), Text)
    return func.json_extract(_request.request, literal("$.task_slices[") + number + literal("].properties.dimensions"))
