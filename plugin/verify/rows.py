"""Whether rows that change while they are in use are as Rapport last wrote them: each has its seal."""

from collections.abc import Callable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.ledger import Vault
from plugin.ledger.rows import SEALED_ROWS, fits
from plugin.verify.findings import Finding, Flaw, Progress
from plugin.verify.reading import Row, rows

# Findings name a row by what it belongs to.
_NAMED: Mapping[str, Callable[[Row], str]] = {
    "delivery": lambda row: f"response {row.response}",
    "note_delivery": lambda row: f"note {row.note}",
}


def check_rows(connection: Connection, vault: Vault, progress: Progress) -> Iterator[Finding]:
    """Give rows whose seal does not fit. On PostgreSQL the auditors' role may not read some: then that is told."""
    for table in SEALED_ROWS:
        if not _may_read(connection, table):
            what = f"Whether {table.name} has its seals: this database role may not read it."
            progress.not_looked_at.append(what)
            continue
        for row in rows(connection, sa.select(table)):
            if not fits(vault, table, dict(row._mapping)):
                where = _NAMED[table.name](row) if table.name in _NAMED else _by_key(table, row)
                what = f"Its row of {table.name} is not as Rapport last wrote it."
                yield Finding(Flaw.ALTERED, where, what)


def _by_key(table: sa.Table, row: Row) -> str:
    return " ".join((table.name, *(str(row._mapping[name]) for name in table.primary_key.columns.keys())))  # noqa: SIM118 -- columns, not names, are iterated otherwise


def _may_read(connection: Connection, table: sa.Table) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(sa.select(sa.func.has_table_privilege(table.name, "SELECT"))).scalar())
