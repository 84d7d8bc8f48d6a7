"""In which language a page speaks to whoever reads it."""

from pathlib import Path

import pytest

from tests.product.test_personalities import send_form, settled
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
