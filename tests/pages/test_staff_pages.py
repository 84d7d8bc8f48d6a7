"""The pages beyond one patient in a real browser: what a phone shows first."""

import pytest
from playwright.sync_api import Page

from tests.pages.serving import Desk

pytestmark = pytest.mark.browser


def test_a_phone_shows_the_filters_of_a_caseload_two_in_a_row(page: Page, address: str, desk: Desk) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/caseload")
    tops = page.locator(".filters select").evaluate_all(
        "all => all.map((each) => each.getBoundingClientRect().top)"
    )
    assert len(tops) == 4
    assert len(set(tops)) == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
