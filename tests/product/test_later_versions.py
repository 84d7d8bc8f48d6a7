"""A response that is amended, or was entered in error: one set of Observations, changed where it stands."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.delivery.keep import Record
from plugin.delivery.revising import RevisionKind, read_versions
from plugin.ledger import tables as t
from plugin.observations.build import IDENTIFIER_SYSTEM, with_status
from plugin.scores import compile_key
from plugin.verify import Flaw, check_follows, recompute
from plugin.writing import DocumentForm, FlowsheetRow, WriterKind, Writing
from tests.product.collecting import (
    audited,
    collecting_world,
    found,
    look,
    rows,
    someones_answers,
    standing,
    started,
)
from tests.product.forms import ANSWERS, question, response_of
from tests.product.test_bad_input import app_token, post, problems
from tests.product.test_path import send_child_form
from tests.product.world import World, run_world

SCORES = 5
CORRECTING = ("patient/QuestionnaireResponse.u", "patient/Observation.u", "patient/DocumentReference.u")
ALL = Writing(
    writers=(WriterKind.RESPONSE, WriterKind.OBSERVATIONS, WriterKind.FLOWSHEET, WriterKind.DOCUMENT),
    rows=(FlowsheetRow("rapport-checkin-child-total", "urn:x-sandbox:flowsheet-row", "4711"),),
    document=DocumentForm(),
)


async def settled(world: World, state: str = "delivered") -> Any:
    """Wait until the one delivery is in this state, in its latest version."""
    for _ in range(3000):
        (row,) = await rows(world, t.delivery)
        if row.state == state and row.owner is None:
            return row
        await asyncio.sleep(0.02)
    raise AssertionError(f"{row.state}: {row.detail}")


async def mark(world: World, response: str, why: str = "wrong child", sure: str = "yes") -> httpx.Response:
    """Press the button on the page of one response."""
    page = await world.launch()
    single = await world.browser.get(f"{page.url.path}/responses/{response}")
    assert "Mark this response as entered in error" in single.text
    csrf = re.search(r'name="csrf" value="([^"]+)"', single.text)
    assert csrf
    address = f"{page.url.path}/responses/{response}/entered-in-error"
    return await world.browser.post(address, data={"csrf": csrf[1], "why": why, "sure": sure})


async def ours(world: World, response: str) -> list[dict[str, Any]]:
    """What stands in the record under identifiers of this response."""
    every = [*await world.search("Observation"), *await world.search("DocumentReference")]
    return [
        each
        for each in every
        if any(str(own.get("value", "")).startswith(response) for own in each.get("identifier", ()))
    ]


async def test_an_amended_response_changes_its_observations_where_they_stand(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world))
        await look(world)
        before = {each["id"] for each in await standing(world, reference, SCORES)}
        better = [question(name, "completely") for name in ANSWERS]
        await world.collect(await someones_answers(world, status="amended", item=better), reference)
        await look(world)
        await settled(world)
        after = await standing(world, reference, SCORES)
        assert {each["id"] for each in after} == before
        assert {each["status"] for each in after} == {"amended"}
        total = next(
            each for each in after if each["code"]["coding"][0]["code"] == "rapport-checkin-child-total"
        )
        assert total["valueQuantity"]["value"] == 24
        assert (await audited(world))["response-amended"] == 1


async def test_one_that_is_marked_in_the_ehr_is_marked_in_its_observations(tmp_path: Path) -> None:
    async with collecting_world(tmp_path) as world:
        await started(world)
        reference = await world.collect(await someones_answers(world))
        await look(world)
        await standing(world, reference, SCORES)
        await world.collect(await someones_answers(world, status="entered-in-error"), reference)
        await look(world)
        await settled(world)
        after = await standing(world, reference, SCORES)
        assert {each["status"] for each in after} == {"entered-in-error"}
        assert len(after) == SCORES
        assert len(await found(world)) == 1


async def test_a_second_press_in_another_window_is_told_as_not_possible(world: World) -> None:
    _, response = await send_child_form(world, ANSWERS)
    await settled(world)
    page = await world.launch()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf
    address = f"{page.url.path}/responses/{response}/entered-in-error"
    data = {"csrf": csrf[1], "why": "wrong child", "sure": "yes"}
    headers = {"Accept-Language": "de", "Accept": "text/html"}
    first, second = [await world.browser.post(address, data=data, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (303, 409)
    assert "<h1>Nicht möglich</h1>" in second.text
    assert "schon als irrtümlich" in second.text


async def test_the_clinician_marks_one_and_all_of_it_is_marked_in_the_record(tmp_path: Path) -> None:
    async with run_world(tmp_path, writing=ALL, more_scopes=CORRECTING) as world:
        _, response = await send_child_form(world, ANSWERS)
        await settled(world)
        before = len(await ours(world, response))
        answer = await mark(world, response)
        assert answer.status_code == 303
        await settled(world)
        there = await ours(world, response)
        assert len(there) == before
        assert {each["status"] for each in there} == {"entered-in-error"}
        identifier = f"{IDENTIFIER_SYSTEM}|{response}"
        (own,) = await world.search("QuestionnaireResponse", identifier=identifier)
        assert own["status"] == "entered-in-error"


async def test_the_record_says_who_marked_it_and_when_and_whose_answers_they_are(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        _, response = await send_child_form(world, ANSWERS)
        await settled(world)
        people = await world.people()
        world.clock.pass_time(seconds=3600)
        await mark(world, response, "filled by the sister")
        row = await settled(world)
        (revision,) = await rows(world, t.revision)
        there = [
            each for each in await world.search("Provenance") if f"Provenance/{each['id']}" in row.locations
        ]
        newest = max(there, key=lambda each: str(each["recorded"]))
        assert datetime.fromisoformat(newest["recorded"]) == revision.made
        acted = [
            (each["type"]["coding"][0]["code"], each["who"].get("reference")) for each in newest["agent"]
        ]
        assert acted == [("performer", f"Practitioner/{people['practitioner']}"), ("assembler", None)]
        assert newest["agent"][0]["onBehalfOf"] == newest["agent"][1]["onBehalfOf"]
        (author,) = newest["entity"][0]["agent"]
        assert author["type"]["coding"][0]["code"] == "author"
        assert author["who"]["reference"] == f"Patient/{people['amara']}"
        # What the clinician typed stays in Rapport.
        assert "sister" not in json.dumps(newest)


async def test_what_was_marked_before_it_said_who_verifies_and_nothing_else_does(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        _, response = await send_child_form(world, ANSWERS)
        await settled(world)
        world.clock.pass_time(seconds=3600)
        await mark(world, response)
        ledger = world.rapport.state.rapport.ledger
        first, marked = await ledger.read(lambda c: read_versions(c, ledger.vault, response))
    of_before = with_status(first.results, RevisionKind.ENTERED_IN_ERROR)
    assert marked.results != of_before
    assert [*check_follows(marked, first, "")] == []
    assert [*check_follows(replace(marked, results=of_before), first, "")] == []
    by_another = replace(marked, revised_by="Practitioner/9")
    at_another_time = replace(marked, revised=marked.received)
    for altered in (by_another, at_another_time):
        assert [each.flaw for each in check_follows(altered, first, "")] == [Flaw.MISMATCH]


async def test_the_reason_stands_on_the_page_and_in_the_trail(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        _, response = await send_child_form(world, ANSWERS)
        await settled(world)
        page = await world.follow(await mark(world, response, "filled by the sister"))
        assert "Entered in error" in page.text
        assert "filled by the sister" in page.text
        assert "Mark this response" not in page.text
        assert (await audited(world))["response-entered-in-error"] == 1


@pytest.mark.parametrize(("why", "sure"), [("", "yes"), ("wrong child", "")])
async def test_without_reason_or_confirmation_nothing_is_marked(tmp_path: Path, why: str, sure: str) -> None:
    async with run_world(tmp_path) as world:
        _, response = await send_child_form(world, ANSWERS)
        assert (await mark(world, response, why, sure)).status_code == 422
        assert await rows(world, t.revision) == []


async def test_one_that_was_never_sent_is_not_sent(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        page = await world.launch()
        people = await world.people()
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        world.rapport.state.rapport.worker.stop()
        answer = await world.fill(secret, ANSWERS)
        assert answer.status_code == 200
        (kept,) = await rows(world, t.response)
        await world.browser.post(f"{page.url.path}/unlock", data={"pin": "4711"})
        vault = world.rapport.state.rapport
        from plugin.audit import Actor
        from plugin.delivery.revising import read_current
        from plugin.flow import enter_in_error

        record = await vault.ledger.read(lambda c: read_current(c, vault.ledger.vault, kept.id))
        await enter_in_error(vault.intake, record, Actor("Practitioner/1"), "wrong child")
        (delivery,) = await rows(world, t.delivery)
        assert delivery.state == "discarded"
        assert await ours(world, kept.id) == []


async def test_an_ehr_that_takes_no_change_is_told_on_the_page_with_the_places(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:  # the scopes that were granted do not allow to change anything
        _, response = await send_child_form(world, ANSWERS)
        await settled(world)
        page = await mark(world, response)
        row = await settled(world, "refused")
        page = await world.follow(page)
        assert "Correct it by hand in the chart" in row.detail
        assert all(each in row.detail for each in row.locations.split() if "Provenance" not in each)
        assert "Entered in error" in page.text


async def test_an_app_that_sends_an_amended_response_changes_the_first(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        own = {"system": "urn:x-app", "value": "17"}
        first = await someones_answers(world, identifier=own)
        saved = [await submitted(world, first)]
        await settled(world)
        better = [question(name, "completely") for name in ANSWERS]
        saved.append(await submitted(world, {**first, "status": "amended", "item": better}))
        assert len({each.headers["location"] for each in saved}) == 1
        await settled(world)
        response = saved[0].headers["location"].rpartition("/")[2]
        there = await ours(world, response)
        assert len(there) == SCORES
        assert {each["status"] for each in there} == {"amended"}


async def test_who_sent_an_amendment_of_anothers_answers_is_named_beside_the_author(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        own = {"system": "urn:x-app", "value": "17"}
        first = await someones_answers(world, identifier=own)
        await submitted(world, first)
        better = [question(name, "completely") for name in ANSWERS]
        await submitted(world, {**first, "status": "amended", "item": better})
        people = await world.people()
        rapport = world.rapport.state.rapport
        (kept,) = await rows(world, t.response)
        _, amended = await rapport.ledger.read(lambda c: read_versions(c, rapport.ledger.vault, kept.id))
        agents = json.loads(amended.results.provenance)["agent"]
        acted = {each["type"]["coding"][0]["code"]: each["who"].get("reference") for each in agents}
        practitioner = f"Practitioner/{people['practitioner']}"
        assert acted == {"author": first["source"]["reference"], "assembler": None, "enterer": practitioner}
        instrument = rapport.intake.catalogue.find(amended.instrument)
        key = compile_key(instrument)

        def problems_of(record: Record) -> list[str]:
            again = replace(record, received=record.revised or record.received)
            return [each.what for each in recompute(again, instrument, key, "", status="amended")]

        assert problems_of(amended) == []
        nameless = json.dumps({**json.loads(amended.results.provenance), "agent": agents[:2]}).encode()
        assert problems_of(replace(amended, results=replace(amended.results, provenance=nameless))) == []
        assert problems_of(replace(amended, revised_by="Practitioner/9"))


async def test_the_same_amendment_sent_again_is_kept_once(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        token = await app_token(world)
        first = response_of("1001", identifier={"system": "urn:x-app", "value": "17"})
        better = {**first, "status": "amended", "item": [question(name, "completely") for name in ANSWERS]}
        assert (await post(world, first, token=token)).status_code == 201
        at_once = await asyncio.gather(*(post(world, better, token=token) for _ in range(6)))
        assert sorted(each.status_code for each in at_once) == [*[200] * 5, 201]
        assert (await post(world, better, token=token)).status_code == 200
        assert len(await rows(world, t.revision)) == 1
        assert (await audited(world))["response-amended"] == 1


async def test_a_form_that_was_stopped_and_then_completed_has_one_set_of_scores(tmp_path: Path) -> None:
    async with run_world(tmp_path, more_scopes=CORRECTING) as world:
        token = await app_token(world)
        whole = response_of("1001", identifier={"system": "urn:x-app", "value": "17"})
        stopped = {**whole, "status": "stopped", "item": whole["item"][:1]}
        saved = [await post(world, each, token=token) for each in (stopped, whole, whole)]
        assert [each.status_code for each in saved] == [201, 201, 200], saved[1].text
        await settled(world)
        there = await ours(world, saved[0].headers["location"].rpartition("/")[2])
        assert len(there) == SCORES
        assert sum("valueQuantity" in each for each in there) == SCORES - 1  # all but the panel
        other = await post(world, {**whole, "item": whole["item"][:1]}, token=token)
        assert other.status_code == 409
        whole["identifier"] = stopped["identifier"] = {"system": "urn:x-app", "value": "18"}
        assert (await post(world, stopped, token=token)).status_code == 201
        at_once = await asyncio.gather(*(post(world, whole, token=token) for _ in range(6)))
        assert sorted(each.status_code for each in at_once) == [*[200] * 5, 201]
        assert "send it with the status amended" in problems(other)


async def submitted(world: World, body: dict[str, Any]) -> httpx.Response:
    """Send a response to Rapport as another app does, with a token of its launch."""
    from plugin.access.launches import launches_with_token

    await world.launch()
    rapport = world.rapport.state.rapport
    patient = body["subject"]["reference"]
    held = await rapport.ledger.read(
        lambda c: launches_with_token(c, rapport.ledger.vault, "sandbox", patient, None)
    )
    tokens = (each.context.tokens.access_token for each in held)
    headers = {
        "Authorization": f"Bearer {next(filter(None, tokens))}",  # of an ended launch it may be given back
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json",
    }
    answer = await world.browser.post(
        "/sites/sandbox/fhir/QuestionnaireResponse", content=json.dumps(body), headers=headers
    )
    assert answer.status_code in {200, 201}, answer.text
    return answer
