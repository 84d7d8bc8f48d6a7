"""Seals what rests in the ledger anew under the first secret key, while others read and write it.

A value is replaced only if it is still the one that was read: whoever changed it meanwhile has sealed it with the first key.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.ledger.rows import SEAL, SEALED_ROWS, VAULT, change_rows
from plugin.ledger.sealed import SEALED, row_of
from plugin.ledger.vault import KEY_ID_BYTES

_AT_ONCE = 200


@dataclass
class Rotated:
    """How many values were sealed anew, and where one could not be opened: `table.column row`."""

    values: int = 0
    broken: list[str] = field(default_factory=list)


def count_by_key(connection: Connection) -> dict[str, int]:
    """Count sealed values by the id of the key that sealed them (8 hex digits)."""
    counts: dict[str, int] = {}
    sealed = [(table, column) for table, column, _ in _columns()]
    for table, column in (*sealed, *((table, table.c[SEAL]) for table in SEALED_ROWS)):
        key_id = sa.func.substr(column, 1, KEY_ID_BYTES)
        query = sa.select(key_id, sa.func.count()).where(sa.func.length(column) > 0).group_by(key_id)
        for found, many in connection.execute(query.select_from(table)):
            name = bytes(found).hex()
            counts[name] = counts.get(name, 0) + many
    return counts


def rotate(engine: Engine, vault: Vault, tell: Callable[[int], None] = lambda _: None) -> Rotated:
    """Seal everything under the vault's first key, some rows at a time, each lot in a transaction of its own."""
    rotated = Rotated()
    engine = engine.execution_options(**{VAULT: vault})
    for table, column, purpose in _columns():
        name = row_of(table)
        last = ""
        while True:
            with engine.connect() as connection:
                rows = connection.execute(
                    sa.select(name, column)
                    .where(name > last, sa.func.length(column) > 0)  # empty: retention took it
                    .where(sa.func.substr(column, 1, KEY_ID_BYTES) != vault.first_key)
                    .order_by(name)
                    .limit(_AT_ONCE)
                ).all()
            if not rows:
                break
            last = rows[-1][0]
            with engine.connect().execution_options(writing=True) as connection, connection.begin():
                for row, sealed in rows:
                    _seal_anew(connection, vault, (name, column, purpose), (row, bytes(sealed)), rotated)
            tell(rotated.values)
    _rows_anew(engine, vault, rotated)
    return rotated


def _seal_anew(
    connection: Connection,
    vault: Vault,
    where: tuple[sa.Column[str], sa.Column[bytes], str],
    what: tuple[str, bytes],
    rotated: Rotated,
) -> None:
    (name, column, purpose), (row, sealed) = where, what
    try:
        anew = vault.seal(purpose, row, vault.open(purpose, row, sealed))
    except SealBroken:
        rotated.broken.append(f"{column.table.name}.{column.name} {row}")
        return
    own, table = (name == row, column == sealed), name.table
    if SEAL in table.c:
        rotated.values += len(change_rows(connection, table, own, {column.name: anew}))
    else:
        rotated.values += connection.execute(
            sa.update(table).where(*own).values({column.name: anew})
        ).rowcount


def _rows_anew(engine: Engine, vault: Vault, rotated: Rotated) -> None:
    """Seal rows that change while they are in use under the first key; one whose seal does not fit keeps it."""
    for table in SEALED_ROWS:
        names = tuple(table.primary_key.columns.values())
        key = sa.tuple_(*names)
        last: tuple[str, ...] | None = None
        while True:
            query = sa.select(*names).where(sa.func.substr(table.c[SEAL], 1, KEY_ID_BYTES) != vault.first_key)
            with engine.connect() as connection:
                if last is not None:
                    query = query.where(key > sa.tuple_(*map(sa.literal, last)))
                found = connection.execute(query.order_by(*names).limit(_AT_ONCE)).all()
            if not found:
                break
            last = tuple(found[-1])
            with engine.connect().execution_options(writing=True) as connection, connection.begin():
                for each in found:
                    own = [name == value for name, value in zip(names, each, strict=True)]
                    for row in change_rows(connection, table, own, {}):
                        if bytes(row[SEAL] or b"")[:KEY_ID_BYTES] == vault.first_key:
                            rotated.values += 1
                        else:
                            rotated.broken.append(f"{table.name} {'/'.join(each)}")


def _columns() -> Iterator[tuple[sa.Table, sa.Column[bytes], str]]:
    for name, columns in SEALED.items():
        table = t.metadata.tables[name]
        for column, purpose in columns.items():
            yield table, table.c[column], purpose
