"""A form is looked at before anybody is asked to answer it: as its respondents see it, without a patient, a secret or a trace."""

import html
import re
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from plugin.ledger import tables as t
from plugin.respondents import RespondentPolicy
from plugin.routes.state import COOKIE
from tests.product import public_forms
from tests.product.test_own_forms import drop
from tests.product.world import PIN, World, run_world

FORM = "rapport-checkin-child"


async def press_look(
    world: World, page: httpx.Response, form: str = FORM, language: str = "en", respondent: str = ""
) -> httpx.Response:
    """Press *Look at the form*, with what stands in the fields beside it."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf
    fields = {"csrf": csrf[1], "instrument": form, "language": language, "pin": PIN, "way": "look"}
    if respondent:
        fields["respondent"] = respondent
    return await world.browser.post(f"{page.url}/invitations", data=fields)


async def count(world: World, table: sa.Table) -> int:
    ledger = world.rapport.state.rapport.ledger
    query = sa.select(sa.func.count()).select_from(table)
    return int(await ledger.read(lambda connection: connection.execute(query).scalar_one()))


async def test_it_shows_the_form_and_nothing_of_the_patient_and_starts_nothing(world: World) -> None:
    page = await world.launch()
    pressed = await press_look(world, page)
    assert pressed.status_code == 303
    assert pressed.headers["location"].startswith(f"{page.url.path}/forms/{FORM}?language=en&who=")
    shown = await world.follow(pressed)
    assert shown.status_code == 200
    text = html.unescape(shown.text)
    assert len(re.findall("<fieldset class=.question.", text)) == 6
    assert f'href="{page.url.path}?form={FORM}&language=en&who=' in text
    for of_patient in ("Amara", "Okafor", (await world.people())["amara"], PIN, "csrf"):
        assert of_patient not in text, of_patient
    assert shown.headers["cache-control"] == "private, max-age=600"
    assert await count(world, t.invitation) == 0
    again = await world.browser.get(str(page.url))
    assert "under way" not in again.text


@pytest.mark.parametrize(
    ("asked", "read_in", "language"),
    [("?language=de", "en", "de"), ("", "fr-CA,fr;q=0.8", "fr"), ("", "nl", "en")],
)
async def test_it_is_shown_in_the_language_that_is_chosen_else_the_readers(
    world: World, asked: str, read_in: str, language: str
) -> None:
    page = await world.launch()
    shown = await world.browser.get(f"{page.url}/forms/{FORM}{asked}", headers={"Accept-Language": read_in})
    assert shown.status_code == 200
    assert re.search(f'<h1 tabindex="-1" lang="{language}"', shown.text)
    assert not re.search(f'hreflang="{language}"', shown.text)
    assert len(re.findall("hreflang=", shown.text)) == 4


async def test_what_a_licence_wants_named_is_named_and_a_work_without_conditions_names_nobody(
    world: World,
) -> None:
    page = await world.launch()
    german = {"Accept-Language": "de"}
    published = (await world.browser.get(f"{page.url}/forms/peq-camhs-caregiver", headers=german)).text
    own = (await world.browser.get(f"{page.url}/forms/{FORM}")).text
    assert re.search(
        r'<p class="reference" lang="en"[^>]*>Items: Holmboe O, .*Creative Commons Attribution', published
    )
    assert 'class="reference"' not in own
    assert "CC0" not in own


@pytest.mark.parametrize(
    ("form", "language", "told"),
    [
        (FORM, "xx", "is not available in “xx”"),
        ("nothing", "en", "No form is chosen."),
        ("", "", "No form is chosen."),
        ("wai-s-client", "en", "wording must be supplied"),
    ],
)
async def test_what_cannot_be_shown_is_told_beside_the_choice(
    world: World, form: str, language: str, told: str
) -> None:
    page = await world.launch()
    pressed = await press_look(world, page, form, language)
    assert pressed.status_code == 422
    assert told in html.unescape(pressed.text)
    assert "Start a form" in pressed.text
    if form and language:
        assert (await world.browser.get(f"{page.url}/forms/{form}?language={language}")).status_code == 422


async def test_it_is_closed_to_whoever_has_the_device_and_to_other_browsers(world: World) -> None:
    page = await world.launch()
    address = f"{page.url}/forms/{FORM}"
    assert (await world.new_browser().get(address)).status_code == 401
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    assert (await world.browser.get(address)).status_code != 200


async def test_a_form_of_another_site_is_not_shown(tmp_path: Path) -> None:
    place = tmp_path / "own"
    drop(place, "gad-7.json", public_forms.by_ordinal())
    async with run_world(tmp_path, instrument_folders=(place,), only_elsewhere=(place,)) as world:
        page = await world.launch()
        refused = await world.browser.get(f"{page.url}/forms/gad-7")
        assert refused.status_code == 422
        assert "belongs to another site" in html.unescape(refused.text)


async def test_the_way_back_keeps_who_was_chosen_with_form_and_language(world: World) -> None:
    page = await world.launch()
    caregivers = re.findall(
        r'name="respondent" value="(RelatedPerson/[^"]+)" data-rater="caregiver"', page.text
    )
    assert len(caregivers) > 1
    form = "rapport-checkin-caregiver"
    for each in caregivers:
        shown = await world.follow(await press_look(world, page, form, "es", each))
        assert each not in shown.text
        back = re.search(r'class="button" href="([^"#]+)#start"', shown.text)
        assert back
        again = await world.browser.get(html.unescape(back[1]))
        assert re.search(r"<details open>\s*<summary>Other form", again.text)
        assert re.search(rf'name="instrument" value="{form}"[^>]* checked', again.text)
        assert re.findall(r'name="respondent" value="([^"]+)"[^>]* checked', again.text) == [each]
        assert '<option value="es" selected>' in again.text
        assert "data-spoken" in again.text
        # Changed in any part it is no choice: nobody is chosen for somebody else.
        for odd in (
            ("who=", "who=0"),
            ("=es", "=xx"),
            ("checkin-caregiver", "checkin-child"),
            (form, "wai-s-client"),
        ):
            address = html.unescape(back[1]).replace(*odd)
            assert "<details open>" not in (await world.browser.get(address)).text, odd


async def test_it_says_that_a_caregiver_is_asked_first_where_the_site_has_it_so(tmp_path: Path) -> None:
    async with run_world(tmp_path, respondents=RespondentPolicy(consent_below_age=16)) as world:
        page = await world.launch()
        child = await world.browser.get(f"{page.url}/forms/{FORM}")
        assert "under 16 years a caregiver is asked first" in child.text
        own = await world.browser.get(f"{page.url}/forms/rapport-checkin-therapist")
        assert "a caregiver is asked first" not in own.text


async def test_with_a_session_in_it_the_page_is_stored_nowhere(world: World) -> None:
    page = await world.launch()
    handle = world.browser.cookies[COOKIE]
    frame = world.new_browser()
    asked = {"session": handle, "to": f"{page.url.path}/forms/{FORM}?language=en"}
    carried = await frame.post("/carried", data=asked, headers={"Origin": "null", "Sec-Fetch-Dest": "iframe"})
    assert carried.status_code == 200
    assert handle in carried.text
    assert carried.headers.get_list("cache-control") == ["no-store"]
