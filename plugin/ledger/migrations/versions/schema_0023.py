"""An index by which a patient's launches are found: whether Rapport was opened in a chart lately."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add the index, unless the tables were made with it."""
    op.create_index("ix_launch_site_patient", "launch", ["site", "patient"], if_not_exists=True)
