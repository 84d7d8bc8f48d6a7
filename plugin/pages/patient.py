"""The patient page, inside the EHR: who can answer what now, what has come in, and the scores so far."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import segno
from markupsafe import Markup

from plugin.days import Age, Born, is_within
from plugin.pages.delivery import FINAL, DeliveryMark
from plugin.pages.engine import render
from plugin.pages.plot import NARROW, WIDE, Plot, draw
from plugin.pages.retold import retell
from plugin.pages.sentences import left_out_of, sentences_of
from plugin.pages.trend import Fact, Panel, Scale, Trend, ended_before, group, latest, shown_courses
from plugin.pages.words import language_name, look_up
from plugin.tips import Tip
from plugin.trends.medication import Course
from questionnaires import Rater

Drawn = dict[Panel, tuple[tuple[Plot, Plot], tuple[Course, ...], int]]
"""Each plot, wide and narrow, with the medicines of its time."""


class NoticeKind(StrEnum):
    """How a notice is meant: each has a sign and a word of its own."""

    SAVED = "saved"
    INFORMATION = "information"
    PROBLEM = "problem"
    QUIET = "quiet"  # a line without a sign: how things are here, every time


@dataclass(frozen=True, slots=True)
class Banner:
    """Who the patient is; shown only where the EHR does not show it itself (need_patient_banner)."""

    name: str
    born: Born | None = None
    age: Age | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """The encounter of this launch; `virtual` is None where the EHR does not say."""

    when: date | None
    virtual: bool | None = None


@dataclass(frozen=True, slots=True)
class RespondentChoice:
    """Somebody who may answer. `rater`: child | caregiver | therapist | observer; `standing` in this session, in words."""

    reference: str
    name: str
    rater: str
    relationship: str = ""
    standing: str = ""
    is_due: bool = False
    has_answered: bool = False
    has_form: bool = False  # in hand, or on its way to them
    forms: tuple[str, ...] | None = None  # addresses of those that the schedule asks for now; None: any
    spoken: tuple[str, ...] = ()  # their languages by the record, the preferred first
    unsent: str = ""  # what became of their last form, if it was not sent

    @property
    def is_heard(self) -> bool:
        """Whether they have answered in this session, or are about to."""
        return self.has_answered or self.has_form

    @property
    def is_signed_in(self) -> bool:
        """Whether they answer at their own sign-in: neither a PIN nor a link is for them."""
        return Rater(self.rater).is_signed_in


@dataclass(frozen=True, slots=True)
class DuePerson:
    """Somebody who is due, with what one press starts: `hand` here, `link` elsewhere if they may be sent one."""

    reference: str
    name: str
    rater: str
    form: str
    language: str
    hand: str
    link: str | None = None
    unsent: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is the clinician's own."""
        return Rater(self.rater).is_signed_in


@dataclass(frozen=True, slots=True)
class BegunForm:
    """A form under way on the clinician's device, with what one press goes on with."""

    reference: str
    name: str
    rater: str
    form: str
    state: str
    press: str
    about: date | None = None  # the day that it is about, if it may be entered later
    on_paper: bool = False  # the clinician copies it: it is not handed over

    @property
    def is_own(self) -> bool:
        """Whether it is the clinician's own."""
        return Rater(self.rater).is_signed_in

    @property
    def opens_at_once(self) -> bool:
        """Whether it takes no PIN."""
        return self.is_own or self.on_paper


@dataclass(frozen=True, slots=True)
class InstrumentChoice:
    """A form. `label` says honestly how far it is validated; `unavailable` why it cannot be filled here, if so."""

    id: str
    title: str
    rater: str
    label: str
    languages: tuple[str, ...]
    age_from: int | None = None
    age_to: int | None = None
    unavailable: str | None = None
    by_clinician: bool = False  # entered from paper: never handed over
    is_dated: bool = False  # may be about an earlier day
    address: str = ""  # of every version
    label_language: str = "en"

    def fits(self, age: Age | None) -> bool:
        """Tell whether it is for somebody of an age, as far as that is known."""
        return is_within(age, self.age_from, self.age_to)


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One score; `value` is None where it was not computed, and `absent` says why."""

    label: str
    value: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class RecentResponse:
    """One response on its way into the record, or there."""

    id: str
    when: datetime
    who: str
    rater: str
    instrument: str
    scores: tuple[ScoreLine, ...]
    state: DeliveryMark
    detail: str = ""
    about: date | None = None  # the day, where its time is not known


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A note for the record, and how far it is."""

    id: str
    when: datetime
    state: DeliveryMark
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OpenForm:
    """A form that has been handed over or sent out and not come back; `state` in words, `remote` if by link."""

    id: str
    who: str
    instrument: str
    state: str
    remote: bool = False
    about: date | None = None  # the day that it is about, if it may be entered later


@dataclass(frozen=True, slots=True)
class LockedForm:
    """A device that was handed over with a form of this patient, and on which too many PINs were wrong."""

    form: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know; `retry` is an address that tries again. `is_of_scores`: paper with the scores has to say it, too."""

    kind: NoticeKind
    text: str
    retry: str | None = None
    is_of_scores: bool = False


@dataclass(frozen=True, slots=True)
class ChosenForm:
    """What was chosen in the form that starts one, and could not be started so, or was looked at first."""

    respondent: str
    instrument: str
    language: str
    again: bool  # the caregiver's consent is asked again
    day: str | None = None  # as it was typed; None: nobody was asked


@dataclass(frozen=True, slots=True)
class PatientPage:
    """One launch's screen. `banner` is None where the EHR shows the patient itself."""

    launch: str
    csrf: str
    today: date
    clinician: str
    respondents: tuple[RespondentChoice, ...]
    instruments: tuple[InstrumentChoice, ...]
    age: Age | None = None
    link_from_age: int = 12
    asks_consent: bool = False  # a caregiver is asked first, and may be asked again
    banner: Banner | None = None
    contact: Contact | None = None
    session: int | None = None
    responses: tuple[RecentResponse, ...] = ()
    trend: Trend = field(default_factory=Trend)
    notices: tuple[Notice, ...] = ()
    open_forms: tuple[OpenForm, ...] = ()
    locked: tuple[LockedForm, ...] = ()
    notes: tuple[NoteLine, ...] = ()
    tips: tuple[Tip, ...] = ()
    language: str = "en"  # of whoever reads this page
    kept: int = 0  # responses that the ledger has of the patient; `responses` are the latest
    late: bool = False  # parts of the EHR's are still to come: the page shows where they will stand
    is_part: bool = False  # earlier scores may be missing for now: nothing is compared, and nothing read out
    is_unread: bool = False  # the record's own scores are not among these
    look: str | None = None  # the address of the EHR's look, if it has one
    messaging: tuple[str, str] | None = (
        None  # handle and origin of the EHR's window, where it may be told that we are done
    )
    asked_for: str | None = None  # the form that the EHR asks for
    of_session: date | None = None  # the day of the session that the EHR names, if it was on one day
    continues: str | None = None  # the response, begun in the EHR, whose answers are taken over
    can_pdf: bool = False  # whether the scores can be had as a PDF
    due: tuple[DuePerson, ...] = ()
    is_uncounted: bool = (
        False  # the schedule names certain sessions, and which this is cannot be known: it is not applied
    )
    begun: tuple[BegunForm, ...] = ()
    has_pin: bool = False  # a PIN of this sign-in serves again
    printed: Banner | None = None  # who it is about, for paper: there the EHR's own banner is not beside it
    desk: str | None = None  # where the clinician goes on beyond this patient, if the site lets them
    chosen: ChosenForm | None = None
    also_answered: tuple[
        str, ...
    ] = ()  # names of those who answered in this session and are not offered here, such as a colleague

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """Every language that a fillable form speaks, with its name in itself."""
        spoken = {code for each in self.instruments if each.unavailable is None for code in each.languages}
        return tuple(
            (code, language_name(code)) for code in sorted(spoken, key=lambda code: (code != "en", code))
        )

    def speaks(self, who: RespondentChoice) -> str:
        """The language that somebody is offered first: theirs by the record, else the reader's, else the first there is."""
        offered = [code for code, _ in self.languages]
        found = filter(None, (look_up(each, offered) for each in (*who.spoken, self.language)))
        return next(found, offered[0] if offered else "")

    @property
    def first(self) -> RespondentChoice:
        """Who is chosen as the page opens."""
        named = self.chosen.respondent if self.chosen else None
        form = self.chosen.instrument if self.chosen else None
        raters = {each.rater for each in self.instruments if each.id == form}
        chosen = [each for each in self.respondents if each.reference == named]
        chosen.sort(key=lambda each: each.rater not in raters)  # a clinician may be there as an observer, too
        due = [each for each in self.respondents if each.is_due and not self.asked_for]
        first: RespondentChoice = [*chosen, *due, *self.respondents][0]
        return first

    @property
    def asks_day(self) -> bool:
        """Whether a form that can be started may be about an earlier day."""
        return any(each.is_dated and each.unavailable is None for each in self.instruments)

    @property
    def day(self) -> str:
        """The day that a form is about to begin with: as it was typed, else that of the session that the EHR names, else today."""
        if self.chosen is not None and self.chosen.day is not None:
            return self.chosen.day
        return min(self.of_session or self.today, self.today).isoformat()

    @property
    def is_of_other_age(self) -> bool:
        """Whether the form that was chosen is for another age."""
        named = self.chosen.instrument if self.chosen else None
        return any(each.id == named and not each.fits(self.age) for each in self.instruments)

    @property
    def others(self) -> tuple[RespondentChoice, ...]:
        """Who may answer and has no press: answered, has a form, or is not due."""
        pressed = {(each.reference, each.rater) for each in self.due}
        pressed |= {(each.reference, each.rater) for each in self.begun}
        return tuple(each for each in self.respondents if (each.reference, each.rater) not in pressed)

    @property
    def unavailable(self) -> tuple[InstrumentChoice, ...]:
        """The forms that cannot be filled here, each with its reason."""
        return tuple(each for each in self.instruments if each.unavailable is not None)

    @property
    def in_motion(self) -> bool:
        """True if a delivery may still change by itself."""
        states = [*(each.state for each in self.responses), *(each.state for each in self.notes)]
        return any(state not in FINAL for state in states)


@dataclass(frozen=True, slots=True)
class LinkPage:
    """The link of a form that is filled elsewhere. `code` is None once it was used or no longer counts."""

    launch: str
    csrf: str
    invitation: str
    rater: str
    instrument: str
    state: str
    is_open: bool
    address: str
    expires: datetime
    code: str | None
    code_address: str
    code_ends: datetime | None
    code_number: str  # which of its codes can be used, "" if none: the page is taken anew when that changes
    who: str = ""  # for whom, as the record names them
    look: str | None = None
    language: str = "en"  # of whoever reads this page


def render_link(page: LinkPage) -> str:
    """Show address, QR code and spoken code, and how far the form is."""
    drawing = segno.make(page.address, error="m").svg_inline(
        scale=1, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
    )
    return render("clinician/link.html", language=page.language, page=page, qr=Markup(drawing))  # noqa: S704 -- drawn here, holds no text


@dataclass(frozen=True, slots=True)
class WithdrawPage:
    """What is asked before a form that has answers is withdrawn; `back` leads to where it was pressed."""

    launch: str
    csrf: str
    invitation: str
    rater: str
    instrument: str
    answers: int
    back: str
    who: str = ""  # nothing where the EHR gives no name
    look: str | None = None
    language: str = "en"


def render_withdraw(page: WithdrawPage) -> str:
    """Ask once more."""
    return render("clinician/withdraw.html", language=page.language, page=page)


def told_on(page: PatientPage, problem: str, chosen: ChosenForm | None) -> PatientPage:
    """Give a page again with what was chosen there, and why it could not be done."""
    notice = Notice(NoticeKind.PROBLEM, retell(problem, page.language))
    return replace(page, notices=(notice, *page.notices), chosen=chosen)


def render_patient(page: PatientPage) -> str:
    """Show everything that the clinician needs in a session on one screen."""
    scales = scales_of(page)
    return render(
        "clinician/patient.html",
        language=page.language,
        page=page,
        changed_card=_changed_card(page, scales),
        trend_card=_trend_card(page, scales),
    )


# What is drawn in a PDF: no style of the page reaches into a drawing there. Greyscale tells lines apart by mark and dash.
_PDF_STYLE = Markup(
    "text{font:12.5px 'DejaVu Sans',sans-serif;fill:#404850}.common{font-size:11px}.grid line{stroke:#c4c4c4}"
    ".curve{fill:none;stroke-width:2}.crowded .curve{stroke-width:1.25}.mark{stroke:#fff;stroke-width:1.5}.leader{fill:none;stroke-width:1;opacity:.45}"
    ".series-0 .curve,.series-0 .leader{stroke:#1d5f6b}.series-0 .mark{fill:#1d5f6b}"
    ".series-1 .curve,.series-1 .leader{stroke:#b0501f}.series-1 .mark{fill:#b0501f}"
    ".series-2 .curve,.series-2 .leader{stroke:#5a4a9c}.series-2 .mark{fill:#5a4a9c}"
    ".series-3 .curve,.series-3 .leader{stroke:#5d6b14}.series-3 .mark{fill:#5d6b14}"
    ".series-4 .curve,.series-4 .leader{stroke:#9b2f63}.series-4 .mark{fill:#9b2f63}"
    ".series-5 .curve,.series-5 .leader{stroke:#44505c}.series-5 .mark{fill:#44505c}"
    ".mark.hollow{fill:#fff;stroke:#404850}.band{fill:#404850;fill-opacity:.12}"
    ".contact{fill:#404850;stroke:#404850}.contact.virtual,.caregiver{fill:none;stroke:#404850}"
    ".course,.end{fill:none;stroke:#404850;stroke-width:2}.course.uncertain{stroke-dasharray:2 3}"
    ".change{fill:none;stroke:#404850;stroke-dasharray:1 4}.event{fill:none;stroke:#000;stroke-width:2.5}"
)


def summary_html(page: PatientPage, who: str) -> str:
    """Write the scores over sessions as one document that fetches nothing: what a PDF is made of."""
    scales = scales_of(page)
    drawn = _draw_all(page, scales)
    return render(
        "clinician/summary.html",
        language=page.language,
        page=page,
        who=who,
        scales=scales,
        drawn=drawn,
        courses=tuple(dict.fromkeys(course for _, shown, _ in drawn.values() for course in shown)),
        ended=min((ended for _, _, ended in drawn.values()), default=0),
        facts=facts_of(page, scales),
        sentences=sentences_of(page.trend, page.language),
        left_out=left_out_of(page.trend, page.language),
        style=_PDF_STYLE,
    )


def _draw_all(page: PatientPage, scales: tuple[Scale, ...]) -> Drawn:
    drawn: Drawn = {}
    for panel in (panel for scale in scales for panel in scale.panels):
        courses = shown_courses(page.trend.courses, panel, page.today)
        plots = (
            draw(panel, WIDE, courses, today=page.today),
            draw(panel, NARROW, courses, today=page.today),
        )
        drawn[panel] = (plots, courses, ended_before(page.trend.courses, panel))
    return drawn


def scales_of(page: PatientPage) -> tuple[Scale, ...]:
    """Sort the scores into plots; out of a part of the history without a band, for its first score may not be the first."""
    trend = page.trend
    if page.is_part:
        trend = replace(trend, series=tuple(replace(each, is_part=True) for each in trend.series))
    return group(trend)


def facts_of(page: PatientPage, scales: tuple[Scale, ...]) -> tuple[Fact, ...]:
    """Give each rater's last score; the one before only where none can be missing between the two."""
    facts = latest(scales, page.today)
    return tuple(replace(fact, before=None) for fact in facts) if page.is_part else facts


def _changed_card(page: PatientPage, scales: tuple[Scale, ...]) -> Markup:
    """Show one line a person: the latest score and how far it moved; nothing where there is no score."""
    facts = facts_of(page, scales)
    card = render("clinician/changed.html", language=page.language, facts=facts) if facts else ""
    return Markup(card)  # noqa: S704 -- rendered by our own template, which escapes


def _trend_card(page: PatientPage, scales: tuple[Scale, ...]) -> Markup:
    """Show the scores over sessions."""
    drawn = _draw_all(page, scales)
    card = render(
        "clinician/trend.html",
        language=page.language,
        page=page,
        scales=scales,
        drawn=drawn,
        sentences=sentences_of(page.trend, page.language),
        left_out=left_out_of(page.trend, page.language),
    )
    return Markup(card)  # noqa: S704 -- rendered by our own template, which escapes
