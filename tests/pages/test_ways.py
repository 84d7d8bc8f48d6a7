"""Ways out of a form by which nothing is lost: the browser's Back, and giving the device back before the end."""

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.pages import samples
from tests.pages.serving import Desk
from tests.pages.test_filling import answer_all, forward, open_form
from tests.pages.test_lines import wait_until, waiting

pytestmark = pytest.mark.browser

LOCK = "Please give this device back to the therapist"
FIRST, SECOND = (each.text for each in samples.QUESTIONS[:2])


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text)).to_be_visible()


def give_back(page: Page) -> None:
    page.get_by_role("link", name="Give the tablet back").click()
    heading(page, LOCK)


def test_the_browsers_back_goes_a_question_back_and_nothing_is_lost(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    title = page.get_by_role("heading", level=1).inner_text()
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    forward(page)
    heading(page, SECOND)
    page.go_back()
    expect(page.get_by_role("heading", name=FIRST)).to_be_focused()
    expect(page.get_by_role("radio", name="Mostly")).to_be_checked()
    page.go_forward()  # nothing lies ahead
    heading(page, FIRST)
    page.go_back()
    heading(page, title)
    answer_all(page)
    page.go_back()
    heading(page, samples.QUESTIONS[-1].text)
    forward(page)
    page.get_by_role("button", name="Send").click()
    heading(page, "Thank you.")
    page.go_back()
    heading(page, "Thank you.")
    assert len(desk.submissions) == 1


def test_the_browsers_back_goes_through_all_questions_of_a_form_that_opened_in_its_middle(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/code")
    open_form(page, address, "resumed")
    title = page.locator("[data-step] h1").first.inner_text()
    heading(page, samples.QUESTIONS[2].text)
    page.go_back()
    heading(page, SECOND)
    forward(page)
    heading(page, samples.QUESTIONS[2].text)
    for text in (SECOND, FIRST, title):
        page.go_back()
        heading(page, text)
    page.go_back()
    heading(page, "Your code")


def test_the_browsers_back_goes_from_the_review_through_what_is_asked(
    page: Page, address: str, desk: Desk
) -> None:
    desk.forms["one"] = samples.form(
        answers=dict.fromkeys((each.link_id for each in samples.QUESTIONS), "mostly")
    )
    open_form(page, address)
    heading(page, "Look over your answers")
    page.get_by_role("button", name="Change the answer to question 2").click()
    heading(page, SECOND)
    forward(page)
    heading(page, "Look over your answers")
    for each in reversed(samples.QUESTIONS):
        page.go_back()
        heading(page, each.text)


def test_after_the_pages_own_back_the_browsers_leaves_no_form(page: Page, address: str) -> None:
    page.goto(f"{address}/code")
    open_form(page, address)
    title = page.get_by_role("heading", level=1).inner_text()
    for _ in range(2):
        forward(page)
    for _ in range(2):
        page.get_by_role("button", name="Back", exact=True).click()
    heading(page, title)
    page.go_back()
    heading(page, title)


@pytest.mark.parametrize("by", ["press", "the browser's Back"])
def test_the_device_is_given_back_before_the_end_and_the_form_goes_on_if_nobody_wanted_that(
    page: Page, address: str, desk: Desk, by: str
) -> None:
    open_form(page, address, "held")
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    give_back(page)
    expect(page.get_by_label("PIN")).to_be_focused()
    assert FIRST not in page.locator("main").inner_text()
    expect(page.get_by_role("button", name="Go on with the form")).to_be_in_viewport()
    if by == "press":
        page.get_by_role("button", name="Go on with the form").click()
    else:
        page.go_back()
    heading(page, FIRST)
    expect(page.get_by_role("button", name="Go on with the form")).to_have_count(0)
    expect(page.get_by_role("radio", name="Mostly")).to_be_checked()
    page.get_by_role("radio", name="Somewhat").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "somewhat"}
    give_back(page)


def test_a_lock_on_its_way_is_told_at_once_and_comes_no_more_after_back(page: Page, address: str) -> None:
    held: list[Route] = []
    page.route("**/return", lambda route: held.append(route))
    open_form(page, address, "held")
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    page.get_by_role("link", name="Give the tablet back").click()
    expect(page.get_by_role("status")).to_have_text("One moment …")
    expect(page.get_by_role("button", name="Go on with the form")).to_be_visible()
    page.go_back()
    heading(page, FIRST)
    waiting(held, 1, page).continue_()
    page.get_by_role("link", name="Give the tablet back").click()
    expect(page.get_by_role("status")).to_have_text("One moment …")
    waiting(held, 2, page).continue_()
    heading(page, LOCK)
    page.get_by_role("button", name="Go on with the form").click()
    heading(page, FIRST)
    expect(page.get_by_role("radio", name="Mostly")).to_be_checked()


def test_a_lock_that_does_not_come_is_asked_for_again(
    own_context: BrowserContext, page: Page, address: str
) -> None:
    assert own_context == page.context
    held: list[Route] = []
    page.route("**/return", lambda route: held.append(route))
    page.clock.install()
    open_form(page, address, "held")
    page.get_by_role("link", name="Give the tablet back").click()
    heading(page, "One moment …")
    page.clock.run_for(31_000)
    heading(page, "No connection")
    page.get_by_role("button", name="Try again").click()
    heading(page, "One moment …")
    waiting(held, 2, page).continue_()
    heading(page, LOCK)
    page.get_by_role("button", name="Go on with the form").click()
    expect(page.get_by_role("link", name="Give the tablet back")).to_be_visible()


def test_while_a_pin_is_looked_at_that_is_told_and_there_is_no_way_on(page: Page, address: str) -> None:
    open_form(page, address, "held")
    give_back(page)
    held: list[Route] = []
    page.route(
        "**/return",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    page.get_by_label("PIN").fill("4711")
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_role("button", name="One moment …")).to_be_focused()
    expect(page.get_by_role("button", name="Go on with the form")).to_be_hidden()
    page.go_back()
    page.keyboard.press("Enter")
    heading(page, LOCK)
    wait_until(lambda: len(held) == 1, page)
    page.wait_for_timeout(300)
    assert len(held) == 1
    lock = page.request.get(f"{address}/launches/0b8e/return").text()
    held[0].fulfill(status=403, content_type="text/html", body=lock)
    expect(page.get_by_role("button", name="Unlock")).to_be_visible()
    page.get_by_role("button", name="Go on with the form").click()
    expect(page.get_by_role("link", name="Give the tablet back")).to_be_visible()


def test_what_is_said_of_keeping_moves_nothing_that_is_pressed(page: Page, address: str) -> None:
    open_form(page, address, "held")
    forward(page)
    before = page.get_by_role("link", name="Give the tablet back").bounding_box()
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_contain_text("saved")
    assert page.get_by_role("link", name="Give the tablet back").bounding_box() == before


def test_a_caregiver_who_decides_nothing_gives_the_device_back_and_is_asked_again(
    page: Page, address: str, desk: Desk
) -> None:
    page.goto(f"{address}/fill#held-gated")
    page.get_by_role("checkbox", name="I am a caregiver").check()
    give_back(page)
    assert "caregiver" not in page.locator("main").inner_text()
    page.get_by_role("button", name="Go on with the form").click()
    expect(page.get_by_role("heading", name="First, something for a caregiver")).to_be_focused()
    expect(page.get_by_role("checkbox", name="I am a caregiver")).to_be_checked()
    give_back(page)
    assert desk.said == []
    page.goto(f"{address}/fill#gated")
    expect(page.get_by_role("link", name="Give the tablet back")).to_have_count(0)


def test_the_lock_is_in_the_clinicians_language_and_the_form_in_its_own_again(
    page: Page, address: str
) -> None:
    open_form(page, address, "held-german")
    root = page.locator("html")
    expect(root).to_have_attribute("lang", "de")
    page.get_by_role("link", name="Tablet zurückgeben").click()
    heading(page, LOCK)
    expect(root).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Mit dem Fragebogen weitermachen").click()
    expect(root).to_have_attribute("lang", "de")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_a_form_that_ends_behind_the_lock_is_told_and_does_not_go_on(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "held")
    forward(page)
    page.context.set_offline(True)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    page.get_by_role("link", name="Give the tablet back").click()
    heading(page, "No connection")
    desk.sent.add("held")
    page.context.set_offline(False)
    heading(page, "Thank you.")
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_visible()
    expect(page.get_by_role("button", name="Go on with the form")).to_have_count(0)
    page.go_back()
    heading(page, "Thank you.")


def test_what_is_not_the_clinicians_device_is_not_given_back(page: Page, address: str) -> None:
    open_form(page, address)
    expect(page.get_by_role("link", name="Give the tablet back")).to_have_count(0)
