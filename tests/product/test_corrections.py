"""A response that is amended or was entered in error, in records that hold it as rows, as a document, or elsewhere."""

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.ledger import tables as t
from plugin.writing import DEFAULT_WRITING, Writing
from tests.audit.conftest import configure
from tests.audit.test_commands import rapport
from tests.product.collecting import (
    audited,
    collecting_world,
    found,
    look,
    rows,
    someones_answers,
    started,
)
from tests.product.forms import ANSWERS, question
from tests.product.test_caseload import FIRST, OF_BOTH, answer, caseload, needs
from tests.product.test_cds_hooks import CLIENT, cards, chart
from tests.product.test_companion import ALONE, BESIDE, two_servers
from tests.product.test_kept import unlock
from tests.product.test_later_versions import CORRECTING, mark, submitted
from tests.product.test_personalities import FLOWSHEET, ROW, Watch, send_form
from tests.product.test_respondents import ASKING, hand_to_child
from tests.product.test_respondents import send as send_shared
from tests.product.world import EHR, World, run_world

OWN = {"system": "urn:x-app", "value": "17"}
BETTER = [question(name, "completely") for name in ANSWERS]
WITHOUT_BOND = [question(name, "completely") for name in ANSWERS if not name.startswith("bond")]


async def settled(world: World, state: str = "delivered") -> Any:
    """Wait until the one delivery rests in a state, in its latest version; pauses pass quickly."""
    row: Any = None
    for _ in range(500):
        (row,) = await rows(world, t.delivery)
        if row.state == state and row.owner is None:
            return row
        world.clock.pass_time(seconds=1)
        world.rapport.state.rapport.worker.wake()
        await asyncio.sleep(0.02)
    raise AssertionError(f"{row.state}: {row.detail}")


async def answered(world: World, **changes: Any) -> str:
    """Send one person's answers, or a later version of them; gives Rapport's id."""
    people = await world.people()
    first = await someones_answers(
        world,
        identifier=OWN,
        encounter={"reference": "Encounter/1001-20260302"},
        author={"reference": f"Practitioner/{people['practitioner']}"},
    )
    saved = await submitted(world, {**first, **changes})
    return saved.headers["location"].rpartition("/")[2]


async def amend(world: World, **changes: Any) -> str:
    return await answered(world, status="amended", **{"item": BETTER, **changes})


def readings(watch: Watch) -> dict[str, dict[str, Any]]:
    """The rows of the flowsheet, each of which there is one."""
    found = [each for each in watch.of("Observation") if each["code"]["coding"][0]["system"] == ROW]
    by_row = {each["code"]["coding"][0]["code"]: each for each in found}
    assert len(by_row) == len(found), "a second set"
    return by_row


def text_of(document: dict[str, Any]) -> str:
    return base64.b64decode(document["content"][0]["attachment"]["data"]).decode()


@pytest.mark.parametrize("personality", ["full", "epic"])
@pytest.mark.parametrize("later", ["2026-03-02T09:00:00+00:00", "2026-03-04T10:30:00+00:00"])
async def test_rows_of_an_amended_response_are_changed_where_they_stand(
    tmp_path: Path, personality: str, later: str
) -> None:
    async with run_world(
        tmp_path, personality=personality, writing=FLOWSHEET, more_scopes=CORRECTING
    ) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        before = {row: each["id"] for row, each in readings(watch).items()}
        await amend(world, authored=later)
        await settled(world)
        after = readings(watch)
        assert {row: each["id"] for row, each in after.items()} == before
        assert {row: each["valueQuantity"]["value"] for row, each in after.items()} == {"4711": 24, "4712": 8}
        # Where no status but `final` is taken for a reading, the right value stands there all the same.
        assert {each["status"] for each in after.values()} == {
            "final" if personality == "epic" else "amended"
        }
        assert {each["effectiveDateTime"] for each in after.values()} == {later}


async def test_a_row_whose_score_has_no_value_any_more_is_entered_in_error(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        await amend(world, item=WITHOUT_BOND)
        await settled(world)
        assert {row: each["status"] for row, each in readings(watch).items()} == {
            "4711": "entered-in-error",
            "4712": "entered-in-error",
        }


@pytest.mark.parametrize("personality", ["full", "epic", "veradigm"])
async def test_the_document_of_an_amended_response_is_changed_where_it_stands(
    tmp_path: Path, personality: str
) -> None:
    async with run_world(
        tmp_path, personality=personality, writing=FLOWSHEET, more_scopes=CORRECTING
    ) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        await amend(world)
        await settled(world)
        (document,) = watch.of("DocumentReference")
        assert document["docStatus"] == ("amended" if personality in {"full", "veradigm"} else "final")
        assert "24" in text_of(document)


async def test_a_document_that_cannot_be_changed_is_replaced(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        await forbid(world, "PUT", "/r4/DocumentReference/*")
        await amend(world)
        row = await settled(world)
        old, new = watch.of("DocumentReference")
        assert new["relatesTo"] == [
            {"code": "replaces", "target": {"reference": f"DocumentReference/{old['id']}"}}
        ]
        assert "24" in text_of(new)
        assert f"DocumentReference/{old['id']} could not be changed" in row.detail
        assert {f"DocumentReference/{each['id']}" for each in (old, new)} <= set(row.locations.split())


async def test_one_that_replaced_another_is_itself_amended_and_both_are_withdrawn(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        response = await answered(world)
        await settled(world)
        await forbid(world, "PUT", "/r4/DocumentReference/*", count=3)
        await amend(world)
        await settled(world)
        await world.browser.delete(f"{EHR}/sandbox/faults")
        await amend(world, item=WITHOUT_BOND)
        await settled(world)
        assert len(watch.of("DocumentReference")) == 2
        await mark(world, response)
        await settled(world)
        assert [each["status"] for each in watch.of("DocumentReference")] == ["entered-in-error"] * 2


async def test_replacing_a_document_whose_answer_is_lost_replaces_it_once(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        await forbid(world, "PUT", "/r4/DocumentReference/*", count=2)
        await forbid(world, "POST", "/r4/DocumentReference", kind="failed-after-commit", count=1)
        await amend(world)
        await settled(world)
        old, new = watch.of("DocumentReference")
        assert (old["status"], new["status"]) == ("superseded", "current")


@pytest.mark.parametrize("writing", [ALONE, BESIDE], ids=["alone", "beside"])
async def test_the_companion_has_the_amended_scores_where_the_first_stood(
    tmp_path: Path, writing: Writing
) -> None:
    async with two_servers(tmp_path, "athena", writing) as (world, companion):
        await answered(world)
        await settled(world)
        before = {each["id"] for each in companion.of("Observation")}
        await amend(world)
        await settled(world, "delivered" if writing is ALONE else "refused")
        after = companion.of("Observation")
        assert {each["id"] for each in after} == before
        assert {each["status"] for each in after} == {"amended"}
        assert [each["status"] for each in companion.of("QuestionnaireResponse")] == ["amended"]


async def test_the_companion_is_told_what_was_entered_in_error(tmp_path: Path) -> None:
    async with two_servers(tmp_path, "read-only", BESIDE) as (world, companion):
        response = await send_form(world)
        await settled(world)
        await unlock(world)
        await mark(world, response)
        await settled(world)
        kinds = ("QuestionnaireResponse", "Observation")
        assert {each["status"] for kind in kinds for each in companion.of(kind)} == {"entered-in-error"}
        assert companion.counts()["Observation"] == 5


@pytest.mark.parametrize("personality", ["full", "oracle"])
async def test_rows_and_document_are_told_what_was_entered_in_error(tmp_path: Path, personality: str) -> None:
    async with run_world(
        tmp_path, personality=personality, writing=FLOWSHEET, more_scopes=CORRECTING
    ) as world:
        watch = Watch(world)
        response = await send_form(world)
        await settled(world)
        counts = watch.counts()
        await unlock(world)
        await mark(world, response)
        await settled(world)
        assert {**watch.counts(), "Provenance": 0} == {**counts, "Provenance": 0}
        assert {each["status"] for each in readings(watch).values()} == {"entered-in-error"}
        (document,) = watch.of("DocumentReference")
        assert document["status"] == "entered-in-error"


async def forbid(world: World, method: str, path: str, kind: str = "forbidden", **more: Any) -> None:
    asked = {"kind": kind, "method": method, "path": path, **more}
    assert (await world.browser.post(f"{EHR}/sandbox/faults", json=asked)).status_code == 201


@pytest.mark.parametrize(
    ("personality", "writing", "left"),
    [("epic", FLOWSHEET, "Observation"), ("athena", DEFAULT_WRITING, "QuestionnaireResponse")],
    ids=["epic", "athena"],
)
async def test_an_ehr_that_refuses_a_correction_leaves_it_to_a_person(
    tmp_path: Path, personality: str, writing: Writing, left: str
) -> None:
    async with run_world(tmp_path, personality=personality, writing=writing, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        response = await answered(world)
        await settled(world)
        page = await mark(world, response)
        row = await settled(world, "refused")
        places = [f"{left}/{each['id']}" for each in watch.of(left)]
        assert places
        assert all(place in row.detail for place in places)
        page = await world.follow(page)
        assert "Entered in error" in page.text
        assert all(place in page.text for place in places)


async def test_a_refused_correction_is_tried_again_when_the_ehr_takes_it(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        response = await answered(world)
        await settled(world)
        counts = watch.counts()
        await forbid(world, "PUT", "/r4/*")
        await mark(world, response)
        await settled(world, "refused")
        await world.browser.delete(f"{EHR}/sandbox/faults")
        await retry(world, response)
        await settled(world)
        assert {**watch.counts(), "Provenance": 0} == {**counts, "Provenance": 0}
        kinds = ("QuestionnaireResponse", "Observation", "DocumentReference")
        assert {each["status"] for kind in kinds for each in watch.of(kind)} == {"entered-in-error"}


async def retry(world: World, response: str) -> None:
    """What `rapport deliveries retry` does."""
    from plugin.delivery.changes import retry as try_again

    ledger = world.rapport.state.rapport.ledger
    await ledger.bookkeep(lambda connection: try_again(connection, response, world.clock()))


async def test_what_an_ehr_never_took_is_not_called_refused_when_the_rest_is_amended(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="epic", writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        await answered(world)
        await settled(world)
        await amend(world)
        row = await settled(world)
        assert "59159" in row.detail


async def test_a_response_that_is_entered_in_error_counts_as_no_answer_of_the_session(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        response = await answered(world)
        await settled(world)
        assert "has answered" in (await world.launch()).text
        await mark(world, response)
        await settled(world)
        assert "has answered" not in (await world.launch()).text


def scores_in(page: httpx.Response, patient: str) -> list[str]:
    """The last scores in a patient's row."""
    row = page.text.partition(f'data-patient="{patient}"')[2].partition("</tr>")[0]
    return re.findall(r"\b(\d+)\b[^<]*\b24\b", re.sub(r"<svg.*?</svg>", "", row, flags=re.DOTALL))


async def test_the_supervisor_sees_the_latest_version_and_none_that_was_entered_in_error(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=CORRECTING) as world:
        response = await answer(world, "amara")
        world.browser = world.new_browser()  # the other is still with the child
        amara = (await world.people())["amara"]
        assert scores_in(await caseload(world), amara) == ["14"]
        await mark(world, response)
        await settled(world)
        page = await caseload(world)
        assert scores_in(page, amara) == []
        assert "undelivered" not in needs(page, amara)


async def test_whose_only_form_was_entered_in_error_is_not_waited_for(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=CORRECTING) as world:
        amara = (await world.people())["amara"]
        page = await world.launch("amara", practitioner=FIRST)
        secret = await world.hand_over(page, f"Practitioner/{FIRST}", "rapport-checkin-therapist", pin="")
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        (kept,) = await rows(world, t.response)
        world.clock.pass_time(days=7)
        await answer(world, "amara")
        world.browser = world.new_browser()
        assert needs(await caseload(world), amara) == ["overdue"]
        await mark(world, kept.id)
        assert "overdue" not in needs(await caseload(world), amara)


async def test_the_supervisor_sees_the_amended_score(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=CORRECTING) as world:
        await answer(world, "amara")
        people = await world.people()
        own = {"system": "urn:x-app", "value": "17"}
        first = await someones_answers(world, identifier=own)
        await submitted(world, first)
        await submitted(world, {**first, "status": "amended", "item": BETTER})
        assert "24" in scores_in(await caseload(world), people["amara"])


async def test_a_card_tells_of_a_correction_that_the_record_does_not_take(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="athena", cds=CLIENT, more_scopes=CORRECTING) as world:
        await chart(world)
        people = await world.people()
        response = await answered(world)
        await settled(world)
        assert await cards(world, people["amara"]) == []
        await mark(world, response)
        await settled(world, "refused")
        (card,) = await cards(world, people["amara"])
        assert card["summary"] == "Alliance: 1 correction was not taken into this record"


async def test_no_card_tells_of_one_that_was_entered_in_error_and_stands_nowhere(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", cds=CLIENT) as world:
        await chart(world)
        people = await world.people()
        response = await send_form(world)
        await settled(world, "refused")
        (card,) = await cards(world, people["amara"])
        assert "response was not taken" in card["summary"]
        await unlock(world)
        await mark(world, response)
        await settled(world, "discarded")
        assert await cards(world, people["amara"]) == []


def test_trace_tells_every_version_and_that_it_was_entered_in_error(tmp_path: Path) -> None:
    async def make() -> str:
        async with run_world(tmp_path, more_scopes=CORRECTING) as world:
            response = await answered(world)
            await settled(world)
            await amend(world)
            await settled(world)
            await mark(world, response, "the sister answered")
            await settled(world)
            return response

    response = asyncio.run(make())
    environment = configure(tmp_path)
    done = rapport(tmp_path, "trace", response, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["standing"].startswith("ENTERED IN ERROR")
    assert [each["kind"] for each in told["versions"]] == ["answered", "amended", "entered-in-error"]
    assert told["versions"][2]["why"] == "the sister answered"
    verified = rapport(tmp_path, "verify", "--json", environment=environment)
    assert "wrong" not in verified.stdout, verified.stdout


async def test_answers_that_were_not_shared_are_not_compared_with_the_record(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, respondents=ASKING) as world:
        await started(world)
        sent = await send_shared(world, await hand_to_child(world), share=False)
        assert sent.status_code == 200
        await settled(world)
        await look(world)
        await look(world)
        assert await found(world) == ()
        assert "response-amended" not in await audited(world)
