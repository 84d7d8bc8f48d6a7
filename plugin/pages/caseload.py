"""The supervisor's caseload: the team's patients, by need unless sorted otherwise, as a table and as small multiples. No answer, no advice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlencode

from plugin.pages.engine import render
from plugin.pages.plot import TOP, Frame, Plot, draw
from plugin.pages.shapes import samples_of
from plugin.pages.staff import DeskFrame
from plugin.pages.trend import Gap, Panel

SMALL = Frame(
    width=340, height=168, left=26, right=122, top=TOP, bottom=28, label_characters=14, label_lines=1
)
PERIODS = (30, 90, 180, 365)
"""Days that can be looked back on."""


class Sort(StrEnum):
    """What a caseload is sorted by."""

    NEED = "need"
    NAME = "name"
    SESSION = "session"
    CLINICIAN = "clinician"

    @property
    def first_way(self) -> "Way":
        """Which end comes first unless the other is asked for: the latest session, else the beginning."""
        return Way.DOWN if self is Sort.SESSION else Way.UP


class Way(StrEnum):
    """In which direction it is sorted, in the words of `aria-sort`."""

    UP = "ascending"
    DOWN = "descending"

    @property
    def other(self) -> "Way":
        """The opposite."""
        return Way.DOWN if self is Way.UP else Way.UP


class Who(NamedTuple):
    """A kind of rater, with a number where one is told from others of that kind: names are not kept."""

    rater: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class RaterLine:
    """One rater's last total beside the one before."""

    rater: str
    measure: str
    last: float | None
    before: float | None
    low: float
    high: float | None  # None: nobody knows what can be reached
    when: datetime | None
    number: int = 0  # as in `Who`


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One patient. `name` is empty where the EHR did not give it; `needs` are codes of `plugin.routes.needs.Need`."""

    patient: str  # id in the EHR
    name: str
    clinicians: tuple[str, ...]
    needs: tuple[str, ...]
    lines: tuple[RaterLine, ...]
    panel: Panel | None  # of the period that is looked at
    answered: date | None
    rated: int  # sessions about which somebody answered
    last_session: date | None = None
    has_forms: bool = False  # Rapport took in forms, whether or not one of them counts
    all_voided: bool = False  # each of them was entered in error
    has_died: bool = False  # as the record says
    page: str = ""  # the patient's own page, where the desk was opened from their chart
    whose: Mapping[str, tuple[Who, ...]] = field(default_factory=dict)  # by need, whom it is about
    number: str = ""  # by which the EHR's users know the patient, where the EHR tells


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is looked at: empty values choose everything."""

    clinician: str = ""
    instrument: str = ""
    need: str = ""
    days: int = 180
    plots: bool = False
    page: int = 1
    sort: Sort = Sort.NEED
    way: Way = Way.UP
    is_misread: bool = False  # part of the address could not be read, and is not in this


@dataclass(frozen=True, slots=True)
class CaseloadPage:
    """One page of the caseload. `clinicians` and `instruments` are (value, words) to choose from."""

    desk: DeskFrame
    chosen: Chosen
    rows: tuple[CaseRow, ...]
    found: int
    all: int
    pages: int
    counts: dict[str, int]
    clinicians: tuple[tuple[str, str], ...]
    instruments: tuple[tuple[str, str], ...]
    has_team: bool
    today: date
    reads_scores: bool  # whether the site accepts interpretation
    names_missing: str = ""  # why names are not shown, in words
    is_stranger: bool = False  # the clinician that is asked for is nobody of the team
    altered: int = 0  # responses whose rows were altered in the database: named, and not counted

    @property
    def clinician(self) -> str:
        """Whose patients are chosen, in words; empty for everybody's."""
        return dict(self.clinicians).get(self.chosen.clinician, self.chosen.clinician)

    @property
    def axis(self) -> tuple[date, date]:
        """The days between which every small plot lies: from the first form of the period, whoever answered it, to today."""
        days = [day for row in self.rows if row.panel is not None for day in row.panel.days]
        return min(days, default=self.today), max((self.today, *days))

    @property
    def drawn(self) -> tuple[tuple[CaseRow, Plot | None], ...]:
        """The rows, each with the small plot of its totals, all on one axis; None where there is nothing to draw."""
        axis = self.axis
        return tuple(
            (each, None if each.panel is None else draw(each.panel, SMALL, axis=axis)) for each in self.rows
        )

    @property
    def has_events(self) -> bool:
        """Whether a rupture or a repair is marked in one of the plots."""
        return any(each.panel is not None and each.panel.has_events for each in self.rows)

    @property
    def gaps(self) -> frozenset[Gap]:
        """Why there are marks of scores without a value in one of the plots."""
        return frozenset().union(*(each.panel.gaps for each in self.rows if each.panel is not None))

    @property
    def gap_samples(self) -> tuple[str, ...]:
        """Their marks, as a legend shows them."""
        panels = (each.panel for each in self.rows if each.panel is not None)
        return samples_of(sorted({look for each in panels for look in each.gap_looks}))

    @property
    def numbers(self) -> range:
        """The pages there are."""
        return range(1, self.pages + 1)

    def address(self, **changes: object) -> str:
        """Give the address of the same view with something changed."""
        values = {
            "clinician": self.chosen.clinician,
            "instrument": self.chosen.instrument,
            "need": self.chosen.need,
            "days": self.chosen.days,
            "view": "plots" if self.chosen.plots else "",
            "sort": self.chosen.sort if self.chosen.sort is not Sort.NEED else "",
            "way": self.chosen.way if self.chosen.way is not self.chosen.sort.first_way else "",
            "page": self.chosen.page if self.chosen.page > 1 else "",
            **changes,
        }
        return f"/desks/{self.desk.id}/caseload?{urlencode({name: value for name, value in values.items() if value})}"

    def sorted_by(self, name: str) -> str:
        """In which direction the table is sorted by this, for `aria-sort`; empty if it is not. Need is an order of its own."""
        if self.chosen.sort != name:
            return ""
        return "other" if self.chosen.sort is Sort.NEED else str(self.chosen.way)

    def sort_address(self, name: str) -> str:
        """Give the address that sorts by this; pressed again, the other way round. Need has one way."""
        sort = Sort(name)
        turned = self.chosen.sort is sort and self.chosen.way is sort.first_way and sort is not Sort.NEED
        return self.address(
            sort=sort if sort is not Sort.NEED else "",
            way=sort.first_way.other if turned else "",
            page="",
        )


def render_caseload(page: CaseloadPage, language: str) -> str:
    """Render the caseload in an interface language."""
    return render("staff/caseload.html", language=language, desk=page.desk, page=page, periods=PERIODS)
