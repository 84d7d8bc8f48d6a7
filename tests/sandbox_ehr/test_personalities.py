"""Personalities: what each declares, grants and refuses, and that every trait has its source."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox_ehr import create_app
from sandbox_ehr.errors import SettingsInvalid
from sandbox_ehr.personalities import load_personality, personality_ids
from sandbox_ehr.scopes import parse_scopes
from tests.sandbox_ehr.conftest import BASE, PATIENT, Ehr, Now, observation, settings

ASKED = (
    "launch offline_access patient/Patient.r patient/Encounter.rs patient/QuestionnaireResponse.crus "
    "patient/Observation.crus patient/DocumentReference.crus patient/Provenance.c"
)
TODAY = f"{PATIENT}-20261123"


@asynccontextmanager
async def running(personality: str, **changes: Any) -> AsyncIterator[Ehr]:
    now = Now()
    app = create_app(replace(settings(), personality=personality, **changes), clock=now)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        with closing(app.state.store.database):
            yield Ehr(http, app, now)


def response(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "https://forms.invalid/Questionnaire/one",
        "status": "completed",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "authored": "2026-11-23T09:00:00Z",
    }
    return {**made, **changes}


def note(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "final",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "author": [{"reference": "Practitioner/202"}],
        "content": [{"attachment": {"contentType": "text/plain", "data": "aGVsbG8="}}],
        "context": {
            "encounter": [{"reference": f"Encounter/{TODAY}"}],
            "period": {"end": "2026-11-23T10:00:00Z"},
        },
    }
    return {**made, **changes}


def reading(**changes: Any) -> dict[str, Any]:
    made = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "72133-2"}]},
        "encounter": {"reference": f"Encounter/{TODAY}"},
        "valueQuantity": {"value": 3},
    }
    return observation(**{**made, **changes})


def vital_sign(category: str = "vital-signs", **changes: Any) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    made = {
        "category": [{"coding": [{"system": system, "code": category}]}],
        "performer": [{"reference": "Practitioner/202"}],
    }
    return observation(**{**made, **changes})


async def declared(ehr: Ehr) -> dict[str, Any]:
    return {each["type"]: each for each in (await ehr.http.get("/r4/metadata")).json()["rest"][0]["resource"]}


@pytest.mark.parametrize("personality", personality_ids())
def test_every_personality_and_every_rule_names_its_source(personality: str) -> None:
    found = load_personality(personality)
    page = Path("docs/reference/ehrs.md").read_text(encoding="utf-8")
    cited = [*found.sources, *(rule.source for rule in found.rules)]
    assert cited
    for each in cited:
        place, _, section = each.partition(":")[0].partition(", ")
        assert (place, f"## {section}\n" in page) == ("docs/reference/ehrs.md", True), each


def test_an_unknown_personality_stops_the_start_and_names_those_there_are() -> None:
    with pytest.raises(SettingsInvalid, match="choose one of full, athena"):
        settings(personality="epci")


# docs/reference/ehrs.md, CapabilityStatements, column by column: what can be created.
CREATES = {
    "full": {"QuestionnaireResponse", "Observation", "DocumentReference", "Provenance"},
    "epic": {"QuestionnaireResponse", "Observation", "DocumentReference"},
    "oracle": {"Observation", "DocumentReference", "Provenance"},
    "athena": {"QuestionnaireResponse"},
    "meditech": {"QuestionnaireResponse"},
    "eclinicalworks": {"QuestionnaireResponse"},
    "veradigm": {"QuestionnaireResponse", "Observation", "DocumentReference"},
    "read-only": set(),
}


def test_the_table_covers_every_personality() -> None:
    assert set(CREATES) == set(personality_ids())


@pytest.mark.parametrize(("personality", "creates"), CREATES.items())
async def test_what_is_declared_granted_and_done_is_the_same(personality: str, creates: set[str]) -> None:
    bodies = {
        "QuestionnaireResponse": response(),
        "Observation": observation(),
        "DocumentReference": note(),
        "Provenance": {"resourceType": "Provenance"},
    }
    async with running(personality) as ehr:
        statement = await declared(ehr)
        granted = await ehr.grant(ASKED)
        async with ehr.with_token(granted["access_token"]) as fhir:
            for kind, body in bodies.items():
                offers = {"code": "create"} in statement[kind]["interaction"]
                covered = any(each.covers(kind, "c") for each in parse_scopes(granted["scope"]))
                status = (await fhir.post(f"/{kind}", json=body)).status_code
                assert offers is (kind in creates)
                assert covered is (kind in creates)
                assert (status not in {403, 405}) is (kind in creates)


@pytest.mark.parametrize("personality", sorted(set(personality_ids()) - {"full"}))
async def test_a_transaction_is_refused_where_it_is_not_offered(personality: str) -> None:
    async with running(personality) as ehr:
        rest = (await ehr.http.get("/r4/metadata")).json()["rest"][0]
        assert {"code": "transaction"} not in rest.get("interaction", [])
        async with await ehr.fhir("launch patient/Patient.r") as fhir:
            answer = await fhir.post("", json={"resourceType": "Bundle", "type": "transaction"})
            assert answer.status_code in {403, 405}


async def test_oracle_takes_a_batch() -> None:
    entry = {"request": {"method": "GET", "url": f"Patient/{PATIENT}"}}
    async with running("oracle") as ehr, await ehr.fhir("launch patient/Patient.r") as fhir:
        answer = await fhir.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})
        assert answer.json()["entry"][0]["response"]["status"] == "200 OK"


async def test_epic_answers_what_it_does_not_offer_with_403_and_nothing() -> None:
    async with running("epic") as ehr, await ehr.fhir(ASKED) as fhir:
        answer = await fhir.post("/Provenance", json={"resourceType": "Provenance"})
        assert (answer.status_code, answer.content) == (403, b"")


async def test_epic_answers_a_create_with_a_relative_location_and_no_more() -> None:
    async with running("epic") as ehr, await ehr.fhir(ASKED) as fhir:
        answer = await fhir.post("/Observation", json=reading())
        assert (answer.status_code, answer.content) == (201, b"")
        assert answer.headers["location"].startswith("Observation/")
        assert "etag" not in answer.headers


async def test_epic_spells_scopes_in_version_1_and_does_not_echo_offline_access() -> None:
    async with running("epic") as ehr:
        granted = await ehr.grant(ASKED)
        assert {"patient/Observation.read", "patient/Observation.write"} <= set(granted["scope"].split())
        assert "offline_access" not in granted["scope"].split()
        assert granted["refresh_token"]


async def refusal(personality: str, body: dict[str, Any]) -> tuple[int, str | None]:
    async with running(personality) as ehr, await ehr.fhir(ASKED) as fhir:
        answer = await fhir.post(f"/{body['resourceType']}", json=body)
        if answer.status_code == 201:
            return 201, None
        issue = answer.json()["issue"][0]
        return answer.status_code, issue.get("details", {}).get("coding", [{}])[0].get("code")


@pytest.mark.parametrize(
    ("personality", "body", "expected"),
    [
        ("epic", response(), (400, "59159")),
        ("epic", reading(), (201, None)),
        ("epic", reading(status="amended"), (400, None)),
        ("epic", reading(code={"coding": [{"system": "http://loinc.org", "code": c} for c in "ab"]}), (400, None)),
        ("epic", reading(code={"coding": [{"system": "https://own.invalid", "code": "a"}]}), (400, None)),
        ("epic", reading(encounter={"reference": f"Encounter/{PATIENT}-1"}), (400, None)),
        ("epic", note(), (201, None)),
        ("epic", note(content=[{"attachment": {"contentType": "application/pdf", "data": "aGVsbG8="}}]), (400, None)),
        ("epic", note(context={"period": {"end": "2026-11-23"}}), (400, None)),
        ("oracle", vital_sign(), (201, None)),
        ("oracle", vital_sign("laboratory"), (201, None)),
        ("oracle", vital_sign("survey"), (422, None)),
        ("oracle", vital_sign(performer=[{"reference": f"Patient/{PATIENT}"}]), (422, None)),
        ("oracle", note(), (201, None)),
        ("oracle", note(author=[{"reference": f"Patient/{PATIENT}"}]), (422, None)),
        ("oracle", note(docStatus="preliminary"), (422, None)),
        ("oracle", note(context={}), (422, None)),
        ("eclinicalworks", response(), (422, None)),
        ("athena", response(), (201, None)),
        ("meditech", response(), (201, None)),
    ],
)  # fmt: skip
async def test_what_a_personality_asks_of_a_resource(
    personality: str, body: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    body = {key: value for key, value in body.items() if value != {}}
    assert await refusal(personality, body) == expected


async def test_epic_refuses_the_same_reading_again() -> None:
    async with running("epic") as ehr, await ehr.fhir(ASKED) as fhir:
        assert (await fhir.post("/Observation", json=reading())).status_code == 201
        again = await fhir.post("/Observation", json=reading())
        assert again.status_code == 400
        assert again.json()["issue"][0]["details"]["coding"] == [{"code": "59189"}]


async def test_without_conditional_creation_the_condition_is_ignored() -> None:
    async with running("athena") as ehr, await ehr.fhir(ASKED) as fhir:
        headers = {"If-None-Exist": "identifier=https://ids.invalid|1"}
        body = response(identifier={"system": "https://ids.invalid", "value": "1"})
        made = [await fhir.post("/QuestionnaireResponse", json=body, headers=headers) for _ in "ab"]
        assert [each.status_code for each in made] == [201, 201]


async def test_meditech_does_not_search_by_identifier_and_says_so() -> None:
    async with running("meditech") as ehr, await ehr.fhir(ASKED) as fhir:
        assert "identifier" not in {
            each["name"] for each in (await declared(ehr))["QuestionnaireResponse"]["searchParam"]
        }
        everything = (await fhir.get("/QuestionnaireResponse")).json()
        found = (await fhir.get("/QuestionnaireResponse", params={"identifier": "no|such"})).json()
        assert found["total"] == everything["total"] > 0
        assert found["entry"][-1]["search"]["mode"] == "outcome"


@pytest.mark.parametrize(
    ("personality", "issuer"),
    [
        ("full", f"{BASE}/r4"),
        ("meditech", f"{BASE}/r4/"),
        ("athena", "https://login.ehr.invalid/issuer"),
        ("veradigm", "https://login.ehr.invalid/issuer"),
    ],
)
async def test_the_issuer_is_as_the_vendor_writes_it(personality: str, issuer: str) -> None:
    async with running(personality) as ehr:
        found = (await ehr.http.get("/r4/.well-known/smart-configuration")).json()
        assert found["issuer"] == issuer


async def test_oracle_grants_no_wildcards() -> None:
    async with running("oracle") as ehr:
        granted = await ehr.grant("launch patient/*.rs patient/Patient.r")
        assert granted["scope"] == "launch patient/Patient.r"


async def test_discovery_has_the_vendors_oddities() -> None:
    async with running("veradigm") as ehr:
        found = (await ehr.http.get("/r4/.well-known/smart-configuration")).json()
        assert "token_endpoint_auth_methods" in found
        assert "token_endpoint_auth_methods_supported" not in found
    async with running("epic") as ehr:
        found = (await ehr.http.get("/r4/.well-known/smart-configuration")).json()
        assert len(found["scopes_supported"]) == 5
