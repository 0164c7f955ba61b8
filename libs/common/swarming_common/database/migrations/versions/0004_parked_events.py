"""Which events the statistics set aside because they could not digest them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty on most installations, for good."""
    op.create_table(
        "stats_parked",
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("shard", "seq"),
    )
