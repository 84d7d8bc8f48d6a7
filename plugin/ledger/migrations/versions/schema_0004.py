"""A row that cannot be put in the transparency log is set aside with the reason, and the log goes on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the reason."""
    op.add_column("log_pending", sa.Column("problem", sa.String(200)))
