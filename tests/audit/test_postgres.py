"""The same verification on PostgreSQL: what was not touched verifies, and what was is named."""

from pathlib import Path

import sqlalchemy as sa

from plugin.commands.auditing import hold_still
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.transparency import LogSigner, Tiles
from plugin.verify import Finding, Flaw, Progress, Verifier
from tests.audit.conftest import stock
from tests.product.world import rapport_settings


def test_a_ledger_on_postgresql_verifies_until_it_is_altered(original: Path, postgres_url: str) -> None:
    move(original, postgres_url)
    assert verify(original, postgres_url) == []
    engine = open_database(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE attempt SET detail = 'x'"))
        connection.execute(sa.text("UPDATE delivery SET locations = 'Observation/1'"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        connection.execute(sa.text("CREATE VIEW response_too AS SELECT * FROM response"))
        connection.execute(sa.text("ALTER TABLE audit ADD COLUMN hidden text"))
        connection.execute(sa.text("CREATE TABLE aside (id text)"))
        connection.execute(sa.text("CREATE RULE keeping AS ON DELETE TO audit DO INSTEAD NOTHING"))
        connection.execute(
            sa.text(
                "CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
                "CREATE TRIGGER hiding BEFORE INSERT ON attempt FOR EACH ROW EXECUTE FUNCTION hide()"
            )
        )
    engine.dispose()
    found = verify(original, postgres_url)
    assert {each.flaw for each in found} == {Flaw.ALTERED, Flaw.STATE, Flaw.SCHEMA}
    assert [each.where for each in found if each.flaw is Flaw.SCHEMA] == [
        "alembic_version",
        "table aside",
        "column audit.hidden",
        "rule keeping on audit",
        "trigger hiding on attempt",
        "view response_too",
    ]


def move(folder: Path, url: str) -> None:
    """Copy every row of a ledger on SQLite into an empty PostgreSQL."""
    source, target = open_database(rapport_settings(folder).database), open_database(url)
    t.metadata.create_all(target)
    with source.connect() as old, target.begin() as new:
        for table in t.metadata.sorted_tables:
            rows = [dict(row._mapping) for row in old.execute(sa.select(table))]
            if rows:
                new.execute(table.insert(), rows)
    source.dispose()
    target.dispose()


def verify(folder: Path, url: str) -> list[Finding]:
    settings, engine = rapport_settings(folder), open_database(url)
    key = LogSigner(settings.log_name, settings.log_key).verifier
    verifier = Verifier(*stock(), Vault(settings.vault_keys), Tiles(settings.log_folder), key)
    with engine.connect() as connection:
        hold_still(connection)
        found = list(verifier.verify(connection, Progress()))
    engine.dispose()
    return found
