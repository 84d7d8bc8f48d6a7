"""What every page keeps to, whatever it is given: escaping, the content security policy, whole markup."""

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from plugin import pages
from plugin.pages import Banner, DeliveryMark, FormMode, Notice, NoticeKind, Option, Question
from plugin.pages.caseload import render_caseload
from plugin.pages.parting import render_parting, render_sessions, render_signed_out
from plugin.pages.worded import Instead
from tests.pages import samples

EVERY_PAGE: dict[str, Callable[[], str]] = {
    "home": lambda: pages.render_home(samples.HOME),
    "home without sites": lambda: pages.render_home(dataclasses.replace(samples.HOME, sites=())),
    "failure": lambda: pages.render_failure(samples.FAILURE),
    "failure without link": lambda: pages.render_failure(dataclasses.replace(samples.FAILURE, asks_code=False)),
    "failure on the way back to a desk": lambda: pages.render_failure(
        dataclasses.replace(samples.FAILURE, asks_code=False, back="/desks/d-1")
    ),
    "patient": lambda: pages.render_patient(samples.patient()),
    "patient with who is due": lambda: pages.render_patient(samples.due_patient()),
    "patient with who is due again": lambda: pages.render_patient(samples.due_patient(has_pin=True)),
    "empty patient": lambda: pages.render_patient(samples.empty_patient()),
    "patient of a slow EHR": lambda: pages.render_patient(samples.slow_patient()),
    "draft of a note": lambda: pages.render_draft(samples.draft()),
    "note": lambda: pages.render_note(samples.note()),
    "patient with notes": lambda: pages.render_patient(samples.patient(notes=samples.NOTES)),
    "where somebody is signed in": lambda: render_sessions(samples.SIGN_INS),
    "before withdrawing a form with answers": lambda: pages.render_withdraw(samples.WITHDRAW),
    "before signing out": lambda: render_parting(samples.PARTING),
    "before signing out of a note": lambda: render_parting(samples.PARTING_NOTE),
    "before signing out of forms and notes": lambda: render_parting(samples.PARTING_NOTES),
    "signed out": lambda: render_signed_out("en"),
    "caseload": lambda: render_caseload(samples.caseload(), "en"),
    "caseload as plots": lambda: render_caseload(samples.caseload(plots=True), "en"),
    "response": lambda: pages.render_response(samples.RESPONSE),
    "response without answers": lambda: pages.render_response(dataclasses.replace(samples.RESPONSE, answers=None)),
    "lock": lambda: pages.render_lock(samples.LOCK),
    "wrong PIN": lambda: pages.render_lock(samples.LOCK_WRONG),
    "no PIN": lambda: pages.render_lock(samples.LOCK_NO_PIN),
    "lock after another's sign-in": lambda: pages.render_lock(samples.LOCK_SIGNED_IN),
    "locked out": lambda: pages.render_lock(samples.LOCK_BARRED),
    "fill": pages.render_fill,
    "one question at a time": lambda: pages.render_form(samples.form(FormMode.ONE)),
    "all questions": lambda: pages.render_form(samples.form(FormMode.ALL)),
    **{f"shell in {language}": lambda language=language: pages.render_fill(language) for language in ("de", "es", "fr", "pt")},  # type: ignore[misc] # a lambda's default has no declared type
}  # fmt: skip

_VOID = {"meta", "link", "input", "br", "hr", "img"}


class _Balance(HTMLParser):
    """Notes tags that are closed out of order or never."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_every_tag_is_closed_where_it_was_opened(name: str) -> None:
    balance = _Balance()
    balance.feed(EVERY_PAGE[name]())
    assert balance.faults == []
    assert balance.open == []
    assert len(balance.ids) == len(set(balance.ids))


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_no_page_needs_more_than_the_content_security_policy_gives(name: str) -> None:
    html = EVERY_PAGE[name]()
    assert not re.search(r"\sstyle\s*=", html)
    assert "<style" not in html
    assert not re.search(r"\son[a-z]+\s*=", html)
    assert all(
        re.fullmatch(r"\s*", inside) for inside in re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL)
    )
    assert not re.search(r"(?:src|href|action)=[\"'](?:https?:|//|javascript:)", html)


HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>'{{ 1234567*7 }}"


def _hostile_pages() -> dict[str, str]:
    options = (Option(HOSTILE, HOSTILE), Option("b", "B"))
    respondent = dataclasses.replace(
        samples.patient().respondents[0], name=HOSTILE, relationship=HOSTILE, reference=HOSTILE
    )
    instrument = dataclasses.replace(
        samples.INSTRUMENTS[0], title=HOSTILE, label=HOSTILE, unavailable=HOSTILE, id=HOSTILE
    )
    response = dataclasses.replace(
        samples.responses()[0], who=HOSTILE, instrument=HOSTILE, detail=HOSTILE, id=HOSTILE
    )
    series = dataclasses.replace(
        samples.trend().series[0], name=HOSTILE, measure=HOSTILE, scale_label=HOSTILE
    )
    return {
        "failure": pages.render_failure(pages.FailurePage(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 400)),
        "home": pages.render_home(pages.HomePage((pages.SiteLink(HOSTILE, HOSTILE),), HOSTILE)),
        "lock": pages.render_lock(dataclasses.replace(samples.LOCK, launch=HOSTILE, csrf=HOSTILE)),
        "form": pages.render_form(
            samples.form(
                title=HOSTILE,
                intro=HOSTILE,
                attribution=HOSTILE,
                language=HOSTILE,
                questions=(Question(HOSTILE, HOSTILE, options),),
                answers={HOSTILE: HOSTILE},
            )
        ),
        "patient": pages.render_patient(
            samples.patient(
                launch=HOSTILE,
                csrf=HOSTILE,
                clinician=HOSTILE,
                banner=Banner(HOSTILE),
                respondents=(respondent,),
                instruments=(instrument,),
                responses=(response,),
                trend=pages.Trend((series,)),
                notices=(Notice(NoticeKind.PROBLEM, HOSTILE),),
                open_forms=(pages.OpenForm(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
            )
        ),
        "response": pages.render_response(
            dataclasses.replace(
                samples.RESPONSE,
                who=HOSTILE,
                relationship=HOSTILE,
                instrument=HOSTILE,
                detail=HOSTILE,
                identifier=HOSTILE,
                locations=(HOSTILE,),
                answers=(pages.AnswerLine(HOSTILE, HOSTILE),),
            )
        ),
    }


@pytest.mark.parametrize("name", ["failure", "home", "lock", "form", "patient", "response"])
def test_what_others_wrote_stays_text(name: str) -> None:
    html = _hostile_pages()[name]
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "8641969" not in html
    balance = _Balance()
    balance.feed(html)
    assert balance.faults == []


def test_the_form_has_no_number_that_could_be_a_score() -> None:
    view = samples.form(questions=samples.QUESTIONS[:1])
    inside = re.findall(r"<label class=\"option\">(.*?)</label>", pages.render_form(view))
    assert len(inside) == 5
    assert not any(re.search(r"\d", re.sub(r'name="q\d+"', "", option)) for option in inside)


@pytest.mark.parametrize(
    ("rater", "told"), [("therapist", "Back to the patient"), ("child", "Give the tablet back")]
)
def test_after_sending_therapists_go_back_to_the_patient_and_others_give_back(rater: str, told: str) -> None:
    saved = pages.render_form(samples.form(rater=rater)).partition("<template data-saved>")[2]
    assert re.findall(r"data-return href=\"/\">(.*?)</a>", saved) == [told]
    assert ("You can give the tablet back." in saved) is (rater == "child")


def test_options_stand_in_the_instruments_order() -> None:
    html = pages.render_form(samples.form(questions=samples.QUESTIONS[:1]))
    assert re.findall(r'type="radio" data-option name="q1" value="([^"]+)"', html) == [
        each.code for each in samples.AGREEMENT
    ]


def test_a_draft_is_selected_again() -> None:
    html = pages.render_form(samples.form(answers={"goal-1": "mostly", "goal-2": None}))
    assert re.findall(r'value="([^"]+)" checked', html) == ["mostly"]
    assert len(re.findall(r"data-decline checked", html)) == 1


def test_a_required_question_offers_no_way_to_decline() -> None:
    html = pages.render_form(samples.form(FormMode.ALL, questions=samples.NEEDED_QUESTIONS))
    assert html.count("data-decline") == 1
    assert html.count(">This question needs an answer.<") == 1


def test_only_where_every_question_may_be_left_out_is_that_said() -> None:
    assert "You may leave out a question" in pages.render_form(samples.form(intro=""))
    mixed = samples.form(intro="", questions=samples.NEEDED_QUESTIONS)
    assert "There are no right or wrong answers.</p>" in pages.render_form(mixed)


def test_what_needs_an_answer_is_marked_so_for_screen_readers() -> None:
    needed = dataclasses.replace(samples.KINDS[-2], required=True)  # words
    html = pages.render_form(samples.form(questions=(samples.NEEDED_QUESTIONS[0], *samples.KINDS, needed)))
    marked = re.findall(r"<(fieldset|input|textarea)[^>]*aria-required=\"true\"", html)
    assert marked == ["fieldset", "fieldset", "input", "textarea"]
    assert html.count('role="radiogroup" aria-required="true"') == 2


def test_nothing_is_added_to_what_an_instrument_says_of_how_to_answer() -> None:
    assert "right or wrong" not in pages.render_form(samples.form())
    assert "right or wrong" in pages.render_form(samples.form(intro=""))


def test_the_lock_names_nobody() -> None:
    html = pages.render_lock(samples.LOCK)
    assert "Mia" not in html
    assert "Kowalski" not in html


def test_the_banner_is_shown_only_where_the_ehr_asks_for_it() -> None:
    assert "born 3 May 2017 (9 years)" in pages.render_patient(samples.patient())
    html = pages.render_patient(samples.patient(banner=None))
    assert "born" not in html


@pytest.mark.parametrize("state", DeliveryMark)
def test_each_state_has_words_and_a_sign(state: DeliveryMark) -> None:
    response = dataclasses.replace(samples.responses()[0], state=state)
    html = pages.render_patient(samples.patient(responses=(response,)))
    assert f"<span data-label>{pages.delivery_label(state)}</span>" in html
    assert f"#{state}" in html
    assert f'<symbol id="{state}"' in _static("icons.svg")


def test_only_what_may_still_change_is_polled() -> None:
    delivered = dataclasses.replace(samples.responses()[0], state=DeliveryMark.DELIVERED)
    assert "data-moving" not in pages.render_patient(samples.patient(responses=(delivered,)))
    assert "data-moving" in pages.render_patient(samples.patient())


def test_a_score_that_was_not_computed_says_why() -> None:
    html = pages.render_patient(samples.patient())
    assert "Question 4 has no answer, and this form has no rule for a missing one." in html


def test_a_form_without_wording_is_shown_and_cannot_be_chosen() -> None:
    html = pages.render_patient(samples.patient())
    assert "TASC-r, child" in html
    assert 'value="tasc-r-child"' not in html
    assert "Wording must be supplied by your service&#39;s licence" in html


def test_the_address_of_a_file_changes_with_its_content() -> None:
    addresses = set(re.findall(r"/static/[^\"#]+", pages.render_patient(samples.patient())))
    assert addresses
    assert all(re.fullmatch(r"/static/[a-z.]+\?v=[0-9a-f]{12}", each) for each in addresses)


def test_styles_and_scripts_stay_small() -> None:
    assert len(_static("rapport.css")) < 14_000
    assert len(_static("caseload.css")) < 4_000
    assert len(_static("chart.css")) < 12_700
    assert len(_static("rapport.css")) + len(_static("respondent.css")) < 16_000  # what a child loads
    # A form in a window of its own loads the first; one in an EHR's frame the second as well; the others where they are needed.
    assert len(_static("fill.js")) < 21_700
    assert len(_static("earlier.js")) < 6_100  # fetched beside it
    assert len(_static("cover.js")) < 5_800
    assert len(_static("aids.js")) < 8_000  # as soon as somebody asks for help
    assert all(
        len(_static(f"{name}.js")) < 5_000
        for name in (
            "slider",
            "writing",
            "numbers",
            "conditions",
            "sharing",
            "reasons",
            "gate",
            "note",
            "anew",
            "moves",
            "ways",
            "presses",
            "research",
        )
    )
    assert len(_static("patient.js")) < 11_900


# What the oldest browsers of docs/reference/browsers.md lack, and in what form it may stand nevertheless.
NEWER = {
    r"&": None,  # nested rules: Chromium 120, Safari 17.2
    r"@scope|@starting-style|light-dark\(|:user-(in)?valid|anchor\(": None,
    r"color-mix\(": r"(background: var\(--[a-z]+\)); background: color-mix\(",  # Safari 16.2
}
NEWER_IN_SCRIPT = {
    r"checkVisibility": r"checkVisibility\?\.\(\) \?\?",  # Safari 17.4
    r"\(\?<[=!]": None,  # looking behind in a pattern: Safari 16.4
    r"toSorted|toReversed|groupBy|withResolvers|AbortSignal\.|showPopover|CloseWatcher|\bnavigation\.": None,
    r"(?m)^(const|let|await).*\bawait\b": None,  # at the top of a module: Safari has faults in it
}


@pytest.mark.parametrize(
    ("kind", "newer", "instead"),
    [("css", *each) for each in NEWER.items()] + [("js", *each) for each in NEWER_IN_SCRIPT.items()],
)
def test_no_page_needs_a_newer_browser_than_the_documentation_says(
    kind: str, newer: str, instead: str | None
) -> None:
    from tests.pages.serving import STATIC

    files = sorted(STATIC.glob(f"*.{kind}"))
    assert len(files) > 5
    for file in files:
        code = re.sub(r"/\*.*?\*/|(?m:^\s*//.*$)", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        left = re.sub(instead, "", code) if instead else code
        assert not re.search(newer, left), f"{file.name}: {newer}"


def test_no_password_manager_takes_a_pin_for_a_password() -> None:
    shown = [
        pages.render_patient(samples.patient()),
        pages.render_patient(samples.due_patient()),
        pages.render_patient(samples.due_patient(has_pin=True)),
        pages.render_lock(samples.LOCK),
        pages.render_lock(samples.LOCK_WRONG),
    ]
    fields = [re.findall(r"<input[^>]*type=\"password\"[^>]*>", each) for each in shown]
    assert all(fields)
    assert all('autocomplete="one-time-code"' in field for page in fields for field in page)


def _static(name: str) -> str:
    from tests.pages.serving import STATIC

    return (STATIC / name).read_text(encoding="utf-8")


def test_whom_the_ehr_does_not_name_is_called_by_role_once() -> None:
    unnamed = dataclasses.replace(samples.responses()[2], who="Therapist")
    page = pages.render_patient(samples.patient(responses=(unnamed,)))
    assert '<b>Therapist</b> <span class="quiet">Rapport Check-in' in page


def test_answers_are_numbered_and_what_was_passed_over_is_told_apart_from_declined() -> None:
    lines = (pages.AnswerLine("One?", "Mostly", "", 1), pages.AnswerLine("Two?", None, "passed-over", 2))
    shown = pages.render_response(dataclasses.replace(samples.RESPONSE, answers=lines))
    assert "<dt>2. Two?</dt><dd>Passed over</dd>" in shown
    counts = (("", 1), ("passed-over", 2))
    hidden = pages.render_response(dataclasses.replace(samples.RESPONSE, answers=None, without=counts))
    assert "<dt>Did not want to answer</dt><dd>1</dd>" in hidden
    assert "<dt>Passed over</dt><dd>2</dd>" in hidden
    assert "<dd>English</dd>" in shown


def test_a_withheld_score_is_not_told_as_one_that_was_not_computed() -> None:
    why = Instead("withheld: the answers may not be read one by one")
    withheld = dataclasses.replace(samples.RESPONSE.scores[0], value=None, absent=why)
    html = pages.render_response(dataclasses.replace(samples.RESPONSE, scores=(withheld,)))
    assert html.count("withheld: the answers") == 1
    assert "not computed" not in html


def test_the_rule_for_ruptures_says_how_many_scores_are_only_compared_with() -> None:
    trend = dataclasses.replace(samples.marked_trend(), sessions_before=4)
    html = pages.render_patient(samples.patient(trend=trend))
    assert "The first 4 scores of each person are only compared with" in html
