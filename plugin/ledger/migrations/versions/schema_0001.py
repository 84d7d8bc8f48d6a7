"""The first schema: launches, invitations, responses, deliveries, trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("outcome", sa.String(length=4), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=True),
        sa.Column("patient", sa.String(length=128), nullable=True),
        sa.Column("sealed_resource", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("event"),
    )
    op.create_index("ix_audit_kind", "audit", ["kind"], unique=False)
    op.create_index("ix_audit_patient", "audit", ["patient"], unique=False)
    op.create_table(
        "browser_session",
        sa.Column("handle", sa.String(length=64), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("locked", sa.BigInteger(), nullable=True),
        sa.Column("pin", sa.String(length=200), nullable=True),
        sa.Column("pin_attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("handle"),
    )
    op.create_table(
        "launch",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("handle", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("patient", sa.String(length=128), nullable=True),
        sa.Column("encounter", sa.String(length=128), nullable=True),
        sa.Column("user", sa.String(length=128), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("sealed_context", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_launch_handle", "launch", ["handle"], unique=False)
    op.create_table(
        "pending_launch",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("handle", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("sealed_pending", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("state"),
    )
    op.create_table(
        "response",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("identifier", sa.String(length=400), nullable=False),
        sa.Column("patient", sa.String(length=128), nullable=False),
        sa.Column("encounter", sa.String(length=128), nullable=True),
        sa.Column("rater", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=True),
        sa.Column("instrument", sa.String(length=300), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("authored", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("launch", sa.String(length=36), nullable=True),
        sa.Column("invitation", sa.String(length=36), nullable=True),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("sealed_results", sa.LargeBinary(), nullable=False),
        sa.Column("key_hash", sa.String(length=80), nullable=False),
        sa.Column("software", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("site", "identifier", name="uq_response_site_identifier"),
    )
    op.create_index("ix_response_site_patient", "response", ["site", "patient"], unique=False)
    op.create_table("schema_version", sa.Column("version", sa.Integer(), nullable=False))
    op.create_table(
        "attempt",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("response", sa.String(length=36), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["response"],
            ["response.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attempt_response", "attempt", ["response"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("response", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=True),
        sa.Column("locations", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["response"],
            ["response.id"],
        ),
        sa.PrimaryKeyConstraint("response"),
    )
    op.create_index("ix_delivery_due", "delivery", ["due"], unique=False)
    op.create_table(
        "invitation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("launch", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("patient", sa.String(length=128), nullable=False),
        sa.Column("encounter", sa.String(length=128), nullable=True),
        sa.Column("rater", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("instrument", sa.String(length=300), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=True),
        sa.Column("draft_saved", sa.BigInteger(), nullable=True),
        sa.Column("sealed_draft", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["launch"],
            ["launch.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret"),
    )
    op.create_index("ix_invitation_launch", "invitation", ["launch"], unique=False)
