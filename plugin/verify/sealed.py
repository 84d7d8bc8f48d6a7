"""Whether what is sealed in rows that are no leaves of the log still opens: tokens, drafts, launches that have not come back."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit.leaves import LOGGED
from plugin.audit.subjects import subjects_of
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.ledger.sealed import SEALED, row_of
from plugin.verify.findings import Finding, Flaw, Progress
from plugin.verify.reading import rows

_TOKENS_TAKEN = '"launch_token"'  # how a retention counts launches whose tokens it took


def check_sealed(connection: Connection, vault: Vault, progress: Progress) -> Iterator[Finding]:
    """Give what does not open. On PostgreSQL the auditors' role may not read it: then that is told."""
    for name, columns in SEALED.items():
        table = t.metadata.tables[name]
        for column, purpose in columns.items():
            if name in LOGGED:
                continue
            if _may_read(connection, table, column):
                yield from _opens(connection, vault, table, column, purpose)
            else:
                what = f"Whether {name}.{column} opens: this database role may not read it."
                progress.not_looked_at.append(what)
    if _may_read(connection, t.launch, "sealed_context"):
        yield from _emptied(connection, vault)


def _opens(
    connection: Connection, vault: Vault, table: sa.Table, column: str, purpose: str
) -> Iterator[Finding]:
    key, sealed = row_of(table), table.c[column]
    query = sa.select(key.label("named"), sealed.label("sealed")).where(sa.func.length(sealed) > 0)
    for row in rows(connection, query):
        try:
            vault.open(purpose, row.named, row.sealed)
        except SealBroken:
            yield Finding(Flaw.ALTERED, f"{table.name} {row.named}", "A sealed value was altered or moved.")


def _emptied(connection: Connection, vault: Vault) -> Iterator[Finding]:
    """Give launches without tokens of sites whose retention has taken none."""
    columns = t.erasure.c.site, t.erasure.c.subject
    taken = sa.select(*columns).where(t.erasure.c.counts.contains(_TOKENS_TAKEN))
    by_retention = {
        row.site for row in rows(connection, taken) if row.subject in subjects_of(vault, row.site)
    }
    empty = sa.select(t.launch.c.id, t.launch.c.site).where(sa.func.length(t.launch.c.sealed_context) == 0)
    for row in rows(connection, empty):
        if row.site not in by_retention:
            what = "Its tokens and context are gone, and no retention accounts for that."
            yield Finding(Flaw.ALTERED, f"launch {row.id}", what)


def _may_read(connection: Connection, table: sa.Table, column: str) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    may = sa.func.has_column_privilege(table.name, column, "SELECT")
    return bool(connection.execute(sa.select(may)).scalar())
