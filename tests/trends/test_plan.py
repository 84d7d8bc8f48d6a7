"""A schedule out of a PlanDefinition: each form's sessions, and what is not understood."""

from typing import Any

import pytest

from plugin.packaging.definitions import SCHEDULES, write_condition
from plugin.plan import read_plan
from plugin.schedule import EVERY_SESSION, Schedule

CHILD = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child"
CAREGIVER = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-caregiver"


def sessions(expression: str) -> list[dict[str, Any]]:
    return [{"kind": "applicability", "expression": {"language": "text/fhirpath", "expression": expression}}]


def plan(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "PlanDefinition", "status": "active", "action": list(actions)}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_plan_of_the_package_comes_back_as_the_schedule_it_was_made_of(name: str) -> None:
    schedule = SCHEDULES[name][1]
    action = {
        "condition": sessions(write_condition(schedule)),
        "action": [{"definitionCanonical": f"{CHILD}|1.1.0"}],
    }
    read = read_plan(plan(action))
    assert read.rules[0].schedule == schedule
    assert read.problems == ()


def test_each_form_has_sessions_of_its_own() -> None:
    every_fourth = write_condition(Schedule.parse("4,+4"))
    read = read_plan(
        plan(
            {"definitionCanonical": CHILD},
            {"definitionCanonical": CAREGIVER, "condition": sessions(every_fourth)},
        )
    )
    assert [each for each in range(1, 9) if read.of([CAREGIVER]).is_due(each)] == [4, 8]
    assert all(read.of([CHILD]).is_due(each) for each in range(1, 9))
    assert read.of([CAREGIVER]).next_after(1) == 4


def test_a_form_that_the_plan_does_not_name_is_never_due() -> None:
    read = read_plan(plan({"definitionCanonical": CHILD})).of([CAREGIVER])
    assert not read.is_due(1)
    assert read.next_after(0) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"timingTiming": {"repeat": {"frequency": 1}}}, "timing by the calendar"),
        ({"condition": sessions("%age > 12")}, "not one of sessions"),
        (
            {"condition": sessions("%session in (1 | 3) or (%session > 4 and (%session - 4) mod 4 = 0)")},
            "not one",
        ),
        ({"condition": sessions("%session in (3 | 1)")}, "not one of sessions"),
        ({"condition": sessions("%session in (1)") * 2}, "more than one condition"),
        ({"relatedAction": [{"actionId": "a", "relationship": "after"}]}, "order between actions"),
    ],
)
def test_what_is_not_understood_is_said_and_due_at_every_session(more: dict[str, Any], said: str) -> None:
    read = read_plan(plan({"title": "Then", "definitionCanonical": CHILD, **more}))
    assert read.rules[0].schedule == EVERY_SESSION
    (problem,) = read.problems
    assert said in problem
    assert "due at every session" in problem


def test_sessions_at_two_levels_are_not_guessed() -> None:
    inner = {"definitionCanonical": CHILD, "condition": sessions("%session in (2)")}
    read = read_plan(plan({"condition": sessions("%session in (1)"), "action": [inner]}))
    assert read.rules[0].schedule == EVERY_SESSION
    assert "two levels" in read.problems[0]


@pytest.mark.parametrize(
    "resource", [None, [], {"resourceType": "Patient"}, plan(), plan({"title": "nothing"})]
)
def test_what_asks_for_no_form_is_no_plan(resource: object) -> None:
    with pytest.raises(ValueError, match=r"it is no PlanDefinition|names a form"):
        read_plan(resource)
