"""Filling a form in a real browser: by keyboard alone, interrupted, refused, offline, sent once."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, Request, Route, expect
from starlette.responses import JSONResponse

from plugin.pages import FormMode
from tests.pages import samples
from tests.pages.serving import Desk
from tests.pages.test_lines import wait_until, waiting

pytestmark = pytest.mark.browser

TO_READ = 700  # ms: a press at the same place is a second one of before
ALL_ANSWERED = {question.link_id: "mostly" for question in samples.QUESTIONS}


def open_form(page: Page, address: str, secret: str = "one") -> None:
    page.goto(f"{address}/fill#{secret}")
    expect(page.locator("[data-form]")).to_be_visible()


def forward(page: Page) -> None:
    page.locator("[data-forward]").click()


def answer_all(page: Page) -> None:
    forward(page)
    for _ in samples.QUESTIONS:
        page.get_by_role("radio", name="Mostly").check()
        forward(page)
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()


def test_a_form_is_filled_by_keyboard_alone(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for question in samples.QUESTIONS:
        expect(page.get_by_role("heading", name=question.text)).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")  # declining
        page.keyboard.press("Tab")  # back
        page.keyboard.press("Tab")  # next
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_focused()
    for _ in range(len(samples.QUESTIONS) + 3):  # one to change each, one for all, back, send
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_focused()
    assert desk.submissions == [{question.link_id: "somewhat" for question in samples.QUESTIONS}]


def test_a_question_is_told_with_its_place_in_the_form(page: Page, address: str) -> None:
    open_form(page, address)
    forward(page)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_be_focused()
    expect(heading).to_have_accessible_description(f"Question 1 of {len(samples.QUESTIONS)}")
    forward(page)
    expect(heading).to_have_accessible_description(f"Question 2 of {len(samples.QUESTIONS)}")


def test_enter_on_an_answer_sends_nothing(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "all")
    page.get_by_role("radio").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert desk.submissions == []
    assert page.url == f"{address}/fill#all"
    expect(page.get_by_role("heading", level=1, name="How are we doing together?")).to_be_visible()


def test_each_answer_is_kept_as_it_is_given(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    forward(page)
    page.get_by_role("radio", name="A little").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts == [{"goal-1": "a-little"}]


def test_the_length_of_what_is_kept_and_sent_does_not_tell_what_was_chosen(
    page: Page, address: str, desk: Desk
) -> None:
    lengths: dict[str, set[int]] = {"PUT": set(), "POST": set()}

    def measure(asked: Request) -> None:
        if asked.post_data is not None:
            lengths[asked.method].add(len(asked.post_data))

    page.on("request", measure)
    for chosen in ("Not at all", "Mostly"):
        desk.sent.clear()
        open_form(page, address, "needed")
        page.get_by_role("radio", name=chosen).first.check()
        expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
        page.get_by_role("button", name="Look over").click()
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
        page.goto("about:blank")
    assert {len(each) for each in lengths.values()} == {1}


def test_declining_is_an_answer_and_can_be_taken_back(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    forward(page)
    status = page.get_by_role("status")
    page.get_by_role("radio", name="A little").check()
    page.get_by_role("checkbox", name="I do not want to answer").check()
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    expect(status).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": None}
    page.get_by_role("checkbox", name="I do not want to answer").uncheck()
    expect(status).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "a-little"}  # what stood there before
    expect(page.get_by_role("radio", name="A little")).to_be_checked()
    page.get_by_role("checkbox", name="I do not want to answer").check()
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("checkbox")).not_to_be_checked()


def test_what_was_written_before_it_was_declined_or_an_option_chosen_is_there_again(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "kinds-kept")
    page.get_by_role("button", name="Back", exact=True).click()
    question = {name: page.locator(f"[data-question={name}]") for name in ("who", "other", "more")}
    page.wait_for_timeout(TO_READ)
    for each in question.values():
        each.locator("[data-decline]").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert {desk.drafts[-1][name] for name in question} == {None}
    page.wait_for_timeout(TO_READ)
    question["who"].locator("[data-decline]").uncheck()
    question["more"].locator("textarea").click()
    expect(question["more"].locator("[data-decline]")).not_to_be_checked()
    own = question["other"].get_by_role("textbox")
    for again in ("click", "keys"):
        question["other"].get_by_role("radio", name="Somewhat").check()
        expect(own).to_have_value("")
        if again == "click":
            own.click()
        else:
            own.press(" ")
        expect(own).to_have_value("like a fair")
        expect(question["other"].get_by_role("radio", checked=True)).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == samples.KEPT
    own.fill("")
    own.click()  # what was deleted comes back by no press
    expect(own).to_have_value("")


def test_what_was_answered_before_is_there_again(page: Page, address: str) -> None:
    open_form(page, address, "resumed")
    expect(page.get_by_role("heading", name="What we do together here makes sense to me.")).to_be_focused()
    expect(page.get_by_text("Question 3 of 6")).to_be_visible()
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_role("checkbox", name="I do not want to answer")).to_be_checked()
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_role("radio", name="Mostly")).to_be_checked()


def test_answers_are_looked_over_and_changed_before_sending(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Change the answer to question 5").click()
    expect(page.get_by_role("heading", name="My therapist listens to me.")).to_be_focused()
    page.get_by_role("radio", name="Completely").check()
    page.get_by_role("button", name="Back to all answers").click()
    expect(page.get_by_role("listitem").nth(4)).to_contain_text("Completely")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{**ALL_ANSWERED, "bond-1": "completely"}]


def test_a_double_click_sends_once(page: Page, address: str, desk: Desk) -> None:
    desk.delay = 0.3
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Send").dblclick()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert len(desk.submissions) == 1


def test_a_code_that_is_pressed_again_while_it_is_on_its_way_opens_its_form(
    page: Page, address: str, desk: Desk
) -> None:
    desk.delay = 1.5
    page.goto(f"{address}/code")
    page.get_by_label("Code").fill("12345678")
    place = page.get_by_role("button", name="Open the form").bounding_box()
    assert place is not None
    for _ in range(2):
        page.mouse.click(place["x"] + 9, place["y"] + 9)
        page.wait_for_timeout(400)
    expect(page.locator("[data-form]")).to_be_visible()
    assert desk.codes_used == 1


def test_two_presses_send_once(page: Page, address: str, desk: Desk) -> None:
    desk.delay = 0.3
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Send").evaluate("button => { button.click(); button.click(); }")
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert len(desk.submissions) == 1


def test_a_double_click_skips_no_question(page: Page, address: str) -> None:
    open_form(page, address, "resumed")
    forward(page)
    expect(page.get_by_text("Question 4 of 6")).to_be_visible()
    # Questions 4 to 6 are equally high, so that the second click meets the button again.
    page.get_by_role("button", name="Next").dblclick()
    expect(page.get_by_text("Question 5 of 6")).to_be_visible()


def test_a_refused_answer_is_named_beside_its_question(page: Page, address: str, desk: Desk) -> None:
    said = (
        "This answer does not fit here."  # in the form's language: the outcome's own words are for programs
    )
    issue = {
        "severity": "error",
        "code": "code-invalid",
        "diagnostics": "This answer is not among the options. Choose one of them.",
        "expression": ["QuestionnaireResponse.item.where(linkId='task-1').answer"],
    }
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": [issue]}, 422))
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="What we do together here makes sense to me.")).to_be_focused()
    expect(page.get_by_role("group")).to_have_accessible_description(said)
    expect(page.get_by_role("alert")).to_have_text(said)
    page.get_by_role("radio", name="Somewhat").check()
    expect(page.get_by_text(said)).to_have_count(0)
    page.get_by_role("button", name="Back to all answers").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions[-1] == {**ALL_ANSWERED, "task-1": "somewhat"}


def test_a_needed_answer_is_asked_for_before_sending(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "needed")
    page.get_by_role("button", name="Look over").click()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-error]", has_text="This question needs an answer.")).to_be_visible()
    expect(page.get_by_role("heading", name="This one is needed.")).to_be_focused()
    assert desk.submissions == []


def test_that_an_answer_is_needed_is_said_once_and_until_it_is_there(
    page: Page, address: str, desk: Desk
) -> None:
    kinds = [replace(each, required=True, conditions=()) for each in (*samples.KINDS, *samples.LINES)]
    needed = [each for each in kinds if each.kind not in ("date", "time")]
    desk.forms["needed"] = samples.form(FormMode.ALL, questions=tuple(needed))
    open_form(page, address, "needed")
    said = page.get_by_text("This question needs an answer.").locator("visible=true")
    expect(said).to_have_count(len(needed))
    forward(page)
    forward(page)
    expect(said).to_have_count(len(needed))  # in red, and not beneath as well
    for left, question in enumerate(reversed(page.locator("[data-question]").all())):
        field = question.locator("[data-option], [data-field]").first
        kind = field.get_attribute("type") or "textarea"
        if kind in ("radio", "checkbox"):
            field.check()
        elif kind == "range":
            field.press("ArrowRight")
        else:
            field.fill("2")
            field.blur()
        expect(said).to_have_count(len(needed) - left - 1)


def test_a_server_in_trouble_loses_no_answer(page: Page, address: str, desk: Desk) -> None:
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 503))
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("the answers are not sent yet.")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED, ALL_ANSWERED]


def hold_first_keeping(page: Page) -> list[Route]:
    """Let the first request that keeps answers not arrive, and each later one; gives the one that waits."""
    held: list[Route] = []
    page.route("**/fill/answers", lambda route: route.continue_() if held else held.append(route))
    return held


def test_nothing_is_kept_beside_the_sending_of_all(page: Page, address: str, desk: Desk) -> None:
    """A draft on its way that came after the form was sent would be refused, and the page would say that nothing counts."""
    open_form(page, address)
    held = hold_first_keeping(page)
    given_up: list[str] = []
    page.on("requestfailed", lambda request: given_up.append(request.method))
    answer_all(page)
    wait_until(lambda: len(held) == 1, page)
    desk.delay = 1.0
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("button", name="Sending")).to_be_visible()
    page.wait_for_timeout(500)
    assert given_up == ["PUT"]
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert (desk.drafts, desk.submissions) == ([], [ALL_ANSWERED])


def test_what_was_not_kept_for_the_sending_is_kept_when_that_fails(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    hold_first_keeping(page)
    answer_all(page)
    page.wait_for_timeout(500)
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 503))
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("the answers are not sent yet.")
    expect(page.locator("[data-status]")).to_have_text("Everything so far is saved.")
    assert desk.drafts == [ALL_ANSWERED]


def test_the_reasons_stand_where_a_form_from_right_to_left_begins(page: Page, address: str) -> None:
    open_form(page, address, "arabic-why")
    forward(page)
    page.get_by_role("checkbox", name="No answer").check()
    sides = page.locator("[data-step]:not([hidden]) label.decline").evaluate_all(
        "each => each.slice(0, 2).map((label) => label.getBoundingClientRect().right)"
    )
    assert sides[0] == pytest.approx(sides[1], abs=2)


@pytest.mark.usefixtures("own_context")
def test_a_request_that_never_ends_is_given_up_and_made_again(page: Page, address: str, desk: Desk) -> None:
    page.clock.install()
    open_form(page, address)
    held = hold_first_keeping(page)
    page.route("**/fill/submit", lambda route: held.append(route), times=1)
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    page.get_by_role("status").evaluate(
        """(status) => {
          globalThis.told = [];
          new MutationObserver(() => globalThis.told.push(status.textContent)).observe(
            status, { childList: true, characterData: true, subtree: true });
        }"""
    )
    with page.expect_request("**/fill/answers"):
        page.clock.run_for(1000)
    page.clock.run_for(31_000)
    page.clock.run_for(2000)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert any("Not saved yet: no connection." in each for each in page.evaluate("told"))
    assert desk.drafts
    assert all(each == {"goal-1": "mostly"} for each in desk.drafts)
    for _ in samples.QUESTIONS:
        forward(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("button", name="Sending")).to_be_visible()
    page.clock.run_for(31_000)
    expect(page.get_by_role("alert")).to_contain_text("No connection: the answers are not sent yet.")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{"goal-1": "mostly"}]


def test_answers_given_without_connection_are_kept_later(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    page.context.set_offline(True)
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_contain_text("Not saved yet: no connection.")
    forward(page)
    page.get_by_role("radio", name="Somewhat").check()
    assert desk.drafts == []
    page.context.set_offline(False)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "mostly", "goal-2": "somewhat"}


def test_what_was_sent_without_connection_is_sent_by_itself_when_there_is_one(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection: the answers are not sent yet.")
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_that_a_line_is_answered_by_the_arrow_keys_is_said_with_it(page: Page, address: str) -> None:
    open_form(page, address, "lines")
    forward(page)
    said = "Touch the line where your answer lies, or use the arrow keys."
    expect(page.get_by_text(said).locator("visible=true")).to_have_count(1)
    expect(page.get_by_role("slider")).to_have_accessible_description(re.compile(re.escape(said)))


def test_that_there_is_no_connection_is_said_once_when_answers_are_sent(page: Page, address: str) -> None:
    open_form(page, address)
    answer_all(page)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("No connection: the answers are not sent yet.")).to_be_visible()
    expect(page.locator("[data-status]")).to_be_hidden()
    page.get_by_role("button", name="Change the answer to question 2").click()
    expect(page.locator("[data-status]")).to_be_visible()
    page.context.set_offline(False)


def test_on_this_device_the_way_back_leads_to_the_lock(page: Page, address: str) -> None:
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="Give the tablet back").click()
    expect(page.get_by_role("heading", name="Please give this device back to the therapist")).to_be_visible()


def test_a_form_that_has_ended_meanwhile_lets_the_device_be_given_back(
    page: Page, address: str, desk: Desk
) -> None:
    back = {"X-Rapport-Return": "/launches/0b8e/return"}
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 410, headers=back))
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="This form cannot be opened")).to_be_visible()
    page.get_by_role("link", name="Give the tablet back").click()
    expect(page.get_by_role("heading", name="Please give this device back to the therapist")).to_be_visible()


def test_whose_device_was_given_back_meanwhile_reads_that_and_that_the_answers_are_kept(
    page: Page, address: str, desk: Desk
) -> None:
    said = {"X-Rapport-Screen": "given-back"}
    open_form(page, address)
    answer_all(page)
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 410, headers=said))
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="The tablet was given back")).to_be_focused()
    expect(page.get_by_text("what you answered before is kept")).to_be_visible()


def test_answers_that_were_not_sent_because_their_form_was_withdrawn_are_told_as_that(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    said = {"X-Rapport-Unsent": "true"}
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 410, headers=said))
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("What you answered here was not sent.")).to_be_visible()


@pytest.mark.parametrize(
    "return_url", [None, "https://elsewhere.invalid/", "//elsewhere.invalid/", "/\\elsewhere.invalid"]
)
def test_without_a_way_back_of_this_server_none_is_shown(
    page: Page, address: str, desk: Desk, return_url: str | None
) -> None:
    desk.return_url = return_url
    open_form(page, address)
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("You can close this page now.")).to_be_visible()
    expect(page.get_by_role("link")).to_have_count(0)


def test_a_page_loaded_again_after_sending_still_shows_the_way_back(
    page: Page, address: str, desk: Desk
) -> None:
    desk.sent.add("one")
    page.goto(f"{address}/fill#one")
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_focused()
    expect(page.get_by_role("link", name="Give the tablet back")).to_be_visible()
    assert desk.submissions == []


@pytest.mark.parametrize("secret", ["", "#unknown"])
def test_a_link_that_opens_nothing_says_so(page: Page, address: str, secret: str) -> None:
    page.goto(f"{address}/fill{secret}")
    expect(page.get_by_role("heading", name="This form cannot be opened")).to_be_focused()


def test_a_form_that_cannot_be_loaded_is_tried_again(page: Page, address: str) -> None:
    page.route("**/fill/form", lambda route: route.abort())
    page.goto(f"{address}/fill#one")
    expect(page.get_by_role("heading", name="No connection")).to_be_focused()
    page.unroute("**/fill/form")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="How are we doing together?")).to_be_visible()


def test_without_script_the_page_says_what_to_do(page: Page, address: str) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{address}/fill#one")
    expect(plain.get_by_text("This form needs JavaScript")).to_be_visible()
    context.close()


def test_a_blocked_script_is_told_too(page: Page, address: str) -> None:
    page.route("**/fill.js*", lambda route: route.abort())
    page.goto(f"{address}/fill#one")
    expect(page.get_by_text("This form needs JavaScript")).to_be_visible()


def test_the_words_around_a_form_follow_its_language(page: Page, address: str) -> None:
    open_form(page, address, "german")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_role("button", name="Anfangen").click()
    expect(page.get_by_text("Frage 1 von 6")).to_be_visible()


def test_a_form_that_is_closed_under_somebodys_hands_says_so_in_its_own_language(
    page: Page, address: str
) -> None:
    open_form(page, address, "german")
    page.get_by_role("button", name="Anfangen").click()
    page.route(re.compile("/fill/(answers|submit)"), lambda route: route.fulfill(status=410))
    page.locator("[data-option]:visible").first.check()
    heading = page.get_by_role("heading", name="Dieser Fragebogen lässt sich nicht öffnen")
    expect(heading).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_a_form_that_was_sent_elsewhere_thanks_in_its_own_language(page: Page, address: str) -> None:
    open_form(page, address, "german")
    page.get_by_role("button", name="Anfangen").click()
    page.route("**/fill/answers", lambda route: route.fulfill(status=410))
    page.locator("[data-option]:visible").first.check()
    expect(page.get_by_role("heading", name="Danke. Die Antworten sind gespeichert.")).to_be_visible()


def test_english_in_the_place_of_a_form_from_right_to_left_is_set_from_left_to_right(
    page: Page, address: str
) -> None:
    open_form(page, address, "arabic")
    forward(page)
    page.route(re.compile("/fill/(answers|submit)"), lambda route: route.fulfill(status=410))
    page.locator("[data-option]:visible").first.check()
    expect(page.get_by_role("heading", name="This form cannot be opened")).to_have_css("direction", "ltr")


def test_an_english_card_in_the_place_of_a_form_from_right_to_left_is_on_one_side(
    page: Page, address: str
) -> None:
    open_form(page, address, "arabic")
    begins = page.evaluate("""() => {
      const panel = document.querySelector("template[data-screen=cover]").content.cloneNode(true);
      document.querySelector("main").replaceChildren(panel);
      document.querySelectorAll("[data-coverable], [data-uncoverable], [data-unlock], [data-fill-again]")
        .forEach((part) => { part.hidden = false; });
      return [...document.querySelectorAll(".message :is(svg, h1, .lead, div > p, .button)")].filter((each) => each.checkVisibility())
        .map((each) => {
          const range = document.createRange();
          range.selectNodeContents(each);
          return Math.round((each.matches("p, h1") ? range : each).getBoundingClientRect().left);
        });
    }""")
    assert len(begins) > 6
    assert len(set(begins)) == 1


def test_our_own_options_and_help_stand_on_the_side_of_wording_from_right_to_left(
    page: Page, address: str, desk: Desk
) -> None:
    away = replace(next(each for each in samples.KINDS if each.link_id == "away"), conditions=())
    wording = {**samples.ARABIC, "questions": (away, samples.ARABIC_QUESTIONS[0])}
    desk.forms["one"] = samples.form(FormMode.ALL, language="ar", asks_sharing=True, **wording)
    page.set_viewport_size({"width": 360, "height": 740})
    open_form(page, address)
    for end in ("whole", "review"):
        if end == "review":
            forward(page)
            expect(page.get_by_role("listitem").locator("b").first).to_have_attribute("lang", "en")
        for option in page.locator(".option:visible").all():
            drawn, words = option.locator("input").bounding_box(), option.locator("span").bounding_box()
            assert drawn is not None
            assert words is not None
            assert drawn["x"] > words["x"] + words["width"] / 2
        if end == "whole":
            page.get_by_role("radio", name="Yes").check()
    page.get_by_role("button", name="Help with reading and answering").click()
    expect(page.get_by_text("This device has no voice")).to_have_css("text-align", "right")


@pytest.mark.parametrize("secret", ["one", "german", "arabic", "lines"])
def test_answers_looked_over_stay_readable_on_a_phone_at_twice_the_size(
    page: Page, address: str, secret: str
) -> None:
    page.set_viewport_size({"width": 195, "height": 422})
    open_form(page, address, secret)
    while not page.locator("[data-review]").is_visible():
        forward(page)
    said = page.locator(".review li > span").first.bounding_box()
    assert said is not None
    assert said["width"] > 110


def test_on_a_narrow_screen_the_button_to_change_an_answer_stands_beneath_it(
    page: Page, address: str
) -> None:
    page.set_viewport_size({"width": 320, "height": 568})
    open_form(page, address, "all")
    forward(page)
    said = page.locator(".review li > span").first.bounding_box()
    button = page.get_by_role("button", name="Change the answer").first.bounding_box()
    assert said is not None
    assert button is not None
    assert button["y"] >= said["y"] + said["height"]
    assert said["width"] > 200


@pytest.mark.parametrize("secret", ["one", "all", "german"])
def test_no_word_of_an_answer_is_broken_on_a_phone_at_twice_the_size(
    page: Page, address: str, secret: str
) -> None:
    page.set_viewport_size({"width": 195, "height": 422})
    open_form(page, address, secret)
    if secret != "all":
        forward(page)
    broken = page.locator(".option:visible span").evaluate_all(
        """options => options.flatMap(({ firstChild: text }) => [...text.data.matchAll(/\\S+/g)].filter((word) => {
          const range = document.createRange();
          range.setStart(text, word.index);
          range.setEnd(text, word.index + word[0].length);
          return range.getClientRects().length > 1;
        }).map(String))"""
    )
    assert broken == []


def test_wording_in_a_language_from_right_to_left_is_set_so(page: Page, address: str) -> None:
    open_form(page, address, "arabic")
    forward(page)
    options = page.locator(".option")
    places = [options.nth(place).bounding_box() for place in range(3)]
    assert places[0] is not None
    assert places[2] is not None
    assert places[0]["x"] > places[2]["x"]
    expect(page.get_by_role("heading")).to_have_css("direction", "rtl")


@pytest.mark.parametrize("secret", ["one", "all", "long"])
def test_every_target_is_at_least_44_px_and_nothing_runs_out_of_the_screen(
    page: Page, address: str, secret: str
) -> None:
    open_form(page, address, secret)
    if secret != "all":
        forward(page)
    for width, height in ((390, 844), (820, 1180), (1180, 820), (320, 256)):
        page.set_viewport_size({"width": width, "height": height})
        lengths = page.locator("label:visible, button:visible").evaluate_all(
            "found => found.map(each => each.getBoundingClientRect()).map(box => Math.min(box.width, box.height))"
        )
        assert len(lengths) >= 6
        assert min(lengths) >= 44, (width, height)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, height)


def test_no_weight_or_total_is_in_what_a_respondent_gets(page: Page, address: str) -> None:
    open_form(page, address)
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    texts = page.locator(".option").all_inner_texts()
    assert [text.strip() for text in texts if text.strip()][:5] == [
        option.text for option in samples.AGREEMENT
    ]
    shown = page.locator("main").inner_text()
    assert re.findall(r"\d+", shown.replace("1.0.0", "")) == ["1", "6"]


def test_every_chosen_option_looks_alike(page: Page, address: str) -> None:
    open_form(page, address)
    forward(page)
    looks = set()
    for option in samples.AGREEMENT:
        page.get_by_role("radio", name=option.text, exact=True).check()
        page.mouse.move(0, 0)
        chosen = page.locator(".option:has(:checked):visible")
        looks.add(
            chosen.evaluate("e => getComputedStyle(e).backgroundColor + getComputedStyle(e).borderTopColor")
        )
    assert len(looks) == 1


def test_answers_from_a_second_page_of_the_form_are_shown_not_undone(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    forward(page)
    desk.drafts.append({"goal-2": "somewhat"})
    desk.forms["one"] = samples.form(FormMode.ONE, answers={"goal-1": "a-little", "goal-2": "somewhat"})
    page.get_by_role("radio", name="A little").check()
    expect(page.get_by_text("Question 3 of 6")).to_be_visible()
    assert desk.drafts[-1] == {"goal-2": "somewhat", "goal-1": "a-little"}


def test_a_form_with_more_answers_than_its_page_knows_is_looked_over_again(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    desk.forms["one"] = samples.form(FormMode.ONE, answers=ALL_ANSWERED)
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 409))
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text(
        "Answers were given on another page, too. Look them over, then send."
    )
    page.wait_for_timeout(TO_READ)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()


def test_a_form_from_a_worker_of_before_an_upgrade_opens_and_sends_only_what_was_changed(
    page: Page, address: str, desk: Desk
) -> None:
    def answer_as_before(route: Route) -> None:
        form = route.fetch()
        route.fulfill(response=form, body=re.sub(r'data-answers="[^"]*"', "", form.text()))

    page.route("**/fill/form", answer_as_before)
    open_form(page, address, "resumed")
    page.get_by_role("radio", name="A little").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    desk.drafts.append({**desk.drafts[-1], "goal-1": "not-at-all"})  # changed on another page
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {
        "goal-1": "not-at-all",
        "goal-2": None,
        "task-1": "a-little",
        "task-2": "mostly",
    }


@pytest.mark.parametrize("is_offline", [False, True])
def test_a_form_that_another_page_sent_otherwise_before_it_opened_again_is_told_as_not_sent(
    page: Page, address: str, desk: Desk, *, is_offline: bool
) -> None:
    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    held: list[Route] = []
    page.route("**/fill/form", lambda route: held.append(route))
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 409))
    page.get_by_role("button", name="Send").click()
    while not held:
        page.wait_for_timeout(50)
    desk.submissions[:] = [{**ALL_ANSWERED, "goal-1": "a-little"}]  # on another page
    desk.sent.add("one")
    if is_offline:
        held[0].abort()
        page.unroute("**/fill/form")
        page.get_by_role("button", name="Try again").click()
    else:
        held[0].continue_()
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_visible()


def test_an_answer_that_the_network_delivers_too_late_does_not_undo_a_newer_one(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    forward(page)
    with page.expect_request("**/fill/answers") as first:
        page.get_by_role("radio", name="A little").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    again = page.request.put(
        first.value.url, data=first.value.post_data or "", headers=first.value.all_headers()
    )
    assert again.status == 412
    forward(page)
    page.get_by_role("radio", name="Somewhat").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "mostly", "goal-2": "somewhat"}


def lose(route: Route) -> None:
    """Let a request arrive, and its answer be lost."""
    route.fetch()
    route.abort()


ANSWERED_TWICE = (
    "Some questions were answered on another page, too. Those answers count now. What was answered here stands "
    "beneath: take what is right, then send."
)
NOT_SAVED = "Not saved yet: no connection. Keep this page open; it tries again by itself."


@pytest.mark.parametrize("is_sent", [False, True], ids=["kept", "sent"])
def test_what_was_answered_without_connection_does_not_replace_what_another_page_kept_meanwhile(
    page: Page, address: str, desk: Desk, *, is_sent: bool
) -> None:
    open_form(page, address, "asked-all")
    page.context.set_offline(offline=True)
    page.locator("[data-question=goal-1]").get_by_role("radio", name="A little").check()
    expect(page.get_by_role("status")).to_have_text(NOT_SAVED)
    page.locator("[data-question=goal-2]").get_by_role("radio", name="A little").check()
    page.wait_for_timeout(700)  # tried
    if is_sent:
        forward(page)
        page.get_by_role("radio", name="Yes, they may read them").check()
        page.wait_for_timeout(TO_READ)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("alert")).to_contain_text("No connection: the answers are not sent yet.")
        desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 409))
        # What is sent comes through before what is kept by itself.
        page.route("**/fill/answers", lambda route: route.continue_() if desk.tried else route.abort())
    desk.drafts.append({"goal-1": "mostly"})
    desk.forms["asked-all"] = replace(
        desk.forms["asked-all"], answers={"goal-1": "mostly", "goal-2": "a-little"}
    )
    page.context.set_offline(offline=False)
    expect(page.get_by_role("alert")).to_have_text(ANSWERED_TWICE)
    assert desk.drafts[-1] == {"goal-1": "mostly", "goal-2": "a-little"}
    first = page.get_by_role("listitem").first
    expect(first).to_be_focused()
    expect(first).to_contain_text("Mostly")
    expect(page.get_by_text("Answered on this page: A little")).to_have_count(1)
    take = page.get_by_role("button", name="Take this one")
    expect(take).to_have_accessible_description("Answered on this page: A little")
    take.click()
    expect(first).to_be_focused()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "a-little", "goal-2": "a-little"}
    page.wait_for_timeout(TO_READ)
    expect(take).to_have_accessible_description("Answered on another page: Mostly")
    # By what it tried to keep the server tells that another page's answer is none that this one knows.
    known = [{each: set(values) for each, values in tried.items()} for tried in desk.tried]
    one = {None, '"a-little"'}
    assert known == ([{"goal-1": one, "goal-2": one}] if is_sent else [])


def test_an_answer_of_any_kind_that_gave_way_to_another_pages_can_be_taken_again(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "kinds-kept")
    page.get_by_role("button", name="Back", exact=True).click()
    own = {"days": "12", "when": "2026-01-31", "more": "A long text,\nin two lines."}
    page.context.set_offline(offline=True)
    for name, given in own.items():
        page.locator(f"[data-question={name}] [data-field]").fill(given)
    page.locator("[data-question=who]").get_by_role("checkbox", name="Not at all").check()
    page.locator("[data-question=other]").get_by_role("radio", name="Somewhat").check()
    page.locator("[data-question=word]").get_by_role("checkbox", name="I do not want to answer").check()
    expect(page.get_by_role("status")).to_have_text(NOT_SAVED)
    page.wait_for_timeout(1500)  # tried
    others: dict[str, str | list[str] | None] = {
        **samples.KEPT,
        "days": "4",
        "who": ["somewhat"],
        "other": "dull",
        "when": "2026-02-02",
    }
    others |= {"word": "quiet", "more": "Short."}
    desk.drafts.append({**others})
    desk.forms["kinds-kept"] = replace(desk.forms["kinds-kept"], answers=others)
    page.context.set_offline(offline=False)
    expect(page.get_by_role("alert")).to_have_text(ANSWERED_TWICE)
    told = page.locator("[data-own]:visible")
    expect(told).to_have_text(
        [
            f"Answered on this page: {each}"
            for each in (
                "12",
                "Not at all, A little, Somewhat",
                "Somewhat",
                "31 January 2026",
                "I do not want to answer",
                "A long text, in two lines.",
            )
        ]
    )
    assert desk.drafts[-1] == others
    for left in range(6, 0, -1):
        page.get_by_role("listitem").filter(has=told).first.get_by_role("button", name="Take").press("Enter")
        expect(told).to_have_count(left - 1)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    chosen = {"who": ["not-at-all", "a-little", "somewhat"], "other": "somewhat", "word": None}
    assert desk.drafts[-1] == {**samples.KEPT, **own, **chosen}


def test_what_was_taken_in_place_of_another_pages_answer_gives_that_back_when_it_is_declined_no_more(
    page: Page, address: str, desk: Desk
) -> None:
    needed = tuple(replace(each, required=each.link_id == "days") for each in samples.KINDS)
    desk.forms["kinds-kept"] = replace(desk.forms["kinds-kept"], questions=needed)
    open_form(page, address, "kinds-kept")
    page.get_by_role("button", name="Back", exact=True).click()
    page.context.set_offline(offline=True)
    page.locator("[data-question=days] [data-field]").fill("")
    word = page.locator("[data-question=word]")
    word.get_by_role("checkbox", name="I do not want to answer").check()
    expect(page.get_by_role("status")).to_have_text(NOT_SAVED)
    others: dict[str, str | list[str] | None] = {**samples.KEPT, "days": "4", "word": "quiet"}
    desk.drafts.append({**others})
    desk.forms["kinds-kept"] = replace(desk.forms["kinds-kept"], answers=others)
    page.context.set_offline(offline=False)
    # What was emptied here and has to be answered is no answer.
    expect(page.locator("[data-own]:visible")).to_have_text(
        ["Answered on this page: I do not want to answer"]
    )
    page.get_by_role("button", name="Take this one").press("Enter")
    page.get_by_role("button", name="Back", exact=True).click()
    word.get_by_role("checkbox", name="I do not want to answer").uncheck()
    expect(word.locator("[data-field]")).to_have_value("quiet")


def test_of_one_page_on_a_bad_connection_the_newest_answer_is_kept(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "asked-all")

    def choose(question: str, name: str, lost: Callable[[Route], None] | None = None) -> None:
        if lost:
            page.route("**/fill/answers", lost, times=1)
        with page.expect_request("**/fill/answers"):
            page.locator(f"[data-question={question}]").get_by_role("radio", name=name).check()

    choose("goal-1", "A little")
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    choose("goal-2", "Mostly", lose)
    expect(page.get_by_role("status")).to_have_text(NOT_SAVED)
    choose("goal-1", "Completely", lambda route: route.abort())
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "completely", "goal-2": "mostly"}
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_hidden()


def test_ones_own_answer_that_came_without_an_answer_is_replaced_by_a_newer_one(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    forward(page)

    page.route("**/fill/answers", lose, times=1)
    page.get_by_role("radio", name="A little").check()
    expect(page.get_by_role("status")).to_have_text(NOT_SAVED)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "mostly"}
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_was_kept_already_does_not_undo_what_another_page_changed(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    desk.drafts.append({"goal-1": "not-at-all"})  # changed on another page
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "not-at-all", "goal-2": "mostly"}


def test_a_form_says_what_was_changed_since_its_answers_were_kept(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    page.get_by_role("button", name="Change the answer to question 5").click()
    hold_first_keeping(page)
    page.get_by_role("radio", name="Completely").check()
    page.get_by_role("button", name="Back to all answers").click()
    page.wait_for_timeout(500)
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 409))
    desk.forms["one"] = samples.form(FormMode.ONE, answers={**ALL_ANSWERED, "bond-1": "completely"})
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("Answers were given on another page, too.")
    page.wait_for_timeout(TO_READ)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    # What another page changes while it is looked over again is not undone unseen either.
    assert [set(each) for each in desk.changed] == [{"bond-1"}, set()]


def test_what_was_taken_back_once_does_not_take_back_what_another_page_answers(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    forward(page)
    page.get_by_role("checkbox", name="I do not want to answer").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    page.get_by_role("checkbox", name="I do not want to answer").uncheck()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {}
    desk.drafts.append({"goal-1": "not-at-all"})  # on another page
    desk.forms["one"] = samples.form(FormMode.ONE, answers={"goal-1": "not-at-all", "goal-2": "mostly"})
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_text("Question 3 of 6")).to_be_visible()  # opened again, as there is more
    assert desk.drafts[-1] == {"goal-1": "not-at-all", "goal-2": "mostly"}


def test_what_another_page_took_back_is_told(page: Page, address: str, desk: Desk) -> None:
    desk.forms["one"] = samples.form(FormMode.ONE, answers={"goal-1": "mostly"})
    desk.drafts.append({})  # taken back since, on another page
    open_form(page, address)
    desk.forms["one"] = samples.form(FormMode.ONE, answers={"goal-2": "mostly"})
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_text("Question 1 of 6")).to_be_visible()
    assert desk.drafts[-1] == {"goal-2": "mostly"}


def test_what_is_changed_while_a_form_is_sent_is_told_as_not_sent(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    desk.delay = 2
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Change the answer to question 5").click()
    page.get_by_role("radio", name="Completely").check()
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_an_answer_changed_just_before_sending_is_kept_when_there_are_more_from_another_page(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    page.get_by_role("button", name="Change the answer to question 5").click()
    hold_first_keeping(page)
    page.get_by_role("radio", name="Completely").check()
    page.get_by_role("button", name="Back to all answers").click()
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 409))
    page.wait_for_timeout(500)
    desk.forms["one"] = samples.form(FormMode.ONE, answers={**ALL_ANSWERED, "bond-1": "completely"})
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("Answers were given on another page, too.")
    assert desk.drafts[-1] == {**ALL_ANSWERED, "bond-1": "completely"}


def test_a_caregiver_agrees_before_the_form_opens(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/fill#gated")
    expect(page.get_by_role("heading", name="First, something for a caregiver")).to_be_focused()
    expect(page.get_by_text("How are we doing together?")).to_have_count(0)
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_role("alert")).to_have_text("Please confirm each of these first.")
    expect(page.get_by_role("checkbox", name="I am a caregiver")).to_be_focused()
    page.keyboard.press("Space")
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_role("checkbox", name="I may decide this")).to_be_focused()
    assert desk.said == []
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="How are we doing together?")).to_be_focused()
    assert desk.said == [("consent", True)]
    assert desk.stated == [["caregiver", "may-decide"]]


def test_a_caregivers_word_on_a_slow_line_is_told_as_being_sent_and_counts_once(
    own_context: BrowserContext, page: Page, address: str, desk: Desk
) -> None:
    assert own_context == page.context
    held: list[Route] = []

    def waits(number: int) -> bool:
        return len(held) == number

    page.route("**/fill/consent", lambda route: held.append(route))
    page.clock.install()
    page.goto(f"{address}/fill#gated")
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_role("alert")).to_have_text("Please confirm each of these first.")
    for each in page.get_by_role("checkbox").all():
        each.check()
    for sent in (1, 2):  # the first is not heard
        page.get_by_role("button", name="I agree").press("Enter")
        sending = page.get_by_role("button", name="Sending …")
        expect(sending).to_be_focused()
        expect(sending).to_have_attribute("aria-disabled", "true")
        expect(page.get_by_role("alert")).to_have_count(0)
        wait_until(partial(waits, sent), page)
        for name in ("Sending …", "I do not agree"):
            page.get_by_role("button", name=name).dispatch_event("click")
        expect(page.get_by_text("Is that what you want?")).to_be_hidden()
        page.wait_for_timeout(300)
        assert len(held) == sent
        if sent == 1:
            page.clock.run_for(31_000)
            expect(page.get_by_role("alert")).to_have_text("This could not be sent. Please try again.")
    held[1].continue_()
    expect(page.get_by_role("heading", name="How are we doing together?")).to_be_focused()
    assert desk.said == [("consent", True)]


def test_a_caregiver_who_does_not_agree_is_asked_once_more(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/fill#together")
    page.get_by_role("button", name="I do not agree").press("Enter")
    question = page.get_by_text("Is that what you want?")
    expect(question).to_be_focused()
    expect(page.get_by_role("group", name="Is that what you want?")).to_be_visible()
    assert desk.said == []
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="No, go back")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="I do not agree")).to_be_focused()
    expect(question).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="I do not agree")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The form stays closed")).to_be_focused()
    expect(page.get_by_role("link", name="Give the tablet back")).to_be_visible()
    assert desk.said == [("both", False)]


def test_a_caregiver_who_agrees_after_another_refused_is_told_that(
    page: Page, address: str, desk: Desk
) -> None:
    desk.refused_meanwhile = True
    page.goto(f"{address}/fill#gated")
    statements = page.get_by_role("checkbox")
    expect(statements).to_have_count(2)
    for each in statements.all():
        each.check()
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_role("heading", name="The form stays closed")).to_be_focused()
    expect(page.get_by_text("A caregiver did not agree")).to_be_visible()


def test_a_caregiver_who_refused_is_told_that_again_after_a_reload(
    page: Page, address: str, desk: Desk
) -> None:
    page.goto(f"{address}/fill#held-gated")
    page.get_by_role("button", name="I do not agree").click()
    page.wait_for_timeout(700)  # a press at the same place is a new wish only then
    page.get_by_role("button", name="Yes, I do not agree").click()
    for reload in (False, True):
        if reload:
            page.reload()
        expect(page.get_by_role("heading", name="The form stays closed")).to_be_focused()
        expect(page.get_by_text("A caregiver did not agree")).to_be_visible()
        expect(page.get_by_role("link", name="Give the tablet back")).to_have_attribute(
            "href", "/launches/0b8e/return"
        )


@pytest.mark.parametrize(
    ("said", "heading", "why"),
    [
        (None, "The form stays closed", "A caregiver did not agree, and that is all right."),
        ("asked-anew", "A caregiver is asked first", "Nobody did anything wrong."),
    ],
)
def test_a_form_that_a_caregivers_word_closes_says_so_at_the_next_answer_and_sends_none(
    page: Page, address: str, desk: Desk, said: str | None, heading: str, why: str
) -> None:
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if "submit" in request.url else None)
    open_form(page, address, "held")
    forward(page)
    if said:
        headers = {"X-Rapport-Screen": said, "X-Rapport-Return": "/launches/0b8e/return"}
        for path in ("answers", "form"):
            page.route(f"**/fill/{path}", lambda route: route.fulfill(status=410, headers=headers))
    else:
        desk.refused.add("held")
    page.get_by_role("radio", name="Mostly").check()
    for reload in (False, True):
        if reload:
            page.reload()
        expect(page.get_by_role("heading", name=heading)).to_be_focused()
        expect(page.get_by_text(why)).to_be_visible()
        expect(page.get_by_role("link", name="Give the tablet back")).to_be_visible()
    assert posted == []


def test_a_caregiver_who_taps_twice_has_not_refused(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/fill#gated")
    page.get_by_role("button", name="I do not agree").dblclick()
    expect(page.get_by_text("Is that what you want?")).to_be_focused()
    assert desk.said == []


def test_a_caregiver_who_only_comes_later_is_not_asked_again(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/fill#beside")
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_role("heading", name="The form stays closed")).to_be_focused()
    assert desk.said == []


def test_the_way_to_refuse_lies_apart_from_the_one_to_agree(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/fill#gated")
    agree = page.get_by_role("button", name="I agree").bounding_box()
    refuse = page.get_by_role("button", name="I do not agree").bounding_box()
    assert agree
    assert refuse
    assert refuse["y"] - (agree["y"] + agree["height"]) >= 44


def test_the_young_person_decides_about_single_answers_before_sending(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "asked")
    expect(page.get_by_text("Before you send, you decide")).to_be_visible()
    answer_all(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text(
        "Please say first whether your single answers may be read."
    )
    assert desk.submissions == []
    page.get_by_role("radio", name="No, only the result").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.shared == [False]


def test_that_the_choice_is_missing_is_not_said_any_more_once_it_is_made(page: Page, address: str) -> None:
    open_form(page, address, "asked-all")
    forward(page)
    forward(page)
    alert = page.locator("[data-alert]")
    expect(alert).to_have_text("Please say first whether your single answers may be read.")
    page.get_by_role("radio", name="Yes, they may read them").check()
    expect(alert).to_be_empty()


def test_a_result_of_all_together_is_promised_only_where_every_answer_it_needs_is_there(
    page: Page, address: str
) -> None:
    open_form(page, address, "asked-all")
    sharing = page.get_by_role("group", name="May the people who look after you")
    for question in ("goal-1", "goal-2"):
        page.locator(f"[data-question={question}]").get_by_role("radio", name="Mostly").check()
    forward(page)
    expect(sharing).to_contain_text("one result, made of all your answers together. A result")
    sharing.get_by_role("radio", name="No, only the result of all of them together").check()
    page.wait_for_timeout(TO_READ)
    page.get_by_role("button", name="Back").click()
    page.wait_for_timeout(TO_READ)
    page.locator("[data-question=goal-2]").get_by_role("checkbox").check()
    forward(page)
    expect(sharing).to_contain_text(
        "neither your answers nor a result, only that you have answered, but not every question."
    )
    # What was chosen was said to other words.
    expect(sharing.get_by_role("radio", name="No, and no result either")).not_to_be_checked()
    sharing.get_by_role("radio", name="No, and no result either").check()
    page.wait_for_timeout(TO_READ)
    page.get_by_role("button", name="Back").click()
    page.wait_for_timeout(TO_READ)
    page.locator("[data-question=goal-2]").get_by_role("radio", name="Mostly").check()
    forward(page)
    expect(sharing.get_by_role("radio", name="No, only the result")).not_to_be_checked()
    sharing.get_by_role("radio", name="Yes").check()
    page.wait_for_timeout(TO_READ)
    page.get_by_role("button", name="Back").click()
    page.wait_for_timeout(TO_READ)
    page.locator("[data-question=goal-2]").get_by_role("checkbox").check()
    forward(page)
    expect(sharing.get_by_role("radio", name="Yes")).to_be_checked()


@pytest.mark.parametrize("kept", [True, False])
def test_a_result_whose_answer_is_lost_on_the_line_is_shown_when_the_form_is_sent_again(
    page: Page, address: str, *, kept: bool
) -> None:
    open_form(page, address, "told")
    if not kept:  # then what is kept finds that the form has arrived
        page.route("**/fill/answers", lambda route: route.abort(), times=1)
    page.route("**/fill/submit", lose, times=1)
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved." if kept else NOT_SAVED)
    forward(page)
    page.get_by_role("button", name="Send").click()
    if kept:
        page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Total: 16 (0–24)")).to_be_visible()


def test_a_result_is_shown_only_where_it_came_with_the_answer(page: Page, address: str) -> None:
    open_form(page, address, "told")
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    forward(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("listitem")).to_have_text("Total: 16 (0–24)")


def test_a_reason_for_not_answering_is_asked_kept_and_looked_over(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "why")
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_role("radio", name="It does not fit me")).to_be_checked()
    forward(page)
    expect(page.get_by_role("radio", name="I do not know")).to_be_hidden()
    page.get_by_role("checkbox", name="No answer").check()
    page.get_by_role("radio", name="I do not want to answer").check()
    forward(page)
    page.get_by_role("checkbox", name="No answer").check()
    page.get_by_role("radio", name="I do not know").check()
    expect(page.get_by_role("checkbox", name="No answer")).to_be_checked()
    for _ in range(4):
        forward(page)
    said = page.get_by_role("listitem")
    expect(said.nth(0)).to_contain_text("It does not fit me")
    expect(said.nth(1)).to_contain_text("I do not want to answer")
    expect(said.nth(2)).to_contain_text("I do not know")
    forward(page)
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [
        {"goal-1": {"absent": "not-applicable"}, "goal-2": None, "task-1": {"absent": "asked-unknown"}}
    ]


def test_no_reason_for_not_answering_is_chosen_beforehand(page: Page, address: str, desk: Desk) -> None:
    desk.forms["all"] = samples.form(FormMode.ALL, asks_why=True)
    open_form(page, address, "all")
    question = page.locator("[data-question]").first
    reasons = question.get_by_role("group", name="Why there is no answer")
    question.get_by_role("checkbox", name="No answer").check()
    box = reasons.get_by_text("Why there is no answer").bounding_box()
    assert box is not None
    assert box["height"] > 15  # seen, too
    expect(reasons.get_by_role("radio", checked=True)).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": {"absent": "unknown"}}
    reasons.get_by_role("radio", name="I do not know").check()
    question.get_by_role("radio", name="Mostly").check()
    question.get_by_role("checkbox", name="No answer").check()
    expect(reasons.get_by_role("radio", checked=True)).to_have_count(0)
    forward(page)
    expect(page.get_by_role("listitem").first).to_contain_text("No answer")
    forward(page)
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{"goal-1": {"absent": "unknown"}}]


@pytest.mark.parametrize(("kept", "chosen"), [("", 1), ("unknown", 0), ("not-applicable", 1)])
def test_a_form_that_is_opened_again_has_the_reason_that_was_chosen(
    page: Page, address: str, desk: Desk, kept: str, chosen: int
) -> None:
    reasons = {"goal-1": kept} if kept else {}
    desk.forms["all"] = samples.form(FormMode.ALL, asks_why=True, answers={"goal-1": None}, reasons=reasons)
    open_form(page, address, "all")
    page.locator("[data-question]").nth(1).get_by_role("checkbox", name="No answer").check()
    for place, count in ((0, chosen), (1, 0)):
        radios = page.locator("[data-question]").nth(place).locator("[data-why]:checked")
        expect(radios).to_have_count(count)


@pytest.mark.parametrize("status", [429, 502, 503])
@pytest.mark.usefixtures("own_context")
def test_what_the_server_or_its_proxy_could_not_take_just_now_is_sent_by_itself_once_it_can(
    page: Page, address: str, desk: Desk, status: int
) -> None:
    page.clock.install()
    open_form(page, address)
    answer_all(page)
    refusal = "<h1>Bad Gateway</h1>"
    page.route("**/fill/submit", lambda route: route.fulfill(status=status, body=refusal), times=1)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("they are sent by themselves")
    assert desk.submissions == []
    page.clock.run_for(16_000)
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_what_waits_to_be_sent_can_be_tried_again_and_goes_once(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    answer_all(page)
    page.route("**/fill/submit", lambda route: route.abort())
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    page.unroute("**/fill/submit")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(300)
    assert desk.submissions == [ALL_ANSWERED]


def send_and_lose_the_answer(page: Page, address: str) -> None:
    """Send a whole form, which arrives; the page does not hear of it."""

    def arrive_unheard(route: Route) -> None:
        route.fetch()
        route.abort()

    open_form(page, address)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    page.route("**/fill/submit", arrive_unheard)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    page.unroute("**/fill/submit")


def test_what_is_changed_after_a_form_arrived_is_not_told_as_sent(
    page: Page, address: str, desk: Desk
) -> None:
    send_and_lose_the_answer(page, address)
    page.get_by_role("button", name="Change the answer to question 2").click()
    page.get_by_role("radio", name="Not at all").locator("visible=true").check()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_focused()
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_visible()
    expect(page.get_by_text("Tell the person who gave you the form.")).to_be_visible()
    expect(page.get_by_role("link", name="Give the tablet back")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_what_arrived_and_is_sent_again_unchanged_is_told_as_sent(
    page: Page, address: str, desk: Desk
) -> None:
    send_and_lose_the_answer(page, address)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_focused()
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_hidden()
    assert desk.submissions == [ALL_ANSWERED]


def test_nothing_is_sent_by_itself_while_an_answer_is_being_changed(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    page.get_by_role("button", name="Change the answer to question 2").click()
    expect(page.locator("[data-alert]")).to_have_text("")  # it is not sent by itself any more
    page.context.set_offline(False)
    page.wait_for_timeout(500)
    assert desk.submissions == []
    page.get_by_role("button", name="Back to all answers").click()
    page.get_by_role("button", name=re.compile("Send|Try again")).click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_leaving_with_answers_that_are_not_saved_is_asked_about(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address)
    forward(page)
    page.context.set_offline(True)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    page.context.set_offline(False)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"goal-1": "mostly"}


def test_the_browsers_storage_holds_nothing_of_a_form(page: Page, address: str) -> None:
    open_form(page, address)
    page.context.set_offline(True)
    forward(page)
    page.get_by_role("radio", name="Mostly").check()
    page.wait_for_timeout(500)
    kept = page.evaluate(
        "async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,"
        " (await caches?.keys())?.length ?? 0]"
    )
    assert kept == [0, 0, 0, 0]
    page.context.set_offline(False)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")


def test_a_form_that_fills_its_own_window_loads_no_cover(page: Page, address: str) -> None:
    open_form(page, address)
    loaded = page.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
    assert not [each for each in loaded if "cover" in each]


def test_a_caregiver_who_is_not_there_yet_opens_the_link_again_later(
    page: Page, address: str, desk: Desk
) -> None:
    page.goto(f"{address}/fill#beside")
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_text("Open the link again when you are there.")).to_be_visible()
    assert desk.said == []
    page.reload()
    page.get_by_role("checkbox", name="I am a caregiver").check()
    page.get_by_role("checkbox", name="I am with the child now").check()
    page.get_by_role("button", name="I am there").click()
    expect(page.get_by_role("heading", name="How are we doing together?")).to_be_visible()
    assert desk.said == [("together", True)]


def test_amid_a_long_form_one_sees_that_an_answer_is_not_saved(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(f"{address}/fill#all")
    second = page.locator("[data-question]").nth(1)
    expect(second).to_be_visible()
    page.context.set_offline(True)
    second.locator(".option").first.click()
    status = page.get_by_text("Not saved yet: no connection.")
    expect(status).to_be_in_viewport()
    page.context.set_offline(False)
    expect(page.get_by_text("Everything so far is saved.")).to_be_in_viewport()


def test_what_is_pressed_is_not_printed(page: Page, address: str) -> None:
    page.goto(f"{address}/fill#all")
    expect(page.locator("[data-form]")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Help with reading and answering")).to_be_hidden()
    expect(page.get_by_role("button", name="Look over")).to_be_hidden()


def test_a_printed_form_keeps_a_question_and_its_options_together(page: Page, address: str) -> None:
    page.goto(f"{address}/fill#all")
    expect(page.locator("[data-form]")).to_be_visible()
    page.emulate_media(media="print")
    kept = page.locator(".question").evaluate_all(
        "all => all.map((each) => getComputedStyle(each).breakInside)"
    )
    assert set(kept) == {"avoid"}
    # A grid around what is kept together would not grow with it: what comes after would cover its end.
    assert page.locator(".form").evaluate("form => getComputedStyle(form).display") == "block"


def test_what_the_server_says_is_asked_for_again_if_it_breaks_off(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    for path in ("answers", "submit"):
        page.route(f"**/fill/{path}", lambda route: route.fulfill(body="{"), times=1)
    answer_all(page)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [ALL_ANSWERED]


def test_what_could_not_be_sent_is_not_sent_by_itself_while_an_answer_is_being_changed(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    answer_all(page)
    held: list[Route] = []
    page.route("**/fill/submit", lambda route: held.append(route))
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Change the answer to question 2").click()
    page.wait_for_timeout(100)
    waiting(held, 1, page).abort()
    expect(page.get_by_role("alert")).to_contain_text("could not be sent just now")
    page.unroute("**/fill/submit")
    expect(page.get_by_role("button", name="Back to all answers")).not_to_be_focused()
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(300)
    assert desk.submissions == []


def test_what_came_too_late_is_told_as_that_once_there_is_a_connection_again(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    forward(page)
    desk.sent.add("one")  # on another page
    page.route("**/fill/submit", lambda route: route.abort(), times=1)
    page.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_role("heading", name="No connection")).to_be_focused()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_visible()


@pytest.mark.parametrize("kept", [True, False])
def test_answers_that_are_taken_back_after_a_form_was_sent_elsewhere_are_told_as_not_sent(
    page: Page, address: str, desk: Desk, *, kept: bool
) -> None:
    desk.forms["one"] = samples.form(FormMode.ONE, questions=samples.QUESTIONS[:1], answers={"goal-1": None})
    open_form(page, address)
    page.get_by_role("button", name="Change the answer to question 1").click()
    declined = page.get_by_role("checkbox", name="I do not want to answer")
    if kept:
        declined.uncheck()
        expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
        forward(page)
    desk.submissions.append({"goal-1": None})  # on another page
    desk.sent.add("one")
    if kept:
        page.get_by_role("button", name="Send").click()
    else:
        declined.uncheck()
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_visible()


def test_another_decision_about_single_answers_while_a_form_is_sent_is_told_as_not_sent(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "asked")
    answer_all(page)
    page.get_by_role("radio", name="Yes, they may read them").check()
    desk.delay = 1
    page.get_by_role("button", name="Send").click()
    page.get_by_role("radio", name="No, only the result").check()
    expect(page.get_by_text("What you changed after that was not sent.")).to_be_visible()
    assert desk.shared == [True]


def test_a_form_does_not_open_itself_again_while_an_answer_is_chosen_by_keys(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address)
    forward(page)
    kept = {"goal-1": "a-little", "goal-2": "somewhat"}
    desk.drafts.append({"goal-2": "somewhat"})  # on another page
    desk.forms["one"] = samples.form(FormMode.ONE, answers=kept)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    status = page.get_by_role("status")
    expect(status).to_have_text("Everything so far is saved.")
    page.keyboard.press("ArrowDown")
    expect(status).to_have_text("Everything so far is saved.")
    expect(page.get_by_role("radio", name="A little")).to_be_focused()
    assert desk.drafts[-1] == kept
    for _ in ("decline", "back", "next"):
        page.keyboard.press("Tab")
    expect(page.get_by_text("Question 3 of 6")).to_be_visible()


@pytest.mark.parametrize("secret", ["all", "one", "arabic-all"])
@pytest.mark.parametrize("size", [(1024, 768), (390, 780)])
def test_while_answers_are_looked_over_send_is_in_sight_and_the_last_of_them_can_be_seen(
    page: Page, address: str, size: tuple[int, int], secret: str
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_form(page, address, secret)
    while not page.locator("[data-review]").is_visible():
        page.locator("[data-option]:visible, [data-forward]").first.press("Space")
        forward(page)
    expect(page.get_by_text("Everything so far is saved.")).to_be_in_viewport(ratio=1)
    for name in ("Back", "Send"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport(ratio=1)
    last = page.get_by_role("button", name="Change the answer").last
    last.focus()
    bar, box = page.locator(".foot").bounding_box(), last.bounding_box()
    assert bar is not None
    assert box is not None
    assert box["y"] + box["height"] < bar["y"]


# Each option in turn gets the focus, to the last and back: those whose label, with its ring, does not stand in sight above
# whatever stands over the page.
OUT_OF_SIGHT = """async () => {
    const options = [...document.querySelectorAll("[data-option]")], found = [];
    document.activeElement.blur();
    for (const option of [...options, ...options.toReversed()]) {
        option.focus();
        await new Promise(requestAnimationFrame);
        const { top, bottom } = document.activeElement.closest("label").getBoundingClientRect();
        const status = document.querySelector("[data-status]");
        const edge = getComputedStyle(status).position === "sticky" && status.textContent
            ? status.getBoundingClientRect().top : innerHeight;
        if (document.activeElement !== option || top < 5 || bottom + 5 > edge) found.push(option.id);
    }
    return [options.length, found];
}"""


@pytest.mark.parametrize("kept", [False, True])
def test_an_option_that_gets_the_focus_is_seen_whole(page: Page, address: str, *, kept: bool) -> None:
    open_form(page, address, "all")
    if kept:
        page.locator("[data-option]").first.check()
        expect(page.get_by_text("Everything so far is saved.")).not_to_be_empty()
    for width, height in ((1024, 768), (390, 780), (590, 410), (320, 568)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(OUT_OF_SIGHT) == [30, []], (width, height)


@pytest.mark.parametrize("size", [(590, 410), (320, 568)])
def test_on_a_small_screen_nothing_stands_over_an_answer(
    page: Page, address: str, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_form(page, address, "all")
    page.locator("[data-option]").first.check()
    expect(page.locator("[data-status]")).not_to_be_empty()
    expect(page.locator("[data-status]")).to_have_css("position", "static")
    forward(page)
    expect(page.locator(".foot")).to_have_css("display", "contents")
