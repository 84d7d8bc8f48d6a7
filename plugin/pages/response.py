"""One response in full: who, when, with which form, what it amounts to and how, and how it reached the record."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from plugin.pages.delivery import DeliveryMark
from plugin.pages.engine import render
from plugin.pages.words import language_name


@dataclass(frozen=True, slots=True)
class ItemAccount:
    """One item of a score. `answer` and `weight` are None where it was skipped, or where the policy keeps them from this reader."""

    text: str
    answer: str | None = None
    weight: Decimal | None = None
    is_reversed: bool = False
    is_skipped: bool = False


@dataclass(frozen=True, slots=True)
class ScoreAccount:
    """One score and where it comes from: `method` is the form's own rule. `differs`: its answers give another value now."""

    label: str
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    method: str
    items: tuple[ItemAccount, ...]
    absent: str | None = None
    differs: bool = False


PASSED_OVER = "passed-over"  # of a question that is not in the response at all


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One answer, where the site's policy lets the clinician read it; `answer` is None for a declined one.

    `number` is the question's on its form, 0 if it is not told.
    """

    question: str
    answer: str | None
    absent: str = ""  # why there is none, if it is not that somebody did not want to: PASSED_OVER, or a code of data-absent-reason
    number: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One try to write into the record."""

    when: datetime
    result: str


@dataclass(frozen=True, slots=True)
class TypedError:
    """What was typed into the form that marks a response as entered in error, and why it could not be taken."""

    why: str = ""
    is_sure: bool = False
    problem: str = ""


NOTHING_TYPED = TypedError()


@dataclass(frozen=True, slots=True)
class ResponsePage:
    """What the ledger knows of one response. `answers` is None where the policy keeps them from this reader.

    `without` counts then the questions without an answer, by why there is none: "" where somebody did not want to.
    `label` says how far the form may be relied on, `warnings` what the literature says of it.
    """

    launch: str
    id: str
    who: str
    rater: str
    relationship: str
    when: datetime
    instrument: str
    version: str
    label: str
    language: str
    scores: tuple[ScoreAccount, ...]
    state: DeliveryMark
    detail: str
    attempts: tuple[DeliveryAttempt, ...]
    locations: tuple[str, ...]
    identifier: str
    questionnaire: str
    key_hash: str
    software: str
    answers: tuple[AnswerLine, ...] | None = None
    warnings: tuple[str, ...] = ()
    look: str | None = None  # the address of the EHR's look, if it has one
    csrf: str = ""
    voided: bool = False  # marked as entered in error
    amended: bool = False  # by its author
    revised: datetime | None = None
    why: str = ""
    collected: str | None = None  # where it stands in the EHR that collected it itself
    reader: str = "en"  # the language of whoever reads this page
    citations: tuple[tuple[str, str], ...] = ()  # whose the form is, and where its key comes from
    typed: TypedError = NOTHING_TYPED
    about: date | None = None  # the day, where its time is not known
    without: tuple[tuple[str, int], ...] = ()

    @property
    def language_name(self) -> str:
        """The name of the language in which it was answered."""
        return language_name(self.language) if self.language else ""


def render_response(page: ResponsePage) -> str:
    """Show one response to the clinician."""
    return render("clinician/response.html", language=page.reader, page=page)
