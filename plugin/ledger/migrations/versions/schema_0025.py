"""What one process kept to itself: the note that is being written, and that a device is being handed over."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the columns; what is under way meanwhile is not in them."""
    op.add_column("launch", sa.Column("sealed_note", sa.LargeBinary))
    op.add_column("launch", sa.Column("note_kept", sa.BigInteger))
    op.create_index("ix_launch_note_kept", "launch", ["note_kept"])
    op.add_column("browser_session", sa.Column("handing", sa.BigInteger))
