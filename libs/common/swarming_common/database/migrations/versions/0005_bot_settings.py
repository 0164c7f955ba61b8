"""What people set of bots, what keeps a bot from work, and where to find terminations and commands to bots."""

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Terminations and commands to bots are few, so their indexes cost the others nothing."""
    op.create_table(
        "bot_setting",
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("quarantined", sa.Text),
        sa.Column("quarantined_by", sa.Text),
        sa.Column("quarantined_ts", UtcDateTime),
        sa.Column("quarantined_until_ts", UtcDateTime),
        sa.Column("maintenance", sa.Text),
        sa.Column("maintenance_by", sa.Text),
        sa.Column("maintenance_ts", UtcDateTime),
        sa.Column("maintenance_until_ts", UtcDateTime),
        sa.Column("cleared_by", sa.Text),
        sa.Column("cleared_ts", UtcDateTime),
        sa.Column("restart", sa.Text),
        sa.Column("restart_by", sa.Text),
        sa.Column("restart_ts", UtcDateTime),
        sa.PrimaryKeyConstraint("bot_id"),
    )
    for name, kind in (
        ("quarantined_ts", UtcDateTime),
        ("maintenance_ts", UtcDateTime),
        ("auto_quarantined", sa.Text),
        ("auto_quarantined_ts", UtcDateTime),
        ("auto_quarantined_until_ts", UtcDateTime),
        ("shutdown_ts", UtcDateTime),
        ("standing", sa.Text),
    ):
        op.add_column("bot", sa.Column(name, kind))
    for name in ("authenticated_as", "quarantined", "maintenance"):
        op.add_column("bot_event", sa.Column(name, sa.Text))
    _partial_index("task_request_terminations", "task_request", "expiration_ts", "pool IS NULL")
    _partial_index("command_bot_feed", "command", "tx", "bot_id IS NOT NULL")


def _partial_index(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], postgresql_where=sa.text(where), sqlite_where=sa.text(where))
