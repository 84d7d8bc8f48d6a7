"""For which form a device is handed over."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column; a device that is handed over now is so for no form in particular."""
    op.add_column("browser_session", sa.Column("locked_for", sa.String(36)))
