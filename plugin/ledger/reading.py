"""A way into the ledger that cannot write: a read-only file on SQLite, read-only transactions of a role of its own on PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.errors import SettingsInvalid
from plugin.ledger import tables as t
from plugin.ledger.odd_text import looking
from plugin.ledger.store import patience_of
from plugin.ledger.vault import Vault

T = TypeVar("T")


def _all_but(table: sa.Table, *names: str) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name not in names)


# What an auditor's role on PostgreSQL may read, by table; None: every column. Secrets, tokens and drafts are not among it.
READABLE: dict[str, tuple[str, ...] | None] = {
    "alembic_version": None,
    "response": None,
    "revision": None,
    "rescoring": None,
    "collected": None,
    "configuration": None,
    "erasure": None,
    "delivery": None,
    "attempt": None,
    "audit": None,
    "norm": None,
    "note": None,
    "note_delivery": None,
    "review": None,
    "sign_off": None,
    "log_pending": None,
    "log_leaf": None,
    "launch": _all_but(t.launch, "handle", "sealed_context", "sealed_note", "seal"),
    "invitation": _all_but(t.invitation, "secret", "sealed_draft", "code_made", "code_number", "seal"),
}
REPEATABLE_READ = 3  # psycopg.IsolationLevel, which an installation on SQLite has not
_WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


class ReadingLedger:
    """The tables of a ledger, for reading. `close()` when done.

    `has_own_role`: the URL is one of the auditors' own, so that the database itself refuses what this class does not offer.
    """

    def __init__(self, url: str, vault: Vault, *, has_own_role: bool) -> None:
        self.vault = vault
        self.has_own_role = has_own_role
        self._engine = _open_for_reading(url)
        if has_own_role and self._engine.dialect.name == "postgresql":
            try:
                _check_role(self._engine)
            except BaseException:
                self._engine.dispose()
                raise

    @property
    def is_file(self) -> bool:
        """Whether it is an SQLite file, opened read-only."""
        return self._engine.dialect.name == "sqlite"

    async def read(self, look: Callable[[Connection], T]) -> T:
        """Run a query; sees one state of the database throughout, and everything committed before the call."""

        def run() -> T:
            with self._engine.connect() as connection:
                return looking(connection, look)

        return await asyncio.to_thread(run)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def write_grants(role: str, *, exists: bool = False) -> str:
    """Write the SQL that makes a role of PostgreSQL for auditors; SettingsInvalid unless its name is a plain one."""
    if not role.isidentifier() or not role.isascii() or role != role.lower():
        raise SettingsInvalid(
            f"{role} is no plain name of a role.", "Use lower-case letters, digits and underscores."
        )
    lines = [] if exists else [f"CREATE ROLE {role} LOGIN;  -- give it a password, or a line in pg_hba.conf"]
    lines += [
        f"ALTER ROLE {role} SET default_transaction_read_only = on;",
        f"GRANT USAGE ON SCHEMA public TO {role};",
    ]
    for table, columns in READABLE.items():
        named = "" if columns is None else f" ({', '.join(_quoted(each) for each in columns)})"
        lines.append(f"GRANT SELECT{named} ON {table} TO {role};")
    return "\n".join(lines) + "\n"


def missing_grants(url: str) -> tuple[str, ...]:
    """Name the tables that a role of PostgreSQL for auditors must read and may not: an upgrade adds tables and columns."""
    engine = _open_for_reading(url)
    if engine.dialect.name != "postgresql":
        engine.dispose()
        return ()
    may = sa.text("SELECT has_column_privilege(:name, :column, 'SELECT')")
    try:
        with engine.connect() as connection:
            return tuple(
                name
                for name, columns in READABLE.items()
                if not all(
                    connection.execute(may, {"name": name, "column": each}).scalar()
                    for each in columns or t.metadata.tables[name].c.keys()
                )
            )
    finally:
        engine.dispose()


def _quoted(column: str) -> str:
    return f'"{column}"' if column == "user" else column


def _check_role(engine: Engine) -> None:
    """Refuse a role that may write: it would be no reading role."""
    with engine.connect() as connection:
        may = [
            f"{right} {table}"
            for table in t.metadata.tables
            for right in _WRITES
            if connection.execute(
                sa.text("SELECT to_regclass(:name) IS NOT NULL AND has_table_privilege(:name, :right)"),
                {"name": table, "right": right},
            ).scalar()
        ]
    if may:
        raise SettingsInvalid(
            f"server.audit_database is a role that may write ({', '.join(may[:3])}{', …' if len(may) > 3 else ''}).",
            "Name a role that may only read: rapport database auditor-role NAME prints the SQL.",
        )


def _open_for_reading(url: str) -> Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        address = f"file:{quote(parsed.database or '')}?mode=ro"

        def connect() -> sqlite3.Connection:
            found = sqlite3.connect(address, uri=True, timeout=30, check_same_thread=False)
            found.isolation_level = None
            found.execute("PRAGMA query_only=ON")
            found.execute("PRAGMA busy_timeout=30000")
            return found

        engine = sa.create_engine(
            "sqlite://", creator=connect, poolclass=sa.pool.QueuePool, hide_parameters=True
        )

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine
    engine = sa.create_engine(
        parsed, pool_pre_ping=True, hide_parameters=True, connect_args=patience_of(parsed)
    )

    @sa.event.listens_for(engine, "connect")
    def _read_only(connection: object, _record: object) -> None:
        connection.read_only = True  # type: ignore[attr-defined]  # psycopg's Connection
        connection.isolation_level = REPEATABLE_READ  # type: ignore[attr-defined]  # one state throughout

    return engine
