"""Later versions of a response: amended by its author, or marked as entered in error."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the table, and to deliveries and attempts which version they are of; those of before are of the first."""
    op.create_table(
        "revision",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("response", sa.String(36), sa.ForeignKey("response.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=False),
        sa.Column("body_digest", sa.String(64), nullable=False),
        sa.Column("sealed_results", sa.LargeBinary(), nullable=False),
        sa.Column("key_hash", sa.String(80), nullable=False),
        sa.Column("software", sa.String(32), nullable=False),
        sa.UniqueConstraint("response", "number", name="uq_revision_response_number"),
    )
    op.add_column("delivery", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("attempt", sa.Column("revision", sa.Integer()))
