"""A form about an earlier day: copied from paper, or rated by an observer who hears a recording later."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.product.test_corrections import forbid
from tests.product.test_licensed import write_pack
from tests.product.test_lock import csrf_of
from tests.product.test_observer import ANSWERS, FORM, TOTAL
from tests.product.world import World, run_world

TODAY = date(2026, 3, 2)
EARLIER = "2026-02-20"


@pytest.fixture
async def observed(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path, wording=write_pack(tmp_path, FORM)) as world:
        yield world


async def me(world: World) -> str:
    return f"Practitioner/{(await world.people())['practitioner']}"


async def rate(world: World, day: str | None, encounter: str = "1001-20260302") -> dict[str, Any]:
    """Rate a session of a day, opened from an Encounter; gives the total in the record."""
    page = await world.launch(encounter=encounter)
    secret = await world.hand_over(page, await me(world), FORM, pin="", day=day)
    sent = await world.fill(secret, ANSWERS)
    assert sent.status_code == 200, sent.text
    (total,) = await world.delivered(code=TOTAL, patient=(await world.people())["amara"])
    return total


async def begin(world: World, page: httpx.Response, day: str | None) -> httpx.Response:
    """Start the observer's form for what is typed as its day; None: by a page that does not ask."""
    data = {
        "csrf": csrf_of(page),
        "respondent": await me(world),
        "instrument": FORM,
        "language": "en",
    }
    return await world.browser.post(
        f"{page.url}/invitations", data=data if day is None else data | {"day": day}
    )


async def test_a_session_that_is_rated_later_stands_on_its_own_day_in_the_record(observed: World) -> None:
    total = await rate(observed, EARLIER)
    when = datetime.fromisoformat(str(total["effectiveDateTime"]))
    assert (when.astimezone(UTC).date().isoformat(), when.astimezone(UTC).hour) == (EARLIER, 12)
    assert "encounter" not in total
    responses = await observed.search("QuestionnaireResponse")
    (response,) = [each for each in responses if FORM in each["questionnaire"]]
    assert response["authored"].startswith(EARLIER)
    assert "encounter" not in response


async def test_in_the_plot_it_stands_on_its_own_day_and_not_in_this_session(observed: World) -> None:
    await rate(observed, EARLIER)
    page = await observed.launch()
    assert "has answered" not in page.text.split('data-rater="observer"')[1].split("</label>")[0]
    assert re.search(r"Observer.{0,400}20 Feb 2026", page.text, re.DOTALL)


async def test_a_session_of_today_is_of_this_moment_and_encounter(observed: World) -> None:
    total = await rate(observed, None)
    assert datetime.fromisoformat(str(total["effectiveDateTime"])) == observed.clock.now
    assert "encounter" in total


async def test_opened_from_the_session_that_was_observed_the_form_begins_with_its_day_and_belongs_to_it(
    observed: World,
) -> None:
    total = await rate(observed, None, encounter="1001-8")
    assert str(total["effectiveDateTime"]).startswith("2026-02-23")
    assert total["encounter"]["reference"].endswith("Encounter/1001-8")


async def test_what_is_about_today_does_not_belong_to_an_earlier_session(observed: World) -> None:
    total = await rate(observed, str(TODAY), encounter="1001-8")
    assert "encounter" not in total


async def stay(observed: World, status: str, period: dict[str, str]) -> str:
    """Have Amara stay at the clinic; gives the Encounter's id."""
    encounter = {
        "resourceType": "Encounter",
        "status": status,
        "class": {"code": "IMP"},
        "subject": {"reference": f"Patient/{(await observed.people())['amara']}"},
        "period": period,
    }
    return str(observed.ehr.state.store.create(encounter).id)


async def test_in_a_stay_the_day_begins_with_today_and_any_day_of_the_stay_belongs_to_it(
    observed: World,
) -> None:
    here = await stay(observed, "in-progress", {"start": "2026-01-20T08:00:00+00:00"})
    page = await observed.launch(encounter=here)
    assert f'name="day" type="date" max="{TODAY}" value="{TODAY}"' in page.text
    secret = await observed.hand_over(page, await me(observed), FORM, pin="", day=EARLIER)
    assert (await observed.fill(secret, ANSWERS)).status_code == 200
    (total,) = await observed.delivered(code=TOTAL, patient=(await observed.people())["amara"])
    assert total["encounter"]["reference"].endswith(f"Encounter/{here}")


@pytest.mark.parametrize(
    "period", [{"start": "2026-02-20"}, {"start": "2026-02-20T08:00:00Z"}, {"start": EARLIER, "end": EARLIER}]
)
async def test_a_finished_session_of_another_day_begins_with_its_day(
    observed: World, period: dict[str, str]
) -> None:
    page = await observed.launch(encounter=await stay(observed, "finished", period))
    assert f'value="{EARLIER}" aria-describedby="day-hint"' in page.text


async def test_while_the_ehr_does_not_answer_no_form_is_begun_of_a_session_that_is_not_known(
    observed: World,
) -> None:
    page = await observed.launch(encounter="1001-8")
    await forbid(observed, "GET", "/r4/Encounter/1001-8*", kind="unavailable")
    assert (await begin(observed, page, str(TODAY))).status_code == 503


async def test_where_the_session_cannot_be_read_an_earlier_day_is_taken_without_one(observed: World) -> None:
    page = await observed.launch(encounter="1001-8")
    await forbid(observed, "GET", "/r4/Encounter/1001-8*", kind="forbidden")
    begun = await begin(observed, page, EARLIER)
    assert begun.status_code == 303


async def test_of_two_forms_about_one_day_both_are_shown_and_the_last_entered_is_the_latest(
    observed: World,
) -> None:
    await rate(observed, EARLIER)
    observed.clock.pass_time(minutes=3)
    secret = await observed.hand_over(await observed.launch(), await me(observed), FORM, pin="", day=EARLIER)
    lowest = dict.fromkeys(ANSWERS, "0") | {"item-5": "5"}
    assert (await observed.fill(secret, lowest)).status_code == 200
    page = (await observed.launch()).text
    assert "(Observer): 1 session, latest 0." in page
    assert "20 Feb 2026, 12:00" not in page


async def test_paper_of_another_day_that_is_under_way_takes_no_press_of_today_away(observed: World) -> None:
    before = await observed.launch()
    await begin(observed, before, EARLIER)
    after = await observed.launch()
    assert "has a form" not in after.text.split('data-rater="observer"')[1].split("</label>")[0]
    assert ", 20 Feb 2026: <span data-form-state" in after.text
    assert "(20 Feb 2026)</span></button>" in after.text


async def test_the_day_is_asked_for_such_forms_only_and_begins_with_today(
    observed: World, world_without: World
) -> None:
    page = (await observed.launch()).text
    assert f'name="day" type="date" max="{TODAY}" value="{TODAY}"' in page
    dated = re.findall(r"data-dated[^>]*><input[^>]* value=\"([^\"]+)\"", page)
    assert FORM in dated
    assert not [each for each in dated if "checkin" in each]
    assert 'name="day"' not in (await world_without.launch()).text


@pytest.fixture
async def world_without(tmp_path: Path) -> AsyncIterator[World]:
    """A site without forms of another day."""
    (tmp_path / "other").mkdir()
    async with run_world(tmp_path / "other") as world:
        yield world


@pytest.mark.parametrize(
    ("day", "says"),
    [
        ("2026-03-03", "The day that the form is about is still to come. Correct the day."),
        ("1999-01-01", "The day that the form is about is before the patient&#39;s birth. Correct the day."),
        ("", "It is not said which day the form is about. Give the day."),
        ("2026-W08-5", "It is not said which day the form is about. Give the day."),
        ("1066-10-14", "It is not said which day the form is about. Give the day."),
        ("20.2.2026", "It is not said which day the form is about. Give the day."),
        (None, "It is not said which day the form is about. Give the day."),
    ],
)
async def test_a_day_that_cannot_be_is_told_in_the_form_as_it_was_filled(
    observed: World, day: str | None, says: str
) -> None:
    refused = await begin(observed, await observed.launch(), day)
    assert refused.status_code == 422
    assert says in refused.text
    assert f'value="{day or ""}" aria-describedby="day-hint"' in refused.text


async def test_forms_of_two_days_are_under_way_beside_each_other(observed: World) -> None:
    page = await observed.launch()
    first = await begin(observed, page, EARLIER)
    other = await begin(observed, page, "2026-02-27")
    again = await begin(observed, page, EARLIER)
    assert first.headers["location"] == again.headers["location"] != other.headers["location"]
    shown = (await observed.launch()).text
    assert "Go on with your form about 20 Feb 2026" in shown
    assert "Go on with your form about 27 Feb 2026" in shown


async def test_the_form_says_which_day_it_is_about(observed: World) -> None:
    secret = await observed.hand_over(await observed.launch(), await me(observed), FORM, pin="", day=EARLIER)
    form = await observed.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert "The day it is about: 20 Feb 2026." in form.text


async def test_a_form_of_today_that_is_sent_tomorrow_stays_of_its_day(observed: World) -> None:
    observed.clock.pass_time(hours=13)
    secret = await observed.hand_over(await observed.launch(), await me(observed), FORM, pin="")
    observed.clock.pass_time(hours=3)
    assert (await observed.fill(secret, ANSWERS)).status_code == 200
    (total,) = await observed.delivered(code=TOTAL, patient=(await observed.people())["amara"])
    assert str(total["effectiveDateTime"]).startswith(TODAY.isoformat())
