"""Forms filled elsewhere, counted tries, and the transparency log; what was stored before is logged as well."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and tables, and note every row for the log."""
    op.add_column("invitation", sa.Column("remote", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "throttle",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
    )
    op.create_table(
        "log_pending",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("row", sa.String(64), nullable=False),
    )
    op.create_table(
        "log_leaf",
        sa.Column("place", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("row", sa.String(64), nullable=False),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("erased", sa.BigInteger()),
    )
    op.create_index("ix_log_leaf_row", "log_leaf", ["kind", "row"])
    for table, key, order in (
        ("response", "id", "received"),
        ("audit", "event", "id"),
        ("attempt", "id", "id"),
    ):
        op.execute(
            f"INSERT INTO log_pending (kind, \"row\") SELECT '{table}', CAST({key} AS VARCHAR(64)) "  # noqa: S608 -- names from above
            f"FROM {table} ORDER BY {order}"
        )
    op.drop_table("schema_version")
