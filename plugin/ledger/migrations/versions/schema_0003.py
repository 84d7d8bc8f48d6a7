"""Attempts are numbered and name the writer and the EHR's status; failures in a row are counted; states are renamed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns, and an index by which what is due is found however much was delivered before."""
    op.add_column("attempt", sa.Column("number", sa.Integer()))
    op.add_column("attempt", sa.Column("writer", sa.String(100)))
    op.add_column("attempt", sa.Column("status", sa.Integer()))
    op.add_column("delivery", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.drop_index("ix_delivery_due", "delivery")
    op.create_index("ix_delivery_site_state_due", "delivery", ["site", "state", "due"])
    op.execute("UPDATE delivery SET state = 'scored' WHERE state = 'saved'")
