"""Rows that change while they are in use: each carries a seal over all its columns, which every write renews.

Who alters one without the vault's key breaks its seal, and no later write mends it: docs/adr/0013-row-seals.md.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import tables as t
from plugin.ledger.appending import append, insert_into
from plugin.ledger.vault import SealBroken, Vault

SEALED_ROWS: tuple[sa.Table, ...] = (
    t.browser_session,
    t.pending_launch,
    t.launch,
    t.invitation,
    t.throttle,
    t.delivery,
    t.note_delivery,
    t.collecting,
    t.collected,
    t.plan_copy,
)
SEAL = "seal"
VAULT = "vault"  # the execution option by which a connection brings it
_AT_ONCE = 500
_MICRO = 1_000_000
_ENCODER = msgspec.json.Encoder()

Values = Mapping[str, Any]
Changes = Values | Callable[[Values], Values]


def insert_row(connection: Connection, table: sa.Table, values: Values) -> None:
    """Insert a row with its seal."""
    connection.execute(table.insert(), sealed(_vault_of(connection), table, values))


def append_row(connection: Connection, table: sa.Table, values: Values) -> None:
    """Insert a row with its seal that nothing in the same transaction reads: with others if the connection gathers."""
    append(connection, _insert(table.name), sealed(_vault_of(connection), table, values))


def insert_new(connection: Connection, table: sa.Table, values: Values) -> bool:
    """Insert a row with its seal, unless its key is there already: then False."""
    row = sealed(_vault_of(connection), table, values)
    keys = table.primary_key.columns
    insert = insert_into(connection, table).values(row).on_conflict_do_nothing(index_elements=keys.keys())
    return connection.execute(insert.returning(*keys.values())).first() is not None


def save_row(connection: Connection, table: sa.Table, values: Values) -> None:
    """Insert a row, or change the one that has its key."""
    if not insert_new(connection, table, values):
        keys = table.primary_key.columns
        own = [column == values[name] for name, column in keys.items()]
        change_rows(connection, table, own, {name: each for name, each in values.items() if name not in keys})


def change_rows(
    connection: Connection, table: sa.Table, where: Sequence[sa.ColumnElement[bool]], changes: Changes
) -> list[Values]:
    """Change rows and renew their seals; gives them as they are now. `changes` may be made of each row as it was.

    A seal that did not fit before is left as it is.
    """
    vault = _vault_of(connection)
    found = connection.execute(sa.select(table).where(*where).with_for_update()).all()
    lots: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    after: list[Values] = []
    for each in found:
        before = dict(each._mapping)
        new = dict(changes(before) if callable(changes) else changes)
        row = before | new
        if fits(vault, table, before):
            new[SEAL] = row[SEAL] = _seal(vault, table, row)
        after.append(row)
        own = {f"own_{name}": before[name] for name in table.primary_key.columns.keys()}  # noqa: SIM118 -- columns, not names, are iterated otherwise
        if new:
            lots.setdefault(tuple(new), []).append(own | new)
    for lot in lots.values():
        connection.execute(_update(table.name), lot)
    return after


def remove_rows(connection: Connection, table: sa.Table, where: Sequence[sa.ColumnElement[bool]]) -> None:
    """Delete rows that are as they were when their seals were made. One that was altered stays, to be named."""
    rows = connection.execute(sa.select(table).where(*where)).all()
    names = tuple(table.primary_key.columns.keys())
    whole = as_sealed(_vault_of(connection), table, rows)
    if own := [{f"own_{name}": row._mapping[name] for name in names} for row in whole]:
        connection.execute(_delete(table.name), own)


def sealed(vault: Vault, table: sa.Table, values: Values) -> dict[str, Any]:
    """Complete a new row with what columns are by default, and with its seal."""
    row = {**_defaults(table.name), **values}
    row[SEAL] = _seal(vault, table, row)
    return row


def fits(vault: Vault, table: sa.Table, row: Values) -> bool:
    """Tell whether a row, read with all its columns, is as it was when its seal was made."""
    mark = row[SEAL]
    return mark is not None and vault.is_mark("row", _content(table.name, row), bytes(mark))


def row_fits(vault: Vault, table: sa.Table, row: sa.Row[Any]) -> bool:
    """Tell whether a row, read with all its columns, is as it was when its seal was made."""
    return fits(vault, table, dict(row._mapping))


def check_fits(vault: Vault, table: sa.Table, row: sa.Row[Any]) -> None:
    """SealBroken unless a row, read with all its columns, is as it was when its seal was made."""
    if not row_fits(vault, table, row):
        raise SealBroken(f"A row of the table {table.name} was altered")


def as_sealed(vault: Vault, table: sa.Table, rows: Iterable[sa.Row[Any]]) -> Iterator[sa.Row[Any]]:
    """Give those of some rows, read with all their columns, that are as they were when their seals were made."""
    return (each for each in rows if row_fits(vault, table, each))


def seal_unsealed(connection: Connection, vault: Vault) -> None:
    """Seal every row that has no seal: of a database from before there were seals, once, as it is upgraded."""
    for table in SEALED_ROWS:
        names = tuple(table.primary_key.columns.keys())
        while True:
            query = sa.select(table).where(table.c[SEAL].is_(None)).limit(_AT_ONCE)
            found = [dict(each._mapping) for each in connection.execute(query)]
            if not found:
                break
            lot = [
                {f"own_{name}": row[name] for name in names} | {SEAL: _seal(vault, table, row)}
                for row in found
            ]
            connection.execute(_update(table.name), lot)


def _vault_of(connection: Connection) -> Vault:
    found = connection.get_execution_options().get(VAULT)
    if not isinstance(found, Vault):
        raise LookupError("A row that is sealed is written by a connection that has the vault")  # noqa: TRY004 -- nobody passed it
    return found


def _seal(vault: Vault, table: sa.Table, row: Values) -> bytes:
    return vault.mark("row", _content(table.name, row))


def _content(table: str, row: Values) -> bytes:
    """Write a row in the one form that is sealed. Empty columns are left out, so that one may be added later."""
    content: list[object] = [str(table)]
    for name in _names(table):
        value = row.get(name)
        if value is not None:
            content += name, round(value.timestamp() * _MICRO) if isinstance(value, datetime) else value
    return _ENCODER.encode(content)


@cache
def _names(table: str) -> tuple[str, ...]:
    return tuple(sorted(str(name) for name in t.metadata.tables[table].columns.keys() if name != SEAL))  # noqa: SIM118 -- as above


@cache
def _defaults(table: str) -> dict[str, Any]:
    columns = t.metadata.tables[table].columns.items()
    return {
        str(name): column.default.arg
        for name, column in columns
        if isinstance(column.default, sa.ColumnDefault)
    }


@cache
def _insert(table: str) -> sa.Insert:
    return t.metadata.tables[table].insert()


@cache
def _update(table: str) -> sa.Update:
    """Build an update of one row by its key; what it sets is named when it is executed."""
    return t.metadata.tables[table].update().where(*_own(table))


@cache
def _delete(table: str) -> sa.Delete:
    return t.metadata.tables[table].delete().where(*_own(table))


def _own(table: str) -> tuple[sa.ColumnElement[bool], ...]:
    keys = t.metadata.tables[table].primary_key.columns.items()
    return tuple(column == sa.bindparam(f"own_{name}") for name, column in keys)
