"""After a hand-over nothing of the chart comes back: by back and forward, by the browser's memory of pages, in another tab."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import PATIENCE, open_browser
from tests.pages.serving import Desk

pytestmark = pytest.mark.browser

LOCK = "Please give this device back to the therapist"


@pytest.fixture(scope="module")
def remembering() -> Iterator[Browser]:
    with open_browser(remembers_pages=True) as opened:
        yield opened


@pytest.fixture
def kept_page(remembering: Browser) -> Iterator[Page]:
    context = remembering.new_context()
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    yield opened
    context.close()


@pytest.mark.parametrize("path", ["/patient", "/response", "/caseload"])
def test_back_from_a_form_comes_to_the_lock(kept_page: Page, address: str, desk: Desk, path: str) -> None:
    kept_page.goto(f"{address}{path}")
    kept_page.goto(f"{address}/fill#one")
    expect(kept_page.locator("[data-form]")).to_be_visible()
    desk.locked = True
    kept_page.evaluate("history.back()")
    expect(kept_page.get_by_role("heading", name=LOCK)).to_be_visible()


def test_a_page_that_the_browser_remembers_is_hidden_when_it_is_left(kept_page: Page, address: str) -> None:
    kept_page.goto(f"{address}/patient")
    expect(kept_page.get_by_role("heading", name="Start a form")).to_be_visible()
    kept_page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    expect(kept_page.get_by_role("heading", name="Start a form")).to_be_hidden()


def test_a_page_that_comes_out_of_the_browsers_memory_is_asked_for_anew(
    kept_page: Page, address: str, desk: Desk
) -> None:
    kept_page.goto(f"{address}/patient")
    desk.locked = True
    kept_page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(kept_page.get_by_role("heading", name=LOCK)).to_be_visible()


def test_another_tab_with_the_chart_comes_to_the_lock_when_a_form_opens(
    kept_page: Page, address: str, desk: Desk
) -> None:
    kept_page.goto(f"{address}/patient")
    expect(kept_page.get_by_role("heading", name="Start a form")).to_be_visible()
    desk.locked = True
    other = kept_page.context.new_page()
    other.goto(f"{address}/fill#one")
    expect(other.locator("[data-form]")).to_be_visible()
    expect(kept_page.get_by_role("heading", name=LOCK)).to_be_visible()


def test_loading_again_comes_to_the_lock(kept_page: Page, address: str, desk: Desk) -> None:
    kept_page.goto(f"{address}/patient")
    desk.locked = True
    kept_page.reload()
    expect(kept_page.get_by_role("heading", name=LOCK)).to_be_visible()


def test_a_form_that_was_left_is_not_shown_from_memory(kept_page: Page, address: str, desk: Desk) -> None:
    kept_page.goto(f"{address}/fill#one")
    kept_page.locator("[data-forward]").click()
    kept_page.get_by_role("radio", name="Mostly").check()
    expect(kept_page.get_by_role("status")).to_have_text("Everything so far is saved.")
    kept_page.goto(f"{address}/launches/0b8e/return")
    desk.sent.add("one")
    kept_page.evaluate("history.back()")
    expect(kept_page.get_by_role("heading", name="Thank you.")).to_be_visible()
    expect(kept_page.get_by_role("radio")).to_have_count(0)


@pytest.mark.parametrize("path", ["/launches/0b8e/return", "/wrong-pin"])
def test_at_the_lock_the_pin_can_be_typed_at_once(kept_page: Page, address: str, path: str) -> None:
    kept_page.goto(f"{address}{path}")
    expect(kept_page.get_by_label("PIN", exact=True)).to_be_focused()
    kept_page.keyboard.type("4711")
    expect(kept_page.get_by_label("PIN", exact=True)).to_have_value("4711")


def test_the_lock_takes_what_can_be_a_pin(kept_page: Page, address: str) -> None:
    kept_page.goto(f"{address}/launches/0b8e/return")
    pin = kept_page.get_by_label("PIN", exact=True)
    taken = []
    for typed in ("abcd", "12ab", "123", "4711", "٤٧١١"):
        pin.fill(typed)
        if pin.evaluate("each => each.checkValidity()"):
            taken.append(typed)
    assert taken == ["4711", "٤٧١١"]


@pytest.mark.parametrize(
    ("path", "told"),
    [("/locked-out", "Die nächste PIN"), ("/signed-in-at-the-lock", "That sign-in did not open this device")],
)
def test_what_must_be_read_at_the_lock_comes_before_the_pin(
    kept_page: Page, address: str, path: str, told: str
) -> None:
    kept_page.goto(f"{address}{path}")
    expect(kept_page.get_by_role("alert").filter(has_text=told)).to_be_focused()
