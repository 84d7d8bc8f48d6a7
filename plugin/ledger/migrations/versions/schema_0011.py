"""Responses that the EHR collected itself: where each stands there, and how far the search for them is."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column and the two tables; responses of before were all written by Rapport."""
    op.add_column("response", sa.Column("collected", sa.String(150)))
    op.create_table(
        "collecting",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(64)),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("polled", sa.BigInteger()),
        sa.Column("looked", sa.BigInteger()),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("trouble", sa.Text()),
        sa.Column("way", sa.String(16)),
        sa.Column("subscription", sa.String(150)),
        sa.Column("secret", sa.String(64)),
        sa.Column("ends", sa.BigInteger()),
        sa.Column("handled", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("heard", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("heard_at", sa.BigInteger()),
    )
    op.create_table(
        "collected",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("reference", sa.String(150), primary_key=True),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("response", sa.String(36)),
        sa.Column("seen", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_collected_state", "collected", ["site", "state"])
