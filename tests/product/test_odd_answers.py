"""Answers of an EHR that no standard foresees, and changes that others make at the same time: nothing lost, nothing twice."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from plugin.delivery.states import DeliveryState
from plugin.delivery.worker import NEVER_TAKEN
from plugin.ledger import tables as t
from plugin.writing import DEFAULT_WRITING, Writing
from tests.product.collecting import rows
from tests.product.forms import ANSWERS, response_of
from tests.product.test_corrections import OWN, amend, answered, forbid, settled
from tests.product.test_kept import unlock
from tests.product.test_later_versions import CORRECTING, mark
from tests.product.test_personalities import FLOWSHEET, Watch, send_form
from tests.product.world import EHR, RAPPORT, World, run_world
from tests.security.test_attacks import rewrite

SCORES = "https://w3id.org/rapport-fhir/CodeSystem/score"
WHOLE = {"QuestionnaireResponse": 1, "Observation": 5, "Provenance": 1}


async def sure_of(world: World) -> None:
    await world.browser.delete(f"{EHR}/sandbox/faults")


@pytest.mark.parametrize("personality", ["full", "veradigm"])
@pytest.mark.parametrize("kind", ["login-page", "bare"])
async def test_an_answer_that_says_nothing_is_looked_into_before_it_is_sent_again(
    tmp_path: Path, kind: str, personality: str
) -> None:
    async with run_world(tmp_path, personality=personality) as world:
        watch = Watch(world)
        await forbid(world, "POST", "/r4*", kind=kind, count=2)
        await send_form(world)
        await settled(world)
        counts = watch.counts()
        assert {**counts, "Provenance": 1} == WHOLE
        assert DeliveryState.UNKNOWN in {each.state for each in await rows(world, t.attempt)}


async def test_a_write_that_is_sent_elsewhere_for_a_while_is_not_followed_and_sent_again(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path) as world:
        watch = Watch(world)
        await forbid(world, "POST", "/r4*", kind="redirected", count=2)
        await send_form(world)
        await settled(world)
        assert {**watch.counts(), "Provenance": 1} == WHOLE
        assert {f"https://{each.url.host}" for each in world.hosts.seen} == {EHR, RAPPORT}
        assert DeliveryState.UNKNOWN in {each.state for each in await rows(world, t.attempt)}


async def test_a_refusal_of_many_megabytes_is_a_refusal(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await forbid(world, "POST", "/r4*", kind="huge-outcome")
        await send_form(world)
        row = await settled(world, "refused")
        assert row.detail.startswith("QuestionnaireResponse: The EHR refused it (HTTP 422). ")
        assert len(row.detail) < 200


async def test_a_refusal_that_repeats_what_was_sent_is_told_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with run_world(tmp_path) as world:
        await forbid(world, "POST", "/r4*", kind="talkative-outcome")
        await send_form(world)
        row = await settled(world, "refused")
        assert row.detail == "The EHR refused it (HTTP 422: business-rule)."
        kept = [str(tuple(each)) for each in await rows(world, t.attempt)]
        heard = " ".join((*kept, *capsys.readouterr(), caplog.text))
        assert "sent {" not in heard
        assert "Bearer ey" not in heard


async def test_a_token_that_ends_between_two_writes_of_one_response_doubles_nothing(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="veradigm") as world:
        watch = Watch(world)
        await forbid(world, "POST", "/r4/Observation", kind="token-expired", count=1)
        await send_form(world)
        await settled(world)
        assert watch.counts() == {"QuestionnaireResponse": 1, "Observation": 5}


async def test_an_ehr_that_can_do_less_from_one_delivery_to_the_next_is_given_what_it_takes(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path) as world:
        watch = Watch(world)
        await send_form(world)
        await settled(world)
        changed = {"kind": "capability", "personality": "veradigm"}
        assert (await world.browser.post(f"{EHR}/sandbox/faults", json=changed)).status_code == 201
        await unlock(world)
        await send_form(world)
        for _ in range(500):
            if {each.state for each in await rows(world, t.delivery)} == {"delivered"}:
                break
            world.clock.pass_time(seconds=1)
            world.rapport.state.rapport.worker.wake()
            await asyncio.sleep(0.02)
        assert {**watch.counts(), "Provenance": 0} == {
            "QuestionnaireResponse": 2,
            "Observation": 10,
            "Provenance": 0,
        }


@pytest.mark.parametrize("days", [1, -1])
async def test_a_clock_that_is_wrong_by_a_day_doubles_nothing(tmp_path: Path, days: int) -> None:
    async with run_world(tmp_path) as world:
        watch = Watch(world)
        await forbid(world, "POST", "/r4*", kind="failed-after-commit", count=1)
        page = await world.launch("amara")
        people = await world.people()
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        skew = {"kind": "clock-skew", "seconds": days * 86_400}
        assert (await world.browser.post(f"{EHR}/sandbox/faults", json=skew)).status_code == 201
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        for _ in range(500):
            (row,) = await rows(world, t.delivery)
            if row.state in {"delivered", "held"}:
                break
            world.clock.pass_time(seconds=1)
            world.rapport.state.rapport.worker.wake()
            await asyncio.sleep(0.02)
        # A day ahead, the EHR takes neither the token nor the assertion that would bring another: that needs a launch.
        assert row.state == ("held" if days > 0 else "delivered"), row.detail
        await sure_of(world)
        await world.launch("amara")  # a token that was over by the EHR's clock is got anew
        await settled(world)
        assert watch.counts() == WHOLE


@pytest.mark.parametrize("kind", ["unavailable", "forbidden", "login-page"])
async def test_a_sign_in_that_cannot_be_renewed_does_not_keep_from_using_a_later_one(
    tmp_path: Path, kind: str
) -> None:
    async with run_world(tmp_path) as world:
        watch = Watch(world)
        away = {"kind": "unavailable", "method": "POST", "path": "/r4*"}
        fault = (await world.browser.post(f"{EHR}/sandbox/faults", json=away)).json()["id"]
        await send_form(world)
        await unlock(world)
        world.clock.pass_time(minutes=30)
        await world.launch("amara")
        await forbid(world, "POST", "/auth/token", kind=kind)
        world.clock.pass_time(minutes=45)  # the token of the first sign-in is over, that of the second lives
        assert (await world.browser.delete(f"{EHR}/sandbox/faults/{fault}")).is_success
        await settled(world)
        assert watch.counts() == WHOLE


async def others_change(world: World, watch: Watch, kind: str, **elements: Any) -> None:
    """Somebody else changes a resource of ours while our own change is on its way."""
    for _ in range(500):
        faults = (await world.browser.get(f"{EHR}/sandbox/faults")).json()
        listed = faults["faults"] if isinstance(faults, dict) else faults
        if any(each["hits"] for each in listed):
            break
        world.clock.pass_time(seconds=1)
        world.rapport.state.rapport.worker.wake()
        await asyncio.sleep(0.01)
    store = world.ehr.state.store
    stored = store.read(kind, watch.of(kind)[0]["id"])
    store.update({**stored.read(), **elements}, stored)


async def test_a_change_that_somebody_else_made_meanwhile_is_read_before_it_is_corrected(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, writing=FLOWSHEET, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        response = await answered(world)
        await settled(world)
        await forbid(world, "PUT", "/r4/DocumentReference/*", kind="latency", seconds=1.5, count=1)
        await mark(world, response)
        await others_change(world, watch, "DocumentReference", description="Read by the team")
        row = await settled(world)
        (document,) = watch.of("DocumentReference")
        assert (document["status"], document["description"]) == ("entered-in-error", "Read by the team")
        assert f"DocumentReference/{document['id']}: somebody changed it meanwhile" in row.detail


async def test_what_somebody_withdrew_meanwhile_is_not_brought_back(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=DEFAULT_WRITING, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await answered(world)
        await settled(world)
        await forbid(world, "PUT", "/r4/QuestionnaireResponse/*", kind="latency", seconds=1.5, count=1)
        await amend(world)
        await others_change(world, watch, "QuestionnaireResponse", status="entered-in-error")
        row = await settled(world, "refused")
        assert "Somebody marked it as entered in error meanwhile." in row.detail
        assert [each["status"] for each in watch.of("QuestionnaireResponse")] == ["entered-in-error"]


@pytest.mark.parametrize(
    ("personality", "writing"), [("read-only", DEFAULT_WRITING), ("eclinicalworks", DEFAULT_WRITING)]
)
async def test_what_the_ehr_never_took_needs_nobody_once_it_was_entered_in_error(
    tmp_path: Path, personality: str, writing: Writing
) -> None:
    async with run_world(tmp_path, personality=personality, writing=writing, more_scopes=CORRECTING) as world:
        response = await send_form(world)
        await settled(world, "refused")
        await unlock(world)
        await mark(world, response)
        row = await settled(world, "discarded")
        assert row.detail == NEVER_TAKEN


async def test_one_that_may_have_reached_the_record_is_looked_up_although_it_was_entered_in_error(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        await forbid(world, "POST", "/r4*", kind="failed-after-commit", count=1)
        await forbid(world, "GET", "/r4/QuestionnaireResponse*", kind="unavailable")
        response = await send_form(world)
        for _ in range(3000):
            if await rows(world, t.attempt):
                break
            await asyncio.sleep(0.02)
        await sure_of(world)
        await unlock(world)
        await mark(world, response)
        await settled(world)
        assert {each["status"] for each in watch.of("Observation")} == {"entered-in-error"}


async def test_two_of_the_same_identifier_are_both_withdrawn(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        watch = Watch(world)
        response = await answered(world)
        await settled(world)
        first = watch.of("Observation")[0]
        world.ehr.state.store.create(
            {name: value for name, value in first.items() if name not in {"id", "meta"}}
        )
        await mark(world, response)
        await settled(world)
        assert {each["status"] for each in watch.of("Observation")} == {"entered-in-error"}


@pytest.mark.parametrize("many", [1, 2])
async def test_what_stands_there_already_is_taken_for_ours_however_often(tmp_path: Path, many: int) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        for _ in range(many):
            world.ehr.state.store.create(response_of(people["amara"], identifier=OWN))
        watch = Watch(world)
        await answered(world)
        row = await settled(world)
        assert row.detail == ""
        assert "QuestionnaireResponse/" in row.locations
        assert watch.counts() == {"Observation": 5, "Provenance": 1}


FIRST, LAST = "0001-01-01", "9999-12-31"
ODD_DATES: dict[str, dict[str, Any]] = {
    "no end of a medicine": {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"text": "Melatonin"},
        "effectivePeriod": {"start": FIRST, "end": LAST},
    },
    "prescribed for ever": {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "authoredOn": f"{FIRST}T00:00:00+14:00",
        "medicationCodeableConcept": {"text": "Melatonin"},
        "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": FIRST, "end": LAST}}}}],
    },
    "a visit without end": {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "period": {"start": f"{FIRST}T00:00:00+14:00", "end": f"{LAST}T23:59:59-12:00"},
    },
    "a score of the last minute": {
        "resourceType": "Observation",
        "status": "final",
        "effectiveDateTime": f"{LAST}T23:59:59-12:00",
        "code": {"coding": [{"system": SCORES, "code": "rapport-checkin-child-total"}]},
        "valueQuantity": {"value": 20, "unit": "points"},
    },
    "a score of the first minute": {
        "resourceType": "Observation",
        "status": "final",
        "effectiveDateTime": f"{FIRST}T00:00:00+14:00",
        "code": {"coding": [{"system": SCORES, "code": "rapport-checkin-child-total"}]},
        "valueQuantity": {"value": 20, "unit": "points"},
    },
}


@pytest.mark.parametrize("odd", ODD_DATES)
async def test_a_record_with_dates_at_the_ends_of_time_opens(tmp_path: Path, odd: str) -> None:
    async with run_world(tmp_path, show_medication=True) as world:
        people = await world.people()
        world.ehr.state.store.create(
            {**ODD_DATES[odd], "subject": {"reference": f"Patient/{people['amara']}"}}
        )
        page = await world.launch("amara")
        assert page.status_code == 200, page.text
        assert "Start a form" in page.text


@pytest.mark.parametrize("born", [FIRST, LAST, "0001", "9999-12"])
async def test_a_patient_who_was_born_at_an_end_of_time_has_a_page(world: World, born: str) -> None:
    people = await world.people()
    rewrite(world, "Patient", people["amara"], birthDate=born)
    page = await world.launch("amara")
    assert page.status_code == 200, page.text
