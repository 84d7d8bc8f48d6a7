"""Rapport in the EHR's frame, in every kind of frame and with every kind of cookies that a browser has."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect, sync_playwright

from plugin.delivery.pdf import can_render
from tests.browser import PATIENCE, find_chromium, sandbox_arguments, shown
from tests.product.demonstration import ROOT, Demonstration, running_demonstration

pytestmark = pytest.mark.browser

PIN = "4711"
AMARA, MATEO = "1001", "1002"


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with running_demonstration(tmp_path_factory.mktemp("demonstration")) as running:
        yield running


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: a folder that RAPPORT_PICTURES names, if any."""
    named = os.environ.get("RAPPORT_PICTURES")
    return Path(named) if named else tmp_path_factory.mktemp("pictures")


@dataclass(frozen=True)
class Kept:
    """How a browser keeps cookies: what its profile says of them."""

    profile: dict[str, object]
    none: bool = False

    def beside(self, demonstration: Demonstration) -> "Kept":
        """The EHR has its own cookie where Rapport has none."""
        if not self.none:
            return self
        profile: dict[str, object] = {
            "default_content_setting_values": {"cookies": 2},
            "content_settings": {"exceptions": {"cookies": {f"{demonstration.ehr},*": {"setting": 1}}}},
        }
        return replace(self, profile=profile)


# Said in both cases: versions and builds of Chromium differ in what they do by themselves.
EVERYTHING = Kept({"cookie_controls_mode": 0, "block_third_party_cookies": False})
NO_THIRD_PARTY = Kept({"cookie_controls_mode": 1, "block_third_party_cookies": True})
NOTHING = Kept({}, none=True)


@contextmanager
def browsing(folder: Path, kept: Kept) -> Iterator[BrowserContext]:
    """A browser with a profile of its own; everything that its console complains of fails the test."""
    profile = folder / "profile"
    (profile / "Default").mkdir(parents=True)
    preferences = json.dumps({"profile": kept.profile})
    (profile / "Default" / "Preferences").write_text(preferences, encoding="utf-8")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=find_chromium(playwright),
            args=sandbox_arguments(),
            viewport={"width": 1280, "height": 860},
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE)
        try:
            yield context
        except Exception as error:
            error.add_note("\n\n".join(map(shown, context.pages)))
            raise
        context.close()


def launch_address(demonstration: Demonstration, patient: str, **more: object) -> str:
    """Have the EHR open a launch."""
    asked = {"client_id": "rapport", "patient": patient, "practitioner": "201", **more}
    answer = httpx.post(f"{demonstration.ehr}/sandbox/launch", json=asked)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["launch_url"])


def embed(page: Page, origin: str, address: str) -> FrameLocator:
    """Show an address in a frame of a page of this origin, as an EHR does."""
    html = f'<!doctype html><title>Chart</title><iframe src="{address}" width=1200 height=800></iframe>'
    page.route(f"{origin}/embedding", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{origin}/embedding")
    return page.frame_locator("iframe")


def answer_as_child(frame: FrameLocator) -> None:
    """Hand over to Amara, answer everything, send, give back."""
    frame.get_by_text(
        "Other form, language or person"
    ).click()  # she has answered in the frame before: no press is hers
    frame.get_by_role("radio", name="Amara Okafor").check()
    frame.get_by_label("PIN for this hand-over").fill(PIN)
    frame.get_by_role("button", name="Hand over", exact=True).click()
    on = frame.get_by_role("button", name=re.compile("Go on like this|Start|Fill the screen"))
    on.first.click()
    if not frame.get_by_role("radio", name="Mostly yes").locator("visible=true").count():
        start = frame.get_by_role("button", name="Start")
        if start.count():
            start.click()
    for _ in range(6):
        frame.get_by_role("radio", name="Mostly yes").locator("visible=true").check()
        frame.get_by_role("button", name=re.compile("Next|Look over")).click()
    frame.get_by_role("button", name="Send").click()
    back = frame.get_by_role("link", name="Give the tablet back")
    expect(back).to_be_visible()
    back.page.wait_for_timeout(700)  # the page around has scrolled to the new heading by then
    back.click()
    frame.get_by_label("PIN").fill(PIN)
    frame.get_by_role("button", name="Unlock").click()
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()
    expect(frame.locator("[data-response]").first).to_contain_text("18 of 24")
    expect(frame.locator("[data-response]").first).to_contain_text("In the record")


def open_rapport(page: Page, demonstration: Demonstration, patient: str = AMARA, **wish: str) -> FrameLocator:
    """Sign in to the EHR and press Rapport in a chart; `wish` is what the chart's address may ask for."""
    page.goto(demonstration.ehr)
    page.get_by_role("button", name="Samuel Adeyemi").click()
    page.goto(f"{demonstration.ehr}/chart/{patient}/app/rapport?{urlencode(wish)}")
    frame = page.frame_locator("iframe.app")
    expect(frame.get_by_role("heading", name="Start a form")).to_be_visible()
    return frame


THIRD_PARTY_BLOCKED = "another site, third-party cookies blocked"
FRAMES = {
    "another site": ("usual", EVERYTHING),
    THIRD_PARTY_BLOCKED: ("usual", NO_THIRD_PARTY),
    "sandboxed": ("sandboxed", EVERYTHING),
    "sandboxed, third-party cookies blocked": ("sandboxed", NO_THIRD_PARTY),
    "no cookies at all": ("usual", NOTHING),
    "sandboxed, no cookies at all": ("sandboxed", NOTHING),
}


def origins(page: Page) -> list[str]:
    """Name the origin of the page and of each frame in it, as the browser sees them."""
    return [str(each.evaluate("location.origin")) for each in page.frames]


def picture_for_the_documentation(page: Page, frame: FrameLocator) -> None:
    """Take the picture of docs/reference/frames.md anew if RAPPORT_SCREENSHOTS asks for it."""
    if os.environ.get("RAPPORT_SCREENSHOTS"):
        frame.locator("body").evaluate(
            "() => new Promise((done) => setTimeout(done, 300))"
        )  # painted by then
        page.screenshot(path=ROOT / "docs" / "screenshots" / "in-a-frame-of-another-site.png")


@pytest.mark.parametrize(("kept", "comes_along"), [(EVERYTHING, True), (NO_THIRD_PARTY, False)])
def test_a_browser_that_blocks_third_party_cookies_sends_only_the_one_of_this_frame(
    kept: Kept, comes_along: bool, demonstration: Demonstration, tmp_path: Path
) -> None:
    with browsing(tmp_path, kept) as context:
        page = context.new_page()
        page.goto(f"{demonstration.rapport}/code")
        page.evaluate("document.cookie = 'usual=x; Path=/; Secure; SameSite=None'")  # not partitioned
        open_rapport(page, demonstration)
        with page.expect_request("**/launches/*") as asked:
            page.frames[1].evaluate("location.reload()")
        sent = asked.value.all_headers()["cookie"]
    assert "__Host-rapport=" in sent
    assert ("usual=x" in sent) is comes_along


@pytest.mark.parametrize("kind", FRAMES)
def test_a_form_is_filled_and_stands_in_the_record_in_every_kind_of_frame(
    kind: str, demonstration: Demonstration, tmp_path: Path, pictures: Path
) -> None:
    how, kept = FRAMES[kind]
    with browsing(tmp_path, kept.beside(demonstration)) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        # An answer that was still on its way to be kept when the form was sent is told that it is too late (410), and the
        # patient page, asking how far a delivery is while it is handed over, that it is locked (423).
        page.on(
            "console",
            lambda said: (
                errors.append(said.text)
                if said.type == "error" and not re.search("410|423", said.text)
                else None
            ),
        )
        frame = open_rapport(page, demonstration, frame=how)
        page.screenshot(path=pictures / f"{kind}.png".replace(" ", "-").replace(",", ""))
        if kind == THIRD_PARTY_BLOCKED:
            assert origins(page) == [demonstration.ehr, demonstration.rapport]
            picture_for_the_documentation(page, frame)
        answer_as_child(frame)
        page.screenshot(path=pictures / f"{kind} after.png".replace(" ", "-").replace(",", ""))
        cookies = {each["name"] for each in context.cookies()}
        frame.get_by_role("button", name="Back to the chart").click()
        expect(page).to_have_url(f"{demonstration.ehr}/chart/{AMARA}")
    # The first page of a sandboxed frame's way back says what is wrong until its script has taken over.
    assert [each for each in errors if how == "usual" and not kept.none] == []
    assert not [each for each in errors if "Content Security" in each or "Error:" in each]
    assert ("__Host-rapport" in cookies) is (how == "usual" and not kept.none) or how == "sandboxed"
    if kept.none:
        assert cookies == {"sandbox_clinician", "sandbox_since"}
    ours = (demonstration.rapport, demonstration.ehr)
    assert [each for each in asked if not each.startswith((*ours, "data:"))] == []


def test_how_far_a_form_is_that_is_filled_elsewhere_is_heard_in_a_frame_without_cookies(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    with browsing(tmp_path, NO_THIRD_PARTY.beside(demonstration)) as context:
        page = context.new_page()
        frame = open_rapport(page, demonstration, frame="sandboxed")
        frame.get_by_text("Other form, language or person").click()
        frame.locator("[name=respondent][data-rater=caregiver]").first.check()
        frame.get_by_role("button", name="Make a link instead").click()
        state = frame.locator("[data-form-state]")
        expect(state).to_have_text("not opened yet")
        phone = context.new_page()
        phone.goto(frame.get_by_role("textbox", name="Link").input_value())
        phone.get_by_role("radio", name="Mostly").first.check()
        page.bring_to_front()
        expect(state).to_have_text("1 of 6 answered")


@pytest.mark.skipif(not can_render(), reason="PDF needs Pango, which is not installed")
@pytest.mark.parametrize("kept", [EVERYTHING, NOTHING], ids=["cookies", "no cookies at all"])
def test_the_pdf_is_saved_and_the_chart_stays_in_its_frame(
    demonstration: Demonstration, tmp_path: Path, kept: Kept
) -> None:
    with browsing(tmp_path, kept.beside(demonstration)) as context:
        page = context.new_page()
        frame = open_rapport(page, demonstration)
        with page.expect_download() as saved:
            frame.get_by_role("link", name="PDF").click()
        assert re.fullmatch(r"alliance-\d{4}-\d\d-\d\d\.pdf", saved.value.suggested_filename)
        assert saved.value.path().read_bytes().startswith(b"%PDF-")
        expect(frame.get_by_role("heading", name="Scores over sessions")).to_be_visible()
        frame.get_by_role("link", name="Draft a note").click()
        expect(frame.get_by_role("heading", name="Note for the record")).to_be_visible()


def test_a_frame_of_the_same_origin_works(demonstration: Demonstration, tmp_path: Path) -> None:
    with browsing(tmp_path, EVERYTHING) as context:
        frame = embed(context.new_page(), demonstration.rapport, launch_address(demonstration, AMARA))
        answer_as_child(frame)


def test_two_patients_in_two_tabs_never_mix_and_the_old_tab_says_whose_it_is(
    demonstration: Demonstration, tmp_path: Path, pictures: Path
) -> None:
    with browsing(tmp_path, NO_THIRD_PARTY) as context:
        first, second = context.new_page(), context.new_page()
        amara = open_rapport(first, demonstration, AMARA)
        mateo = open_rapport(second, demonstration, MATEO)
        expect(mateo.get_by_role("button", name="Hand over to Mateo Ríos Delgado")).to_be_visible()
        first.bring_to_front()
        expect(amara.get_by_text("This page is still of Amara Okafor")).to_be_visible()
        first.screenshot(path=pictures / "old-tab.png")
        answer_as_child(amara)
        second.reload()
        expect(mateo.get_by_text("None came by Rapport yet")).to_be_visible()


def test_what_a_sandboxed_frame_holds_ends_with_its_page(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    with browsing(tmp_path, NOTHING.beside(demonstration)) as context:
        page = context.new_page()
        open_rapport(page, demonstration, frame="sandboxed")
        inside = next(each for each in page.frames if each != page.main_frame)
        assert inside.evaluate("window.name") == ""
        inside.evaluate("location.reload()")
        expect(page.frame_locator("iframe.app").get_by_text("Open Rapport again")).to_be_visible()
