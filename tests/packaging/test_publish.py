"""Publishing to the sandbox EHR over HTTP, and to servers that refuse."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx

from plugin.packaging.publish import PublishingFailed, publish

BASE = "https://fhir.invalid/r4"
CAPABILITY = {
    "resourceType": "CapabilityStatement",
    "rest": [
        {"resource": [{"type": "Questionnaire", "updateCreate": True, "interaction": [{"code": "update"}]}]}
    ],
}
FORM: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "a",
    "url": "https://a.invalid/a",
    "version": "1.0.0",
}


@pytest.fixture
def wire() -> Iterator[respx.MockRouter]:
    with respx.mock() as router:
        router.get(f"{BASE}/metadata").respond(json=CAPABILITY)
        yield router


def run(resources: dict[str, Any], base: str = BASE) -> list[tuple[str, str]]:
    with httpx.Client() as http:
        return [(each.reference, each.outcome) for each in publish(resources, base, http)]


def test_what_the_server_lacks_is_created_under_its_id(wire: respx.MockRouter) -> None:
    wire.get(f"{BASE}/Questionnaire/a").respond(404)
    put = wire.put(f"{BASE}/Questionnaire/a").respond(201)
    assert run({"a": FORM}) == [("Questionnaire/a", "created")]
    assert json.loads(put.calls.last.request.content) == FORM


def test_what_stands_there_already_is_not_written(wire: respx.MockRouter) -> None:
    kept = {**FORM, "meta": {"versionId": "7", "lastUpdated": "2026-11-23T09:00:00Z"}}
    wire.get(f"{BASE}/Questionnaire/a").respond(json=kept)
    assert run({"a": FORM}) == [("Questionnaire/a", "unchanged")]


def test_a_refusal_is_told_in_the_servers_words(wire: respx.MockRouter) -> None:
    wire.get(f"{BASE}/Questionnaire/a").respond(404)
    issue = {"severity": "error", "code": "invalid", "diagnostics": "No such code", "expression": ["item[2]"]}
    wire.put(f"{BASE}/Questionnaire/a").respond(
        422, json={"resourceType": "OperationOutcome", "issue": [issue]}
    )
    with pytest.raises(PublishingFailed, match=r"HTTP 422.*No such code \(at item\[2\]\)"):
        run({"a": FORM})


def test_a_type_that_the_server_does_not_hold_is_told(wire: respx.MockRouter) -> None:
    assert run({"p": {"resourceType": "PlanDefinition", "id": "p"}}) == [("PlanDefinition/p", "not held")]


def test_a_server_that_is_not_there_is_told() -> None:
    with respx.mock() as router:
        router.get(f"{BASE}/metadata").mock(side_effect=httpx.ConnectError("no"))
        with pytest.raises(PublishingFailed, match="cannot be reached"):
            run({"a": FORM})
