"""Codes of the EHR's PractitionerRole, by which a site says who is administrator, auditor or supervisor."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; launches of before have none."""
    op.add_column("launch", sa.Column("role_codes", sa.Text()))
