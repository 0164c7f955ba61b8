"""Orders to end that wait for a bot: tasks without a pool."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select

from swarming_common.database.tables import task_request, task_result
from swarming_common.model.states import TaskState

_request, _result = task_request.c, task_result.c
_WAITING = (
    select(_request.shard, _request.tags)
    .join_from(task_request, task_result, _result.task_id == _request.task_id, isouter=True)
    .where(
        _request.pool.is_(None),
        _request.expiration_ts > bindparam("at", type_=_request.expiration_ts.type),
        or_(_result.state.is_(None), _result.state == int(TaskState.PENDING)),
    )
)


def shards_with_terminations(connection: Connection, bot_id: str, now: datetime) -> frozenset[int]:
    """The shards in which an order to end waits for this bot. For the few bots that may do nothing else."""
    tag = f"id:{bot_id}"
    return frozenset(row.shard for row in connection.execute(_WAITING, {"at": now}) if tag in row.tags)
