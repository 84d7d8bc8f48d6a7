"""Seals what rests in the ledger anew under the first secret key, while others read and write it.

A value is replaced only if it is still the one that was read: whoever changed it meanwhile has sealed it with the first key.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
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
    for table, column, _ in _columns():
        key_id = sa.func.substr(column, 1, KEY_ID_BYTES)
        query = sa.select(key_id, sa.func.count()).where(sa.func.length(column) > 0).group_by(key_id)
        for found, many in connection.execute(query.select_from(table)):
            name = bytes(found).hex()
            counts[name] = counts.get(name, 0) + many
    return counts


def rotate(engine: Engine, vault: Vault, tell: Callable[[int], None] = lambda _: None) -> Rotated:
    """Seal everything under the vault's first key, some rows at a time, each lot in a transaction of its own."""
    rotated = Rotated()
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
    change = sa.update(column.table).where(name == row, column == sealed).values({column.name: anew})
    rotated.values += connection.execute(change).rowcount


def _columns() -> Iterator[tuple[sa.Table, sa.Column[bytes], str]]:
    for name, columns in SEALED.items():
        table = t.metadata.tables[name]
        for column, purpose in columns.items():
            yield table, table.c[column], purpose
