"""In which language a page speaks to whoever reads it."""

import re
from pathlib import Path

import pytest

from plugin.plan import PlanInEhr
from plugin.routes.relationships import told_relationship
from tests.product.test_administering import BOOK, sign_in
from tests.product.test_corrections import forbid
from tests.product.test_personalities import send_form, settled
from tests.product.test_plan_in_ehr import plan, put
from tests.product.world import run_world


async def test_a_browser_that_asks_for_a_language_we_lack_gets_the_sites(tmp_path: Path) -> None:
    async with run_world(tmp_path, language="fr") as world:
        page = await world.launch("amara")
        asked = await world.browser.get(str(page.url), headers={"Accept-Language": "nl"})
    assert '<html lang="fr"' in asked.text


async def test_a_browser_that_asks_for_a_language_we_have_gets_it(tmp_path: Path) -> None:
    async with run_world(tmp_path, language="fr") as world:
        page = await world.launch("amara")
        asked = await world.browser.get(str(page.url), headers={"Accept-Language": "de"})
    assert '<html lang="de"' in asked.text


@pytest.mark.parametrize("path", ["/", "/code", "/fill", "/nothing-here"])
async def test_pages_before_a_site_is_known_speak_the_language_of_all_sites(
    tmp_path: Path, path: str
) -> None:
    async with run_world(tmp_path, language="fr") as world:
        asked = await world.browser.get(path, headers={"Accept-Language": "nl"})
        wanted = await world.browser.get(path, headers={"Accept-Language": "de"})
    assert '<html lang="fr"' in asked.text
    assert '<html lang="de"' in wanted.text


async def test_the_open_forms_scores_are_named_in_the_readers_language(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await settled(world, await send_form(world))
        world.browser = world.new_browser()  # that one is handed over
        page = await world.launch("amara")
        asked = await world.browser.get(f"{page.url}?wait=true", headers={"Accept-Language": "de"})
    assert "Ziele" in asked.text
    assert "Bindung" in asked.text
    assert "Goals" not in asked.text


async def test_why_the_schedule_was_not_read_is_told_in_the_readers_language(tmp_path: Path) -> None:
    place = PlanInEhr.parse("http://example.org/none")
    async with run_world(
        tmp_path, schedule=place, more_scopes=("user/PlanDefinition.rs",), language="de"
    ) as world:
        page = await world.launch("amara")
    assert "(die Krankenakte hat unter dieser Adresse keine PlanDefinition)" in page.text


async def test_what_of_a_schedule_is_not_followed_is_told_in_the_readers_language(tmp_path: Path) -> None:
    place = PlanInEhr.parse("PlanDefinition/alliance")
    timed = plan("rapport-checkin-child")
    timed["action"][0] |= {"title": "Weekly", "timingTiming": {"event": ["2026-03-02"]}}
    async with run_world(
        tmp_path, schedule=place, more_scopes=("user/PlanDefinition.rs",), language="fr"
    ) as world:
        await put(world, timed)
        page = await world.launch("amara")
    assert (
        "«\N{NO-BREAK SPACE}Weekly\N{NO-BREAK SPACE}»\N{NO-BREAK SPACE}: une indication par dates ne compte pas les séances"
        in page.text
    )


async def test_why_a_part_of_the_chart_is_missing_is_told_in_the_readers_language(tmp_path: Path) -> None:
    async with run_world(tmp_path, language="es") as world:
        await forbid(world, "GET", "/r4/RelatedPerson*")
        page = await world.launch("amara")
    assert (
        "La historia clínica no dio: los cuidadores (La historia clínica no lo permite (HTTP 403" in page.text
    )


async def test_why_a_delivery_was_refused_is_told_in_the_readers_language(tmp_path: Path) -> None:
    async with run_world(tmp_path, language="pt") as world:
        await forbid(world, "POST", "/r4*")
        account = await settled(world, await send_form(world))
        world.browser = world.new_browser()  # that one is handed over
        page = await world.launch("amara")
        response = await world.browser.get(f"{page.url}/responses/{account.record.id}")
        told = (await world.browser.get(f"{page.url}/responses.json")).json()[0]["detail"]
    assert account.detail.startswith("The EHR does not allow it")  # as it is kept
    assert told.startswith("O sistema clínico não o permite (HTTP 403")
    assert told in page.text
    assert response.text.count(told) == 2  # beside the state, and in the list of attempts


async def test_a_coded_relationship_is_told_in_the_readers_language(tmp_path: Path) -> None:
    async with run_world(tmp_path, language="de") as world:
        page = await world.launch("amara")
    assert "<small>Mutter</small>" in page.text


async def test_a_failure_is_told_in_the_readers_language(tmp_path: Path) -> None:
    async with run_world(tmp_path, language="de") as world:
        page = await world.launch("amara")
        asked = await world.browser.get(f"{page.url}/responses/none", headers={"Accept": "text/html"})
    assert "Diese Antworten gibt es nicht." in asked.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("mother", "madre"),
        ("Mutter", "Madre"),
        ("", "madre"),
        ("mother, weekends only", "mother, weekends only"),
    ],
)
def test_what_the_record_says_beyond_its_code_stays(words: str, told: str) -> None:
    assert told_relationship(words, "MTH", "es") == told


def test_without_a_known_code_the_records_words_stay() -> None:
    assert told_relationship("mother", "", "es") == "mother"


async def test_an_administrator_reads_in_the_language_of_the_browser(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        page = await browser.get(f"{desk.url}/norms", headers={"Accept-Language": "de"})
    assert '<html lang="de"' in page.text
    assert "Noch niemand." in page.text


async def test_a_delivery_that_is_not_there_is_told_of_in_the_language_of_the_browser(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world)
        page = await browser.get(f"{desk.url}/deliveries/none", headers={"Accept-Language": "de"})
    assert "Es gibt keine Zustellung einer Antwort none." in page.text


async def test_the_words_of_an_english_form_are_marked_on_a_german_page(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await send_form(world)
        browser = world.new_browser()
        page = await world.launch("amara", browser=browser)
        asked = await browser.get(str(page.url), headers={"Accept-Language": "de"})
        assert '<span lang="en">Rapport Check-in</span>' in asked.text  # the measure in the plot's caption
        address = re.search(r'href="(/launches/[^"]+/responses/[^"]+)"', asked.text)
        assert address
        response = await browser.get(address[1], headers={"Accept-Language": "de"})
        english = await browser.get(address[1], headers={"Accept-Language": "en"})
    assert re.search(r'<th scope="row"><span lang="en">[^<]+</span></th>', response.text)
    assert "<span lang" not in english.text


@pytest.mark.parametrize(("asked_for", "brought"), [("en", 1), ("de", 0)])
async def test_a_form_brings_what_may_take_its_place_where_the_device_speaks_another_language(
    tmp_path: Path, asked_for: str, brought: int
) -> None:
    async with run_world(tmp_path) as world:
        page = await world.launch("amara")
        secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}", language="de")
        headers = {"X-Rapport-Invitation": secret, "Accept-Language": asked_for}
        form = await world.browser.get("/fill/form", headers=headers)
    assert form.text.count("Dieser Fragebogen lässt sich nicht öffnen") == brought
