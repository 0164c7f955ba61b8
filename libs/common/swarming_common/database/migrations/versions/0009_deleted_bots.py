"""When a bot that is deleted was last heard of."""

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Unknown of bots that were deleted before."""
    op.add_column("bot_event", sa.Column("last_seen_ts", UtcDateTime))
