"""The FHIR store: create, read, update, history, conditions, what is refused, and that no digit is lost."""

from typing import Any

import httpx
import pytest

from tests.sandbox_ehr.conftest import BASE, FHIR, PATIENT, Ehr, observation

IDENTIFIER = [{"system": "https://ids.invalid", "value": "one"}]


async def test_the_capability_statement_is_open_and_true_to_the_server(ehr: Ehr) -> None:
    found = (await ehr.http.get("/r4/metadata")).json()
    rest = found["rest"][0]
    assert found["fhirVersion"] == "4.0.1"
    uris = {each["url"]: each["valueUri"] for each in rest["security"]["extension"][0]["extension"]}
    assert uris["authorize"] == f"{BASE}/auth/authorize"
    assert {each["code"] for each in rest["interaction"]} == {"transaction", "batch"}
    described = {each["type"]: each for each in rest["resource"]}
    assert len(described) == 22
    assert described["Observation"]["conditionalCreate"] is True


async def test_a_created_resource_gets_an_id_a_version_and_an_address(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post("/Observation", json=observation(id="mine", meta={"tag": [{"code": "kept"}]}))
    made = answer.json()
    assert answer.status_code == 201
    assert made["id"] != "mine"
    assert made["meta"]["versionId"] == "1"
    assert made["meta"]["lastUpdated"] == "2026-11-23T09:15:00.000Z"
    assert made["meta"]["tag"] == [{"code": "kept"}]
    assert answer.headers["location"] == f"{FHIR}/Observation/{made['id']}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"] == "Mon, 23 Nov 2026 09:15:00 GMT"


@pytest.mark.parametrize(("prefer", "kind"), [("minimal", None), ("OperationOutcome", "OperationOutcome")])
async def test_the_answer_is_as_long_as_preferred(
    fhir: httpx.AsyncClient, prefer: str, kind: str | None
) -> None:
    answer = await fhir.post("/Observation", json=observation(), headers={"Prefer": f"return={prefer}"})
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if answer.content else None) == kind


@pytest.mark.parametrize("number", ["1.50", "0.1234567890123456789", "3", "-0.10", "12345678901234567.5"])
async def test_a_decimal_keeps_every_digit(fhir: httpx.AsyncClient, number: str) -> None:
    start = '{"resourceType":"Observation","status":"final","code":{"text":"x"},'
    body = f'{start}"subject":{{"reference":"Patient/{PATIENT}"}},"valueQuantity":{{"value":{number},"unit":"m"}}}}'
    made = await fhir.post("/Observation", content=body)
    assert f'"value":{number},' in made.text
    read = await fhir.get(f"/Observation/{made.json()['id']}")
    assert f'"value":{number},' in read.text
    found = await fhir.get("/Observation", params={"_id": made.json()["id"]})
    assert f'"value":{number},' in found.text


async def test_an_update_needs_the_version_it_was_made_from(fhir: httpx.AsyncClient) -> None:
    made = (await fhir.post("/Observation", json=observation())).json()
    path = f"/Observation/{made['id']}"
    changed = {**made, "status": "amended"}
    assert (await fhir.put(path, json=changed, headers={"If-Match": 'W/"2"'})).status_code == 412
    answer = await fhir.put(path, json=changed, headers={"If-Match": 'W/"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert (await fhir.get(f"{path}/_history/1")).json()["status"] == "final"
    assert (await fhir.get(path)).json()["status"] == "amended"


async def test_the_history_has_all_versions_newest_first(fhir: httpx.AsyncClient) -> None:
    made = (await fhir.post("/Observation", json=observation())).json()
    await fhir.put(f"/Observation/{made['id']}", json={**made, "status": "amended"})
    bundle = (await fhir.get(f"/Observation/{made['id']}/_history")).json()
    assert (bundle["type"], bundle["total"]) == ("history", 2)
    assert [each["resource"]["status"] for each in bundle["entry"]] == ["amended", "final"]
    assert [each["request"]["method"] for each in bundle["entry"]] == ["PUT", "POST"]


async def test_a_read_that_knows_the_version_already_gets_304(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.get(f"/Patient/{PATIENT}", headers={"If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_conditional_create_makes_one_finds_one_and_refuses_several(fhir: httpx.AsyncClient) -> None:
    condition = {"If-None-Exist": "identifier=https://ids.invalid|one"}
    first = await fhir.post("/Observation", json=observation(identifier=IDENTIFIER), headers=condition)
    second = await fhir.post("/Observation", json=observation(identifier=IDENTIFIER), headers=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["location"] == first.headers["location"]
    await fhir.post("/Observation", json=observation(identifier=IDENTIFIER))
    third = await fhir.post("/Observation", json=observation(identifier=IDENTIFIER), headers=condition)
    assert (third.status_code, third.json()["issue"][0]["code"]) == (412, "multiple-matches")


async def test_a_condition_that_is_not_understood_creates_nothing(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post("/Observation", json=observation(), headers={"If-None-Exist": "identifer=x"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/Observation/none", 404, "not-found"),
        ("GET", f"/Patient/{PATIENT}/_history/9", 404, "not-found"),
        ("GET", "/Unknown/1", 404, "not-supported"),
        ("GET", "/Appointment", 404, "not-supported"),
        ("DELETE", f"/Patient/{PATIENT}", 405, "not-supported"),
        ("PATCH", f"/Patient/{PATIENT}", 405, "not-supported"),
        ("GET", f"/Patient/{PATIENT}/$everything", 405, "not-supported"),
        ("GET", "", 405, "not-supported"),
    ],
)
async def test_what_is_not_there_or_not_done_says_so(
    fhir: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await fhir.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.json()["issue"][0]["code"] == code


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in observation().items() if key != name}


@pytest.mark.parametrize(
    ("resource", "status", "place"),
    [
        (observation(resourceType="Patient"), 400, "resourceType"),
        (observation(resourceType="Nonsense"), 400, None),
        (without("resourceType"), 400, None),
        (without("status"), 422, "Observation.status"),
        (without("code"), 422, "Observation.code"),
        (observation(status="bogus"), 422, "Observation.status"),
        (observation(colour="red"), 422, "Observation.colour"),
        (observation(valueInteger="3"), 422, "Observation.valueInteger"),
        (observation(valueBoolean="true"), 422, "Observation.valueBoolean"),
        (observation(valueQuantity={"value": "3", "unit": "m"}), 422, "Observation.valueQuantity.value"),
        (observation(note=[]), 422, "Observation.note"),
        (observation(encounter={}), 422, "Observation.encounter"),
        (observation(encounter=None), 422, "Observation.encounter"),
        (observation(effectiveDateTime="2026-02-30"), 422, "Observation.effectiveDateTime"),
        (observation(valueInteger=1, dataAbsentReason={"text": "x"}), 422, "Observation.dataAbsentReason"),
        (observation(encounter={"reference": "Encounter/none"}), 422, "Observation"),
        (
            observation(derivedFrom=[{"reference": "urn:uuid:0c3f8d52-0000-4000-8000-000000000000"}]),
            422,
            "Observation",
        ),
    ],
)
async def test_an_unsound_resource_is_refused_at_the_place(
    fhir: httpx.AsyncClient, resource: dict[str, Any], status: int, place: str | None
) -> None:
    before = (await fhir.get("/Observation")).json()["total"]
    answer = await fhir.post("/Observation", json=resource)
    assert answer.status_code == status, answer.text
    assert (answer.json()["issue"][0].get("expression") or [None])[0] == place
    assert (await fhir.get("/Observation")).json()["total"] == before


@pytest.mark.parametrize("body", ["{", "[]", "null", '{"a": NaN}', "", "[" * 100_000, '{"a": "\ud800"}'])
async def test_broken_json_is_refused(fhir: httpx.AsyncClient, body: str) -> None:
    answer = await fhir.post("/Observation", content=body.encode("utf-8", "surrogatepass"))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "structure"


async def test_a_body_over_five_megabytes_is_refused(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post("/Observation", content=b" " * (5 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (413, "too-long")


async def test_only_json_is_taken_and_given(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post("/Observation", content="<a/>", headers={"Content-Type": "application/fhir+xml"})
    assert answer.status_code == 415
    answer = await fhir.get(f"/Patient/{PATIENT}", headers={"Accept": "application/fhir+xml"})
    assert answer.status_code == 406


async def test_the_id_in_an_update_is_the_one_in_the_address(fhir: httpx.AsyncClient) -> None:
    made = (await fhir.post("/Observation", json=observation())).json()
    answer = await fhir.put(f"/Observation/{made['id']}", json={**made, "id": "other"})
    assert answer.status_code == 400
    answer = await fhir.put("/Observation/mine", json=observation(id="mine"))
    assert answer.status_code == 404
