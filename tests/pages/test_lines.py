"""The visual analogue scale in a real browser: unmarked until touched, by keyboard, declined, from right to left."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.pages.serving import Desk

pytestmark = pytest.mark.browser


def open_line(page: Page, address: str, secret: str = "lines") -> Locator:
    page.goto(f"{address}/fill#{secret}")
    expect(page.locator("[data-form]")).to_be_visible()
    page.locator("[data-forward]").click()
    return page.get_by_role("slider").first


def saved(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")


def test_a_line_that_nobody_touched_is_no_answer_and_shows_none(page: Page, address: str, desk: Desk) -> None:
    line = open_line(page, address)
    expect(line).to_have_attribute("aria-valuetext", "No answer yet")
    unmarked = line.screenshot()
    line.evaluate("line => { line.value = line.max; }")
    assert line.screenshot() == unmarked
    page.locator("[data-forward]").click()
    page.locator("[data-forward]").click()
    expect(page.get_by_role("listitem").first).to_contain_text("No answer")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{}]


def test_a_place_on_the_line_is_the_answer(page: Page, address: str, desk: Desk) -> None:
    line = open_line(page, address)
    box = line.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    saved(page)
    answer = desk.drafts[-1]["line"]
    assert isinstance(answer, str)
    assert 78 <= int(answer) <= 84
    marked = line.screenshot()
    line.evaluate("line => { line.value = line.min; }")
    assert line.screenshot() != marked
    assert line.get_attribute("aria-valuetext") is None


def test_the_middle_can_be_chosen_by_a_press_and_by_a_key(page: Page, address: str, desk: Desk) -> None:
    line = open_line(page, address)
    line.click()
    saved(page)
    assert desk.drafts[-1] == {"line": "50"}
    page.locator("[data-forward]").click()
    page.get_by_role("slider").focus()
    page.keyboard.press("Space")
    saved(page)
    assert desk.drafts[-1] == {"line": "50", "line-2": "50"}


@pytest.mark.parametrize("place", [0.5, 0.46])
def test_a_finger_marks_the_line_where_it_touches_it_also_in_the_middle(
    browser: Browser, address: str, desk: Desk, place: float
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 780}, is_mobile=True, has_touch=True)
    tablet = context.new_page()
    line = open_line(tablet, address)
    box = line.bounding_box()
    assert box is not None
    tablet.touchscreen.tap(box["x"] + box["width"] * place, box["y"] + box["height"] / 2)
    saved(tablet)
    assert is_near(desk.drafts[-1]["line"], place)
    context.close()


def test_a_finger_that_scrolls_over_a_line_marks_nothing(browser: Browser, address: str, desk: Desk) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 300}, is_mobile=True, has_touch=True)
    phone = context.new_page()
    line = open_line(phone, address)
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] * 0.3, "y": box["y"] + 20}
    fingers = context.new_cdp_session(phone)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
    for step in range(1, 12):
        moved = {**place, "y": place["y"] - 8 * step}
        fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [moved]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.wait_for_timeout(600)
    assert phone.evaluate("scrollY") > 0
    expect(line).to_have_attribute("aria-valuetext", "No answer yet")
    assert desk.drafts == []

    line.press("End")
    saved(phone)
    assert desk.drafts[-1] == {"line": "100"}
    context.close()


def test_a_press_beside_the_middle_of_an_unmarked_line_marks_that_place(
    page: Page, address: str, desk: Desk
) -> None:
    box = open_line(page, address).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2 + 16, box["y"] + box["height"] / 2)
    saved(page)
    assert is_near(desk.drafts[-1]["line"], 0.5 + 16 / box["width"])
    assert desk.drafts[-1]["line"] != "50"


def is_near(answer: object, place: float) -> bool:
    """Tell whether an answer lies where the line was touched; its two ends are half a finger away from the edge."""
    return isinstance(answer, str) and abs(int(answer) - 100 * place) <= 2


def test_a_line_is_answered_by_keyboard_alone(page: Page, address: str, desk: Desk) -> None:
    open_line(page, address)
    page.keyboard.press("Tab")
    expect(page.get_by_role("slider")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    saved(page)
    assert desk.drafts[-1] == {"line": "99"}


def test_declining_takes_the_mark_away_and_a_mark_takes_declining_back(
    page: Page, address: str, desk: Desk
) -> None:
    line = open_line(page, address)
    line.press("Home")
    page.get_by_role("checkbox", name="I do not want to answer").check()
    expect(line).to_have_attribute("aria-valuetext", "No answer yet")
    saved(page)
    assert desk.drafts[-1] == {"line": None}
    line.press("Home")
    expect(page.get_by_role("checkbox")).not_to_be_checked()


def test_what_was_marked_is_there_again_and_is_looked_over_on_the_line(
    page: Page, address: str, desk: Desk
) -> None:
    line = open_line(page, address, "lines-kept")
    expect(page.get_by_role("listitem").first.get_by_role("slider")).to_have_value("62")
    expect(page.get_by_role("listitem").first.get_by_role("slider")).to_be_disabled()
    page.locator("[data-back]").click()
    expect(line).to_have_value("62")
    page.locator("[data-forward]").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{"line": "62"}]


def test_a_line_that_is_looked_over_has_its_question_and_its_ends(page: Page, address: str) -> None:
    open_line(page, address, "lines-kept")
    item = page.get_by_role("listitem").first
    expect(item.get_by_role("slider", name="How was it today?")).to_be_visible()
    expect(item.locator(".ends span")).to_have_text(["Not good at all", "Very good"])
    ids = "[...document.querySelectorAll('[id]')].map(({ id }) => id)"
    assert page.evaluate(f"{ids}.length === new Set({ids}).size")


def test_no_number_and_no_scale_mark_is_shown_with_the_line(page: Page, address: str) -> None:
    line = open_line(page, address)
    line.press("End")
    shown = page.locator("fieldset:visible").inner_text()
    assert not any(each.isdigit() for each in shown)
    assert page.locator("datalist, output").count() == 0


def test_what_a_word_means_is_said_in_the_instruments_words(page: Page, address: str) -> None:
    open_line(page, address)
    meaning = page.get_by_text("“Today” is the time that we have just spent together.")
    expect(meaning).to_be_hidden()
    page.get_by_text("What does this mean?").click()
    expect(meaning).to_be_visible()


def test_from_right_to_left_the_line_begins_at_the_right(page: Page, address: str, desk: Desk) -> None:
    line = open_line(page, address, "arabic-all")
    page.locator("[data-back]").click()
    box = line.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    saved(page)
    answer = desk.drafts[-1]["a-2"]
    assert isinstance(answer, str)
    assert 76 <= int(answer) <= 84
    low, high = (page.locator(".ends span").nth(place).bounding_box() for place in (0, 1))
    assert low is not None
    assert high is not None
    assert low["x"] > high["x"]


def test_no_line_is_shown_before_its_looks_have_come(page: Page, address: str) -> None:
    """A browser's own slider stands in the middle: a place that nobody has chosen."""
    tried: list[Route] = []

    def late(route: Route) -> None:
        tried.append(route)
        if len(tried) == 1:
            route.abort()

    page.route("**/slider.css*", late)
    page.goto(f"{address}/fill#lines-kept")
    wait_until(lambda: len(tried) == 2, page)
    expect(page.locator("[data-form]")).to_have_count(0)
    tried[1].continue_()
    expect(page.locator("[data-form]")).to_be_visible()
    assert page.get_by_role("slider").first.evaluate("line => getComputedStyle(line).appearance") == "none"


def waiting(held: list[Route], number: int, page: Page) -> Route:
    """Give a request that is held back, counted from 1, once the page has made it."""
    wait_until(lambda: len(held) >= number, page)
    return held[number - 1]


def wait_until(happened: Callable[[], bool], page: Page) -> None:
    for _ in range(300):
        if happened():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not happen")
