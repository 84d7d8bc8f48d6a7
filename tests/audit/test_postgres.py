"""The same verification on PostgreSQL: what was not touched verifies, and what was is named."""

import json
import shutil
import uuid
from pathlib import Path

import sqlalchemy as sa

from plugin.commands.auditing import hold_still
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.reading import write_grants
from plugin.ledger.store import open_database
from plugin.transparency import LogSigner, Tiles
from plugin.verify import Finding, Flaw, Progress, Verifier
from tests.audit.conftest import Kept, configure, stock
from tests.audit.test_exports import run
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
        connection.execute(sa.text("ALTER TABLE attempt DROP CONSTRAINT attempt_response_fkey"))
        connection.execute(sa.text("ALTER TABLE revision DROP CONSTRAINT uq_revision_response_number"))
        connection.execute(sa.text("ALTER TABLE erasure ALTER counts TYPE varchar(999)"))
        connection.execute(sa.text("ALTER TABLE norm ADD CONSTRAINT late CHECK (why <> '')"))
        connection.execute(sa.text("ALTER TABLE norm ALTER why SET DEFAULT 'so'"))
        connection.execute(sa.text('ALTER TABLE note ALTER author TYPE varchar(128) COLLATE "C"'))
        connection.execute(sa.text("UPDATE throttle SET since = 9223372036854775807"))
        connection.execute(sa.text("DROP INDEX ix_norm_site"))
        connection.execute(sa.text("DROP INDEX ix_audit_kind"))
        connection.execute(
            sa.text("CREATE INDEX ix_audit_kind ON audit (kind) WHERE kind <> 'patient-viewed'")
        )
        connection.execute(sa.text("ALTER TABLE throttle DROP CONSTRAINT throttle_pkey"))
        connection.execute(sa.text("ALTER TABLE rescoring DISABLE TRIGGER ALL"))
        connection.execute(
            sa.text(
                "CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
                "CREATE TRIGGER hiding BEFORE INSERT ON attempt FOR EACH ROW EXECUTE FUNCTION hide()"
            )
        )
    engine.dispose()
    found = verify(original, postgres_url)
    assert {each.flaw for each in found} == {Flaw.ALTERED, Flaw.STATE, Flaw.SCHEMA}
    named = {each.where for each in found if each.flaw is Flaw.SCHEMA}
    assert {each for each in named if not each.startswith("switched-off trigger RI_")} == {
        "alembic_version",
        "table aside",
        "column audit.hidden",
        "foreign key (response) on attempt",
        "constraint uq_revision_response_number on revision",
        "column erasure.counts",
        "constraint late on norm",
        "column norm.why",
        "collation of author on note",
        "index ix_norm_site on norm",
        "index ix_audit_kind on audit",
        "primary key of throttle",
        "rule keeping on audit",
        "trigger hiding on attempt",
        "view response_too",
    }
    assert any(each.endswith(" on rescoring") for each in named)


def test_the_auditors_role_verifies_what_it_may_read_and_says_what_it_may_not(
    original: Path, postgres_url: str, tmp_path: Path
) -> None:
    move(original, postgres_url)
    role = sa.make_url(postgres_url).set(username=f"auditor_{uuid.uuid4().hex[:8]}")
    owner = open_database(postgres_url)
    with owner.begin() as connection:
        connection.exec_driver_sql(write_grants(str(role.username)))
    kept = Kept(tmp_path)
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    environment = configure(tmp_path)
    config = tmp_path / "rapport.toml"
    text = config.read_text(encoding="utf-8")
    own = rapport_settings(kept.folder).database
    config.write_text(text.replace(own, role.render_as_string(hide_password=False)), encoding="utf-8")
    done = run("verify", "--json", "--config", str(config), environment=environment)
    said = json.loads(done.stdout)
    assert (done.returncode, said["findings"]) == (0, [])
    assert [each.split()[1] for each in said["not_looked_at"]] == [
        "pending_launch.sealed_pending",
        "launch.sealed_context",
        "launch.sealed_note",
        "invitation.sealed_draft",
        "browser_session",
        "pending_launch",
        "launch",
        "invitation",
        "throttle",
        "collecting",
        "plan_copy",
    ]
    period = ("--from", "2026-01-01", "--to", "2026-12-31", "--out", str(tmp_path / "out"))
    refused = run("export", *period, "--config", str(config), environment=environment)
    assert (refused.returncode, "The ledger cannot be written to" in refused.error) == (1, True)
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role.username}; DROP ROLE {role.username}")
    owner.dispose()


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
