"""A site whose schedule is a PlanDefinition: each kind of rater has sessions of its own."""

import re
from pathlib import Path

import pytest

from plugin.plan import read_plan
from plugin.schedule import EVERY_SESSION, Schedule, SiteSchedule
from tests.product.test_caseload import FIRST, NAMES, OF_BOTH, answer, caseload, needs
from tests.product.test_pressing import presses
from tests.product.world import run_world

FORMS = "https://w3id.org/rapport-fhir/Questionnaire"
CHILD_ALONE = read_plan(
    {
        "resourceType": "PlanDefinition",
        "action": [{"definitionCanonical": f"{FORMS}/rapport-checkin-child"}],
    }
)

BY_AGE = read_plan(
    {
        "resourceType": "PlanDefinition",
        "action": [
            {
                "definitionCanonical": f"{FORMS}/rapport-checkin-{form}",
                "condition": [
                    {
                        "kind": "applicability",
                        "expression": {
                            "language": "text/fhirpath",
                            "expression": f"%session in ({sessions})",
                        },
                    }
                ],
            }
            for form, sessions in (("child", "1 | 90"), ("adolescent", " | ".join(map(str, range(1, 90)))))
        ],
    }
)
"""Children at session 1 and 90, adolescents at each of the sessions before the latter."""


async def test_of_forms_for_different_ages_that_decides_which_fits(tmp_path: Path) -> None:
    async with run_world(tmp_path, schedule=BY_AGE) as world:
        page = await world.launch("oliver", encounter="1005-20260302")
    assert "no form for 11" not in page.text
    assert re.search(r"<b>Oliver [^\n]*due in session 90<", page.text)


async def test_nobody_is_overdue_with_a_form_that_is_for_another_age(tmp_path: Path) -> None:
    async with run_world(tmp_path, schedule=BY_AGE, roles=OF_BOTH, more_scopes=NAMES) as world:
        people = await world.people()
        for patient in ("mateo", "wei-ling"):
            await world.launch(patient, practitioner=FIRST)
            await answer(world, patient)
            await world.launch(
                patient, practitioner=FIRST, encounter=f"{people[patient]}-20260302"
            )  # the second
        world.clock.pass_time(days=1)
        page = await caseload(world)
    assert needs(page, people["mateo"]) == []
    assert needs(page, people["wei-ling"]) == ["overdue"]


async def test_only_whose_forms_the_plan_asks_for_are_due(tmp_path: Path) -> None:
    async with run_world(tmp_path, schedule=CHILD_ALONE) as world:
        page = await world.launch("amara")
    assert [each.split()[1] for each in presses(page)] == ["rapport-checkin-child"]
    assert "not due" in page.text


@pytest.mark.parametrize(
    ("schedule", "encounter", "is_told"),
    [
        (Schedule.parse("1,3,4,+4"), None, True),
        (Schedule.parse("1,3,4,+4"), "1005-20260302", False),
        (EVERY_SESSION, None, False),
        (BY_AGE, None, True),
        (CHILD_ALONE, None, False),
    ],
)
async def test_that_no_session_was_chosen_is_said_where_the_schedule_counts_them(
    tmp_path: Path, schedule: SiteSchedule, encounter: str | None, is_told: bool
) -> None:
    async with run_world(tmp_path, schedule=schedule) as world:
        page = await world.launch("oliver", encounter=encounter)
    due = page.text.partition('id="due"')[2].partition("</form>")[0]
    assert ("schedule is not applied" in due) == is_told


async def test_that_an_encounter_is_no_counted_session_is_said_where_the_schedule_counts_them(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, schedule=Schedule.parse("1,3,4,+4")) as world:
        store = world.ehr.state.store
        visit = store.read("Encounter", "1005-20260302").read()
        stay = store.create({**visit, "class": {**visit["class"], "code": "IMP"}}).id
        page = await world.launch("oliver", encounter=stay)
    due = page.text.partition('id="due"')[2].partition("</form>")[0]
    assert "The number of this session is not known" in due


async def test_who_is_not_due_stands_behind_the_presses_of_those_who_are(tmp_path: Path) -> None:
    async with run_world(tmp_path, schedule=CHILD_ALONE) as world:
        page = await world.launch("amara")
    due = page.text.partition('id="due"')[2].partition("</form>")[0]
    before, _, behind = due.partition('name="press"')
    assert "not due" not in before
    assert behind.count("not due") == 3


async def test_what_is_not_understood_is_said_on_the_page(tmp_path: Path) -> None:
    action = {
        "title": "Weekly",
        "definitionCanonical": f"{FORMS}/rapport-checkin-child",
        "timingTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}},
    }
    other = {"definitionCanonical": f"{FORMS}/rapport-checkin-caregiver|0.0.1"}
    foreign = {"definitionCanonical": "https://other.example/Questionnaire/mood|2"}
    plan = read_plan({"resourceType": "PlanDefinition", "action": [action, other, foreign]})
    async with run_world(tmp_path, schedule=plan) as world:
        page = await world.launch("amara")
    assert "“Weekly”: a timing by the calendar does not count sessions" in page.text
    assert "https://other.example/Questionnaire/mood|2 is not installed" in page.text
    assert (
        f"{FORMS}/rapport-checkin-caregiver|0.0.1 stands here as {FORMS}/rapport-checkin-caregiver|"
        in page.text
    )
