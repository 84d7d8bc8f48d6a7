"""Each kind of flaw, made in a ledger by somebody who can seal values too: `verify` gives it its name."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from plugin.audit import Actor, Kind, Trail
from plugin.audit.log import TransparencyLog
from plugin.commands.findings import shown
from plugin.ledger import Ledger, Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.transparency import LogSigner, Tiles
from plugin.verify import MEANING, Finding, Flaw, Progress, Verifier
from tests.audit.conftest import Json, Kept, stock
from tests.audit.test_exports import run
from tests.product.world import rapport_settings

CHILD = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child"


def put(*path: str | int, value: Any = None) -> Callable[[Json], None]:
    """Set what stands at a path; remove it if there is no value."""

    def do(resource: Json) -> None:
        place: Any = resource
        for each in path[:-1]:
            place = place[each]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return do


def twice(results: Json) -> None:
    results["scores"][1] = results["scores"][0]


def fewer(results: Json) -> None:
    results["scores"].pop()


FORGED: list[tuple[str, dict[str, Callable[[Json], None]], Flaw]] = [
    ("value", {"total": put("valueQuantity", "value", value=13)}, Flaw.MISMATCH),
    ("unit", {"total": put("valueQuantity", "code", value="%")}, Flaw.MISMATCH),
    ("status", {"total": put("status", value="amended")}, Flaw.MISMATCH),
    ("members", {"panel": put("hasMember", value=[])}, Flaw.MISMATCH),
    ("fewer", {"stored": fewer}, Flaw.MISMATCH),
    ("no-value", {"total": put("valueQuantity")}, Flaw.MISSING_VALUE),
    ("beyond", {"total": put("valueQuantity", "value", value=130)}, Flaw.OUT_OF_RANGE),
    ("below", {"total": put("valueQuantity", "value", value=-1)}, Flaw.OUT_OF_RANGE),
    ("newer-answers", {"total": put("effectiveDateTime", value="2026-01-01T00:00:00+00:00")}, Flaw.STALE),
    (
        "older-answers",
        {"total": put("effectiveDateTime", value="2126-01-01T00:00:00+00:00")},
        Flaw.WRONG_DATE,
    ),
    ("no-date", {"total": put("effectiveDateTime")}, Flaw.WRONG_DATE),
    ("code", {"total": put("code", "coding", 0, "code", value="x")}, Flaw.WRONG_CODE),
    ("subject", {"total": put("subject", "reference", value="Patient/2")}, Flaw.WRONG_SUBJECT),
    ("performer", {"panel": put("performer", value=[{"reference": "Patient/2"}])}, Flaw.WRONG_RATER),
    ("twice", {"stored": twice}, Flaw.DUPLICATE),
    ("answers-version", {"body": put("questionnaire", value=f"{CHILD}|0.0.0")}, Flaw.WRONG_VERSION),
    ("answers-subject", {"body": put("subject", "reference", value="Patient/2")}, Flaw.WRONG_SUBJECT),
    ("answers-source", {"body": put("source", "reference", value="Patient/2")}, Flaw.WRONG_RATER),
    ("answers-newer", {"body": put("authored", value="2126-01-01T00:00:00+00:00")}, Flaw.STALE),
    ("no-answers", {"body": put("resourceType", value="Patient")}, Flaw.ALTERED),
    ("provenance-target", {"provenance": put("target", value=[])}, Flaw.PROVENANCE),
    ("provenance-time", {"provenance": put("recorded", value="2026-01-01T00:00:00Z")}, Flaw.PROVENANCE),
    (
        "provenance-author",
        {"provenance": put("agent", 0, "who", value={"reference": "Patient/2"})},
        Flaw.PROVENANCE,
    ),
    (
        "provenance-software",
        {"provenance": put("agent", 1, "who", "identifier", "value", value="software/other/1")},
        Flaw.PROVENANCE,
    ),
    ("provenance-gone", {"provenance": put("agent")}, Flaw.PROVENANCE),
    (
        "provenance-version",
        {"provenance": put("entity", 1, "what", "identifier", "value", value=f"{CHILD}|0.0.0")},
        Flaw.WRONG_VERSION,
    ),
    ("panel-unnamed", {"panel": put("identifier")}, Flaw.ALTERED),
    ("panel-of-a-kind", {"stored": put("panel", value="[1]")}, Flaw.ALTERED),
    ("panel-of-no-kind", {"stored": put("panel", value="[" * 100_000)}, Flaw.ALTERED),
    ("total-coded-oddly", {"total": put("code", value=["x"])}, Flaw.ALTERED),
    ("total-valued-oddly", {"total": put("valueQuantity", value=["x"])}, Flaw.ALTERED),
    ("provenance-of-no-kind", {"stored": put("provenance", value="[" * 100_000)}, Flaw.PROVENANCE),
]


@pytest.mark.parametrize(("changes", "flaw"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED])
def test_what_was_forged_with_the_vaults_key_has_its_name(
    kept: Kept, changes: dict[str, Callable[[Json], None]], flaw: Flaw
) -> None:
    known = kept.reseal(**changes)
    named = {each.flaw for each in kept.verify() if each.where.startswith(f"response {known}")}
    assert {flaw, Flaw.ALTERED} <= named


COLUMNS = [
    ("UPDATE response SET rater = 'therapist'", Flaw.WRONG_RATER),
    ("UPDATE response SET source = NULL", Flaw.WRONG_RATER),
    ("UPDATE response SET key_hash = 'sha256:0'", Flaw.WRONG_KEY),
    ("UPDATE response SET key_hash = 'sha256:0'", Flaw.WRONG_VERSION),
    ("UPDATE response SET instrument = 'https://a.invalid/q|1'", Flaw.NOT_VERIFIABLE),
    ("UPDATE response SET software = '0.0.0'", Flaw.PROVENANCE),
    ("UPDATE response SET authored = authored - 86400000000", Flaw.WRONG_DATE),
    ("UPDATE response SET encounter = 'Encounter/none'", Flaw.MISMATCH),
    ("UPDATE response SET invitation = 'the same'", Flaw.DUPLICATE),
    ("UPDATE delivery SET state = 'discarded', delivered = NULL", Flaw.TRAIL),
    ("UPDATE delivery SET state = 'held', delivered = NULL, attempts = 9", Flaw.STATE),
    ("UPDATE delivery SET state = 'of no kind'", Flaw.STATE),
    ("DELETE FROM audit WHERE kind = 'response-received'", Flaw.TRAIL),
    ("DELETE FROM audit WHERE kind = 'delivery'", Flaw.TRAIL),
    ("DELETE FROM audit WHERE kind = 'norm-adopted'", Flaw.TRAIL),
    ("DELETE FROM norm", Flaw.TRAIL),
    ("DELETE FROM response", Flaw.ORPHAN),
    ("UPDATE log_leaf SET salt = NULL, erased = 1 WHERE kind = 'response'", Flaw.LOG),
]


@pytest.mark.parametrize(("statement", "flaw"), COLUMNS)
def test_what_was_changed_in_the_tables_has_its_name(kept: Kept, statement: str, flaw: Flaw) -> None:
    assert kept.run(statement) >= 1
    assert flaw in {each.flaw for each in kept.verify()}


def test_a_row_that_was_removed_with_its_salt_is_not_taken_for_erased(kept: Kept) -> None:
    kept.run(
        "UPDATE log_leaf SET salt = NULL, erased = 1 WHERE kind = 'norm'",
        "DELETE FROM norm",
    )
    assert (Flaw.DELETED, "norm") in {(each.flaw, each.where.split()[0]) for each in kept.verify()}


def test_an_entry_in_the_log_twice_is_a_duplicate(kept: Kept) -> None:
    kept.run("INSERT INTO log_leaf SELECT place + 1000, kind, row, salt, entry, erased FROM log_leaf LIMIT 1")
    assert Flaw.DUPLICATE in {each.flaw for each in kept.verify()}


def verifier_of(kept: Kept) -> Verifier:
    settings = rapport_settings(kept.folder)
    key = LogSigner(settings.log_name, settings.log_key).verifier
    return Verifier(*stock(), Vault(settings.vault_keys), Tiles(settings.log_folder), key)


def verify(kept: Kept, progress: Progress) -> list[Finding]:
    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        found = list(verifier_of(kept).verify(connection, progress))
    engine.dispose()
    return found


def test_progress_ends_when_all_has_been_looked_at(kept: Kept) -> None:
    progress = Progress()
    verify(kept, progress)
    assert progress.done == progress.total > 0


def test_the_bar_tells_how_far_it_is(kept: Kept) -> None:
    screen, progress = StringIO(), Progress()
    console = Console(file=screen, force_terminal=True, width=100)
    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        findings = verifier_of(kept).verify(connection, progress)
        assert list(shown(findings, progress, quiet=False, console=console)) == []
    engine.dispose()
    assert "2 responses" in screen.getvalue()
    assert "100%" in screen.getvalue()


def test_what_is_logged_while_verifying_is_not_taken_for_a_flaw(kept: Kept) -> None:
    settings = rapport_settings(kept.folder)

    async def go_on() -> None:
        ledger = Ledger(settings.database, Vault(settings.vault_keys))
        entry = Trail("https://rapport.invalid", lambda: datetime.now(UTC)).entry(
            Kind.PATIENT_VIEWED, Actor("Practitioner/1"), patient="Patient/1001"
        )
        await ledger.record(entry)
        signer = LogSigner(settings.log_name, settings.log_key)
        await TransparencyLog(settings.log_folder, signer, ledger).advance()
        ledger.close()

    progress = Progress()
    times: list[int] = []

    def told() -> None:
        if not times:
            asyncio.run(go_on())
        times.append(1)

    progress.told = told
    before = leaves_of(kept)
    assert verify(kept, progress) == []
    assert leaves_of(kept) == before + 1


def leaves_of(kept: Kept) -> int:
    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        found = connection.execute(sa.select(sa.func.count()).select_from(t.log_leaf)).scalar_one()
    engine.dispose()
    return int(found)


def test_a_delivery_names_the_addresses_in_its_entry_of_the_trail(kept: Kept) -> None:
    settings = rapport_settings(kept.folder)
    vault, engine = Vault(settings.vault_keys), open_database(settings.database)
    with engine.connect() as connection:
        row = connection.execute(sa.select(t.audit).where(t.audit.c.kind == "delivery")).first()
        assert row is not None
        entry = json.loads(vault.open("audit", row.event, row.sealed_resource))
        response = entry["entity"][0]["what"]["reference"].removeprefix("QuestionnaireResponse/")
        stored = connection.execute(
            sa.select(t.delivery.c.locations).where(t.delivery.c.response == response)
        ).scalar_one()
    engine.dispose()
    named = [each["what"]["reference"] for each in entry["entity"][1:-2]]
    assert named == stored.split()


def test_every_kind_of_flaw_says_what_it_means_and_stands_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "audit.md").read_text(encoding="utf-8")
    assert set(MEANING) == set(Flaw)
    assert [each for each in Flaw if f"`{each}`" not in page] == []


def test_the_report_names_the_checkpoint_and_survives_one_that_was_emptied(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    page, config = tmp_path / "report.html", ("--config", str(kept.folder / "rapport.toml"))
    assert run("verify", *config, "--html", str(page), environment=environment).returncode == 0
    assert "entries, root" in page.read_text(encoding="utf-8")
    (kept.tiles / "checkpoint").write_bytes(b"")
    assert run("verify", *config, "--html", str(page), environment=environment).returncode == 1
    assert "Rows, tiles and signed checkpoint of the transparency log do not fit." in page.read_text(
        encoding="utf-8"
    )
