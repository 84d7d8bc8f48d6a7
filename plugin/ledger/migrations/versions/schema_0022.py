"""What waits for the log is named by its row alone: a number of its own was nothing that could be held against anything."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Make the table anew, since neither database gives a table another key and keeps the names of its own."""
    op.execute(
        'CREATE TABLE log_pending_before AS SELECT "row", kind, MAX(problem) AS problem '
        'FROM log_pending GROUP BY "row", kind'
    )
    op.drop_table("log_pending")
    op.create_table(
        "log_pending",
        sa.Column("row", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("problem", sa.String(200)),
    )
    op.execute(
        'INSERT INTO log_pending ("row", kind, problem) SELECT "row", kind, problem FROM log_pending_before'
    )
    op.drop_table("log_pending_before")
