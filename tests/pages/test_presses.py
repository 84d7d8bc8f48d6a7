"""Pressing twice where once was meant: the second press does nothing to what has come under the finger meanwhile."""

import time
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from plugin.pages import FormMode
from tests.pages import samples
from tests.pages.serving import Desk
from tests.pages.test_filling import ALL_ANSWERED, open_form

pytestmark = pytest.mark.browser

PHONE: ViewportSize = {"width": 360, "height": 740}
SOON = 600  # ms up to which a press at the same place is the second of two
OVER = 700  # ms after which a press is a new wish


def press_twice(page: Page, control: Locator, *, after: int) -> bool:
    """Press by a mouse twice at one place, whatever comes to lie there; False if a busy machine made them two wishes."""
    control.scroll_into_view_if_needed()
    box = control.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    begun = time.monotonic()
    page.mouse.click(x, y)
    page.wait_for_timeout(after)
    page.mouse.down(click_count=2 if after < 300 else 1)
    page.mouse.up(click_count=2 if after < 300 else 1)
    return time.monotonic() - begun < SOON / 1000


@pytest.mark.parametrize("after", [60, 400])
def test_changing_by_two_presses_leaves_every_answer_as_it_is(
    page: Page, address: str, desk: Desk, after: int
) -> None:
    page.set_viewport_size(PHONE)
    desk.forms["one"] = samples.form(FormMode.ONE, answers=ALL_ANSWERED)
    open_form(page, address)
    for number in range(1, 7):
        page.wait_for_timeout(OVER)
        while not press_twice(
            page, page.get_by_label(f"Change the answer to question {number}"), after=after
        ):
            page.wait_for_timeout(OVER)  # what the second wish changed is saved by then, and forgotten here
            desk.drafts.clear()
            page.evaluate("sessionStorage.clear()")
            page.goto("about:blank")
            open_form(page, address)
            page.wait_for_timeout(OVER)
            desk.drafts.clear()
        expect(page.get_by_text(f"Question {number} of 6")).to_be_visible()
        expect(page.locator("section:visible").get_by_role("radio", name="Mostly")).to_be_checked()
        page.get_by_role("button", name="Back to all answers").press("Enter")
    assert desk.drafts == []


def test_a_finger_that_taps_change_twice_marks_no_line(browser: Browser, address: str, desk: Desk) -> None:
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)
    phone = context.new_page()
    desk.forms["lines-one"] = samples.form(
        FormMode.ONE, questions=samples.LINES, answers={"line": "62", "line-2": None}
    )
    open_form(phone, address, "lines-one")
    phone.get_by_label("Change the answer to question 2").press("Enter")
    line = phone.get_by_role("slider").last.bounding_box()
    assert line is not None
    x, y = line["x"] + 60, line["y"] + line["height"] / 2
    phone.get_by_role("button", name="Back to all answers").press("Enter")
    change = phone.get_by_label("Change the answer to question 2")
    change.evaluate(
        "(change, [x, y]) => { change.style.cssText = `position: fixed; left: ${x - 20}px; top: ${y - 20}px`; }",
        [x, y],
    )
    phone.touchscreen.tap(x, y)
    phone.touchscreen.tap(x, y)
    phone.wait_for_timeout(100)
    expect(phone.get_by_role("slider").last).to_have_attribute("aria-valuetext", "No answer yet")
    phone.wait_for_timeout(OVER)
    phone.touchscreen.tap(x, y)
    expect(phone.get_by_role("slider").last).not_to_have_attribute("aria-valuetext", "No answer yet")
    context.close()


def test_looking_over_by_two_presses_opens_no_question(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 768, "height": 1024})
    open_form(page, address)
    page.get_by_role("button", name="Start").press("Enter")
    for _ in samples.QUESTIONS[:-1]:
        page.get_by_role("radio", name="Mostly").check()
        page.get_by_role("button", name="Next").press("Enter")
    page.wait_for_timeout(OVER)
    press_twice(page, page.get_by_role("button", name="Look over"), after=120)
    page.wait_for_timeout(50)
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()


def test_beginning_again_by_two_presses_opens_no_help(page: Page, address: str, desk: Desk) -> None:
    helped = tuple(replace(each, help=("A word",)) for each in samples.QUESTIONS)
    desk.forms["one"] = samples.form(FormMode.ONE, questions=helped, answers=ALL_ANSWERED)
    for width, height in ((820, 1180), (360, 740), (768, 1024)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto("about:blank")
        open_form(page, address)
        page.get_by_role("button", name="Answer everything again").press("Enter")
        press_twice(page, page.get_by_role("button", name="Yes, start again"), after=150)
        expect(page.get_by_text("Question 1 of 6")).to_be_visible()
        expect(page.locator("details[open], :checked")).to_have_count(0)


def test_whoever_answers_quickly_loses_nothing(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    page.get_by_role("button", name="Start").click()
    for number in range(1, 7):
        page.wait_for_timeout(150)
        page.get_by_text("Mostly").locator("visible=true").click()
        expect(page.get_by_text(f"Question {number} of 6")).to_be_visible()
        page.wait_for_timeout(60)
        page.locator("[data-forward]").click()
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()
    page.wait_for_timeout(150)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_a_neighbour_that_was_there_before_and_a_press_by_keys_are_heard(page: Page, address: str) -> None:
    open_form(page, address)
    page.get_by_role("button", name="Start").click()
    chosen, other = (
        page.locator(".option:visible", has_text=text).bounding_box() for text in ("Somewhat", "Mostly")
    )
    assert chosen is not None
    assert other is not None
    page.mouse.click(chosen["x"] + 30, chosen["y"] + chosen["height"] - 4)
    page.mouse.click(other["x"] + 30, other["y"] + 4)
    expect(page.get_by_role("radio", name="Mostly")).to_be_checked()
    page.locator("[data-forward]").click()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(":checked:visible")).to_have_count(1)
