"""A schedule that names a PlanDefinition beside the settings."""

import json
from pathlib import Path

import pytest

from plugin.errors import SettingsInvalid
from plugin.plan import Plan, PlanInEhr
from tests.settings.test_settings import MINIMAL, read

FORM = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-caregiver"
FOURTH = "%session in (4) or (%session > 4 and (%session - 4) mod 4 = 0)"
PLAN = {
    "resourceType": "PlanDefinition",
    "action": [
        {
            "definitionCanonical": FORM,
            "condition": [
                {
                    "kind": "applicability",
                    "expression": {"language": "text/fhirpath", "expression": FOURTH},
                }
            ],
        }
    ],
}


def test_a_plan_beside_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN), encoding="utf-8")
    schedule = read(tmp_path, f'{MINIMAL}\nschedule = "plan.json"\n').policies["clinic"].schedule
    assert isinstance(schedule, Plan)
    assert [each for each in range(1, 13) if schedule.of([FORM]).is_due(each)] == [4, 8, 12]


@pytest.mark.parametrize(
    "content", [None, "{", '{"resourceType": "Patient"}', '{"resourceType": "PlanDefinition"}']
)
def test_a_plan_that_is_none_stops_the_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsInvalid, match=r"plan\.json"):
        read(tmp_path, f'{MINIMAL}\nschedule = "plan.json"\n')


@pytest.mark.parametrize(
    ("written", "scopes"),
    [
        ("PlanDefinition/17", {"user/PlanDefinition.rs"}),
        ("https://clinic.invalid/plan|1.0", {"user/PlanDefinition.rs"}),
        ("every", set()),
    ],
)
def test_a_plan_in_the_ehr_is_asked_for_at_launch(tmp_path: Path, written: str, scopes: set[str]) -> None:
    found = read(tmp_path, f'{MINIMAL}\nschedule = "{written}"\n')
    assert isinstance(found.policies["clinic"].schedule, PlanInEhr) == bool(scopes)
    assert {each for each in found.sites["clinic"].scopes if "Plan" in each} == scopes


def test_a_plan_that_rapport_reads_itself_is_not_asked_for_at_launch(tmp_path: Path) -> None:
    more = 'schedule = "PlanDefinition/17"\nbackend_scopes = ["system/PlanDefinition.rs"]\n'
    assert not any("Plan" in each for each in read(tmp_path, f"{MINIMAL}\n{more}").sites["clinic"].scopes)
