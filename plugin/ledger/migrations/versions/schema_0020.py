"""Seals of rows that change while they are in use; `plugin.ledger.schema.upgrade` makes those of rows that are there."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_TABLES = (
    "browser_session", "pending_launch", "launch", "invitation", "throttle",
    "delivery", "note_delivery", "collecting", "collected", "plan_copy",
)  # fmt: skip


def upgrade() -> None:
    """Add the columns."""
    for table in _TABLES:
        op.add_column(table, sa.Column("seal", sa.LargeBinary(), nullable=True))
