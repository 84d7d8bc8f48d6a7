"""Bulk Data export as a client meets it: kick-off, status, manifest, files, and every refusal."""

import json
from typing import Any

import httpx
import pytest

from tests.sandbox_ehr.conftest import FHIR, PATIENT, Ehr

ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}


async def begin(ehr: Ehr, path: str, token: str, **parameters: str) -> httpx.Response:
    headers = {**ASYNC, "Authorization": f"Bearer {token}"}
    return await ehr.http.get(f"{FHIR}/{path}", params=parameters, headers=headers)


async def export(ehr: Ehr, path: str, token: str, **parameters: str) -> dict[str, list[dict[str, Any]]]:
    """Export and give the resources by type."""
    begun = await begin(ehr, path, token, **parameters)
    assert begun.status_code == 202, begun.text
    own = {"Authorization": f"Bearer {token}"}
    waiting = await ehr.http.get(begun.headers["content-location"], headers=own)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    done = (await ehr.http.get(begun.headers["content-location"], headers=own)).json()
    assert done["requiresAccessToken"] is True
    found: dict[str, list[dict[str, Any]]] = {}
    for each in done["output"]:
        file = await ehr.http.get(each["url"], headers=own)
        assert file.headers["content-type"] == "application/fhir+ndjson"
        lines = [json.loads(line) for line in file.content.splitlines()]
        assert len(lines) == each["count"]
        assert {line["resourceType"] for line in lines} == {each["type"]}
        found.setdefault(each["type"], []).extend(lines)
    return found


async def test_everything_is_exported_that_the_token_may_read(ehr: Ehr) -> None:
    token = await ehr.system_token("system/Patient.rs system/QuestionnaireResponse.rs")
    found = await export(ehr, "$export", token)
    assert set(found) == {"Patient", "QuestionnaireResponse"}
    assert len(found["Patient"]) >= 12


async def test_a_group_is_exported_with_what_is_about_its_members(ehr: Ehr) -> None:
    token = await ehr.system_token("system/*.cruds")
    made = await ehr.http.post(
        f"{FHIR}/Group",
        json={
            "resourceType": "Group",
            "type": "person",
            "actual": True,
            "member": [{"entity": {"reference": f"Patient/{PATIENT}"}}],
        },
        headers={"Authorization": f"Bearer {token}"},
    )
    found = await export(
        ehr, f"Group/{made.json()['id']}/$export", token, _type="Patient,QuestionnaireResponse,Observation"
    )
    assert [each["id"] for each in found["Patient"]] == [PATIENT]
    subjects = {each["subject"]["reference"] for each in found["QuestionnaireResponse"]}
    assert subjects == {f"Patient/{PATIENT}"}
    everybody = await export(ehr, "Group/everybody/$export", token, _type="Patient")
    assert len(everybody["Patient"]) >= 12


async def test_since_leaves_out_what_has_not_changed(ehr: Ehr) -> None:
    token = await ehr.system_token("system/*.cruds")
    ehr.now.advance(minutes=1)
    since = ehr.now.at.isoformat()
    ehr.now.advance(minutes=1)
    assert await export(ehr, "Patient/$export", token, _since=since) == {}
    person = (
        await ehr.http.get(f"{FHIR}/Patient/{PATIENT}", headers={"Authorization": f"Bearer {token}"})
    ).json()
    await ehr.http.put(f"{FHIR}/Patient/{PATIENT}", json=person, headers={"Authorization": f"Bearer {token}"})
    found = await export(ehr, "Patient/$export", token, _since=since)
    assert [each["id"] for each in found["Patient"]] == [PATIENT]


async def test_a_deleted_export_is_gone_and_nobody_elses(ehr: Ehr) -> None:
    token = await ehr.system_token("system/Patient.rs")
    own = {"Authorization": f"Bearer {token}"}
    place = (await begin(ehr, "Patient/$export", token)).headers["content-location"]
    other = {"Authorization": f"Bearer {await ehr.system_token('system/Patient.rs', client='symmetric')}"}
    assert (await ehr.http.get(place, headers=other)).status_code == 404
    assert (await ehr.http.delete(place, headers=own)).status_code == 202
    gone = await ehr.http.get(place, headers=own)
    assert (gone.status_code, gone.json()["resourceType"]) == (404, "OperationOutcome")


@pytest.mark.parametrize(
    ("path", "scope", "parameters", "status", "named"),
    [
        ("$export", "system/Patient.rs", {"_outputFormat": "text/csv"}, 400, "ndjson"),
        ("$export", "system/Patient.rs", {"_typeFilter": "Patient?active=true"}, 400, "_typeFilter"),
        ("$export", "system/Patient.rs", {"_type": "Nonsense"}, 400, "Nonsense"),
        ("Patient/$export", "system/*.rs", {"_type": "Practitioner"}, 400, "Practitioner"),
        ("$export", "system/Patient.rs", {"_type": "Observation"}, 403, "Observation"),
        ("$export", "system/Patient.rs", {"_since": "yesterday"}, 400, "_lastUpdated"),
        ("Group/none/$export", "system/*.rs", {}, 404, "Group"),
        ("Practitioner/$export", "system/*.rs", {}, 404, "Practitioner"),
        ("Group/everybody/more/$export", "system/*.rs", {}, 405, "interaction"),
    ],
)
async def test_what_cannot_be_exported_is_refused_in_words(
    ehr: Ehr, path: str, scope: str, parameters: dict[str, str], status: int, named: str
) -> None:
    refused = await begin(ehr, path, await ehr.system_token(scope), **parameters)
    assert refused.status_code == status, refused.text
    assert named in refused.json()["issue"][0]["diagnostics"]


async def test_an_export_is_asynchronous_only(ehr: Ehr) -> None:
    token = await ehr.system_token("system/*.rs")
    refused = await ehr.http.get(f"{FHIR}/$export", headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 400
    assert "respond-async" in refused.text


async def test_the_capability_statement_says_which_levels_there_are(ehr: Ehr) -> None:
    statement = (await ehr.http.get(f"{FHIR}/metadata")).json()
    rest = statement["rest"][0]
    assert [each["name"] for each in rest["operation"]] == ["export"]
    offering = {
        each["type"]
        for each in rest["resource"]
        if any(operation["name"] == "export" for operation in each.get("operation", ()))
    }
    assert offering == {"Patient", "Group"}
