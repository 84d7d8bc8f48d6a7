"""The patient page when the EHR is slow or away, and when more than one patient or clinician is about."""

import asyncio
import json
import re
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from plugin.audit import Actor
from plugin.flow import Arrival, submit
from plugin.routes.patient import MOST_SHOWN
from tests.product.forms import ANSWERS, question, response_of
from tests.product.test_norms import adopt_figures
from tests.product.test_personalities import send_form
from tests.product.test_plot import ACCEPTED
from tests.product.test_tips import NAMED
from tests.product.world import EHR, World, another_worker, run_world


async def slow(world: World, path: str, seconds: float = 3.0) -> None:
    asked = {"kind": "latency", "path": path, "seconds": seconds}
    answer = await world.browser.post(f"{EHR}/sandbox/faults", json=asked)
    assert answer.status_code == 201, answer.text


async def asked(world: World) -> None:
    """Wait until the slow EHR has been asked something."""
    for _ in range(3000):
        faults = (await world.browser.get(f"{EHR}/sandbox/faults")).json()
        if any(each["hits"] for each in faults):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was asked")


async def opened_after_a_form(world: World) -> httpx.AsyncClient:
    """Send a form, then open the patient in a browser that is not locked; its Referer is the patient page."""
    await send_form(world)
    browser = world.new_browser()
    page = await world.launch("amara", browser=browser)
    browser.headers["Referer"] = str(page.url)
    return browser


def latest_of_the_ledger(page: httpx.Response) -> str:
    facts = page.text.partition('class="facts"')[2].partition("</ul>")[0]
    found = re.search(
        r"<li><b>The young person</b>\s*<span class=\"now\">(.+?)</span>.*?today", facts, re.DOTALL
    )
    assert found, facts
    return found[1]


async def test_a_slow_ehr_does_not_keep_the_page_from_opening(tmp_path: Path) -> None:
    async with run_world(tmp_path, ehr_patience=0.3) as world:
        browser = await opened_after_a_form(world)
        await slow(world, "/r4/*", 30.0)
        begun = time.monotonic()
        page = await browser.get(browser.headers["Referer"])
        assert time.monotonic() - begun < 25
        assert page.status_code == 200
        assert "The EHR is slow" in page.text
        assert 'class="skeleton"' in page.text
        assert latest_of_the_ledger(page) == "14 of 24"
        assert 'data-late="/launches/' in page.text


async def test_a_page_loaded_while_a_hand_over_is_being_saved_leads_to_the_lock(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        page = await world.launch("amara")
        await slow(world, "/r4/Patient/*", 1.0)
        handing = asyncio.create_task(world.hand_over(page, f"Patient/{people['amara']}"))
        await asked(world)
        assert not handing.done()
        # Whichever process answers.
        async with another_worker(world):
            loaded = await world.browser.get(str(page.url))
        assert loaded.headers.get("location", "").endswith("/return")
        assert "Amara" not in loaded.text
        assert await handing


async def test_a_hand_over_that_fails_lets_the_page_go_on(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        page = await world.launch("amara")
        await slow(world, "/r4/RelatedPerson*", 0.6)
        handing = asyncio.create_task(world.hand_over(page, f"Patient/{people['amara']}", pin="12"))
        await asked(world)
        loaded = await world.browser.get(str(page.url))
        assert loaded.status_code == 200
        with pytest.raises(AssertionError, match="PIN is not usable"):
            await handing


async def test_the_parts_that_came_late_are_there_when_they_are_waited_for(tmp_path: Path) -> None:
    async with run_world(tmp_path, ehr_patience=0.2) as world:
        await slow(world, "/r4/RelatedPerson*", 0.6)
        page = await world.launch("amara")
        assert "Who can answer is still being read" in page.text
        whole = await world.browser.get(f"{page.url}?wait=true")
        assert "The EHR is slow" not in whole.text
        assert 'data-rater="caregiver"' in whole.text


async def test_only_the_late_part_is_missing(tmp_path: Path) -> None:
    async with run_world(tmp_path, ehr_patience=2) as world:
        await slow(world, "/r4/Observation*", 30.0)
        page = await world.launch("amara")
        assert 'data-rater="caregiver"' in page.text
        assert "Earlier scores are still being read" in page.text


UNREAD = "Earlier scores could not be read from the EHR."


async def unavailable(world: World, path: str) -> None:
    answer = await world.browser.post(f"{EHR}/sandbox/faults", json={"kind": "unavailable", "path": path})
    assert answer.status_code == 201, answer.text


async def test_scores_that_could_not_be_read_are_not_said_to_be_none(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await unavailable(world, "/r4/Observation*")
        page = await world.launch("amara")
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert "No alliance scores yet" not in page.text
    assert UNREAD in page.text
    assert UNREAD in draft.text
    assert "- none" not in draft.text


async def test_nothing_is_read_out_of_the_ledger_alone_while_the_records_scores_cannot_be_read(
    tmp_path: Path,
) -> None:
    accepted = replace(ACCEPTED, instruments=("rapport-checkin-child",))
    async with run_world(tmp_path, interpretation=accepted) as world:
        browser = await opened_after_a_form(world)
        await unavailable(world, "/r4/Observation*")
        page = await browser.get(browser.headers["Referer"])
        draft = await browser.get(f"{browser.headers['Referer']}/notes/new")
    assert '<span class="now">14 of 24</span>' in page.text
    assert "What the scores say" not in page.text
    assert UNREAD in page.text
    assert "on average" not in draft.text
    assert UNREAD in draft.text


async def test_nothing_is_read_out_of_the_sessions_that_came_in_time(tmp_path: Path) -> None:
    accepted = replace(ACCEPTED, instruments=("rapport-checkin-child",))
    async with run_world(tmp_path, ehr_patience=0.4, interpretation=accepted) as world:
        browser = await opened_after_a_form(world)
        await slow(world, "/r4/Observation*", 1.0)
        page = await browser.get(browser.headers["Referer"])
        assert '<span class="now">14 of 24</span>' in page.text
        assert "data-moved" not in page.text
        assert "What the scores say" not in page.text
        whole = await browser.get(f"{browser.headers['Referer']}?wait=true")
        assert "What the scores say" in whole.text
        assert "data-moved" in whole.text


async def test_there_is_no_band_around_the_first_score_of_a_part(tmp_path: Path) -> None:
    async with run_world(tmp_path, ehr_patience=0.4) as world:
        await adopt_figures(world, 3.0)
        browser = await opened_after_a_form(world)
        address = browser.headers["Referer"]
        await slow(world, "/r4/Observation*", 1.0)
        late, whole = await browser.get(address), await browser.get(f"{address}?wait=true")
        await unavailable(world, "/r4/Observation*")
        unread = await browser.get(f"{address}?wait=true")
    assert '<span class="quiet">(20 ± 3.72)</span>' in whole.text
    assert "from the first score between 16.28 and 23.72" in whole.text
    for page in (late, unread):
        assert '<span class="now">14 of 24</span>' in page.text
        assert 'class="band' not in page.text
        assert "the first score" not in page.text
    # Beside a score that Rapport has itself, too; printed, nothing follows by itself.
    assert "Earlier scores are still being read" in late.text
    assert "Earlier scores are still being read" not in whole.text + unread.text


@pytest.mark.parametrize("path", ["/r4/Medication*", "/r4/Encounter*", "/r4/RelatedPerson*", "/r4/Patient*"])
async def test_what_else_is_late_keeps_no_score_from_being_compared(tmp_path: Path, path: str) -> None:
    accepted = replace(ACCEPTED, instruments=("rapport-checkin-child",))
    async with run_world(tmp_path, ehr_patience=1.5, interpretation=accepted, show_medication=True) as world:
        browser = await opened_after_a_form(world)
        await slow(world, path, 2.5)
        page = await browser.get(browser.headers["Referer"])
        draft = await browser.get(f"{browser.headers['Referer']}/notes/new")
    assert "The EHR is slow" in page.text
    assert "data-moved" in page.text
    for each in (page, draft):
        assert "21 last time" in each.text


async def test_an_ehr_that_is_away_leaves_what_the_ledger_has(world: World) -> None:
    browser = await opened_after_a_form(world)
    world.hosts.cut.add("ehr.invalid")
    again = await browser.get(browser.headers["Referer"])
    assert again.status_code == 200
    what = "the patient, the caregivers, earlier scores and the sessions"
    assert f"The EHR did not give {what} (The EHR cannot be reached.)" in again.text
    assert again.text.count("The EHR did not give") == 1
    assert latest_of_the_ledger(again) == "14 of 24"


async def test_an_ehr_that_gives_no_answer_is_not_said_to_have_broken_off(world: World) -> None:
    page = await world.launch("amara")
    world.hosts.silent.add("ehr.invalid")
    again = await world.browser.get(str(page.url))
    what = "the patient, the caregivers, earlier scores and the sessions"
    assert f"The EHR did not give {what} (The EHR did not answer in time.)" in again.text
    assert "broke off" not in again.text


async def test_while_the_record_cannot_be_read_it_is_not_said_that_nobody_has_answered(
    world: World,
) -> None:
    page = await world.launch("amara")
    world.hosts.cut.add("ehr.invalid")
    again = await world.browser.get(str(page.url))
    assert "No responses yet." not in again.text
    assert "None came by Rapport yet; what stands in the record could not be read." in again.text


async def test_while_the_record_is_still_being_read_it_is_not_said_that_nobody_has_answered(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, ehr_patience=0.2) as world:
        page = await world.launch("amara")
        await slow(world, "/r4/Observation*", 1.0)
        again = await world.browser.get(str(page.url))
        assert "No responses yet." not in again.text
        assert "None came by Rapport yet; the record is still being read." in again.text


async def test_a_session_that_could_not_be_read_is_called_so(world: World) -> None:
    page = await world.launch("amara", encounter="1001-20260302")
    await unavailable(world, "/r4/Encounter/*")
    again = await world.browser.get(str(page.url))
    assert "The EHR did not give this session (" in again.text
    assert "Session, the EHR has not given its day" in again.text


async def test_parts_that_are_missing_for_different_reasons_are_told_apart(world: World) -> None:
    browser = await opened_after_a_form(world)
    await unavailable(world, "/r4/Observation*")
    forbidden = {"kind": "forbidden", "path": "/r4/RelatedPerson*"}
    assert (await world.browser.post(f"{EHR}/sandbox/faults", json=forbidden)).status_code == 201
    page = await browser.get(browser.headers["Referer"])
    told = re.findall(r"The EHR did not give ([^<(]+) \(", page.text)
    assert told == ["the caregivers", "earlier scores"]


@pytest.mark.parametrize("kind", ["forbidden", "unavailable"])
async def test_whoever_keeps_no_caregivers_has_a_young_person_and_a_clinician_who_answer(
    world: World, kind: str
) -> None:
    people = await world.people()
    fault = {"kind": kind, "path": "/r4/RelatedPerson*"}
    assert (await world.browser.post(f"{EHR}/sandbox/faults", json=fault)).status_code == 201
    page = await world.launch("amara")
    assert "<b>Amara Okafor</b>" in page.text
    assert 'data-rater="therapist"' in page.text
    assert "The EHR did not give the caregivers (" in page.text
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    assert (await world.fill(secret, ANSWERS)).status_code == 200


async def test_a_patient_whom_the_record_has_no_more_is_handed_nothing(world: World) -> None:
    fault = {"kind": "forbidden", "path": "/r4/Patient/*"}
    assert (await world.browser.post(f"{EHR}/sandbox/faults", json=fault)).status_code == 201
    page = await world.launch("amara")
    assert "The EHR did not give the patient (" in page.text
    assert "No form can be started now" in page.text


async def test_an_ehr_whose_answers_do_not_come_in_time_is_told_of_once(tmp_path: Path) -> None:
    async with run_world(tmp_path, ehr_patience=0.2) as world:
        browser = await opened_after_a_form(world)
        world.hosts.cut.add("ehr.invalid")
        assert (await browser.get(f"{browser.headers['Referer']}?wait=true")).text.count(
            "The EHR did not give"
        ) == 1


async def test_an_ended_sign_in_says_where_to_go_on(world: World) -> None:
    page = await world.launch("amara")
    world.clock.pass_time(hours=9)
    ended = await world.browser.get(str(page.url))
    assert ended.status_code == 401
    assert "Open Rapport again from the patient" in ended.text
    assert "Amara" not in ended.text


async def test_two_clinicians_see_the_same_form_under_way(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara", practitioner="201")
    await world.hand_over(page, f"Patient/{people['amara']}")
    other = world.new_browser()
    theirs = await world.launch("amara", browser=other, practitioner="202")
    assert "has a form" in theirs.text
    assert "Under way" in theirs.text


async def test_what_one_clinician_collected_the_other_sees(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara", practitioner="201")
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    other = world.new_browser()
    theirs = await world.launch("amara", browser=other, practitioner="202")
    assert "has answered" in theirs.text


async def test_a_siblings_page_warns_on_the_first_ones(world: World) -> None:
    first = await world.launch("amara")
    world.clock.pass_time(minutes=5)
    second = await world.launch("mateo")
    stale = await world.browser.get(str(first.url))
    assert "This page is still of Amara" in stale.text
    assert "This page is still of" not in second.text


async def test_the_lock_before_a_siblings_chart_speaks_as_the_form_that_is_out(world: World) -> None:
    people = await world.people()
    first = await world.launch("amara")
    await world.hand_over(first, f"Patient/{people['amara']}", language="de")
    second = await world.launch("mateo")
    assert second.url.path.endswith("/return")
    assert '<html lang="de"' in second.text


async def test_another_clinicians_patient_raises_no_warning(world: World) -> None:
    first = await world.launch("amara")
    await world.launch("mateo", browser=world.new_browser())
    assert "This page is still of" not in (await world.browser.get(str(first.url))).text


async def test_a_siblings_answers_go_to_their_own_record(world: World) -> None:
    people = await world.people()
    first = await world.launch("amara")
    of_first = await world.hand_over(first, f"Patient/{people['amara']}")
    assert (await world.fill(of_first, ANSWERS)).status_code == 200
    csrf = re.search(r'name="csrf" value="([^"]+)"', (await world.browser.get(f"{first.url}/return")).text)
    assert csrf
    back = await world.browser.post(f"{first.url}/return", data={"csrf": csrf[1], "pin": "4711"})
    assert back.status_code == 303
    assert "/return" not in back.headers["location"]
    second = await world.launch("mateo")
    of_second = await world.hand_over(second, f"Patient/{people['mateo']}")
    assert (await world.fill(of_second, {**ANSWERS, "goal-1": "not-at-all"})).status_code == 200
    for name in ("amara", "mateo"):
        sent = await world.delivered("Observation", patient=people[name], code="rapport-checkin-child-total")
        assert {each["subject"]["reference"] for each in sent} == {f"Patient/{people[name]}"}


async def send_daily(world: World, patient: str, many: int, launch: str | None = None) -> None:
    """Take in a form of each of the last days, today's the lowest; it is delivered if a launch is named."""
    rapport = world.rapport.state.rapport
    for place in range(many):
        when = world.clock() - timedelta(days=place)
        items = [question(name, "mostly" if place else "not-at-all") for name in ANSWERS]
        identifier = {"system": "urn:test", "value": str(place)}
        body = response_of(patient, item=items, authored=when.isoformat(), identifier=identifier)
        arrival = Arrival(
            json.dumps(body).encode(), "sandbox", "S", f"Patient/{patient}", Actor(None), launch
        )
        await submit(rapport.intake, arrival)


async def test_a_long_history_follows_and_nothing_is_read_out_of_a_part_of_it(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=NAMED) as world:
        await send_daily(world, (await world.people())["amara"], MOST_SHOWN + 1)
        page = await world.launch("amara")
        assert "The latest sessions are shown; earlier ones follow" in page.text
        assert "data-finding" not in page.text
        whole = await world.browser.get(f"{page.url}?wait=true")
        assert "earlier ones follow" not in whole.text
        assert "data-finding" in whole.text


async def test_a_response_however_old_can_be_opened_and_marked(world: World) -> None:
    await send_daily(world, (await world.people())["amara"], MOST_SHOWN + 1)
    page = await world.launch("amara")
    assert page.text.count('class="response"') == MOST_SHOWN
    assert f'/responses">All responses</a> ({MOST_SHOWN + 1})' in page.text
    every = await world.browser.get(f"{page.url}/responses")
    shown, listed = (
        set(re.findall(r'href="(/launches/[^/]+/responses/[^"]+)"', each.text)) for each in (page, every)
    )
    assert len(listed) == MOST_SHOWN + 1
    (hidden,) = listed - shown
    assert "Mark this response as entered in error" in (await world.browser.get(hidden)).text


async def test_scores_that_no_ehr_takes_are_shown_however_many(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only") as world:
        await send_daily(world, (await world.people())["kofi"], MOST_SHOWN + 8)
        page = await world.launch("kofi")
        whole = await world.browser.get(f"{page.url}?wait=true")
        table = whole.text[whole.text.index("<table>") :].partition("</table>")[0]
        assert table.count('<th scope="row"') == MOST_SHOWN + 8


async def test_a_history_is_asked_for_in_large_pages(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await world.launch("amara")
        asked = [str(each.url) for each in world.hosts.seen if "category=survey" in str(each.url)]
    assert asked
    assert all("_count=200" in each for each in asked)


@pytest.mark.parametrize("path", ["/r4/Patient/*", "/r4/Observation*"])
@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("token-revoked", 401, "Open Rapport again from the patient&#39;s chart"),
        ("token-expired", 200, "Amara Okafor"),
    ],
    ids=["told as over", "renewed"],
)
async def test_a_sign_in_that_the_ehr_ended_before_its_time(
    tmp_path: Path, kind: str, status: int, told: str, path: str
) -> None:
    async with run_world(tmp_path) as world:
        page = await world.launch("amara")
        fault = {"kind": kind, "method": "GET", "path": path, "count": 1}
        await world.browser.post(f"{EHR}/sandbox/faults", json=fault)
        answer = await world.browser.get(f"{page.url}?wait=true")
        assert answer.status_code == status
        assert told in answer.text
        assert "HTTP 401" not in answer.text
