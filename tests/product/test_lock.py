"""A device that is handed over stays locked, however many PINs are tried and however often the EHR's session signs in again."""

import json
import re
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from plugin.ledger.tables import audit
from tests.product.forms import ANSWERS
from tests.product.world import EHR, PIN, RAPPORT, World

PAGE_OF_CHART = "Scores over sessions"
LOCK = "Please give this device back"


async def handed_over(world: World) -> tuple[str, str]:
    """Hand the device over; gives the address that takes the PIN, and the page's token."""
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    address = f"{page.url}/return"
    return address, csrf_of(await world.browser.get(address))


def csrf_of(page: httpx.Response) -> str:
    return page.text.split('name="csrf" value="')[1].split('"')[0]


async def try_pin(world: World, lock: tuple[str, str], pin: str = "0000") -> httpx.Response:
    """Send a PIN as the script of the filled screen does, which shows what it gets in its own page."""
    return await world.browser.post(lock[0], data={"csrf": lock[1], "pin": pin}, headers={"Accept": "*/*"})


async def type_pin(world: World, lock: tuple[str, str], pin: str = "0000") -> httpx.Response:
    """Press "Unlock" where the lock stands at its own address; gives the page that it leads to."""
    return await world.follow(await world.browser.post(lock[0], data={"csrf": lock[1], "pin": pin}))


async def barred(world: World) -> tuple[str, str]:
    """Hand the device over and type five wrong PINs."""
    lock = await handed_over(world)
    for _ in range(5):
        await try_pin(world, lock)
    return lock


async def launch_in_chart(world: World, patient: str = "amara") -> httpx.Response:
    """Press Rapport in the chart, as far as it goes without anybody signing in."""
    return await world.follow(await world.browser.get(await world.new_launch(patient)))


async def sign_in_again(world: World, page: httpx.Response) -> httpx.Response:
    """Press the button of the EHR's sign-in."""
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key, page.text[:500]
    pressed = await world.browser.post(f"{EHR}/auth/sign-in", data={"key": key[1], "again": "yes"})
    return await world.follow(pressed)


def forgetful(world: World) -> httpx.MockTransport:
    """An EHR that overlooks prompt and max_age, and signs in whom it remembers."""

    async def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/authorize":
            asked = [
                pair for pair in request.url.params.multi_items() if pair[0] not in {"prompt", "max_age"}
            ]
            request = httpx.Request(
                request.method, request.url.copy_with(params=asked), headers=request.headers
            )
        return await world.hosts.handle_async_request(request)

    return httpx.MockTransport(handle)


async def test_after_five_wrong_pins_the_device_stays_locked(world: World) -> None:
    lock = await handed_over(world)
    answers = [await try_pin(world, lock) for _ in range(6)]
    assert [each.status_code for each in answers] == [403] * 5 + [429]
    assert "too many PINs were wrong" in answers[-1].text
    assert "Amara" not in (await world.follow(await world.browser.get(lock[0].removesuffix("/return")))).text


async def test_a_wrong_pin_leads_to_a_page_that_is_loaded_again_without_another_attempt(world: World) -> None:
    address, csrf = await handed_over(world)
    page = await type_pin(world, (f"{address}?note=true", csrf))
    for shown in (page, await world.browser.get(str(page.url))):
        assert "That PIN is wrong." in shown.text
        assert "4 attempts left." in shown.text
        assert 'aria-invalid="true"' in shown.text
        assert "return?note=true" in shown.text  # what it opens is still the note
    await type_pin(world, (address, csrf), PIN)
    await world.hand_over(
        await world.browser.get(address.removesuffix("/return")),
        f"Patient/{(await world.people())['amara']}",
    )
    assert "That PIN is wrong." not in (await world.browser.get(str(page.url))).text


async def test_a_pin_that_is_not_looked_at_leads_to_the_page_that_says_how_long(world: World) -> None:
    page = await type_pin(world, await barred(world), PIN)
    assert (page.request.method, "in 5 minutes" in page.text) == ("GET", True)


@pytest.mark.parametrize("typed", ["", "abcd", "123", "123456789", "47 11", "²²²²"])
async def test_what_is_no_pin_is_told_and_costs_no_attempt(world: World, typed: str) -> None:
    lock = await handed_over(world)
    page = await type_pin(world, lock, typed)
    assert "4 to 8 digits" in page.text.partition('id="pin-help"')[2]
    assert "5 attempts left." in page.text
    assert "wrong" not in page.text.partition('id="pin-help"')[2].partition("</p>")[0]
    assert (await try_pin(world, lock, typed)).status_code == 422


@pytest.mark.parametrize(("chosen", "typed"), [("4711", "٤٧١١"), ("٤٧١١", "4711"), ("४७११", "٤٧١١")])
async def test_a_pin_is_read_in_digits_of_any_script(world: World, chosen: str, typed: str) -> None:
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}", pin=chosen)
    address = f"{page.url}/return"
    lock = (address, csrf_of(await world.browser.get(address)))
    assert PAGE_OF_CHART in (await type_pin(world, lock, typed)).text


@pytest.mark.parametrize("patient", ["amara", "mateo"])
async def test_a_silent_launch_into_a_locked_out_browser_opens_no_chart(world: World, patient: str) -> None:
    await barred(world)
    world.clock.pass_time(seconds=30)
    silent = httpx.AsyncClient(
        transport=forgetful(world),
        cookies=world.browser.cookies,
        headers={"Accept": "text/html"},
    )
    page = await world.follow(await silent.get(await world.new_launch(patient)), silent)
    assert LOCK in page.text
    assert PAGE_OF_CHART not in page.text
    chart = page.url.path.removesuffix("/return")
    assert (await silent.get(f"{RAPPORT}{chart}/responses.json")).status_code == 423


async def test_a_locked_out_browser_asks_the_ehr_for_a_fresh_sign_in(world: World) -> None:
    await barred(world)
    asked = httpx.URL((await world.depart()).headers["location"]).params
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")


async def test_a_browser_that_is_not_locked_out_asks_for_none(world: World) -> None:
    await handed_over(world)
    asked = httpx.URL((await world.depart()).headers["location"]).params
    assert "prompt" not in asked
    assert "max_age" not in asked


async def test_a_fresh_sign_in_opens_the_device(world: World) -> None:
    await barred(world)
    world.clock.pass_time(seconds=30)
    asked = await launch_in_chart(world)
    assert "Sign in again" in asked.text
    page = await sign_in_again(world, asked)
    assert PAGE_OF_CHART in page.text
    assert "data-kept" not in page.text  # the PIN of before is forgotten


async def test_a_fresh_sign_in_that_opens_a_device_is_in_the_trail(world: World) -> None:
    await barred(world)
    world.clock.pass_time(seconds=30)
    await sign_in_again(world, await launch_in_chart(world))
    assert "Signed in to the EHR anew" in await reasons(world)


async def reasons(world: World, kind: str = "hand-over-ended") -> list[str]:
    """Read why hand-overs ended out of the trail."""
    ledger = world.rapport.state.rapport.ledger
    entries: list[dict[str, Any]] = await ledger.read(
        lambda connection: _events(connection, ledger.vault, kind)
    )
    return [each["purposeOfEvent"][0]["text"] for each in entries if each.get("purposeOfEvent")]


def _events(connection: Any, vault: Any, kind: str) -> list[dict[str, Any]]:
    rows = connection.execute(sa.select(audit).where(audit.c.kind == kind).order_by(audit.c.id))
    return [json.loads(vault.open("audit", row.event, row.sealed_resource)) for row in rows]


async def test_a_sign_in_before_the_last_wrong_pin_opens_nothing(world: World) -> None:
    lock = await barred(world)
    world.clock.pass_time(minutes=6)
    asked = await launch_in_chart(world)
    world.clock.pass_time(seconds=10)
    key = re.search(r'name="key" value="([^"]+)"', asked.text)
    assert key
    signed_in = await world.browser.post(f"{EHR}/auth/sign-in", data={"key": key[1], "again": "yes"})
    world.clock.pass_time(seconds=10)
    await try_pin(world, lock)
    page = await world.follow(signed_in)
    assert LOCK in page.text


async def test_waiting_does_not_open_the_lock(world: World) -> None:
    await handed_over(world)
    world.clock.pass_time(hours=30)
    assert LOCK in (await launch_in_chart(world)).text


async def test_a_pin_is_looked_at_again_after_a_while_and_each_wrong_one_doubles_it(world: World) -> None:
    lock = await barred(world)
    assert "in 5 minutes" in (await world.browser.get(lock[0])).text
    world.clock.pass_time(minutes=4, seconds=50)
    assert (await try_pin(world, lock, PIN)).status_code == 429
    world.clock.pass_time(seconds=10)
    wrong = await try_pin(world, lock)
    assert wrong.status_code == 403
    assert "in 10 minutes" in wrong.text
    world.clock.pass_time(minutes=10)
    assert (await try_pin(world, lock, PIN)).status_code == 303


async def test_after_ten_wrong_pins_none_opens_it(world: World) -> None:
    lock = await barred(world)
    for minutes in (5, 10, 20, 40, 80):
        world.clock.pass_time(minutes=minutes)
        await try_pin(world, lock)
    world.clock.pass_time(hours=4)
    assert (await try_pin(world, lock, PIN)).status_code == 429
    assert "No further PIN opens it" in (await world.browser.get(lock[0])).text


async def test_a_clinician_opens_the_device_from_another_browser(world: World) -> None:
    lock = await barred(world)
    elsewhere = world.new_browser()
    page = await world.launch("amara", browser=elsewhere)
    assert "Open the device that is locked" in page.text
    form = re.search(r'name="form" value="([^"]+)"', page.text)
    assert form
    data = {"csrf": csrf_of(page), "form": form[1]}
    opened = await elsewhere.post(f"{page.url}/devices/open", data=data)
    assert opened.status_code == 303
    device = await world.browser.get(lock[0].removesuffix("/return"))
    assert PAGE_OF_CHART in device.text
    assert "Opened from another browser" in await reasons(world)


async def test_a_device_of_another_patients_form_cannot_be_opened_from_a_chart(world: World) -> None:
    lock = await barred(world)
    elsewhere = world.new_browser()
    amara = await world.launch("amara", browser=elsewhere)
    form = re.search(r'name="form" value="([^"]+)"', amara.text)
    assert form
    page = await world.launch("mateo", browser=elsewhere)
    assert "Open the device that is locked" not in page.text
    data = {"csrf": csrf_of(page), "form": form[1]}
    await elsewhere.post(f"{page.url}/devices/open", data=data)
    assert "too many PINs were wrong" in (await world.browser.get(lock[0])).text


async def test_ending_the_session_from_elsewhere_leaves_the_lock(world: World) -> None:
    await handed_over(world)
    elsewhere = world.new_browser()
    page = await world.launch("amara", browser=elsewhere)
    data = {"csrf": csrf_of(page), "which": "others"}
    assert (await elsewhere.post(f"{page.url}/sessions/end", data=data)).status_code == 303
    assert LOCK in (await launch_in_chart(world)).text


async def test_a_locked_browser_cannot_say_that_it_keeps_no_cookies(world: World) -> None:
    await handed_over(world)
    address = f"{await world.new_launch()}&cookies=none"
    left = await world.browser.get(address, headers={"Sec-Fetch-Dest": "iframe"})
    assert left.status_code == 303  # with its cookie: no page that carries another session


async def test_closing_the_browser_does_not_open_the_lock(world: World) -> None:
    page = await world.launch("amara")
    people = await world.people()
    data = {
        "csrf": csrf_of(page),
        "respondent": f"Patient/{people['amara']}",
        "instrument": "rapport-checkin-child",
        "language": "en",
        "pin": PIN,
    }
    handed = await world.browser.post(f"{page.url}/invitations", data=data)
    assert "Max-Age=34560000" in handed.headers["set-cookie"]
    back = csrf_of(await world.browser.get(f"{page.url}/return"))
    given = await world.browser.post(f"{page.url}/return", data={"csrf": back, "pin": PIN})
    assert "Max-Age" not in given.headers["set-cookie"]


async def test_the_pin_is_asked_for_in_the_clinicians_language(world: World) -> None:
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}", language="es")
    locked = await world.browser.get(f"{page.url}/return", headers={"Accept-Language": "de"})
    assert '<html lang="es"' in locked.text
    assert '<div lang="de"' in locked.text
    assert "PIN vergessen?" in locked.text


async def sign_in_from_lock(
    world: World, lock: tuple[str, str], practitioner: str | None = None
) -> httpx.Response:
    """Press "Sign in to the EHR" at the lock, and sign in there; gives the page on which that ends."""
    shown = await world.browser.get(lock[0])
    offered = re.search(r'href="([^"]+/return/sign-in)"', shown.text)
    assert offered, shown.text
    page = await world.follow(await world.browser.get(f"{RAPPORT}{offered[1]}"))
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key, page.text[:500]
    world.clock.pass_time(seconds=30)
    who = practitioner or (await world.people())["practitioner"]
    for chosen in ({"practitioner": who}, {"decision": "allow"}):
        page = await world.follow(
            await world.browser.post(f"{EHR}/auth/sign-in", data={"key": key[1], **chosen})
        )
    return page


async def test_whoever_forgot_the_pin_signs_in_to_the_ehr_and_needs_no_wrong_ones(world: World) -> None:
    lock = await handed_over(world)
    asked = await world.browser.get(f"{lock[0]}/sign-in")
    sent = httpx.URL(asked.headers["location"]).params
    assert (sent["prompt"], sent["max_age"], sent["scope"]) == ("login", "0", "openid fhirUser")
    cookie = world.browser.cookies["__Host-rapport"]
    page = await sign_in_from_lock(world, lock)
    assert PAGE_OF_CHART in page.text
    assert str(page.url) == lock[0].removesuffix("/return")
    assert "data-kept" not in page.text  # the PIN of before is forgotten
    assert world.browser.cookies["__Host-rapport"] != cookie
    assert "Signed in to the EHR anew" in await reasons(world)


async def test_after_five_wrong_pins_the_same_sign_in_is_offered(world: World) -> None:
    lock = await barred(world)
    world.clock.pass_time(seconds=30)
    assert PAGE_OF_CHART in (await sign_in_from_lock(world, lock)).text


@pytest.mark.parametrize("are_wrong", [False, True])
async def test_a_colleague_who_signs_in_at_the_lock_does_not_open_it(
    world: World, *, are_wrong: bool
) -> None:
    lock = await (barred if are_wrong else handed_over)(world)
    people = await world.people()
    other = "202" if people["practitioner"] != "202" else "201"
    page = await sign_in_from_lock(world, lock, other)
    assert LOCK in page.text
    assert "did not open this device" in page.text
    assert PAGE_OF_CHART not in (await world.browser.get(lock[0].removesuffix("/return"))).text


async def test_a_pin_opens_nothing_of_a_colleague_who_signs_in_after_its_owner(world: World) -> None:
    page = await world.launch("amara")
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    other = "202" if people["practitioner"] != "202" else "201"
    world.clock.pass_time(seconds=30)
    page = await world.follow(await world.browser.get(await world.new_launch("mateo", other)))
    assert LOCK in page.text
    assert "chosen by somebody else" in page.text
    assert 'name="pin"' not in page.text
    own = (str(page.url), csrf_of(page))
    assert LOCK in (await world.follow(await try_pin(world, own, PIN))).text
    assert (await world.fill(secret, ANSWERS)).status_code == 200  # the form that is under way goes on
    wrong = await sign_in_from_lock(world, own, people["practitioner"])
    assert "it has to be yours" in wrong.text
    page = await sign_in_from_lock(world, own, other)
    assert PAGE_OF_CHART in page.text
    assert "Mateo" in page.text
    assert "data-kept" not in page.text  # the first hand-over asks for a PIN of her own


async def test_a_pin_still_opens_the_lock_for_its_owner_in_another_chart(world: World) -> None:
    await handed_over(world)
    page = await launch_in_chart(world, "mateo")
    own = (str(page.url), csrf_of(page))
    assert PAGE_OF_CHART in (await world.follow(await try_pin(world, own, PIN))).text


async def test_a_sign_in_that_the_ehr_does_not_date_later_opens_nothing(world: World) -> None:
    lock = await handed_over(world)
    shown = await world.browser.get(f"{lock[0]}/sign-in")
    page = await world.follow(shown)
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key
    who = (await world.people())["practitioner"]
    world.clock.pass_time(seconds=-60)  # the EHR dates it before the hand-over
    for chosen in ({"practitioner": who}, {"decision": "allow"}):
        page = await world.follow(
            await world.browser.post(f"{EHR}/auth/sign-in", data={"key": key[1], **chosen})
        )
    assert LOCK in page.text


async def test_a_plain_launch_after_a_later_sign_in_elsewhere_still_meets_the_lock(world: World) -> None:
    await handed_over(world)
    world.clock.pass_time(minutes=1)
    page = await launch_in_chart(world)
    assert LOCK in page.text
    assert "did not open" not in page.text


async def test_the_way_of_a_sign_in_leads_to_the_chart_where_nothing_is_locked(world: World) -> None:
    page = await world.launch("amara")
    assert (await world.browser.get(f"{page.url}/return/sign-in")).headers["location"] == page.url.path
