"""Notes that clinicians write for the record, and how far each is on its way there."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "note",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(128), nullable=False),
        sa.Column("encounter", sa.String(128)),
        sa.Column("launch", sa.String(36), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("sealed_text", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_note_site_patient", "note", ["site", "patient"])
    op.create_table(
        "note_delivery",
        sa.Column("note", sa.String(36), sa.ForeignKey("note.id"), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("location", sa.String(200)),
    )
    op.create_index("ix_note_delivery_state_due", "note_delivery", ["state", "due"])
