"""The whole way by keyboard alone: chart, hand-over, a caregiver's consent, form, PIN; link, its buttons, code on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ElementHandle, Frame, Locator, Page, expect

from tests.browser import PATIENCE, open_browser
from tests.product.demonstration import Demonstration, running_demonstration

pytestmark = pytest.mark.browser

PIN = "83915274"
CONSENT = "[site.respondents]\nconsent_below_age = 12\n"
MOST_STOPS = 60

# What the keyboard is at, if one can see that: a ring around it, around what it chooses, or at its label; nothing in front of it.
UNSEEN = """() => {
    const at = document.activeElement;
    if (!at || at === document.body) return "nothing";
    if (at.matches("iframe")) return "";
    const box = at.getBoundingClientRect();
    const [x, y] = [box.x + Math.min(box.width, innerWidth) / 2, box.y + Math.min(box.height, innerHeight) / 2];
    const front = document.elementFromPoint(x, y);
    const parts = [at, at.closest("label"), ...(at.labels ?? [])].filter(Boolean);
    const isRinged = parts.some((each) => {
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(each);
        return outlineStyle === "auto" || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || boxShadow.includes("inset");
    });
    const isInFront = parts.some((each) => each === front || each.contains(front) || front?.contains(each));
    const what = at.outerHTML.slice(0, 120);
    return !isRinged ? `no ring: ${what}` : !isInFront ? `out of sight: ${what}` : "";
}"""


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with running_demonstration(tmp_path_factory.mktemp("demonstration"), site=CONSENT) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser(engine_only=True) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB", timezone_id="UTC")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    yield opened
    context.close()


def at_keyboard(page: Page) -> tuple[Frame, str]:
    """Give the frame that the keyboard is in, and what is wrong with how that shows."""
    frame = page.main_frame
    while True:
        unseen = frame.evaluate(UNSEEN)
        inner = frame.evaluate_handle("document.activeElement").as_element()
        below = inner.content_frame() if isinstance(inner, ElementHandle) else None
        if below is None:
            return frame, unseen
        frame = below


def tab_to(page: Page, wanted: Locator, *, key: str = "Tab") -> None:
    """Press Tab until the keyboard is at this; at each stop one sees where it is."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        frame, unseen = at_keyboard(page)
        assert unseen == "", (frame.url, unseen)
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"no way to {wanted} by keyboard")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def open_rapport(page: Page, demonstration: Demonstration, clinician: str, patient: str) -> Locator:
    """Sign in to the EHR, open the chart and Rapport in it; gives what is in the frame."""
    page.goto(demonstration.ehr)
    press(page, page.get_by_role("button", name=clinician))
    press(page, page.get_by_role("link", name=patient))
    press(page, page.get_by_role("link", name="Rapport", exact=True))
    frame = page.frame_locator("iframe.app").locator(":root")
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()
    return frame


def test_a_child_answers_in_the_chart_after_a_caregivers_consent(
    page: Page, demonstration: Demonstration
) -> None:
    frame = open_rapport(page, demonstration, "Samuel Adeyemi", "Amara Okafor")
    tab_to(page, frame.get_by_label("Your PIN for handing over"))
    page.keyboard.type(PIN)
    press(page, frame.get_by_role("button", name="Hand over to Amara Okafor"))

    expect(frame.get_by_role("heading", name="Fill the screen before you go on")).to_be_focused()
    press(page, frame.get_by_role("button", name="Fill the screen"))
    expect(frame.get_by_role("heading", name="First, something for a caregiver")).to_be_focused()
    press(page, frame.get_by_role("button", name="I agree"))
    first = frame.get_by_role("checkbox", name="I am a caregiver of this young person.")
    expect(first).to_be_focused()  # what is missing
    page.keyboard.press("Space")
    press(page, frame.get_by_role("checkbox", name="I may decide this"), "Space")
    press(page, frame.get_by_role("button", name="I agree"))

    expect(frame.get_by_role("heading", name="Rapport Check-in (child)")).to_be_focused()
    press(page, frame.get_by_role("button", name="Start"))
    for number in range(1, 7):
        expect(frame.get_by_text(f"Question {number} of 6")).to_be_visible()
        expect(frame.get_by_role("heading", level=1).locator("visible=true")).to_be_focused()
        press(page, frame.get_by_role("radio").locator("visible=true").first, "Space")
        page.keyboard.press("ArrowDown")
        press(page, frame.locator("[data-forward]"))
    expect(frame.get_by_role("heading", name="Look over your answers")).to_be_focused()
    press(page, frame.get_by_role("button", name="Change the answer to question 6"))
    tab_to(page, frame.get_by_role("radio", checked=True).locator("visible=true"))
    page.keyboard.press("ArrowDown")
    press(page, frame.get_by_role("button", name="Back to all answers"))
    expect(frame.get_by_role("heading", name="Look over your answers")).to_be_focused()
    press(page, frame.get_by_role("button", name="Send"))

    expect(frame.get_by_role("heading", name="Your answers are saved")).to_be_focused()
    press(page, frame.get_by_role("link", name="Give the tablet back"))
    for typed in ("0000", PIN):
        expect(frame.get_by_label("PIN")).to_be_focused()
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        if typed != PIN:
            expect(frame.get_by_role("alert")).to_contain_text("That PIN is wrong.")
    recent = frame.locator("[data-response]").first
    expect(recent).to_contain_text("In the record")
    press(page, recent.get_by_role("link", name="Details"))
    expect(frame.get_by_role("heading", name="Way into the record")).to_be_visible()


def test_a_link_is_copied_and_withdrawn_and_a_code_opens_the_form_on_a_phone(
    page: Page, demonstration: Demonstration, browser: Browser
) -> None:
    frame = open_rapport(page, demonstration, "Marisol Vega Prieto", "Wei-Ling Chen")
    press(page, frame.get_by_role("button", name="Send a link to Wei-Ling Chen"))
    expect(frame.locator("[data-form-state]")).to_have_text("not opened yet")
    copy = frame.locator("[data-copy]")
    press(page, copy)
    expect(copy).to_have_text("Copied")
    expect(copy).to_be_focused()
    before = frame.locator(".spoken b").inner_text()
    press(page, frame.get_by_role("button", name="New code"))
    expect(frame.locator(".spoken b")).not_to_have_text(before)
    code = frame.locator(".spoken b").inner_text()
    expect(copy).to_be_visible()  # the new page's script has run
    page.keyboard.press("Tab")
    expect(frame.get_by_role("button", name="New code")).to_be_focused()  # still where one was

    phone = browser.new_context(viewport={"width": 390, "height": 780}, locale="en-GB").new_page()
    phone.goto(f"{demonstration.rapport}/code")
    tab_to(phone, phone.get_by_label("Code"))
    phone.keyboard.type("00000000")
    phone.keyboard.press("Enter")
    expect(phone.get_by_text("This code opens no form.")).to_be_visible()
    expect(phone.get_by_label("Code")).to_be_focused()
    phone.keyboard.type(code)
    press(phone, phone.get_by_role("button", name="Open the form"))
    expect(phone.get_by_role("heading", name="Rapport Check-in (adolescent)")).to_be_focused()
    press(phone, phone.get_by_role("button", name="Start"))
    expect(phone.get_by_text("Question 1 of 6")).to_be_visible()

    expect(frame.locator(".spoken")).to_have_count(0)
    press(page, frame.get_by_role("button", name="Withdraw this form"))
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()
    press(phone, phone.get_by_role("radio").locator("visible=true").first, "Space")
    expect(phone.get_by_role("heading", name="This form cannot be opened")).to_be_focused()
    phone.context.close()
