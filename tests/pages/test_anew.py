"""Everything answered again: asked once, taken back on the server too, by keyboard, without a connection, beside another page."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, Route, expect
from starlette.responses import JSONResponse

from plugin.pages import FormMode
from tests.pages import samples
from tests.pages.serving import Desk
from tests.pages.test_filling import ALL_ANSWERED, answer_all, forward, open_form

pytestmark = pytest.mark.browser

AGAIN = "Answer everything again"
ASKED = "Take back all your answers and start again?"
SAVED = "Everything so far is saved."


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def begin_again(page: Page) -> None:
    press(page, AGAIN)
    press(page, "Yes, start again")


def nothing_is_answered(page: Page) -> None:
    assert page.locator("[data-form] :checked").count() == 0
    fields = page.locator("[data-field]:not([type=range]), [data-other]")
    assert set(fields.evaluate_all("all => all.map((each) => each.value)")) <= {""}
    assert page.locator("[data-step] [type=range]:not(:disabled):not([data-untouched])").count() == 0


def tab_to(page: Page, name: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_by_keyboard_alone_everything_is_answered_again_and_sent_once(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text(SAVED)
    tab_to(page, AGAIN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name=ASKED)).to_be_visible()
    expect(page.get_by_role("button", name="No, keep my answers")).to_be_focused()
    tab_to(page, "Yes, start again")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=samples.QUESTIONS[0].text)).to_be_focused()
    nothing_is_answered(page)
    expect(page.get_by_role("status")).to_have_text(SAVED)
    assert desk.drafts[-1] == {}
    for _ in samples.QUESTIONS:
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        tab_to(page, "Look over" if page.get_by_text("Question 6 of 6").count() else "Next")
        page.keyboard.press("Enter")
    tab_to(page, "Send")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{question.link_id: "not-at-all" for question in samples.QUESTIONS}]


def test_a_button_that_comes_late_moves_nothing_below_it(page: Page, address: str, desk: Desk) -> None:
    desk.forms["resumed"] = replace(
        desk.forms["resumed"], answers={each.link_id: "mostly" for each in samples.QUESTIONS}
    )
    asked: list[Route] = []
    page.route("**/anew.*", lambda route: asked.append(route))
    open_form(page, address, "resumed")
    send = page.get_by_role("button", name="Send")
    expect(send).to_be_visible()
    before = send.bounding_box()
    again = page.get_by_role("button", name=AGAIN)
    expect(again).to_have_count(0)  # nor is it reached by keyboard
    (late,) = asked
    late.continue_()
    expect(again).to_be_visible()
    assert send.bounding_box() == before


@pytest.mark.parametrize("way", ["button", "Escape"])
def test_the_safe_answer_changes_nothing(page: Page, address: str, desk: Desk, way: str) -> None:
    open_form(page, address)
    answer_all(page)
    press(page, AGAIN)
    page.keyboard.press("Escape" if way == "Escape" else "Enter")
    expect(page.get_by_role("button", name=AGAIN)).to_be_focused()
    expect(page.get_by_text(ASKED)).to_be_hidden()
    expect(page.get_by_role("listitem").first).to_contain_text("Mostly")
    press(page, "Send")
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_a_double_click_takes_nothing_back(page: Page, address: str) -> None:
    open_form(page, address)
    answer_all(page)
    press(page, AGAIN)
    page.wait_for_timeout(700)
    page.get_by_role("button", name="No, keep my answers").dblclick()
    expect(page.get_by_role("button", name=AGAIN)).to_be_visible()
    page.wait_for_timeout(700)
    page.get_by_role("button", name=AGAIN).dblclick()
    expect(page.get_by_text(ASKED)).to_be_visible()
    expect(page.get_by_role("listitem").first).to_contain_text("Mostly")


def test_the_question_is_gone_when_somebody_looks_elsewhere(page: Page, address: str) -> None:
    open_form(page, address)
    answer_all(page)
    press(page, AGAIN)
    press(page, "Change the answer to question 2")
    press(page, "Back to all answers")
    expect(page.get_by_text(ASKED)).to_be_hidden()
    expect(page.get_by_role("button", name=AGAIN)).to_be_visible()


def test_every_kind_of_answer_is_empty_again_and_what_is_conditional_hidden(
    page: Page, address: str, desk: Desk
) -> None:
    kinds = (*samples.KINDS, *samples.LINES)
    desk.forms["kinds"] = samples.form(
        FormMode.ALL,
        questions=kinds,
        answers={**samples.KEPT, "line": "62", "line-2": None},
        asks_why=True,
        reasons={"line-2": "asked-unknown"},
        asks_sharing=True,
    )
    open_form(page, address, "kinds")
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_focused()
    page.get_by_role("radio", name="No, only the result").check()
    begin_again(page)
    expect(page.get_by_role("heading", name="Have you been away?")).to_be_focused()
    nothing_is_answered(page)
    expect(page.get_by_label("For how many days?")).to_be_hidden()
    expect(page.get_by_role("slider").first).to_have_attribute("aria-valuetext", "No answer yet")
    expect(page.get_by_role("status")).to_have_text(SAVED)
    assert desk.drafts[-1] == {}
    page.get_by_role("radio", name="No", exact=True).check()
    forward(page)
    press(page, "Send")
    expect(page.get_by_role("alert")).to_have_text(
        "Please say first whether your single answers may be read."
    )
    page.get_by_role("radio", name="Yes, they may").check()
    press(page, "Send")
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert (desk.submissions, desk.shared) == ([{"away": "false"}], [True])


def test_nothing_that_is_empty_again_is_told_as_wrong(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "needed")
    forward(page)
    press(page, "Send")
    expect(page.locator("[data-error]", has_text="This question needs an answer.")).to_be_visible()
    forward(page)
    begin_again(page)
    expect(page.get_by_role("heading", name="This one is needed.")).to_be_focused()
    expect(page.locator("[data-alert]")).to_have_text("")
    expect(page.locator("[data-error]:visible, [aria-invalid]")).to_have_count(0)
    assert desk.submissions == []


def test_without_a_connection_it_is_taken_back_here_and_later_on_the_server(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    with page.expect_response("**/anew.js*"):
        forward(page)
        page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_have_text(SAVED)
    page.context.set_offline(True)
    for _ in samples.QUESTIONS:
        forward(page)
    begin_again(page)
    expect(page.get_by_text("Question 1 of 6")).to_be_visible()
    nothing_is_answered(page)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    assert desk.drafts[-1] == {"goal-1": "mostly"}
    page.context.set_offline(False)
    expect(page.get_by_role("status")).to_have_text(SAVED)
    assert desk.drafts[-1] == {}


def test_what_waits_for_a_connection_is_not_sent_while_it_is_asked_or_taken_back(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    page.context.set_offline(True)
    press(page, "Send")
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    press(page, AGAIN)
    expect(page.locator("[data-alert]")).to_have_text("")
    page.context.set_offline(False)
    page.wait_for_timeout(300)
    press(page, "Yes, start again")
    expect(page.get_by_role("status")).to_have_text(SAVED)
    assert (desk.drafts[-1], desk.submissions) == ({}, [])


def test_a_second_page_does_not_bring_back_what_was_taken_back(page: Page, address: str, desk: Desk) -> None:
    desk.forms["one"] = samples.form(FormMode.ONE, answers=ALL_ANSWERED)
    open_form(page, address)
    other = page.context.new_page()
    open_form(other, address)
    begin_again(page)
    expect(page.get_by_role("status")).to_have_text(SAVED)
    assert desk.drafts[-1] == {}
    desk.forms["one"] = samples.form(FormMode.ONE, answers={"goal-1": "a-little"})
    press(other, "Change the answer to question 1")
    other.get_by_role("radio", name="A little").check()
    expect(other.get_by_text("Question 2 of 6")).to_be_visible()  # opened again: nothing else is there
    assert desk.drafts[-1] == {"goal-1": "a-little"}


def test_what_is_on_its_way_to_be_sent_is_not_taken_back(page: Page, address: str, desk: Desk) -> None:
    desk.delay = 1
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 503))
    open_form(page, address)
    answer_all(page)
    press(page, AGAIN)
    press(page, "Send")
    press(page, "Yes, start again")
    expect(page.get_by_role("alert")).to_contain_text("the answers are not sent yet.")
    expect(page.get_by_role("listitem").first).to_contain_text("Mostly")


def test_it_comes_with_the_first_answer_and_not_with_the_form(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "anew.js" in request.url else None)
    open_form(page, address)
    forward(page)
    page.wait_for_load_state("networkidle")
    assert asked == []
    page.route("**/anew.js*", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        page.get_by_role("radio", name="Mostly").check()
    for _ in samples.QUESTIONS:
        forward(page)
    expect(page.get_by_role("button", name=AGAIN)).to_be_visible()


def test_of_what_stands_on_paper_nothing_is_answered_again(page: Page, address: str, desk: Desk) -> None:
    desk.forms["one"] = replace(samples.form(FormMode.ONE), from_paper=True)
    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("button", name="Change the answer to question 1")).to_be_visible()
    expect(page.get_by_role("button", name=AGAIN)).to_have_count(0)


def test_what_is_taken_back_without_connection_does_not_take_back_what_another_page_kept(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text(SAVED)
    page.context.set_offline(offline=True)
    begin_again(page)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet: no connection.")
    desk.drafts.append({**ALL_ANSWERED, "goal-1": "somewhat"})
    desk.forms["one"] = samples.form(FormMode.ONE, answers={"goal-1": "somewhat"})
    page.context.set_offline(offline=False)
    expect(page.get_by_role("alert")).to_contain_text("Answers were given on another page, too.")
    assert desk.drafts[-1] == {"goal-1": "somewhat"}
