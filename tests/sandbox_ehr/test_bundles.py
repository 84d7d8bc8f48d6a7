"""Transactions and batches: all or nothing, references rewritten, conditions kept."""

from typing import Any

import httpx
import pytest

from tests.sandbox_ehr.conftest import FHIR, PATIENT, observation

RESPONSE = "urn:uuid:11111111-1111-4111-8111-111111111111"
PANEL = "urn:uuid:22222222-2222-4222-8222-222222222222"
SCORE = "urn:uuid:33333333-3333-4333-8333-333333333333"


def response(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "QuestionnaireResponse",
        "identifier": {"system": "https://ids.invalid", "value": RESPONSE},
        "questionnaire": "https://forms.invalid/Questionnaire/a|1",
        "status": "completed",
        "subject": {"reference": f"Patient/{PATIENT}"},
    }
    return {**made, **changes}


def create(full_url: str, resource: dict[str, Any], **request: Any) -> dict[str, Any]:
    kind = resource["resourceType"]
    return {"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": kind, **request}}


def submission(**request: Any) -> list[dict[str, Any]]:
    """A Provenance first, so that every reference is to something later in the Bundle."""
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": PANEL}, {"reference": SCORE}],
        "recorded": "2026-11-23T09:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/202"}}],
        "entity": [{"role": "source", "what": {"reference": RESPONSE}}],
    }
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{RESPONSE}">answers</a></div>'
    panel = observation(
        text={"status": "generated", "div": div},
        hasMember=[{"reference": SCORE}],
        derivedFrom=[{"reference": RESPONSE}],
        extension=[{"url": "https://ext.invalid", "valueUri": RESPONSE}],
    )
    return [
        create("urn:uuid:44444444-4444-4444-8444-444444444444", provenance),
        create(PANEL, panel),
        create(SCORE, observation(derivedFrom=[{"reference": RESPONSE}])),
        create(RESPONSE, response(), **request),
    ]


async def post(
    fhir: httpx.AsyncClient, entries: list[dict[str, Any]], kind: str = "transaction"
) -> httpx.Response:
    return await fhir.post(FHIR, json={"resourceType": "Bundle", "type": kind, "entry": entries})


def locations(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    found = [each["response"]["location"] for each in answer.json()["entry"]]
    return [each.removeprefix(f"{FHIR}/").partition("/_history")[0] for each in found]


async def counts(fhir: httpx.AsyncClient) -> list[int]:
    kinds = ("Observation", "QuestionnaireResponse", "Provenance")
    return [(await fhir.get(f"/{kind}?_count=0")).json()["total"] for kind in kinds]


async def test_a_transaction_answers_in_the_order_of_its_entries(fhir: httpx.AsyncClient) -> None:
    answer = await post(fhir, submission())
    assert answer.json()["type"] == "transaction-response"
    assert [each["response"]["status"] for each in answer.json()["entry"]] == ["201 Created"] * 4
    kinds = [each.partition("/")[0] for each in locations(answer)]
    assert kinds == ["Provenance", "Observation", "Observation", "QuestionnaireResponse"]


async def test_references_are_rewritten_everywhere_but_an_identifier_is_no_reference(
    fhir: httpx.AsyncClient,
) -> None:
    provenance, panel, score, answers = locations(await post(fhir, submission()))
    kept = (await fhir.get(f"/{panel}")).json()
    assert kept["hasMember"] == [{"reference": score}]
    assert kept["derivedFrom"] == [{"reference": answers}]
    assert kept["extension"][0]["valueUri"] == answers
    assert f'href="{answers}"' in kept["text"]["div"]
    said = (await fhir.get(f"/{provenance}")).json()
    assert [each["reference"] for each in said["target"]] == [panel, score]
    assert said["entity"][0]["what"]["reference"] == answers
    assert (await fhir.get(f"/{answers}")).json()["identifier"]["value"] == RESPONSE


async def test_sent_again_with_a_condition_everything_refers_to_what_is_there(
    fhir: httpx.AsyncClient,
) -> None:
    condition = {"ifNoneExist": f"identifier=https://ids.invalid|{RESPONSE}"}
    first = await post(fhir, submission(**condition))
    second = await post(fhir, submission(**condition))
    assert second.json()["entry"][3]["response"]["status"] == "200 OK"
    assert locations(first)[3] == locations(second)[3]
    panel = (await fhir.get(f"/{locations(second)[1]}")).json()
    assert panel["derivedFrom"] == [{"reference": locations(first)[3]}]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda entries: entries[2]["resource"].pop("status"), 422),
        (lambda entries: entries[2]["resource"].update(subject={"reference": "Patient/none"}), 422),
        (lambda entries: entries[2]["resource"].update(subject={"reference": "urn:uuid:0"}), 422),
        (lambda entries: entries[2].update(fullUrl=PANEL), 400),
        (lambda entries: entries[2]["request"].update(url="Appointment"), 404),
        (lambda entries: entries[2]["request"].update(method="PATCH"), 400),
        (lambda entries: entries[2].pop("resource"), 400),
        (lambda entries: entries[2].pop("request"), 400),
        (lambda entries: entries[2]["request"].update(url="Patient"), 400),
    ],
)
async def test_one_bad_entry_undoes_the_whole_transaction_and_is_named(
    fhir: httpx.AsyncClient, change: Any, status: int
) -> None:
    entries, before = submission(), await counts(fhir)
    change(entries)
    answer = await post(fhir, entries)
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[2]")
    assert await counts(fhir) == before


async def test_a_stale_update_undoes_the_whole_transaction(fhir: httpx.AsyncClient) -> None:
    made = (await fhir.post("/Observation", json=observation())).json()
    update = {"method": "PUT", "url": f"Observation/{made['id']}", "ifMatch": 'W/"7"'}
    before = await counts(fhir)
    answer = await post(fhir, [*submission(), {"resource": made, "request": update}])
    assert answer.status_code == 412
    assert await counts(fhir) == before


async def test_a_transaction_can_update_and_read(fhir: httpx.AsyncClient) -> None:
    made = (await fhir.post("/Observation", json=observation())).json()
    path = f"Observation/{made['id']}"
    read = {"request": {"method": "GET", "url": path}}
    update = {"resource": {**made, "status": "amended"}, "request": {"method": "PUT", "url": path}}
    answer = await post(fhir, [read, update])
    assert answer.json()["entry"][0]["resource"]["status"] == "amended"
    assert answer.json()["entry"][1]["response"]["etag"] == 'W/"2"'


async def test_the_same_condition_twice_is_refused(fhir: httpx.AsyncClient) -> None:
    entry = create(RESPONSE, response(), ifNoneExist="identifier=https://ids.invalid|x")
    answer = await post(fhir, [entry, {**entry, "fullUrl": PANEL}])
    assert answer.status_code == 400


async def test_a_batch_does_what_it_can(fhir: httpx.AsyncClient) -> None:
    entries = [
        create(RESPONSE, response(status="bogus")),
        create(SCORE, observation()),
        {"request": {"method": "GET", "url": f"Encounter?patient={PATIENT}&_count=0"}},
        {"request": {"method": "GET", "url": "Observation/none"}},
    ]
    answer = (await post(fhir, entries, "batch")).json()
    assert answer["type"] == "batch-response"
    assert [each["response"]["status"][:3] for each in answer["entry"]] == ["422", "201", "200", "404"]
    assert answer["entry"][0]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert answer["entry"][2]["resource"]["total"] == 9


@pytest.mark.parametrize("bundle", [{"resourceType": "Bundle", "type": "collection"}, observation()])
async def test_nothing_else_can_be_posted_to_the_base(
    fhir: httpx.AsyncClient, bundle: dict[str, Any]
) -> None:
    assert (await fhir.post(FHIR, json=bundle)).status_code == 400


async def test_an_empty_transaction_is_answered_empty(fhir: httpx.AsyncClient) -> None:
    assert (await post(fhir, [])).json() == {"resourceType": "Bundle", "type": "transaction-response"}
