"""What a caregiver says before a form opens: consent, and being there."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; forms of before have no gate."""
    op.add_column("invitation", sa.Column("gate", sa.String(16)))
    op.add_column("invitation", sa.Column("gate_answer", sa.String(16)))
    op.add_column("invitation", sa.Column("gate_answered", sa.BigInteger()))
