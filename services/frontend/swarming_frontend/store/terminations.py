"""`task_request`: the orders to end that were given to bots, which are tasks without a pool."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from swarming_common.database.tables import task_request, task_result
from swarming_common.model.states import TaskState
from swarming_common.model.tags import TERMINATION_TAG
from swarming_common.model.task_id import TaskId
from swarming_frontend.store.containment import has_tags

_request, _result = task_request.c, task_result.c


@dataclass(frozen=True, slots=True)
class Termination:
    """An order to end."""

    task_id: TaskId
    state: TaskState


def last_termination(connection: Connection, bot_id: str) -> Termination | None:
    """The newest that was given to this bot."""
    state = func.coalesce(_result.state, int(TaskState.PENDING))
    has_both = has_tags(_request.tags, (TERMINATION_TAG, f"id:{bot_id}"), connection.dialect.name)
    row = connection.execute(
        select(_request.task_id, state)
        .join_from(task_request, task_result, _result.task_id == _request.task_id, isouter=True)
        .where(_request.pool.is_(None), has_both)
        .order_by(_request.task_id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Termination(TaskId(row[0]), TaskState(row[1]))
