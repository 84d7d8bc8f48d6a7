"""Sample pages that look like a CAMHS: what the tests render, and what the screenshots show."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from plugin.days import Age, Born
from plugin.pages import (
    AnswerLine,
    Banner,
    Condition,
    ConditionSet,
    Contact,
    DeliveryAttempt,
    DeliveryMark,
    DeparturePage,
    DraftPage,
    FailurePage,
    FormMode,
    FormView,
    HomePage,
    InstrumentChoice,
    ItemAccount,
    Kind,
    LinkPage,
    LockedForm,
    LockPage,
    NoteLine,
    NotePage,
    Notice,
    NoticeKind,
    OpenForm,
    Option,
    PatientPage,
    PreviewPage,
    ProbePage,
    Question,
    RecentResponse,
    RespondentChoice,
    ResponsePage,
    ScoreAccount,
    ScoreLine,
    SiteLink,
    Trend,
    TrendPoint,
    TrendSeries,
    WithdrawPage,
    draft_text,
)
from plugin.pages.caseload import CaseloadPage, CaseRow, Chosen, RaterLine, Who
from plugin.pages.look import look_address
from plugin.pages.parting import BrowserLine, PartingPage, SessionsPage
from plugin.pages.responses import ResponsesPage
from plugin.pages.staff import DeskFrame
from plugin.pages.trend import Event, group
from plugin.pages.worded import RoleName
from plugin.routes.pressing import with_due
from plugin.tips import Occasion, Tip
from plugin.trends.agreement import Rating
from plugin.trends.change import LIMIT, Statistics
from plugin.trends.findings import Rated, read_findings
from plugin.trends.medication import Course
from plugin.trends.sequences import Fall
from smart_launch import Style

NOW = datetime(2026, 11, 23, 9, 14, tzinfo=UTC)
TODAY = date(2026, 11, 23)
EXPERIMENTAL = "Experimental, not validated"

AGREEMENT = (
    Option("not-at-all", "Not at all"),
    Option("a-little", "A little"),
    Option("somewhat", "Somewhat"),
    Option("mostly", "Mostly"),
    Option("completely", "Completely"),
)
QUESTIONS = (
    Question("goal-1", "My therapist and I agree about what I want to get better.", AGREEMENT),
    Question("goal-2", "We talk about the things that matter to me.", AGREEMENT),
    Question("task-1", "What we do together here makes sense to me.", AGREEMENT),
    Question("task-2", "I know what I can try at home.", AGREEMENT),
    Question("bond-1", "My therapist listens to me.", AGREEMENT),
    Question("bond-2", "I can be myself here.", AGREEMENT),
)

IF_AWAY = (ConditionSet((Condition("away", "=", "true"),)),)
KINDS = (
    Question("away", "Have you been away?", (), kind=Kind.YES_NO, required=True),
    Question(
        "days", "For how many days?", (), required=True, kind=Kind.NUMBER, whole=True, conditions=IF_AWAY
    ),
    Question("who", "Who was with you?", AGREEMENT[:3], kind=Kind.CHOICES, above=("About your time away",)),
    Question("other", "How was it?", AGREEMENT[:3], open=True),
    Question("when", "When?", (), kind=Kind.DATE),
    Question("time", "At what time?", (), kind=Kind.TIME),
    Question("word", "One word for it?", (), kind=Kind.LINE),
    Question("more", "What else?", (), kind=Kind.TEXT),
    Question("names", "Whom did you meet?", (), kind=Kind.LINES),
)

KEPT: dict[str, str | list[str] | None] = {
    "away": "true",
    "days": "3",
    "who": ["a-little", "somewhat"],
    "other": "like a fair",
    "when": "2026-02-01",
    "time": "09:30",
    "word": "loud",
    "more": "Two lines:\nhere.",
    "names": ["Ann", "Bo"],
}


LINE = Question(
    "line",
    "How was it today?",
    (),
    kind=Kind.SLIDER,
    whole=True,
    low=Decimal(0),
    high=Decimal(100),
    step=Decimal(1),
    ends=("Not good at all", "Very good"),
    help=("“Today” is the time that we have just spent together.",),
)
LINES = (LINE, replace(LINE, link_id="line-2", text="How much did we talk about what you wanted?", help=()))


def form(mode: FormMode = FormMode.ONE, **changes: object) -> FormView:
    values: dict[str, object] = {
        "title": "How are we doing together?",
        "intro": "Six short questions about you and your therapist, and about the time you spend here.",
        "language": "en",
        "rater": "child",
        "questions": QUESTIONS,
        "mode": mode,
        "attribution": "Items: Somebody A, Journal 1.0.0. Creative Commons Attribution.",
    }
    return FormView(**{**values, **changes})  # type: ignore[arg-type] # values are checked by the tests that use them


def preview(mode: FormMode, **changes: object) -> PreviewPage:
    return PreviewPage(
        view=form(mode, back="/patient", **changes),
        form="rapport-checkin-child",
        address="/preview",
        lock="/launches/0b8e/return",
        who="0f0f",
        languages=("en", "es", "de", "ar"),
        consent_below_age=12,
    )


TIPS = (
    Tip(
        "rupture-explore",
        Occasion.RUPTURE_YOUNG,
        "Take it up in this session, and leave work on change for later.",
        "Expert consensus, PMC5966286",
        "https://pmc.invalid/articles/PMC5966286/",
        "en",
    ),
    Tip("own", Occasion.REMOTE, "Preguntad cómo va el vídeo.", "Our supervision, 2026", "", "es"),
)

LOCK = LockPage(launch="0b8e", csrf="token", attempts_left=5)
LOCK_WRONG = LockPage(launch="0b8e", csrf="token", attempts_left=1, wrong=True)
LOCK_NO_PIN = LockPage(launch="0b8e", csrf="token", attempts_left=5, no_pin=True)
LOCK_SIGNED_IN = LockPage(launch="0b8e", csrf="token", attempts_left=4, wrong_sign_in=True)
LOCK_BARRED = LockPage(launch="0b8e", csrf="token", attempts_left=1, reader="de", is_barred=True, wait=5)

FAILURE = FailurePage(
    title="Rapport could not be opened",
    what_happened="The EHR https://ehr.invalid/r4 is not one that Rapport is set up for.",
    what_to_do="Ask your administrator to add it to the settings, then open Rapport again from the chart.",
    reason="unknown-issuer",
    status=403,
    asks_code=True,
)
# Without their script these two stand still, as where it is blocked.
PROBE = ProbePage(kept="/launch?cookies=kept", none="/launch?cookies=none")
DEPARTURE = DeparturePage(address="https://ehr.invalid/authorize", fields=(("scope", "launch"),))

HOME = HomePage(
    sites=(SiteLink("lakeside", "Lakeside CAMHS"), SiteLink("school", "School online service")),
    version="0.1.0",
)


def series(
    rater: str, name: str, scale: str, label: str, high: float, values: list[float | None]
) -> TrendSeries:
    first = NOW - timedelta(days=14 * (len(values) - 1))
    points = tuple(
        TrendPoint(
            when := first + timedelta(days=14 * place),
            when.date(),
            value,
            None if value is not None else "Question 4 has no answer",
        )
        for place, value in enumerate(values)
    )
    return TrendSeries(rater, name, "Rapport Check-in", scale, label, 0, high, points)


def trend() -> Trend:
    people = (
        ("child", "Mia", [14, 16, 15, None, 18, 21, 19], (0, 0, 1)),
        ("caregiver", "Dana Kowalski (mother)", [17, 17, 19, 18, None, 20, 21], (1, 0, 0)),
        ("therapist", "Dr Amara Osei", [15, 15, 16, 17, 17, 20, 20], (0, 1, 0)),
    )
    made = [series(rater, name, "total", "Total", 24, list(values)) for rater, name, values, _ in people]
    for place, (scale, label) in enumerate((("goal", "Goal"), ("task", "Task"), ("bond", "Bond"))):
        for rater, name, values, more in people:
            parts = [None if value is None else min(8, value // 3 + more[place]) for value in values]
            made.append(series(rater, name, scale, label, 8, list(parts)))
    peq = TrendSeries(
        "caregiver", "Dana Kowalski (mother)", "PEQ-CAMHS", "outcome", "Experience: outcome", 1, 5,
        tuple(TrendPoint(NOW - timedelta(days=30 * place), TODAY - timedelta(days=30 * place), value) for place, value in ((3, 3.5), (1, 4.25))),
    )  # fmt: skip
    return Trend((*made, peq))


def long_trend(sessions: int = 200) -> Trend:
    """A course of so many sessions, one a week, of three people."""
    people = (("child", "Mia"), ("caregiver", "Dana Kowalski"), ("therapist", "Dr Amara Osei"))
    first = NOW - timedelta(days=7 * (sessions - 1))
    return Trend(
        tuple(
            TrendSeries(
                rater, name, "Rapport Check-in", "total", "Total", 0, 24,
                tuple(
                    TrendPoint(when := first + timedelta(days=7 * place), when.date(), 12 + (place * (7 + order)) % 11 - 2 * order)
                    for place in range(sessions)
                ),
            )
            for order, (rater, name) in enumerate(people)
        )
    )  # fmt: skip


def marked_trend() -> Trend:
    """A trend with all that can stand around a score: band, rupture and repair, kinds of sessions, medicines."""
    events = {3: Event.RUPTURE, 5: Event.REPAIR}
    values: dict[str, list[float | None]] = {
        "child": [17, 18, 19, 10, 13, 18, 20],
        "therapist": [18, 19, 20, 19, 19, 21, 21],
    }
    source = "own data (the ledger), alpha 0.80, n = 120, adopted 2026-02-01"
    error = Statistics(
        sd=3.4 / LIMIT, reliability=0.5, n=120, source=source
    )  # a difference counts from 3.4 on
    made = []
    for rater, name in (("child", "Mia"), ("therapist", "Dr Amara Osei")):
        plain = series(rater, name, "total", "Total", 24, values[rater])
        points = tuple(
            replace(
                point,
                virtual=place % 3 == 1,
                caregiver=place in {0, 3, 4},
                event=events.get(place) if rater == "child" else None,
            )
            for place, point in enumerate(plain.points)
        )
        made.append(replace(plain, points=points, error=error))
    days = [point.when.date() for point in made[0].points]
    courses = (
        Course("Methylphenidate 18 mg prolonged-release tablet", date(2020, 1, 1), days[1], ongoing=False),
        Course("Fluoxetine 20 mg capsule", days[2], None, ongoing=True),
        Course("Melatonin 2 mg tablet", days[4], None, ongoing=False),
    )
    rated = [
        Rated(
            each.rater,
            each.name,
            (each.measure, each.low, each.high),
            tuple(Rating(point.when.date(), point.value or 0) for point in each.points),
            tuple(range(1, 8)),
            (Fall(3, 19, 10, 2, 5, 3),) if each.rater == "child" else (),
            sd=0.5,
        )
        for each in made
    ]
    findings = read_findings(rated, within=3, divergence=1.0)
    return Trend(tuple(made), courses, "gumz-1sd", findings)


def paused_trend() -> Trend:
    """Thirty weekly sessions of three raters with a year between the first half and the second, a medicine begun within it."""
    marked = marked_trend()
    first = NOW - timedelta(days=7 * 28 + 365)
    moments = [first + timedelta(days=7 * place + (358 if place >= 15 else 0)) for place in range(30)]
    made = []
    for shift, (rater, name) in enumerate(
        (("child", "Mia"), ("caregiver", "Dana Kowalski (mother)"), ("therapist", "Dr Amara Osei"))
    ):
        points = tuple(
            TrendPoint(
                when,
                when.date(),
                float(14 + shift + place * 7 % 5 + (3 if place >= 15 else 0)),
                virtual=place % 4 == 3,
                caregiver=place % 7 == 0,
                event=Event.RUPTURE if (rater, place) == ("child", 20) else None,
            )
            for place, when in enumerate(moments)
        )
        made.append(
            TrendSeries(
                rater, name, "Rapport Check-in", "total", "Total", 0, 24, points, error=marked.series[0].error
            )
        )
    days = [each.date() for each in moments]
    courses = (
        Course("Methylphenidate 18 mg prolonged-release tablet", days[3], days[18], ongoing=False),
        Course("Fluoxetine 20 mg capsule", days[14] + timedelta(days=180), None, ongoing=True),
    )
    return Trend(tuple(made), courses, "gumz-1sd")


def scores(total: int | None, *parts: int) -> tuple[ScoreLine, ...]:
    low = Decimal(0)
    absent = (
        None
        if total is not None
        else "Question 4 has no answer, and this form has no rule for a missing one."
    )
    return (
        ScoreLine("Total", None if total is None else Decimal(total), low, Decimal(24), absent),
        *(
            ScoreLine(label, Decimal(value), low, Decimal(8))
            for label, value in zip(("Goal", "Task", "Bond"), parts, strict=False)
        ),
    )


def all_responses() -> ResponsesPage:
    """Every response of the patient, one of whose rows was altered."""
    return ResponsesPage(
        "0b8e", "Mia Kowalski", responses(), altered="1 response is not shown.", csrf="token"
    )


def responses() -> tuple[RecentResponse, ...]:
    details = {
        DeliveryMark.SENDING: "",
        DeliveryMark.DELIVERED: "4 Observations",
        DeliveryMark.HELD: "Open Rapport from the chart again to send it.",
        DeliveryMark.UNKNOWN: "The EHR did not answer; it is asked before anything is sent again.",
        DeliveryMark.REFUSED: "The EHR does not let you write QuestionnaireResponse.",
        DeliveryMark.SCORED: "",
    }
    people = (("Mia", "child"), ("Dana Kowalski", "caregiver"), ("Dr Amara Osei", "therapist"))
    return tuple(
        RecentResponse(
            id=f"response-{place}",
            when=NOW - timedelta(days=place),
            who=people[place % 3][0],
            rater=people[place % 3][1],
            instrument=f"Rapport Check-in, {people[place % 3][1]}",
            scores=scores(None if place == 3 else 19 - place, 6, 7, 6),
            state=state,
            detail=detail,
        )
        for place, (state, detail) in enumerate(details.items())
    )


INSTRUMENTS = (
    InstrumentChoice(
        "rapport-checkin-child", "Rapport Check-in, child", "child", EXPERIMENTAL, ("en",), 7, 11
    ),
    InstrumentChoice(
        "rapport-checkin-adolescent", "Rapport Check-in, adolescent", "child", EXPERIMENTAL, ("en",), 12, 18
    ),
    InstrumentChoice(
        "tasc-r-child",
        "TASC-r, child",
        "child",
        "Validated",
        (),
        7,
        14,
        unavailable="Wording must be supplied by your service's licence: ask the holder for a wording pack.",
    ),
    InstrumentChoice(
        "rapport-checkin-caregiver", "Rapport Check-in, caregiver", "caregiver", EXPERIMENTAL, ("en", "es")
    ),
    InstrumentChoice(
        "rapport-checkin-therapist", "Rapport Check-in, therapist", "therapist", EXPERIMENTAL, ("en", "es")
    ),
)


def observed() -> PatientPage:
    """The page of a service in which sessions are observed."""
    page = patient()
    observer = RespondentChoice("Practitioner/osei", "Dr Amara Osei", "observer")
    form = InstrumentChoice(
        "rating", "Alliance as observed", "observer", EXPERIMENTAL, ("en",), 7, 15, is_dated=True
    )
    return replace(page, respondents=(*page.respondents, observer), instruments=(*page.instruments, form))


def patient(**changes: object) -> PatientPage:
    values: dict[str, object] = {
        "launch": "0b8e",
        "csrf": "token",
        "today": TODAY,
        "clinician": "Dr Amara Osei",
        "respondents": (
            RespondentChoice("Patient/mia", "Mia Kowalski", "child", "9 years"),
            RespondentChoice("RelatedPerson/dana", "Dana Kowalski", "caregiver", "Mother"),
            RespondentChoice("RelatedPerson/jan", "Jan Kowalski", "caregiver", "Father"),
            RespondentChoice("Practitioner/osei", "Dr Amara Osei", "therapist"),
        ),
        "instruments": INSTRUMENTS,
        "age": Age(9, 9),
        "banner": Banner("Mia Kowalski", Born(date(2017, 5, 3), date(2017, 5, 3)), Age(9, 9)),
        "contact": Contact(TODAY, virtual=True),
        "responses": responses(),
        "trend": trend(),
        "notices": (
            Notice(NoticeKind.SAVED, "Saved: Mia's answers are safe."),
            Notice(
                NoticeKind.PROBLEM,
                "Earlier scores could not be read: the EHR does not answer.",
                "/launches/0b8e",
            ),
        ),
        "open_forms": (
            OpenForm("inv-1", "Jan Kowalski", "Rapport Check-in, caregiver", "opened 5 minutes ago"),
        ),
    }
    return PatientPage(**{**values, **changes})  # type: ignore[arg-type] # values are checked by the tests that use them


def due_patient(**changes: object) -> PatientPage:
    """Three who are due, of whom the child may be sent no link."""
    page = patient(**changes)
    unsent = {"RelatedPerson/jan": "Not sent: the form of 22 Nov 2026 (its time has passed)"}
    people = tuple(
        replace(each, is_due=True, standing="due", unsent=unsent.get(each.reference, ""))
        for each in page.respondents
    )
    return with_due(replace(page, respondents=people), ())


def empty_patient() -> PatientPage:
    return patient(
        banner=None,
        contact=None,
        responses=(),
        trend=Trend(),
        notices=(),
        open_forms=(),
        respondents=(),
        instruments=(),
    )


def formless_patient(*, installed: bool) -> PatientPage:
    """A service in which no form can be filled: each lacks its wording, or there is none."""
    unavailable = tuple(each for each in INSTRUMENTS if each.unavailable)
    return patient(instruments=unavailable if installed else ())


def dressed_patient() -> PatientPage:
    """A dark EHR that asks for a form and can be told that we are done."""
    style = Style(
        color_background="#101820",
        color_text="#eeeeee",
        color_highlight="#77ccff",
        dim_border_radius=2,
        dim_font_size=14,
        dim_spacing_size=12,
    )
    return patient(
        look=look_address(style),
        messaging=("handle", "https://ehr.invalid"),
        notices=(Notice(NoticeKind.INFORMATION, "The EHR asks for this form: Rapport Check-in (child)."),),
    )


def unread_patient(**changes: object) -> PatientPage:
    """What stands while nothing of the record can be read, not even the session."""
    notice = Notice(
        NoticeKind.PROBLEM,
        "The EHR did not give the patient, this session and earlier scores (The EHR did not answer in time.)",
        retry="/launches/0b8e?wait=true",
    )
    values: dict[str, object] = {
        "respondents": (),
        "responses": (),
        "open_forms": (),
        "trend": Trend(),
        "is_unread": True,
        "is_part": True,
        "notices": (notice,),
        "banner": Banner(""),
        "contact": Contact(None),
        "clinician": "",
    }
    return patient(**{**values, **changes})


def slow_patient() -> PatientPage:
    """What stands while the EHR is slow: nothing of its own, and what Rapport has."""
    notice = Notice(
        NoticeKind.INFORMATION,
        "The EHR is slow. This is what Rapport has itself; the rest follows by itself.",
        retry="/launches/0b8e?wait=true",
    )
    return patient(
        respondents=(),
        instruments=INSTRUMENTS,
        trend=Trend(),
        late=True,
        notices=(notice,),
        banner=Banner(""),
    )


def _two_caregivers(like: TrendSeries) -> list[TrendSeries]:
    names = [RoleName(f"Caregiver {number}", f"the caregiver {number}", number) for number in (1, 2)]
    return [replace(like, rater="caregiver", name=name) for name in names]


def caseload(*, plots: bool = False) -> CaseloadPage:
    """A supervisor's list: every need, somebody without a name, somebody without an answer."""
    frame = DeskFrame(
        "0b8e",
        "Lakeside",
        "token",
        (("/desks/0b8e", "Your desk", False), ("/desks/0b8e/caseload", "Caseload", True)),
        None,
    )
    (total,) = (scale for scale in group(marked_trend()) if scale.key == "total")
    once, gap = (
        [replace(each, points=each.points[:1]) for each in total.panels[0].series],
        total.panels[0].series[0],
    )
    panels = (
        total.panels[0],
        replace(
            total.panels[0],
            series=(replace(gap, points=(*gap.points[:2], replace(gap.points[2], value=None))),),
        ),
        None,
        replace(total.panels[0], series=(*once, *_two_caregivers(once[0]))),
    )
    needs = (("rupture", "drop", "divergence"), ("undelivered", "overdue"), ("overdue",), ())
    whose: tuple[dict[str, tuple[Who, ...]], ...] = (
        {
            "rupture": (Who("child"), Who("caregiver", 2)),
            "drop": (Who("child"),),
            "divergence": (Who("therapist"),),
        },
        {"overdue": (Who("caregiver"), Who("therapist"))},
        {"overdue": (Who("child"),)},
        {},
    )
    names = ("Mia Kowalski", "Jonas van den Bergh-Hernández", "", "Noor Haddad")
    lines = (
        RaterLine("child", "Rapport Check-in", 10, 19, 0, 24, NOW),
        RaterLine("therapist", "Rapport Check-in", 21, 20, 0, 24, NOW),
    )
    rows = tuple(
        CaseRow(
            patient=f"10{place}",
            name=name,
            clinicians=("Dr Amara Osei",) if place != 1 else ("Dr Amara Osei", "Ben Adeyemi"),
            needs=needs[place],
            lines=lines if place != 2 else (),
            panel=panels[place],
            answered=TODAY - timedelta(days=place) if place != 2 else None,
            rated=7 - place if place != 2 else 0,
            last_session=TODAY - timedelta(days=2 * place),
            has_died=place == 3,
            page="/launches/0b8e" if place == 3 else "",
            whose=whose[place],
        )
        for place, name in enumerate(names)
    )
    counts = {"rupture": 1, "drop": 1, "divergence": 1, "undelivered": 1, "overdue": 2}
    return CaseloadPage(
        desk=frame, chosen=Chosen(plots=plots), rows=rows, found=4, all=4, pages=2, counts=counts,
        clinicians=(("Practitioner/1", "Dr Amara Osei"),), instruments=(("Rapport Check-in", "Rapport Check-in"),),
        has_team=True, today=TODAY, reads_scores=True,
    )  # fmt: skip


NOTES = (
    NoteLine("n2", NOW, DeliveryMark.SENDING),
    NoteLine("n1", NOW - timedelta(days=7), DeliveryMark.REFUSED, "The EHR takes no documents from apps"),
    NoteLine(
        "n0",
        NOW - timedelta(days=14),
        DeliveryMark.REFUSED,
        "The EHR refused it (HTTP 400: business-rule at DocumentReference.content.attachment.contentType).",
    ),
)


LOCKED = tuple(LockedForm(f"inv-{place}", NOW - timedelta(minutes=7 * place)) for place in (1, 2))


def draft() -> DraftPage:
    return DraftPage("0b8e", "token", "n3", "Mia Kowalski", draft_text(patient()), True, "en", 20_000)


def note(**changes: object) -> NotePage:
    values: dict[str, object] = {
        "launch": "0b8e", "csrf": "token", "note": "n1", "who": "", "text": draft_text(patient()), "when": NOW,
        "state": DeliveryMark.REFUSED, "detail": "The EHR takes no documents from apps", "location": None, "language": "en",
    }  # fmt: skip
    return NotePage(**{**values, **changes})  # type: ignore[arg-type] # checked by the tests


RESPONSE = ResponsePage(
    launch="0b8e",
    id="response-1",
    who="Mia Kowalski",
    rater="child",
    relationship="",
    when=NOW,
    instrument="Rapport Check-in, child",
    version="1.0.0",
    label=EXPERIMENTAL,
    language="English",
    scores=(
        ScoreAccount(
            "Total",
            None,
            Decimal(0),
            Decimal(24),
            "Sum of the weights of six items, 0 to 4 each.",
            tuple(
                ItemAccount(each.text, is_skipped=True)
                if each is QUESTIONS[3]
                else ItemAccount(each.text, "Mostly", Decimal(3), is_reversed=each is QUESTIONS[1])
                for each in QUESTIONS
            ),
            absent="Not computed, because an item has no answer and this form has no rule for a missing one.",
        ),
        ScoreAccount(
            "Goal",
            Decimal(6),
            Decimal(0),
            Decimal(8),
            "Sum of the weights of goal-1 and goal-2.",
            tuple(ItemAccount(each.text, "Mostly", Decimal(3)) for each in QUESTIONS[:2]),
            differs=True,
        ),
    ),
    state=DeliveryMark.DELIVERED,
    detail="After 2 attempts",
    csrf="csrf",
    attempts=(
        DeliveryAttempt(NOW, "No answer within 10 seconds"),
        DeliveryAttempt(NOW + timedelta(seconds=4), "Stored as 5 resources"),
    ),
    locations=("QuestionnaireResponse/812", "Observation/813", "Observation/814"),
    identifier="https://w3id.org/rapport-fhir/identifier|1f0c1c0e-7c0b-4a43-9d0e-1b8b4f6f9a11",
    questionnaire="https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child|1.0.0",
    key_hash="sha256:6d1b7cf2f60e1b7cf2f60e1b7cf2f60e1b7cf2f60e1b7cf2f60e1b7cf2f60e1b",
    software="rapport-fhir 0.1.0",
    answers=(AnswerLine(QUESTIONS[0].text, "Mostly"), AnswerLine(QUESTIONS[3].text, None)),
    citations=(("Holder", "The Rapport developers"), ("Key", "Sums of the answers; no reversed items")),
)

LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 2
WRITTEN = replace(RESPONSE, answers=(AnswerLine("What else?", LONG_WORD),))

LONG_QUESTIONS = (
    Question(
        "long-1",
        "When we decide together what to work on, my own ideas about what would help me are taken seriously.",
        (
            Option("never", "Never, or almost never, as far as I can remember"),
            Option("sometimes", "Sometimes, but not when it mattered most to me"),
            Option("often", "Often, in most of our sessions"),
            Option("always", "Always, or almost always"),
        ),
    ),
)
NEEDED_QUESTIONS = (Question("needed-1", "This one is needed.", AGREEMENT, required=True), QUESTIONS[0])
# Written for the direction of the text only; no translation of an instrument.
ARABIC_QUESTIONS = (
    Question(
        "a-1",
        "هل يستمع إليك المعالج؟",
        (Option("no", "لا"), Option("some", "أحيانًا"), Option("yes", "نعم")),
    ),
    Question(
        "a-2",
        "كيف كان اليوم؟",
        (),
        kind=Kind.SLIDER,
        whole=True,
        low=Decimal(0),
        high=Decimal(100),
        step=Decimal(1),
        ends=("سيئ جدًا", "جيد جدًا"),
        help=("«اليوم» هو الوقت الذي قضيناه معًا.",),
    ),
)
ARABIC: dict[str, object] = {
    "title": "كيف نعمل معًا؟",
    "intro": "أسئلة قصيرة.",
    "questions": ARABIC_QUESTIONS,
}

VOIDED = replace(
    RESPONSE,
    csrf="csrf",
    voided=True,
    revised=NOW,
    why="Filled by the sister",
    state=DeliveryMark.REFUSED,
    detail=(
        "The EHR, or the scopes it granted, takes no change of Observation. Correct it by hand in the chart: "
        "Observation/17, Observation/18. Rapport itself shows it corrected."
    ),
)


SIGN_INS = SessionsPage(
    base="/launches/0b8e",
    csrf="token",
    here=BrowserLine("0b8e", NOW - timedelta(hours=2), NOW, 3, 1, has_this_patient=True, handed_over=False),
    others=(
        BrowserLine(
            "7c1d",
            NOW - timedelta(hours=1),
            NOW - timedelta(minutes=4),
            1,
            0,
            has_this_patient=False,
            handed_over=True,
        ),
        BrowserLine(
            "9e2f",
            NOW - timedelta(hours=6),
            NOW - timedelta(minutes=50),
            0,
            2,
            has_this_patient=False,
            handed_over=False,
        ),
    ),
    is_named=True,
    told=True,
)
WITHDRAW = WithdrawPage(
    launch="0b8e",
    csrf="token",
    invitation="f1",
    rater="child",
    instrument="Rapport Check-in, young person",
    answers=3,
    back="/launches/0b8e/invitations/f1",
)
SIGN_INS_HERE = replace(SIGN_INS, others=(), told=False)
PARTING = PartingPage("/launches/0b8e", "token", 2)
PARTING_NOTE = replace(PARTING, forms=0, notes=("/launches/0b8e/notes/new",))
PARTING_NOTES = replace(PARTING, notes=("/launches/0b8e/notes/new", "/launches/1c9f/notes/new"))
DESK = DeskFrame(
    id="0b8e",
    site="Riverside CAMHS",
    csrf="token",
    places=(("/desks/0b8e", "Your desk", True), ("/desks/0b8e/audit", "Search", False)),
    patient="0b8e",
)

LINK = LinkPage(
    launch="0b8e",
    csrf="token",
    invitation="f1",
    rater="child",
    instrument="Rapport Check-in, young person",
    state="Not opened yet",
    is_open=True,
    address="https://rapport.invalid/fill#0123456789abcdef0123456789abcdef01234567",
    expires=NOW + timedelta(hours=24),
    code="4711 0815",
    code_address="rapport.invalid/code",
    code_ends=NOW + timedelta(minutes=10),
    code_number="1",
)
LINK_WITHOUT_CODE = replace(LINK, code=None, code_ends=None, code_number="", state="Opened")
