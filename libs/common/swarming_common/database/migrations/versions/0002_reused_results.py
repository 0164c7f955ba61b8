"""Results that are reused: the hash by which a twin is found, and what a task took from it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and the index that finds the newest result of a hash."""
    op.add_column("task_result", sa.Column("properties_hash", sa.Text))
    op.add_column("task_result", sa.Column("deduped_task_id", sa.BigInteger))
    op.add_column("task_result", sa.Column("deduped_run_number", sa.SmallInteger))
    op.add_column("task_result", sa.Column("cost_saved_usd", sa.Float))
    has_hash = sa.text("properties_hash IS NOT NULL")
    op.create_index(
        "task_result_reusable",
        "task_result",
        ["properties_hash", "completed_ts"],
        postgresql_where=has_hash,
        sqlite_where=has_hash,
    )
