"""Tries that are over are found without reading those that are not."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the index: every try looks for those that are over."""
    op.create_index("ix_throttle_since", "throttle", ["since"])
