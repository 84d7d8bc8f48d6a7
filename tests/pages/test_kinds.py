"""Every usual kind of question in a real browser: answered, taken back, conditional, kept."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, Route, expect

from plugin.pages import FormMode
from tests.pages import samples
from tests.pages.serving import Desk
from tests.pages.test_lines import waiting

pytestmark = pytest.mark.browser


def open_form(page: Page, address: str, secret: str) -> None:
    page.goto(f"{address}/fill#{secret}")
    expect(page.locator("[data-form]")).to_be_visible()


def forward(page: Page) -> None:
    page.locator("[data-forward]").click()


def test_every_kind_is_answered_and_sent(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "kinds")
    page.get_by_role("radio", name="Yes").check()
    page.get_by_label("For how many days?").fill("3")
    page.get_by_role("checkbox", name="A little").check()
    page.get_by_role("checkbox", name="Somewhat").check()
    page.get_by_role("radio", name="Not at all").check()
    page.get_by_label("Another answer").fill("like a fair")
    page.get_by_label("When?").fill("2026-02-01")
    page.get_by_label("At what time?").fill("09:30")
    page.get_by_label("One word for it?").fill("loud")
    page.get_by_label("What else?").fill("Two lines:\nhere.")
    page.get_by_label("Whom did you meet?").fill("Ann\n\n Bo ")
    forward(page)
    expect(page.locator("[data-list]")).to_contain_text("A little, Somewhat")
    expect(page.locator("[data-list]")).to_contain_text("like a fair")
    expect(page.locator("[data-list]")).to_contain_text("1 February 2026")
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert desk.submissions == [samples.KEPT]


def test_what_was_kept_stands_there_again(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "kinds-kept")
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert desk.submissions == [samples.KEPT]


def test_a_question_appears_with_the_answer_that_asks_for_it_and_goes_with_it(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "kinds")
    days = page.get_by_label("For how many days?")
    expect(days).to_be_hidden()
    page.get_by_role("radio", name="Yes").check()
    days.fill("3")
    page.get_by_role("radio", name="No", exact=True).check()
    expect(days).to_be_hidden()
    forward(page)
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert desk.submissions == [{"away": "false"}]


def test_a_whole_form_says_how_many_of_the_asked_questions_have_an_answer(page: Page, address: str) -> None:
    open_form(page, address, "kinds")
    told, bar = page.locator("[data-progress-words]"), page.locator("[data-progress-bar]")
    expect(told).to_have_text("0 of 8 answered")
    page.get_by_role("radio", name="Yes").check()
    expect(told).to_have_text("1 of 9 answered")  # one question more is asked
    page.get_by_label("For how many days?").fill("3")
    page.get_by_label("One word for it?").fill("loud")
    expect(told).to_have_text("3 of 9 answered")
    assert bar.evaluate("bar => [bar.value, bar.max]") == [3, 9]
    page.get_by_role("radio", name="No", exact=True).check()
    expect(told).to_have_text("2 of 8 answered")
    page.locator("[data-decline]:visible").last.check()  # is dealt with
    expect(told).to_have_text("3 of 8 answered")
    page.locator("[data-decline]:visible").last.uncheck()
    expect(told).to_have_text("2 of 8 answered")
    assert told.evaluate("told => told.closest('[aria-live], [role=status], [role=alert]')") is None
    forward(page)
    expect(told).to_be_hidden()
    page.get_by_role("button", name="Answer everything again").click()
    page.get_by_role("button", name="Yes, start again").click()
    expect(told).to_have_text("0 of 8 answered")
    expect(told).to_be_visible()


def test_what_was_answered_before_counts_in_a_whole_form(page: Page, address: str, desk: Desk) -> None:
    desk.forms["kinds"] = samples.form(
        FormMode.ALL, questions=samples.KINDS, answers={"away": "false", "word": None}
    )
    open_form(page, address, "kinds")
    expect(page.locator("[data-progress-words]")).to_have_text("2 of 8 answered")


COVERED = """() => {
  const bar = document.querySelector("[data-progress]").getBoundingClientRect();
  const focused = document.activeElement.getBoundingClientRect();
  return focused.top < bar.bottom && focused.bottom > bar.top ? [document.activeElement.outerHTML] : [];
}"""


@pytest.mark.parametrize(
    ("width", "height", "stays"), [(820, 1180, True), (590, 410, False), (390, 844, False)]
)
def test_how_much_is_answered_stays_in_sight_only_where_it_covers_nothing(
    page: Page, address: str, width: int, height: int, *, stays: bool
) -> None:
    # 590 x 410: a tablet at 200 %
    page.set_viewport_size({"width": width, "height": height})
    open_form(page, address, "kinds")
    told = page.locator("[data-progress]")
    expect(told).to_be_in_viewport()
    covered: list[str] = []
    first, last = page.locator("[data-option]").first, page.locator("[data-load]")
    for key, end in (("Tab", last), ("Shift+Tab", first)):
        while not end.evaluate("each => each === document.activeElement"):
            page.keyboard.press(key)
            covered += page.evaluate(COVERED)
    assert covered == []
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    if stays:
        expect(told).to_be_in_viewport()
    else:
        expect(told).not_to_be_in_viewport()


def test_one_by_one_by_keyboard_a_question_that_is_not_asked_is_passed_over(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "kinds-one")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Have you been away?")).to_be_focused()
    expect(page.locator("[data-progress-words]")).to_have_text("Question 1 of 8")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="Yes")).to_be_checked()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")  # back
    page.keyboard.press("Tab")  # next
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Who was with you?")).to_be_focused()
    expect(page.get_by_text("About your time away")).to_be_visible()
    page.locator("[data-back]").click()
    expect(page.get_by_role("heading", name="Have you been away?")).to_be_focused()


def test_what_is_asked_and_needed_and_missing_is_marked(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "kinds")
    page.get_by_role("radio", name="Yes").check()
    forward(page)
    forward(page)
    expect(page.locator("[data-error]", has_text="This question needs an answer.")).to_have_count(1)
    assert desk.submissions == []


def test_declining_takes_every_kind_of_answer_back(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "kinds-kept")
    page.locator("[data-back]").click()
    for box in page.locator("[data-decline]:visible").all():
        box.press("Space")
    forward(page)
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    declined = {each.link_id: None for each in samples.KINDS if not each.required}
    assert desk.submissions == [{"away": "true", "days": "3", **declined}]


def test_words_are_kept_while_they_are_typed(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "kinds")
    page.get_by_label("What else?").press_sequentially("We spoke about")
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"more": "We spoke about"}
    expect(page.get_by_label("What else?")).to_be_focused()


def test_words_of_any_length_are_kept_and_sent(page: Page, address: str, desk: Desk) -> None:
    # A browser lets requests of 64 KB in all outlive their page, and refuses larger ones that ask for it.
    long = "\N{GRINNING FACE}" * 5000
    open_form(page, address, "kinds")
    page.get_by_role("radio", name="No", exact=True).check()
    for label in ("One word for it?", "What else?", "Another answer", "Whom did you meet?"):
        page.get_by_label(label).fill(long)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    forward(page)
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert list(desk.submissions[0].values()).count(long) == 3
    assert [long] in desk.submissions[0].values()


def test_what_is_asked_again_is_kept_again(page: Page, address: str, desk: Desk) -> None:
    open_form(page, address, "kinds")
    page.get_by_role("radio", name="Yes").check()
    page.get_by_label("For how many days?").fill("3")
    saved = page.get_by_role("status")
    expect(saved).to_have_text("Everything so far is saved.")
    for answer in ("No", "Yes"):
        page.get_by_role("radio", name=answer, exact=True).check()
        expect(saved).to_have_text("Everything so far is saved.")
    assert desk.drafts[-1] == {"away": "true", "days": "3"}


def test_words_that_are_being_typed_are_kept_before_a_form_is_opened_again(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "kinds")
    desk.drafts.append({"word": "loud"})  # on another page
    desk.forms["kinds"] = samples.form(FormMode.ALL, questions=samples.KINDS, answers={"word": "loud"})
    page.get_by_role("radio", name="No", exact=True).check()
    words = page.get_by_label("What else?")
    words.press_sequentially("We sp", delay=20)
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    words.press_sequentially("oke", delay=20)
    expect(words).to_have_value("We spoke")
    words.blur()
    expect(page.get_by_label("One word for it?")).to_have_value("loud")
    assert desk.drafts[-1] == {"away": "false", "word": "loud", "more": "We spoke"}


def test_ones_own_words_beside_several_options_stand_there_again(
    page: Page, address: str, desk: Desk
) -> None:
    several = [
        replace(each, open=True) if each.link_id == "who" else replace(each, required=False)
        for each in samples.KINDS
    ]
    kept = {"who": ["somewhat", "my uncle"]}
    desk.forms["kinds"] = samples.form(FormMode.ALL, questions=tuple(several), answers=kept)
    open_form(page, address, "kinds")
    expect(page.get_by_label("Another answer").first).to_have_value("my uncle")
    forward(page)
    # It comes in a file of its own, and moves what is below it.
    expect(page.get_by_role("button", name="Answer everything again")).to_be_visible()
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert desk.submissions == [kept]


def test_words_that_are_being_typed_while_a_form_is_refused_are_kept_before_it_is_opened_again(
    page: Page, address: str, desk: Desk
) -> None:
    open_form(page, address, "kinds")
    page.get_by_role("radio", name="No", exact=True).check()
    expect(page.get_by_role("status")).to_have_text("Everything so far is saved.")
    forward(page)
    held: list[Route] = []
    page.route("**/fill/submit", lambda route: held.append(route))
    forward(page)
    page.locator("[data-list] li", has_text="What else?").get_by_role("button").click()
    words = page.get_by_label("What else?")
    words.press_sequentially("We sp")
    kept = {"away": "false", "more": "We spoke"}
    desk.forms["kinds"] = replace(desk.forms["kinds"], answers=kept)
    waiting(held, 1, page).fulfill(status=409, body="{}")
    page.wait_for_timeout(100)
    words.press_sequentially("oke", delay=20)
    expect(words).to_have_value("We spoke")
    words.blur()
    expect(page.get_by_role("alert")).to_contain_text("Answers were given on another page, too.")
    assert desk.drafts[-1] == kept
