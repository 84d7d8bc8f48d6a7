"""What a respondent sees: the form, the shell that fetches it, and the lock that guards the way back.

No item value, total or hint at a good answer is in these models, so none can reach the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape

from plugin.pages.engine import render
from plugin.pages.words import language_name
from plugin.responses.answers import Reason
from questionnaires import Rater
from questionnaires.datatypes import day_limits

# Up to so many options of so many characters stand side by side on a wide screen; else one under the other.
_ROW_OPTIONS = 7
_ROW_CHARACTERS = 84
_TOLD_LENGTH = 200  # characters: of more than so many somebody who writes need not think


class FormMode(StrEnum):
    """One question at a time, or the whole form at once."""

    ONE = "one"
    ALL = "all"


class Audience(StrEnum):
    """Who can read the single answers afterwards; the form says it before the first question."""

    RECORD = "record"  # the response goes into the health record, where the care team reads it
    CARE_TEAM = "care-team"  # whoever treats the patient, in Rapport; not in the record
    SCORES = "scores"  # nobody who treats reads single answers; scores only


class Kind(StrEnum):
    """How a question is answered."""

    CHOICE = "choice"
    CHOICES = "choices"  # several options may be chosen
    YES_NO = "yes-no"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    LINE = "line"
    TEXT = "text"
    LINES = "lines"  # several texts, one a line
    SLIDER = "slider"  # a place on a line between two ends: a visual analogue scale


@dataclass(frozen=True, slots=True)
class Condition:
    """One enableWhen; `answer` as the page writes it (option code, number, text, true or false)."""

    question: str
    operator: str
    answer: str


@dataclass(frozen=True, slots=True)
class ConditionSet:
    """Conditions of which all must hold, or `any` of them."""

    conditions: tuple[Condition, ...]
    any: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One answer: its code, and its wording."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One item, its options in the instrument's order. A required one offers no way to decline."""

    link_id: str
    text: str
    options: tuple[Option, ...]
    required: bool = False
    low: Decimal | None = None  # of a number
    high: Decimal | None = None
    kind: Kind = Kind.CHOICE
    whole: bool = False  # a number without decimals
    places: int | None = None  # the most digits of a number after its point
    open: bool = False  # besides the options, an answer in one's own words
    above: tuple[str, ...] = ()  # what the form says before it
    conditions: tuple[ConditionSet, ...] = ()  # asked if all of these sets hold
    longest: int | None = None  # of what is written, in characters
    step: Decimal | None = None  # of a slider
    ends: tuple[str, str] = ("", "")  # what stands at the two ends of a slider
    help: tuple[str, ...] = ()  # what it or its words mean, in the instrument's own words
    first: date | None = None  # of the days that the form takes
    last: date | None = None

    @property
    def conditions_json(self) -> str:
        """The conditions as the page's script reads them."""
        return msgspec.json.encode(self.conditions).decode()

    @property
    def earliest(self) -> date:
        """The first day that is taken: of the form's own and of all that are kept."""
        return day_limits(self.first, self.last)[0]

    @property
    def latest(self) -> date:
        """The last day that is taken."""
        return day_limits(self.first, self.last)[1]

    @property
    def has_limits(self) -> bool:
        """Whether it is said beforehand what is taken."""
        is_bound = any(
            each is not None for each in (self.low, self.high, self.first, self.last, self.longest)
        )
        return self.kind is not Kind.SLIDER and (is_bound or self.whole or bool(self.places))

    @property
    def tells_limits(self) -> bool:
        """Whether that is seen: of numbers and days it is left to the instrument, but read out."""
        return self.longest is not None and self.longest < _TOLD_LENGTH

    @property
    def in_row(self) -> bool:
        """True if the options fit beside each other on a wide screen; where one also writes, all stand below each other."""
        if self.open or not (self.options or self.kind is Kind.YES_NO):
            return False
        length = sum(len(option.text) for option in self.options)
        return len(self.options) <= _ROW_OPTIONS and length <= _ROW_CHARACTERS


@dataclass(frozen=True, slots=True)
class FormView:
    """One form for one respondent. `answers`: linkId -> option code or text, several as a list, None for "I do not want to answer"."""

    title: str
    intro: str
    language: str  # of the instrument's wording; the words around it follow where we have them
    rater: str  # child | caregiver | therapist | observer
    questions: tuple[Question, ...]
    answers: Mapping[str, str | list[str] | None] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)  # linkId -> why there is no answer
    mark: str = ""  # of what is kept, by which a request to keep more that comes too late is known
    asks_why: bool = False  # no answer is asked for its reason
    mode: FormMode = FormMode.ONE
    audience: Audience = Audience.RECORD
    auditors_read: bool = False  # the site lets auditors see single answers, shared or not
    promised: str = ""  # what it says of who reads the answers, signed: given back with them
    asks_sharing: bool = False  # the respondent decides whether single answers may be read
    tells_together: bool = (
        True  # whether there is a result of all answers, which is told even if they may not be read
    )
    needed_together: frozenset[str] = (
        frozenset()
    )  # linkIds: without an answer to each there is no such result
    shows_score: bool = False  # after sending, where the site lets respondents see it
    attribution: str = ""  # what the licence wants shown with the wording
    attribution_language: str = "en"
    back: str | None = (
        None  # where the device goes back to the clinician, or they leave a form of their own: what was answered is kept
    )
    from_paper: bool = False  # the clinician copies what stands on a completed form
    about: date | None = None  # the day that it is about, where it may be entered later
    reader: str | None = None  # whose words stand around a form that is copied: the clinician's language
    is_preview: bool = False  # only looked at: nothing of it is kept

    @property
    def is_clinicians(self) -> bool:
        """Whether a clinician fills it at their own sign-in, with a way back to the patient."""
        return self.from_paper or Rater(self.rater).is_signed_in

    @property
    def kept(self) -> dict[str, object]:
        """Give the answers as the page sends them, by which it tells what was changed on it."""
        return {**self.answers, **{link_id: {"absent": why} for link_id, why in self.reasons.items()}}

    @property
    def slack(self) -> int:
        """How many characters `kept` is to be filled up with, so that the form's length tells nothing of which options were chosen."""
        kept = self.kept
        has_reasons = self.asks_why and not self.from_paper
        return sum(
            _slack(each, kept[each.link_id], has_reasons=has_reasons)
            for each in self.questions
            if each.link_id in kept
        )


def _slack(question: Question, given: object, *, has_reasons: bool) -> int:
    codes = ["true", "false"] if question.kind is Kind.YES_NO else [each.code for each in question.options]
    chosen: list[object] = [codes] if question.kind is Kind.CHOICES else [*codes]
    possible = [*chosen, None, *({"absent": why} for why in Reason)]
    # Of one's own words the length shows in any case: they stand in their field.
    if isinstance(given, list):
        given = [each for each in given if each in codes]
    elif given not in possible:
        return 0
    if not codes:
        return 0
    lengths = [_length(each, has_reasons=has_reasons) for each in (given, *possible)]
    return max(lengths) - lengths[0]


def _length(given: object, *, has_reasons: bool) -> int:
    """Count the characters of an answer on the page: its value in an attribute, and what marks each option that it has."""
    marks = len(given) if isinstance(given, list) else 1
    if has_reasons and (given is None or (isinstance(given, dict) and given != {"absent": Reason.UNSAID})):
        marks += 1  # "No answer", and the reason beneath it
    return len(escape(str(htmlsafe_json_dumps(given)))) + marks * len(" checked")


@dataclass(frozen=True, slots=True)
class GatePage:
    """What a caregiver is asked before a young person's form opens; names nobody.

    It tells who reads the answers, as the form itself does.
    """

    asks: str  # consent | together | both
    language: str = "en"
    back: str | None = None  # where the clinician's own device is given back, with nothing decided
    audience: Audience = Audience.RECORD
    auditors_read: bool = False
    asks_sharing: bool = False
    is_refused: bool = False  # a caregiver did not agree: the page says that, and asks nothing


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """A form as its respondents see it, to be looked at and tried; nothing of it is kept. Holds nothing of a patient.

    `back` of the view leads to the patient's page.
    """

    view: FormView
    form: str  # id
    address: str  # path of this page
    lock: str  # path of the page that leads back to the clinician
    who: str  # what stands for whom it is looked at for
    languages: tuple[str, ...]  # in which the form can be had
    language: str = "en"  # of the clinician
    consent_below_age: int = 0  # of young people under it a caregiver is asked first

    @property
    def others(self) -> tuple[tuple[str, str], ...]:
        """The other languages of the form, each with its name in itself."""
        return tuple((code, language_name(code)) for code in self.languages if code != self.view.language)


@dataclass(frozen=True, slots=True)
class LockPage:
    """Between respondent and clinician: holds nothing of the chart, nor a name."""

    launch: str
    csrf: str
    attempts_left: int
    wrong: bool = False
    no_pin: bool = False  # what was typed is no PIN, and cost no attempt
    language: str = "en"  # of the respondent
    reader: str = "en"  # of the clinician, who opens it
    is_barred: bool = False  # too many PINs were wrong, or none opens it
    lacks_pin: bool = False  # it was somebody else's, who is signed out here
    wait: int | None = None  # minutes until the next PIN is looked at
    wrong_sign_in: bool = False  # somebody signed in to the EHR, and that did not open it
    offers_sign_in: bool = True
    note: bool = False  # it stands where a note was being written, and leads back there


def render_fill(language: str = "en") -> str:
    """Give the empty shell at /fill: its script fetches the form with the secret of the address's fragment."""
    return render("respondent/fill.html", language=language)


def render_form(view: FormView, shell: str = "en", *, end: Markup | None = None) -> str:
    """Give the form as a fragment for a shell in that language. `end`: what is shown when it was sent, if not the usual."""
    language = view.reader or view.language
    return render("respondent/form.html", language=language, view=view, shell=shell, end=end)


def render_preview(page: PreviewPage) -> str:
    """Give the page on which a clinician looks at a form: the respondent's own, with a line above that says so."""
    view = replace(page.view, is_preview=True)
    end = Markup(render("respondent/looked.html", language=page.language, view=view))  # noqa: S704 -- by our own template
    form = Markup(render_form(view, page.language, end=end))  # noqa: S704 -- by our own template, which escapes
    return render("respondent/preview.html", language=page.language, page=page, form=form)


def render_gate(page: GatePage, shell: str = "en") -> str:
    """Give the gate as a fragment for a shell in that language."""
    return render("respondent/gate.html", language=page.language, page=page, shell=shell)


def render_lock(page: LockPage) -> str:
    """Ask for the clinician's PIN."""
    pin = Markup(render("respondent/pin.html", language=page.reader, page=page))  # noqa: S704 -- rendered by our own template, which escapes
    return render("respondent/lock.html", language=page.language, page=page, pin=pin)


def render_code(language: str = "en", *, wrong: bool = False, out: bool = False) -> str:
    """Ask for the code that opens a form; `out`: this device is with somebody for another."""
    return render("respondent/code.html", language=language, wrong=wrong, out=out)
