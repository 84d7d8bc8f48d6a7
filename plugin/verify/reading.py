"""Reads many rows without holding many: in pieces, each with what belongs to it."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

CHUNK = 500

Row = sa.Row[Any]


def pieces(connection: Connection, query: sa.Executable) -> Iterator[Sequence[Row]]:
    """Give the rows of a query, some hundred at a time."""
    result = connection.execute(query, execution_options={"yield_per": CHUNK})
    yield from result.partitions()


def rows(connection: Connection, query: sa.Executable) -> Iterator[Row]:
    """Give the rows of a query one by one."""
    for piece in pieces(connection, query):
        yield from piece


def count(connection: Connection, *tables: sa.Table) -> int:
    """Count the rows of these tables."""
    return sum(
        int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        for table in tables
    )
