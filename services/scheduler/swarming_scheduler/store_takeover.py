"""What a takeover of a shard writes and reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, and_, bindparam, cast, exists, literal_column, select, tuple_, update

from swarming_common.database.tables import run_report, shard, task_event, task_request, task_result, task_run
from swarming_common.model.states import TaskState
from swarming_scheduler.store import Row

FIRST = (-1, 0)
"""The place before every pending task."""


def shard_numbers(connection: Connection) -> list[int]:
    """The shards that there are."""
    return list(connection.execute(select(shard.c.shard).order_by(shard.c.shard)).scalars())


def claim_shard(connection: Connection, number: int, owner: str) -> Row:
    """Begin a new epoch of a shard whose lock we hold; returns its row."""
    connection.execute(update(shard).where(shard.c.shard == number).values(epoch=shard.c.epoch + 1, owner=owner))
    row = connection.execute(select(shard).where(shard.c.shard == number)).one()._asdict()
    newest = select(task_event.c.seq).where(task_event.c.shard == number).order_by(task_event.c.seq.desc()).limit(1)
    row["last_seq"] = max(row["last_seq"], connection.execute(newest).scalar() or 0)
    return row


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of some tasks, `request` as text, and of all their runs, each task's oldest first."""

    tasks: Sequence[Any]
    runs: Sequence[Any]


def running_tasks(connection: Connection, number: int, after: int, limit: int) -> Page:
    """The tasks of a shard that have an unfinished run, by task id, so many after this one."""
    tasks = connection.execute(_RUNNING, {"of_shard": number, "after": after, "most": limit}).all()
    return Page(tasks, _runs_of(connection, [row.task_id for row in tasks]))


def pending_in_queue_order(connection: Connection, number: int, after: tuple[int, int], limit: int) -> Page:
    """The pending tasks of a shard by priority and task id, so many after this place."""
    priority, task_id = after
    values = {"of_shard": number, "after_priority": priority, "after": task_id, "most": limit}
    tasks = connection.execute(_PENDING, values).all()
    return Page(tasks, _runs_of(connection, [row.task_id for row in tasks if row.last_taskseq > 1]))


def _state(state: TaskState) -> Any:
    """As a word of the statement, for the planner: the indexes of live rows are partial."""
    return literal_column(str(int(state)))


_TASKS = select(
    task_result.c.task_id,
    task_result.c.state,
    task_result.c.priority,
    task_result.c.current_slice,
    task_result.c.slice_expiration_ts,
    task_result.c.last_taskseq,
    task_result.c.created_ts,
    task_result.c.modified_ts,
    task_result.c.started_ts,
    task_result.c.abandoned_ts,
    task_result.c.reason,
    task_result.c.prioritized_ts,
    cast(task_request.c.request, Text).label("request"),
).join(task_request, task_request.c.task_id == task_result.c.task_id)

# The index of all live tasks would lead through everything that is pending.
_RUNNING_IDS = select(task_run.c.task_id).where(
    task_run.c.shard == bindparam("of_shard"),
    task_run.c.state == _state(TaskState.RUNNING),
    task_run.c.task_id > bindparam("after"),
)
_RUNNING = (
    _TASKS.where(task_result.c.task_id.in_(_RUNNING_IDS)).order_by(task_result.c.task_id).limit(bindparam("most"))
)

_PENDING = (
    _TASKS.where(
        task_result.c.shard == bindparam("of_shard"),
        task_result.c.state == _state(TaskState.PENDING),
        tuple_(task_result.c.priority, task_result.c.task_id)
        > tuple_(
            bindparam("after_priority", type_=task_result.c.priority.type),
            bindparam("after", type_=task_result.c.task_id.type),
        ),
    )
    .order_by(task_result.c.priority, task_result.c.task_id)
    .limit(bindparam("most"))
)

_RUNS = (
    select(
        task_run,
        exists()
        .where(
            and_(
                run_report.c.task_id == task_run.c.task_id,
                run_report.c.run_number == task_run.c.run_number,
                run_report.c.bot_id == task_run.c.bot_id,
            )
        )
        .label("is_confirmed"),
    )
    .where(task_run.c.task_id.in_(bindparam("of_tasks", expanding=True)))
    .order_by(task_run.c.task_id, task_run.c.run_number)
)
"""A run is confirmed once its bot has said anything of it."""


def _runs_of(connection: Connection, task_ids: Sequence[int]) -> Sequence[Any]:
    return connection.execute(_RUNS, {"of_tasks": task_ids}).all() if task_ids else ()
