"""The whole path against every kind of EHR: what ends in its record, and what stays in Rapport's ledger alone."""

import asyncio
import base64
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from plugin.delivery.account import Account, read_account
from plugin.delivery.outbox import FINAL, DeliveryState
from plugin.delivery.pdf import can_render
from plugin.ledger import tables as t
from plugin.writing import DEFAULT_WRITING, DocumentForm, DocumentFormat, FlowsheetRow, WriterKind, Writing
from sandbox_ehr.personalities import personality_ids
from tests.product.forms import ANSWERS
from tests.product.world import EHR, World, run_world

ROW = "urn:x-sandbox:flowsheet-row"
ROWS = (
    FlowsheetRow("rapport-checkin-child-total", ROW, "4711"),
    FlowsheetRow("rapport-checkin-child-bond", ROW, "4712"),
)
FLOWSHEET = Writing(rows=ROWS, practitioner_performs=True, document=DocumentForm())


@dataclass(frozen=True)
class Expected:
    """What a site's record holds in the end, the state of the delivery, and what it says was left out."""

    record: dict[str, int]
    state: DeliveryState
    left_out: tuple[str, ...]


DELIVERED, REFUSED = DeliveryState.DELIVERED, DeliveryState.REFUSED
# Nine resources and a document are to be written: the response, the panel, four scores, the Provenance.
TABLE: dict[tuple[str, Writing], Expected] = {
    ("full", DEFAULT_WRITING): Expected(
        {"QuestionnaireResponse": 1, "Observation": 5, "Provenance": 1}, DELIVERED, ()
    ),
    ("epic", FLOWSHEET): Expected(
        {"Observation": 2, "DocumentReference": 1},
        DELIVERED,
        ("Response and Observations: The EHR refused it (HTTP 400: business-rule 59159",),
    ),
    ("oracle", FLOWSHEET): Expected(
        {"Observation": 2, "DocumentReference": 1},
        DELIVERED,
        ("Response and Observations: The EHR refused it (HTTP 422", "QuestionnaireResponse: the EHR does not"),
    ),
    ("athena", DEFAULT_WRITING): Expected(
        {"QuestionnaireResponse": 1}, DELIVERED, ("Observation", "Provenance")
    ),
    ("meditech", DEFAULT_WRITING): Expected(
        {"QuestionnaireResponse": 1}, DELIVERED, ("Observation", "Provenance")
    ),
    ("eclinicalworks", DEFAULT_WRITING): Expected({}, REFUSED, ("HTTP 422",)),
    ("veradigm", DEFAULT_WRITING): Expected(
        {"QuestionnaireResponse": 1, "Observation": 5}, DELIVERED, ("Provenance",)
    ),
    ("read-only", DEFAULT_WRITING): Expected({}, REFUSED, ("stays readable in Rapport",)),
    ("epic", DEFAULT_WRITING): Expected({}, REFUSED, ("59159",)),
}  # fmt: skip


def test_the_table_covers_every_personality() -> None:
    assert {personality for personality, _ in TABLE} == set(personality_ids())


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md"
KINDS = ("QuestionnaireResponse", "Observation", "Provenance", "DocumentReference")


def documented() -> str:
    """Word the table as the page shows it: one line a personality and configuration."""
    heads = ["personality", "site", *KINDS, "delivery"]
    lines = [heads, ["---"] * len(heads)]
    for (personality, writing), expected in TABLE.items():
        site = "rows and a document" if writing is FLOWSHEET else "as it comes"
        many = [str(expected.record.get(kind, "–")) for kind in KINDS]
        lines.append([f"`{personality}`", site, *many, str(expected.state)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def test_the_page_shows_this_table() -> None:
    assert documented() in PAGE.read_text(encoding="utf-8"), documented()


class Watch:
    """What has come into the record since, past whatever the EHR lets anyone search."""

    def __init__(self, world: World) -> None:
        self._store = world.ehr.state.store
        self._before = self._references()

    def _references(self) -> list[tuple[str, str]]:
        with self._store.database.transaction() as connection:
            return [tuple(row) for row in connection.execute("SELECT type, id FROM current ORDER BY seq")]

    def new(self) -> list[dict[str, Any]]:
        known = set(self._before)
        return [self._store.read(*each).read() for each in self._references() if each not in known]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.new() if each["resourceType"] == kind]

    def counts(self) -> dict[str, int]:
        return dict(Counter(each["resourceType"] for each in self.new()))


async def send_form(world: World, *, encounter: bool = True) -> str:
    """Launch, hand over, answer, send; gives the id of the response."""
    more: dict[str, Any] = {"encounter": "1001-20260302"} if encounter else {}
    page = await world.launch("amara", **more)
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    sent = await world.fill(secret, ANSWERS)
    assert sent.status_code == 200, sent.text
    ledger = world.rapport.state.rapport.ledger
    return str(await ledger.read(lambda c: c.execute(newest()).scalar_one()))


def newest() -> sa.Select[tuple[str]]:
    return sa.select(t.response.c.id).order_by(t.response.c.received.desc()).limit(1)


async def settled(world: World, response: str, *, tries: int = 500) -> Account:
    """Wait until nothing more happens to a delivery."""
    ledger = world.rapport.state.rapport.ledger
    for _ in range(tries):
        account: Account = await ledger.read(lambda c: read_account(c, ledger.vault, response))
        if account.state in FINAL:
            return account
        world.clock.pass_time(seconds=1)  # pauses between attempts pass quickly
        world.rapport.state.rapport.worker.wake()
        await asyncio.sleep(0.02)
    raise AssertionError(f"the delivery is {account.state}: {account.detail}")


@pytest.mark.parametrize(
    ("site", "expected"), TABLE.items(), ids=lambda each: each[0] if isinstance(each, tuple) else ""
)
async def test_what_ends_in_the_record_and_what_stays_in_the_ledger(
    tmp_path: Path, site: tuple[str, Writing], expected: Expected
) -> None:
    personality, writing = site
    async with run_world(tmp_path, personality=personality, writing=writing) as world:
        watch = Watch(world)
        account = await settled(world, await send_form(world))
        assert watch.counts() == expected.record
        assert account.state is expected.state
        assert len(account.locations) == sum(expected.record.values())
        assert all(each in account.detail for each in expected.left_out), account.detail
        # Whatever the EHR took: the ledger has all of it.
        assert len(account.record.results.scores) == 4
        assert b'"QuestionnaireResponse"' in account.record.body


async def fault(world: World, kind: str, **more: Any) -> None:
    answer = await world.browser.post(f"{EHR}/sandbox/faults", json={"kind": kind, "method": "POST", **more})
    assert answer.status_code == 201, answer.text


FAULTS = ("failed-after-commit", "failed", "throttled", "unavailable", "token-expired")


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("personality", ["full", "meditech", "veradigm"])
async def test_a_disturbed_write_ends_in_the_record_once(tmp_path: Path, personality: str, kind: str) -> None:
    expected = TABLE[personality, DEFAULT_WRITING].record
    async with run_world(tmp_path, personality=personality) as world:
        watch = Watch(world)
        await fault(world, kind, count=1)
        account = await settled(world, await send_form(world))
        assert account.state is DELIVERED, account.detail
        counts = watch.counts()
        # A Provenance cannot be found again: it is written by an undisturbed first attempt only.
        assert {**counts, "Provenance": 0} == {**expected, "Provenance": 0}


@pytest.mark.parametrize("personality", ["epic", "oracle"])
async def test_readings_and_documents_are_found_again_where_identifiers_are_not(
    tmp_path: Path, personality: str
) -> None:
    async with run_world(tmp_path, personality=personality, writing=FLOWSHEET) as world:
        watch = Watch(world)
        await fault(world, "failed-after-commit", path="/r4/Observation", count=1)
        await fault(world, "failed-after-commit", path="/r4/DocumentReference", count=1)
        account = await settled(world, await send_form(world))
        assert account.state is DELIVERED, account.detail
        assert watch.counts() == {"Observation": 2, "DocumentReference": 1}


async def test_a_reading_is_the_score_under_the_sites_own_code(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="oracle", writing=FLOWSHEET) as world:
        watch = Watch(world)
        await settled(world, await send_form(world))
        people = await world.people()
        total = next(each for each in watch.of("Observation") if each["code"]["coding"][0]["code"] == "4711")
        assert total["code"]["coding"] == [{"system": ROW, "code": "4711"}]
        assert total["valueQuantity"] == {"value": 14}
        assert total["performer"] == [{"reference": f"Practitioner/{people['practitioner']}"}]
        assert total["encounter"] == {"reference": "Encounter/1001-20260302"}


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
async def test_the_document_tells_the_scores_and_no_answer(tmp_path: Path) -> None:
    writing = Writing(document=DocumentForm((DocumentFormat.TEXT, DocumentFormat.PDF)))
    async with run_world(tmp_path, personality="veradigm", writing=writing) as world:
        watch = Watch(world)
        await settled(world, await send_form(world))
        (document,) = watch.of("DocumentReference")
        text, pdf = (base64.b64decode(each["attachment"]["data"]) for each in document["content"])
        assert re.search(r"^Total +14 +\(possible 0 to 24\)$", text.decode(), re.MULTILINE), text.decode()
        assert "Not validated" in text.decode()
        assert not any(f"{answer}" in text.decode() for answer in ANSWERS.values())
        assert pdf.startswith(b"%PDF-")
        assert document["meta"]["tag"][0]["code"] == "patient-supplied"
        labels = [each["code"] for each in document["meta"]["security"]]
        assert labels == ["raters-apart", "score-not-for-respondent"]


async def test_a_server_that_changes_gets_what_it_still_takes_and_is_asked_again(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await settled(world, await send_form(world))
        await fault(world, "capability", personality="athena")
        for minutes, said in ((5, "Observation: The EHR refused it"), (60, "the EHR does not declare")):
            world.clock.pass_time(minutes=minutes)
            watch = Watch(world)
            world.browser = world.new_browser()
            account = await settled(world, await send_form(world))
            assert (account.state, watch.counts()) == (DELIVERED, {"QuestionnaireResponse": 1})
            assert said in account.detail


async def test_a_transaction_that_is_refused_is_written_one_by_one(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        watch = Watch(world)
        await fault(world, "forbidden", path="/r4")  # the base takes no Bundle; each type does
        account = await settled(world, await send_form(world))
        assert account.state is DELIVERED, account.detail
        assert watch.counts() == {"QuestionnaireResponse": 1, "Observation": 5, "Provenance": 1}


async def test_what_was_written_in_part_is_completed(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        watch = Watch(world)
        await fault(world, "forbidden", path="/r4", count=1)
        await fault(world, "failed-after-commit", path="/r4/Observation", count=1)
        account = await settled(world, await send_form(world))
        assert account.state is DELIVERED, account.detail
        assert {**watch.counts(), "Provenance": 0} == {
            "QuestionnaireResponse": 1,
            "Observation": 5,
            "Provenance": 0,
        }


async def test_a_reading_without_an_encounter_is_refused_with_what_helps(tmp_path: Path) -> None:
    writing = Writing(writers=(WriterKind.FLOWSHEET,), rows=FLOWSHEET.rows)
    async with run_world(tmp_path, personality="epic", writing=writing) as world:
        account = await settled(world, await send_form(world, encounter=False))
        assert account.state is REFUSED
        assert "at Observation.encounter.reference" in account.detail
        assert "open it from within an encounter" in account.detail


@pytest.mark.parametrize("document", [None, DocumentForm()])
async def test_a_form_without_rows_is_not_called_delivered_for_nothing(
    tmp_path: Path, document: DocumentForm | None
) -> None:
    kinds = (WriterKind.FLOWSHEET, WriterKind.DOCUMENT) if document else (WriterKind.FLOWSHEET,)
    other = (FlowsheetRow("rapport-checkin-therapist-total", ROW, "4711"),)
    writing = Writing(writers=kinds, rows=other, document=document)
    async with run_world(tmp_path, personality="epic", writing=writing) as world:
        account = await settled(world, await send_form(world))
        assert account.state is (DELIVERED if document else REFUSED)
        assert "No score of this form has a row at this site" in account.detail
