"""What is kept of a patient is erased because the law asks for it: nothing of it is left, and the log stays whole."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from plugin.command_line import app
from plugin.erasure import Decision, erase, new_id
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.verify import Flaw
from tests.audit.conftest import Kept
from tests.audit.test_exports import Done, export, run, trail_of
from tests.audit.test_exports import verify as verify_export
from tests.audit.test_record import opened
from tests.product.test_kept import sent
from tests.product.test_personalities import send_form, settled
from tests.product.world import rapport_settings, run_world

AMARA = "Patient/1001"
ERASE = ("patient", "erase", AMARA, "--site", "sandbox", "--why", "Decision 12 of the privacy officer")


def erased(folder: Path, environment: dict[str, str], *more: str) -> Done:
    config = ("--config", str(folder / "rapport.toml"))
    result = CliRunner().invoke(app, [*ERASE, *more, *config], env=environment)
    return Done(result.exit_code, result.stdout, str(result.exception or ""))


def database_of(folder: Path) -> Path:
    return Path(str(sa.make_url(rapport_settings(folder).database).database))


def bytes_of(folder: Path) -> bytes:
    """Read everything that the database has on disk."""
    path = database_of(folder)
    files = (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    return b"".join(each.read_bytes() for each in files if each.exists())


def secrets_of(kept: Kept) -> list[bytes]:
    """Give what must be gone: sealed values, digests and ids of the responses, salts of their leaves, of deliveries, drafts, tokens."""
    queries = [
        sa.select(
            t.response.c.sealed_body, t.response.c.sealed_results, t.response.c.id, t.response.c.body_digest
        ),
        sa.select(t.launch.c.sealed_context, t.launch.c.id).where(t.launch.c.patient == AMARA),
        sa.select(t.invitation.c.id, t.invitation.c.secret),
        sa.select(t.rescoring.c.sealed_results, t.rescoring.c.id),
        sa.select(t.delivery.c.locations),
        sa.select(t.log_leaf.c.salt).where(t.log_leaf.c.kind.in_(("response", "attempt"))),
    ]
    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        values = [value for query in queries for row in connection.execute(query) for value in row if value]
    engine.dispose()
    return [each if isinstance(each, bytes) else str(each).encode() for each in values]


def stands_in(secret: bytes, file: bytes) -> bool:
    """Tell whether a piece of it stands there: long values are split over a file's pages."""
    pieces = (secret[:40], secret[len(secret) // 2 :][:40], secret[-40:])
    return any(len(piece) > 15 and piece in file for piece in pieces)


def test_without_being_certain_it_is_only_counted(kept: Kept, environment: dict[str, str]) -> None:
    done = erased(kept.folder, environment)
    assert done.returncode == 0
    assert "2 response" in done.stdout
    assert kept.run("UPDATE response SET site = site") == 2


def test_nothing_of_it_is_left_in_the_databases_file(kept: Kept, environment: dict[str, str]) -> None:
    secrets = secrets_of(kept)
    before = bytes_of(kept.folder)
    assert len(secrets) > 15
    assert all(stands_in(each, before) for each in secrets)
    assert erased(kept.folder, environment, "--with-trail", "--yes").returncode == 0
    kept.run("DELETE FROM sign_off", "DELETE FROM review", "VACUUM")  # these name responses by their ids
    kept.run("PRAGMA wal_checkpoint(TRUNCATE)")
    after = bytes_of(kept.folder)
    assert [each for each in secrets if stands_in(each, after)] == []
    assert AMARA.encode() not in after


def test_without_the_trail_only_entries_name_the_patient(kept: Kept, environment: dict[str, str]) -> None:
    responses = secrets_of(kept)[:2]  # sealed answers and results
    assert erased(kept.folder, environment, "--yes").returncode == 0
    after = bytes_of(kept.folder)
    assert [each for each in responses if stands_in(each, after)] == []
    kept.run("DELETE FROM audit", "VACUUM")
    kept.run("PRAGMA wal_checkpoint(TRUNCATE)")
    assert AMARA.encode() not in bytes_of(kept.folder)


def test_every_table_that_names_a_patient_or_a_response_is_emptied(
    kept: Kept, environment: dict[str, str]
) -> None:
    assert erased(kept.folder, environment, "--with-trail", "--yes").returncode == 0
    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        for table in t.metadata.sorted_tables:
            if "patient" in table.columns:
                named = sa.select(sa.func.count()).where(table.c.patient == AMARA)
                assert connection.execute(named).scalar() == 0, table.name
            if "response" in table.columns and table is not t.sign_off:  # what auditors said stays
                known = sa.exists().where(t.response.c.id == table.c.response)
                orphans = sa.and_(table.c.response.is_not(None), ~known)
                counted = sa.select(sa.func.count()).select_from(table).where(orphans)
                assert connection.execute(counted).scalar() == 0, table.name
    engine.dispose()


@pytest.mark.parametrize("more", [(), ("--with-trail",)])
def test_the_log_stays_whole_and_verify_says_that_something_was_erased(
    kept: Kept, environment: dict[str, str], more: tuple[str, ...]
) -> None:
    outside = (kept.tiles / "checkpoint").read_bytes()
    assert erased(kept.folder, environment, "--yes", *more).returncode == 0
    assert kept.verify(outside) == []
    done = run("verify", "--config", str(kept.folder / "rapport.toml"), environment=environment)
    assert done.returncode == 0, done.stdout
    assert "of them erased: nothing was altered" in done.stdout


def test_that_it_was_erased_by_whom_and_why_is_in_the_trail(kept: Kept, environment: dict[str, str]) -> None:
    erased(kept.folder, environment, "--yes")
    *_, entry = trail_of(kept, "patient-erased")
    assert entry["purposeOfEvent"][0]["text"] == "Decision 12 of the privacy officer"
    assert "at the command line" in json.dumps(entry["agent"])
    assert entry["meta"]["profile"][0].endswith("IHE.BasicAudit.PatientDelete")
    assert any(each["what"].get("reference") == AMARA for each in entry["entity"])


def test_an_entry_about_an_erasure_with_the_trail_names_nobody(
    kept: Kept, environment: dict[str, str]
) -> None:
    erased(kept.folder, environment, "--yes", "--with-trail")
    *_, entry = trail_of(kept, "patient-erased")
    assert AMARA not in json.dumps(entry)
    assert entry["meta"]["profile"][0].endswith("IHE.BasicAudit.Delete")


@pytest.mark.parametrize(
    ("statement", "flaws"),
    [
        ("DELETE FROM erasure WHERE decided_by != 'somebody'", {Flaw.DELETED, Flaw.TRAIL}),
        ("UPDATE erasure SET places = '[]' WHERE decided_by != 'somebody'", {Flaw.ALTERED, Flaw.DELETED}),
        ("UPDATE erasure SET why = 'other' WHERE decided_by != 'somebody'", {Flaw.ALTERED}),
        (
            "INSERT INTO erasure SELECT 'x', site, subject, decided, decided_by, why, with_trail, counts, '[0]' FROM erasure WHERE decided_by = 'somebody'",
            {Flaw.NOT_LOGGED, Flaw.TRAIL},
        ),
    ],
)
def test_an_erasure_that_was_altered_removed_or_invented_is_named(
    kept: Kept, environment: dict[str, str], statement: str, flaws: set[Flaw]
) -> None:
    erased(kept.folder, environment, "--yes")
    assert (
        run("verify", "--config", str(kept.folder / "rapport.toml"), environment=environment).returncode == 0
    )
    import asyncio

    from tests.audit.conftest import advance

    asyncio.run(advance(kept.folder))
    assert kept.run(statement) == 1
    assert {each.flaw for each in kept.verify()} == flaws


def test_an_export_of_afterwards_verifies(kept: Kept, environment: dict[str, str], tmp_path: Path) -> None:
    erased(kept.folder, environment, "--yes")
    assert export(kept, environment, tmp_path / "out").returncode == 0
    status, told = verify_export(tmp_path / "out")
    assert (status, told["findings"]) == (0, [])


def test_a_patient_of_whom_nothing_is_kept_is_told(kept: Kept, environment: dict[str, str]) -> None:
    assert erased(kept.folder, environment, "--yes").returncode == 0
    again = erased(kept.folder, environment, "--yes")
    assert again.returncode == 1
    assert "Nothing is kept of Patient/1001" in again.error


def test_what_the_ehr_still_has_is_told_and_no_flaw(kept: Kept) -> None:
    with opened(kept) as chart:
        assert erased(kept.folder, chart.environment, "--yes").returncode == 0
        done = chart.verify("--json")
    said = json.loads(done.stdout)
    assert said["findings"] == []
    assert any("everything was erased here" in each for each in said["ehr"]["not_looked_at"])


async def test_the_patients_page_says_that_it_was_erased(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await settled(world, await send_form(world))
        ledger = world.rapport.state.rapport.ledger
        await ledger.bookkeep(
            lambda c: erase(
                c,
                ledger.vault,
                Decision("sandbox", AMARA, "somebody", "Decision 12"),
                new_id(),
                world.clock(),
            )
        )
        world.browser = world.new_browser()
        page = await world.launch("amara")
        assert "was erased on 2 Mar 2026: Decision 12" in page.text
        again = await sent(world)  # life goes on
        await settled(world, again)
        other = await world.launch("wei-ling")
        assert "was erased" not in other.text
