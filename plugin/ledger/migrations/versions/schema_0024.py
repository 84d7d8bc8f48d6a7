"""The day that a form is about which is entered later: copied from paper, or rated by an observer."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the column; forms before it are about the moment they were sent."""
    op.add_column("invitation", sa.Column("answered_on", sa.String(10)))
