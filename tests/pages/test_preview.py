"""A form that is only looked at: the respondent's own page, of which nothing leaves the browser."""

import pytest
from playwright.sync_api import Page, Request, expect

from tests.pages import samples
from tests.pages.serving import Desk
from tests.pages.test_filling import forward

pytestmark = pytest.mark.browser

OVER = "This was a preview"


@pytest.fixture
def asked(page: Page) -> list[str]:
    """What the page asks of the server, but for files."""
    found: list[str] = []

    def note(request: Request) -> None:
        if "/static/" not in request.url:
            found.append(f"{request.method} {request.url.partition('#')[0]}")

    page.on("request", note)
    return found


def answer_all(page: Page) -> None:
    forward(page)
    for question in samples.QUESTIONS:
        page.get_by_role("group", name=question.text).get_by_role("radio", name="Mostly").check()
        forward(page)


def test_it_is_answered_looked_over_and_sent_nowhere(
    page: Page, address: str, desk: Desk, asked: list[str]
) -> None:
    page.goto(f"{address}/preview")
    expect(page.get_by_role("heading", name="How are we doing together?")).to_be_focused()
    expect(page.get_by_text("Nothing that you choose here is kept or sent.")).to_be_visible()
    answer_all(page)
    expect(page.locator(".review b").first).to_have_text("Mostly")
    page.wait_for_timeout(400)  # after which a form is saved
    expect(page.locator("[data-status]")).to_have_text("")
    page.get_by_role("button", name="Change the answer to question 1").click()
    page.get_by_role("radio", name="Not at all").locator("visible=true").check()
    page.get_by_role("button", name="Back to all answers").click()
    expect(page.locator(".review b").first).to_have_text("Not at all")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name=OVER)).to_be_focused()
    expect(page.get_by_text("Nothing was kept or sent.")).to_be_visible()
    expect(page.get_by_text("Thank you")).to_have_count(0)
    # The page, and whether the clinician has the device still: of a form that took longer, once more.
    assert len(asked) >= 2
    assert set(asked) == {f"GET {address}/preview"}
    assert (desk.drafts, desk.submissions) == ([], [])


def test_looked_at_again_it_is_empty(page: Page, address: str, asked: list[str]) -> None:
    page.goto(f"{address}/preview")
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="Look at it again").click()
    expect(page.get_by_role("heading", name="How are we doing together?")).to_be_focused()
    assert page.locator("[data-form] :checked").count() == 0
    page.reload()
    expect(page.get_by_role("heading", name="How are we doing together?")).to_be_visible()
    assert page.locator("[data-form] :checked").count() == 0
    # The page three times, and whether the clinician has the device still.
    assert len(asked) >= 4
    assert set(asked) == {f"GET {address}/preview"}


def test_who_leaves_it_in_the_midst_is_not_held_back(page: Page, address: str) -> None:
    page.goto(f"{address}/preview-all")
    expect(page.get_by_role("button", name="Look over")).to_be_visible()
    for question in page.locator("[data-question]").all():
        question.get_by_role("radio", name="Mostly").check()
    page.get_by_role("link", name="Back to the patient").click()
    expect(page).to_have_url(f"{address}/patient")


def test_answers_of_every_kind_are_taken_back_together(page: Page, address: str, asked: list[str]) -> None:
    page.goto(f"{address}/preview-kinds")
    page.get_by_role("textbox").first.fill("words")
    forward(page)
    page.get_by_role("button", name="Answer everything again").click()
    page.get_by_role("button", name="Yes, start again").click()
    expect(page.get_by_role("textbox").first).to_have_value("")
    assert not [each for each in asked if "/fill" in each]


def test_what_a_young_person_decides_at_the_end_is_shown_too(page: Page, address: str) -> None:
    page.goto(f"{address}/preview-asked")
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Please say first whether your single answers may be read.")).to_be_visible()
    page.get_by_role("radio", name="Yes, they may read them").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name=OVER)).to_be_visible()


def test_it_leads_to_its_other_languages(page: Page, address: str) -> None:
    page.goto(f"{address}/preview-arabic")
    expect(page.locator("[data-form]")).to_have_attribute(
        "lang", "en"
    )  # the words around it, in the reader's
    links = page.get_by_role("navigation", name="Language").get_by_role("link")
    expect(links).to_have_text(["English", "Español", "Deutsch"])
    assert links.nth(1).get_attribute("href") == "rapport-checkin-child?language=es&who=0f0f"
    assert page.get_by_role("heading", level=1).get_attribute("dir") == "rtl"


def test_who_has_the_device_meanwhile_is_led_to_the_lock_by_the_first_answer(
    page: Page, address: str, desk: Desk
) -> None:
    page.goto(f"{address}/preview")
    page.get_by_role("link", name="Back to the patient").click()
    desk.locked = True
    page.go_back()  # out of the browser's cache
    forward(page)
    page.get_by_role("radio", name="Mostly").locator("visible=true").check()
    expect(page.get_by_role("heading", name="Please give this device back to the therapist")).to_be_visible()
    assert page.url == f"{address}/launches/0b8e/return"


def test_without_a_connection_it_is_tried_to_the_end_and_ends_when_there_is_one(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/preview")
    page.route("**/preview", lambda route: route.abort())
    answer_all(page)
    expect(page.locator("[data-status]")).to_have_text("")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text("No connection: the preview cannot go on just now.")
    page.unroute("**/preview")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name=OVER)).to_be_visible()


def test_a_server_that_fails_for_a_moment_ends_nothing(page: Page, address: str) -> None:
    page.goto(f"{address}/preview")
    page.route("**/preview", lambda route: route.fulfill(status=503))
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text("No connection: the preview cannot go on just now.")


def test_who_looks_reads_its_end_in_their_own_language_and_what_is_shown_there(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/preview-german")
    expect(page).to_have_title("Vorschau: How are we doing together?")
    expect(page.get_by_text("Of a young person under 12 years a caregiver is asked first.")).to_be_visible()
    answer_all(page)
    page.get_by_role("button", name="Senden").click()
    expect(page.get_by_role("heading", name=OVER)).to_be_focused()
    expect(page.get_by_text("Whoever answers sees the result here.")).to_be_visible()
    page.get_by_role("link", name="Back to the patient").last.click()
    expect(page).to_have_url(f"{address}/patient")
