"""Whose administrations may be given, as Consent in the record says it."""

from datetime import UTC, date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from plugin.research import Rule, read_consents

PATIENT = "Patient/1"
TODAY = date(2026, 5, 20)
SCOPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]}
OPT_OUT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]}
REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def action(code: str) -> dict[str, object]:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": code}]}


def consent(kind: str | None = "permit", **more: Any) -> dict[str, object]:
    provision: dict[str, object] = {} if kind is None else {"type": kind}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": SCOPE,
        "provision": provision | more.pop("provision", {}),
        **more,
    }


@pytest.mark.parametrize(
    ("said", "agreed", "not_refused"),
    [
        ([], False, True),
        ([consent()], True, True),
        ([consent("deny")], False, False),
        ([consent(), consent("deny")], False, False),
        ([consent(status="inactive")], False, True),
        ([consent("deny", status="inactive")], False, True),
        ([consent(scope={"coding": [{"system": "x", "code": "treatment"}]})], False, True),
        ([consent(None)], False, True),
        ([consent(policyRule=OPT_OUT)], False, False),
        ([consent(provision={"period": {"end": "2026-05-19"}})], False, True),
        ([consent(provision={"period": {"end": "2026-05"}})], True, True),
        ([consent(provision={"period": {"start": "2026-05-21"}})], False, True),
        ([consent(provision={"period": {"start": "2026"}})], True, True),
        ([consent(provision={"provision": [{"type": "deny"}]})], False, False),
        ([consent(), {"resourceType": "Consent", "status": 7}], False, False),
        ([consent(provision={"dataPeriod": {"end": "2025-12-31"}})], False, False),
        ([consent(provision={"actor": [{"reference": {"reference": "Organization/study"}}]})], False, False),
        ([consent(provision={"class": [{"code": "Immunization"}]})], False, False),
        ([consent(provision={"purpose": [{"system": REASONS, "code": "TREAT"}]})], False, False),
        ([consent(provision={"purpose": [{"system": REASONS, "code": "HRESCH"}]})], True, True),
        ([consent(provision={"action": [action("collect")]})], False, False),
        ([consent(provision={"action": [action("collect"), action("use")]})], True, True),
        ([consent(modifierExtension=[{"url": "urn:not-for-minors", "valueBoolean": True}])], False, False),
        ([consent(verification=[{"verified": False}])], True, True),  # of treatment instructions
        ([consent(patient={"reference": "Patient/1"})], True, True),
        ([consent(patient={"reference": "https://ehr.invalid/r4/Patient/1/_history/2"})], True, True),
        ([consent(patient={"identifier": {"value": "7"}})], True, True),
        ([consent(patient={"reference": "Patient/11"})], False, True),
        ([consent(patient={"reference": "https://ehr.invalid/r4/Patient/2"})], False, True),
        ([consent("deny", patient={"reference": "Patient/2"})], False, False),
        ([consent(), consent(provision={"data": [{"meaning": "instance"}]})], True, True),
    ],
    ids=str,
)
def test_who_may_be_told_of(said: list[dict[str, object]], agreed: bool, not_refused: bool) -> None:
    found = read_consents(said, PATIENT, TODAY, UTC)
    assert (found.allow(Rule.AGREED), found.allow(Rule.NOT_REFUSED)) == (agreed, not_refused)


def test_a_consent_ends_and_begins_on_the_days_of_the_site() -> None:
    ended = [consent(provision={"period": {"end": "2026-05-21T01:00:00Z"}})]
    assert read_consents(ended, PATIENT, TODAY, ZoneInfo("America/Los_Angeles")).agreed
    assert not read_consents(ended, PATIENT, date(2026, 5, 21), ZoneInfo("America/Los_Angeles")).agreed
    begun = [consent(provision={"period": {"start": "2026-05-19T23:00:00Z"}})]
    assert not read_consents(begun, PATIENT, date(2026, 5, 19), ZoneInfo("Australia/Sydney")).agreed
    assert read_consents(begun, PATIENT, TODAY, ZoneInfo("Australia/Sydney")).agreed
