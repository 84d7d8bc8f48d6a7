"""Scores of kept answers by another version of their form, beside the first."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "rescoring",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("response", sa.String(36), sa.ForeignKey("response.id"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(300), nullable=False),
        sa.Column("key_hash", sa.String(80), nullable=False),
        sa.Column("computed", sa.BigInteger(), nullable=False),
        sa.Column("computed_by", sa.String(200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("software", sa.String(32), nullable=False),
        sa.Column("sealed_results", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("response", "version", "key_hash", name="uq_rescoring_response_version_key"),
    )
