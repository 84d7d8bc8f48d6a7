"""The researcher's page in a real browser, with the product behind it: a refusal, then the export despite it."""

import zipfile
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from plugin.research_settings import BACKEND_SCOPES
from tests.product.test_administering import sign_in
from tests.product.test_auditing import Audit
from tests.product.test_auditing_browser import browser, opened
from tests.product.test_research import AGREED, RESEARCHER, events, export, fill_forms, policy, table_of
from tests.product.world import run_world

__all__ = ["browser"]

pytestmark = pytest.mark.browser


async def test_an_export_that_was_refused_is_made_once_and_told(browser: Browser, tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        table_of(await export(world))
        own, desk = await sign_in(world, RESEARCHER)
        before = len(await events(world))
        async with opened(browser, Audit(world, own, str(desk.url), "")) as page:
            await page.goto(f"{desk.url}/research")
            await page.get_by_label("Last day").fill("2026-03-02")
            await page.get_by_label("For which study").fill("Alliance and medicines")
            await page.get_by_role("button", name="Make the export and download it").click()
            await expect(page.get_by_role("alert")).to_contain_text("Nothing was made yet")
            assert len(await events(world)) == before
            async with page.expect_download() as saved:
                await page.get_by_role("button", name="Make it despite the earlier one").click()
            await expect(page.get_by_role("status")).to_contain_text("The export was made.")
            await expect(page.get_by_role("alert")).to_have_count(0)
            await (await saved.value).save_as(tmp_path / "given.zip")
        with zipfile.ZipFile(tmp_path / "given.zip") as archive:
            assert "administrations.csv" in archive.namelist()
        assert len(await events(world)) == before + 4  # its beginning, two people, its end
