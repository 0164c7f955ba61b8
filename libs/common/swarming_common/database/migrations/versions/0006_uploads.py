"""What people upload for bots, and tokens with which machines join."""

import sqlalchemy as sa
from alembic import op

from swarming_common.database.columns import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Both start empty: bots get the hooks and the bootstrap script that come with the release."""
    op.create_table(
        "upload",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("digest", sa.Text),
        sa.Column("reverted_to", sa.Integer),
        sa.Column("uploaded_by", sa.Text, nullable=False),
        sa.Column("uploaded_ts", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("kind", "version"),
    )
    op.create_table(
        "enrolment_token",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("expires_ts", UtcDateTime, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_ts", UtcDateTime, nullable=False),
    )
