"""The step that makes rows smaller: what the older release wrote is read as before."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from swarming_common.database.columns import UtcDateTime
from swarming_common.database.migrate import upgrade
from swarming_common.database.postgres import asyncpg_url
from swarming_common.database.request_rows import REQUEST_COLUMNS, request_fields
from swarming_common.database.sqlite import sqlite_url
from swarming_common.database.tables import bot_snapshot, run_report, task_event, task_request, task_run
from swarming_common.events.relay import cloud_event
from swarming_common.model.task_id import RunId, TaskId, format_task_id

BEFORE, AFTER = "0011", "0012"
MOMENT = datetime(2026, 12, 1, 12, 30, 0, 123456, tzinfo=UTC)
TASK = TaskId(0x7C2236638DBFED1)
RUN = RunId(TASK, 1)
DIMENSIONS = {"id": ["bot1"], "os": ["Linux", "Ü"]}
REQUEST = {"name": "a task", "priority": 30, "user": "joe", "authenticated": "joe", "task_slices": [{"x": ["1"]}]}
ENDED = {"task_id": format_task_id(TASK), "run_id": str(RUN), "bot_id": "bot1", "exit_code": 3, "duration_secs": 1.5}
QUEUED = {"task_id": format_task_id(TASK), "priority": 30, "dimensions": {"pool": ["default"]}}
DETAILS = {"bot_overhead": 0.25}


def write_old_rows(connection: Connection) -> None:
    """As the release before wrote them."""
    id_of_run = {"task_id": TASK, "run_number": 1, "shard": 7, "bot_id": "bot1"}
    times = {"created_ts": MOMENT}
    _add(
        connection,
        "task_request",
        {"task_id": TASK, "nonce": 1, "shard": 7, "expiration_ts": MOMENT + timedelta(hours=1), **times}
        | {"name": "a task", "pool": "default", "priority": 30, "user": "joe", "tags": ["a:b"], "request": REQUEST}
        | {"secret_bytes": b"\0s"},
    )
    for number in (1, 2):
        _add(
            connection,
            "task_run",
            id_of_run
            | {"run_number": number, "state": 112, "slice": 0, "offer_id": "g-1", "gateway_id": "g", "revoked": False}
            | {"killing": False, "bot_version": f"v{number}", "bot_dimensions": DIMENSIONS, "started_ts": MOMENT}
            | {"modified_ts": MOMENT, "failure": True, "internal_failure": False, "exit_code": 3, "details": DETAILS},
        )
    for seq, (name, data) in enumerate((("task.queued", QUEUED), ("task.completed", ENDED)), start=1):
        of_event = {"shard": 7, "seq": seq, "task_id": TASK, "taskseq": seq, "name": name, "version": 1}
        _add(connection, "task_event", of_event | {"pool": "default", "data": data, **times})
    for kind in ("confirmed", "finished"):
        timeouts = {"hard_timeout": False, "io_timeout": False}
        of_report = {"kind": kind, "session": "s1", "exit_code": 3, "details": DETAILS}
        _add(connection, "run_report", id_of_run | of_report | timeouts | times)


def _add(connection: Connection, table: str, row: Mapping[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    is_postgresql = connection.dialect.name == "postgresql"
    values = {
        name: json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict | list)
        else UtcDateTime().process_bind_param(value, connection.dialect)
        if isinstance(value, datetime)
        else value
        for name, value in row.items()
    }
    places = ", ".join(
        f"CAST(:{name} AS jsonb)" if is_postgresql and isinstance(row[name], dict | list) else f":{name}"
        for name in row
    )
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)


def check_rows(connection: Connection) -> None:
    """All old rows are there, and mean the same."""
    request = connection.execute(select(*REQUEST_COLUMNS, task_request)).one()
    assert request_fields(request._asdict()) == REQUEST
    assert "name" not in request.request
    assert (request.tags, request.secret_bytes, request.created_ts) == (["a:b"], b"\0s", MOMENT)

    its_bot = bot_snapshot.c.bot_snapshot_id == task_run.c.bot_snapshot_id
    runs = connection.execute(select(task_run, bot_snapshot).join(bot_snapshot, its_bot)).all()
    assert {(run.run_number, run.version) for run in runs} == {(1, "v1"), (2, "v2")}
    assert all((run.dimensions, run.details, run.started_ts) == (DIMENSIONS, DETAILS, MOMENT) for run in runs)

    events = [cloud_event(row) for row in connection.execute(select(task_event).order_by(task_event.c.seq))]
    assert [(event.name, event.data) for event in events] == [("task.queued", QUEUED), ("task.completed", ENDED)]

    reports = {row.kind: row for row in connection.execute(select(run_report))}
    assert set(reports) == {"confirmed", "finished"}
    assert (reports["confirmed"].session, reports["finished"].session) == ("s1", None)
    assert reports["finished"].details == DETAILS


def test_on_sqlite_the_rows_of_the_older_release_mean_the_same(tmp_path: Path):
    engine = create_engine(sqlite_url(tmp_path))
    with engine.begin() as connection:
        upgrade(connection, BEFORE)
        write_old_rows(connection)
        before = connection.execute(text("SELECT MAX(tx) FROM run_report")).scalar_one()
    with engine.begin() as connection:
        upgrade(connection, AFTER)
        check_rows(connection)
        connection.execute(run_report.delete())
        report = {"task_id": 1, "run_number": 1, "bot_id": "b", "kind": "late", "shard": 0, "created_ts": MOMENT}
        connection.execute(run_report.insert(), report | {"hard_timeout": False, "io_timeout": False})
        assert connection.execute(select(run_report.c.tx)).scalar_one() > before
    engine.dispose()


@pytest.mark.real("postgres")
async def test_on_postgresql_the_rows_of_the_older_release_mean_the_same(postgres_database: str):
    engine = create_async_engine(asyncpg_url(postgres_database))
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, BEFORE)
        await connection.run_sync(write_old_rows)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, AFTER)
        await connection.run_sync(check_rows)
    await engine.dispose()
