"""Reviews by auditors with their sign-offs, and the indexes by which auditors search."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the tables, whose rows are only ever added, and the indexes."""
    op.create_table(
        "review",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("first_day", sa.String(10), nullable=False),
        sa.Column("last_day", sa.String(10), nullable=False),
        sa.Column("seed", sa.String(64), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
        sa.Column("population_digest", sa.String(64), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("drawn", sa.BigInteger(), nullable=False),
        sa.Column("drawn_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_review_site_drawn", "review", ["site", "drawn"])
    op.create_table(
        "sign_off",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("review", sa.String(36), sa.ForeignKey("review.id"), nullable=False),
        sa.Column("response", sa.String(36)),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("sealed_comment", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.BigInteger(), nullable=False),
        sa.Column("signed_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_sign_off_review", "sign_off", ["review"])
    op.drop_index("ix_response_site_patient", "response")
    op.create_index("ix_response_site_patient_received", "response", ["site", "patient", "received", "id"])
    op.create_index("ix_response_site_received", "response", ["site", "received", "id"])
    op.create_index("ix_response_site_instrument", "response", ["site", "instrument", "received", "id"])
    op.create_index("ix_response_launch", "response", ["launch"])
