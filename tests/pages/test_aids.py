"""Reading aloud by a voice of the device, switches with two keys, reduced motion, 200 % zoom, dark mode."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect

from plugin.pages import FormMode
from tests.pages import samples
from tests.pages.serving import Desk

pytestmark = pytest.mark.browser

# Headless Chromium has no voices: these stand for those of a device, behind the browser's own interface.
VOICES = """
const voices = VOICES.map(([lang, localService]) => ({ lang, localService, name: lang, voiceURI: lang, default: false }));
class Utterance { constructor(text) { this.text = text; } }
window.spoken = [];
Object.defineProperty(window, "SpeechSynthesisUtterance", { value: Utterance });
Object.defineProperty(window, "speechSynthesis", { value: Object.assign(new EventTarget(), {
  getVoices: () => voices,
  speak: (said) => { window.last = said; window.spoken.push([said.text, said.lang, said.voice.localService]); },
  cancel: () => { window.spoken.length = 0; },
}) });
"""
AIDS = "Help with reading and answering"


def give_voices(page: Page, *voices: tuple[str, bool]) -> None:
    page.add_init_script(VOICES.replace("VOICES", json.dumps(voices)))


def have_all_read(page: Page, address: str) -> None:
    """Turn reading aloud on and go through the form, as far as the answers are looked over."""
    give_voices(page, ("en", True))
    open_aids(page, address)
    page.get_by_role("button", name="Read aloud").click()
    for _ in range(len(samples.QUESTIONS) + 1):
        page.locator("[data-forward]").click()


def open_aids(page: Page, address: str, secret: str = "one") -> None:
    page.goto(f"{address}/fill#{secret}")
    expect(page.locator("[data-form]")).to_be_visible()
    page.get_by_role("button", name=AIDS).click()
    expect(page.get_by_role("button", name="Two keys")).to_be_visible()


def spoken(page: Page) -> list[list[object]]:
    said: list[list[object]] = page.evaluate("window.spoken")
    return said


def test_nothing_is_read_before_somebody_asks_for_it(page: Page, address: str) -> None:
    give_voices(page, ("en-GB", True))
    page.goto(f"{address}/fill#one")
    expect(page.locator("[data-form]")).to_be_visible()
    page.locator("[data-forward]").click()
    assert spoken(page) == []
    assert not [
        each
        for each in page.evaluate("performance.getEntriesByType('resource').map((e) => e.name)")
        if "aids" in each
    ]


def test_a_question_and_its_answers_are_read_when_it_is_shown(page: Page, address: str) -> None:
    give_voices(page, ("de-DE", True), ("en-GB", True))
    open_aids(page, address)
    page.get_by_role("button", name="Read aloud").click()
    page.locator("[data-forward]").click()
    question = samples.QUESTIONS[0]
    texts = [question.text, *(option.text for option in question.options), "I do not want to answer"]
    assert spoken(page) == [[text, "en-GB", True] for text in texts]


def test_the_instruments_words_are_read_in_its_language(page: Page, address: str) -> None:
    give_voices(page, ("en-GB", True), ("ar-EG", True))
    open_aids(page, address, "arabic")
    page.get_by_role("button", name="Read aloud").click()
    page.locator("[data-forward]").click()
    assert [lang for _, lang, _ in spoken(page)] == ["ar-EG"] * 4 + ["en-GB"]


def test_a_voice_that_needs_the_network_is_not_used(page: Page, address: str) -> None:
    give_voices(page, ("en-GB", False))
    open_aids(page, address)
    expect(page.get_by_text("no voice of its own for this language")).to_be_visible()
    expect(page.get_by_role("button", name="Read aloud")).to_have_count(0)


def test_without_any_voice_the_form_says_so_and_works(page: Page, address: str) -> None:
    open_aids(page, address)
    expect(page.get_by_text("no voice of its own for this language")).to_be_visible()
    page.locator("[data-forward]").click()
    expect(page.get_by_text("Question 1 of 6")).to_be_visible()


def test_without_a_connection_the_help_is_asked_for_again(page: Page, address: str) -> None:
    page.goto(f"{address}/fill#one")
    expect(page.locator("[data-form]")).to_be_visible()
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name=AIDS).click()
    page.context.set_offline(False)
    page.get_by_role("button", name=AIDS).click()
    expect(page.get_by_role("button", name="Two keys")).to_be_visible()
    expect(page.get_by_role("button", name=AIDS, expanded=True)).to_be_visible()


def test_the_help_of_a_form_from_right_to_left_speaks_english_from_left_to_right(
    page: Page, address: str
) -> None:
    give_voices(page, ("en", True))
    open_aids(page, address, "arabic")
    expect(page.get_by_text("This device has no voice")).to_have_css("direction", "ltr")


def test_reading_stops_when_it_is_turned_off(page: Page, address: str) -> None:
    give_voices(page, ("en", True))
    open_aids(page, address)
    read = page.get_by_role("button", name="Read aloud")
    read.click()
    expect(page.get_by_role("button", name="Read aloud", pressed=True)).to_be_visible()
    read.click()
    page.locator("[data-forward]").click()
    assert spoken(page) == []
    expect(page.get_by_role("button", name="Read this aloud")).to_have_count(0)


def test_reading_stops_when_the_form_is_sent(page: Page, address: str) -> None:
    have_all_read(page, address)
    assert "Look over your answers" in [text for text, *_ in spoken(page)]
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert spoken(page) == []


def test_of_a_whole_form_each_question_is_read_by_its_own_button(page: Page, address: str) -> None:
    give_voices(page, ("en", True))
    open_aids(page, address, "all")
    page.get_by_role("button", name="Read aloud").click()
    assert spoken(page) == []
    page.get_by_role("button", name=f"Read this aloud {samples.QUESTIONS[1].text}", exact=True).click()
    assert spoken(page)[0][0] == samples.QUESTIONS[1].text


def test_each_button_for_reading_says_what_it_reads(page: Page, address: str, desk: Desk) -> None:
    desk.forms["all"] = samples.form(FormMode.ALL, asks_sharing=True)
    give_voices(page, ("en", True))
    open_aids(page, address, "all")
    page.get_by_role("button", name="Read aloud").click()
    buttons = page.locator("[data-read]:visible")
    for place, title in enumerate((desk.forms["all"].title, *(each.text for each in samples.QUESTIONS))):
        expect(buttons.nth(place)).to_have_accessible_name(f"Read this aloud {title}")
    page.locator("[data-forward]").click()
    for place, title in enumerate(("Look over your answers", SHARE)):
        expect(buttons.nth(place)).to_have_accessible_name(f"Read this aloud {title}")


@pytest.mark.parametrize("secret", ["one", "all"])
def test_what_is_read_is_stopped_by_the_button_beside_it(page: Page, address: str, secret: str) -> None:
    give_voices(page, ("en", True))
    open_aids(page, address, secret)
    page.get_by_role("button", name="Read aloud").click()
    if secret == "one":
        page.locator("[data-forward]").click()  # what comes is read by itself
    else:
        page.get_by_role("button", name="Read this aloud").nth(1).click()
    stop = page.get_by_role("button", name=f"Stop reading {samples.QUESTIONS[0].text}", exact=True)
    assert spoken(page)
    stop.click()
    assert spoken(page) == []
    expect(stop).to_have_count(0)
    page.get_by_role("button", name=f"Read this aloud {samples.QUESTIONS[0].text}", exact=True).click()
    expect(stop).to_be_visible()
    page.evaluate("last.onend()")
    expect(stop).to_have_count(0)


SHARE = "May the people who look after you at the clinic read your single answers?"
MEANS = (
    "If you say no, they and your health record get one result, made of all your answers together, "
    "if you gave enough of them. "
    "A result that is as low or as high as it can be tells what you answered."
)


def test_of_a_whole_form_what_is_no_question_is_read_by_buttons_too(
    page: Page, address: str, desk: Desk
) -> None:
    desk.forms["all"] = samples.form(FormMode.ALL, asks_sharing=True)
    give_voices(page, ("en", True))
    open_aids(page, address, "all")
    page.get_by_role("button", name="Read aloud").click()
    page.get_by_role("button", name="Read this aloud").first.click()
    view = desk.forms["all"]
    title, intro, audience = (text for text, _, _ in spoken(page))
    assert (title, intro) == (view.title, view.intro)
    assert str(audience).startswith("Before you send, you decide whether the people")
    page.get_by_role("radio", name="Mostly").first.check()
    page.locator("[data-forward]").click()
    assert spoken(page) == []
    answers, sharing = page.locator("[data-read]:visible").all()
    answers.click()
    read = [text for text, _, _ in spoken(page)]
    assert read[:4] == [
        "Look over your answers",
        "You can change each of them. Then send.",
        samples.QUESTIONS[0].text,
        "Mostly",
    ]
    assert read[-2:] == [samples.QUESTIONS[-1].text, "No answer"]
    sharing.press("Enter")
    assert [text for text, _, _ in spoken(page)] == [
        SHARE,
        MEANS,
        "Yes, they may read them",
        "No, only the result of all of them together",
    ]


def test_one_by_one_what_no_means_is_read_with_the_answers_and_by_a_button(page: Page, address: str) -> None:
    give_voices(page, ("en", True))
    open_aids(page, address, "asked")
    page.get_by_role("button", name="Read aloud").click()
    title = [text for text, _, _ in spoken(page)]
    page.get_by_role("button", name="Stop reading").click()
    page.get_by_role("button", name="Read this aloud").click()
    assert [text for text, _, _ in spoken(page)] == title
    for _ in range(len(samples.QUESTIONS) + 1):
        page.locator("[data-forward]").click()
    read = [text for text, _, _ in spoken(page)]
    assert read[0] == "Look over your answers"
    assert read[-4:-2] == [SHARE, MEANS]
    page.get_by_role("button", name="Read this aloud").last.click()
    assert [text for text, _, _ in spoken(page)][:2] == [SHARE, MEANS]


def test_whether_to_begin_again_is_read_when_it_is_asked(page: Page, address: str) -> None:
    have_all_read(page, address)
    page.get_by_role("button", name="Answer everything again").click()
    assert [text for text, _, _ in spoken(page)] == [
        "Take back all your answers and start again?",
        "No, keep my answers",
        "Yes, start again",
    ]


def focused(page: Page) -> str:
    said: str = page.evaluate(
        "(document.activeElement.closest('label') ?? document.activeElement).textContent.trim()"
    )
    return said


def tab_to(page: Page, name: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_a_form_is_filled_with_two_keys(page: Page, address: str, desk: Desk) -> None:
    """Tab and Space alone, as a switch gives them: the fourth answer to each question."""
    page.goto(f"{address}/fill#one")
    expect(page.locator("[data-form]")).to_be_visible()

    for name in (AIDS, "Two keys: stop at every answer", "Start"):
        tab_to(page, name)
        page.keyboard.press("Space")
        page.wait_for_timeout(100)
    for question in samples.QUESTIONS:
        expect(page.get_by_role("heading", name=question.text)).to_be_focused()
        tab_to(page, "Mostly")
        page.keyboard.press("Space")
        tab_to(page, "Look over" if question is samples.QUESTIONS[-1] else "Next")
        page.keyboard.press("Space")
    tab_to(page, "Send")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{question.link_id: "mostly" for question in samples.QUESTIONS}]


def test_with_two_keys_a_question_begins_at_its_first_answer_whichever_is_chosen(
    page: Page, address: str
) -> None:
    open_aids(page, address, "all")
    page.get_by_role("button", name="Two keys").click()
    first, second = page.locator("[data-question]").all()[:2]
    second.get_by_role("radio", name="Somewhat").check()
    first.get_by_role("checkbox", name="I do not want to answer").focus()
    forwards = []
    for _ in range(6):
        page.keyboard.press("Tab")
        forwards.append(focused(page))
    answers = [option.text for option in samples.AGREEMENT]
    assert forwards == [*answers, "I do not want to answer"]
    backwards = []
    for _ in range(6):
        page.keyboard.press("Shift+Tab")
        backwards.append(focused(page))
    assert backwards == [*reversed(answers), "I do not want to answer"]
    expect(second.get_by_role("radio", name="Somewhat")).to_be_checked()


def test_with_two_keys_an_answer_that_is_pressed_stays_where_one_is(page: Page, address: str) -> None:
    open_aids(page, address, "all")
    page.get_by_role("button", name="Two keys").click()
    page.keyboard.press("Tab")
    page.get_by_role("radio", name="Somewhat").first.click()
    assert focused(page) == "Somewhat"


def test_without_the_help_a_question_is_one_stop(page: Page, address: str) -> None:
    open_aids(page, address, "all")
    page.get_by_role("radio", name="Somewhat").first.check()
    page.locator("[data-question]").nth(1).get_by_role("radio").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "Somewhat"


def test_with_two_keys_each_reason_and_each_answer_about_sharing_is_a_stop(
    page: Page, address: str, desk: Desk
) -> None:
    desk.forms["all"] = samples.form(FormMode.ALL, asks_sharing=True, asks_why=True)
    open_aids(page, address, "all")
    page.get_by_role("button", name="Two keys").click()
    question = page.locator("[data-question]").first
    question.get_by_role("radio", name="Completely").focus()
    page.keyboard.press("Tab")
    assert focused(page) == "No answer"
    page.keyboard.press("Space")
    reasons = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reasons.append(focused(page))
    assert reasons == ["I do not want to answer", "It does not fit me", "I do not know"]
    page.locator("[data-forward]").click()
    page.get_by_role("radio", name="Yes, they may").focus()
    page.keyboard.press("Tab")
    assert focused(page) == "No, only the result of all of them together"


def test_a_line_is_marked_anywhere_with_two_keys(page: Page, address: str, desk: Desk) -> None:
    """Tab and Space alone: once towards the right end, and three times towards the left."""
    page.goto(f"{address}/fill#lines")
    expect(page.locator("[data-form]")).to_be_visible()
    for name in (AIDS, "Two keys: stop at every answer"):
        tab_to(page, name)
        page.keyboard.press("Space")
        page.wait_for_timeout(100)
    line = page.get_by_role("slider")
    for end, presses in (("Very good", 1), ("Not good at all", 3)):
        tab_to(page, "Start" if presses == 1 else "Next")
        page.keyboard.press("Space")
        tab_to(page, f"Towards: {end}")
        expect(line).to_have_attribute("aria-valuetext", "No answer yet")
        for _ in range(presses):
            page.keyboard.press("Space")
        assert line.get_attribute("aria-valuetext") is None
        # A screen reader is told where the mark came to, as on the line itself; nobody sees a number.
        told = page.locator("fieldset:visible output")
        expect(told).to_have_text(line.input_value())
        expect(told).to_have_class("hidden-words")
        seen = page.locator("fieldset:visible").inner_text().replace(told.inner_text(), "")
        assert not any(each.isdigit() for each in seen)
    tab_to(page, "Look over")
    page.keyboard.press("Space")
    tab_to(page, "Send")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    assert desk.submissions == [{"line": "55", "line-2": "35"}]


def test_the_mark_stops_at_the_ends_and_moves_by_the_instruments_own_step_where_that_is_larger(
    page: Page, address: str, desk: Desk
) -> None:
    coarse = replace(samples.LINES[0], high=Decimal(4), step=Decimal(1))
    desk.forms["lines"] = samples.form(FormMode.ALL, questions=(coarse,), answers={"line": None})
    open_aids(page, address, "lines")
    page.locator("[data-back]").click()
    button = page.get_by_role("button", name="Towards: Not good at all")
    expect(button).to_have_count(0)
    page.get_by_role("button", name="Two keys").click()
    places = []
    for _ in range(4):
        button.click()
        places.append(page.get_by_role("slider").input_value())
    assert places == ["1", "0", "0", "0"]
    expect(page.get_by_role("checkbox", name="I do not want to answer")).not_to_be_checked()
    page.get_by_role("button", name="Two keys").click()
    expect(button).to_be_hidden()
    page.get_by_role("button", name="Two keys").click()
    expect(button).to_have_count(1)


def test_from_right_to_left_the_button_towards_an_end_is_on_its_side(page: Page, address: str) -> None:
    open_aids(page, address, "arabic-all")
    page.get_by_role("button", name="Two keys").click()
    expect(page.locator(".moves .button")).to_have_count(2)  # they come with a script of their own
    low, high = page.locator(".moves .button").all()
    places = [each.bounding_box() for each in (low, high)]
    assert places[0] is not None
    assert places[1] is not None
    assert places[0]["x"] > places[1]["x"]
    expect(low).to_have_accessible_name("Towards: سيئ جدًا")
    low.click()
    expect(page.get_by_role("slider")).to_have_value("45")


def open_itself_again(page: Page, desk: Desk) -> None:
    """Choose an answer while another page has given one: the form opens again, at the next question."""
    desk.drafts.append({"goal-2": "somewhat"})
    desk.forms["one"] = samples.form(FormMode.ONE, answers={"goal-1": "a-little", "goal-2": "somewhat"})
    page.get_by_role("radio", name="A little").check()
    expect(page.get_by_text("Question 3 of 6")).to_be_visible()


def test_a_form_that_opens_itself_again_keeps_two_keys_and_reading_aloud(
    page: Page, address: str, desk: Desk
) -> None:
    give_voices(page, ("en-GB", True))
    open_aids(page, address)
    page.get_by_role("button", name="Read aloud").click()
    page.get_by_role("button", name="Two keys").click()
    page.locator("[data-forward]").click()
    open_itself_again(page, desk)
    expect(page.get_by_role("button", name="Two keys", pressed=True)).to_be_visible()
    expect(page.get_by_role("button", name="Read aloud", pressed=True)).to_be_visible()
    assert spoken(page)[0][0] == samples.QUESTIONS[2].text
    expect(page.get_by_role("heading", name=samples.QUESTIONS[2].text)).to_be_focused()
    for name in ("Stop reading", "Not at all", "A little", "Somewhat"):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(document.activeElement.closest('label') ?? document.activeElement).innerText"
        )
        assert focused.strip() == name
    page.get_by_role("button", name="Read aloud").click()
    assert spoken(page) == []
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_a_form_that_opens_itself_again_shows_as_much_help_as_before(
    page: Page, address: str, desk: Desk
) -> None:
    open_aids(page, address)
    page.get_by_role("button", name="Two keys").click()
    page.get_by_role("button", name=AIDS).click()
    page.locator("[data-forward]").click()
    open_itself_again(page, desk)
    expect(page.locator("[data-form]")).to_have_attribute("data-stops", "all")
    expect(page.get_by_role("button", name=AIDS, expanded=False)).to_be_visible()
    page.get_by_role("button", name=AIDS).click()
    expect(page.get_by_role("button", name="Two keys", pressed=True)).to_be_visible()


@pytest.mark.parametrize("secret", ["one", "all", "lines", "arabic-all", "long"])
def test_at_200_percent_nothing_is_cut_off_or_covered(page: Page, address: str, secret: str) -> None:
    # 200 % zoom of a 1180 x 820 tablet: 590 x 410 CSS pixels (WCAG 2.2 criteria 1.4.4 and 1.4.10).
    page.set_viewport_size({"width": 590, "height": 410})
    page.goto(f"{address}/fill#{secret}")
    expect(page.locator("[data-form]")).to_be_visible()
    page.locator("[data-forward]").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for each in page.locator("label:visible, button:visible").all():
        each.scroll_into_view_if_needed()
        box = each.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 590


@pytest.mark.parametrize("path", ["/fill#one", "/launches/0b8e/return"])
def test_who_wants_less_motion_gets_none(browser: Browser, address: str, path: str) -> None:
    moving = """[...document.querySelectorAll("*")].filter((each) => each.getAnimations({ subtree: true })
        .some((one) => (one.effect.getComputedTiming().activeDuration ?? 0) > 0)
        || getComputedStyle(each).transitionDuration.split(", ").some((one) => parseFloat(one) > 0)).length"""
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{address}{path}")
    page.wait_for_load_state("networkidle")
    if "fill" in path:
        page.locator("[data-forward]").click()
    assert page.evaluate(moving) == 0
    context.close()


@pytest.mark.parametrize("secret", ["one", "lines"])
def test_a_dark_device_gets_dark_pages(browser: Browser, address: str, secret: str) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/fill#{secret}")
    expect(page.locator("[data-form]")).to_be_visible()
    paper, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    brightness = [sum(int(part) for part in each.strip("rgb()").split(",")) for each in (paper, ink)]
    assert brightness[0] < 150 < 600 < brightness[1]
    context.close()


def test_the_answers_are_read_when_they_are_looked_over_each_in_its_language(
    page: Page, address: str
) -> None:
    give_voices(page, ("en-GB", True), ("ar-EG", True))
    open_aids(page, address, "arabic")
    page.locator("[data-forward]").click()
    first = samples.form(FormMode.ONE, **samples.ARABIC).questions[0]
    page.get_by_text(first.options[1].text, exact=True).click()
    while page.locator("[data-review]:visible").count() == 0:
        page.locator("[data-forward]").click()
    page.get_by_role("button", name="Read aloud").click()
    read = [[text, lang] for text, lang, _ in spoken(page)]
    assert [first.text, "ar-EG"] in read
    assert [first.options[1].text, "ar-EG"] in read
    assert ["Look over your answers", "en-GB"] in read


def test_what_not_sharing_means_is_read_before_the_choice(page: Page, address: str) -> None:
    give_voices(page, ("en-GB", True))
    open_aids(page, address, "asked")
    while page.locator("[data-review]:visible").count() == 0:
        page.locator("[data-forward]").click()
    page.get_by_role("button", name="Read aloud").click()
    read = [str(text) for text, *_ in spoken(page)]
    (meaning,) = [place for place, text in enumerate(read) if text.startswith("If you say no, ")]
    assert read[meaning - 1].startswith("May the people who look after you")
    assert read[meaning + 1] == "Yes, they may read them"


def test_in_forced_colours_the_edge_of_a_button_keeps_off_its_words(page: Page, address: str) -> None:
    page.emulate_media(forced_colors="active")
    page.goto(f"{address}/fill#one")
    expect(page.get_by_role("button", name="Help with reading")).to_have_css("padding-left", "16px")


def test_in_forced_colours_what_is_pressed_and_chosen_shows(page: Page, address: str) -> None:
    page.emulate_media(forced_colors="active")
    open_aids(page, address)
    press = page.get_by_role("button", name="Two keys")
    expect(press).to_have_css("border-top-width", "1px")
    press.click()
    expect(press).to_have_css("border-top-width", "3px")
    page.locator("[data-forward]").click()
    option = page.locator(".option:visible").first
    expect(option).to_have_css("outline-style", "none")
    option.get_by_role("radio").check()
    expect(option).to_have_css("outline-style", "solid")


def test_what_a_question_means_is_offered_aloud_and_read_when_it_is_opened(
    page: Page, address: str, desk: Desk
) -> None:
    first, *others = desk.forms["one"].questions
    means = "It is the time that we have spent together."
    desk.forms["one"] = replace(
        desk.forms["one"], questions=(replace(first, help=(means,)), *others), mode=FormMode.ONE
    )
    give_voices(page, ("en-GB", True))
    open_aids(page, address)
    page.get_by_role("button", name="Read aloud").click()
    page.locator("[data-forward]").click()
    assert ["What does this mean?", "en-GB", True] in spoken(page)
    assert [means, "en-GB", True] not in spoken(page)
    page.get_by_text("What does this mean?").locator("visible=true").click()
    page.wait_for_function("window.spoken.length === 1")
    assert spoken(page) == [[means, "en-GB", True]]


def texts(page: Page) -> list[str]:
    return [str(text) for text, *_ in spoken(page)]


def test_how_a_line_is_answered_is_read_with_it_and_its_ends_where_it_is_looked_over(
    page: Page, address: str
) -> None:
    give_voices(page, ("en", True))
    open_aids(page, address, "lines")
    page.get_by_role("button", name="Read aloud").click()
    page.locator("[data-forward]").click()
    assert texts(page)[:4] == [
        samples.LINE.text,
        "Touch the line where your answer lies, or use the arrow keys.",
        *samples.LINE.ends,
    ]
    page.get_by_role("slider").press("End")
    for _ in range(2):
        page.locator("[data-forward]").click()
    assert texts(page)[2:6] == [samples.LINE.text, *samples.LINE.ends, samples.LINES[1].text]


def test_all_that_stands_at_a_question_is_read(page: Page, address: str, desk: Desk) -> None:
    by_id = {each.link_id: each for each in samples.KINDS}
    questions = (by_id["names"], replace(by_id["word"], required=True))
    desk.forms["one"] = samples.form(FormMode.ONE, questions=questions, asks_why=True)
    give_voices(page, ("en", True))
    open_aids(page, address)
    page.get_by_role("button", name="Read aloud").click()
    page.locator("[data-forward]").click()
    assert texts(page) == [questions[0].text, "Several answers: one a line.", "No answer"]
    page.get_by_role("checkbox", name="No answer").check()
    assert texts(page)[:2] == ["Why there is no answer", "I do not want to answer"]
    page.locator("[data-forward]").click()
    needed = "This question needs an answer."
    assert texts(page) == [questions[1].text, needed]
    word = page.get_by_role("textbox", name=questions[1].text)
    word.fill("loud")
    page.get_by_role("button", name="Stop reading").click()
    page.get_by_role("button", name="Read this aloud").click()
    assert texts(page) == [questions[1].text]  # the hint has gone
    word.fill("")
    page.locator("[data-forward]").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text(needed)
    assert texts(page) == [questions[1].text, needed]  # once, though it stands below, too


def test_an_error_is_read_when_it_appears(page: Page, address: str, desk: Desk) -> None:
    by_id = {each.link_id: each for each in samples.KINDS}
    number = replace(by_id["days"], conditions=(), required=False)
    desk.forms["all"] = samples.form(FormMode.ALL, questions=(number, by_id["word"]))
    give_voices(page, ("en", True))
    open_aids(page, address, "all")
    read = page.get_by_role("button", name="Read aloud")
    read.click()
    days = page.get_by_role("textbox", name=number.text)
    days.fill("many")
    page.keyboard.press("Tab")
    page.wait_for_function("window.spoken.length === 1")
    assert texts(page) == ["Give a whole number."]
    page.locator("[data-forward]").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Give a whole number.")
    assert texts(page) == ["Give a whole number."]  # once, though it stands below, too
    days.fill("1")
    page.keyboard.press("Tab")
    expect(page.locator("[data-error]").first).to_have_text("")
    read.click()
    days.fill("many")
    page.keyboard.press("Tab")
    expect(page.locator("[data-error]").first).to_have_text("Give a whole number.")
    assert texts(page) == []
