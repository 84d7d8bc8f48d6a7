"""axe-core on every page and state: light, dark, phone, tablet, frame of an EHR."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Page, expect
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from tests.browser import Judged, judge
from tests.pages import samples
from tests.pages.rendered import TEMPLATES, note_templates, templates
from tests.pages.serving import Desk, new_desk, site
from tests.pages.test_aids import give_voices
from tests.pages.test_research_page import give

pytestmark = pytest.mark.browser

# Contrast hardly depends on the size, nor layout on the colours: each size and each scheme, not every pair.
SCREENS = {
    "phone, light": (390, 844, "light", Judged.WIDTH),
    "tablet, dark": (820, 1180, "dark", Judged.COLOURS),
    "frame, light": (1180, 760, "light", Judged.WHOLE),
}


Act = Callable[[Page, Desk], None]

# Notes the templates that a page takes its screens from, by the attribute that names them.
NOTE_SCREENS = """() => {
    globalThis.taken = [];
    const of = Object.getOwnPropertyDescriptor(HTMLTemplateElement.prototype, "content").get;
    Object.defineProperty(HTMLTemplateElement.prototype, "content", { get() {
        taken.push([...this.attributes].map(({ name, value }) => value ? `${name}=${value}` : name)[0]);
        return of.call(this);
    } });
}"""


@dataclass(frozen=True)
class State:
    """A page in a state: what is readied before it is asked for, what is done there, which screen it then takes from a template."""

    path: str
    act: Act | None = None
    before: Act | None = None
    screen: str = ""


def _stands(page: Page, _: Desk) -> None:
    """Keep a page on the way to the sign-in as it stands until its script, held back here, goes on."""
    page.route("**/launch.js*", lambda route: route.abort())


def _form(secret: str, presses: int, choose: str = "", *, screen: str = "") -> State:
    def act(page: Page, _: Desk) -> None:
        expect(page.locator("[data-form]")).to_be_visible()
        for _press in range(presses):
            page.locator("[data-forward]").click()
        if choose:
            page.locator(f"input[value='{choose}']:visible").first.check()
        if screen:
            expect(page.locator("[data-form]")).to_have_count(0)

    return State(f"/fill#{secret}", act, screen=screen)


def _is_misfit(_: Page, desk: Desk) -> None:
    issue = {
        "severity": "error",
        "code": "invalid",
        "diagnostics": "Choose one.",
        "expression": ["x.where(linkId='goal-2')"],
    }
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": [issue]}, 422))


def _is_away(_: Page, desk: Desk) -> None:
    desk.refusals.append(Response(status_code=503))


def _is_given_back(_: Page, desk: Desk) -> None:
    said = {"X-Rapport-Screen": "given-back"}
    desk.refusals.append(JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 410, headers=said))


def _refused(page: Page, desk: Desk) -> None:
    _do(_form("one", 8), page, desk)
    expect(page.locator("[data-error]", has_text="This answer does not fit here.")).to_be_visible()


def _sent_later(page: Page, desk: Desk) -> None:
    _do(_form("one", 8), page, desk)
    expect(page.get_by_text("the answers are not sent yet")).to_be_visible()


def _not_kept(page: Page, desk: Desk) -> None:
    page.route("**/fill/answers", lambda route: route.abort())
    _do(_form("one", 1, "somewhat"), page, desk)
    expect(page.get_by_text("Not saved yet: no connection.")).to_be_visible()


def _late(page: Page, desk: Desk) -> None:
    """Answer a form that has come already: keeping the answer finds it closed."""
    _do(_form("one", 1), page, desk)
    desk.sent.add("one")
    page.locator("input[value='somewhat']:visible").check()
    expect(page.locator("[data-late]")).to_be_visible()


def _is_asked_anew(page: Page, _: Desk) -> None:
    said = {"X-Rapport-Screen": "asked-anew"}
    page.route("**/fill/form", lambda route: route.fulfill(status=410, headers=said))


def _answered_twice(page: Page, desk: Desk) -> None:
    """Answer without a connection what another page answers meanwhile."""
    page.get_by_role("button", name="Back", exact=True).click()
    page.context.set_offline(offline=True)
    page.locator("[data-question=days] [data-field]").fill("12")
    page.evaluate(
        "document.activeElement.blur()"
    )  # where somebody goes on by keyboard it is not opened again
    expect(page.get_by_text("Not saved yet: no connection.")).to_be_visible()
    others: dict[str, str | list[str] | None] = {**samples.KEPT, "days": "4"}
    desk.drafts.append({**others})
    desk.forms["kinds-kept"] = replace(desk.forms["kinds-kept"], answers=others)
    page.context.set_offline(offline=False)
    expect(page.get_by_role("button", name="Take this one")).to_be_visible()


def _is_sent(_: Page, desk: Desk) -> None:
    desk.sent.add("one")


def _is_offline(page: Page, _: Desk) -> None:
    page.route("**/fill/form", lambda route: route.abort())


def _is_never_answered(page: Page, _: Desk) -> None:
    page.add_init_script("globalThis.fetch = () => new Promise(() => {});")


def _runs_no_script(page: Page, _: Desk) -> None:
    page.route("**/fill.js*", lambda route: route.abort())


def _waits_for_words(page: Page, _: Desk) -> None:
    expect(page.get_by_role("heading", name="This form needs JavaScript")).to_be_visible()


def _gate(button: str, *, stated: bool = False) -> Act:
    def act(page: Page, _: Desk) -> None:
        if stated:
            for statement in page.get_by_role("checkbox").all():
                statement.check()
        page.get_by_role("button", name=button).click()

    return act


def _gate_shows(button: str, shown: str, *, stated: bool = False) -> Act:
    def act(page: Page, desk: Desk) -> None:
        _gate(button, stated=stated)(page, desk)
        expect(page.get_by_text(shown)).to_be_visible()

    return act


def _refused_by_caregiver(page: Page, desk: Desk) -> None:
    _gate("I do not agree")(page, desk)
    page.wait_for_timeout(700)  # a press at the same place is a new wish only then
    _gate("Yes, I do not agree")(page, desk)
    expect(page.get_by_role("heading", name="The form stays closed")).to_be_visible()


def _open_all(page: Page, _: Desk) -> None:
    for summary in page.locator("summary:visible").all():
        summary.click()


def _aided(page: Page, desk: Desk) -> None:
    _do(_form("lines", 1), page, desk)
    page.get_by_role("button", name="Help with reading").click()
    page.get_by_role("button", name="Two keys").click()
    page.get_by_role("button", name="Towards: Very good").click()
    page.get_by_text("What does this mean?").click()


def _lock_on_its_way(page: Page, desk: Desk) -> None:
    page.route("**/return", lambda _: None)
    _do(_form("held", 1), page, desk)
    page.get_by_role("link", name="Give the tablet back").click()
    expect(page.get_by_role("heading", name="One moment …")).to_be_visible()


def _read_aloud(page: Page, desk: Desk) -> None:
    give_voices(page, ("en-GB", True))
    page.reload()
    _do(_form("all", 0), page, desk)
    page.get_by_role("button", name="Help with reading").click()
    page.get_by_role("button", name="Read aloud").click()
    page.get_by_role("button", name="Read this aloud").nth(1).click()
    expect(page.get_by_role("button", name="Stop reading")).to_be_visible()


def _tried(page: Page, _: Desk) -> None:
    for _each in range(7):
        page.locator("[data-forward]").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="This was a preview")).to_be_visible()


def _half_answered(page: Page, desk: Desk) -> None:
    _do(_form("all", 0), page, desk)
    for question in page.locator("[data-question]").all()[:3]:
        question.get_by_role("radio", name="Mostly").check()
    expect(page.get_by_text("3 of 6 answered")).to_be_visible()


def _asked_whether_again(page: Page, desk: Desk) -> None:
    _do(_form("one", 7), page, desk)
    page.get_by_role("button", name="Answer everything again").click()
    expect(page.get_by_role("button", name="No, keep my answers")).to_be_focused()


def _uncovered(page: Page, _: Desk) -> None:
    """Show the panel of the form in an EHR's frame, both of its parts."""
    expect(page.locator("[data-form]")).to_be_visible()
    page.evaluate("""() => {
        const panel = document.querySelector("template[data-screen=cover]").content.cloneNode(true);
        document.querySelector("main").replaceChildren(panel);
        document.querySelectorAll("[data-coverable], [data-uncoverable], [data-unlock]").forEach((part) => { part.hidden = false; });
    }""")


def _given_back_before_the_end(page: Page, desk: Desk) -> None:
    """Give the device back in the middle of a form, which stays behind the lock."""
    _do(_form("held", 1), page, desk)
    page.get_by_role("link", name="Give the tablet back").click()
    expect(page.get_by_role("button", name="Go on with the form")).to_be_visible()


def _do(state: State, page: Page, desk: Desk) -> None:
    if state.act is not None:
        state.act(page, desk)


def _research_made(page: Page, _: Desk) -> None:
    give(page)
    page.get_by_label("For which study").fill("A study")
    page.get_by_role("button", name="Make the export and download it").click()
    expect(page.get_by_text("The export was made.")).to_be_visible()


UNUSABLE, OFFLINE, SAVED = ("data-screen=unusable", "data-screen=offline", "data-screen=saved")
STATES: dict[str, State] = {
    "home": State("/"),
    "failure": State("/failure"),
    "on the way: cookies are looked for": State("/probe", before=_stands),
    "on the way to the sign-in": State("/departure", before=_stands),
    "on the way back": State("/arrival", before=_stands),
    "patient": State("/patient"),
    "patient, observed": State("/observed"),
    "patient, table open": State("/patient", _open_all),
    "patient, who is due": State("/due"),
    "patient, a session without a number": State("/uncounted"),
    "patient, other forms and another PIN": State("/due-again", _open_all),
    "patient, everything marked": State("/marked", _open_all),
    "patient, a long course": State("/long"),
    "patient, a pause": State("/paused"),
    "patient, nothing yet": State("/empty"),
    "patient, in the EHR's look": State("/dressed"),
    "patient, EHR slow": State("/slow"),
    "patient, nothing can be read": State("/unread"),
    "patient, nothing is read yet": State("/reading"),
    "patient, no form": State("/no-form"),
    "patient, no form that can be filled": State("/no-form-to-fill", _open_all),
    "patient, a device locked out": State("/device-locked"),
    "draft of a note": State("/draft"),
    "note, refused": State("/note"),
    "patient with notes": State("/noted"),
    "where somebody is signed in": State("/sign-ins"),
    "signed in here only": State("/sign-ins-here"),
    "link": State("/link"),
    "link, code used": State("/link-without-code"),
    "before withdrawing a form with answers": State("/withdraw"),
    "before signing out": State("/parting"),
    "before signing out of a note": State("/parting-note"),
    "before signing out of forms and notes": State("/parting-notes"),
    "signed out": State("/signed-out"),
    "desk": State("/desk"),
    "caseload": State("/caseload"),
    "caseload, plots": State("/caseload-plots"),
    "caseload, no team": State("/caseload-without-team"),
    "caseload, no patients": State("/caseload-without-patients"),
    "caseload, nobody fits": State("/caseload-nobody-fits"),
    "caseload, somebody of another team": State("/caseload-stranger"),
    "caseload, no names": State("/caseload-without-names"),
    "deliveries": State("/deliveries"),
    "deliveries, set aside": State("/deliveries-aside"),
    "one delivery": State("/delivery"),
    "one delivery, in the record": State("/delivery-sent"),
    "installation": State("/installation"),
    "what the EHR takes": State("/examination"),
    "what the EHR takes, not asked yet": State("/examination-to-be-asked"),
    "norms": State("/norms"),
    "norms, none": State("/norms-none"),
    "norms, too few people": State("/norms-too-few"),
    "research export": State("/research"),
    "research export, made": State("/research", _research_made, screen="data-made"),
    "research export, overlapping": State("/research-overlapping"),
    "research export, refused": State("/research-refused"),
    "research export, not decided": State("/research-not-decided"),
    "response": State("/response"),
    "all responses": State("/responses"),
    "response, to be marked": State("/response", _open_all),
    "response, entered in error": State("/voided"),
    "lock": State("/launches/0b8e/return"),
    "lock, PIN forgotten": State("/launches/0b8e/return", _open_all),
    "lock, a sign-in did not open it": State("/signed-in-at-the-lock"),
    "wrong PIN": State("/wrong-pin"),
    "locked out": State("/locked-out"),
    "code": State("/code"),
    "wrong code": State("/wrong-code"),
    "form without its script": State("/fill#one", _waits_for_words, _runs_no_script),
    "form, being opened": State("/fill#one", before=_is_never_answered, screen="data-screen=loading"),
    "form, offline": State("/fill#one", before=_is_offline, screen=OFFLINE),
    "form cannot be opened": State("/fill#unknown", screen=UNUSABLE),
    "form, in hand": _form("held-german", 0),
    "form, given back before the end": State(
        "/fill#held", _given_back_before_the_end, screen="data-screen=paused"
    ),
    "form, on the way to the lock": State("/fill#held", _lock_on_its_way, screen="data-screen=leaving"),
    "form, beside the chart": State("/fill#one", _uncovered, screen="data-screen=cover"),
    "form, start": _form("one", 0),
    "form of every kind": _form("kinds", 0, "true"),
    "form of every kind, looked over": _form("kinds-kept", 0),
    "form of every kind, one by one": _form("kinds-one", 3),
    "form, question answered": _form("one", 1, "somewhat"),
    "form, answer not kept yet": State("/fill#one", _not_kept),
    "form, all questions": _form("all", 0),
    "form, a needed answer is missing": _form("needed", 2),
    "whole form half answered": State("/fill#all", _half_answered),
    "form, long options": _form("long", 1),
    "form, a caregiver first": State("/fill#gated"),
    "form, a caregiver beside": State("/fill#together"),
    "form, a caregiver has not said all": State(
        "/fill#together", _gate_shows("I agree", "Please confirm each")
    ),
    "form, a caregiver's word not sent": State(
        "/fill#gated", _gate_shows("I agree", "This could not be sent.", stated=True), _is_away
    ),
    "form, a caregiver agreed": State(
        "/fill#together", _gate_shows("I agree", "Six short questions", stated=True)
    ),
    "form, a caregiver asked whether to refuse": State(
        "/fill#together", _gate_shows("I do not agree", "Is that what you want?")
    ),
    "form, a caregiver refused": State("/fill#gated", _refused_by_caregiver, screen="data-refused"),
    "form, a caregiver is not there now": State(
        "/fill#beside", _gate_shows("Not now", "Open the link again"), screen="data-refused"
    ),
    "form, why no answer": _form("why", 0),
    "form, may answers be read": _form("asked", 7),
    "form, may answers be read, and no result": _form("asked-all", 2),
    "preview": State("/preview"),
    "preview, whole form": State("/preview-all"),
    "preview, tried": State("/preview", _tried, screen="data-saved"),
    "form, read aloud": State("/fill#all", _read_aloud),
    "form, with aids": State("/fill#lines", _aided),
    "form, a line": _form("lines", 1),
    "form, lines looked over": _form("lines-kept", 1),
    "form, right to left, whole": _form("arabic-all", 0),
    "form, right to left": _form("arabic", 1),
    "form, look over": _form("one", 7),
    "form, look over, asked whether to begin again": State("/fill#one", _asked_whether_again),
    "form, refused": State("/fill#one", _refused, _is_misfit),
    "form, sent as soon as there is a connection": State("/fill#one", _sent_later, _is_away),
    "form, device given back meanwhile": replace(
        _form("one", 8, screen="data-screen=given-back"), before=_is_given_back
    ),
    "form, sent": _form("one", 8, screen="data-saved"),
    "form, sent, with its score": _form("told", 3, screen="data-saved"),
    "form, sent before": State("/fill#one", before=_is_sent, screen=SAVED),
    "form, sent and then changed": State("/fill#one", _late, screen="data-saved"),
    "form, a caregiver is asked anew": State(
        "/fill#one", before=_is_asked_anew, screen="data-screen=asked-anew"
    ),
    "form, look over, answered on another page, too": State(
        "/fill#kinds-kept", _answered_twice, screen="data-twice"
    ),
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
    for number, (screen, (width, height, scheme, by)) in enumerate(SCREENS.items()):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        if number == 0:
            show(STATES[state], page, address, desk)
        results = judge(page, by)
        if results.violations_count:
            found[screen] = results.generate_report()
    assert not found, "\n".join(f"{screen}: {report}" for screen, report in found.items())
    # WCAG 2.2 criterion 1.4.10: 1280 px at 400 % zoom are 320 px. A phone of 390 px at 200 % has 195.
    for width in (320, 195):
        page.set_viewport_size({"width": width, "height": 512})
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert page.evaluate(UNREACHABLE) == []


def show(state: State, page: Page, address: str, desk: Desk) -> None:
    """Bring the page into its state, and see that it shows the screen it says."""
    page.add_init_script(f"({NOTE_SCREENS})()")
    if state.before is not None:
        state.before(page, desk)
    page.goto(f"{address}{state.path}")
    if state.screen != "data-screen=loading":
        expect(page.locator(".waiting")).to_have_count(0)
    _do(state, page, desk)
    if state.screen:
        # What leads on from the lock comes with *One moment*, which stands before the lock does.
        assert state.screen in page.evaluate("taken.slice(-2)")


ELSEWHERE = {
    "clinician/summary.html": "on paper, as PDF",
    "staff/audit/": "tests/product/test_auditing_browser.py, which asks for all of them in the same way",
}


def test_every_template_is_part_of_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = note_templates(monkeypatch)
    browser = TestClient(site(new_desk()))
    for state in STATES.values():
        path, _, secret = state.path.partition("#")
        assert browser.get(path).status_code == 200, state
        if secret:
            browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
    missing = {each for each in templates() if not each.startswith(tuple(ELSEWHERE))} - rendered
    assert missing == set(), f"no state of this module shows {sorted(missing)}"
    assert [each for each in ELSEWHERE if not any(name.startswith(each) for name in templates())] == []


def test_every_screen_that_stands_in_a_template_of_a_page_is_shown_in_a_state() -> None:
    screens = {
        screen.replace('"', "")
        for each in TEMPLATES.rglob("*.html")
        for screen in re.findall(r'<template (data-[a-z]+(?:="[a-z-]+")?)', each.read_text(encoding="utf-8"))
    }
    assert len(screens) >= 7
    missing = screens - {state.screen for state in STATES.values()}
    assert missing == set(), f"no state of this module shows {sorted(missing)}"
