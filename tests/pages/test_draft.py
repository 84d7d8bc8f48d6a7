"""The draft of a note: what somebody wrote in it is not lost by a wrong press, a sign-in that is over, or no connection."""

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

pytestmark = pytest.mark.browser

POLL = "**/launches/0b8e/responses.json"
OWN = "What we agreed on.\n"


def write(page: Page, address: str) -> None:
    page.goto(f"{address}/draft")
    page.locator("textarea").click()
    page.keyboard.type(OWN)


@pytest.mark.parametrize(("changes", "asked"), [(True, ["beforeunload"]), (False, [])])
def test_only_who_changed_a_draft_is_asked_before_it_is_left(
    page: Page, address: str, changes: bool, asked: list[str]
) -> None:
    told: list[str] = []

    def answer(dialog: Dialog) -> None:
        told.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    page.goto(f"{address}/draft")
    page.locator("textarea").click()
    if changes:
        page.keyboard.type(OWN)
    page.get_by_role("link", name="Back to the patient").click()
    page.wait_for_url("**/launches/0b8e")
    assert told == asked


@pytest.mark.parametrize(
    ("status", "words"), [(401, "your sign-in is over"), (503, "no connection just now")]
)
def test_a_note_that_cannot_be_written_stays_where_it_was_written(
    page: Page, address: str, status: int, words: str
) -> None:
    write(page, address)
    page.route(POLL, lambda route: route.fulfill(status=status))
    page.get_by_role("button", name="Write to the record").click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    assert OWN.strip() in page.locator("textarea").input_value()


def test_a_note_is_kept_on_the_page_without_a_connection_and_written_once_there_is_one(
    page: Page, address: str
) -> None:
    write(page, address)
    page.route(POLL, lambda route: route.abort())
    page.get_by_role("button", name="Write to the record").click()
    expect(page.get_by_role("alert")).to_contain_text("no connection just now")
    page.unroute(POLL)
    with page.expect_navigation(), page.expect_request("**/launches/0b8e/notes") as sent:
        page.get_by_role("button", name="Write to the record").click()
    assert "What+we+agreed+on." in (sent.value.post_data or "")


def test_what_could_not_be_kept_is_kept_by_itself_once_there_is_a_connection(
    page: Page, address: str
) -> None:
    kept = "**/launches/0b8e/notes/draft"
    page.route(kept, lambda route: route.fulfill(status=204))
    page.route(kept, lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        write(page, address)
    with page.expect_response(kept) as again:
        pass
    assert "What+we+agreed+on." in (again.value.request.post_data or "")


def test_a_note_of_spaces_is_not_sent(page: Page, address: str) -> None:
    page.goto(f"{address}/draft")
    page.locator("textarea").fill("  \n ")
    page.get_by_role("button", name="Write to the record").click()
    assert page.evaluate("document.querySelector('textarea').matches(':invalid')")
    assert page.url.endswith("/draft")


def test_nobody_is_asked_about_a_draft_once_the_device_is_handed_over(page: Page, address: str) -> None:
    write(page, address)
    page.on("dialog", lambda dialog: dialog.dismiss())  # the page would stay
    with page.expect_navigation():
        page.evaluate("new BroadcastChannel('rapport').postMessage('a form is open')")
    assert OWN.strip() not in page.locator("textarea").input_value()


@pytest.mark.parametrize("is_away", [False, True])
def test_what_was_typed_is_kept_before_signing_out_and_only_one_asks(
    page: Page, address: str, *, is_away: bool
) -> None:
    """The server asks about what it has; the browser about what could not be kept."""
    made: list[str] = []
    told: list[str] = []

    def keep(route: Route) -> None:
        made.append("kept")
        if is_away:
            route.abort()
        else:
            route.fulfill(status=204)

    def sign_out(route: Route) -> None:
        made.append("signed out")
        route.fulfill(body="Asked by the server", content_type="text/html")

    def answer(dialog: Dialog) -> None:
        told.append(dialog.type)
        dialog.accept()

    page.route("**/launches/0b8e/notes/draft", keep)
    page.route("**/launches/0b8e/sign-out", sign_out)
    page.on("dialog", answer)
    write(page, address)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Asked by the server")).to_be_visible()
    assert (made, told) == (["kept", "signed out"], ["beforeunload"] if is_away else [])
