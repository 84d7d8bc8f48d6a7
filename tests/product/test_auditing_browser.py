"""The auditor's pages in a real browser: without a mouse, for axe-core, at every width, printed."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from plugin.audit import Actor, Kind
from plugin.researching.made import DIGEST, Made, made_details
from tests.browser import PATIENCE, Judged, find_chromium, judge_later, sandbox_arguments
from tests.pages.rendered import note_templates, templates
from tests.product.demonstration import ROOT
from tests.product.test_auditing import (
    BOOK,
    SYSTEM,
    Audit,
    alter,
    drawn,
    from_the_chart,
    start,
)
from tests.product.test_notes import draft
from tests.product.world import run_world

pytestmark = pytest.mark.browser

SCREENS = {
    "phone, light": (390, 844, "light", Judged.WIDTH),
    "tablet, dark": (820, 1180, "dark", Judged.COLOURS),
    "desktop, light": (1280, 900, "light", Judged.WHOLE),
}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=find_chromium(playwright, engine_only=True), args=sandbox_arguments()
        )
        yield opened
        await opened.close()


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[Audit]:
    """An auditor at a desk from the chart, with a review that is half signed, and a number altered in the EHR."""
    async with run_world(tmp_path, roles=BOOK) as world:
        first = await start(world)
        audit = await from_the_chart(world, first.response)
        (total,) = await world.search("Observation", identifier=f"{SYSTEM}|{audit.response}/score-total")
        await alter(world, total)
        yield audit


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: the documentation's folder if RAPPORT_SCREENSHOTS asks for new ones."""
    return ROOT / "docs" / "screenshots" if os.environ.get("RAPPORT_SCREENSHOTS") else tmp_path


@asynccontextmanager
async def opened(browser: Browser, audit: Audit, **screen: Any) -> AsyncIterator[Page]:
    """Open a page that reaches Rapport in this process; what it complains of fails the test."""
    context = await browser.new_context(reduced_motion="reduce", locale="en-GB", timezone_id="UTC", **screen)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)

    async def answer(route: Route) -> None:
        asked = route.request
        kept = {k: v for k, v in asked.headers.items() if k in {"accept", "content-type", "origin"}}
        found: httpx.Response = await audit.browser.request(
            asked.method, asked.url, headers=kept, content=asked.post_data_buffer, follow_redirects=True
        )
        headers = {k: v for k, v in found.headers.items() if k != "content-length"}
        await route.fulfill(status=found.status_code, headers=headers, body=found.content)

    await page.route("**/*", answer)
    yield page
    await context.close()
    assert complaints == []


async def exported_for_research(audit: Audit) -> None:
    """Have the trail tell of an export that was made, and of one that failed."""
    rapport = audit.world.rapport.state.rapport
    asked = ("first-day", "2026-01-01"), ("last-day", "2026-03-31")
    left_out = Made("412", "88", "fewer than 11", "of fewer than 11 people", "0")
    for export, end, failure in (
        ("made", (*made_details(left_out), (DIGEST, "9f" * 32)), None),
        ("failed", asked, "It was not finished (the record in the EHR could not be read); nothing was given"),
    ):
        for details, problem in ((asked, None), (end, failure)):
            entry = rapport.trail.entry(
                Kind.RESEARCH_EXPORTED,
                Actor("Practitioner/205"),
                site="sandbox",
                reason="A study of alliance and medicines (2026-01-01 to 2026-03-31, UTC)",
                failure=problem,
                details=(("export", export), *details),
            )
            await rapport.ledger.record(entry)


async def write_note(audit: Audit) -> str:
    """Have a clinician write a note; gives its id."""
    browser, address, form = await draft(audit.world)
    assert (await browser.post(address, data=form)).status_code == 303
    return form["note"]


async def states(page: Page, audit: Audit, review: str) -> AsyncIterator[str]:
    """Go through every page and state."""
    for path in (
        "",
        "/audit",
        "/log",
        "/reviews",
        f"/reviews/{review}",
        f"/reviews/{review}?again=true",
        "/exports",
    ):
        await page.goto(f"{audit.base}{path}")
        yield path
    await exported_for_research(audit)
    await page.goto(f"{audit.base}/exports")
    await expect(page.get_by_text("Forms in it: 412").first).to_be_visible()
    yield "exports for research"
    await page.goto(f"{audit.base}/audit")
    await page.get_by_label("Patient").fill("nobody")
    await page.get_by_role("button", name="Search", exact=True).click()
    await expect(page.get_by_text("Nothing at this site is like this")).to_be_visible()
    yield "nothing found"
    await page.get_by_label("Observation or response").fill("Observation/none")
    await page.get_by_role("button", name="Show its chain").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    yield "not known"
    await page.goto(f"{audit.base}/audit")
    note = await write_note(audit)
    await page.get_by_label("Observation or response").fill(note)
    await page.get_by_role("button", name="Show its chain").click()
    await expect(page.get_by_role("heading", name="This is a note for the record")).to_be_visible()
    yield "a note"
    await page.goto(f"{audit.chain}?review={review}")
    yield "chain"
    for summary in await page.locator("summary").all():
        if await summary.is_visible():
            await summary.click()
    yield "chain, everything turned"
    await page.get_by_label("in question").check()
    await page.get_by_role("button", name="Sign off", exact=True).click()
    await expect(page.get_by_label("Comment")).to_be_focused()
    yield "sign-off without its comment"
    await page.goto(f"{audit.chain}#observation")
    await page.get_by_role("button", name="Compare with the EHR now").click()
    await expect(page.get_by_text("1 difference")).to_be_visible()
    yield "compared"


async def test_axe_finds_nothing_and_nothing_is_cut_off_on_any_of_the_auditors_pages(
    browser: Browser, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = note_templates(monkeypatch)
    review = await drawn(audit)
    async with opened(browser, audit) as page:
        async for state in states(page, audit, review):
            # One page is made larger and takes the other colours.
            for screen, (width, height, scheme, by) in SCREENS.items():
                await page.set_viewport_size({"width": width, "height": height})
                await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                results = await judge_later(page, by)
                assert results.violations_count == 0, (state, screen, results.generate_report())
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                    state,
                    screen,
                )
    missing = {each for each in templates() if each.startswith("staff/audit/")} - rendered
    assert missing == set(), f"no state shows {sorted(missing)}"


async def test_a_search_needs_no_mouse(browser: Browser, audit: Audit) -> None:
    people = await audit.world.people()
    async with opened(browser, audit) as page:
        await page.goto(f"{audit.base}/audit")
        await page.get_by_label("Patient").focus()
        await page.keyboard.type(people["amara"])
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Found: 1 administration")).to_be_visible()
        await page.get_by_role("rowheader").get_by_role("link").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Where this number comes from")).to_be_visible()


_OUTSIDE = """() => [...document.querySelectorAll('.node')].filter((node) => {
  const [box, said] = ['rect', '.what'].map((each) => node.querySelector(each).getBoundingClientRect());
  const sign = node.querySelector('.sign')?.getBoundingClientRect();
  return said.right > box.right || (sign && said.right > sign.left && said.top < sign.bottom);
}).map((node) => node.textContent)"""


async def test_a_long_address_ends_inside_the_box_of_its_station(browser: Browser, audit: Audit) -> None:
    long = "Observation/" + "0DBC" * 12
    ledger = audit.world.rapport.state.rapport.ledger
    await ledger.bookkeep(lambda c: c.exec_driver_sql("UPDATE delivery SET locations = ?", (long,)).rowcount)
    async with opened(browser, audit, viewport={"width": 1280, "height": 900}) as page:
        await page.goto(audit.chain)
        await expect(page.locator(".node .what", has_text="Observation/0DBC")).to_be_visible()
        assert await page.evaluate(_OUTSIDE) == []


async def test_the_words_of_an_altered_station_stay_in_its_box_and_off_its_sign(
    browser: Browser, audit: Audit
) -> None:
    ledger = audit.world.rapport.state.rapport.ledger
    await ledger.bookkeep(
        lambda c: c.exec_driver_sql("UPDATE response SET sealed_results = zeroblob(50)").rowcount
    )
    async with opened(browser, audit, viewport={"width": 1280, "height": 900}) as page:
        await page.goto(audit.chain)
        assert await page.locator(".node.alert").count() >= 2
        assert await page.evaluate(_OUTSIDE) == []


async def test_a_station_of_the_picture_opens_its_details_without_a_mouse(
    browser: Browser, audit: Audit, pictures: Path
) -> None:
    async with opened(browser, audit, viewport={"width": 1280, "height": 900}) as page:
        await page.goto(audit.chain)
        await page.screenshot(path=pictures / "audit-chain.png")
        views = page.locator("details", has=page.locator("#views"))
        await expect(views).not_to_have_attribute("open", "")
        station = page.locator(".stations a[href='#views']")
        await station.focus()
        await page.keyboard.press("Enter")
        await expect(views).to_have_attribute("open", "")
        await expect(page.locator("#views")).to_be_in_viewport()


async def test_printed_every_station_is_open(browser: Browser, audit: Audit) -> None:
    async with opened(browser, audit) as page:
        await page.goto(audit.chain)
        await page.emulate_media(media="print")
        await expect(page.get_by_text("Hash of the key that scored")).to_be_visible()
        await expect(page.get_by_role("button", name="Compare with the EHR now")).to_be_hidden()
