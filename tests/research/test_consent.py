"""Whose administrations may be given, as Consent in the record says it."""

from datetime import date
from typing import Any

import pytest

from plugin.research import Rule, read_consents

TODAY = date(2026, 5, 20)
SCOPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]}
OPT_OUT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]}


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
    ],
    ids=str,
)
def test_who_may_be_told_of(said: list[dict[str, object]], agreed: bool, not_refused: bool) -> None:
    found = read_consents(said, TODAY)
    assert (found.allow(Rule.AGREED), found.allow(Rule.NOT_REFUSED)) == (agreed, not_refused)
