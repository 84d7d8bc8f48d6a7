"""axe-core on every page and state: light, dark, phone, tablet, frame of an EHR."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from starlette.responses import JSONResponse

from tests.pages.serving import Desk

pytestmark = pytest.mark.browser

# Contrast hardly depends on the size, nor layout on the colours: each size and each scheme, not every pair.
SCREENS = {
    "phone, light": (390, 844, "light"),
    "tablet, dark": (820, 1180, "dark"),
    "frame, light": (1180, 760, "light"),
}


def _go(path: str) -> Callable[[Page, str, Desk], None]:
    def go(page: Page, address: str, _: Desk) -> None:
        page.goto(f"{address}{path}")
        page.wait_for_load_state("networkidle")

    return go


def _standing(path: str) -> Callable[[Page, str, Desk], None]:
    """Open a page on the way to the sign-in as it stands until its script, held back here, goes on."""

    def go(page: Page, address: str, _: Desk) -> None:
        page.route("**/launch.js*", lambda route: route.abort())
        page.goto(f"{address}{path}")

    return go


def _form(secret: str, presses: int, choose: str = "") -> Callable[[Page, str, Desk], None]:
    def go(page: Page, address: str, _: Desk) -> None:
        page.goto(f"{address}/fill#{secret}")
        expect(page.locator("[data-form]")).to_be_visible()
        for _press in range(presses):
            page.locator("[data-forward]").click()
        if choose:
            page.locator(f"input[value='{choose}']:visible").first.check()

    return go


def _refused(page: Page, address: str, desk: Desk) -> None:
    issue = {
        "severity": "error",
        "code": "invalid",
        "diagnostics": "Choose one.",
        "expression": ["x.where(linkId='goal-2')"],
    }
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": [issue]}, 422))
    _form("one", 8)(page, address, desk)
    expect(page.get_by_text("This answer does not fit here.")).to_be_visible()


def _late(page: Page, address: str, desk: Desk) -> None:
    """Answer a form that has come already: keeping the answer finds it closed."""
    _form("one", 1)(page, address, desk)
    desk.sent.add("one")
    page.locator("input[value='somewhat']:visible").check()
    expect(page.locator("[data-late]")).to_be_visible()


def _opened_table(path: str) -> Callable[[Page, str, Desk], None]:
    def go(page: Page, address: str, _: Desk) -> None:
        page.goto(f"{address}{path}")
        for summary in page.locator("summary:visible").all():
            summary.click()

    return go


def _aided(page: Page, address: str, desk: Desk) -> None:
    _form("lines", 1)(page, address, desk)
    page.get_by_role("button", name="Help with reading").click()
    page.get_by_role("button", name="One key").click()
    page.get_by_role("button", name="Towards: Very good").click()
    page.get_by_text("What does this mean?").click()


def _half_answered(page: Page, address: str, desk: Desk) -> None:
    _form("all", 0)(page, address, desk)
    for question in page.locator("[data-question]").all()[:3]:
        question.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_text("3 of 6 answered")).to_be_visible()


def _asked_whether_again(page: Page, address: str, desk: Desk) -> None:
    _form("one", 7)(page, address, desk)
    page.get_by_role("button", name="Answer everything again").click()
    expect(page.get_by_role("button", name="No, keep my answers")).to_be_focused()


def _uncovered(page: Page, address: str, _: Desk) -> None:
    """Show the panel of the form in an EHR's frame, both of its parts."""
    page.goto(f"{address}/fill#one")
    expect(page.locator("[data-form]")).to_be_visible()
    page.evaluate("""() => {
        const panel = document.querySelector("template[data-screen=cover]").content.cloneNode(true);
        document.querySelector("main").replaceChildren(panel);
        document.querySelectorAll("[data-coverable], [data-uncoverable]").forEach((part) => { part.hidden = false; });
    }""")


STATES: dict[str, Callable[[Page, str, Desk], None]] = {
    "home": _go("/"),
    "failure": _go("/failure"),
    "on the way: cookies are looked for": _standing("/probe"),
    "on the way to the sign-in": _standing("/departure"),
    "on the way back": _standing("/arrival"),
    "patient": _go("/patient"),
    "patient, observed": _go("/observed"),
    "patient, table open": _opened_table("/patient"),
    "patient, who is due": _go("/due"),
    "patient, other forms and another PIN": _opened_table("/due-again"),
    "patient, everything marked": _opened_table("/marked"),
    "patient, nothing yet": _go("/empty"),
    "patient, in the EHR's look": _go("/dressed"),
    "patient, EHR slow": _go("/slow"),
    "draft of a note": _go("/draft"),
    "note, refused": _go("/note"),
    "patient with notes": _go("/noted"),
    "where somebody is signed in": _go("/sign-ins"),
    "signed in here only": _go("/sign-ins-here"),
    "link": _go("/link"),
    "link, code used": _go("/link-without-code"),
    "before signing out": _go("/parting"),
    "signed out": _go("/signed-out"),
    "desk": _go("/desk"),
    "caseload": _go("/caseload"),
    "caseload, plots": _go("/caseload-plots"),
    "response": _go("/response"),
    "response, to be marked": _opened_table("/response"),
    "response, entered in error": _go("/voided"),
    "lock": _go("/launches/0b8e/return"),
    "wrong PIN": _go("/wrong-pin"),
    "locked out": _go("/locked-out"),
    "code": _go("/code"),
    "wrong code": _go("/wrong-code"),
    "form cannot be opened": _go("/fill#unknown"),
    "form, beside the chart": _uncovered,
    "form, start": _form("one", 0),
    "form of every kind": _form("kinds", 0, "true"),
    "form of every kind, looked over": _form("kinds-kept", 0),
    "form of every kind, one by one": _form("kinds-one", 3),
    "form, question answered": _form("one", 1, "somewhat"),
    "form, all questions": _form("all", 0),
    "whole form half answered": _half_answered,
    "form, long options": _form("long", 1),
    "form, a caregiver first": _go("/fill#gated"),
    "form, a caregiver beside": _go("/fill#together"),
    "form, why no answer": _form("why", 0),
    "form, may answers be read": _form("asked", 7),
    "form, with aids": _aided,
    "form, a line": _form("lines", 1),
    "form, lines looked over": _form("lines-kept", 0),
    "form, right to left, whole": _form("arabic-all", 0),
    "form, right to left": _form("arabic", 1),
    "form, look over": _form("one", 7),
    "form, look over, asked whether to begin again": _asked_whether_again,
    "form, refused": _refused,
    "form, sent": _form("one", 8),
    "form, sent and then changed": _late,
}


UNREACHABLE = """() => [...document.querySelectorAll("body *")].filter((each) =>
    ["auto", "scroll"].includes(getComputedStyle(each).overflowX) && each.scrollWidth > each.clientWidth
    && each.getAttribute("role") !== "region" && each.tabIndex < 0).map((each) => each.outerHTML.slice(0, 80))"""


def test_reasons_for_no_answer_make_the_page_no_wider(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    page.goto(f"{address}/fill#why")
    page.locator("[data-forward]").click()
    page.get_by_role("checkbox", name="No answer").locator("visible=true").check()
    expect(page.get_by_role("radio", name="It does not fit me").locator("visible=true")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_and_nothing_is_cut_off(page: Page, address: str, desk: Desk, state: str) -> None:
    # One page is made larger and takes the other colours, as when a tablet is turned in the evening.
    page.emulate_media(reduced_motion="reduce")
    found: dict[str, str] = {}
    for number, (screen, (width, height, scheme)) in enumerate(SCREENS.items()):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        if number == 0:
            STATES[state](page, address, desk)
        results = Axe().run(page)
        if results.violations_count:
            found[screen] = results.generate_report()
    assert not found, "\n".join(f"{screen}: {report}" for screen, report in found.items())
    # WCAG 2.2 criterion 1.4.10: 1280 px at 400 % zoom are 320 px. A phone of 390 px at 200 % has 195.
    for width in (320, 195):
        page.set_viewport_size({"width": width, "height": 512})
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert page.evaluate(UNREACHABLE) == []
