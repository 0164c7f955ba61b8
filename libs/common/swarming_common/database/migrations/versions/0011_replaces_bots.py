"""Whether the bots of an archive that was taken away move to the server's own zip."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """NULL, as in all versions before, means no."""
    op.add_column("upload", sa.Column("replaces_bots", sa.Boolean))
