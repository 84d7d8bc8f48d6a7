"""The note that is being written, kept for its sign-in wherever the next request arrives."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the columns; what a process kept to itself before is not in them."""
    op.add_column("launch", sa.Column("sealed_note", sa.LargeBinary))
    op.add_column("launch", sa.Column("note_kept", sa.BigInteger))
    op.create_index("ix_launch_note_kept", "launch", ["note_kept"])
