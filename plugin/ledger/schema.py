"""Which schema a database has, and how it gets the newest: alembic's steps, loaded only when there is something to do."""

import hashlib
from importlib.resources import as_file, files

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.errors import SettingsInvalid
from plugin.ledger import rows, tables
from plugin.ledger.vault import Vault

HEAD = "0025"
_FIRST_WITH_SEALS = "0020"


def lock(connection: Connection, purpose: str) -> None:
    """Wait until no other transaction on a PostgreSQL holds the same lock; on SQLite one writes at a time anyhow."""
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"rapport:{purpose}".encode()).digest()[:8], signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def prepare(engine: Engine) -> None:
    """Create the tables of an empty database; SettingsInvalid if it has another schema than this software needs."""
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        lock(connection, "schema")
        found = version_of(connection)
        if found is None:
            tables.metadata.create_all(connection)
            connection.execute(tables.alembic_version.insert().values(version_num=HEAD))
            return
    if found < HEAD:
        raise SettingsInvalid(
            f"The database has schema {found}; this software needs {HEAD}.",
            "Stop every Rapport that uses it, back it up, then run: rapport database upgrade",
        )
    if found > HEAD:
        raise SettingsInvalid(
            f"The database has schema {found}; this software knows {HEAD}: a newer version has upgraded it.",
            "Start that version, or restore the backup from before the upgrade.",
        )


def version_of(connection: Connection) -> str | None:
    """Tell a database's schema; None if it is empty."""
    names = set(sa.inspect(connection).get_table_names())
    if "alembic_version" in names:
        return connection.execute(sa.select(tables.alembic_version.c.version_num)).scalar()
    return "0001" if "response" in names else None


def upgrade(engine: Engine, vault: Vault) -> tuple[str | None, str]:
    """Bring a database to the newest schema in one transaction; gives the schemas before and after.

    Rows from before there were seals are sealed as they are found.
    """
    from alembic import command
    from alembic.config import Config

    with (
        as_file(files("plugin.ledger") / "migrations") as scripts,
        engine.connect() as connection,
        connection.execution_options(writing=True).begin(),
    ):
        lock(connection, "schema")
        before = version_of(connection)
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        if before is None:
            tables.metadata.create_all(connection)
            connection.execute(tables.alembic_version.insert().values(version_num=HEAD))
        else:
            if before == "0001" and not sa.inspect(connection).has_table("alembic_version"):
                command.stamp(config, "0001")
            command.upgrade(config, "head")
            if before < _FIRST_WITH_SEALS:
                rows.seal_unsealed(connection, vault)
    return before, HEAD
