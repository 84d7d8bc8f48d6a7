"""The code that is read out of a form made as a link: when the one that counts was made, and which it is."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the columns; a code that was read out before counts no more, and the clinician makes another."""
    op.add_column("invitation", sa.Column("code_made", sa.BigInteger()))
    op.add_column("invitation", sa.Column("code_number", sa.Integer(), nullable=False, server_default="0"))
