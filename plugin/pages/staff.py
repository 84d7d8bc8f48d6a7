"""Pages beyond one patient: the desk, and the administrator's. They name no patient and no answer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from plugin.collecting.book import Remembered
from plugin.delivery.account import Attempt
from plugin.delivery.changes import Listed
from plugin.delivery.choosing import NAMES
from plugin.delivery.states import DeliveryState
from plugin.doctor import Examination, Verdict
from plugin.norming import Norm
from plugin.norms.administrations import LEAST_FOR_MEAN, LEAST_FOR_RELIABILITY
from plugin.pages.engine import render
from plugin.pages.retold import retell
from plugin.pages.words import N_
from plugin.research_settings import Research
from plugin.researching import Doubt, Gathered, count_made

MOST_LISTED = 100

_VERDICTS = {
    Verdict.WRITES: N_("Rapport can be launched from this EHR and write into its records."),
    Verdict.READS: N_(
        "Rapport can be launched from this EHR. Nothing can be written there: results stay readable in Rapport."
    ),
    Verdict.UNUSABLE: N_("Rapport cannot be used with this EHR as it is."),
}


@dataclass(frozen=True, slots=True)
class DeskFrame:
    """What every page of a desk shows around its own: `places` are (address, label, whether it is this page)."""

    id: str
    site: str
    csrf: str
    places: tuple[tuple[str, str, bool], ...]
    patient: str | None  # the launch of the chart that it was opened from
    language: str = "en"
    zone: tzinfo = UTC  # the site's


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """Deliveries of the site: `counts` by state, those of the states in `chosen`, oldest first.

    `aside` are responses that the EHR collected and that cannot be scored, newest first.
    """

    desk: DeskFrame
    counts: Mapping[DeliveryState, int]
    chosen: DeliveryState | None
    listed: tuple[Listed, ...]
    told: str | None = None
    aside: tuple[Remembered, ...] = ()

    @property
    def waiting(self) -> int:
        """How many are not in the record."""
        return sum(many for state, many in self.counts.items() if state is not DeliveryState.DELIVERED)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One delivery with its attempts; `fixed` if nobody may change it now."""

    desk: DeskFrame
    delivery: Listed
    attempts: tuple[Attempt, ...]
    fixed: bool
    told: str | None = None
    problem: str | None = None
    why: str = ""  # as it was typed, where it is not to be sent


@dataclass(frozen=True, slots=True)
class InstallationPage:
    """The state of the installation: parts that work or fail, what waits, which forms are left out and why."""

    desk: DeskFrame
    version: str
    schema: str
    database: str
    parts: Mapping[str, bool]
    usable: int
    left_out: tuple[str, ...]
    oldest: datetime | None
    waiting: int
    unlogged: int
    log_size: int | None


@dataclass(frozen=True, slots=True)
class NormLine:
    """A norm, or a decision about one, in words. `ages` is empty for all."""

    form: str
    score: str
    rater: str
    ages: str
    norm: Norm
    action: str


@dataclass(frozen=True, slots=True)
class PeopleLine:
    """How many have answered a form, and how many more are needed for its figures (0: enough)."""

    form: str
    rater: str
    people: int
    forms: int
    for_mean: int
    for_reliability: int


@dataclass(frozen=True, slots=True)
class NormsPage:
    """The norms in use at a site, who has answered so far, and what was decided, newest first."""

    desk: DeskFrame
    site: str
    in_use: tuple[NormLine, ...]
    people: tuple[PeopleLine, ...]
    decisions: tuple[NormLine, ...]


@dataclass(frozen=True, slots=True)
class PeriodForm:
    """What stands in a form that asks about a period: as it is offered, or as it was typed."""

    first: str
    last: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A research export that was asked for and not made: why, or what has to be confirmed first."""

    typed: PeriodForm
    doubt: Doubt | None = None
    problem: str | None = None
    keep: str = ""


KEPT = {
    "medication_class": N_("Classes of medicines"),
    "age_band": N_("Age band"),
    "modality": N_("In person or by video"),
    "carer_present": N_("Whether a carer took part"),
    "language": N_("Language"),
}
"""The columns of which one may be kept longest, the one that studies ask for most often first."""


@dataclass(frozen=True, slots=True)
class ResearchPage:
    """What a site gives to research; None: nothing."""

    desk: DeskFrame
    research: Research | None
    today: date
    wish: Wish | None = None
    has_parquet: bool = True

    @property
    def typed(self) -> PeriodForm:
        """What stands in the form; a year is offered."""
        offered = PeriodForm((self.today - timedelta(days=365)).isoformat(), self.today.isoformat())
        return self.wish.typed if self.wish else offered


def render_research(page: ResearchPage) -> str:
    """Render the researcher's page."""
    return render("staff/research.html", language=page.desk.language, desk=page.desk, page=page, kept=KEPT)


def research_facts(gathered: Gathered, smallest: int, language: str) -> dict[str, str]:
    """Say what an export came to, by the names of the page's `data-fact`; empty where there is nothing to say."""
    made = {name: retell(text, language) for name, text in asdict(count_made(gathered, smallest)).items()}
    kinds = {"not_read": gathered.not_read, "malformed": gathered.malformed, "failed": gathered.failed}
    return made | {name: ", ".join(told) for name, told in kinds.items()}


def render_desk(desk: DeskFrame, roles: tuple[str, ...]) -> str:
    """Render the desk's first page."""
    return render("staff/desk.html", language=desk.language, desk=desk, roles=roles)


def render_deliveries(page: DeliveriesPage) -> str:
    """Render the list of deliveries."""
    return render(
        "staff/deliveries.html",
        language=page.desk.language,
        desk=page.desk,
        page=page,
        states=tuple(DeliveryState),
        most=MOST_LISTED,
    )


def render_delivery(page: DeliveryPage) -> str:
    """Render one delivery."""
    return render("staff/delivery.html", language=page.desk.language, desk=page.desk, page=page)


def render_installation(page: InstallationPage) -> str:
    """Render the state of the installation."""
    return render("staff/installation.html", language=page.desk.language, desk=page.desk, page=page)


def render_norms(page: NormsPage) -> str:
    """Render the norms of a site."""
    return render(
        "staff/norms.html",
        language=page.desk.language,
        desk=page.desk,
        page=page,
        for_mean=LEAST_FOR_MEAN,
        for_reliability=LEAST_FOR_RELIABILITY,
    )


def render_examination(desk: DeskFrame, name: str, found: Examination | None, address: str) -> str:
    """Render what the EHR takes, as examined just now; None: not asked yet. `address` is Rapport's own."""
    return render(
        "staff/examination.html",
        language=desk.language,
        desk=desk,
        site=name,
        found=found,
        names=NAMES,
        address=address,
        verdict=_VERDICTS[found.verdict] if found else "",
    )
