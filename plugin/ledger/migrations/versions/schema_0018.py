"""The schedules that were read from EHRs."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "plan_copy",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("read", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
    )
