"""Rows that nobody reads before they are committed: gathered over the changes of one commit and inserted together.

An insert of its own costs several times what a row among many does. Order within a table is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

_OPTION = "appended"


@dataclass(slots=True)
class Appended:
    """What the changes of one commit have appended so far."""

    rows: list[tuple[sa.Insert, Mapping[str, object]]] = field(default_factory=list)

    def flush(self, connection: Connection) -> None:
        """Insert them, one statement a table."""
        gathered: dict[sa.Insert, list[Mapping[str, object]]] = {}
        for insert, row in self.rows:
            gathered.setdefault(insert, []).append(row)
        for insert, rows in gathered.items():
            connection.execute(insert, rows)
        self.rows.clear()


def gathering(connection: Connection) -> Appended:
    """Have the appended rows of this connection gathered, until they are flushed."""
    gathered = Appended()
    connection.execution_options(**{_OPTION: gathered})
    return gathered


def append(connection: Connection, insert: sa.Insert, row: Mapping[str, object]) -> None:
    """Insert a row that nothing in the same transaction reads: with others if the connection gathers, else at once."""
    gathered = connection.get_execution_options().get(_OPTION)
    if isinstance(gathered, Appended):
        gathered.rows.append((insert, row))
    else:
        connection.execute(insert, row)


def insert_into(connection: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an insert of the connection's own database, which can say what happens to a row that is there already."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
