"""The pages beyond one patient in a real browser: what a phone shows first."""

import pytest
from playwright.sync_api import Page

from tests.pages.serving import Desk

pytestmark = pytest.mark.browser


def test_a_phone_shows_the_filters_of_a_caseload_and_its_first_patient(
    page: Page, address: str, desk: Desk
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/caseload")
    first = page.locator(".caseload tbody tr").first.bounding_box()
    assert first is not None
    assert first["y"] + 40 <= 844
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
