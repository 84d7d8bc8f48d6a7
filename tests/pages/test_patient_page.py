"""The clinician's page in a real browser: offering forms, following deliveries, choosing a scale."""

import json
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser import PATIENCE
from tests.pages.serving import Desk
from tests.pages.test_lines import wait_until

pytestmark = pytest.mark.browser


def instruments(page: Page) -> Locator:
    return page.locator("[data-instrument]:visible")


def test_only_forms_that_fit_person_and_age_are_offered(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    expect(instruments(page)).to_contain_text(["Rapport Check-in, child"])
    expect(instruments(page)).to_have_count(1)
    page.get_by_role("checkbox", name="Show forms for other ages").check()
    expect(instruments(page)).to_have_count(2)
    page.get_by_role("radio", name="Dana Kowalski").check()
    expect(instruments(page)).to_have_text(
        "Rapport Check-in, caregiver Experimental, not validated", use_inner_text=False
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/unread", "No form can be started now: the EHR did not say who can answer."),
        ("/no-form", "No form can be started: none is installed for this service."),
        (
            "/no-form-to-fill",
            "No form can be started: none of those that are installed can be filled here.",
        ),
    ],
)
def test_where_no_form_can_be_started_the_page_says_why(
    page: Page, address: str, path: str, told: str
) -> None:
    page.goto(f"{address}{path}")
    expect(page.locator("#start .empty")).to_have_text(told)


@pytest.mark.usefixtures("own_context")
def test_what_is_late_is_asked_for_again_until_it_comes(page: Page, address: str) -> None:
    whole = page.request.get(f"{address}/due").text()
    answers = iter((None, ""))

    def answer(route: Route) -> None:
        body = next(answers, whole)
        if body is None:
            route.abort("connectionreset")
        else:
            route.fulfill(status=200 if body else 504, body=body, content_type="text/html")

    page.route("**/slow?wait=true", answer)
    page.clock.install()
    with page.expect_event("requestfailed"):
        page.goto(f"{address}/slow")
    expect(page.locator("#start .skeleton")).to_be_visible()
    start = page.get_by_text("Other form, language or person")
    for _ in range(60):
        page.clock.run_for(1000)
        page.wait_for_timeout(20)
        if start.is_visible():
            break
    for _ in range(12):  # nor does the page that opened without it come back with the next news
        expect(start).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        expect(page.locator("#due")).to_contain_text("Due now")
        page.clock.run_for(1000)


def test_the_forms_that_cannot_be_filled_are_listed_where_there_are_no_others(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/no-form-to-fill")
    page.get_by_text("1 form cannot be filled here").click()
    expect(page.get_by_text("ask the holder for a wording pack")).to_be_visible()


def test_the_therapist_needs_no_pin(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/patient")
    page.get_by_role("radio", name="Dr Amara Osei").check()
    expect(page.get_by_label("PIN for this hand-over")).to_be_hidden()
    page.get_by_label("Language").select_option("es")
    page.get_by_role("button", name="Open the form").click()
    expect(page.locator("[data-form]")).to_be_visible()
    assert desk.handed_over == [
        {
            "csrf": "token",
            "respondent": "Practitioner/osei",
            "instrument": "rapport-checkin-therapist",
            "language": "es",
            "pin": "",
        }
    ]


def test_an_observer_is_offered_their_own_forms_without_a_pin_or_a_link(
    page: Page, address: str, desk: Desk
) -> None:
    page.goto(f"{address}/observed")
    page.get_by_role("radio", name="Dr Amara Osei Observer").check()
    expect(instruments(page)).to_contain_text(["Alliance as observed"])
    expect(instruments(page)).to_have_count(1)
    expect(page.get_by_label("PIN for this hand-over")).to_be_hidden()
    expect(page.get_by_role("button", name="Make a link instead")).to_be_hidden()
    page.get_by_role("button", name="Open the form").click()
    expect(page.locator("[data-form]")).to_be_visible()
    (sent,) = desk.handed_over
    assert (sent["respondent"], sent["instrument"], sent["pin"]) == ("Practitioner/osei", "rating", "")


@pytest.mark.parametrize("pin", ["", "123", "12ab"])
def test_a_hand_over_waits_for_a_pin(page: Page, address: str, desk: Desk, pin: str) -> None:
    page.goto(f"{address}/patient")
    page.get_by_label("PIN for this hand-over").press_sequentially(pin)
    page.get_by_role("button", name="Hand over").click()
    page.wait_for_timeout(200)
    assert desk.handed_over == []


@pytest.mark.parametrize("pin", ["4711", "٤٧١١"])
def test_a_hand_over_sends_what_was_chosen(page: Page, address: str, desk: Desk, pin: str) -> None:
    page.goto(f"{address}/patient")
    page.get_by_label("PIN for this hand-over").fill(pin)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("PIN for this hand-over")).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hand over").click()
    expect(page.locator("[data-form]")).to_be_visible()
    assert desk.handed_over[0]["respondent"] == "Patient/mia"
    assert desk.handed_over[0]["pin"] == pin


def test_a_pin_that_is_shown_is_hidden_again_before_it_is_sent(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    page.locator("#start").evaluate(
        "form => form.addEventListener('submit', (sent) => { sent.preventDefault(); document.title = 'Sent'; })"
    )
    pin = page.get_by_label("PIN for this hand-over")
    pin.fill("4711")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Hand over").click()
    expect(page).to_have_title("Sent")
    expect(pin).to_have_attribute("type", "password")


def test_a_page_that_shows_again_what_was_refused_is_loaded_anew_as_itself(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    html = page.content()
    page.route(
        "**/launches/0b8e/invitations", lambda route: route.fulfill(body=html, content_type="text/html")
    )
    page.get_by_label("PIN for this hand-over").fill("4711")
    page.get_by_role("button", name="Hand over").click()
    expect(page).to_have_url(f"{address}/launches/0b8e")


def test_without_script_every_form_can_still_be_handed_over(page: Page, address: str, desk: Desk) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{address}/patient")
    expect(plain.locator("[data-instrument]:visible")).to_have_count(4)
    plain.get_by_role("radio", name="Jan Kowalski").check()
    plain.get_by_role("radio", name="Rapport Check-in, caregiver").check()
    plain.get_by_label("PIN for this hand-over").fill("4711")
    plain.get_by_role("button", name="Hand over").click()
    expect(plain.get_by_text("This form needs JavaScript")).to_be_visible()
    assert desk.handed_over[0]["instrument"] == "rapport-checkin-caregiver"
    context.close()


def hold_news(page: Page) -> list[Route]:
    """Let what the page listens to wait; gives the one that waits."""
    held: list[Route] = []
    page.route("**/events", lambda route: held.append(route))
    return held


def tell_of_a_form(held: list[Route], page: Page) -> None:
    """Say that somebody's form was begun elsewhere; the page takes its parts anew."""
    news = json.dumps([{"id": "new", "label": "opened", "open": True, "remote": True}])
    wait_until(lambda: bool(held), page)
    with page.expect_response(lambda answer: "wait=true" in answer.url):
        held[0].fulfill(content_type="text/event-stream", body=f"data: {news}\n\n")
    page.wait_for_timeout(300)


def test_a_pin_and_the_place_of_the_keyboard_outlive_news_of_a_form(page: Page, address: str) -> None:
    held = hold_news(page)
    page.goto(f"{address}/due")
    pin = page.get_by_label("Your PIN for handing over").first
    pin.fill("2580")
    page.keyboard.press("Tab")
    press = page.get_by_role("button", name="Hand over to Mia Kowalski")
    expect(press).to_be_focused()
    tell_of_a_form(held, page)
    expect(pin).to_have_value("2580")
    expect(press).to_be_focused()


@pytest.mark.parametrize(("status", "asks_again"), [(502, True), (401, False)])
@pytest.mark.usefixtures("own_context")
def test_news_are_listened_to_again_after_a_server_that_was_away_and_not_after_a_refusal(
    page: Page, address: str, status: int, asks_again: bool
) -> None:
    asked: list[Route] = []

    def answer(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.fulfill(status=status, body="The server is being started.")

    page.route("**/events", answer)
    answers = [status, 200]  # of the page itself
    page.clock.install()
    page.goto(f"{address}/due")
    page.wait_for_function("() => document.readyState === 'complete'")
    page.route(
        "**/due?wait=true",
        lambda route: (
            route.continue_() if answers.pop(0) == 200 else route.fulfill(status=status, body="Away")
        ),
    )

    told = page.get_by_text("Nothing is heard from Rapport now")
    expect(told).to_be_hidden()
    is_told = False

    def is_decided() -> bool:
        nonlocal is_told
        page.clock.run_for(5_000)
        is_told = is_told or told.is_visible()
        return len(asked) == 2 or (answers == [200] and not asks_again)

    wait_until(is_decided, page)
    page.clock.run_for(10_000)
    page.wait_for_timeout(300)  # whoever was refused would have asked again by then
    assert (len(asked) == 2) is asks_again
    assert answers == ([] if asks_again else [200])
    assert is_told
    assert told.is_hidden() is asks_again  # the parts were taken anew


def test_the_score_and_table_that_are_looked_at_stay_in_sight_when_news_come(
    page: Page, address: str
) -> None:
    held = hold_news(page)
    page.goto(f"{address}/patient")
    page.get_by_role("radio", name="Total").focus()
    page.keyboard.press("ArrowRight")
    table = page.get_by_text("The same as a table").locator("visible=true")
    expect(table).to_have_count(1)  # once the styles are there
    table.click()
    expect(page.get_by_role("table")).to_have_count(1)
    tell_of_a_form(held, page)
    expect(page.get_by_role("img")).to_have_accessible_name("Goal by session, scale 0 to 8")
    expect(page.get_by_role("table")).to_have_count(1)
    assert page.locator("#scores details[open]").count() == 1


def test_a_delivery_is_followed_and_announced(page: Page, address: str, desk: Desk) -> None:
    desk.states = [
        {"id": "response-0", "state": "delivered", "state_label": "In the record", "detail": "4 Observations"}
    ]
    page.goto(f"{address}/patient")
    first = page.locator("[data-response='response-0']")
    expect(first.locator("[data-chip]")).to_have_attribute("data-state", "sending")
    expect(first.locator("[data-chip]")).to_have_attribute("data-state", "delivered")
    expect(first).to_contain_text("4 Observations")
    expect(page.locator("[data-announce]")).to_have_text("Mia: In the record")
    expect(first.locator("use")).to_have_attribute("href", _ends("#delivered"))
    polls = desk.polls
    page.wait_for_timeout(1500)
    assert desk.polls == polls == 1


def test_what_is_still_on_its_way_is_asked_again(page: Page, address: str, desk: Desk) -> None:
    desk.states = [
        {"id": "response-0", "state": "unknown", "state_label": "Outcome unknown, checking", "detail": ""}
    ]
    page.goto(f"{address}/patient")
    wait_until(lambda: desk.polls >= 2, page)


@pytest.mark.usefixtures("own_context")
def test_however_often_the_page_is_taken_anew_what_is_on_its_way_is_asked_for_once_at_a_time(
    page: Page, address: str, desk: Desk
) -> None:
    desk.states = [
        {"id": "response-0", "state": "unknown", "state_label": "Outcome unknown, checking", "detail": ""}
    ]
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    held = hold_news(page)
    page.goto(f"{address}/patient")
    tell_of_a_form(held, page)
    page.clock.run_for(1000)
    wait_until(lambda: desk.polls > 0, page)
    page.wait_for_timeout(300)  # a second one would have come by then
    assert desk.polls == 1


def test_a_scale_is_chosen_by_arrow_key(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    expect(page.get_by_role("img")).to_have_count(1)
    expect(page.get_by_role("img")).to_have_accessible_name("Total by session, scale 0 to 24")
    page.get_by_role("radio", name="Total").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("img")).to_have_accessible_name("Goal by session, scale 0 to 8")
    expect(page.get_by_role("img")).to_have_count(1)


def test_the_band_of_one_person_is_shown_at_a_time(page: Page, address: str) -> None:
    page.goto(f"{address}/marked")
    shown = page.locator("svg:visible .band:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_have_class(re.compile("band-0"))
    page.get_by_role("radio", name="Dr Amara Osei (18 ± 3.4)").check()
    expect(shown).to_have_class(re.compile("band-2"))  # the therapist's look, though there is no caregiver
    page.get_by_role("radio", name="nobody").check()
    expect(shown).to_have_count(0)


def test_whose_scores_are_in_the_plot_is_chosen_by_keyboard_too(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    names = ["Mia", "Dana Kowalski (mother)", "Dr Amara Osei"]
    lines = page.locator("svg:visible .series:visible")
    expect(lines).to_have_count(3)
    for name in names:
        expect(page.get_by_role("checkbox", name=name)).to_be_checked()
    page.get_by_role("checkbox", name=names[1]).focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("checkbox", name=names[1])).not_to_be_checked()
    expect(lines).to_have_count(2)
    expect(page.locator("svg:visible .series-1:visible")).to_have_count(0)
    expect(page.get_by_role("group", name="In the plot")).to_be_visible()


def test_a_person_who_is_not_in_the_plot_takes_their_band_with_them(page: Page, address: str) -> None:
    page.goto(f"{address}/marked")
    expect(page.locator("svg:visible .band:visible")).to_have_count(1)
    page.get_by_role("checkbox", name="Mia").uncheck()
    expect(page.locator("svg:visible .band:visible")).to_have_count(0)


def test_on_paper_only_those_are_named_whose_scores_are_in_the_plot(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    page.get_by_role("checkbox", name="Mia").uncheck()
    page.emulate_media(media="print")
    shown = page.locator(".bands:visible label:visible")
    expect(shown).to_have_text(["Dana Kowalski (mother)", "Dr Amara Osei"])
    expect(page.get_by_role("checkbox")).to_have_count(0)
    expect(page.locator("svg:visible .series:visible")).to_have_count(2)


def test_who_was_taken_out_of_the_plot_stays_out_when_news_come(page: Page, address: str) -> None:
    held = hold_news(page)
    page.goto(f"{address}/patient")
    page.get_by_role("checkbox", name="Mia").uncheck()
    page.locator("#scores svg").first.evaluate("each => each.dataset.old = ''")
    tell_of_a_form(held, page)
    expect(page.locator("#scores [data-old]")).to_have_count(0)  # the part was taken anew
    expect(page.get_by_role("checkbox", name="Mia")).not_to_be_checked()
    page.get_by_role("radio", name="Total").focus()
    page.keyboard.press("ArrowRight")  # another score, with the same people in its plot
    expect(page.get_by_role("img")).to_have_accessible_name(re.compile("^Goal"))
    expect(page.get_by_role("checkbox", name="Mia")).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="Dr Amara Osei")).to_be_checked()


def test_on_paper_stand_the_wide_plot_and_its_table_and_nothing_to_press(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/marked")
    summary = page.get_by_text("The same as a table")
    expect(page.get_by_role("cell", name="10 (rupture)")).to_be_hidden()
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.get_by_role("cell", name="10 (rupture)")).to_be_visible()
    expect(page.locator(".plot.wide")).to_be_visible()
    expect(page.locator(".plot.slim")).to_be_hidden()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_text("Mia (17 ± 3.4)")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(summary).to_be_visible()
    expect(page.get_by_role("cell", name="10 (rupture)")).to_be_hidden()


def test_on_paper_a_legend_says_what_is_shaded_and_stays_with_whose_it_is(page: Page, address: str) -> None:
    page.goto(f"{address}/marked")
    asked, told = page.get_by_text("Shade what does not"), page.get_by_text("Shaded: what does not")
    expect(asked).to_be_visible()
    expect(told).to_be_hidden()
    page.emulate_media(media="print")
    expect(asked).to_be_hidden()
    expect(told).to_be_visible()
    assert told.evaluate("each => getComputedStyle(each.closest('fieldset')).breakInside") == "avoid"
    page.emulate_media(media="screen")
    page.get_by_role("radio", name="nobody").check()
    page.emulate_media(media="print")
    expect(told).to_be_hidden()


def test_on_paper_stands_the_score_that_was_chosen_and_not_what_was_sent_where(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/due-again")
    page.locator(".scales label", has_text="Task").click()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.get_by_role("img")).to_have_accessible_name("Task by session, scale 0 to 8")
    expect(page.get_by_role("img")).to_have_count(1)
    expect(page.get_by_role("table")).to_have_count(1)
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()
    expect(page.get_by_role("heading", name="Recent responses")).to_be_hidden()
    expect(page.locator("[data-chip]:visible")).to_have_count(0)
    expect(page.get_by_role("link")).to_have_count(0)


def test_the_way_to_ones_desk_is_large_enough_for_a_mouse(page: Page, address: str) -> None:
    page.goto(f"{address}/due-again")
    link = page.get_by_role("link", name="Your desk").bounding_box()
    assert link
    assert link["height"] >= 24


def test_the_table_of_three_people_fits_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/patient")
    page.get_by_text("The same as a table").first.click()
    table = page.get_by_role("region", name="Total")
    expect(table).to_be_visible()
    assert table.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_a_medicine_whose_name_is_cut_off_in_the_drawing_has_it_whole_as_a_title(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/marked")
    short = page.locator("svg:visible text", has_text=re.compile("Methylphe.*…"))
    expect(short.locator("title")).to_have_text("Methylphenidate 18 mg prolonged-release tablet")


def test_a_printed_note_says_where_it_stands(page: Page, address: str) -> None:
    page.goto(f"{address}/noted")
    page.emulate_media(media="print")
    expect(page.locator(".noted li").nth(1)).to_contain_text("Refused by the EHR", use_inner_text=True)
    expect(page.locator(".noted li").nth(1)).to_contain_text("takes no documents", use_inner_text=True)


def test_what_shows_the_pin_stays_on_one_line_in_a_narrow_column(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    for width in (320, 737, 768, 820, 1180):
        page.set_viewport_size({"width": width, "height": 1180})
        box = page.get_by_role("button", name="Show").bounding_box()
        assert box is not None
        assert box["height"] < 50, width
        card = page.locator(".start").bounding_box()
        assert card is not None
        assert box["x"] + box["width"] < card["x"] + card["width"], width


@pytest.mark.parametrize(("path", "shown"), [("/marked", 0), ("/noted", 1)], ids=["none", "some"])
def test_on_paper_notes_have_a_heading_where_there_are_any(
    page: Page, address: str, path: str, shown: int
) -> None:
    page.emulate_media(media="print")
    page.goto(f"{address}{path}")
    expect(page.get_by_role("heading", name="Notes for the record")).to_have_count(shown)


def test_on_paper_it_says_what_is_lacking_and_what_was_an_error(page: Page, address: str) -> None:
    """A sheet that leaves this out tells of a part as if it were all. That something was saved is for the screen."""
    page.emulate_media(media="print")
    page.goto(f"{address}/patient")
    expect(page.get_by_text("Earlier scores could not be read: the EHR does not answer.")).to_be_visible()
    expect(page.get_by_text("Saved: Mia's answers are safe.")).to_be_hidden()
    expect(page.get_by_role("link", name="Try again")).to_be_hidden()
    page.goto(f"{address}/voided")
    expect(page.get_by_text("Entered in error since")).to_be_visible()


def test_printing_is_offered_where_there_is_something_to_print(page: Page, address: str) -> None:
    page.goto(f"{address}/empty")
    expect(page.get_by_role("button", name="Print")).to_have_count(0)
    page.goto(f"{address}/marked")
    page.evaluate("window.print = () => { document.title = 'printed'; }")
    page.get_by_role("button", name="Print").click()
    expect(page).to_have_title("printed")


def test_times_are_shown_as_on_the_readers_clock(page: Page, address: str) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(timezone_id="Australia/Sydney")
    far = context.new_page()
    far.goto(f"{address}/patient")
    expect(far.locator("[data-response='response-0'] time")).to_have_text("23 Nov 2026, 20:14")
    context.close()


def _ends(text: str) -> "re.Pattern[str]":
    return re.compile(re.escape(text) + "$")


def test_one_press_hands_over_to_who_is_due(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/due")
    page.get_by_label("Your PIN for handing over").fill("4711")
    page.get_by_role("button", name="Hand over to Dana Kowalski").click()
    expect(page.locator("[data-form]")).to_be_visible()
    assert desk.handed_over == [
        {
            "csrf": "token",
            "press": "device rapport-checkin-caregiver en RelatedPerson/dana",
            "pin": "4711",
        }
    ]


def test_one_press_makes_a_link_without_a_pin(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/due")
    page.get_by_role("button", name="Send a link to Jan Kowalski").click()
    expect(page.locator("[data-form]")).to_be_visible()
    assert desk.handed_over[0]["press"] == "link rapport-checkin-caregiver en RelatedPerson/jan"


def test_a_child_too_young_for_a_link_has_no_press_for_one(page: Page, address: str) -> None:
    page.goto(f"{address}/due")
    expect(page.get_by_role("button", name="Hand over to Mia Kowalski")).to_be_visible()
    expect(page.get_by_role("button", name="Send a link to Mia Kowalski")).to_have_count(0)


def test_a_press_to_hand_over_waits_for_a_pin(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/due")
    page.get_by_role("button", name="Hand over to Mia Kowalski").click()
    page.wait_for_timeout(200)
    assert desk.handed_over == []


def test_a_pin_chosen_before_is_not_asked_for_again(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/due-again")
    page.get_by_role("button", name="Hand over to Mia Kowalski").click()
    expect(page.locator("[data-form]")).to_be_visible()
    assert desk.handed_over[0]["pin"] == ""


def test_who_is_due_is_handed_the_form_by_keyboard_alone(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/due-again")
    page.get_by_role("button", name="Hand over to Dana Kowalski").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-form]")).to_be_visible()
    assert "RelatedPerson/dana" in desk.handed_over[0]["press"]


def test_other_forms_stand_behind_those_of_who_is_due(page: Page, address: str) -> None:
    page.goto(f"{address}/due")
    expect(page.get_by_label("Language")).to_be_hidden()
    page.get_by_text("Other form, language or person").click()
    expect(page.get_by_label("Language")).to_be_visible()


def test_a_phone_shows_what_changed_before_one_scrolls(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/patient")
    lines = page.locator(".facts li")
    assert lines.count() == 4
    for line in lines.all():
        box = line.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 844
    due = page.locator("[data-start]").bounding_box()
    assert due is not None
    last = lines.last.bounding_box()
    assert last is not None
    assert due["y"] > last["y"]


def test_each_persons_line_is_one_row_where_there_is_room(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{address}/patient")
    heights = page.locator(".facts li").evaluate_all("lines => lines.map((line) => line.offsetHeight)")
    assert len(heights) == 4
    assert max(heights) < 40
    places = page.locator(".facts .moved").evaluate_all("all => all.map((each) => each.offsetLeft)")
    assert len(set(places)) == 1


def test_a_phone_shows_the_button_of_a_notice_below_its_words(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/slow")
    # Both at once: the page takes its parts anew meanwhile.
    told, button = page.evaluate("""() => [".notice p", ".notice .button"].map(
        (each) => document.querySelector(each).getBoundingClientRect().toJSON())""")
    assert button["y"] >= told["y"] + told["height"]
    assert told["width"] > 250


def test_on_paper_nothing_of_a_dark_ehr_is_left(page: Page, address: str) -> None:
    page.goto(f"{address}/dressed")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)"


_SMALL = """() => [...document.querySelectorAll("button, select, summary, a.button, .field input, .scales label, .parting a, .desk a, thead a")]
    .filter((each) => each.checkVisibility({visibilityProperty: true}) && each.getBoundingClientRect().height < 44)
    .map((each) => `${each.innerText || each.name} ${each.getBoundingClientRect().height}`)"""


@pytest.mark.parametrize("path", ["/dressed", "/due-again", "/caseload", "/response"])
def test_what_a_finger_presses_is_large_enough(browser: Browser, address: str, path: str) -> None:
    """Also where the EHR's letters are small."""
    phone = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = phone.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}{path}")
    assert page.evaluate(_SMALL) == []
    phone.close()


def test_the_printed_caseload_gives_its_width_to_the_scores(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 less its margins
    page.goto(f"{address}/caseload")
    page.emulate_media(media="print")
    scores = page.locator(".caseload tbody td:nth-of-type(2)").first.bounding_box()
    assert scores
    assert scores["width"] > 110


@pytest.mark.parametrize("path", ["/deliveries", "/deliveries-aside", "/delivery"])
def test_what_stands_where_fits_a_printed_page(page: Page, address: str, path: str) -> None:
    page.set_viewport_size({"width": 680, "height": 1000})
    page.goto(f"{address}{path}")
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    broken = """(heads) => heads.filter((head) => {
        const words = document.createRange();
        words.selectNodeContents(head);
        return words.getClientRects().length > head.innerText.split(" ").length;
    }).map((head) => head.innerText)"""
    assert page.locator("thead th").evaluate_all(broken) == []


@pytest.mark.parametrize(
    ("path", "asked"), [("/delivery", "Why it is not to be sent"), ("/response", "What was wrong")]
)
def test_what_only_a_screen_can_be_told_is_not_printed(
    page: Page, address: str, path: str, asked: str
) -> None:
    page.goto(f"{address}{path}")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    expect(page.get_by_label(asked)).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_label(asked)).to_be_hidden()


@pytest.mark.parametrize("path", ["/note", "/draft"])
def test_a_long_note_is_printed_whole(page: Page, address: str, path: str) -> None:
    page.goto(f"{address}{path}")
    page.evaluate("document.querySelector('textarea').value = 'Another line.\\n'.repeat(80)")
    page.emulate_media(media="print")
    assert (
        page.evaluate(
            "(({scrollHeight, clientHeight}) => scrollHeight - clientHeight)(document.querySelector('textarea'))"
        )
        <= 1
    )


def test_a_name_in_one_long_word_makes_the_page_no_wider_than_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{address}/due")
    page.locator(".due b, .due .button").evaluate_all(
        "all => all.forEach(each => each.append('Wolfeschlegelsteinhausenbergerdorff'))"
    )
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 320


def test_what_an_ehr_says_of_a_refusal_breaks_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/noted")
    expect(page.get_by_text("DocumentReference.content.attachment.contentType")).to_be_visible()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_a_form_that_may_be_about_another_day_asks_which(page: Page, address: str, desk: Desk) -> None:
    page.goto(f"{address}/observed")
    asked = page.get_by_label("Which day is it about?")
    page.get_by_role("radio", name="Dr Amara Osei Therapist").check()
    expect(asked).to_be_hidden()
    page.get_by_role("radio", name="Dr Amara Osei Observer").check()
    expect(asked).to_be_visible()
    assert asked.evaluate("field => field.scrollWidth <= field.clientWidth")
    asked.fill("2026-11-05")
    page.get_by_role("button", name="Open the form").click()
    expect(page.locator("[data-form]")).to_be_visible()
    (sent,) = desk.handed_over
    assert sent["day"] == "2026-11-05"


def test_a_day_that_cannot_be_does_not_keep_another_form_from_being_handed_over(
    page: Page, address: str, desk: Desk
) -> None:
    page.goto(f"{address}/observed")
    page.get_by_role("radio", name="Dr Amara Osei Observer").check()
    page.get_by_label("Which day is it about?").fill("2099-01-01")
    page.get_by_role("radio", name="Dr Amara Osei Therapist").check()
    page.get_by_role("button", name="Open the form").click()
    expect(page.locator("[data-form]")).to_be_visible()
    (sent,) = desk.handed_over
    assert "day" not in sent


def test_a_language_that_was_chosen_stays_when_the_person_is_changed(page: Page, address: str) -> None:
    page.goto(f"{address}/patient")
    page.get_by_role("radio", name="Dana Kowalski").check()
    page.locator("[name=language]").select_option("es")
    page.get_by_role("radio", name="Jan Kowalski").check()
    expect(page.locator("[name=language]")).to_have_value("es")
