"""One press for each who is due, and the PIN that serves one sign-in."""

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.product import public_forms
from tests.product.forms import ANSWERS
from tests.product.ways import form_to
from tests.product.world import PIN, World, run_world


def presses(page: httpx.Response) -> list[str]:
    """Read what the buttons of those who are due say."""
    return re.findall(r'name="press" value="([^"]+)"', page.text)


def token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found, page.text[:2000]
    return found[1]


async def press(world: World, page: httpx.Response, wanted: str, pin: str = "") -> httpx.Response:
    data = {"csrf": token(page), "press": wanted, "pin": pin}
    return await world.browser.post(f"{page.url}/invitations", data=data)


async def give_back(world: World, page: httpx.Response, pin: str = PIN) -> httpx.Response:
    lock = await world.browser.get(f"{page.url}/return")
    data = {
        "csrf": token(lock),
        "pin": pin,
    }  # as in the filled screen, which shows what it gets in its own page
    return await world.browser.post(f"{page.url}/return", data=data, headers={"Accept": "*/*"})


def hand_to(page: httpx.Response, kind: str) -> str:
    """Find the press that hands over to the first person of a kind."""
    return next(each for each in presses(page) if each.startswith("device") and f" {kind}/" in each)


async def test_one_press_starts_the_form_of_role_and_age(world: World) -> None:
    page = await world.launch("amara")
    started = await press(world, page, hand_to(page, "Patient"), PIN)
    assert started.status_code == 303, started.text
    path, _, secret = started.headers["location"].partition("#")
    assert path == "/fill"
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    assert (await world.browser.get(str(page.url))).headers["location"].endswith("/return")


async def test_the_second_hand_over_takes_no_typing(world: World) -> None:
    page = await world.launch("amara")
    await press(world, page, hand_to(page, "Patient"), PIN)
    await give_back(world, page)
    again = await world.browser.get(str(page.url))
    started = await press(world, again, hand_to(again, "RelatedPerson"))
    assert started.status_code == 303, started.text
    assert (await give_back(world, page, "0000")).status_code == 403
    assert (await give_back(world, page)).status_code == 303


async def test_without_a_pin_chosen_nothing_is_handed_over(world: World) -> None:
    page = await world.launch("amara")
    assert (await press(world, page, hand_to(page, "Patient"))).status_code == 422
    assert (await world.browser.get(str(page.url))).status_code == 200


async def test_a_page_that_refuses_a_form_leads_back_to_the_patient(world: World) -> None:
    page = await world.launch("amara")
    launch = f'href="{page.url.path}"'
    refused = await press(world, page, hand_to(page, "Patient"))  # no PIN
    assert "Choose 4 to 8 digits that the respondent does not know." in refused.text
    assert form_to(refused, "/invitations")
    assert launch in (await world.browser.get(f"{page.url}/responses/none")).text
    started = await press(world, page, hand_to(page, "Patient"), PIN)
    assert started.status_code == 303
    locked = await press(world, page, hand_to(page, "Patient"), PIN)
    stranger = await world.new_browser().get(f"{page.url}/notes/new")
    no_pin = await world.browser.post(f"{page.url}/return", data={"csrf": token(page)})
    assert all(launch not in each.text for each in (locked, stranger, no_pin))


async def test_another_pin_takes_the_place_of_the_first(world: World) -> None:
    page = await world.launch("amara")
    await press(world, page, hand_to(page, "Patient"), PIN)
    await give_back(world, page)
    await press(world, page, hand_to(page, "RelatedPerson"), "82615")
    assert (await give_back(world, page, PIN)).status_code == 403
    assert (await give_back(world, page, "82615")).status_code == 303


async def test_who_signs_in_next_chooses_a_pin_of_their_own(world: World) -> None:
    page = await world.launch("amara")
    await press(world, page, hand_to(page, "Patient"), PIN)
    await give_back(world, page)
    other = await world.launch("amara")
    assert (await press(world, other, hand_to(other, "RelatedPerson"))).status_code == 422


async def test_one_press_makes_a_link_for_a_caregiver(world: World) -> None:
    page = await world.launch("amara")
    wanted = next(each for each in presses(page) if each.startswith("link"))
    assert "RelatedPerson/" in wanted
    made = await press(world, page, wanted)
    assert "/invitations/" in made.headers["location"]


async def test_a_press_is_checked_like_any_choice(world: World) -> None:
    page = await world.launch("amara")
    for wrong in (
        "device rapport-checkin-child en Patient/somebody-else",
        "device",
        "shout rapport-checkin-child en Patient/1",
    ):
        assert (await press(world, page, wrong, PIN)).status_code in {404, 422}


async def test_who_has_a_form_has_no_press(world: World) -> None:
    page = await world.launch("amara")
    wanted = hand_to(page, "Patient")
    await press(world, page, wanted, PIN)
    await give_back(world, page)
    again = await world.browser.get(str(page.url))
    assert wanted not in presses(again)
    assert len(presses(again)) > 0


async def test_the_language_is_that_of_the_last_answer(world: World) -> None:
    (caregiver, *_) = await world.search("RelatedPerson", patient=(await world.people())["amara"])
    page = await world.launch("amara")
    secret = await world.hand_over(
        page, f"RelatedPerson/{caregiver['id']}", instrument="rapport-checkin-caregiver", language="es"
    )
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    world.clock.pass_time(days=7)
    later = await world.launch("amara", world.new_browser(), encounter=None)
    assert f"device rapport-checkin-caregiver es RelatedPerson/{caregiver['id']}" in presses(later)


async def test_a_child_is_asked_in_the_language_that_the_record_names(world: World) -> None:
    page = await world.launch("mateo")
    assert hand_to(page, "Patient").split()[2] == "es"


async def test_who_has_no_language_in_the_record_is_asked_in_the_readers(world: World) -> None:
    page = await world.launch("mateo")
    assert hand_to(page, "RelatedPerson").split()[2] == "en"


async def test_a_language_that_no_form_speaks_gives_way_to_the_readers(world: World) -> None:
    page = await world.launch("wei-ling")
    assert hand_to(page, "Patient").split()[2] == "en"


@pytest.mark.parametrize(
    ("first", "second", "reader", "chosen"),
    [
        ("ar", "en", "fr", "second en"),
        ("en", "tr", "fr", "second tr"),  # the young person's language in the record
        ("en", "fr", "fr", "second fr"),
        ("ar", "ja", "fr", "first ar"),
    ],
)
async def test_of_forms_that_fit_one_is_offered_that_can_be_read(
    tmp_path: Path, first: str, second: str, reader: str, chosen: str
) -> None:
    """For a child of an age for which no check-in is."""
    forms = {
        "First.json": {**public_forms.by_ordinal(), "language": first},
        "Second.json": {**public_forms.by_the_option_of_the_form(), "language": second},
    }
    for name, form in forms.items():
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / name).write_text(json.dumps(form), encoding="utf-8")
    async with run_world(tmp_path, instrument_folders=(tmp_path / "own",)) as world:
        world.browser.headers["Accept-Language"] = reader
        page = await world.launch("elif")
        assert hand_to(page, "Patient").rpartition(" ")[0] == f"device {chosen}"


async def test_whoever_is_chosen_by_hand_is_offered_their_language_too(world: World) -> None:
    page = await world.launch("mateo")
    assert re.search(r'value="Patient/[^"]+" data-rater="child" data-speaks="es"', page.text)
    assert '<option value="es" selected>' in page.text


async def test_a_form_is_named_in_the_readers_language(world: World) -> None:
    world.browser.headers["Accept-Language"] = "de"
    page = await world.launch("mateo")
    assert "Rapport Check-in (Kind)" in page.text
    assert "Rapport Check-in (child)" not in page.text


@pytest.mark.parametrize(
    ("patient", "session", "young"),
    [
        ("oliver", "1005-20260302", None),  # eleven years: by video, and no link
        ("noah", "1014-20260302", "link"),
        ("freya", "1008-20260302", None),  # in person
    ],
)
async def test_by_video_the_link_is_the_first_choice_and_why_there_is_none_is_said(
    world: World, patient: str, session: str, young: str | None
) -> None:
    page = await world.launch(patient, encounter=session)
    chosen = re.findall(
        r'<button class="button primary"[^>]* name="press" value="(\w+) \S+ \w+ (\w+)/', page.text
    )
    is_video = patient != "freya"
    assert {who: way for way, who in chosen} == {
        "Patient": young or "device",
        "RelatedPerson": "link" if is_video else "device",
        "Practitioner": "device",
    }
    assert "with the caregiver" not in page.text  # which this site does not allow
    due = page.text.partition('data-part="due"')[2].partition("</form>")[0]
    assert ("Under 12 years a child answers on this device: no link is made." in due) is (
        is_video and young is None
    )
