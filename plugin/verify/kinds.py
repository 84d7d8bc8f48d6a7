"""Whether every value is of its column's kind, which SQLite does not see to, and how rows are read that hold others."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import tables as t
from plugin.ledger.odd_text import any_text
from plugin.verify.findings import Finding, Flaw
from plugin.verify.reading import rows

_KIND = {"BIGINT": "integer", "INTEGER": "integer", "BOOLEAN": "boolean", "BLOB": "blob"}
_STAND_IN = {"text": "COALESCE(CAST({0} AS TEXT), '')", "blob": "COALESCE(CAST({0} AS BLOB), x'')", "integer": "0", "boolean": "0"}  # fmt: skip
_NAMED = {"response": "response {id}", "delivery": "response {response}", "note_delivery": "note {note}", "audit": "audit {event}"}  # fmt: skip


@contextmanager
def readable(connection: Connection) -> Iterator[Iterator[Finding]]:
    """Name values of another kind than their column's, and have them read as of that kind, and any text, until the block ends.

    Take all findings before anything else is read. On PostgreSQL no value can be of another kind.
    """
    hidden: list[str] = []

    def find() -> Iterator[Finding]:
        for table in t.metadata.sorted_tables:
            if table is t.alembic_version:  # compared as a whole, and may be gone
                continue
            odd: set[str] = set()
            yield from _misfits(connection, table, odd)
            if odd:
                hidden.append(table.name)
                _stand_in(connection, _view(table, odd))

    if connection.dialect.name != "sqlite":
        yield iter(())
        return
    with any_text(connection):
        try:
            yield find()
        finally:
            for name in hidden:
                _stand_in(connection, f'DROP VIEW temp."{name}"')


def _misfits(connection: Connection, table: sa.Table, odd: set[str]) -> Iterator[Finding]:
    """Give the values of a table that are of another kind; their columns go to `odd`."""
    columns = list(table.columns)
    kinds: list[sa.ColumnElement[str]] = [
        sa.literal_column(_kind_of(each)).label(f"kind_{place}") for place, each in enumerate(columns)
    ]
    keys = [sa.cast(each, sa.Text).label(f"key_{each.name}") for each in _keys(table)]
    wrong = sa.text(" OR ".join(f"NOT {_fits(each)}" for each in columns))
    for row in rows(connection, sa.select(*keys, *kinds).select_from(table).where(wrong)):
        values = row._mapping
        where = _where(table, {each.name: values[f"key_{each.name}"] for each in _keys(table)})
        for place, column in enumerate(columns):
            kind = values[f"kind_{place}"]
            if kind not in _kinds(column):
                odd.add(column.name)
                what = f"Its {column.name} is of the kind {kind}, and the column's is {_kinds(column)[0]}."
                yield Finding(Flaw.ALTERED, where, what)


@cache  # compiling a type makes a dialect each time
def _kinds(column: "sa.Column[object]") -> tuple[str, ...]:
    """Name the kinds of SQLite that a column may hold, its own first."""
    own = _KIND.get(str(column.type.compile()), "text")
    return (own, "null") if column.nullable else (own,)


def _kind_of(column: "sa.Column[object]") -> str:
    """Write SQL that names the kind of a column's value; SQLite has no kind of its own for yes and no."""
    name = f'"{column.name}"'
    if _kinds(column)[0] == "boolean":
        return f"CASE WHEN typeof({name}) = 'integer' AND {name} IN (0, 1) THEN 'boolean' ELSE typeof({name}) END"
    return f"typeof({name})"


def _fits(column: "sa.Column[object]") -> str:
    """Write SQL that tells whether a column's value is of its kind."""
    kinds = ", ".join(f"'{each}'" for each in _kinds(column))
    return f"{_kind_of(column)} IN ({kinds})"


def _keys(table: sa.Table) -> list["sa.Column[object]"]:
    """Give the columns that findings name a row by."""
    return [table.c.event] if table is t.audit else list(table.primary_key.columns)


def _where(table: sa.Table, key: dict[str, str | None]) -> str:
    if table.name in _NAMED:
        return _NAMED[table.name].format(**key)
    if table is t.log_leaf:
        return f"leaf {key['place']}"
    return " ".join((table.name, *(str(each) for each in key.values())))


def _view(table: sa.Table, odd: set[str]) -> str:
    """Write a view of this connection's own that stands before the table."""
    given = []
    for column in table.columns:
        name = f'"{column.name}"'
        if column.name in odd:
            other = _STAND_IN[_kinds(column)[0]].format(name)
            given.append(f"CASE WHEN {_fits(column)} THEN {name} ELSE {other} END AS {name}")
        else:
            given.append(name)
    return f'CREATE TEMP VIEW "{table.name}" AS SELECT {", ".join(given)} FROM main."{table.name}"'  # noqa: S608 -- names of our own


def _stand_in(connection: Connection, statement: str) -> None:
    """Run a statement that touches nothing but this connection's own views; whoever may only read may do that."""
    asked = bool(connection.exec_driver_sql("PRAGMA query_only").scalar())
    connection.exec_driver_sql("PRAGMA query_only=OFF")
    try:
        connection.exec_driver_sql(statement)
    finally:
        connection.exec_driver_sql(f"PRAGMA query_only={int(asked)}")
