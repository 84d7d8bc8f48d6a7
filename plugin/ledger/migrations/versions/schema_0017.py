"""What the EHR answered to each write of an attempt: statuses and addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column; of attempts before it is not known."""
    op.add_column("attempt", sa.Column("answer", sa.Text()))
