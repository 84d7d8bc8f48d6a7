"""Launches and pages in a browser that keeps no cookies for Rapport: what the page's script does, step by step."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest

from plugin.access.sessions import LONGEST
from tests.product.ways import form_to
from tests.product.world import EHR, PIN, World

FRAMED = {"Sec-Fetch-Dest": "iframe", "Origin": "null"}


class Frame:
    """A frame that throws every cookie away; `session` is what its script holds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.session = ""
        self.address = ""

    async def get(self, address: str, **headers: str) -> httpx.Response:
        async with self.world.new_browser() as fresh:
            return await fresh.get(address, headers={"Sec-Fetch-Dest": "iframe", **headers})

    async def open(self, to: str, body: str | None = None, **headers: str) -> httpx.Response:
        """Open an address as carried.js does, and take the session of the page."""
        form = {"session": self.session, "to": to, **({} if body is None else {"body": body})}
        async with self.world.new_browser() as fresh:
            page = await fresh.post("/carried", data=form, headers={**FRAMED, **headers})
        for name in ("session", "address"):
            found = re.search(f'name="rapport-{name}" content="([^"]+)"', page.text)
            if found:
                setattr(self, name, unescape(found[1]))
        return page

    async def launch(self, patient: str = "amara") -> httpx.Response:
        """Launch from the chart: probe, departure, sign-in, arrival."""
        probe = await self.get(await self.world.new_launch(patient))
        none = re.search(r'data-none="([^"]+)"', probe.text)
        assert none, probe.text
        departure = await self.get(unescape(none[1]))
        way = re.search(r'href="([^"]+)" data-depart data-binding="([^"]+)"', departure.text)
        assert way, departure.text
        back = await self.get(unescape(way[1]))
        self.callback = back.headers["location"]
        arrival = await self.get(self.callback)
        assert "data-arrive" in arrival.text
        self.session = way[2]
        parts = urlsplit(self.callback)
        return await self.open(f"{parts.path}?{parts.query}")


async def test_a_launch_and_a_form_need_no_cookie(world: World) -> None:
    frame = Frame(world)
    page = await frame.launch()
    assert "Start a form" in page.text
    assert "set-cookie" not in page.headers
    people = await world.people()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf
    body = str(
        httpx.QueryParams(
            csrf=csrf[1],
            respondent=f"Patient/{people['amara']}",
            instrument="rapport-checkin-child",
            language="en",
            pin=PIN,
        )
    )
    form = await frame.open(f"{frame.address}/invitations", body)
    path, _, secret = frame.address.partition("#")
    assert (form.status_code, path) == (200, "/fill")
    answer = await frame.get("/fill/form", **{"X-Rapport-Invitation": secret, "Origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "null"
    assert answer.status_code == 200


async def test_a_page_that_refuses_a_form_leads_back_without_a_cookie_too(world: World) -> None:
    frame = Frame(world)
    page = await frame.launch()
    launch = urlsplit(frame.address).path
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf
    refused = await frame.open(f"{launch}/invitations", f"csrf={csrf[1]}&press=shout")
    assert refused.status_code == 422
    assert form_to(refused, "/invitations")
    gone = await frame.open(f"{launch}/responses/none")
    assert gone.status_code == 404
    assert f'href="{launch}"' in gone.text
    assert "Start a form" in (await frame.open(launch)).text


async def test_a_wrong_pin_is_told_without_a_cookie_too_and_the_right_one_opens(world: World) -> None:
    frame = Frame(world)
    page = await frame.launch()
    launch = urlsplit(frame.address).path
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf
    form = httpx.QueryParams(
        csrf=csrf[1],
        respondent=f"Patient/{(await world.people())['amara']}",
        instrument="rapport-checkin-child",
        language="en",
        pin=PIN,
    )
    await frame.open(f"{launch}/invitations", str(form))
    given = str(httpx.QueryParams(csrf=csrf[1], pin="0000"))
    wrong = await frame.open(f"{launch}/return", given)
    assert "That PIN is wrong." in wrong.text
    assert "4 attempts left." in wrong.text
    # What is asked for in the filled screen is shown there: a redirection would say that the device is open.
    asked = await world.new_browser().post(
        f"{launch}/return",
        data={"csrf": csrf[1], "pin": "0000"},
        headers={"X-Rapport-Session": frame.session, "Origin": "null", "Accept": "*/*"},
    )
    assert (asked.status_code, "3 attempts left." in asked.text) == (403, True)
    right = await frame.open(f"{launch}/return", str(httpx.QueryParams(csrf=csrf[1], pin=PIN)))
    assert "Start a form" in right.text


async def test_the_session_stands_in_no_address(world: World) -> None:
    frame = Frame(world)
    await frame.launch()
    asked = [str(each.url) for each in world.hosts.seen]
    assert asked
    assert all(frame.session not in each for each in asked)


async def test_the_handle_that_the_frame_remembered_is_worth_nothing_after_the_launch(world: World) -> None:
    frame = Frame(world)
    await frame.launch()
    page, begun = frame.address, frame.session
    frame.session = "a" * 43
    assert (await frame.open(page)).status_code == 401
    frame.session = begun
    assert (await frame.open(page)).status_code == 200


async def test_another_frame_cannot_finish_a_launch_that_it_did_not_begin(world: World) -> None:
    begun, other = Frame(world), Frame(world)
    await begun.launch()
    probe = await other.get(await world.new_launch("amara"))
    none = re.search(r'data-none="([^"]+)"', probe.text)
    assert none
    departure = await other.get(unescape(none[1]))
    way = re.search(r'href="([^"]+)" data-depart', departure.text)
    assert way
    back = await other.get(unescape(way[1]))
    parts = urlsplit(back.headers["location"])
    page = await begun.open(f"{parts.path}?{parts.query}")
    assert page.status_code == 400
    assert "another browser" in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Dest": "document"},
        {"Origin": "https://attacker.invalid"},
        {"Origin": EHR},
    ],
)
async def test_a_session_is_carried_in_the_ehrs_frame_only(world: World, headers: dict[str, str]) -> None:
    frame = Frame(world)
    await frame.launch()
    assert (await frame.open(frame.address, **headers)).status_code == 403


@pytest.mark.parametrize(
    "to", ["https://attacker.invalid/", "//attacker.invalid/", "/\\attacker.invalid", "carried", "/carried"]
)
async def test_a_carried_session_opens_pages_of_rapport_only(world: World, to: str) -> None:
    frame = Frame(world)
    await frame.launch()
    assert (await frame.open(to)).status_code == 422


async def test_a_page_at_the_top_without_cookies_says_so(world: World) -> None:
    frame = Frame(world)
    address = f"{await world.new_launch('amara')}&cookies=asked"
    page = await frame.get(address, **{"Sec-Fetch-Dest": "document"})
    assert page.status_code == 403
    assert "Allow cookies" in page.text


async def test_a_header_from_a_page_without_origin_counts_and_its_cookies_do_not(world: World) -> None:
    frame = Frame(world)
    await frame.launch()
    own = await world.launch("amara")
    states = f"{frame.address}/responses.json"
    asked = {"X-Rapport-Session": frame.session, "Origin": "null"}
    answer = await world.browser.get(states, headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "null")
    assert "access-control-allow-credentials" not in answer.headers
    # The browser's cookie would open its own launch; the header's session does not.
    assert (await world.browser.get(f"{own.url}/responses.json", headers=asked)).status_code == 401
    invited = {"X-Rapport-Invitation": "no such one", "Origin": "null"}
    assert (await world.browser.get(f"{own.url}/responses.json", headers=invited)).status_code == 401


async def test_a_browser_asks_first_whether_a_frame_without_origin_may_send_the_header(world: World) -> None:
    asked = {"Origin": "null", "Access-Control-Request-Headers": "x-rapport-session"}
    assert (await world.browser.options("/fill/answers", headers=asked)).status_code == 204
    elsewhere = {**asked, "Origin": "https://attacker.invalid"}
    answer = await world.browser.options("/fill/answers", headers=elsewhere)
    assert "access-control-allow-origin" not in answer.headers


async def test_a_session_ends_after_an_hour_without_use(world: World) -> None:
    page = await world.launch("amara")
    world.clock.pass_time(minutes=59)
    assert (await world.browser.get(f"{page.url}/responses.json")).status_code == 200
    world.clock.pass_time(minutes=61)
    assert (await world.browser.get(f"{page.url}/responses.json")).status_code == 401


async def test_a_session_ends_twelve_hours_after_the_sign_in_however_busy(world: World) -> None:
    page = await world.launch("amara")
    elapsed = timedelta()
    while elapsed < LONGEST:
        world.clock.pass_time(minutes=50)
        elapsed += timedelta(minutes=50)
        seen = await world.browser.get(f"{page.url}/responses.json", headers={"Accept": "application/json"})
    assert seen.status_code == 401
    cookie = world.browser.cookies["__Host-rapport"]
    answer = await world.browser.get(
        "/launch", params={"iss": f"{EHR}/r4", "launch": "x", "cookies": "asked"}
    )
    assert answer.cookies["__Host-rapport"] != cookie
