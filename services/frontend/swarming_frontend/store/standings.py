"""How tasks and runs stand: `task_request` with what the scheduler wrote of it. No `task_result` row means PENDING."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, bindparam, func, select

from swarming_common.database.tables import bot_snapshot, task_request, task_result, task_run
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_frontend.standing import Standing

_request, _result, _run, _snapshot = task_request.c, task_result.c, task_run.c, bot_snapshot.c
_PRIORITY = func.coalesce(_result.priority, _request.priority).label("priority")
_FACTS = (_request.task_id, _request.name, _request.user, _request.tags, _request.created_ts, _PRIORITY)
_OF_BOTH = (
    "state",
    "started_ts",
    "completed_ts",
    "abandoned_ts",
    "exit_code",
    "duration",
    "failure",
    "internal_failure",
    "reason",
    "bot_id",
)
_DEDUPED = ("deduped_task_id", "deduped_run_number", "cost_saved_usd")
_COLUMNS_OF_RUN = (
    _snapshot.version.label("bot_version"),
    _snapshot.dimensions.label("bot_dimensions"),
    _run.bot_idle_since_ts,
    _run.details,
)
_OF_RUN = tuple(column.name for column in _COLUMNS_OF_RUN)
_IS_ITS_SNAPSHOT = _snapshot.bot_snapshot_id == _run.bot_snapshot_id

state_of_task: ColumnElement[int] = func.coalesce(_result.state, int(TaskState.PENDING))
"""To be used in queries that select from standing_query."""


def standing_query() -> Select[Any]:
    """All tasks as they stand, to be narrowed down and given to read_standings."""
    current_run = and_(
        _run.task_id == func.coalesce(_result.deduped_task_id, _result.task_id),
        _run.run_number == func.coalesce(_result.deduped_run_number, _result.run_number),
    )
    return select(
        *_FACTS,
        _result.run_number,
        *(_result[name] for name in _DEDUPED),
        _result.current_slice,
        *(_result[name] for name in _OF_BOTH),
        _result.modified_ts,
        *_COLUMNS_OF_RUN,
    ).select_from(
        task_request.outerjoin(task_result, _result.task_id == _request.task_id)
        .outerjoin(task_run, current_run)
        .outerjoin(bot_snapshot, _IS_ITS_SNAPSHOT)
    )


# Made once: followers ask these again and again, and making a statement takes longer than running it.
_STANDING_OF_TASK = standing_query().where(_request.task_id == bindparam("of_task"))
_RUNS_OF_TASKS = (
    select(_run.task_id, _run.run_number, _run.cost_usd)
    .where(_run.task_id.in_(bindparam("of_tasks", expanding=True)), _run.state != int(TaskState.PENDING))
    .order_by(_run.task_id, _run.run_number)
)
"""Without those that no bot ever confirmed: the next bot gets the same run."""
_STATE_AND_RUN = (
    select(
        state_of_task,
        func.coalesce(_result.deduped_task_id, _result.task_id),
        func.coalesce(_result.deduped_run_number, _result.run_number),
    )
    .select_from(task_request.outerjoin(task_result, _result.task_id == _request.task_id))
    .where(_request.task_id == bindparam("of_task"))
)


def read_standings(connection: Connection, query: Select[Any]) -> list[Standing]:
    """What a narrowed standing_query finds, in its order, with the costs of all runs."""
    rows = connection.execute(query).all()
    runs = _runs(connection, [row.task_id for row in rows if row.state is not None])
    return [_task(row._mapping, runs.get(row.task_id, _NO_RUNS)) for row in rows]


def standing_of_task(connection: Connection, task_id: TaskId) -> Standing | None:
    """A task as it stands, None for an unknown one."""
    row = connection.execute(_STANDING_OF_TASK, {"of_task": task_id}).one_or_none()
    if row is None:
        return None
    return _task(row._mapping, _runs(connection, [task_id]).get(task_id, _NO_RUNS))


def standing_of_run(connection: Connection, task_id: TaskId, run_number: int) -> Standing | None:
    """One run as it stands, None for an unknown one."""
    found = read_runs(connection, run_query().where(_run.task_id == task_id, _run.run_number == run_number))
    return found[0] if found else None


def run_query() -> Select[Any]:
    """All runs as they stand, to be narrowed down and given to read_runs."""
    return select(
        *_FACTS,
        _run.run_number,
        _run.slice.label("current_slice"),
        _run.cost_usd,
        *(_run[name] for name in _OF_BOTH),
        func.coalesce(_run.completed_ts, _run.started_ts).label("modified_ts"),
        *_COLUMNS_OF_RUN,
    ).select_from(
        task_request.join(task_run, _run.task_id == _request.task_id)
        .outerjoin(task_result, _result.task_id == _request.task_id)
        .outerjoin(bot_snapshot, _IS_ITS_SNAPSHOT)
    )


def read_runs(connection: Connection, query: Select[Any]) -> list[Standing]:
    """What a narrowed run_query finds, in its order."""
    return [_run_standing(row._mapping) for row in connection.execute(query)]


def state_and_run(connection: Connection, task_id: TaskId) -> tuple[TaskState, RunId | None] | None:
    """A task's state and its current or last run, or the run whose result it took; None for an unknown task."""
    row = connection.execute(_STATE_AND_RUN, {"of_task": task_id}).one_or_none()
    if row is None:
        return None
    return TaskState(row[0]), None if row[2] is None else RunId(TaskId(row[1]), row[2])


def state_of_run(connection: Connection, task_id: TaskId, run_number: int) -> TaskState | None:
    """A run's state, None for an unknown one."""
    query = select(_run.state).where(_run.task_id == task_id, _run.run_number == run_number)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else TaskState(found)


@dataclass(slots=True)
class _Runs:
    """Of a task: the number of the last one, and what each of them cost."""

    last: int | None = None
    costs: tuple[float, ...] = ()


_NO_RUNS = _Runs()


def _task(row: RowMapping, runs: _Runs) -> Standing:
    facts = _facts(row)
    if row["state"] is None:
        return Standing(
            **facts,
            run_number=None,
            is_run=False,
            state=TaskState.PENDING,
            modified_ts=row["created_ts"],
        )
    shown = {
        name: row[name]
        for name in (*_OF_BOTH, "modified_ts", *_OF_RUN, "current_slice", "run_number", "cost_saved_usd")
    }
    if row["state"] == TaskState.PENDING:
        shown["run_number"] = runs.last
    deduped_from = None
    if row["deduped_task_id"] is not None:
        deduped_from = RunId(TaskId(row["deduped_task_id"]), row["deduped_run_number"])
    return Standing(
        **facts | shown | {"state": TaskState(row["state"])},
        is_run=False,
        costs_usd=runs.costs,
        deduped_from=deduped_from,
    )


def _run_standing(row: RowMapping) -> Standing:
    shown = {name: row[name] for name in (*_OF_BOTH, "modified_ts", *_OF_RUN, "current_slice", "run_number")}
    costs = () if row["cost_usd"] is None else (row["cost_usd"],)
    return Standing(**_facts(row) | shown | {"state": TaskState(row["state"])}, is_run=True, costs_usd=costs)


def _facts(row: RowMapping) -> dict[str, Any]:
    names = ("task_id", "name", "user", "created_ts", "priority")
    return {name: row[name] for name in names} | {"tags": tuple(row["tags"])}


def _runs(connection: Connection, task_ids: Sequence[int]) -> dict[int, _Runs]:
    runs: dict[int, _Runs] = {}
    if task_ids:
        for task_id, number, cost in connection.execute(_RUNS_OF_TASKS, {"of_tasks": task_ids}):
            of_task = runs.setdefault(task_id, _Runs())
            of_task.last = number
            of_task.costs += () if cost is None else (cost,)
    return runs
