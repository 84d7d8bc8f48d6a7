"""Pages of auditors beside the chain: search, the log's state, reviews, exports."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from plugin.auditing.notes import NoteTold
from plugin.auditing.proving import Standing
from plugin.auditing.reviews import Review, SignOff, Verdict
from plugin.auditing.searching import MOST_COUNTED, Found, Page
from plugin.auditing.verifying import Run
from plugin.delivery.states import DeliveryState
from plugin.pages.engine import render
from plugin.pages.staff import KEPT, DeskFrame, PeriodForm
from plugin.pages.words import N_
from plugin.researching import MOST_LISTED, Export
from plugin.verify.findings import MEANING

STANDINGS: Mapping[Standing, str] = {
    Standing.PROVED: N_("in the log, as it was logged"),
    Standing.WAITS: N_("waits for the next checkpoint"),
    Standing.SET_ASIDE: N_("the log could not take it"),
    Standing.ERASED: N_("erased by law; the log keeps its place"),
    Standing.ALTERED: N_("not what was logged"),
    Standing.UNKNOWN: N_("the log has never seen it"),
    Standing.BROKEN: N_("the proof does not lead to the signed root"),
}

NOTE_ENTRIES: Mapping[str, str] = {
    "note-written": N_("the note was written"),
    "note-delivery": N_("an attempt to write into the record"),
    "note-viewed": N_("the note was read again"),
    "delivery-retried": N_("somebody had it tried again"),
    "chain-viewed": N_("an auditor looked up the note"),
}
"""Kinds of entries about a note in words."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What stands in the form: as it was typed."""

    number: str = ""
    patient: str = ""
    clinician: str = ""
    first: str = ""
    last: str = ""
    instrument: str = ""
    outcome: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nothing was asked for."""
        return self == Sought()


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The form, and what was found by it. `problem`: the form could not be understood, or the number is not known."""

    desk: DeskFrame
    sought: Sought
    sites: tuple[tuple[str, str], ...]  # id, name: this one, then others where the browser is signed in
    instruments: tuple[tuple[str, str], ...]  # canonical, name
    page: Page | None
    is_first: bool = True
    problem: str | None = None
    note: NoteTold | None = None  # what was asked for is a note


@dataclass(frozen=True, slots=True)
class LogPage:
    """The state of the transparency log and the last verification."""

    desk: DeskFrame
    size: int | None
    root: str
    key: str
    problem: str | None
    written: datetime | None
    waiting: int
    set_aside: tuple[tuple[str, str, str], ...]  # kind, row, why
    runs: tuple[Run, ...]  # the last one, and the last that looked at the EHR too if that is another
    under_way: tuple[int, int] | None  # how many of how many
    reads_by: str
    told: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One review in the list. `questioned`: so many were signed as in question or not in order, and nothing else since."""

    review: Review
    signed: int
    whole: SignOff | None
    questioned: int = 0

    @property
    def open_items(self) -> int:
        """How many have no sign-off yet."""
        return len(self.review.drawn_from.sample) - self.signed


@dataclass(frozen=True, slots=True)
class TypedDraw(PeriodForm):
    """What stands in the form that draws a sample: as it is offered, or as it was typed and could not be taken."""

    asked: int = 30
    seed: str = ""


@dataclass(frozen=True, slots=True)
class ReviewsPage:
    """The reviews of the site, and the form that draws another."""

    desk: DeskFrame
    listed: tuple[Listed, ...]
    typed: TypedDraw
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class TypedSignOff:
    """What was typed into a sign-off that could not be taken, and why not, beside which field."""

    verdict: str = ""
    comment: str = ""
    no_verdict: str = ""
    no_comment: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.no_verdict or self.no_comment)


NOTHING_TYPED = TypedSignOff()


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One administration of a sample; `found` is None if it is gone."""

    response: str
    found: Found | None
    signed: SignOff | None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """One review with its sample."""

    desk: DeskFrame
    review: Review
    items: tuple[ReviewItem, ...]
    whole: tuple[SignOff, ...]
    standing: Standing
    draws_the_same: bool | None  # None: not asked
    told: str | None = None
    typed: TypedSignOff = NOTHING_TYPED

    @property
    def open_items(self) -> int:
        """How many have no sign-off yet."""
        return sum(each.signed is None for each in self.items)

    @property
    def questioned(self) -> int:
        """How many were signed last as in question or not in order."""
        return sum(each.signed is not None and each.signed.verdict != Verdict.IN_ORDER for each in self.items)


@dataclass(frozen=True, slots=True)
class ExportsPage:
    """The form that exports a period, and the research exports that the trail tells of."""

    desk: DeskFrame
    typed: PeriodForm
    most: int
    key: str
    is_allowed: bool  # whether the site lets auditors see single answers, which an export holds
    research: tuple[Export, ...]
    problem: str | None = None


def instrument_name(canonical: str, titles: Mapping[str, str]) -> str:
    """Name a form by its title and version, or its address."""
    address, _, version = canonical.partition("|")
    return f"{titles.get(canonical) or address.rpartition('/')[2]} {version}".strip()


def render_search(page: SearchPage, titles: Mapping[str, str]) -> str:
    """Render the search."""
    return render(
        "staff/audit/search.html",
        language=page.desk.language,
        desk=page.desk,
        page=page,
        states=tuple(DeliveryState),
        named=lambda canonical: instrument_name(canonical, titles),
        most=MOST_COUNTED,
        entries=NOTE_ENTRIES,
        standings=STANDINGS,
    )


def render_log(page: LogPage) -> str:
    """Render the state of the log."""
    return render(
        "staff/audit/log.html", language=page.desk.language, desk=page.desk, page=page, meaning=MEANING
    )


def render_reviews(page: ReviewsPage) -> str:
    """Render the list of reviews."""
    return render(
        "staff/audit/reviews.html", language=page.desk.language, desk=page.desk, page=page, verdicts=Verdict
    )


def render_review(page: ReviewPage, titles: Mapping[str, str]) -> str:
    """Render one review."""
    return render(
        "staff/audit/review.html",
        language=page.desk.language,
        desk=page.desk,
        page=page,
        review=page.review,
        verdicts=Verdict,
        named=lambda canonical: instrument_name(canonical, titles),
    )


def render_exports(page: ExportsPage) -> str:
    """Render the form that exports a period, and what was exported for research."""
    return render(
        "staff/audit/exports.html",
        language=page.desk.language,
        desk=page.desk,
        page=page,
        standings=STANDINGS,
        most_listed=MOST_LISTED,
        kept=KEPT,
    )
