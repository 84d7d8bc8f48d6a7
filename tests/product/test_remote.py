"""A form filled elsewhere: link, spoken code, who may be sent one, and what the clinician hears of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.plan import read_plan
from tests.product.forms import ANSWERS
from tests.product.test_pressing import presses
from tests.product.world import RAPPORT, World, body_of, run_world

TEENAGER = "wei-ling"  # 15 years
NO_FORM = "/code?wrong=true"


async def make_link(
    world: World, page: httpx.Response, respondent: str, instrument: str = "rapport-checkin-adolescent"
) -> httpx.Response:
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf
    data = {
        "csrf": csrf[1],
        "respondent": respondent,
        "instrument": instrument,
        "language": "en",
        "way": "link",
    }
    return await world.follow(await world.browser.post(f"{page.url}/invitations", data=data))


async def teenagers_link(world: World) -> httpx.Response:
    people = await world.people()
    page = await world.launch(TEENAGER)
    made = await make_link(world, page, f"Patient/{people[TEENAGER]}")
    assert made.status_code == 200, made.text
    return made


def secret_of(page: httpx.Response) -> str:
    found = re.search(r'value="[^"]*/fill#([0-9a-f]{40})"', page.text)
    assert found, page.text
    return found[1]


def code_of(page: httpx.Response) -> str:
    found = re.search(r"<b>(\d{4} \d{4})</b>", page.text)
    assert found, page.text
    return found[1]


async def test_a_link_opens_the_form_on_a_phone_and_the_answers_stand_in_the_record(world: World) -> None:
    made = await teenagers_link(world)
    secret = secret_of(made)
    async with world.new_browser() as phone:
        headers = {"X-Rapport-Invitation": secret}
        form = await phone.get("/fill/form", headers=headers)
        assert form.status_code == 200
        sent = await phone.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
        assert sent.json() == {"state": "saved", "return_url": None}
        again = await phone.get("/fill/form", headers=headers)
        assert again.status_code == 410
    people = await world.people()
    assert await world.delivered(code="rapport-checkin-adolescent-total", patient=people[TEENAGER])


async def test_the_clinician_goes_on_working_while_a_link_is_out(world: World) -> None:
    made = await teenagers_link(world)
    page = await world.browser.get(str(made.url).partition("/invitations")[0])
    assert page.status_code == 200
    assert "not opened yet" in page.text


async def test_the_same_link_can_be_shown_again(world: World) -> None:
    made = await teenagers_link(world)
    again = await world.browser.get(made.url)
    assert secret_of(again) == secret_of(made)


def contents(folder: Path) -> list[bytes]:
    return [each.read_bytes() for each in folder.rglob("*") if each.is_file()]


async def test_the_secret_does_not_rest_in_the_database(world: World, tmp_path: Path) -> None:
    secret = secret_of(await teenagers_link(world)).encode()
    stored = contents(tmp_path)
    assert stored
    assert all(secret not in each for each in stored)


async def test_the_code_that_was_read_out_opens_the_same_form(world: World) -> None:
    made = await teenagers_link(world)
    async with world.new_browser() as phone:
        opened = await phone.post("/code", data={"code": code_of(made)})
        assert opened.status_code == 303
        assert opened.headers["location"] == f"/fill#{secret_of(made)}"


async def test_a_code_may_be_typed_in_the_digits_of_another_script(world: World) -> None:
    made = await teenagers_link(world)
    typed = "".join(chr(0x0660 + int(each)) for each in code_of(made).replace(" ", ""))  # Arabic-Indic
    async with world.new_browser() as phone:
        opened = await phone.post("/code", data={"code": typed})
    assert opened.headers["location"] == f"/fill#{secret_of(made)}"


def unsent(page: httpx.Response) -> list[str]:
    return re.findall(r"<(?:p class=\"hint\"|small) data-unsent>([^<]*)</", page.text)


async def test_a_form_whose_time_passed_is_told_beside_who_is_due_until_the_next_one(world: World) -> None:
    assert unsent(await world.launch(TEENAGER)) == []
    secret = secret_of(await teenagers_link(world))
    assert unsent(await world.launch(TEENAGER)) == []  # it can still be sent
    world.clock.pass_time(hours=25)
    page = await world.launch(TEENAGER)
    assert unsent(page) == ["Not sent: the form of 2 Mar 2026 (its time has passed)"]
    german = await world.browser.get(page.url, headers={"Accept-Language": "de"})
    assert unsent(german) == ["Nicht gesendet: der Bogen vom 2. März 2026 (seine Zeit ist abgelaufen)"]
    async with world.new_browser() as phone:
        gone = await phone.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert gone.status_code == 410
    await teenagers_link(world)
    world.clock.pass_time(days=15)
    assert unsent(await world.launch(TEENAGER)) == []  # of long ago nothing is told


@pytest.mark.parametrize(("form", "somebody"), [("therapist", True), ("child", False)])
async def test_it_is_told_also_of_whom_the_schedule_does_not_ask_in_this_session(
    tmp_path: Path, form: str, somebody: bool
) -> None:
    asked = {"definitionCanonical": f"https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-{form}"}
    plan = read_plan({"resourceType": "PlanDefinition", "action": [asked]})
    async with run_world(tmp_path, schedule=plan) as world:
        await teenagers_link(world)
        world.clock.pass_time(hours=25)
        page = await world.launch(TEENAGER)
    assert bool(presses(page)) is somebody  # of the young person there is none
    assert unsent(page) == ["Not sent: the form of 2 Mar 2026 (its time has passed)"]


async def test_the_code_ends_before_the_link(world: World) -> None:
    made = await teenagers_link(world)
    code = code_of(made)
    world.clock.pass_time(minutes=10, seconds=1)
    async with world.new_browser() as phone:
        refused = await phone.post("/code", data={"code": code})
        told = await phone.get(refused.headers["location"])
    assert refused.status_code == 303
    assert refused.headers["location"] == NO_FORM
    assert "opens no form" in told.text


async def test_a_form_in_the_hand_has_no_code(world: World) -> None:
    people = await world.people()
    page = await world.launch(TEENAGER)
    await world.hand_over(page, f"Patient/{people[TEENAGER]}", "rapport-checkin-adolescent")
    ledger = world.rapport.state.rapport.ledger
    from plugin.access.invitations import read_invitation, renew_code, spoken_code, take_code
    from plugin.errors import InvitationUnusable
    from plugin.ledger import tables as t

    row = await ledger.read(lambda c: c.execute(t.invitation.select()).one())
    assert row.code_made is None
    kept = await ledger.read(lambda c: read_invitation(c, ledger.vault, row.id))
    code, lives = spoken_code(ledger.vault, kept), {"sandbox": timedelta(minutes=10)}
    assert await ledger.bookkeep(lambda c: take_code(c, ledger.vault, code, world.clock(), lives)) is None
    with pytest.raises(InvitationUnusable):
        await ledger.bookkeep(lambda c: renew_code(c, row.id, world.clock()))


async def test_a_code_opens_its_form_once(world: World) -> None:
    made = await teenagers_link(world)
    async with world.new_browser() as phone, world.new_browser() as another:
        assert (await phone.post("/code", data={"code": code_of(made)})).status_code == 303
        refused = await another.post("/code", data={"code": code_of(made)})
    assert refused.headers["location"] == NO_FORM
    assert "The last code was used" in (await world.browser.get(str(made.url))).text


async def test_a_device_that_is_out_with_another_form_uses_no_code(world: World) -> None:
    made = await teenagers_link(world)
    people = await world.people()
    tablet = world.new_browser()
    page = await world.launch("amara", browser=tablet)
    world.browser, own = tablet, world.browser
    await world.hand_over(page, f"Patient/{people['amara']}")
    for code in (code_of(made), "0000 0000"):  # whether a code is right is not told there
        refused = await tablet.post("/code", data={"code": code})
        assert refused.headers["location"] == "/code?out=true"
    told = await tablet.get("/code?out=true")
    assert "This device is out with another form. Give it back first" in told.text
    world.browser = own
    async with world.new_browser() as phone:
        opened = await phone.post("/code", data={"code": code_of(made)})
        assert opened.headers["location"].startswith("/fill#")


async def test_the_clinician_makes_another_code_with_one_press(world: World) -> None:
    made = await teenagers_link(world)
    csrf = re.search(r'name="csrf" value="([^"]+)"', made.text)
    assert csrf
    assert (await world.browser.post(f"{made.url}/code", data={"csrf": "wrong"})).status_code == 403
    again = await world.follow(await world.browser.post(f"{made.url}/code", data={"csrf": csrf[1]}))
    assert code_of(again) != code_of(made)
    world.clock.pass_time(minutes=9)
    async with world.new_browser() as phone:
        refused = await phone.post("/code", data={"code": code_of(made)})
        assert refused.headers["location"] == NO_FORM
        opened = await phone.post("/code", data={"code": code_of(again)})
        assert opened.headers["location"] == f"/fill#{secret_of(made)}"


async def test_a_site_lets_codes_live_longer(tmp_path: Path) -> None:
    async with run_world(tmp_path, code_life=timedelta(minutes=30)) as world:
        made = await teenagers_link(world)
        world.clock.pass_time(minutes=29)
        async with world.new_browser() as phone:
            assert (await phone.post("/code", data={"code": code_of(made)})).status_code == 303


MOST = 60  # wrong codes from one address within ten minutes


async def guess(world: World, times: int) -> list[int]:
    async with world.new_browser() as guesser:
        return [(await guesser.post("/code", data={"code": f"{n:08}"})).status_code for n in range(times)]


async def test_guessing_codes_ends_after_sixty_tries(world: World) -> None:
    assert await guess(world, MOST + 1) == [303] * MOST + [429]
    world.clock.pass_time(minutes=11)
    async with world.new_browser() as guesser:
        refused = await guesser.post("/code", data={"code": "1"})
    assert refused.headers["location"] == NO_FORM


async def guess_from(world: World, addresses: list[str]) -> list[int]:
    found = []
    for each in addresses:
        transport = httpx.ASGITransport(world.rapport, client=(each, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=RAPPORT) as guesser:
            found.append((await guesser.post("/code", data={"code": "00000000"})).status_code)
    return found


async def test_what_one_machine_may_call_itself_counts_as_one_address(world: World) -> None:
    of_one_network = [f"2001:db8:0:1:{each:x}::7" for each in range(MOST + 1)]
    assert await guess_from(world, of_one_network) == [303] * MOST + [429]
    assert await guess_from(world, ["2001:db8:0:2::7"]) == [303]
    twice_told = ["192.0.2.7", "::ffff:192.0.2.7"] * (MOST // 2)
    assert await guess_from(world, [*twice_told, "192.0.2.7"]) == [303] * MOST + [429]


async def test_who_typed_too_many_codes_is_told_when_to_try_again_and_led_back_to_the_page(
    world: World,
) -> None:
    async with world.new_browser() as guesser:
        await guess(world, MOST)
        world.clock.pass_time(minutes=3, seconds=20)
        refused = await guesser.post("/code", data={"code": "1"})
        assert refused.headers["Retry-After"] == "401"
        assert "Wait 7 minutes, then try again." in refused.text
        assert 'href="/code"' in refused.text
        assert "The link itself and its QR code go on working" in refused.text
        assert "Reference" not in refused.text
        assert "throttled" not in refused.text
        world.clock.pass_time(minutes=6)
        last = await guesser.post("/code", data={"code": "1"}, headers={"Accept-Language": "de"})
        assert "Warten Sie eine Minute" in last.text
        world.clock.pass_time(seconds=int(last.headers["Retry-After"]))
        assert (await guesser.post("/code", data={"code": "1"})).headers["location"] == NO_FORM


async def test_somebody_who_guesses_shuts_out_nobody_at_the_same_address(world: World) -> None:
    made = await teenagers_link(world)
    await guess(world, 30)
    async with world.new_browser() as phone:
        opened = await phone.post("/code", data={"code": code_of(made)})
    assert opened.headers["location"] == f"/fill#{secret_of(made)}"


@pytest.mark.parametrize("patient", ["amara", "freya"])
async def test_no_link_is_made_for_a_child_under_twelve(world: World, patient: str) -> None:
    people = await world.people()
    page = await world.launch(patient)
    refused = await make_link(world, page, f"Patient/{people[patient]}", "rapport-checkin-child")
    assert refused.status_code == 422
    assert "under 12 years" in refused.text


async def test_the_caregiver_of_a_small_child_gets_a_link(world: World) -> None:
    page = await world.launch("amara")
    carer = re.search(r'value="(RelatedPerson/[^"]+)"', page.text)
    assert carer
    made = await make_link(world, page, carer[1], "rapport-checkin-caregiver")
    assert made.status_code == 200
    assert "<svg" in made.text


async def test_another_patients_launch_does_not_see_the_link(world: World) -> None:
    made = await teenagers_link(world)
    invitation = str(made.url).rsplit("/", 1)[1]
    other = await world.launch("amara")
    refused = await world.browser.get(f"{other.url}/invitations/{invitation}")
    assert refused.status_code == 404


async def states(world: World, page: httpx.Response) -> AsyncIterator[list[dict[str, Any]]]:
    """Read the states as the events give them."""
    from plugin.access.launches import read_launch
    from plugin.routes.remote import _states

    rapport = world.rapport.state.rapport
    launch = str(page.url).split("/launches/")[1].split("/")[0]
    key = rapport.ledger.vault.digest("session", world.browser.cookies["__Host-rapport"])
    found = await rapport.ledger.read(
        lambda c: read_launch(c, rapport.ledger.vault, launch, key, world.clock())
    )
    assert found is not None
    while True:
        yield body_of(httpx.Response(200, content=await _states(found, rapport, "en")))


async def test_the_clinician_hears_opened_half_done_and_sent(world: World) -> None:
    made = await teenagers_link(world)
    headers = {"X-Rapport-Invitation": secret_of(made)}
    heard = states(world, made)

    async def label() -> str:
        return str((await anext(heard))[0]["label"])

    async with world.new_browser() as phone:
        assert await label() == "not opened yet"
        await phone.get("/fill/form", headers=headers)
        assert await label() == "opened"
        half = dict(list(ANSWERS.items())[:3])
        await phone.put("/fill/answers", headers=headers, json={"answers": half})
        assert await label() == "3 of 6 answered"
        assert ">3 of 6 answered</b>" in (await world.browser.get(str(made.url))).text
        await phone.post("/fill/submit", headers=headers, json={"answers": ANSWERS})
        assert await label() == "sent"


async def test_nothing_is_heard_any_more_once_the_device_is_handed_over(world: World) -> None:
    made = await teenagers_link(world)
    chart = str(made.url).partition("/invitations/")[0]
    page = await world.browser.get(chart)
    async with asyncio.timeout(20):
        heard = asyncio.create_task(world.browser.get(f"{chart}/events"))
        await asyncio.sleep(0.1)
        assert not heard.done()
        people = await world.people()
        await world.hand_over(page, f"Patient/{people[TEENAGER]}", "rapport-checkin-adolescent")
        body = (await heard).text
    assert "event:" not in body  # or the page would be loaded again on its way to the form


async def test_the_clinicians_page_hears_which_code_can_be_used(world: World) -> None:
    made = await teenagers_link(world)
    heard = states(world, made)

    async def number() -> str:
        return str((await anext(heard))[0]["code"])

    assert f'data-code="{await number()}"' in made.text
    assert (await number()).isdecimal()
    async with world.new_browser() as phone:
        await phone.post("/code", data={"code": code_of(made)})
    assert not await number()
    csrf = re.search(r'name="csrf" value="([^"]+)"', made.text)
    assert csrf
    again = await world.follow(await world.browser.post(f"{made.url}/code", data={"csrf": csrf[1]}))
    assert f'data-code="{await number()}"' in again.text
    assert (await number()).isdecimal()
    world.clock.pass_time(minutes=10, seconds=1)
    assert not await number()


async def test_the_link_is_made_for_this_address(world: World) -> None:
    assert f'value="{RAPPORT}/fill#' in (await teenagers_link(world)).text
