"""The patient page, inside the EHR: who can answer what now, what has come in, and the scores so far."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import segno
from markupsafe import Markup

from plugin.pages.delivery import FINAL, DeliveryMark, delivery_label
from plugin.pages.engine import render
from plugin.pages.plot import NARROW, WIDE, draw
from plugin.pages.trend import Trend, group, latest, shown_courses
from plugin.pages.words import language_name
from plugin.tips import Tip


class NoticeKind(StrEnum):
    """How a notice is meant: each has a sign and a word of its own."""

    SAVED = "saved"
    INFORMATION = "information"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Banner:
    """Who the patient is; shown only where the EHR does not show it itself (need_patient_banner)."""

    name: str
    birth_date: date | None = None
    age_years: int | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """The encounter of this launch; `virtual` is None where the EHR does not say."""

    when: datetime | date | None
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

    @property
    def state_label(self) -> str:
        """The state in words."""
        return delivery_label(self.state)


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


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know; `retry` is an address that tries again."""

    kind: NoticeKind
    text: str
    retry: str | None = None


@dataclass(frozen=True, slots=True)
class PatientPage:
    """One launch's screen. `banner` is None where the EHR shows the patient itself."""

    launch: str
    csrf: str
    today: date
    clinician: str
    respondents: tuple[RespondentChoice, ...]
    instruments: tuple[InstrumentChoice, ...]
    age_years: int | None = None
    link_from_age: int = 12
    asks_consent: bool = False  # a caregiver is asked first, and may be asked again
    banner: Banner | None = None
    contact: Contact | None = None
    session: int | None = None
    responses: tuple[RecentResponse, ...] = ()
    trend: Trend = field(default_factory=Trend)
    notices: tuple[Notice, ...] = ()
    open_forms: tuple[OpenForm, ...] = ()
    notes: tuple[NoteLine, ...] = ()
    tips: tuple[Tip, ...] = ()
    language: str = "en"  # of what is said about scores; the rest of the page is English
    late: bool = False  # parts of the EHR's are still to come: the page shows where they will stand
    look: str | None = None  # the address of the EHR's look, if it has one
    messaging: tuple[str, str] | None = (
        None  # handle and origin of the EHR's window, where it may be told that we are done
    )
    asked_for: str | None = None  # the form that the EHR asks for
    continues: str | None = None  # the response, begun in the EHR, whose answers are taken over
    desk: str | None = None  # where the clinician goes on beyond this patient, if the site lets them

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """Every language that a fillable form speaks, with its name in itself."""
        spoken = {code for each in self.instruments if each.unavailable is None for code in each.languages}
        return tuple(
            (code, language_name(code)) for code in sorted(spoken, key=lambda code: (code != "en", code))
        )

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
    """The link of a form that is filled elsewhere. `code` is None once it no longer counts."""

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
    code_ends: datetime
    look: str | None = None


def render_link(page: LinkPage) -> str:
    """Show address, QR code and spoken code, and how far the form is."""
    drawing = segno.make(page.address, error="m").svg_inline(
        scale=1, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
    )
    return render("clinician/link.html", page=page, qr=Markup(drawing))  # noqa: S704 -- drawn here, holds no text


def render_patient(page: PatientPage) -> str:
    """Show everything that the clinician needs in a session on one screen."""
    return render("clinician/patient.html", page=page, trend_card=_trend_card(page))


def _trend_card(page: PatientPage) -> Markup:
    """Show the scores in the reader's own language."""
    scales = group(page.trend)
    drawn = {}
    for panel in (panel for scale in scales for panel in scale.panels):
        courses = shown_courses(page.trend.courses, panel)
        drawn[panel] = ((draw(panel, WIDE, courses), draw(panel, NARROW, courses)), courses)
    card = render(
        "clinician/trend.html",
        language=page.language,
        page=page,
        scales=scales,
        drawn=drawn,
        facts=latest(scales, page.today),
    )
    return Markup(card)  # noqa: S704 -- rendered by our own template, which escapes
