"""The administrator's page of norms in a browser: axe-core finds nothing, and nothing is cut off, whatever is in use."""

from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from plugin.norming import Coefficient, Figures, Group, Norm
from plugin.pages.staff import DeskFrame, NormLine, NormsPage, PeopleLine, render_norms
from tests.pages.opened import open_page

pytestmark = pytest.mark.browser

PLACES = (("/desks/d", "Your desk", False), ("/desks/d/norms", "Norms", True))
DESK = DeskFrame(id="d", site="Clinic", csrf="c", places=PLACES, patient=None)
GROUP = Group("clinic", "https://site.invalid/Questionnaire/x|1.0.0", "score-total", "child", "unknown")
FIGURES = Figures(14.02, 4.51, 161, Coefficient.ALPHA, 0.84, 0.79, 0.88, 152, "the ledger")
NORM = Norm(
    "4a2f8f3e-9d4c-4a51-8a51-25f3c6a0b111",
    GROUP,
    FIGURES,
    datetime(2026, 5, 20, 9, 30, tzinfo=UTC),
    "operator at the command line",
    "own data of the first year",
)
LINES = tuple(
    NormLine("rapport-checkin-child 0.1.0", "Check-in, child: total", "child", ages, NORM, "adopted")
    for ages in ("", "7–11")
)
PEOPLE = (
    PeopleLine("rapport-checkin-child 0.1.0", "child", 161, 402, 0, 0),
    PeopleLine("rapport-checkin-caregiver 0.1.0", "caregiver", 29, 31, 1, 71),
)
STATES = {
    "nothing": NormsPage(DESK, "clinic", (), (), ()),
    "too few": NormsPage(DESK, "clinic", (), PEOPLE[1:], ()),
    "in use": NormsPage(DESK, "clinic", LINES, PEOPLE, LINES),
}


def show(browser: Browser, state: str, scheme: str, width: int) -> Page:
    return open_page(browser, render_norms(STATES[state]), "/desks/d/norms", scheme=scheme, width=width)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", 390), ("light", 320)])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(browser: Browser, state: str, scheme: str, width: int) -> None:
    page = show(browser, state, scheme, width)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
