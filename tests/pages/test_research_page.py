"""The researcher's page in a browser: it says what is under way, what was made, and what was not."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from plugin.pages.staff import render_research
from tests.pages import desks

pytestmark = pytest.mark.browser

MAKE = "Make the export and download it"
FACTS = {
    "file": "rapport-research-2025-05-20-2026-05-20.zip",
    "rows": "12",
    "people": "5",
    "without_consent": "fewer than 11",
    "too_rare": "0",
    "unusable": "0",
    "not_read": "Encounter",
    "malformed": "",
    "failed": "",
}


def give(page: Page, **facts: str) -> list[str]:
    """Answer with an export; give what is asked."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data or "")
        made = {"X-Rapport-Made": json.dumps(FACTS | facts)}
        route.fulfill(status=200, content_type="application/zip", headers=made, body=b"PK")

    page.route("**/research", answer)
    return asked


def test_a_press_says_that_the_export_is_being_made(page: Page, address: str) -> None:
    page.goto(f"{address}/research")
    asked: list[str] = []

    def hold(route: Route) -> None:
        asked.append(route.request.method)

    page.route("**/research", hold)
    page.get_by_label("For which study").fill("A study")
    press = page.get_by_role("button", name=MAKE)
    press.click()
    press.click()  # just again: the first is on its way
    expect(page.get_by_role("status")).to_have_text("Being made: the download begins by itself.")
    assert asked == ["POST"]


def test_an_export_is_saved_and_the_page_says_what_it_came_to(page: Page, address: str) -> None:
    page.goto(f"{address}/research")
    asked = give(page)
    page.get_by_label("For which study").fill("A study")
    page.get_by_label("Keep longest").select_option("Classes of medicines")
    with page.expect_download() as saved:
        page.get_by_role("button", name=MAKE).click()
    assert saved.value.suggested_filename == FACTS["file"]
    told = page.get_by_role("status")
    for each in ("The export was made", "12", "5", "fewer than 11", "Encounter", str(FACTS["file"])):
        expect(told).to_contain_text(each)
    expect(told).not_to_contain_text("malformed")
    expect(told).not_to_contain_text("no form is in it")
    assert len(asked) == 1
    assert "keep=medication_class" in asked[0]


def test_an_export_without_a_form_says_so(page: Page, address: str) -> None:
    page.goto(f"{address}/research")
    give(page, rows="0", people="0")
    page.get_by_label("For which study").fill("A study")
    page.get_by_role("button", name=MAKE).click()
    expect(page.get_by_role("status")).to_contain_text("no form is in it")
    expect(page.get_by_role("status")).to_contain_text("the codebook, and of the table its headings alone")
    expect(page.get_by_role("status")).not_to_contain_text("The export was made.")


def test_a_refusal_goes_once_the_export_is_made_despite_it(page: Page, address: str) -> None:
    page.goto(f"{address}/research-overlapping")
    asked = give(page)
    expect(page.get_by_role("alert")).to_be_visible()
    with page.expect_download():
        page.get_by_role("button", name="Make it despite the earlier one").click()
    expect(page.get_by_role("status")).to_contain_text("The export was made.")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("button", name="Make it despite the earlier one")).to_have_count(0)
    expect(page.get_by_role("button", name=MAKE)).to_be_focused()
    assert "despite=yes" in asked[0]


def test_a_refusal_takes_the_place_of_the_page(page: Page, address: str) -> None:
    page.goto(f"{address}/research")
    refused = render_research(desks.RESEARCH_OVERLAPPING)
    page.route("**/research", lambda route: route.fulfill(status=409, content_type="text/html", body=refused))
    page.get_by_label("For which study").fill("A study")
    page.get_by_role("button", name=MAKE).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was made yet")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_role("alert").locator("time")).to_have_text(re.compile("2026"))
    asked = give(page)
    with page.expect_download():
        page.get_by_role("button", name="Make it despite the earlier one").click()
    expect(page.get_by_role("status")).to_contain_text("The export was made.")
    assert len(asked) == 1


def test_an_answer_that_is_lost_is_told(page: Page, address: str) -> None:
    page.goto(f"{address}/research")
    page.route("**/research", lambda route: route.abort())
    page.get_by_label("For which study").fill("A study")
    page.get_by_role("button", name=MAKE).click()
    expect(page.get_by_role("status")).to_contain_text("The export did not arrive.")
