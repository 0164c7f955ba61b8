"""The bot zips that gateways built."""

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled by the first gateway that starts."""
    op.create_table(
        "bot_code",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("hooks", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
        sa.Column("wanted_ts", UtcDateTime, nullable=False),
    )
