"""The scheduler's own tables: one write for everything that was decided, and what a takeover reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Text, and_, bindparam, exists, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from swarming_common.database.columns import Json
from swarming_common.database.dialects import insert_for
from swarming_common.database.json_rows import column_names, quoted, records, rows_as_json
from swarming_common.database.tables import (
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

Row = dict[str, Any]

_LIVE = tuple(sorted(int(state) for state in LIVE_STATES))
_CURSORS = ("request_cursor", "command_cursor", "report_cursor", "last_seq", "relayed_seq")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one commit; at most one for each task and each run."""

    results: list[Row] = field(default_factory=list)
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


class LostOwnership(Exception):
    """The rows are not as our memory says: somebody else wrote them."""


def write_batch(connection: Connection, batch: Batch) -> dict[TaskId, StoredRequest]:
    """Write everything or nothing; returns the requests asked for. A final state is never changed.

    Raises LostOwnership when a row that should have changed did not.
    """
    write = _write_in_one_statement if connection.dialect.name == "postgresql" else write_portably
    changed, requests = write(connection, batch)
    expected = (len(batch.results), len(batch.runs), len(batch.events), len(batch.cursors))
    if changed != expected:
        raise LostOwnership(f"changed rows (results, runs, events, cursors): {changed}, expected {expected}")
    return requests


Changed = tuple[int, int, int, int]
Requests = dict[TaskId, StoredRequest]


def write_portably(connection: Connection, batch: Batch) -> tuple[Changed, Requests]:
    """Row by row, for every dialect."""
    statements = _portable_statements(connection.dialect.name)
    rows = (batch.results, batch.runs, batch.events, [{"of_shard": row["shard"], **row} for row in batch.cursors])
    results, runs, events, cursors = (
        sum(connection.execute(statement, row).rowcount for row in its_rows)
        for statement, its_rows in zip(statements, rows, strict=True)
    )
    return (results, runs, events, cursors), requests_of(connection, batch.commands_of)


@cache
def _portable_statements(dialect: str) -> tuple[Executable, ...]:
    """For results, runs, events and cursors. Made once: SQLAlchemy takes longer to make them than to run them."""
    upsert = insert_for(dialect, task_result)
    results = upsert.on_conflict_do_update(
        index_elements=[task_result.c.task_id],
        set_={name: upsert.excluded[name] for name in column_names(task_result)},
        where=task_result.c.state.in_(_LIVE),
    )
    upsert = insert_for(dialect, task_run)
    runs = upsert.on_conflict_do_update(
        index_elements=[task_run.c.task_id, task_run.c.run_number],
        set_={name: upsert.excluded[name] for name in column_names(task_run)},
    )
    cursors = (
        update(shard).where(shard.c.shard == bindparam("of_shard")).values({name: bindparam(name) for name in _CURSORS})
    )
    return results, runs, task_event.insert(), cursors


def requests_of(connection: Connection, task_ids: Sequence[TaskId]) -> Requests:
    """What the bots of these tasks need."""
    rows = [connection.execute(_REQUEST_OF, {"of_task": task_id}).one_or_none() for task_id in task_ids]
    return {TaskId(row.task_id): StoredRequest(row.request, row.secret_bytes) for row in rows if row is not None}


_REQUEST_OF = select(task_request.c.task_id, task_request.c.request, task_request.c.secret_bytes).where(
    task_request.c.task_id == bindparam("of_task")
)


def _upsert(table: Any, key: Sequence[str], where: str = "") -> str:
    names = column_names(table)
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in key)
    return (
        f"INSERT INTO {table.name} AS t ({quoted(names)}) SELECT {quoted(names)} FROM {records(table, table.name)}"
        f" ON CONFLICT ({quoted(key)}) DO UPDATE SET {changes}{where} RETURNING 1"
    )


_ONE_STATEMENT = text(
    f"""
    WITH results AS ({_upsert(task_result, ["task_id"], f" WHERE t.state IN {_LIVE}")}),
    runs AS ({_upsert(task_run, ["task_id", "run_number"])}),
    events AS (INSERT INTO task_event ({quoted(column_names(task_event))})
        SELECT {quoted(column_names(task_event))} FROM {records(task_event, "task_event")} RETURNING 1),
    cursors AS (UPDATE shard SET {", ".join(f"{name} = r.{name}" for name in _CURSORS)}
        FROM {records(shard, "shard", ["shard", *_CURSORS])} WHERE shard.shard = r.shard RETURNING 1)
    SELECT (SELECT count(*) FROM results) AS results, (SELECT count(*) FROM runs) AS runs,
        (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM cursors) AS cursors,
        q.task_id, q.request, q.secret_bytes
    FROM (SELECT 1) AS always LEFT JOIN task_request AS q
        ON q.task_id = ANY(CAST(CAST(:commands_of AS text[]) AS bigint[]))
    """
).columns(request=Json)
_ONE_STATEMENT = _ONE_STATEMENT.bindparams(bindparam("commands_of", type_=ARRAY(Text)))


def _write_in_one_statement(connection: Connection, batch: Batch) -> tuple[Changed, Requests]:
    rows = connection.execute(
        _ONE_STATEMENT,
        {
            "task_result": rows_as_json(batch.results),
            "task_run": rows_as_json(batch.runs),
            "task_event": rows_as_json(batch.events),
            "shard": rows_as_json(batch.cursors),
            "commands_of": [str(task_id) for task_id in batch.commands_of],
        },
    ).all()
    first = rows[0]
    requests = {
        TaskId(row.task_id): StoredRequest(row.request, row.secret_bytes) for row in rows if row.task_id is not None
    }
    return (first.results, first.runs, first.events, first.cursors), requests


# --- takeover -------------------------------------------------------------------------------------------------------


def claim_shard(connection: Connection, number: int, owner: str) -> Row:
    """Begin a new epoch of a shard whose lock we hold; returns its row."""
    connection.execute(update(shard).where(shard.c.shard == number).values(epoch=shard.c.epoch + 1, owner=owner))
    row = connection.execute(select(shard).where(shard.c.shard == number)).one()._asdict()
    newest = select(task_event.c.seq).where(task_event.c.shard == number).order_by(task_event.c.seq.desc()).limit(1)
    row["last_seq"] = max(row["last_seq"], connection.execute(newest).scalar() or 0)
    return row


def shard_numbers(connection: Connection) -> list[int]:
    """The shards that there are."""
    return list(connection.execute(select(shard.c.shard).order_by(shard.c.shard)).scalars())


def live_tasks(connection: Connection, number: int, after: int, limit: int) -> Sequence[Any]:
    """Tasks that have not ended, with their requests, in pages by task id."""
    query = (
        select(task_result, task_request.c.request, task_request.c.expiration_ts, task_request.c.pool)
        .join(task_request, task_request.c.task_id == task_result.c.task_id)
        .where(task_result.c.shard == number, task_result.c.state.in_(_LIVE), task_result.c.task_id > after)
        .order_by(task_result.c.task_id)
        .limit(limit)
    )
    return connection.execute(query).all()


def runs_of_live_tasks(connection: Connection, number: int, first: int, last: int) -> Sequence[Any]:
    """Every run of the live tasks from `first` to `last`, oldest first; `said` counts its bot's reports."""
    said = exists().where(
        and_(
            run_report.c.task_id == task_run.c.task_id,
            run_report.c.run_number == task_run.c.run_number,
            run_report.c.bot_id == task_run.c.bot_id,
        )
    )
    query = (
        select(task_run, said.label("is_confirmed"))
        .join(task_result, task_result.c.task_id == task_run.c.task_id)
        .where(task_result.c.shard == number, task_result.c.state.in_(_LIVE))
        .where(task_run.c.task_id.between(first, last))
        .order_by(task_run.c.task_id, task_run.c.run_number)
    )
    return connection.execute(query).all()


# --- feeds and look-ups ---------------------------------------------------------------------------------------------


def requests_not_taken_in(number: int) -> Any:
    """The feed of submissions of a shard."""
    taken_in = exists().where(task_result.c.task_id == task_request.c.task_id)
    columns = (task_request.c.tx, task_request.c.task_id, task_request.c.created_ts, task_request.c.request)
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
    for row in connection.execute(select(run_report).where(wanted).order_by(run_report.c.created_ts)):
        found[RunId(TaskId(row.task_id), row.run_number)].append(report_from(row))
    return found


def report_from(row: Any) -> Report:
    """A row of `run_report` as the hint carries it."""
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
