"""The administrator's list of deliveries in a browser, where responses were set aside."""

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_phone_gives_the_reason_room_and_scrolls_the_table_alone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/deliveries-aside")
    assert page.locator("td.why").first.bounding_box()["width"] >= 220  # type: ignore[index] # it is shown
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".scroll").evaluate("box => box.scrollWidth > box.clientWidth")
