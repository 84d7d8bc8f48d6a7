"""A session that somebody rates who watched or heard it: a clinician at their own sign-in, beside the therapist's own view."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.product.test_caseload import FIRST, OF_BOTH, caseload, needs
from tests.product.test_licensed import write_pack
from tests.product.world import World, run_world

FORM, TOTAL = "tpocs-a-brief", "tpocs-a-brief-total"
THERAPISTS = "rapport-checkin-therapist"
ANSWERS = {"item-1": "4", "item-3": "3", "item-4": "5", "item-5": "1", "item-9": "4"}
PERSON = re.compile(r'<input type="radio" name="respondent" value="([^"]+)" data-rater="(\w+)"( data-own)?')


@asynccontextmanager
async def observed_world(folder: Path) -> AsyncIterator[World]:
    async with run_world(folder, wording=write_pack(folder, FORM)) as world:
        yield world


def offered(page: httpx.Response) -> list[tuple[str, str]]:
    """Who is offered as somebody who answers at their own sign-in, with their role."""
    return [(reference, rater) for reference, rater, own in PERSON.findall(page.text) if own]


def standing(page: httpx.Response, rater: str) -> str:
    """What the page says of somebody's part in this session."""
    row = next(each for each in page.text.split("<label") if f'data-rater="{rater}"' in each)
    found = re.search(r'<span class="standing[^"]*">([^<]*)', row)
    return found[1] if found else ""


async def test_nobody_observes_where_there_is_no_form_for_it(world: World) -> None:
    people = await world.people()
    page = await world.launch()
    assert offered(page) == [(f"Practitioner/{people['practitioner']}", "therapist")]


async def test_an_observers_form_opens_at_once_and_its_score_is_theirs_in_the_record(tmp_path: Path) -> None:
    async with observed_world(tmp_path) as world:
        people = await world.people()
        me = f"Practitioner/{people['practitioner']}"
        page = await world.launch()
        assert offered(page) == [(me, "therapist"), (me, "observer")]
        assert standing(page, "therapist") == "due"
        assert not standing(page, "observer")
        secret = await world.hand_over(page, me, FORM, pin="")
        assert (await world.browser.get(str(page.url))).status_code == 200  # not locked
        headers = {"X-Rapport-Invitation": secret}
        form = await world.browser.get("/fill/form", headers=headers)
        assert " data-cover" not in form.text
        assert "This form does not show them to the young person." in form.text
        begun = await world.browser.get(str(page.url))
        assert standing(begun, "observer") == "has a form"
        assert "Go on with your form" in begun.text
        sent = await world.fill(secret, ANSWERS)
        assert sent.status_code == 200, sent.text
        (total,) = await world.delivered(code=TOTAL, patient=people["amara"])
        (panel,) = await world.delivered(code="tpocs-a-brief", patient=people["amara"])
        (response,) = [
            each
            for each in await world.search("QuestionnaireResponse")
            if total["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{each['id']}"}]
        ]
        after = await world.browser.get(str(page.url))
    assert total["valueQuantity"]["value"] == pytest.approx((4 + 3 + 5 + (5 - 1) + 4) / 5)
    assert panel["performer"] == [{"reference": me}]
    assert response["source"] == {"reference": me}
    assert standing(after, "observer") == "has answered"
    assert standing(after, "therapist") == "due"
    name = re.search(r'data-rater="observer".*?<b>([^<]+)</b> <small>Observer</small>', after.text)
    assert name
    assert f"{name[1]} (Observer): 1 session, latest 4." in after.text


async def test_of_a_clinician_in_both_roles_each_form_answers_for_its_own(tmp_path: Path) -> None:
    async with observed_world(tmp_path) as world:
        people = await world.people()
        me = f"Practitioner/{people['practitioner']}"
        page = await world.launch()
        own = await world.hand_over(page, me, THERAPISTS, pin="")
        questions = ("goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2")
        assert (await world.fill(own, dict.fromkeys(questions, "mostly"))).status_code == 200
        after = await world.browser.get(str(page.url))
        assert (standing(after, "therapist"), standing(after, "observer")) == ("has answered", "")
        await world.hand_over(page, me, FORM, pin="")
        begun = await world.browser.get(str(page.url))
        assert (standing(begun, "therapist"), standing(begun, "observer")) == ("has answered", "has a form")


async def test_where_only_an_observer_has_rated_the_young_person_is_overdue(tmp_path: Path) -> None:
    async with run_world(tmp_path, wording=write_pack(tmp_path, FORM), roles=OF_BOTH) as world:
        page = await world.launch("amara", practitioner=FIRST)
        secret = await world.hand_over(page, f"Practitioner/{FIRST}", FORM, pin="")
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        world.clock.pass_time(days=7)
        amara = (await world.people())["amara"]
        assert "overdue" in needs(await caseload(world), amara)


@pytest.mark.parametrize("who", ["Patient", "RelatedPerson"])
async def test_nobody_but_a_clinician_observes(tmp_path: Path, who: str) -> None:
    async with observed_world(tmp_path) as world:
        people = await world.people()
        (related,) = (await world.search("RelatedPerson", patient=people["amara"]))[:1]
        page = await world.launch()
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf
        wish = {
            "csrf": csrf[1],
            "respondent": f"Patient/{people['amara']}"
            if who == "Patient"
            else f"RelatedPerson/{related['id']}",
            "instrument": FORM,
            "language": "en",
        }
        refused = await world.browser.post(f"{page.url}/invitations", data=wish)
    assert refused.status_code == 422
    assert "is for the observer" in refused.text
    chosen = [rater for _, rater, _ in re.findall(PERSON.pattern + r"[^>]* checked", refused.text)]
    assert chosen == ["child" if who == "Patient" else "caregiver"]


async def test_what_was_refused_to_an_observer_stands_in_the_form_as_the_observers(tmp_path: Path) -> None:
    async with observed_world(tmp_path) as world:
        people = await world.people()
        page = await world.launch()
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf
        wish = {
            "csrf": csrf[1],
            "respondent": f"Practitioner/{people['practitioner']}",
            "instrument": FORM,
            "language": "de",
        }
        refused = await world.browser.post(f"{page.url}/invitations", data=wish)
    assert refused.status_code == 422
    assert [rater for _, rater, _ in re.findall(PERSON.pattern + r"[^>]* checked", refused.text)] == [
        "observer"
    ]
