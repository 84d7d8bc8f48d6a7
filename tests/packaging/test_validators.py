"""What Rapport publishes, held against two validators that are not ours."""

from copy import deepcopy

import pytest

from tests.judges.node import Finding, validate, why_not
from tests.packaging.built import built

# Lantana's validator (fhir 4.12.0) takes a `valueDecimal` or `valueInteger` of 0 for a missing value.
ZERO_IS_MISSING = ("lantana", "Missing property")


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)


def serious(findings: list[Finding]) -> list[Finding]:
    """Leave out advice, and the zero that a validator takes for nothing."""
    return [
        each
        for each in findings
        if each.severity in ("error", "fatal")
        and not ((each.by, each.text) == ZERO_IS_MISSING and each.place.endswith("value[x]"))
    ]


def test_no_validator_finds_an_error_in_the_package() -> None:
    package = built()
    everything = [*package.resources.values(), *package.examples.values()]
    assert len(everything) > 100
    assert serious(validate(everything)) == []


def test_the_validators_find_what_is_wrong() -> None:
    form = deepcopy(built().resources["Questionnaire-rapport-checkin-child.json"])
    form["status"] = "nonsense"
    del form["item"][0]["linkId"]
    found = serious(validate([form]))
    assert {each.by for each in found} == {"medplum", "lantana"}
