"""The administrator's list of deliveries in a browser: axe-core finds nothing where responses were set aside."""

from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from plugin.collecting.book import Found, Remembered
from plugin.pages.staff import DeliveriesPage, DeskFrame, render_deliveries
from tests.pages.opened import open_page

pytestmark = pytest.mark.browser

PLACES = (("/desks/d", "Your desk", False), ("/desks/d/deliveries", "Deliveries", True))
DESK = DeskFrame(id="d", site="Clinic", csrf="c", places=PLACES, patient=None)
NOW = datetime(2026, 5, 20, 9, 30, tzinfo=UTC)
REASONS = (
    "It does not fit its form: goal-1 (code-invalid), task-2 (required).",
    "Rapport wrote it, and it was marked as entered in error in the EHR: its scores stand. If it is one, mark it so.",
)
ASIDE = tuple(
    Remembered(
        "clinic",
        f"QuestionnaireResponse/4a2f8f3e-9d4c-4a51-8a51-25f3c6a0b11{number}",
        "2",
        Found.SET_ASIDE,
        reason,
        None,
        NOW,
    )
    for number, reason in enumerate(REASONS)
)


def show(browser: Browser, scheme: str, width: int) -> Page:
    return open_page(
        browser,
        render_deliveries(DeliveriesPage(DESK, {}, None, (), aside=ASIDE)),
        "/desks/d/deliveries",
        scheme=scheme,
        width=width,
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", 390), ("light", 320)])
def test_axe_finds_nothing(browser: Browser, scheme: str, width: int) -> None:
    page = show(browser, scheme, width)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_a_phone_gives_the_reason_room_and_scrolls_the_table_alone(browser: Browser) -> None:
    page = show(browser, "light", 390)
    assert page.locator("td.why").first.bounding_box()["width"] >= 220  # type: ignore[index] # it is shown
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".scroll").evaluate("box => box.scrollWidth > box.clientWidth")
