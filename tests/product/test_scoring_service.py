"""Integrators call us: a response in, its Observations out, and nothing stays behind but the trail."""

import json
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fhir.resources.R4B.bundle import Bundle

from plugin.ledger import tables as t
from tests.product.forms import response_of
from tests.product.test_bad_input import app_token, problems
from tests.product.world import EHR, World

SCORE, EXTRACT = ("/fhir/QuestionnaireResponse/$score", "/fhir/QuestionnaireResponse/$extract")


async def ask(world: World, door: str, body: dict[str, Any], token: str | None = None) -> httpx.Response:
    headers = {
        "Authorization": f"Bearer {token or await app_token(world)}",
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json",
    }
    return await world.browser.post(door, content=json.dumps(body), headers=headers)


def values(bundle: dict[str, Any]) -> dict[str, float]:
    found = [entry["resource"] for entry in bundle["entry"]]
    return {
        each["code"]["coding"][0]["code"]: each["valueQuantity"]["value"]
        for each in found
        if "valueQuantity" in each
    }


async def test_a_response_comes_back_as_its_scores(world: World) -> None:
    people = await world.people()
    answer = await ask(world, SCORE, response_of(people["amara"], id="qr-1"))
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    Bundle.model_validate(bundle)
    assert bundle["type"] == "collection"
    assert values(bundle)["rapport-checkin-child-total"] == 14
    addresses = {entry["fullUrl"] for entry in bundle["entry"]}
    panel = bundle["entry"][0]["resource"]
    assert {each["reference"] for each in panel["hasMember"]} < addresses
    assert panel["derivedFrom"] == [{"reference": "QuestionnaireResponse/qr-1"}]


async def test_references_into_the_ehr_come_back_in_one_form(world: World) -> None:
    patient = f"Patient/{(await world.people())['amara']}"
    written = {"reference": f"{EHR}/r4/{patient}/_history/1"}
    response = response_of("", subject=written, source=written)
    answer = await ask(world, EXTRACT, response)
    assert answer.status_code == 200, answer.text
    panel = answer.json()["entry"][0]["resource"]
    assert (panel["subject"], panel["performer"]) == ({"reference": patient}, [{"reference": patient}])


async def test_a_weight_that_is_not_the_forms_is_told_beside_the_scores(world: World) -> None:
    people = await world.people()
    response = response_of(people["amara"])
    response["item"][0]["answer"][0]["valueCoding"]["extension"] = [
        {"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": 99}
    ]
    token = await app_token(world)
    bundle = (await ask(world, SCORE, response, token)).json()
    Bundle.model_validate(bundle)
    assert values(bundle)["rapport-checkin-child-total"] == 14
    (issue,) = bundle["entry"][-1]["resource"]["issue"]
    assert (issue["severity"], issue["expression"]) == (
        "warning",
        ["QuestionnaireResponse.item[0].answer[0].value"],
    )
    assert "The weight in the response is not the form's" in issue["diagnostics"]
    written = (await ask(world, EXTRACT, response, token)).json()
    assert {each["resource"]["resourceType"] for each in written["entry"]} == {"Observation"}


@pytest.mark.parametrize("door", [SCORE, EXTRACT])
async def test_a_draft_has_no_scores_yet(world: World, door: str) -> None:
    people = await world.people()
    answer = await ask(world, door, response_of(people["amara"], status="in-progress"))
    assert answer.status_code == 422
    assert "QuestionnaireResponse.status" in problems(answer)


async def test_extract_gives_a_transaction_that_the_ehr_takes_once(world: World) -> None:
    people = await world.people()
    token = await app_token(world)
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "questionnaire-response", "resource": response_of(people["amara"], id="qr-1")}
        ],
    }
    first, second = [(await ask(world, EXTRACT, body, token)).json() for _ in range(2)]
    assert first["type"] == "transaction"
    conditions = [entry["request"]["ifNoneExist"] for entry in first["entry"]]
    assert len(set(conditions)) == len(conditions) == 5
    assert conditions == [entry["request"]["ifNoneExist"] for entry in second["entry"]]


async def test_nothing_is_kept_but_an_entry_of_the_trail(world: World) -> None:
    people = await world.people()
    await ask(world, SCORE, response_of(people["amara"]))
    ledger = world.rapport.state.rapport.ledger
    kept = await ledger.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(t.response)).scalar())
    entries = await ledger.read(lambda c: c.execute(sa.select(t.audit.c.kind)).scalars().all())
    assert kept == 0
    assert entries.count("response-scored") == 1


async def test_a_response_of_another_patient_is_refused(world: World) -> None:
    people = await world.people()
    answer = await ask(world, SCORE, response_of(people["mateo"]))
    assert answer.status_code == 422
    assert "subject" in problems(answer)


async def test_without_a_token_nothing_is_scored(world: World) -> None:
    people = await world.people()
    answer = await world.browser.post(
        SCORE, json=response_of(people["amara"]), headers={"Accept": "application/fhir+json"}
    )
    assert answer.status_code == 401
    assert "Bearer" in problems(answer)


async def test_a_token_that_the_ehr_does_not_know_is_refused(world: World) -> None:
    people = await world.people()
    answer = await ask(world, SCORE, response_of(people["amara"]), token="made-up")
    assert answer.status_code == 401


async def test_parameters_without_a_response_say_what_is_missing(world: World) -> None:
    answer = await ask(world, EXTRACT, {"resourceType": "Parameters", "parameter": []})
    assert answer.status_code == 422
    assert "questionnaire-response" in problems(answer)


async def test_a_site_that_does_not_exist_is_named(world: World) -> None:
    answer = await ask(world, f"{SCORE}?site=elsewhere", {})
    assert answer.status_code == 404
