"""The distinct values of an indexed column, one look into the index each."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def texts_of(connection: Connection, column: sa.Column[Any], *where: sa.ColumnElement[bool]) -> Iterator[str]:
    """Give every distinct text of a column among rows, in the database's order.

    The database itself goes from value to value: what somebody put there that is no text, or none that can be read as it
    stands, ends this too, and is left out.
    """
    least = sa.select(sa.func.min(column).label("value")).where(*where)
    each = least.cte("each", recursive=True)
    following = sa.select(sa.func.min(column)).where(*where, column > each.c.value).correlate(each)
    each = each.union_all(sa.select(following.scalar_subquery()).where(each.c.value.is_not(None)))
    whole = sa.select(sa.type_coerce(each.c.value, sa.String)).where(each.c.value.is_not(None))
    for value in connection.execute(whole).scalars():
        if isinstance(value, str):
            yield value
