"""A bot's history becomes the outbox of its events: it is read in the order of commits, from a cursor on."""

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import CommitOrder, Json, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is in the history already comes before the cursor: it is no news any more."""
    if op.get_bind().dialect.name == "postgresql":
        _order_on_postgresql()
        op.add_column("bot_event", sa.Column("details", Json))
        cursor = "1"
    else:
        _order_on_sqlite()
        cursor = "(SELECT COALESCE(MAX(tx), 0) + 1 FROM bot_event)"
    op.create_table("bot_event_relay", sa.Column("cursor", sa.BigInteger, nullable=False))
    op.execute(f"INSERT INTO bot_event_relay VALUES ({cursor})")


def _order_on_postgresql() -> None:
    """The old rows get a number before every transaction. This one's own would not do: a transaction that began before
    it may write events after it, and its number would be behind the cursor too."""
    before_all = sa.text("'0'::xid8")
    op.add_column("bot_event", sa.Column("tx", CommitOrder(), nullable=False, server_default=before_all))
    op.alter_column("bot_event", "tx", server_default=sa.text("pg_current_xact_id()"))
    op.create_index("bot_event_feed", "bot_event", ["tx"])


def _order_on_sqlite() -> None:
    """The rowid can only be given a name, and be kept from being used twice, by a new table."""
    op.drop_index("bot_event_bot", "bot_event")
    op.rename_table("bot_event", "bot_event_without_order")
    op.create_table(
        "bot_event",
        sa.Column("tx", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("bot_event_id", sa.Text, nullable=False, unique=True),
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
        sa.Column("authenticated_as", sa.Text),
        sa.Column("quarantined", sa.Text),
        sa.Column("maintenance", sa.Text),
        sa.Column("details", Json),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO bot_event ({_OLD}) SELECT {_OLD} FROM bot_event_without_order ORDER BY created_ts")
    op.drop_table("bot_event_without_order")
    op.create_index("bot_event_bot", "bot_event", ["bot_id", "created_ts"])


_OLD = (
    "bot_event_id, bot_id, created_ts, event_type, message, version, external_ip, dimensions, state, task_id,"
    " run_number, authenticated_as, quarantined, maintenance"
)
