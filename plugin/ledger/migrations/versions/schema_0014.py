"""How the installation was configured, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "configuration",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("software", sa.String(32), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("sections", sa.Text(), nullable=False),
    )
    op.create_index("ix_configuration_recorded", "configuration", ["recorded"])
