"""The researcher's page in a browser: it says what is under way."""

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser


def test_a_press_says_that_the_export_is_being_made(page: Page, address: str) -> None:
    page.goto(f"{address}/research")
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
