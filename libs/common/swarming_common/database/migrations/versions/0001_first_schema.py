"""The first schema: tasks, runs, reports, bots, events and counts."""

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import CommitOrder, Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SHARDS = 16


def upgrade() -> None:
    """Make every table, and the shards that there are."""
    _bot()
    _bot_event()
    _command()
    _run_report()
    _shard()
    _stats_cursor()
    _stats_minute()
    _submission()
    _task_event()
    _task_output()
    _task_request()
    _task_result()
    _task_run()
    op.bulk_insert(
        sa.table("shard", *(sa.column(name) for name in _SHARD_COLUMNS)),
        [dict.fromkeys(_SHARD_COLUMNS, 0) | {"shard": number} for number in range(SHARDS)],
    )


_SHARD_COLUMNS = (
    "shard",
    "epoch",
    "request_cursor",
    "command_cursor",
    "report_cursor",
    "last_seq",
    "relayed_seq",
)


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _commit_order() -> list[sa.Column[int]]:
    """The order of commits: the transaction's id, or on SQLite a growing rowid that is never used twice."""
    if _is_postgresql():
        return [sa.Column("tx", CommitOrder(), nullable=False, server_default=sa.text("pg_current_xact_id()"))]
    return [sa.Column("tx", sa.Integer, primary_key=True, autoincrement=True)]


def _key(*columns: str) -> sa.Constraint:
    """The logical key; on SQLite the rowid is the primary one."""
    return sa.PrimaryKeyConstraint(*columns) if _is_postgresql() else sa.UniqueConstraint(*columns)


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def _json_index(table: str, column: str) -> None:
    if _is_postgresql():
        op.create_index(
            f"{table}_{column}",
            table,
            [column],
            postgresql_using="gin",
            postgresql_ops={column: "jsonb_path_ops"},
        )


def _bot() -> None:
    op.create_table(
        "bot",
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("dimensions", Json, nullable=False),
        sa.Column("state", Json, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("external_ip", sa.Text, nullable=False),
        sa.Column("authenticated_as", sa.Text, nullable=False),
        sa.Column("first_seen_ts", UtcDateTime, nullable=False),
        sa.Column("last_seen_ts", UtcDateTime, nullable=False),
        sa.Column("quarantined", sa.Text),
        sa.Column("maintenance", sa.Text),
        sa.PrimaryKeyConstraint("bot_id"),
    )


def _bot_event() -> None:
    op.create_table(
        "bot_event",
        sa.Column("bot_event_id", sa.Text, nullable=False),
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("external_ip", sa.Text, nullable=False),
        sa.Column("dimensions", Json, nullable=False),
        sa.Column("state", Json, nullable=False),
        sa.Column("task_id", sa.BigInteger),
        sa.Column("run_number", sa.SmallInteger),
        sa.PrimaryKeyConstraint("bot_event_id"),
    )
    op.create_index("bot_event_bot", "bot_event", ["bot_id", "created_ts"])


def _command() -> None:
    op.create_table(
        "command",
        *_commit_order(),
        sa.Column("command_id", sa.Text, nullable=False),
        sa.Column("shard", sa.SmallInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("task_id", sa.BigInteger),
        sa.Column("bot_id", sa.Text),
        sa.Column("arguments", Json, nullable=False),
        sa.Column("given_by", sa.Text, nullable=False),
        sa.Column("reply_to", sa.Text),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        _key("command_id"),
    )
    op.create_index("command_feed", "command", ["shard", "tx"])


def _run_report() -> None:
    op.create_table(
        "run_report",
        *_commit_order(),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("run_number", sa.SmallInteger, nullable=False),
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("duration", sa.Float),
        sa.Column("hard_timeout", sa.Boolean, nullable=False),
        sa.Column("io_timeout", sa.Boolean, nullable=False),
        sa.Column("cost_usd", sa.Float),
        sa.Column("message", sa.Text),
        sa.Column("details", Json),
        _key("task_id", "run_number", "bot_id", "kind"),
    )
    op.create_index("run_report_feed", "run_report", ["shard", "tx"])


def _shard() -> None:
    op.create_table(
        "shard",
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("request_cursor", sa.BigInteger, nullable=False),
        sa.Column("command_cursor", sa.BigInteger, nullable=False),
        sa.Column("report_cursor", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("relayed_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )


def _stats_cursor() -> None:
    op.create_table(
        "stats_cursor",
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )


def _stats_minute() -> None:
    op.create_table(
        "stats_minute",
        sa.Column("minute_ts", UtcDateTime, nullable=False),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("minute_ts", "pool", "event"),
    )


def _submission() -> None:
    op.create_table(
        "submission",
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("request_uuid", sa.Text, nullable=False),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("caller", "request_uuid"),
    )


def _task_event() -> None:
    op.create_table(
        "task_event",
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("taskseq", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.PrimaryKeyConstraint("shard", "seq"),
    )
    op.create_index("task_event_task", "task_event", ["task_id", "taskseq"])


def _task_output() -> None:
    op.create_table(
        "task_output",
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("run_number", sa.SmallInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("task_id", "run_number", "start"),
    )


def _task_request() -> None:
    op.create_table(
        "task_request",
        *_commit_order(),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("expiration_ts", UtcDateTime, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("pool", sa.Text),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("parent_task_id", sa.BigInteger),
        sa.Column("tags", Json, nullable=False),
        sa.Column("request", Json, nullable=False),
        sa.Column("secret_bytes", sa.LargeBinary),
        _key("task_id"),
    )
    op.create_index("task_request_feed", "task_request", ["shard", "tx"])
    _json_index("task_request", "tags")


def _task_result() -> None:
    op.create_table(
        "task_result",
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("current_slice", sa.SmallInteger, nullable=False),
        sa.Column("slice_expiration_ts", UtcDateTime),
        sa.Column("run_number", sa.SmallInteger),
        sa.Column("bot_id", sa.Text),
        sa.Column("last_taskseq", sa.Integer, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("modified_ts", UtcDateTime, nullable=False),
        sa.Column("started_ts", UtcDateTime),
        sa.Column("completed_ts", UtcDateTime),
        sa.Column("abandoned_ts", UtcDateTime),
        sa.Column("exit_code", sa.Integer),
        sa.Column("duration", sa.Float),
        sa.Column("failure", sa.Boolean, nullable=False),
        sa.Column("internal_failure", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("task_id"),
    )
    _partial_index("task_result_live", "task_result", ["shard", "priority", "task_id"], "state IN (16, 32)")
    op.create_index("task_result_completed", "task_result", ["completed_ts"])


def _task_run() -> None:
    op.create_table(
        "task_run",
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("run_number", sa.SmallInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("slice", sa.SmallInteger, nullable=False),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("gateway_id", sa.Text, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("killing", sa.Boolean, nullable=False),
        sa.Column("bot_version", sa.Text, nullable=False),
        sa.Column("bot_dimensions", Json, nullable=False),
        sa.Column("bot_idle_since_ts", UtcDateTime),
        sa.Column("started_ts", UtcDateTime, nullable=False),
        sa.Column("modified_ts", UtcDateTime, nullable=False),
        sa.Column("completed_ts", UtcDateTime),
        sa.Column("abandoned_ts", UtcDateTime),
        sa.Column("exit_code", sa.Integer),
        sa.Column("duration", sa.Float),
        sa.Column("failure", sa.Boolean, nullable=False),
        sa.Column("internal_failure", sa.Boolean, nullable=False),
        sa.Column("cost_usd", sa.Float),
        sa.Column("reason", sa.Text),
        sa.Column("details", Json),
        sa.PrimaryKeyConstraint("task_id", "run_number"),
    )
    _partial_index("task_run_live", "task_run", ["shard"], "state = 16")
    _partial_index("task_run_bot_live", "task_run", ["bot_id"], "state = 16")
    op.create_index("task_run_bot", "task_run", ["bot_id", "started_ts"])
