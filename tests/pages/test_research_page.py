"""The researcher's page in a browser: axe-core finds nothing, and it says what is given before it asks."""

from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from plugin.pages.staff import DeskFrame, ResearchPage, render_research
from plugin.research_settings import Research
from tests.pages.opened import open_page

pytestmark = pytest.mark.browser

PLACES = (("/desks/d", "Your desk", False), ("/desks/d/research", "Research export", True))
DESK = DeskFrame(id="d", site="Clinic", csrf="c", places=PLACES, patient=None)


def show(browser: Browser, research: Research | None, scheme: str, width: int) -> Page:
    return open_page(
        browser,
        render_research(ResearchPage(DESK, research, date(2026, 5, 20))),
        "/desks/d/research",
        scheme=scheme,
        width=width,
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", 390), ("light", 320)])
@pytest.mark.parametrize("research", [Research(Path("salt")), None], ids=["decided", "not decided"])
def test_axe_finds_nothing(browser: Browser, research: Research | None, scheme: str, width: int) -> None:
    page = show(browser, research, scheme, width)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
