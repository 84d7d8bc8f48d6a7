"""What people type into a form: a long word, a number that is none, characters that cannot be sent, too much of it."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from starlette.responses import JSONResponse

from plugin.pages import FormMode
from tests.pages import samples
from tests.pages.serving import Desk
from tests.pages.test_lines import wait_until

pytestmark = pytest.mark.browser

SAVED = "Everything so far is saved."
BY_ID = {each.link_id: each for each in samples.KINDS}


def open_form(page: Page, address: str, secret: str) -> None:
    page.goto(f"{address}/fill#{secret}")
    expect(page.locator("[data-form]")).to_be_visible()


def forward(page: Page) -> None:
    page.locator("[data-forward]").click()


def show(desk: Desk, *link_ids: str, mode: FormMode = FormMode.ALL, **changes: object) -> None:
    questions = tuple(replace(BY_ID[each], conditions=(), required=False) for each in link_ids)
    desk.forms["typed"] = samples.form(mode, **{"questions": questions, **changes})


def width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_a_long_word_stays_on_the_page_where_answers_are_looked_over(
    page: Page, address: str, desk: Desk
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    show(desk, "word", "more", answers={"word": samples.LONG_WORD, "more": samples.LONG_WORD})
    open_form(page, address, "typed")
    assert width(page) == 360
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()
    assert width(page) == 360
    for change in page.get_by_role("button", name="Change").all():
        box = change.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 360
    page.get_by_role("button", name="Back").click()
    words = page.get_by_label("What else?")
    assert words.evaluate("words => words.scrollWidth <= words.clientWidth")


def test_a_long_word_stays_on_the_page_of_a_response(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}/response-written")
    expect(page.get_by_text(samples.LONG_WORD)).to_have_count(1)
    assert width(page) == 360


def test_a_number_that_cannot_be_read_is_told_and_holds_the_way_to_the_end(
    page: Page, address: str, desk: Desk
) -> None:
    show(desk, "days", "word", answers={"days": "3", "word": "loud"})
    open_form(page, address, "typed")
    page.get_by_role("button", name="Back").click()
    days = page.get_by_label("For how many days?")
    days.press("End")
    days.press_sequentially("-2")
    days.press("Tab")
    error = page.locator("[data-error]", has_text="Give a whole number.")
    expect(error).to_be_visible()
    page.get_by_label("One word for it?").fill("quiet")
    page.get_by_label("One word for it?").press("Tab")
    expect(page.locator("[data-status]")).to_have_text("")
    assert desk.drafts[-1] == {"days": "3", "word": "quiet"}
    forward(page)
    expect(page.get_by_role("alert")).to_have_text("Give a whole number.")
    expect(page.get_by_role("heading", name="For how many days?")).to_be_focused()
    expect(days).to_have_attribute("aria-invalid", "true")
    expect(days).to_have_accessible_description(
        "Give a whole number. Give a whole number."
    )  # before, and now
    days.fill("4")
    expect(error).to_be_hidden()
    expect(page.locator("[aria-invalid]")).to_have_count(0)
    expect(days).to_have_accessible_description("Give a whole number.")
    expect(page.get_by_role("status")).to_have_text(SAVED)
    forward(page)
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert desk.submissions == [{"days": "4", "word": "quiet"}]


@pytest.mark.parametrize(
    ("mode", "by"), [(FormMode.ALL, "mouse"), (FormMode.ALL, "finger"), (FormMode.ONE, "mouse")]
)
def test_the_first_press_after_a_marked_number_was_mended_counts(
    browser: Browser, address: str, desk: Desk, mode: FormMode, by: str
) -> None:
    """The line that goes lets the button move up, from under what presses it."""
    by_finger = by == "finger"
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, is_mobile=by_finger, has_touch=by_finger
    )
    page = context.new_page()
    days = replace(BY_ID["days"], conditions=(), required=False, low=Decimal(0), high=Decimal(24))
    show(desk, questions=(days,), mode=mode)
    begun = datetime(2026, 3, 2, 10, 0)  # noqa: DTZ001 -- the browser's own zone
    page.clock.install(time=begun)
    open_form(page, address, "typed")
    if mode is FormMode.ONE:
        forward(page)
    field = page.get_by_role("textbox", name="For how many days?")
    field.fill("30")
    forward(page)
    expect(page.get_by_role("alert")).to_have_text("Give a whole number from 0 to 24.")
    page.clock.pause_at(
        begun + timedelta(hours=1)
    )  # else the line goes by itself, of whoever waits before pressing
    field.press("Control+a")
    field.press_sequentially("8")
    button = page.locator("[data-forward]")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box is not None
    place = (box["x"] + box["width"] / 2, box["y"] + box["height"] - 4)
    if by_finger:
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)
    page.clock.resume()
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()
    expect(page.locator("[data-alert], [data-error]")).to_have_text(["", ""])
    context.close()


@pytest.mark.parametrize(
    ("language", "typed_and_shown", "kept"),
    [
        (
            "en",
            {
                "١٢": "12",
                "۱۲": "12",
                "१२": "12",
                "2,5": "2.5",
                "-٢٫٥": "-2.5",
                "007": "7",
                " ,5 ": "0.5",
                ".50": "0.50",
                "0,500": "0.500",
                "1234,567": "1234.567",
                "-0": "0",
                "8.500": "8.500",
            },
            "8.500",
        ),
        ("de", {"8.5": "8,5", "\u2212 0,0": "0,0", "8,500": "8,500"}, "8.500"),
        ("ar-EG", {"٨٫٥٠٠": "8٫500"}, "8.500"),
    ],
)
def test_a_number_is_read_in_the_digits_of_any_script_and_looked_over_as_it_was_read(
    page: Page, address: str, desk: Desk, language: str, typed_and_shown: dict[str, str], kept: str
) -> None:
    days = replace(BY_ID["days"], conditions=(), required=False, whole=False)
    show(desk, questions=(days,), language=language)
    open_form(page, address, "typed")
    field = page.locator("[data-number]")
    looked_over = page.get_by_role("listitem").locator("b")
    for typed, shown in typed_and_shown.items():
        field.fill(typed)
        forward(page)
        expect(looked_over).to_have_text(shown)
        expect(field).to_have_value(typed)
        page.locator("[data-back]").click()
    field.press("Tab")
    wait_until(lambda: bool(desk.drafts) and desk.drafts[-1] == {"days": kept}, page)
    show(desk, questions=(days,), language=language, answers={"days": kept})
    page.reload()
    expect(page.locator("[data-form]")).to_be_visible()
    expect(field).to_have_value(shown)
    expect(looked_over).to_have_text(shown)


@pytest.mark.parametrize(
    ("language", "typed_and_told"),
    [
        (
            "en",
            {
                "8,500": "Is it 8500 or 8.5? Write it without marks between thousands.",
                "-12,345": "Is it -12345 or -12.345? Write it without marks between thousands.",
                "1,234.50": "Write it without marks between thousands: 1234.50.",
                "1,234,567": "Write it without marks between thousands: 1234567.",
                "1,00,000": "Write it without marks between thousands: 100000.",
                "8 500": "Write it without marks between thousands: 8500.",
                "8\u202f500": "Write it without marks between thousands: 8500.",
                "8’500": "Write it without marks between thousands: 8500.",
                "2 5": "Give a number from -50000 to 2000000.",
                "9,000,000": "Give a number from -50000 to 2000000.",
            },
        ),
        (
            "de",
            {
                "8.500": "Ist 8500 gemeint oder 8,5? Bitte ohne Zeichen zwischen den Tausendern schreiben.",
                "1.234,5": "Bitte ohne Zeichen zwischen den Tausendern schreiben: 1234,5.",
            },
        ),
    ],
)
def test_a_number_with_marks_between_thousands_is_not_guessed_at(
    page: Page, address: str, desk: Desk, language: str, typed_and_told: dict[str, str]
) -> None:
    money = replace(BY_ID["days"], conditions=(), low=Decimal(-50000), high=Decimal(2000000), whole=False)
    show(desk, questions=(money,), language=language)
    open_form(page, address, "typed")
    for typed, told in typed_and_told.items():
        page.locator("[data-number]").fill(typed)
        page.locator("[data-number]").press("Tab")
        expect(page.locator("[data-error]")).to_have_text(told)
    forward(page)
    expect(page.locator("[data-review]")).to_be_hidden()
    assert not any(desk.drafts)


@pytest.mark.parametrize(
    ("high", "places", "told"),
    [
        (20000, 2, "Write it without marks between thousands: 8512."),
        (10, 3, "Write it without marks between thousands: 8.512."),
        (10, 2, "Give a number from 0 to 10. At most 2 digits after the point."),
    ],
)
def test_of_a_number_that_can_be_read_in_two_ways_only_what_the_form_takes_is_offered(
    page: Page, address: str, desk: Desk, high: int, places: int, told: str
) -> None:
    number = replace(
        BY_ID["days"], conditions=(), low=Decimal(0), high=Decimal(high), whole=False, places=places
    )
    show(desk, questions=(number,))
    open_form(page, address, "typed")
    page.locator("[data-number]").fill("8,512")
    page.locator("[data-number]").press("Tab")
    expect(page.locator("[data-error]")).to_have_text(told)
    if (offered := told.partition("thousands: ")[2].removesuffix(".")) != "":
        page.locator("[data-number]").fill(offered)
        page.locator("[data-number]").press("Tab")
        wait_until(lambda: desk.drafts == [{"days": offered}], page)


@pytest.mark.parametrize(
    ("low", "high", "whole", "off", "told"),
    [
        (Decimal(0), Decimal(10), True, "11", "Give a whole number from 0 to 10."),
        (Decimal(0), Decimal(10), True, "2,5", "Give a whole number from 0 to 10."),
        (Decimal(-5), None, False, "-5,5", "Give a number, -5 or more."),
        (None, Decimal("9.5"), False, "9.6", "Give a number, 9.5 or less. At most 1 digit after the point."),
        (None, Decimal("9.5"), False, "8,55", "Give a number, 9.5 or less. At most 1 digit after the point."),
    ],
)
def test_a_number_that_the_form_does_not_take_is_told_at_its_field(
    page: Page,
    address: str,
    desk: Desk,
    low: Decimal | None,
    high: Decimal | None,
    whole: bool,
    off: str,
    told: str,
) -> None:
    days = replace(BY_ID["days"], conditions=(), low=low, high=high, whole=whole)
    days = replace(days, places=1 if high == Decimal("9.5") else None)
    show(desk, questions=(days, BY_ID["word"]))
    open_form(page, address, "typed")
    field = page.get_by_role("textbox", name="For how many days?")
    field.fill("3")
    expect(page.get_by_role("status")).to_have_text(SAVED)
    field.fill(off)
    field.press("Tab")
    expect(page.locator("[data-error]", has_text=told)).to_be_visible()
    forward(page)
    expect(page.get_by_role("alert")).to_have_text(told)
    for end in (low, high):
        if end is not None:
            field.fill(str(end))
            expect(page.locator("[data-error]", has_text=told)).to_be_hidden()
            wait_until(lambda kept={"days": str(end)}: desk.drafts[-1] == kept, page)  # type: ignore[misc] # a lambda's default has no declared type
    expect(page.locator("[data-review]")).to_be_hidden()


def test_a_day_without_its_year_is_told_and_not_taken_for_no_answer(
    page: Page, address: str, desk: Desk
) -> None:
    show(desk, "word", "when", mode=FormMode.ONE)
    open_form(page, address, "typed")
    forward(page)
    forward(page)
    page.get_by_label("When?").press_sequentially("0304")
    forward(page)
    told = "Give day, month and year of a day that the calendar has."
    expect(page.locator("[data-error]", has_text=told)).to_be_visible()
    expect(page.get_by_role("heading", name="When?")).to_be_focused()
    expect(page.get_by_role("alert")).to_have_text(told)
    page.get_by_role("button", name="Back").click()
    expect(page.locator("[data-alert]")).to_have_text("")  # nothing is marked here
    forward(page)
    page.get_by_role("checkbox", name="I do not want to answer").check()  # is another way on
    expect(page.locator("[data-error]:visible")).to_have_count(0)
    forward(page)
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()


def test_a_day_that_the_form_does_not_take_is_told_at_its_field(page: Page, address: str, desk: Desk) -> None:
    soon = replace(BY_ID["when"], link_id="soon", text="How soon?", first=date(2026, 3, 1))
    show(desk, questions=(BY_ID["when"], soon))
    open_form(page, address, "typed")
    for label, off, told in (
        ("When?", "0020-02-02", "Give a day from 1 Jan 1800 to 31 Dec 2200."),
        ("When?", "2201-01-01", "Give a day from 1 Jan 1800 to 31 Dec 2200."),
        ("How soon?", "2026-02-28", "Give a day from 1 Mar 2026 to 31 Dec 2200."),
    ):
        field, error = page.get_by_label(label), page.locator("[data-error]", has_text=told)
        field.fill(off)
        field.press("Tab")
        field.blur()
        expect(error).to_be_visible()
        forward(page)
        expect(page.get_by_role("alert")).to_have_text(told)
        field.fill("2026-03-01")
        expect(error).to_be_hidden()
    expect(page.get_by_label("How soon?")).to_have_accessible_description(told)
    expect(page.get_by_label("When?")).to_have_accessible_description("")
    forward(page)
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert desk.submissions == [{"when": "2026-03-01", "soon": "2026-03-01"}]
    assert all(each.get("when", "2026-03-01") == "2026-03-01" for each in desk.drafts)


def test_characters_that_nobody_sees_are_taken_out_as_they_are_pasted(
    page: Page, address: str, desk: Desk
) -> None:
    show(desk, "word", "more")
    open_form(page, address, "typed")
    for label in ("One word for it?", "What else?"):
        page.get_by_label(label).focus()
        page.keyboard.insert_text("From a\vslide\x07\x1f,\ttoo")
    expect(page.get_by_label("What else?")).to_have_value("From a slide,\ttoo")
    page.keyboard.press("Tab")
    expect(page.get_by_role("status")).to_have_text(SAVED)
    assert desk.drafts[-1] == {"word": "From a slide,\ttoo", "more": "From a slide,\ttoo"}


def test_what_was_kept_with_such_a_character_can_be_sent(page: Page, address: str, desk: Desk) -> None:
    show(desk, "more", answers={"more": "From a\vslide"})
    open_form(page, address, "typed")
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert desk.submissions == [{"more": "From a slide"}]


def test_questions_are_numbered_as_they_are_asked(page: Page, address: str) -> None:
    open_form(page, address, "kinds")
    counts = page.locator(".count:visible")
    expect(counts).to_have_text([str(each) for each in range(1, 9)])
    page.get_by_role("radio", name="Yes").check()
    expect(counts).to_have_text([str(each) for each in range(1, 10)])
    page.get_by_role("radio", name="No", exact=True).check()
    shown = page.locator("fieldset", has_text="When?").last.locator(".count").inner_text()
    forward(page)
    button = page.locator("[data-list] li", has_text="When?").get_by_role("button")
    expect(button).to_have_accessible_name(f"Change the answer to question {shown}")


def test_a_form_opens_itself_again_when_it_is_asked_since_who_may_read_it(
    page: Page, address: str, desk: Desk
) -> None:
    show(desk, "word", "more")
    open_form(page, address, "typed")
    page.get_by_label("One word for it?").fill("loud")
    forward(page)
    desk.forms["typed"] = replace(desk.forms["typed"], asks_sharing=True, answers={"word": "loud"})
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 422))
    forward(page)
    told = page.get_by_text("Please say first whether your single answers may be read.")
    expect(told).to_be_visible()
    page.get_by_role("radio", name="Yes, they may read them").check()
    expect(told).to_be_hidden()
    forward(page)
    expect(page.get_by_role("heading", name="Thank you. Your answers are saved.")).to_be_visible()
    assert (desk.submissions[-1], desk.shared[-1]) == ({"word": "loud"}, True)


def test_answers_from_another_page_are_told_where_all_are_looked_over(
    page: Page, address: str, desk: Desk
) -> None:
    show(desk, "word", "more")
    open_form(page, address, "typed")
    page.get_by_label("One word for it?").fill("loud")
    forward(page)
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 409))
    desk.forms["typed"] = replace(desk.forms["typed"], answers={"word": "loud"})  # it was kept
    forward(page)
    expect(page.get_by_role("alert")).to_contain_text("Answers were given on another page, too.")
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_focused()


def test_help_that_does_not_come_says_that_there_is_no_connection(page: Page, address: str) -> None:
    open_form(page, address, "all")
    page.context.set_offline(True)
    help_ = page.get_by_role("button", name="Help with reading and answering")
    help_.click()
    expect(page.get_by_role("alert")).to_have_text(
        "No connection: this help cannot come just now. Please press again later."
    )
    page.context.set_offline(False)
    help_.click()
    expect(page.get_by_role("button", name="Two keys: stop at every answer")).to_be_visible()
    expect(page.locator("[data-alert]")).to_have_text("")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (413, "Not saved: this is too long. Please write less."),
        (403, "Not saved yet. Keep this page open; it tries again by itself."),
    ],
)
def test_why_answers_are_not_kept_is_told_as_it_is(page: Page, address: str, status: int, told: str) -> None:
    open_form(page, address, "kinds")
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=status, body="{}")

    page.route("**/fill/answers", refuse)
    page.get_by_label("What else?").fill("too much")
    page.get_by_label("What else?").press("Tab")
    expect(page.get_by_role("status")).to_have_text(told)
    page.wait_for_timeout(1500)
    assert (len(asked) > 1) is (status != 413)  # what is too long stays so


def test_what_is_too_long_to_be_sent_is_told(page: Page, address: str, desk: Desk) -> None:
    show(desk, "word")
    open_form(page, address, "typed")
    forward(page)
    desk.refusals.append(JSONResponse({}, 413))
    forward(page)
    expect(page.get_by_role("alert")).to_have_text("Not saved: this is too long. Please write less.")


def test_what_is_longer_than_a_form_takes_is_kept_and_told_and_not_sent(
    page: Page, address: str, desk: Desk
) -> None:
    questions = [replace(BY_ID[each], longest=5) for each in ("word", "more", "other", "names")]
    show(desk, questions=(*questions, replace(BY_ID["word"], link_id="essay", text="Essay?", longest=4000)))
    open_form(page, address, "typed")
    expect(page.get_by_text("Write at most 5 characters.")).to_have_count(3)  # said beforehand
    expect(page.get_by_text("Write at most 4000 characters.")).to_be_hidden()
    expect(page.get_by_label("Essay?")).to_have_accessible_description("Write at most 4000 characters.")
    for name, label, long, short, told in (
        ("word", "One word for it?", "loudly", "loud", "Write at most 5 characters."),
        ("more", "What else?", "a\nlonger", "a\nlon", "Write at most 5 characters."),
        (
            "other",
            "Another answer",
            "\N{GRINNING FACE}" * 6,
            "\N{GRINNING FACE}" * 5,
            "Write at most 5 characters.",
        ),
        (
            "names",
            "Whom did you meet?",
            "Annie\n\n Bobbie \nCharlie",
            "Annie\nBob",
            "Line 3 is too long. Write at most 5 characters in each line.",
        ),
    ):
        field = page.get_by_label(label)
        field.fill("")
        field.focus()
        page.keyboard.insert_text(long)  # as it is pasted
        field.blur()
        expect(field).to_have_value(long)
        kept = ["Annie", "Bobbie", "Charlie"] if name == "names" else long
        wait_until(lambda name=name, kept=kept: bool(desk.drafts) and desk.drafts[-1].get(name) == kept, page)  # type: ignore[misc] # a lambda's default has no declared type
        error = page.locator("[data-error]:visible")
        expect(error).to_have_text(told)
        forward(page)
        expect(page.get_by_role("alert")).to_have_text(told)
        field.fill(short)
        field.blur()
        expect(error).to_have_count(0)
    forward(page)
    expect(page.get_by_role("heading", name="Look over your answers")).to_be_visible()


def test_a_needed_question_that_a_changed_answer_brings_up_is_asked_before_all_are_looked_over(
    page: Page, address: str, desk: Desk
) -> None:
    for mode in (FormMode.ONE, FormMode.ALL):
        desk.forms["typed"] = samples.form(
            mode, questions=samples.KINDS[:3], answers={"away": "false", "who": None}
        )
        page.goto("about:blank")
        open_form(page, address, "typed")
        page.get_by_role("button", name="Change").first.click()
        page.get_by_role("radio", name="Yes").check()
        for _ in range(2):
            page.get_by_role("button", name="Back to all answers").click()
            if not page.locator("[data-review]").is_visible():
                expect(page.get_by_role("heading", name="For how many days?")).to_be_focused()
        # It was asked for: who passes it nevertheless reads there that it needs an answer.
        expect(page.get_by_role("listitem").nth(1).locator("b")).to_have_text(
            "This question needs an answer."
        )


def test_on_a_wide_screen_what_is_written_stands_below_its_options_and_above_its_hint(
    page: Page, address: str
) -> None:
    page.set_viewport_size({"width": 768, "height": 1024})
    open_form(page, address, "kinds")
    for above, below in (
        (page.get_by_label("Whom did you meet?"), page.get_by_text("Several answers: one a line.")),
        (page.locator("[data-question=other] .option").last, page.get_by_label("Another answer")),
    ):
        upper, lower = above.bounding_box(), below.bounding_box()
        assert upper is not None
        assert lower is not None
        assert lower["y"] >= upper["y"] + upper["height"]
    yes, no = (page.locator("[data-question=away] .option").nth(each).bounding_box() for each in (0, 1))
    assert yes is not None
    assert no is not None
    assert yes["y"] == no["y"]
