"""Search: every kind of parameter, sorting, paging, includes, and what is not understood."""

from typing import Any

import httpx
import pytest

from tests.sandbox_ehr.conftest import FHIR, OTHER_PATIENT, PATIENT, Ehr, observation

SCORE = "https://w3id.org/rapport-fhir/CodeSystem/score"


async def search(fhir: httpx.AsyncClient, query: str) -> dict[str, Any]:
    answer = await fhir.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def total(fhir: httpx.AsyncClient, query: str) -> int:
    return int((await search(fhir, query))["total"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"Patient?_id={PATIENT},{OTHER_PATIENT}", 2),
        ("Patient?name=okaf", 1),
        ("Patient?name=YILDIRIM", 1),
        ("Patient?name=rios", 1),
        ("Patient?name:contains=kaf", 1),
        ("Patient?name=kaf", 0),
        ("Patient?family:exact=okafor", 1),
        ("Patient?name=نور", 1),
        (f"RelatedPerson?patient={PATIENT}", 2),
        (f"RelatedPerson?patient=Patient/{PATIENT}", 2),
        (f"RelatedPerson?patient={FHIR}/Patient/{PATIENT}", 2),
        ("RelatedPerson?relationship=GRMTH", 2),
        (f"Encounter?patient={PATIENT}", 9),
        (f"Encounter?subject=Patient/{PATIENT}&status=in-progress", 1),
        (f"Encounter?subject:Patient={PATIENT}&status=in-progress,finished", 9),
        (f"Encounter?patient={PATIENT}&status:not=finished", 1),
        (f"Encounter?patient={PATIENT}&class=VR", 2),
        (f"Encounter?patient={PATIENT}&date=2026-11-16", 1),
        (f"Encounter?patient={PATIENT}&date=2026-10", 4),
        (f"Encounter?patient={PATIENT}&date=ge2026-11-09", 3),
        (f"Encounter?patient={PATIENT}&date=gt2026-11-09", 2),
        (f"Encounter?patient={PATIENT}&date=lt2026-10-05", 1),
        (f"Encounter?patient={PATIENT}&date=le2026-10-05", 2),
        (f"Encounter?patient={PATIENT}&date=ge2026-10-01&date=lt2026-11-01", 4),
        (f"Encounter?patient={PATIENT}&date=eq2026", 8),
        (f"Observation?patient={PATIENT}&code=rapport-checkin-child", 8),
        (f"Observation?patient={PATIENT}&code={SCORE}|rapport-checkin-child", 8),
        (f"Observation?patient={PATIENT}&code=|rapport-checkin-child", 0),
        (f"Observation?patient={PATIENT}&category=survey&code={SCORE}|", 85),
        (f"Observation?encounter={PATIENT}-1&code=rapport-checkin-child-total", 1),
        (f"Observation?performer=Practitioner/202&patient={PATIENT}", 5),
        ("Observation?data-absent-reason=not-performed", 2),
        ("Observation?data-absent-reason:missing=false", 2),
        ("QuestionnaireResponse?questionnaire=https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-therapist&patient=1001", 5),
        ("QuestionnaireResponse?questionnaire=https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-therapist|1.0.0&patient=1001", 5),
        ("QuestionnaireResponse?questionnaire=https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-therapist|2.0.0", 0),
        ("QuestionnaireResponse?source=RelatedPerson/1001-1", 4),
        ("QuestionnaireResponse?author=Practitioner/202&patient=1001&status=completed", 17),
        ("QuestionnaireResponse?identifier=https://w3id.org/rapport-fhir/identifier|none", 0),
        ("Patient?_lastUpdated=2026-11-23", 14),
        ("Patient?_lastUpdated=gt2026-11-23", 0),
        ("Patient?birthdate=lt2012", 3),
    ],
)  # fmt: skip
async def test_parameters_find_what_they_say(fhir: httpx.AsyncClient, query: str, expected: int) -> None:
    assert await total(fhir, query) == expected


async def test_a_posted_search_is_the_same(fhir: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await fhir.post("/Encounter/_search", data={"patient": PATIENT}, headers=headers)
    assert answer.json()["total"] == 9


async def test_derived_from_and_target_find_what_refers(fhir: httpx.AsyncClient) -> None:
    response = (await search(fhir, f"QuestionnaireResponse?patient={PATIENT}&_count=1"))["entry"][0][
        "resource"
    ]
    assert await total(fhir, f"Observation?derived-from=QuestionnaireResponse/{response['id']}") == 5
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": f"QuestionnaireResponse/{response['id']}"}],
        "recorded": "2026-11-23T09:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/202"}}],
    }
    await fhir.post("/Provenance", json=provenance)
    assert await total(fhir, f"Provenance?target=QuestionnaireResponse/{response['id']}") == 1
    both = await search(fhir, f"QuestionnaireResponse?_id={response['id']}&_revinclude=Provenance:target")
    assert [each["search"]["mode"] for each in both["entry"]] == ["match", "include"]


async def test_includes_bring_members_and_the_response_each_once(fhir: httpx.AsyncClient) -> None:
    query = f"Observation?code=rapport-checkin-child&encounter={PATIENT}-2"
    found = await search(fhir, f"{query}&_include=Observation:has-member&_include=Observation:derived-from")
    kinds = [(each["resource"]["resourceType"], each["search"]["mode"]) for each in found["entry"]]
    assert found["total"] == 1
    assert kinds.count(("Observation", "include")) == 4
    assert kinds.count(("QuestionnaireResponse", "include")) == 1


async def test_results_are_sorted_as_asked(fhir: httpx.AsyncClient) -> None:
    async def dates(order: str) -> list[str]:
        found = await search(fhir, f"Encounter?patient={PATIENT}&_sort={order}")
        return [each["resource"]["period"]["start"] for each in found["entry"]]

    newest_first = await dates("-date")
    assert newest_first == sorted(newest_first, reverse=True)
    assert await dates("date") == newest_first[::-1]


async def test_sorting_by_last_update_puts_the_newest_first(ehr: Ehr, fhir: httpx.AsyncClient) -> None:
    ehr.now.advance(minutes=1)
    made = (await fhir.post("/Observation", json=observation())).json()
    found = await search(fhir, "Observation?_sort=-_lastUpdated&_count=1")
    assert found["entry"][0]["resource"]["id"] == made["id"]


async def test_pages_follow_opaque_links_to_the_end_and_stay_as_they_were(fhir: httpx.AsyncClient) -> None:
    page = await search(fhir, f"Observation?patient={PATIENT}&_count=30")
    ids = [each["resource"]["id"] for each in page["entry"]]
    await fhir.post("/Observation", json=observation())
    while following := [link["url"] for link in page["link"] if link["relation"] == "next"]:
        assert following[0].startswith(f"{FHIR}?")
        assert PATIENT not in following[0]
        page = (await fhir.get(following[0])).json()
        assert page["total"] == 85
        ids += [each["resource"]["id"] for each in page["entry"]]
    assert len(ids) == len(set(ids)) == 85


async def test_a_page_is_of_the_one_who_searched(ehr: Ehr, fhir: httpx.AsyncClient) -> None:
    page = await search(fhir, "Observation?_count=1")
    following = page["link"][1]["url"]
    async with await ehr.fhir("launch patient/Observation.rs") as other:
        answer = await other.get(following)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (410, "expired")


async def test_count_zero_counts(fhir: httpx.AsyncClient) -> None:
    found = await search(fhir, "Patient?_count=0")
    assert found["total"] == 14
    assert "entry" not in found


async def test_an_unknown_parameter_is_ignored_with_a_warning_or_refused_if_strict(
    fhir: httpx.AsyncClient,
) -> None:
    lenient = await search(fhir, "Patient?shoe-size=40&_id=1001")
    assert lenient["total"] == 1
    assert lenient["entry"][-1]["search"]["mode"] == "outcome"
    assert "shoe-size" in lenient["entry"][-1]["resource"]["issue"][0]["diagnostics"]
    assert "shoe-size" not in lenient["link"][0]["url"]
    strict = await fhir.get("/Patient?shoe-size=40", headers={"Prefer": "handling=strict"})
    assert strict.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "Encounter?date=yesterday",
        "Encounter?date=ap2026",
        "Encounter?date=2026-13",
        "Patient?_count=many",
        "Patient?_sort=shoe-size",
        "Patient?name:soundex=x",
        "Observation?_include=Observation:code",
        "Observation?_include=Nonsense",
        "Observation?subject:identifier=x",
    ],
)
async def test_a_value_that_is_not_understood_is_refused(fhir: httpx.AsyncClient, query: str) -> None:
    answer = await fhir.get(f"/{query}")
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
