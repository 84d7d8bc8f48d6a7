"""What the record will say: valid R4 resources, profile rules, nothing invented."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.provenance import Provenance

from plugin.observations import Results, build_bundle, build_results
from plugin.observations.build import IDENTIFIER_SYSTEM, Subject, full_url
from plugin.responses import check_response, read_response
from plugin.scores import compile_key, compute
from questionnaires import load_catalogue
from tests.product.forms import ANSWERS, question, response_of

CATALOGUE = load_catalogue()
RESPONSE_ID = "0d1f6a52-8a0f-4c55-9f56-0f6c8a4c7a10"
WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SUBJECT = Subject("Patient/1", "Encounter/2", "RelatedPerson/3", "Practitioner/4")


def results_of(answers: dict[str, str | None], subject: Subject = SUBJECT) -> Results:
    items = [question(link_id, code) for link_id, code in answers.items() if code]
    response = read_response(json.dumps(response_of("1", item=items)).encode())
    instrument = CATALOGUE.by_id("rapport-checkin-child")
    scores = compute(compile_key(instrument), check_response(response, instrument, patient="Patient/1"))
    return build_results(
        RESPONSE_ID,
        instrument,
        scores,
        subject,
        authored=WHEN,
        issued=WHEN,
        organization="Trust",
        recorded=True,
    )


def by_code(results: Results) -> dict[str, Any]:
    decoded = [json.loads(each) for each in (results.panel, *results.scores)]
    return {each["code"]["coding"][0]["code"]: each for each in decoded}


@pytest.mark.parametrize("answers", [ANSWERS, {"goal-1": "mostly"}, dict.fromkeys(ANSWERS, "not-at-all")])
def test_every_resource_is_valid(answers: dict[str, str | None]) -> None:
    results = results_of(answers)
    for each in (results.panel, *results.scores):
        Observation.model_validate_json(each)
    Provenance.model_validate_json(results.provenance)
    bundle = build_bundle(
        RESPONSE_ID,
        f"{IDENTIFIER_SYSTEM}|{RESPONSE_ID}",
        b'{"resourceType":"QuestionnaireResponse","status":"completed"}',
        results,
        conditional=True,
        provenance=True,
    )
    Bundle.model_validate_json(bundle)


def test_the_panel_groups_and_the_scores_are_derived() -> None:
    found = by_code(results_of(ANSWERS))
    panel = found.pop("rapport-checkin-child")
    assert panel["performer"] == [{"reference": "RelatedPerson/3"}]
    assert len(panel["hasMember"]) == len(found) == 4
    assert not {"valueQuantity", "dataAbsentReason"} & panel.keys()
    for score in found.values():
        assert "performer" not in score
        assert score["derivedFrom"] == [{"reference": full_url(RESPONSE_ID)}]
        assert score["encounter"] == {"reference": "Encounter/2"}


def test_each_observation_has_a_value_or_a_reason() -> None:
    found = by_code(
        results_of({"goal-1": "mostly", "goal-2": "mostly", "bond-1": "not-at-all", "bond-2": "not-at-all"})
    )
    assert found["rapport-checkin-child-goal"]["valueQuantity"]["value"] == 6
    assert found["rapport-checkin-child-bond"]["valueQuantity"]["value"] == 0
    assert "task-1, task-2" in found["rapport-checkin-child-total"]["dataAbsentReason"]["text"]
    for name, score in found.items():
        if name != "rapport-checkin-child":
            assert ("valueQuantity" in score) != ("dataAbsentReason" in score)


def test_a_range_is_the_possible_one_and_says_so() -> None:
    total = by_code(results_of(ANSWERS))["rapport-checkin-child-total"]
    (possible,) = total["referenceRange"]
    assert (possible["low"]["value"], possible["high"]["value"]) == (0, 24)
    assert possible["type"] == {"text": "possible"}


def test_provenance_names_who_answered_what_computed_and_from_which_key() -> None:
    provenance = json.loads(results_of(ANSWERS).provenance)
    author, assembler = provenance["agent"]
    assert author["who"] == {"reference": "RelatedPerson/3"}
    assert assembler["who"]["type"] == "Device"
    assert assembler["onBehalfOf"]["display"] == "Trust"
    assert [each["reference"] for each in provenance["target"]][:2] == [
        full_url(RESPONSE_ID),
        full_url(f"{RESPONSE_ID}/panel"),
    ]
    assert len(provenance["target"]) == 6
    key = provenance["entity"][1]["what"]
    assert key["identifier"]["value"].endswith("rapport-checkin-child|1.1.0")
    assert "sha256:" in key["display"]


def test_a_practitioner_as_author_acts_on_behalf_of_the_organization() -> None:
    subject = Subject("Patient/1", None, "Practitioner/4", "Practitioner/4")
    (author, _) = json.loads(results_of(ANSWERS, subject).provenance)["agent"]
    assert author["onBehalfOf"] == {"type": "Organization", "display": "Trust"}


def test_the_bundle_holds_the_responses_own_bytes() -> None:
    body = b'{"resourceType":"QuestionnaireResponse", "x":1.50}'
    bundle = build_bundle(
        RESPONSE_ID,
        f"{IDENTIFIER_SYSTEM}|{RESPONSE_ID}",
        body,
        results_of(ANSWERS),
        conditional=False,
        provenance=False,
    )
    assert body in bundle
    requests = [entry["request"] for entry in json.loads(bundle)["entry"]]
    assert [each["url"] for each in requests] == ["QuestionnaireResponse", *["Observation"] * 5]
    assert not any("ifNoneExist" in each for each in requests)


def test_a_condition_escapes_what_an_identifier_may_hold() -> None:
    bundle = build_bundle(
        RESPONSE_ID,
        "https://other.invalid/a|x&y=z",
        b"{}",
        results_of(ANSWERS),
        conditional=True,
        provenance=False,
    )
    first = json.loads(bundle)["entry"][0]["request"]
    assert first["ifNoneExist"] == "identifier=https://other.invalid/a|x%26y%3Dz"


def test_addresses_are_version_5_uuids_of_the_identifier() -> None:
    name = str(uuid.uuid4())
    for tail in ("panel", "score-total", "a/b", "ü"):
        assert full_url(f"{name}/{tail}") == f"urn:uuid:{uuid.uuid5(uuid.UUID(name), tail)}"
