"""Finds the children of a task, and remembers when somebody asked for another priority."""

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Tasks without a parent, which are most, cost the index nothing."""
    is_child = sa.text("parent_task_id IS NOT NULL")
    op.create_index(
        "task_request_children",
        "task_request",
        ["parent_task_id", "task_id"],
        postgresql_where=is_child,
        sqlite_where=is_child,
    )
    op.add_column("task_result", sa.Column("prioritized_ts", UtcDateTime))
