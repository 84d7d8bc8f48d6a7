"""The main path in a real browser: EHR, app in the EHR's frame on another origin, hand-over, form, record, chart."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser import PATIENCE, open_browser
from tests.product.demonstration import ROOT, Demonstration, running_demonstration

pytestmark = pytest.mark.browser

PIN = "83915274"  # of eight digits, which no id has by chance
SYSTEM = "https://w3id.org/rapport-fhir/CodeSystem/score"


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with running_demonstration(tmp_path_factory.mktemp("demonstration")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser(engine_only=True) as opened:
        yield opened


SEEN = 700  # ms after which a press at the same place is a new wish: nobody reads what came in less
SIGNED_OUT = "the server responded with a status of 401"  # of a page that is asked for after the end
WRONG_PIN = "the server responded with a status of 403"
NO_CONNECTION = "net::ERR_INTERNET_DISCONNECTED"
EXPECTED = (SIGNED_OUT, WRONG_PIN, NO_CONNECTION)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB", timezone_id="UTC")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield opened
    context.close()
    assert [each for each in complaints if not any(known in each for known in EXPECTED)] == []


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the documentation's folder if RAPPORT_SCREENSHOTS asks for new ones."""
    if os.environ.get("RAPPORT_SCREENSHOTS"):
        return ROOT / "docs" / "screenshots"
    return tmp_path_factory.mktemp("pictures")


def open_chart(page: Page, demonstration: Demonstration, clinician: str, patient: str) -> None:
    page.goto(demonstration.ehr)
    page.get_by_role("button", name=clinician).click()
    page.get_by_role("link", name=patient).click()


def open_rapport(page: Page) -> FrameLocator:
    """Press "Rapport" in the chart; gives the frame that it opens in."""
    page.get_by_role("link", name="Rapport", exact=True).click()
    frame = page.frame_locator("iframe.app")
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()
    return frame


def send_without_answers(frame: FrameLocator) -> None:
    """Go through the six questions of a form that is open, leave each out, and send."""
    frame.get_by_role("button", name="Start").click()
    for _ in range(6):
        frame.get_by_role("button", name=re.compile("Next|Look over")).click()
    frame.get_by_role("button", name="Send").click()
    frame.owner.page.wait_for_timeout(SEEN)


def hand_over(frame: FrameLocator, respondent: str, *, language: str = "English") -> None:
    frame.get_by_text("Other form, language or person").click()
    frame.get_by_role("radio", name=respondent).check()
    frame.get_by_label("Language").select_option(language)
    frame.get_by_label("PIN for this hand-over").fill(PIN)
    frame.get_by_role("button", name="Hand over", exact=True).click()
    frame.locator("[data-fill-screen]").click()


def fills_screen(page: Page) -> bool:
    """Tell whether the app's frame covers the EHR's page."""
    return bool(page.evaluate("document.fullscreenElement?.matches('iframe.app') ?? false"))


def take_picture(page: Page, frame: FrameLocator, path: Path) -> None:
    """Take a screenshot once the frame, drawn by a process of its own, has been painted."""
    frame.locator("body").evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))"
    )
    page.screenshot(path=path)


def address_of_app(page: Page) -> str:
    return next(frame.url for frame in page.frames if frame != page.main_frame)


def read_scores(demonstration: Demonstration, patient: str, response: str) -> dict[str, Any]:
    """Read the Observations derived from a response as any FHIR client does: value by score code."""
    token = demonstration.reader_token("system/Observation.rs")
    bundle = httpx.get(
        f"{demonstration.ehr}/r4/Observation",
        params={"patient": patient, "derived-from": response},
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    found = [entry["resource"] for entry in bundle.get("entry", [])]
    return {
        coding["code"]: each["valueQuantity"]["value"]
        for each in found
        for coding in each["code"]["coding"]
        if coding["system"] == SYSTEM and "valueQuantity" in each
    }


def test_a_child_answers_in_the_ehrs_frame_and_the_score_stands_in_the_chart(
    page: Page, demonstration: Demonstration, pictures: Path, browser: Browser
) -> None:
    open_chart(page, demonstration, "Samuel Adeyemi", "Amara Okafor")
    frame = open_rapport(page)
    assert address_of_app(page).startswith(demonstration.rapport)
    expect(frame.get_by_role("button", name="Hand over to Amara Okafor")).to_be_visible()
    take_picture(page, frame, pictures / "chart-with-rapport.png")

    hand_over(frame, "Amara Okafor")
    frame.get_by_role("button", name="Start").click()
    for wanted in ("Mostly yes", "A little"):
        frame.get_by_role("radio", name=wanted).locator("visible=true").check()
        frame.get_by_role("button", name="Next").click()
    expect(frame.get_by_text("Question 3 of 6")).to_be_visible()
    expect(frame.get_by_text("Everything so far is saved.")).to_be_visible()
    picture_on_a_phone(browser, address_of_app(page), pictures)

    for _ in range(4):
        frame.get_by_role("radio", name="Mostly yes").locator("visible=true").check()
        frame.get_by_role("button", name=re.compile("Next|Look over")).click()
    expect(frame.get_by_role("listitem")).to_have_count(6)
    frame.get_by_role("button", name="Send").click()
    expect(frame.get_by_role("heading", name="Your answers are saved")).to_be_visible()

    # The chart, open in a second tab, shows the new scores without a reload.
    chart = page.context.new_page()
    chart.goto(page.url.partition("/app/")[0])
    total = chart.get_by_role("row", name="Rapport Check-in (child): total").first
    expect(total).to_contain_text("16")
    chart.close()

    frame.get_by_role("link", name="Give the tablet back").click()
    expect(frame.get_by_label("PIN")).to_be_focused()
    assert fills_screen(page)
    frame.get_by_label("PIN").fill(PIN)
    frame.get_by_role("button", name="Unlock").click()
    recent = frame.locator("[data-response]").first
    expect(recent).to_contain_text("In the record")
    expect(recent).to_contain_text("16 of 24")
    frame.get_by_role("heading", name="Scores over sessions").scroll_into_view_if_needed()
    take_picture(page, frame, pictures / "patient-page.png")

    recent.get_by_role("link", name="Details").click()
    expect(frame.get_by_role("heading", name="Way into the record")).to_be_visible()
    response = frame.locator("code", has_text="QuestionnaireResponse/").first.inner_text()
    values = read_scores(demonstration, "1001", response)
    assert values == {
        "rapport-checkin-child-total": 16,
        "rapport-checkin-child-goal": 4,
        "rapport-checkin-child-task": 6,
        "rapport-checkin-child-bond": 6,
    }


def picture_on_a_phone(browser: Browser, address: str, pictures: Path) -> None:
    """Open the same form on a phone: it goes on where the tablet is."""
    context = browser.new_context(
        viewport={"width": 390, "height": 780}, device_scale_factor=2, is_mobile=True, has_touch=True
    )
    phone = context.new_page()
    phone.goto(address)
    expect(phone.get_by_text("Question 3 of 6")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.screenshot(path=pictures / "form-on-a-phone.png")
    context.close()


def test_while_the_child_has_the_device_the_app_shows_nothing_of_the_chart(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Samuel Adeyemi", "Mateo Ríos Delgado")
    frame = open_rapport(page)
    patient_page = address_of_app(page)
    hand_over(frame, "Mateo Ríos Delgado", language="Español")
    expect(frame.get_by_role("button", name="Empezar")).to_be_visible()
    other = page.context.new_page()
    for address in (patient_page, f"{patient_page}/responses.json", f"{patient_page}/return"):
        other.goto(address)
        expect(other.get_by_text("Scores over sessions")).to_have_count(0)
        assert "Mateo" not in other.content()
    other.close()


def test_the_form_waits_until_the_screen_is_filled_and_the_keyboard_stays_in_it(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    frame = open_rapport(page)
    hand_over(frame, "Amara Okafor")
    expect(frame.get_by_role("button", name="Start")).to_be_visible()
    assert fills_screen(page)
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('iframe.app')")
    frame.get_by_role("heading", level=1).focus()
    for _ in range(6):
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.matches('iframe.app')")

    page.evaluate("document.exitFullscreen()")
    expect(frame.get_by_role("heading", name="Fill the screen before you go on")).to_be_focused()
    for name in ("Give the tablet back", "Fill the screen"):
        page.keyboard.press("Shift+Tab")
        expect(frame.get_by_role("button", name=name)).to_be_focused()
    expect(frame.get_by_role("button", name="Start")).to_be_hidden()
    # A browser that refuses once may be asked again.
    frame.locator("html").evaluate("""(root) => {
        root.requestFullscreen = async () => { delete root.requestFullscreen; throw new TypeError("not now"); };
    }""")
    frame.get_by_role("button", name="Fill the screen").click()
    expect(frame.get_by_text("the record beside it stays in sight")).to_be_visible()
    page.wait_for_timeout(SEEN)
    frame.get_by_role("button", name="Try again").click()
    expect(frame.get_by_role("button", name="Start")).to_be_visible()
    assert fills_screen(page)


def test_a_frame_that_may_not_fill_the_screen_says_so(page: Page, demonstration: Demonstration) -> None:
    page.add_init_script(
        "Object.defineProperty(Document.prototype, 'fullscreenEnabled', { get: () => false })"
    )
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    frame = open_rapport(page)
    frame.get_by_text("Other form, language or person").click()
    frame.get_by_role("radio", name="Amara Okafor").check()
    frame.get_by_label("PIN for this hand-over").fill(PIN)
    frame.get_by_role("button", name="Hand over", exact=True).click()
    expect(frame.get_by_text("the record beside it stays in sight")).to_be_visible()
    expect(frame.get_by_role("button", name="Try again")).to_be_hidden()
    frame.get_by_role("button", name="Go on like this").click()
    expect(frame.get_by_role("button", name="Start")).to_be_visible()


def test_a_launch_while_the_device_is_handed_over_comes_to_the_lock(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    chart = page.url
    hand_over(open_rapport(page), "Amara Okafor")
    page.goto(chart)
    page.get_by_role("link", name="Rapport", exact=True).click()
    frame = page.frame_locator("iframe.app")
    expect(frame.get_by_role("heading", name="Please give this device back")).to_be_visible()
    expect(frame.get_by_text("Start a form")).to_have_count(0)


def test_after_five_wrong_pins_only_a_fresh_sign_in_opens_the_chart(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    chart = page.url
    hand_over(open_rapport(page), "Amara Okafor")
    page.goto(chart)
    page.get_by_role("link", name="Rapport", exact=True).click()
    frame = page.frame_locator("iframe.app")
    for left in ("4 attempts", "3 attempts", "2 attempts", "1 attempt", "5 minutes"):
        frame.get_by_label("PIN").fill("0000")
        frame.get_by_role("button", name="Unlock").click()
        expect(frame.get_by_text(left)).to_be_visible()
        if left == "4 attempts":  # loaded again, it sends the PIN no second time
            frame.locator("body").evaluate("() => location.reload()")
            page.wait_for_timeout(SEEN)
            expect(frame.get_by_text("That PIN is wrong. 4 attempts")).to_be_visible()
            expect(frame.get_by_label("PIN")).to_be_focused()

    # Nothing opens by itself: neither the same chart nor a sibling's.
    for patient in ("Amara Okafor", "Mateo Ríos Delgado"):
        page.goto(f"{demonstration.ehr}/patients")
        page.get_by_role("link", name=patient).click()
        page.get_by_role("link", name="Rapport", exact=True).click()
        expect(frame.get_by_role("heading", name="Sign in again")).to_be_visible()
        expect(frame.get_by_text("Scores over sessions")).to_have_count(0)

    frame.get_by_role("button", name="Sign in as Dr Hannah Lindgren").click()
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()


def test_after_five_wrong_pins_the_screen_stays_filled_and_the_keyboard_is_at_its_words(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Samuel Adeyemi", "Priya Raghunathan")
    frame = open_rapport(page)
    hand_over(frame, "Priya Raghunathan")
    send_without_answers(frame)
    frame.get_by_role("link", name="Give the tablet back").click()
    for left in ("4 attempts", "3 attempts", "2 attempts", "1 attempt", "5 minutes"):
        frame.get_by_label("PIN").fill("0000")
        frame.get_by_role("button", name="Unlock").click()
        expect(frame.get_by_text(left)).to_be_visible()
    expect(frame.get_by_role("heading", name="Please give this device back")).to_be_focused()
    assert fills_screen(page)


def test_a_tablet_without_a_connection_is_given_back_when_there_is_one_and_shows_no_chart_until_then(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Samuel Adeyemi", "Freya Lindqvist")
    frame = open_rapport(page)
    hand_over(frame, "Freya Lindqvist")
    send_without_answers(frame)
    give_back = frame.get_by_role("link", name="Give the tablet back")
    expect(give_back).to_be_visible()
    page.context.set_offline(True)
    page.wait_for_timeout(SEEN)
    give_back.click()
    expect(frame.get_by_role("heading", name="No connection")).to_be_focused()
    assert fills_screen(page)
    page.context.set_offline(False)
    page.wait_for_timeout(SEEN)
    frame.get_by_role("button", name="Try again").click()
    pin, unlock = frame.get_by_label("PIN"), frame.get_by_role("button", name="Unlock")
    expect(pin).to_be_focused()

    pin.fill("0000")
    unlock.dblclick()
    expect(frame.get_by_text("4 attempts left.")).to_be_visible()
    page.context.set_offline(True)
    pin.fill(PIN)
    unlock.click()
    expect(frame.get_by_role("heading", name="No connection")).to_be_focused()
    assert fills_screen(page)
    page.context.set_offline(False)
    page.wait_for_timeout(SEEN)
    frame.get_by_role("button", name="Try again").click()
    pin.fill(PIN)
    unlock.click()
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()


def test_in_the_chart_back_goes_a_question_back_and_the_device_is_given_back_before_the_end(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Freya Lindqvist")
    frame = open_rapport(page)
    hand_over(frame, "Freya Lindqvist")
    frame.get_by_role("button", name="Start").click()
    frame.get_by_role("radio", name="Mostly yes").locator("visible=true").check()
    frame.get_by_role("button", name="Next").click()
    expect(frame.get_by_text("Question 2 of 6")).to_be_visible()
    page.evaluate("history.back()")
    expect(frame.get_by_text("Question 1 of 6")).to_be_visible()
    for _ in range(4):
        page.evaluate("history.back()")
        page.wait_for_timeout(100)
    expect(frame.get_by_role("button", name="Start")).to_be_visible()
    assert fills_screen(page)
    frame.get_by_role("button", name="Start").click()

    frame.get_by_role("link", name="Give the tablet back").click()
    expect(frame.get_by_label("PIN")).to_be_focused()
    assert fills_screen(page)
    frame.get_by_role("button", name="Go on with the form").click()
    expect(frame.get_by_role("radio", name="Mostly yes").locator("visible=true")).to_be_checked()
    assert fills_screen(page)

    page.evaluate("document.exitFullscreen()")
    frame.get_by_role("button", name="Give the tablet back").click()
    expect(frame.get_by_label("PIN")).to_be_focused()
    frame.get_by_role("button", name="Go on with the form").click()
    expect(frame.get_by_role("heading", name="Fill the screen before you go on")).to_be_visible()
    frame.get_by_role("button", name="Give the tablet back").click()
    expect(frame.get_by_label("PIN")).to_be_focused()
    # The panel may come over the lock as well: behind it the lock stands as it is.
    frame.locator(":root").evaluate("() => { document.dispatchEvent(new Event('fullscreenchange')); }")
    frame.get_by_role("button", name="Give the tablet back").click()
    page.wait_for_timeout(500)
    expect(frame.get_by_role("button", name="Go on with the form")).to_be_visible()
    frame.get_by_label("PIN").fill(PIN)
    frame.get_by_role("button", name="Unlock").click()
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()
    expect(frame.get_by_text("1 of 6 answered", exact=True)).to_be_visible()


def test_going_back_after_the_hand_over_comes_to_the_lock(page: Page, demonstration: Demonstration) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    frame = open_rapport(page)
    hand_over(frame, "Amara Okafor")
    expect(frame.get_by_role("button", name="Start")).to_be_visible()
    page.evaluate("document.exitFullscreen()")
    expect(frame.get_by_role("button", name="Fill the screen")).to_be_visible()
    for _ in range(2):  # the filled screen took one
        page.evaluate("history.back()")
        page.wait_for_timeout(200)
    expect(frame.get_by_role("heading", name="Please give this device back")).to_be_visible()
    expect(frame.get_by_text("Start a form")).to_have_count(0)


def test_after_signing_out_nothing_of_the_chart_comes_back(page: Page, demonstration: Demonstration) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    frame = open_rapport(page)
    chart = address_of_app(page)
    frame.get_by_role("link", name="Your sign-ins").click()
    expect(frame.get_by_role("heading", name="This browser")).to_be_visible()
    frame.get_by_role("link", name="Back").click()
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()
    frame.get_by_role("button", name="Sign out").press("Enter")
    expect(frame.get_by_role("heading", name="You are signed out of Rapport")).to_be_visible()
    page.evaluate("history.back()")
    expect(frame.get_by_text("Open Rapport again from the patient's chart")).to_be_visible()
    expect(frame.get_by_text("Start a form")).to_have_count(0)
    page.goto(chart)
    expect(page.get_by_text("Open Rapport again from the patient's chart")).to_be_visible()
    expect(page.get_by_text("Amara")).to_have_count(0)


def test_signing_out_empties_the_chart_in_another_tab(page: Page, demonstration: Demonstration) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    open_rapport(page)
    other = page.context.new_page()
    open_chart(other, demonstration, "Dr Hannah Lindgren", "Mateo")
    frame = open_rapport(other)
    frame.get_by_role("button", name="Sign out").click()
    expect(frame.get_by_role("heading", name="You are signed out of Rapport")).to_be_visible()
    left = page.frame_locator("iframe.app")
    expect(left.get_by_text("Open Rapport again from the patient's chart")).to_be_visible()
    expect(left.get_by_text("Start a form")).to_have_count(0)


def test_ending_a_sign_in_from_another_browser_empties_its_page(
    page: Page, browser: Browser, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    left = open_rapport(page)
    contexts = [browser.new_context(locale="en-GB", timezone_id="UTC") for _ in range(2)]
    for elsewhere in contexts:
        other = elsewhere.new_page()
        open_chart(other, demonstration, "Dr Hannah Lindgren", "Mateo")
        frame = open_rapport(other)
    frame.get_by_role("link", name="Your sign-ins").click()
    frame.get_by_role("button", name=re.compile("all others", re.IGNORECASE)).click()
    expect(left.get_by_text("Open Rapport again from the patient's chart")).to_be_visible()
    expect(left.get_by_text("Start a form")).to_have_count(0)
    for elsewhere in contexts:
        elsewhere.close()


def test_the_output_of_both_servers_names_nobody_and_no_secret(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Dr Hannah Lindgren", "Amara Okafor")
    frame = open_rapport(page)
    hand_over(frame, "Amara Okafor")
    expect(frame.get_by_role("button", name="Start")).to_be_visible()
    printed = demonstration.output.read_text(encoding="utf-8")
    after_welcome = printed.partition("begins anew")[2]
    for private in ("Okafor", "2017-07-26", PIN, address_of_app(page).partition("#")[2], "eyJ"):
        assert private not in after_welcome


def test_a_teenager_answers_on_a_phone_during_a_video_session(
    page: Page, demonstration: Demonstration, pictures: Path, browser: Browser
) -> None:
    open_chart(page, demonstration, "Marisol Vega Prieto", "Wei-Ling Chen")
    frame = open_rapport(page)
    frame.get_by_role("button", name="Send a link to Wei-Ling Chen").click()
    state = frame.locator("[data-form-state]")
    expect(state).to_have_text("not opened yet")
    take_picture(page, frame, pictures / "link.png")
    code = frame.locator(".spoken b").inner_text()

    context = browser.new_context(viewport={"width": 390, "height": 780}, is_mobile=True, has_touch=True)
    phone = context.new_page()
    phone.goto(f"{demonstration.rapport}/code")
    phone.screenshot(path=pictures / "code.png")
    for typed in ("00000000", code):
        phone.get_by_label("Code").fill(typed)
        phone.get_by_role("button", name="Open the form").click()
        phone.wait_for_url(re.compile(r"wrong|/fill"))
    expect(phone.get_by_role("heading", name="Rapport Check-in (adolescent)")).to_be_visible()
    phone.go_back()
    expect(phone.get_by_text("This code opens no form.")).to_be_visible()
    phone.go_forward()
    expect(phone.get_by_role("heading", name="Rapport Check-in (adolescent)")).to_be_visible()
    # The clinician's page hears it without a reload.
    expect(state).to_have_text("opened")
    expect(frame.get_by_text("The last code was used")).to_be_visible()
    expect(frame.locator(".spoken")).to_have_count(0)
    phone.get_by_role("button", name="Start").click()
    for chosen in ("Completely", "Mostly"):
        for number in range(1, 7):
            phone.get_by_role("radio", name=chosen).locator("visible=true").check()
            phone.get_by_role("button", name=re.compile("Next|Look over")).click()
            if number == 3:
                expect(state).to_have_text("3 of 6 answered")
        if chosen == "Completely":
            phone.get_by_role("button", name="Answer everything again").click()
            phone.get_by_role("button", name="Yes, start again").click()
            expect(state).to_have_text("opened")
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_text("You can close this page now.")).to_be_visible()
    expect(state).to_have_text("sent")
    phone.reload()
    expect(phone.get_by_role("heading", name="Your answers are saved")).to_be_visible()
    context.close()

    frame.get_by_role("link", name="Back to the patient").click()
    expect(frame.locator("[data-response]").first).to_contain_text("In the record")


def test_on_a_phone_the_table_of_scores_shows_scores(page: Page, demonstration: Demonstration) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_chart(page, demonstration, "Samuel Adeyemi", "Amara Okafor")
    frame = open_rapport(page)
    table = frame.get_by_text("The same as a table").locator("visible=true")
    expect(table).to_have_count(1)  # once the styles are there
    table.click()
    box = frame.locator("figure .scroll").locator("visible=true").bounding_box()
    score = frame.locator("figure tbody td").locator("visible=true").first.bounding_box()
    assert box
    assert score
    assert score["x"] + score["width"] < box["x"] + box["width"]


def test_a_note_that_is_refused_can_be_sent_again_without_a_reload(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Samuel Adeyemi", "Amara Okafor")
    frame = open_rapport(page)
    frame.get_by_role("link", name="Draft a note").click()
    faults = f"{demonstration.ehr}/sandbox/faults"
    refusal = {"kind": "forbidden", "method": "POST", "path": "*DocumentReference*"}
    httpx.post(faults, json=refusal).raise_for_status()
    try:
        frame.get_by_role("button", name="Write to the record").click()
        again = frame.get_by_role("button", name="Try again")
        expect(again).to_be_visible()
        expect(frame.get_by_text("It is safe in Rapport.")).to_be_visible()
        expect(frame.locator("[data-label]")).to_contain_text("Refused")
    finally:
        httpx.delete(faults).raise_for_status()
    again.click()
    expect(frame.get_by_text("Stands in the record as:")).to_be_visible()
    expect(again).to_have_count(0)


def test_an_unsaved_note_is_there_again_after_a_hand_over_in_another_tab(
    page: Page, demonstration: Demonstration
) -> None:
    open_chart(page, demonstration, "Marisol Vega Prieto", "Priya Raghunathan")
    frame = open_rapport(page)
    frame.get_by_role("link", name="Draft a note").click()
    text = frame.locator("textarea")
    with page.expect_response("**/notes/draft"):
        text.fill("Half a sentence")
    other = page.context.new_page()
    open_chart(other, demonstration, "Marisol Vega Prieto", "Kofi Mensah")
    hand_over(open_rapport(other), "Kofi Mensah")
    expect(frame.get_by_role("heading", name="Please give this device back")).to_be_visible()
    assert "Half a sentence" not in frame.locator("html").inner_html()
    frame.get_by_label("PIN").fill(PIN)
    frame.get_by_role("button", name="Unlock").click()
    expect(text).to_have_value("Half a sentence")
    other.close()


def test_the_patient_page_shows_what_came_back_without_a_reload(
    page: Page, demonstration: Demonstration, browser: Browser
) -> None:
    open_chart(page, demonstration, "Marisol Vega Prieto", "Oliver Bennett")
    frame = open_rapport(page)
    frame.get_by_text("Other form, language or person").click()
    expect(frame.locator("#start").get_by_text("no link is made")).to_be_visible()
    frame.locator("[name=respondent][data-rater=caregiver]").first.check()
    frame.get_by_role("button", name="Make a link instead").click()
    address = frame.get_by_role("textbox", name="Link").input_value()
    frame.get_by_role("link", name="Back to the patient").click()
    expect(frame.get_by_text("No responses yet.")).to_be_visible()

    context = browser.new_context()
    elsewhere = context.new_page()
    elsewhere.goto(address)
    expect(elsewhere.get_by_role("button", name="Look over")).to_be_visible()
    for group in elsewhere.locator("fieldset").all():
        group.get_by_role("radio").nth(3).check()
    elsewhere.get_by_role("button", name="Look over").click()
    elsewhere.get_by_role("button", name="Send").click()
    expect(elsewhere.get_by_role("heading", name="Your answers are saved")).to_be_visible()
    context.close()
    expect(frame.locator("[data-response]")).to_have_count(1)
    expect(frame.locator("[data-response]")).to_contain_text("In the record")


def test_a_form_that_was_altered_in_the_database_cannot_be_opened_and_the_patient_page_says_so(
    page: Page, demonstration: Demonstration, browser: Browser
) -> None:
    open_chart(page, demonstration, "Samuel Adeyemi", "Amara Okafor")
    frame = open_rapport(page)
    frame.get_by_text("Other form, language or person").click()
    frame.locator("[name=respondent][data-rater=caregiver]").first.check()
    frame.get_by_role("button", name="Make a link instead").click()
    address = frame.get_by_role("textbox", name="Link").input_value()
    frame.get_by_role("link", name="Back to the patient").click()
    context = browser.new_context()
    phone = context.new_page()
    phone.goto(address)
    choice = phone.get_by_role("radio").locator("visible=true").first
    expect(choice).to_be_visible()
    (rows,) = demonstration.state.rglob("rapport.sqlite3")
    with closing(sqlite3.connect(rows, timeout=30, isolation_level=None)) as database:
        database.execute("UPDATE invitation SET language = 'x' || language WHERE state = 'opened' AND remote")
        choice.check()
        expect(phone.get_by_role("heading", name="This form cannot be opened")).to_be_visible()
        phone.reload()
        expect(phone.get_by_role("heading", name="This form cannot be opened")).to_be_visible()
        frame.locator("body").evaluate("() => location.reload()")
        expect(frame.get_by_text("1 form that was given out is not used any more")).to_be_visible()
        database.execute("UPDATE invitation SET language = substr(language, 2) WHERE language LIKE 'x%'")
    phone.reload()
    expect(choice).to_be_visible()
    context.close()


def test_the_printed_line_verifies_the_ledger_and_the_record(demonstration: Demonstration) -> None:
    printed = demonstration.output.read_text(encoding="utf-8").splitlines()
    (line,) = (each for each in printed if each.startswith("(set -a;"))
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAPPORT_")}
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, env=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "compared with the EHR of sandbox" in done.stdout
    assert "Not looked at" not in done.stdout
