"""The scheduler's own tables: one write for everything that was decided, its feeds and look-ups."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Connection, Text, and_, bindparam, cast, exists, literal, or_, select, update

from swarming_common.database.dialects import insert_for
from swarming_common.database.hot import Prepared
from swarming_common.database.json_rows import column_names, quoted, records, rows_as_json
from swarming_common.database.port import HotBatch
from swarming_common.database.request_rows import REQUEST_COLUMNS, request_fields
from swarming_common.database.tables import (
    bot,
    bot_snapshot,
    command,
    run_report,
    shard,
    task_event,
    task_request,
    task_result,
    task_run,
)
from swarming_common.hints.scheduler import Report
from swarming_common.model.states import LIVE_STATES
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler.changes import LateCost

log = structlog.get_logger(__name__)

Row = dict[str, Any]
Changed = tuple[int, int, int, int]

_LIVE = tuple(sorted(int(state) for state in LIVE_STATES))
_CURSORS = ("request_cursor", "command_cursor", "report_cursor", "last_seq", "relayed_seq")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one commit; at most one for each task and each run."""

    results: list[Row] = field(default_factory=list)
    bot_snapshots: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    cursors: list[Row] = field(default_factory=list)
    commands_of: list[TaskId] = field(default_factory=list)
    """The tasks whose requests the commit shall bring back, to be handed out."""

    def __bool__(self) -> bool:
        return bool(self.results or self.runs or self.events or self.cursors)


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What a bot needs of a request."""

    request: Row
    secret_bytes: bytes | None


Requests = dict[TaskId, StoredRequest]


class LostOwnership(Exception):
    """The rows are not as our memory says: somebody else wrote them."""


def hot_batch(batch: Batch) -> HotBatch[Requests]:
    """Writes it all; returns the requests asked for. A final state is never changed.

    Raises LostOwnership when a row that should have changed did not. On PostgreSQL, where one statement commits itself,
    what did change stays: the rows are the truth for whoever starts over from them.
    """
    expected = (len(batch.results), len(batch.runs), len(batch.events), len(batch.cursors))

    def check(changed: Changed) -> None:
        if changed != expected:
            raise LostOwnership(f"changed rows (results, runs, events, cursors): {changed}, expected {expected}")

    def read(rows: Sequence[Mapping[str, Any]]) -> Requests:
        first = rows[0]
        check((first["results"], first["runs"], first["events"], first["cursors"]))
        return {
            TaskId(row["task_id"]): _stored({**row, "request": json.loads(row["request"])})
            for row in rows
            if row["task_id"] is not None
        }

    def portable(connection: Connection) -> Requests:
        check(_write_portably(connection, batch))
        return requests_of(connection, batch.commands_of)

    return HotBatch(portable, _ONE_STATEMENT, lambda: _arguments(batch), read)


def _write_portably(connection: Connection, batch: Batch) -> Changed:
    *statements, snapshots = _portable_statements(connection.dialect.name)
    for row in batch.bot_snapshots:
        snapshots.write(connection, row)
    rows = (batch.results, batch.runs, batch.events, [{"of_shard": row["shard"], **row} for row in batch.cursors])
    results, runs, events, cursors = (
        sum(statement.write(connection, row) for row in its_rows)
        for statement, its_rows in zip(statements, rows, strict=True)
    )
    return results, runs, events, cursors


@cache
def _portable_statements(dialect: str) -> tuple[Prepared, ...]:
    """For results, runs, events, cursors and snapshots. Made once: making them takes longer than a write."""
    upsert = insert_for(dialect, task_result)
    results = upsert.on_conflict_do_update(
        index_elements=[task_result.c.task_id],
        set_={name: upsert.excluded[name] for name in column_names(task_result)},
        where=or_(*(task_result.c.state == state for state in _LIVE)),
    )
    upsert = insert_for(dialect, task_run)
    runs = upsert.on_conflict_do_update(
        index_elements=[task_run.c.task_id, task_run.c.run_number],
        set_={name: upsert.excluded[name] for name in column_names(task_run)},
    )
    cursors = (
        update(shard).where(shard.c.shard == bindparam("of_shard")).values({name: bindparam(name) for name in _CURSORS})
    )
    snapshots = insert_for(dialect, bot_snapshot).on_conflict_do_nothing()
    return tuple(Prepared(one) for one in (results, runs, task_event.insert(), cursors, snapshots))


def requests_of(connection: Connection, task_ids: Sequence[TaskId]) -> Requests:
    """What the bots of these tasks need."""
    rows = [_REQUEST_OF.one_or_none(connection, {"of_task": task_id}) for task_id in task_ids]
    return {TaskId(row.task_id): _stored(row._asdict()) for row in rows if row is not None}


def _stored(row: Mapping[str, Any]) -> StoredRequest:
    return StoredRequest(request_fields(row), row["secret_bytes"])


_REQUEST_OF = Prepared(
    select(task_request.c.task_id, *REQUEST_COLUMNS, task_request.c.secret_bytes).where(
        task_request.c.task_id == bindparam("of_task")
    )
)


def _upsert(table: Any, parameter: str, key: Sequence[str], where: str = "") -> str:
    names = column_names(table)
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in key)
    return (
        f"INSERT INTO {table.name} AS t ({quoted(names)}) SELECT {quoted(names)} FROM {records(table, parameter)}"
        f" ON CONFLICT ({quoted(key)}) DO UPDATE SET {changes}{where} RETURNING 1"
    )


_ONE_STATEMENT = f"""
    WITH results AS ({_upsert(task_result, "$1", ["task_id"], f" WHERE t.state IN {_LIVE}")}),
    runs AS ({_upsert(task_run, "$2", ["task_id", "run_number"])}),
    events AS (INSERT INTO task_event ({quoted(column_names(task_event))})
        SELECT {quoted(column_names(task_event))} FROM {records(task_event, "$3")} RETURNING 1),
    cursors AS (UPDATE shard SET {", ".join(f"{name} = r.{name}" for name in _CURSORS)}
        FROM {records(shard, "$4", ["shard", *_CURSORS])} WHERE shard.shard = r.shard RETURNING 1),
    snapshots AS (INSERT INTO bot_snapshot ({quoted(column_names(bot_snapshot))})
        SELECT {quoted(column_names(bot_snapshot))} FROM {records(bot_snapshot, "$6")} ON CONFLICT DO NOTHING)
    SELECT (SELECT count(*) FROM results) AS results, (SELECT count(*) FROM runs) AS runs,
        (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM cursors) AS cursors,
        q.task_id, q.name, q.priority, q."user", CAST(q.request AS text) AS request, q.secret_bytes
    FROM (SELECT 1) AS always LEFT JOIN task_request AS q ON q.task_id = ANY(CAST($5 AS bigint[]))
    """


def _arguments(batch: Batch) -> tuple[object, ...]:
    rows = (batch.results, batch.runs, batch.events, batch.cursors)
    return (*(rows_as_json(its_rows) for its_rows in rows), batch.commands_of, rows_as_json(batch.bot_snapshots))


def add_late_costs(connection: Connection, costs: Sequence[LateCost]) -> None:
    """Write what given-up runs cost; repeatable, the largest sum counts."""
    for one in costs:
        connection.execute(
            update(task_run)
            .where(task_run.c.task_id == one.run_id.task_id, task_run.c.run_number == one.run_id.number)
            .where(task_run.c.bot_id == one.bot_id, task_run.c.state.not_in(_LIVE))
            .where(or_(task_run.c.cost_usd.is_(None), task_run.c.cost_usd < one.cost_usd))
            .values(cost_usd=one.cost_usd)
        )


# --- feeds and look-ups ---------------------------------------------------------------------------------------------


def requests_not_taken_in(number: int) -> Any:
    """The feed of submissions of a shard."""
    taken_in = exists().where(task_result.c.task_id == task_request.c.task_id)
    columns = (task_request.c.tx, task_request.c.task_id, task_request.c.created_ts, *REQUEST_COLUMNS)
    return select(*columns).where(task_request.c.shard == number, ~taken_in)


def commands_given(number: int) -> Any:
    """The feed of commands to a shard."""
    return select(command).where(command.c.shard == number)


def reports_made(number: int) -> Any:
    """The feed of reports to a shard."""
    return select(run_report).where(run_report.c.shard == number)


def command_by_id(connection: Connection, command_id: str) -> Any:
    """The command, or None."""
    return connection.execute(select(command).where(command.c.command_id == command_id)).one_or_none()


def bots(connection: Connection) -> Sequence[Any]:
    """All bots: when each was last seen, and its dimensions as text."""
    return connection.execute(_BOTS).all()


_BOTS = select(bot.c.bot_id, bot.c.last_seen_ts, cast(bot.c.dimensions, Text).label("dimensions"))


def ended_parents(connection: Connection, task_ids: Sequence[TaskId]) -> list[TaskId]:
    """Those that have ended, or that run and are told to."""
    ends = or_(task_result.c.state.not_in(_LIVE), task_result.c.abandoned_ts.is_not(None))
    query = select(task_result.c.task_id).where(task_result.c.task_id.in_(task_ids), ends)
    return [TaskId(one) for one in connection.execute(query).scalars()]


def reports_of(connection: Connection, runs: Sequence[tuple[RunId, str]]) -> dict[RunId, list[Report]]:
    """All that the bots of these runs said of them."""
    wanted = or_(
        literal(False),
        *(
            and_(
                run_report.c.task_id == run_id.task_id,
                run_report.c.run_number == run_id.number,
                run_report.c.bot_id == bot_id,
            )
            for run_id, bot_id in runs
        ),
    )
    found: dict[RunId, list[Report]] = {run_id: [] for run_id, _ in runs}
    rows = connection.execute(select(run_report).where(wanted).order_by(run_report.c.created_ts)).all()
    for row, report in readable_reports(rows):
        found[RunId(TaskId(row.task_id), row.run_number)].append(report)
    return found


def readable_reports(rows: Iterable[Any]) -> Iterator[tuple[Any, Report]]:
    """Rows of `run_report`, each with what the hint carries of it, but for those of a newer release."""
    for row in rows:
        try:
            yield row, _report_from(row)
        except ValueError as error:
            log.error("report_unreadable", task_id=row.task_id, run_number=row.run_number, reason=str(error))


def _report_from(row: Any) -> Report:
    return Report(
        kind=row.kind,
        created_ts=row.created_ts,
        exit_code=row.exit_code,
        duration=row.duration,
        hard_timeout=row.hard_timeout,
        io_timeout=row.io_timeout,
        cost_usd=row.cost_usd,
        message=row.message,
        details=row.details or {},
    )
