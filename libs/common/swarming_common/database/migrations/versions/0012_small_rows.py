"""Smaller rows for what every task has: requests, runs, events and reports. Each table is written anew."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import CommitOrder, CompactJson, Json, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_REPORT_KINDS = ("confirmed", "finished", "canceled", "failed", "lost", "late")
"""Their codes are 1, 2, …"""


def upgrade() -> None:
    """All rows stay."""
    _bot_snapshot()
    _task_request()
    _task_run()
    _task_event()
    _run_report()


def _bot_snapshot() -> None:
    op.create_table(
        "bot_snapshot",
        sa.Column("bot_snapshot_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("dimensions", Json, nullable=False),
        sa.PrimaryKeyConstraint("bot_snapshot_id"),
    )
    op.execute(
        "INSERT INTO bot_snapshot SELECT row_number() OVER (), bot_version, bot_dimensions"
        " FROM (SELECT DISTINCT bot_version, bot_dimensions FROM task_run) AS known"
    )


def _task_request() -> None:
    _write_anew(
        "task_request",
        _commit_order(),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("expiration_ts", UtcDateTime, nullable=False),
        sa.Column("parent_task_id", sa.BigInteger),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("pool", sa.Text),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("tags", Json, nullable=False),
        sa.Column("request", CompactJson, nullable=False),
        sa.Column("secret_bytes", sa.LargeBinary),
        key=["task_id"],
        values={"request": _without("request", "name", "priority", "user")},
    )
    op.create_index("task_request_feed", "task_request", ["shard", "tx"])
    _partial_index("task_request_children", "task_request", ["parent_task_id", "task_id"], "parent_task_id IS NOT NULL")
    _partial_index("task_request_terminations", "task_request", ["expiration_ts"], "pool IS NULL")
    if _is_postgresql():
        op.create_index(
            "task_request_tags",
            "task_request",
            ["tags"],
            postgresql_using="gin",
            postgresql_ops={"tags": "jsonb_path_ops"},
        )


def _task_run() -> None:
    snapshot = (
        "(SELECT s.bot_snapshot_id FROM bot_snapshot AS s"
        " WHERE s.version = old.bot_version AND s.dimensions = old.bot_dimensions)"
    )
    _write_anew(
        "task_run",
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("bot_snapshot_id", sa.BigInteger, nullable=False),
        sa.Column("bot_idle_since_ts", UtcDateTime),
        sa.Column("started_ts", UtcDateTime, nullable=False),
        sa.Column("completed_ts", UtcDateTime),
        sa.Column("abandoned_ts", UtcDateTime),
        sa.Column("duration", sa.Float),
        sa.Column("cost_usd", sa.Float),
        sa.Column("exit_code", sa.Integer),
        sa.Column("run_number", sa.SmallInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("slice", sa.SmallInteger, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("killing", sa.Boolean, nullable=False),
        sa.Column("failure", sa.Boolean, nullable=False),
        sa.Column("internal_failure", sa.Boolean, nullable=False),
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("details", CompactJson),
        key=["task_id", "run_number"],
        values={"bot_snapshot_id": snapshot, "details": _without("details")},
    )
    _partial_index("task_run_live", "task_run", ["shard"], "state = 16")
    _partial_index("task_run_bot_live", "task_run", ["bot_id"], "state = 16")
    op.create_index("task_run_bot", "task_run", ["bot_id", "started_ts"])


def _task_event() -> None:
    run_id, find = _field("data", "run_id"), "strpos" if _is_postgresql() else "instr"
    _write_anew(
        "task_event",
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("taskseq", sa.Integer, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.Column("run_number", sa.SmallInteger),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("bot_id", sa.Text),
        sa.Column("data", CompactJson, nullable=False),
        key=["shard", "seq"],
        values={
            # the last digit of a run's id is its number
            "run_number": f"{find}('0123456789abcdef', substr({run_id}, length({run_id}))) - 1",
            "bot_id": _field("data", "bot_id"),
            "data": _without("data", "task_id", "run_id", "bot_id"),
        },
    )
    op.create_index("task_event_task", "task_event", ["task_id"])


def _run_report() -> None:
    codes = " ".join(f"WHEN '{kind}' THEN {code}" for code, kind in enumerate(_REPORT_KINDS, start=1))
    _write_anew(
        "run_report",
        _commit_order(),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("duration", sa.Float),
        sa.Column("cost_usd", sa.Float),
        sa.Column("exit_code", sa.Integer),
        sa.Column("run_number", sa.SmallInteger, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("hard_timeout", sa.Boolean, nullable=False),
        sa.Column("io_timeout", sa.Boolean, nullable=False),
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("details", CompactJson),
        key=["task_id", "run_number", "kind", "bot_id"],
        values={
            "kind": f"CASE kind {codes} END",
            "session": "CASE kind WHEN 'confirmed' THEN session END",
            "details": _without("details"),
        },
    )
    op.create_index("run_report_feed", "run_report", ["shard", "tx"])


def _write_anew(table: str, *columns: sa.Column[Any], key: list[str], values: Mapping[str, str]) -> None:
    """The table with these columns, filled from the old one's columns of the same names, or from these expressions.
    Its indexes are to be made afterwards: their names belong to the old table until it is gone."""
    new = f"{table}_anew"
    # On SQLite the rowid, which gives the order of commits, is the primary key; no number is ever used twice.
    has_own_key = _is_postgresql() or columns[0].name != "tx"
    key_constraint = sa.PrimaryKeyConstraint(*key) if has_own_key else sa.UniqueConstraint(*key)
    op.create_table(new, *columns, key_constraint, sqlite_autoincrement=not has_own_key)
    names = ", ".join(f'"{column.name}"' for column in columns)
    found = ", ".join(values.get(column.name, f'"{column.name}"') for column in columns)
    op.execute(f"INSERT INTO {new} ({names}) SELECT {found} FROM {table} AS old")
    op.drop_table(table)
    op.rename_table(new, table)
    if _is_postgresql():
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {new}_pkey TO {table}_pkey")


def _commit_order() -> sa.Column[int]:
    if _is_postgresql():
        return sa.Column("tx", CommitOrder(), nullable=False, server_default=sa.text("pg_current_xact_id()"))
    return sa.Column("tx", sa.Integer, primary_key=True, autoincrement=True)


def _without(column: str, *fields: str) -> str:
    """The column's JSON without these fields, in the type that the new column has."""
    if _is_postgresql():
        return (
            f"CAST({column} - CAST(ARRAY[{', '.join(map(repr, fields))}] AS text[]) AS json)"
            if fields
            else f"CAST({column} AS json)"
        )
    return f"json_remove({', '.join([column, *(repr(f'$.{field}') for field in fields)])})"


def _field(column: str, field: str) -> str:
    return f"{column} ->> '{field}'" if _is_postgresql() else f"json_extract({column}, '$.{field}')"


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
