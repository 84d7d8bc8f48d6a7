"""What a token may do: every FHIR request is held to the granted scopes and to the patient in context."""

import json
from typing import Any

import httpx
import pytest

from sandbox_ehr.scopes import narrow, parse_scope
from tests.sandbox_ehr.conftest import FHIR, OTHER_PATIENT, PATIENT, Ehr, observation

SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
SURVEY_CATEGORY = [{"coding": [dict(zip(("system", "code"), SURVEY.split("|"), strict=True))]}]


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("patient/Observation.read", "rs"),
        ("user/*.write", "cdu"),
        ("system/*.*", "cdrsu"),
        ("patient/Observation.crs", "crs"),
        ("patient/Observation.src", None),
        ("patient/Observation.", None),
        ("other/Observation.rs", None),
        ("launch", None),
    ],
)
def test_both_syntaxes_are_read(text: str, actions: str | None) -> None:
    scope = parse_scope(text)
    assert ("".join(sorted(scope.actions)) if scope else None) == actions


@pytest.mark.parametrize(
    ("requested", "registered", "granted"),
    [
        ("patient/*.read", ("patient/*.cruds",), "patient/*.read"),
        (
            "patient/*.cruds",
            ("patient/Observation.rs", "patient/Patient.r"),
            "patient/Observation.rs patient/Patient.r",
        ),
        ("patient/Observation.cruds", ("patient/*.rs",), "patient/Observation.rs"),
        ("user/Observation.rs", ("patient/*.rs",), ""),
        ("patient/Observation.rs?category=a", ("patient/*.rs",), "patient/Observation.rs?category=a"),
        (
            "patient/Observation.rs",
            ("patient/Observation.rs?category=a",),
            "patient/Observation.rs?category=a",
        ),
        ("openid fhirUser other", ("openid",), "openid"),
    ],
)
def test_the_registration_narrows_what_is_asked(
    requested: str, registered: tuple[str, ...], granted: str
) -> None:
    assert narrow(requested, registered, levels=frozenset({"patient", "user"})) == granted


@pytest.mark.parametrize("header", [None, "Bearer made-up", "Basic abc", "Bearer"])
async def test_without_a_good_token_the_answer_is_401_with_a_challenge(ehr: Ehr, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = await ehr.http.get("/r4/Observation", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert ("invalid_token" in answer.headers["www-authenticate"]) is (header == "Bearer made-up")
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_an_expired_token_is_refused(ehr: Ehr) -> None:
    async with await ehr.fhir("launch patient/Patient.r") as fhir:
        ehr.now.advance(hours=1)
        answer = await fhir.get(f"/Patient/{PATIENT}")
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (401, "expired")


async def refused(request: Any) -> bool:
    answer: httpx.Response = await request
    assert answer.json()["resourceType"] == "OperationOutcome" or answer.is_success
    return answer.status_code == 403


async def test_each_letter_opens_its_interaction_and_no_other(ehr: Ehr) -> None:
    body = json.dumps(observation())
    async with await ehr.fhir("launch user/*.c") as can_create:
        created = (await can_create.post("/Observation", content=body)).json()
        path = f"/Observation/{created['id']}"
        assert await refused(can_create.get(path))
        assert await refused(can_create.get("/Observation"))
        assert await refused(can_create.put(path, json=created))
    async with await ehr.fhir("launch user/*.r") as can_read:
        assert not await refused(can_read.get(path))
        assert not await refused(can_read.get(f"{path}/_history"))
        assert await refused(can_read.get("/Observation"))
        assert await refused(can_read.post("/Observation", content=body))
    async with await ehr.fhir("launch user/*.s") as can_search:
        assert not await refused(can_search.get("/Observation"))
        assert not await refused(
            can_search.post(
                "/Observation/_search", headers={"Content-Type": "application/x-www-form-urlencoded"}
            )
        )
        assert await refused(can_search.get(path))
    async with await ehr.fhir("launch user/*.u") as can_update:
        assert not await refused(can_update.put(path, json=created))
        assert await refused(can_update.get(path))


async def test_a_scope_is_for_its_type(ehr: Ehr) -> None:
    async with await ehr.fhir("launch user/Observation.rs") as fhir:
        assert not await refused(fhir.get("/Observation"))
        assert await refused(fhir.get("/Patient"))


async def test_patient_scopes_reach_one_patient_only(ehr: Ehr) -> None:
    async with await ehr.fhir("launch patient/*.cruds") as fhir:
        assert await refused(fhir.get(f"/Patient/{OTHER_PATIENT}"))
        assert await refused(fhir.get(f"/Patient/{OTHER_PATIENT}/_history"))
        assert await refused(fhir.get(f"/Encounter/{OTHER_PATIENT}-1"))
        assert (await fhir.get(f"/Encounter/{PATIENT}-1")).status_code == 200
        own = (await fhir.get("/Observation", params={"_count": "250"})).json()
        assert own["total"] > 0
        subjects = {entry["resource"]["subject"]["reference"] for entry in own["entry"]}
        assert subjects == {f"Patient/{PATIENT}"}
        assert (await fhir.get("/Patient")).json()["total"] == 1
        assert (await fhir.get("/Observation", params={"patient": OTHER_PATIENT})).json()["total"] == 0


async def test_patient_scopes_write_into_one_record_only(ehr: Ehr) -> None:
    async with (
        await ehr.fhir("launch patient/*.cruds") as fhir,
        await ehr.fhir("launch user/*.cruds") as everything,
    ):
        before = (await everything.get("/Observation", params={"_count": "0"})).json()["total"]
        performed = observation(OTHER_PATIENT, performer=[{"reference": f"Patient/{PATIENT}"}])
        assert await refused(fhir.post("/Observation", json=observation(OTHER_PATIENT)))
        assert await refused(fhir.post("/Observation", json=performed))
        assert await refused(
            fhir.post("/Questionnaire", json={"resourceType": "Questionnaire", "status": "draft"})
        )
        own = (await fhir.post("/Observation", json=observation())).json()
        own["subject"]["reference"] = f"Patient/{OTHER_PATIENT}"
        assert await refused(fhir.put(f"/Observation/{own['id']}", json=own))
        after = (await everything.get("/Observation", params={"_count": "0"})).json()["total"]
        assert after == before + 1
        kept = (await everything.get(f"/Observation/{own['id']}")).json()
        assert kept["subject"]["reference"] == f"Patient/{PATIENT}"


async def test_patient_scopes_read_the_people_who_work_here(ehr: Ehr) -> None:
    async with await ehr.fhir("launch patient/*.rs") as fhir:
        assert (await fhir.get("/Practitioner/202")).status_code == 200
        assert (await fhir.get("/Organization")).json()["total"] == 2


async def test_a_provenance_is_in_the_record_of_what_it_is_about(ehr: Ehr) -> None:
    def provenance(*targets: str) -> dict[str, Any]:
        return {
            "resourceType": "Provenance",
            "target": [{"reference": target} for target in targets],
            "recorded": "2026-11-23T09:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/202"}}],
        }

    async with await ehr.fhir("launch patient/*.cruds") as fhir:
        assert (await fhir.post("/Provenance", json=provenance(f"Encounter/{PATIENT}-1"))).status_code == 201
        assert await refused(fhir.post("/Provenance", json=provenance(f"Encounter/{OTHER_PATIENT}-1")))
        mixed = provenance(f"Encounter/{PATIENT}-1", f"Encounter/{OTHER_PATIENT}-1")
        assert await refused(fhir.post("/Provenance", json=mixed))
        assert (await fhir.get("/Provenance")).json()["total"] == 1


async def test_a_granular_scope_lets_through_what_meets_its_filter(ehr: Ehr) -> None:
    async with await ehr.fhir("launch user/*.c") as anything:
        other = (await anything.post("/Observation", json=observation())).json()
    async with await ehr.fhir(f"launch patient/Observation.crs?category={SURVEY}") as fhir:
        assert await refused(fhir.get(f"/Observation/{other['id']}"))
        found = (await fhir.get("/Observation", params={"_count": "250"})).json()
        assert other["id"] not in {entry["resource"]["id"] for entry in found["entry"]}
        assert await refused(fhir.post("/Observation", json=observation()))
        survey = observation(category=SURVEY_CATEGORY)
        assert (await fhir.post("/Observation", json=survey)).status_code == 201


async def test_without_a_patient_in_context_patient_scopes_open_nothing(ehr: Ehr) -> None:
    launch = await ehr.launch(patient=None)
    async with await ehr.fhir("launch patient/*.rs", launch=launch) as fhir:
        assert await refused(fhir.get("/Observation"))


async def test_what_is_included_is_held_to_the_scopes_too(ehr: Ehr) -> None:
    async with await ehr.fhir("launch patient/Observation.rs") as fhir:
        found = (await fhir.get("/Observation", params={"_include": "Observation:derived-from"})).json()
        assert {entry["resource"]["resourceType"] for entry in found["entry"]} == {"Observation"}


def entry(method: str, url: str, resource: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url}}
    return {**made, "resource": resource} if resource else made


async def test_in_a_batch_each_entry_is_held_to_the_scopes(ehr: Ehr) -> None:
    entries = [
        entry("POST", "Observation", observation()),
        entry("GET", f"Patient/{PATIENT}"),
        entry("GET", "Encounter"),
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    async with await ehr.fhir("launch patient/Observation.c patient/Patient.r") as fhir:
        answer = (await fhir.post(FHIR, json=bundle)).json()
    assert [each["response"]["status"][:3] for each in answer["entry"]] == ["201", "200", "403"]


async def test_a_transaction_with_one_entry_out_of_scope_changes_nothing(ehr: Ehr) -> None:
    entries = [
        entry("POST", "Observation", observation()),
        entry("POST", "Observation", observation(OTHER_PATIENT)),
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    async with await ehr.fhir("launch patient/Observation.crs") as fhir:
        before = (await fhir.get("/Observation")).json()["total"]
        answer = await fhir.post(FHIR, json=bundle)
        assert answer.status_code == 403
        assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
        assert (await fhir.get("/Observation")).json()["total"] == before
