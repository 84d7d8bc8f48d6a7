"""The pages beyond one patient in a real browser: what a phone shows first."""

from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

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


def test_on_a_tablet_the_rules_of_the_rows_end_where_the_list_does(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 768, "height": 900})
    page.goto(f"{address}/caseload")
    page.evaluate("document.querySelectorAll('.needs, .died').forEach((each) => each.remove())")  # short rows
    ends = page.evaluate(
        """() => [...document.querySelectorAll(".scroll, .caseload tbody tr")].map(
        (each) => [each.getBoundingClientRect().left, each.getBoundingClientRect().right])"""
    )
    assert len(ends) > 2
    assert all(each == pytest.approx(ends[0], abs=1) for each in ends)


@pytest.mark.parametrize("path", ["/caseload-plots", "/caseload-plots-german"])
def test_the_words_at_the_lines_of_a_small_plot_have_room(page: Page, address: str, path: str) -> None:
    page.goto(f"{address}{path}")
    ends = page.locator("svg.small text").evaluate_all(
        "all => all.map((each) => each.getBBox().x + each.getBBox().width - each.viewportElement.viewBox.baseVal.width)"
    )
    assert len(ends) > 4
    assert max(ends) <= 0


def test_forced_colours_show_where_one_is(page: Page, address: str) -> None:
    page.emulate_media(forced_colors="active")
    page.goto(f"{address}/caseload-plots")
    for place in (".places", ".states"):
        widths = page.locator(f"{place} a").evaluate_all(
            "all => all.map((each) => [each.ariaCurrent !== null, getComputedStyle(each).borderBottomWidth])"
        )
        assert sorted({tuple(each) for each in widths}) == [(False, "0px"), (True, "3px")]


@pytest.mark.parametrize("path", ["/caseload", "/caseload-plots"])
def test_ways_to_other_pages_and_what_is_pressed_are_not_printed(page: Page, address: str, path: str) -> None:
    page.emulate_media(media="print")
    page.goto(f"{address}{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for pressed in (".places a", "button", "input", "select"):
        shown = page.locator(pressed).locator("visible=true")
        assert shown.count() == 0, f"{pressed} on {path}"
    assert page.locator(".places a").count() > 0


def test_a_printed_caseload_says_what_it_is_a_list_of(page: Page, address: str) -> None:
    page.goto(f"{address}/caseload-of-a-need")
    chosen = page.locator(".printed")
    expect(chosen).to_be_hidden()
    page.emulate_media(media="print")
    expect(chosen).to_be_visible()
    assert chosen.inner_text() == (
        "Needs: Rupture · Clinician: Dr Amara Osei · Instrument: Rapport Check-in · Period: 90 days · page 2 of 2 · as of 23 Nov 2026"
    )


@pytest.mark.parametrize("path", ["/caseload-plots", "/caseload-plots-german"])
def test_the_days_under_a_small_plot_are_inside_it_and_apart(page: Page, address: str, path: str) -> None:
    page.goto(f"{address}{path}")
    boxes = page.locator("svg.small").evaluate_all(
        """all => all.map((each) => [...each.querySelectorAll("text")].filter((one) => /20\\d\\d/.test(one.textContent))
        .map((one) => one.getBBox()).map((box) => [box.x, box.x + box.width, box.y + box.height, each.viewBox.baseVal.height]))"""
    )
    assert list(map(len, boxes)) == [2, 2, 2]  # the same two
    assert all([box[0] for box in each] == [box[0] for box in boxes[0]] for each in boxes)
    for days in boxes:
        assert all(left >= 0 and bottom <= height for left, _, bottom, height in days)
        assert all(one[1] + 6 <= other[0] for one, other in pairwise(days))
