"""A form that was interrupted goes on in any launch for its patient, and nobody has two of a kind under way."""

import html
import re

import httpx

from tests.product.forms import ANSWERS
from tests.product.test_lock import csrf_of
from tests.product.world import PIN, World

KEPT = {"answers": {"goal-1": "mostly"}}


def presses(page: httpx.Response) -> list[tuple[str, str]]:
    """List what goes on with a form: what the press says, and its words."""
    found = re.findall(r'name="press" value="(on [^"]+)"[^>]*>([^<]+)<', page.text)
    return [(press, html.unescape(words)) for press, words in found]


async def press(world: World, page: httpx.Response, what: str) -> httpx.Response:
    data = {"csrf": csrf_of(page), "press": what, "pin": PIN}
    return await world.browser.post(f"{page.url}/invitations", data=data)


async def interrupted(world: World) -> str:
    """A child answers one question; the tab is loaded again, and the PIN is right. Gives the form's secret."""
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    await world.browser.put("/fill/answers", headers={"X-Rapport-Invitation": secret}, json=KEPT)
    lock = await world.launch("amara")
    given = await world.browser.post(str(lock.url), data={"csrf": csrf_of(lock), "pin": PIN})
    assert given.status_code == 303
    assert "/return" not in given.headers["location"]
    return secret


async def test_a_childs_form_goes_on_in_a_new_launch_with_its_answers(world: World) -> None:
    secret = await interrupted(world)
    page = await world.launch("amara")
    [(what, words)] = presses(page)
    assert words.startswith("Go on with the form of Amara")
    again = await press(world, page, what)
    assert again.headers["location"] == f"/fill#{secret}"
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert 'value="mostly" checked' in form.text


async def test_a_form_that_goes_on_locks_the_device_and_leads_back_to_the_launch_of_now(world: World) -> None:
    secret = await interrupted(world)
    world.clock.pass_time(minutes=1)
    page = await world.launch("amara")
    await press(world, page, presses(page)[0][0])
    assert (await world.browser.get(str(page.url))).headers["location"] == f"{page.url.path}/return"
    answers = dict.fromkeys(("goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2"), "mostly")
    sent = await world.fill(secret, answers)
    assert sent.json()["return_url"] == f"{page.url.path}/return"


async def test_a_form_that_goes_on_is_locked_in_its_own_language(world: World) -> None:
    page = await world.launch("amara")
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}", language="es")
    lock = await world.launch("amara")
    await world.browser.post(str(lock.url), data={"csrf": csrf_of(lock), "pin": PIN})
    page = await world.launch("amara")
    await press(world, page, presses(page)[0][0])
    assert '<html lang="es"' in (await world.browser.get(f"{page.url}/return")).text


async def test_the_therapists_own_form_goes_on_in_a_new_launch(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    practitioner = f"Practitioner/{people['practitioner']}"
    secret = await world.hand_over(page, practitioner, "rapport-checkin-therapist", pin="")
    later = await world.launch("amara")
    [(what, words)] = presses(later)
    assert words == "Go on with your form"
    assert (await press(world, later, what)).headers["location"] == f"/fill#{secret}"
    assert (
        await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    ).status_code == 200


async def test_a_colleagues_own_form_is_not_gone_on_with(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    practitioner = f"Practitioner/{people['practitioner']}"
    await world.hand_over(page, practitioner, "rapport-checkin-therapist", pin="")
    what = presses(await world.browser.get(str(page.url)))[0][0]
    other = "202" if people["practitioner"] != "202" else "201"
    later = await world.launch("amara", practitioner=other)
    assert presses(later) == []
    assert (await press(world, later, what)).status_code == 422


async def test_whoever_reads_is_told_that_a_colleague_has_answered(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    practitioner = f"Practitioner/{people['practitioner']}"
    secret = await world.hand_over(page, practitioner, "rapport-checkin-therapist", pin="")
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    world.browser = world.new_browser()
    other = "202" if people["practitioner"] != "202" else "201"
    later = await world.launch("amara", practitioner=other)
    due = re.sub(r"<[^>]+>|\s+", " ", later.text.partition('id="due"')[2].partition('name="press"')[0])
    assert "Tomasz Zieliński  has answered" in due
    draft = (await world.browser.get(f"{later.url}/notes/new")).text
    assert "Answered in this session: Tomasz Zieliński" in draft
    assert "Nobody has answered" not in draft


async def test_handing_over_again_makes_no_second_empty_form(world: World) -> None:
    secret = await interrupted(world)
    page = await world.launch("amara")
    again = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    assert again == secret


async def test_a_form_under_way_is_not_begun_in_another_language_beside_it(world: World) -> None:
    await interrupted(world)
    page = await world.launch("amara")
    data = {
        "csrf": csrf_of(page),
        "respondent": f"Patient/{(await world.people())['amara']}",
        "instrument": "rapport-checkin-child",
        "language": "es",
        "pin": PIN,
    }
    refused = await world.browser.post(f"{page.url}/invitations", data=data)
    assert refused.status_code == 422
    assert "has this form already" in refused.text
    assert len(presses(await world.browser.get(str(page.url)))) == 1


async def test_a_form_of_another_patient_does_not_go_on_here(world: World) -> None:
    await interrupted(world)
    what = presses(await world.launch("amara"))[0][0]
    sibling = await world.launch("mateo")
    assert presses(sibling) == []
    assert (await press(world, sibling, what)).status_code == 422


async def test_the_therapists_own_form_has_a_way_back_and_a_childs_has_none(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    practitioner = f"Practitioner/{people['practitioner']}"
    own = await world.hand_over(page, practitioner, "rapport-checkin-therapist", pin="")
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": own})
    assert f'href="{page.url.path}/return"' in form.text
    childs = await world.hand_over(page, f"Patient/{people['amara']}")
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": childs})
    assert "Back to the patient" not in form.text


async def test_the_page_of_a_link_names_whom_it_is_for(world: World) -> None:
    (caregiver, *_) = await world.search("RelatedPerson", patient=(await world.people())["amara"])
    page = await world.launch("amara")
    what = f"link rapport-checkin-caregiver en RelatedPerson/{caregiver['id']}"
    link = await world.follow(await press(world, page, what))
    assert caregiver["name"][0]["family"] in link.text


async def test_a_device_that_was_given_back_opens_the_form_no_more_when_its_sign_in_is_over(
    world: World,
) -> None:
    secret = await interrupted(world)
    world.clock.pass_time(minutes=61)
    gone = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert gone.status_code == 410
    assert "mostly" not in gone.text


async def test_who_holds_a_form_that_was_unlocked_in_another_tab_reads_that_the_tablet_was_given_back(
    world: World,
) -> None:
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    held = {"X-Rapport-Invitation": secret}
    lock = await world.browser.get(f"{page.url}/return")
    csrf = lock.text.split('name="csrf" value="')[1].split('"')[0]
    await world.browser.post(f"{page.url}/return", data={"csrf": csrf, "pin": PIN})
    kept = await world.browser.put("/fill/answers", headers=held, json=KEPT)
    assert (kept.status_code, kept.headers["X-Rapport-Screen"]) == (410, "given-back")
    world.clock.pass_time(hours=90)
    over = await world.browser.get("/fill/form", headers=held)
    assert over.status_code == 410
    assert "X-Rapport-Screen" not in over.headers  # its time has passed: it does not go on


async def test_a_sibling_cannot_go_back_to_a_form_of_an_earlier_sign_in(world: World) -> None:
    secret = await interrupted(world)
    world.clock.pass_time(minutes=61)
    page = await world.launch("mateo")
    earlier = {"X-Rapport-Invitation": secret}
    assert (await world.browser.get("/fill/form", headers=earlier)).status_code == 410
    own = await world.hand_over(page, f"Patient/{(await world.people())['mateo']}")
    gone = await world.browser.get("/fill/form", headers=earlier)
    assert gone.status_code == 410
    assert gone.headers["X-Rapport-Return"] == f"{page.url.path}/return"
    assert (await world.browser.put("/fill/answers", headers=earlier, json=KEPT)).status_code == 410
    form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": own})
    assert form.status_code == 200


async def test_who_has_the_device_cannot_go_back_to_the_therapists_own_form(world: World) -> None:
    people = await world.people()
    page = await world.launch("amara")
    practitioner = f"Practitioner/{people['practitioner']}"
    own = {
        "X-Rapport-Invitation": await world.hand_over(page, practitioner, "rapport-checkin-therapist", pin="")
    }
    await world.browser.put("/fill/answers", headers=own, json=KEPT)
    await world.hand_over(page, f"Patient/{people['amara']}")
    assert (await world.browser.get("/fill/form", headers=own)).status_code == 410


async def test_who_has_the_device_cannot_open_somebodys_link_on_it(world: World) -> None:
    people = await world.people()
    (caregiver, *_) = await world.search("RelatedPerson", patient=people["amara"])
    page = await world.launch("amara")
    made = await press(world, page, f"link rapport-checkin-caregiver en RelatedPerson/{caregiver['id']}")
    shown = await world.browser.get(made.headers["location"])
    link = {"X-Rapport-Invitation": re.findall(r"/fill#(\w+)", shown.text)[0]}
    assert (await world.browser.get("/fill/form", headers=link)).status_code == 200
    await world.hand_over(page, f"Patient/{people['amara']}")
    assert (await world.browser.get("/fill/form", headers=link)).status_code == 410
    async with world.new_browser() as phone:
        assert (await phone.get("/fill/form", headers=link)).status_code == 200
