"""Signing out, and ending one's sign-ins elsewhere: on every page of clinicians and staff, never on a device that is handed over."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from plugin.audit import Kind
from plugin.ledger import insert_row
from plugin.ledger import tables as t
from tests.product.forms import ANSWERS
from tests.product.test_administering import csrf_of, kinds, sign_in
from tests.product.test_carried import Frame
from tests.product.test_personalities import settled
from tests.product.world import EHR, SCOPES, Clock, World, entries, run_world
from tests.security.walking import BOOK

GONE = 401


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path, Clock(), roles=BOOK) as running:
        yield running


async def sign_out(browser: httpx.AsyncClient, page: httpx.Response, **more: str) -> httpx.Response:
    return await browser.post(f"{page.url}/sign-out", data={"csrf": csrf_of(page), **more})


async def open_desk(world: World, practitioner: str) -> httpx.Response:
    """Sign in without a patient, in the browser that there is."""
    asked = {"client_id": "rapport", "practitioner": practitioner}
    answer = await world.browser.post(f"{EHR}/sandbox/launch", json=asked)
    return await world.follow(await world.browser.get(answer.json()["launch_url"]))


def revoked(world: World) -> list[dict[str, list[str]]]:
    asked = [each for each in world.hosts.seen if each.url.path == "/auth/revoke"]
    return [parse_qs(each.content.decode()) for each in asked]


async def test_signing_out_closes_every_tab_of_the_browser_and_takes_the_cookie(world: World) -> None:
    one = await world.launch("amara")
    other = await world.launch("mateo")
    left = await sign_out(world.browser, other)
    assert (left.status_code, left.headers["location"]) == (303, "/signed-out")
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert not world.browser.cookies
    for page in (one, other):
        gone = await world.browser.get(str(page.url))
        assert gone.status_code == GONE
        assert "You have signed out, perhaps in another tab" in gone.text
    assert "Amara" not in (await world.browser.get("/signed-out")).text


async def test_a_kept_copy_of_the_cookie_opens_nothing_after_signing_out(world: World) -> None:
    page = await world.launch()
    kept = dict(world.browser.cookies)
    await sign_out(world.browser, page)
    thief = world.new_browser()
    thief.cookies.update(kept)
    for address in ("", "/responses.json", "/summary.pdf", "/sessions", "/events", "/notes/new"):
        assert (await thief.get(f"{page.url}{address}")).status_code == GONE, address


async def test_each_page_of_a_chart_and_of_a_desk_has_a_way_out(world: World) -> None:
    people = await world.people()
    page = await world.launch("jayden")
    sent = await world.fill(
        await world.hand_over(page, f"Patient/{people['jayden']}", "rapport-checkin-adolescent"), ANSWERS
    )
    assert sent.status_code == 200
    csrf = csrf_of(page)
    await world.browser.post(f"{page.url}/return", data={"csrf": csrf, "pin": "4711"})
    form = {
        "csrf": csrf,
        "respondent": f"Patient/{people['jayden']}",
        "instrument": "rapport-checkin-adolescent",
        "language": "en",
        "way": "link",
    }
    link = await world.browser.post(f"{page.url}/invitations", data=form)
    base = f"{page.url}"
    listed = (await world.browser.get(base)).text
    response = re.search(r"/responses/([0-9a-f-]{36})", listed)
    assert response, listed
    shown = [base, str(link.headers["location"]), f"{base}/notes/new", f"{base}/responses/{response[1]}"]
    for address in shown:
        text = (await world.browser.get(address)).text
        assert f'action="{page.url.path}/sign-out"' in text, address
    for who in ("201", "203", "205", "206"):
        browser, desk = await sign_in(world, who)
        places = re.findall(r'<li><a href="(/desks/[^"]+)"', desk.text)
        assert places, desk.text
        for address in places:
            assert "/sign-out" in (await browser.get(address)).text, address


async def test_signing_out_is_a_logout_in_the_trail_once_for_each_chart(world: World) -> None:
    await world.launch("amara", practitioner="202")
    page = await world.launch("mateo", practitioner="202")
    await sign_out(world.browser, page)
    told = await entries(world, Kind.LAUNCH_ENDED)
    assert len(told) == 2
    for entry in told:
        subtypes = entry["subtype"]
        assert isinstance(subtypes, list)
        assert subtypes[0]["code"] == "110123"
        assert entry["purposeOfEvent"] == [{"text": "Signed out"}]
        assert "Practitioner/202" in str(entry["agent"])


async def test_the_tokens_go_back_to_the_ehr_and_are_worth_nothing_there(world: World) -> None:
    page = await world.launch()
    ledger, launch = world.rapport.state.rapport.ledger, page.url.path.rpartition("/")[2]
    await sign_out(world.browser, page)
    hints = [each["token_type_hint"][0] for each in revoked(world)]
    assert hints == ["refresh_token", "access_token"]
    row = await ledger.read(lambda c: c.execute(sa.select(t.launch).where(t.launch.c.id == launch)).one())
    kept = msgspec.json.decode(ledger.vault.open("launch", launch, row.sealed_context))
    assert kept["tokens"]["access_token"] == ""
    assert kept["tokens"].get("refresh_token") is None
    token = revoked(world)[1]["token"][0]
    read = await world.browser.get(f"{EHR}/r4/Patient", headers={"Authorization": f"Bearer {token}"})
    assert read.status_code == GONE


async def test_a_token_that_a_form_still_needs_goes_back_when_it_has_come_in(tmp_path: Path) -> None:
    clock = Clock()
    async with run_world(tmp_path, clock) as world:
        people = await world.people()
        page = await world.launch("jayden")
        form = {
            "csrf": csrf_of(page),
            "respondent": f"Patient/{people['jayden']}",
            "instrument": "rapport-checkin-adolescent",
            "language": "en",
            "way": "link",
        }
        made = await world.browser.post(f"{page.url}/invitations", data=form)
        link = (await world.browser.get(made.headers["location"])).text
        secret = re.search(r"/fill#([0-9a-f]+)", link)
        assert secret
        assert (await sign_out(world.browser, page)).status_code == 303
        assert not revoked(world)
        sent = await world.fill(secret[1], ANSWERS, world.new_browser())
        assert sent.status_code == 200
        ledger = world.rapport.state.rapport.ledger
        response = await ledger.read(lambda c: c.execute(sa.select(t.response.c.id)).scalar_one())
        await settled(world, str(response))
        assert await world.rapport.state.rapport.returning.sweep() == 1
        assert revoked(world)


async def test_an_ehr_that_is_away_keeps_nobody_signed_in(world: World) -> None:
    page = await world.launch()
    world.hosts.cut.add("ehr.invalid")
    assert (await sign_out(world.browser, page)).status_code == 303
    assert (await world.browser.get(str(page.url))).status_code == GONE
    world.hosts.cut.clear()
    assert await world.rapport.state.rapport.returning.sweep() == 1


async def test_a_form_from_another_page_signs_nobody_out(world: World) -> None:
    page = await world.launch()
    assert (await sign_out(world.browser, page, csrf="wrong")).status_code == 403
    foreign = {"Origin": "https://elsewhere.invalid", "Sec-Fetch-Site": "cross-site"}
    asked = await world.browser.post(f"{page.url}/sign-out", data={"csrf": csrf_of(page)}, headers=foreign)
    assert asked.status_code == 403
    assert (await world.browser.get(str(page.url))).status_code == 200


async def test_nobody_signs_out_on_a_device_that_is_handed_over(world: World) -> None:
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    to_the_lock = f"{page.url.path}/return"
    assert (await sign_out(world.browser, page)).headers["location"] == to_the_lock
    assert (await world.browser.get(f"{page.url}/sessions")).headers["location"] == to_the_lock
    assert "launch-ended" not in await kinds(world)
    assert (await world.fill(secret, ANSWERS)).status_code == 200


async def test_what_was_begun_on_the_device_is_asked_about_and_then_opens_no_more(world: World) -> None:
    page = await world.launch("amara")
    nothing = await world.browser.get(f"{page.url}/sign-out")
    assert (nothing.status_code, nothing.headers["location"]) == (303, page.url.path)
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    header = {"X-Rapport-Invitation": secret}
    assert (await world.browser.get("/fill/form", headers=header)).status_code == 200
    kept = await world.browser.put(
        "/fill/answers", headers=header, json={"answers": dict(list(ANSWERS.items())[:1])}
    )
    assert kept.status_code == 200
    await world.browser.post(f"{page.url}/return", data={"csrf": csrf_of(page), "pin": "4711"})
    asked = await sign_out(world.browser, page)
    # With an address of its own, the browser's "Back" asks nothing about sending a form again.
    assert (asked.status_code, asked.headers["location"]) == (303, f"{page.url.path}/sign-out")
    assert "has not been sent" in (await world.browser.get(f"{page.url}/sign-out")).text
    assert (await world.browser.get(str(page.url))).status_code == 200
    assert (await sign_out(world.browser, page, sure="yes")).status_code == 303
    assert (await world.browser.get("/fill/form", headers=header)).status_code == 410
    assert "invitation-withdrawn" in await kinds(world)


async def write_in(world: World, page: httpx.Response, text: str) -> dict[str, str]:
    """Begin a note; gives what its form has."""
    shown = await world.browser.get(f"{page.url}/notes/new")
    form = dict(re.findall(r'name="(csrf|note)" value="([^"]+)"', shown.text))
    kept = await world.browser.post(f"{page.url}/notes/draft", data=form | {"text": text})
    assert kept.status_code == 204
    return form


async def test_a_note_that_is_being_written_is_asked_about_from_each_chart_and_goes_on(world: World) -> None:
    noted = await world.launch("amara")
    other = await world.launch("mateo")
    await world.browser.get(f"{noted.url}/notes/new")  # looked at, and nothing written
    assert (await world.browser.get(f"{other.url}/sign-out")).headers["location"] == other.url.path
    form = await write_in(world, noted, "half a sent")
    for page in (noted, other):
        asked = await sign_out(world.browser, page)
        assert (asked.status_code, asked.headers["location"]) == (303, f"{page.url.path}/sign-out")
        shown = (await world.browser.get(f"{page.url}/sign-out")).text
        assert "A note that is being written has not been saved" in shown
        assert "has not been sent" not in shown
        assert "half a sent" not in shown
        assert f'href="{noted.url.path}/notes/new"' in shown
    await write_in(world, other, "a sente")
    shown = (await world.browser.get(f"{noted.url}/sign-out")).text
    assert "2 notes that are being written" in shown
    await world.browser.post(f"{other.url}/notes", data=form | {"text": "a sentence"})
    await write_in(world, other, " \n")  # nothing would be lost
    await world.browser.post(f"{noted.url}/notes", data=form | {"text": "half a sentence"})
    assert (await sign_out(world.browser, noted)).headers["location"] == "/signed-out"


async def test_a_note_that_goes_on_in_a_chart_that_was_opened_again_is_asked_about_once(world: World) -> None:
    noted = await world.launch("amara")
    form = await write_in(world, noted, "half a sent")
    again = await world.launch("amara")
    await world.browser.post(f"{again.url}/notes/draft", data=form | {"text": "half a sentence"})
    assert "A note that is being written" in (await world.browser.get(f"{again.url}/sign-out")).text
    assert (await sign_out(world.browser, again, sure="yes")).headers["location"] == "/signed-out"
    assert "half a" not in (await world.follow(await world.browser.get(f"{again.url}/notes/new"))).text


async def test_signing_out_works_where_the_page_carries_the_session(world: World) -> None:
    frame = Frame(world)
    page = await frame.launch()
    address, session = frame.address, frame.session
    left = await frame.open(f"{address.partition('#')[0]}/sign-out", f"csrf={csrf_of(page)}")
    assert "You are signed out of Rapport" in left.text
    frame.session = session
    again = await frame.open(address)
    assert again.status_code == GONE
    assert "Amara" not in again.text


async def test_a_person_sees_the_own_sign_ins_of_every_browser_and_nobody_elses(world: World) -> None:
    page = await world.launch("amara", practitioner="202")
    tablet = world.new_browser()
    await world.launch("mateo", practitioner="202", browser=tablet)
    await world.launch("jayden", practitioner="203", browser=world.new_browser())
    shown = (await world.browser.get(f"{page.url}/sessions")).text
    assert shown.count('name="which"') == 1
    assert "1 chart" in shown
    assert not re.search("Mateo|Jayden|Amara", shown)


async def test_a_sign_in_elsewhere_is_ended_with_its_entry_and_this_one_stays(world: World) -> None:
    page = await world.launch("amara", practitioner="202")
    tablet = world.new_browser()
    there = await world.launch("mateo", practitioner="202", browser=tablet)
    stranger = world.new_browser()
    theirs = await world.launch("jayden", practitioner="203", browser=stranger)
    shown = await world.browser.get(f"{page.url}/sessions")
    which = re.search(r'name="which" value="([^"]+)"', shown.text)
    assert which
    form = {"csrf": csrf_of(page), "which": which[1]}
    ended = await world.follow(await world.browser.post(f"{page.url}/sessions/end", data=form))
    assert "That sign-in has been ended." in ended.text
    assert "You are signed in nowhere else." in ended.text
    assert (await tablet.get(str(there.url))).status_code == GONE
    assert (await stranger.get(str(theirs.url))).status_code == 200
    assert (await world.browser.get(str(page.url))).status_code == 200
    (entry,) = await entries(world, Kind.LAUNCH_ENDED)
    assert entry["purposeOfEvent"] == [{"text": "Ended by the same person from another browser"}]


async def test_all_others_are_ended_at_once(world: World) -> None:
    browser, desk = await sign_in(world, "205")
    others = [await sign_in(world, "205") for _ in range(2)]
    shown = await browser.get(f"{desk.url}/sessions")
    assert 'value="others"' in shown.text
    form = {"csrf": csrf_of(shown), "which": "others"}
    assert (await browser.post(f"{desk.url}/sessions/end", data=form)).status_code == 303
    for other, page in others:
        assert (await other.get(str(page.url))).status_code == GONE
    assert (await browser.get(str(desk.url))).status_code == 200


async def test_another_persons_sign_in_cannot_be_ended(world: World) -> None:
    page = await world.launch("amara", practitioner="202")
    stranger = world.new_browser()
    theirs = await world.launch("jayden", practitioner="203", browser=stranger)
    form = {"csrf": csrf_of(page), "which": theirs.url.path.rpartition("/")[2]}
    asked = await world.browser.post(f"{page.url}/sessions/end", data=form)
    assert asked.status_code == 404
    assert (await stranger.get(str(theirs.url))).status_code == 200


async def test_who_opens_a_chart_after_another_person_ends_what_that_one_had_open(world: World) -> None:
    first = await world.launch("amara", practitioner="201")
    desk = await open_desk(world, "205")  # in the same browser, and yet another person
    assert (await world.browser.get(str(first.url))).status_code == GONE
    await world.launch("mateo", practitioner="202")
    for page in (first, desk):
        gone = await world.browser.get(str(page.url))
        assert gone.status_code == GONE
        assert "Somebody else has opened Rapport in this browser" in gone.text
    amara = "/sites/sandbox/fhir/Observation?patient=1001"
    assert (await world.browser.get(amara)).status_code == GONE
    assert (await world.browser.get(amara.replace("1001", "1002"))).status_code == 200
    looked = await entries(world, Kind.RECORD_SEARCHED)
    assert ["Practitioner/202" in str(each["agent"]) for each in looked] == [True]
    ended = await entries(world, Kind.LAUNCH_ENDED)
    why = [{"text": "Somebody else opened Rapport in this browser"}]
    assert [each["purposeOfEvent"] for each in ended] == [why, why]
    assert ["Practitioner/205" in str(ended[0]["agent"]), "Practitioner/202" in str(ended[1]["agent"])] == [
        True,
        True,
    ]


async def test_one_person_keeps_each_chart_and_desk_of_a_browser(world: World) -> None:
    desk = await open_desk(world, "205")
    pages = [desk, *[await world.launch(each, practitioner="205") for each in ("amara", "mateo")]]
    assert [(await world.browser.get(str(each.url))).status_code for each in pages] == [200, 200, 200]


async def test_a_form_that_is_out_comes_in_after_another_person_opened_a_chart(world: World) -> None:
    page = await world.launch("amara", practitioner="201")
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    other = await world.launch("mateo", practitioner="202")
    assert other.url.path.endswith("/return")  # the device stays locked, for this person, too
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    assert (await world.browser.get(str(page.url))).status_code == GONE
    tried = await world.browser.post(str(other.url), data={"csrf": csrf_of(other), "pin": "4711"})
    lock = await world.follow(tried)
    assert (lock.status_code, "Mateo" in lock.text) == (200, False)  # the PIN is the first person's
    assert await world.delivered(subject="Patient/1001", tries=500)


async def also_open(world: World, **other: str | None) -> None:
    """Have another launch in the browser, alike but for this."""

    def add(connection: sa.Connection) -> None:
        one = connection.execute(sa.select(t.launch).limit(1)).one()._mapping
        insert_row(connection, t.launch, {**one, "id": "also open", **other})

    await world.rapport.state.rapport.ledger.bookkeep(add)


async def test_another_person_at_another_site_ends_nothing(world: World) -> None:
    await world.launch("amara", practitioner="202")
    await also_open(world, site="elsewhere", user="Practitioner/201")
    await world.launch("mateo", practitioner="202")
    assert "launch-ended" not in await kinds(world)


async def test_nobody_is_told_apart_from_somebody_whom_the_ehr_does_not_name(tmp_path: Path) -> None:
    unnamed = tuple(each for each in SCOPES if each not in {"openid", "fhirUser"})
    async with run_world(tmp_path, granted_scopes=unnamed) as world:
        await world.launch("amara")
        await also_open(world, user="Practitioner/201")
        await world.launch("mateo")
        assert "launch-ended" not in await kinds(world)


async def test_a_sign_in_that_has_been_idle_for_an_hour_is_not_listed(world: World) -> None:
    await world.launch("mateo", practitioner="202", browser=world.new_browser())
    world.clock.pass_time(minutes=61)
    page = await world.launch("amara", practitioner="202")
    assert "You are signed in nowhere else." in (await world.browser.get(f"{page.url}/sessions")).text


async def test_a_desk_whose_sign_in_has_ended_sends_to_the_front_page_and_a_chart_to_the_ehr(
    world: World,
) -> None:
    _, desk = await sign_in(world)
    chart = await world.launch()
    stranger = world.new_browser()
    for page, way in ((desk, "Rapport&#39;s front page"), (chart, "from the patient&#39;s chart")):
        told = await stranger.get(str(page.url), headers={"Accept": "text/html"})
        assert told.status_code == GONE
        assert way in told.text
