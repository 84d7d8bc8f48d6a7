"""An index by which a team's launches are found: whose charts its clinicians opened."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the index, unless the database was made with it while the schema was still called 0006."""
    op.create_index("ix_launch_site_user", "launch", ["site", "user"], if_not_exists=True)
