"""The researcher's page in a browser: axe-core finds nothing, and it says what is given before it asks."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from plugin.pages.staff import DeskFrame, PeriodForm, ResearchPage, Wish, render_research
from plugin.research_settings import Research
from plugin.researching import Earlier
from tests.pages.opened import open_page

pytestmark = pytest.mark.browser

PLACES = (("/desks/d", "Your desk", False), ("/desks/d/research", "Research export", True))
EARLIER = Earlier(datetime(2026, 5, 1, 9, tzinfo=UTC), date(2025, 5, 1), date(2026, 4, 30), 182)
WISH = Wish(PeriodForm("2026-03-01", "2026-03-07", "A study"), (EARLIER,))
REFUSED = Wish(
    PeriodForm("soon", "", "A study"), problem="First day: soon is no date. Write it as 2026-10-01."
)
DESK = DeskFrame(id="d", site="Clinic", csrf="c", places=PLACES, patient=None)


def show(
    browser: Browser, research: Research | None, scheme: str, width: int, wish: Wish | None = None
) -> Page:
    return open_page(
        browser,
        render_research(ResearchPage(DESK, research, date(2026, 5, 20), wish)),
        "/desks/d/research",
        scheme=scheme,
        width=width,
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", 390), ("light", 320)])
@pytest.mark.parametrize(
    ("research", "wish"),
    [
        (Research(Path("salt")), None),
        (Research(Path("salt")), WISH),
        (Research(Path("salt")), REFUSED),
        (None, None),
    ],
    ids=["decided", "overlapping", "refused", "not decided"],
)
def test_axe_finds_nothing(
    browser: Browser, research: Research | None, wish: Wish | None, scheme: str, width: int
) -> None:
    page = show(browser, research, scheme, width, wish)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_a_press_says_that_the_export_is_being_made(browser: Browser) -> None:
    page = show(browser, Research(Path("salt")), "light", 1180)
    asked: list[str] = []

    def hold(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(status=204)

    page.route("**/research", hold)
    page.get_by_label("For which study").fill("A study")
    press = page.get_by_role("button", name="Make the export and download it")
    press.click()
    press.click()  # just again: the first is on its way
    expect(page.get_by_role("status")).to_have_text("Being made: the download begins by itself.")
    assert asked == ["POST"]
    page.close()
