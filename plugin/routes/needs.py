"""What a supervisor should look at: read out of a patient's scores, deliveries and sessions. Pure, and without an answer.

What is read out of scores is read only where the site accepts interpretation, by the same rules as on the patient page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum

from plugin.access.openings import Opening
from plugin.days import day_of, is_ahead
from plugin.delivery.account import Account
from plugin.delivery.keep import Record
from plugin.interpretation import Interpretation
from plugin.pages import Trend, TrendSeries
from plugin.pages.caseload import Who
from plugin.pages.trend import RATER_ORDER
from plugin.pages.worded import number_of
from plugin.routes.marks import has_dropped
from plugin.schedule import Due
from plugin.trends.findings import Findings, Rated


class Need(StrEnum):
    """Why a patient stands where they do; the most urgent first."""

    RUPTURE = "rupture"
    DROP = "drop"
    DIVERGENCE = "divergence"
    UNDELIVERED = "undelivered"
    OVERDUE = "overdue"

    @property
    def is_read_from_scores(self) -> bool:
        """Whether it is looked for only where the site accepts interpretation."""
        return self in {Need.RUPTURE, Need.DROP, Need.DIVERGENCE}


_ORDER = tuple(Need)


@dataclass(frozen=True, slots=True)
class Session:
    """A session: its encounter, or else its day; `first` is when it is first heard of."""

    encounter: str | None
    day: date
    first: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger tells of one patient; `openings` are when the team opened the chart, oldest first, `zone` is the site's."""

    patient: str
    trend: Trend
    accounts: tuple[Account, ...]
    openings: tuple[Opening, ...]
    zone: tzinfo
    altered: int = 0  # responses whose rows were altered in the database: named, and not counted
    today: date = date.max

    @property
    def answers(self) -> tuple[Record, ...]:
        """What was answered, but for what was entered in error and what is dated on a day that is still to come."""
        records = (each.record for each in self.accounts if not each.record.voided)
        return tuple(each for each in records if not is_ahead(day_of(each.authored, self.zone), self.today))

    @property
    def answered(self) -> datetime | None:
        """When somebody last answered."""
        return max((each.authored for each in self.answers), default=None)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that the ledger knows of, oldest first: in which the team opened Rapport, or which an answer names.

        What has no encounter belongs to the sessions of its day that have one; else it is one if a form of that day was begun,
        or taken in without one. A chart that was opened without an encounter, to look, is none.
        """
        collected = {day_of(each.authored, self.zone) for each in self.answers if each.invitation is None}
        told = sorted(
            [
                *(
                    Session(each.encounter, each.day, each.first)
                    for each in self.openings
                    if each.encounter or each.has_form or each.day in collected
                ),
                *(self._answered_in(each) for each in self.answers if each.encounter),
            ],
            key=lambda each: each.first,
        )
        return _told_apart(told)

    @property
    def rated(self) -> tuple[Session, ...]:
        """The sessions about which somebody answered, told apart in the same way."""
        return _told_apart(sorted(map(self._answered_in, self.answers), key=lambda each: each.first))

    @property
    def last_session(self) -> Session | None:
        """The last session, by what was answered where no other is known."""
        return next(reversed(self.sessions or self.rated), None)

    def _answered_in(self, record: Record) -> Session:
        return Session(record.encounter or None, day_of(record.authored, self.zone), record.authored)

    @property
    def seen(self) -> datetime:
        """When something last happened."""
        moments = [each.first for each in self.openings]
        return max([*moments, *([self.answered] if self.answered else [])])


def _told_apart(told: Sequence[Session]) -> tuple[Session, ...]:
    of_encounters = {each.day for each in told if each.encounter is not None}
    found: dict[tuple[str | None, date], Session] = {}
    for each in told:
        if each.encounter is not None:
            found.setdefault((each.encounter, date.min), each)
        elif each.day not in of_encounters:
            found.setdefault((None, each.day), each)
    return tuple(found.values())


def needs_of(
    known: Known, schedules: Mapping[str, Due], interpretation: Interpretation | None, today: date
) -> tuple[Need, ...]:
    """Give everything that calls for a look, the most urgent first."""
    found = set(whose(known, schedules, interpretation, today))
    if any(each.lacks for each in known.accounts):
        found.add(Need.UNDELIVERED)
    return tuple(each for each in _ORDER if each in found)


def whose(
    known: Known, schedules: Mapping[str, Due], interpretation: Interpretation | None, today: date
) -> Mapping[Need, tuple[Who, ...]]:
    """Name whom a need is about, the young person first; a divergence is told of the adult, what is overdue of a kind of rater."""
    findings = known.trend.findings or Findings()
    about: dict[Need, set[Who]] = {
        Need.RUPTURE: {_who(each.rated) for each in findings.falls if each.is_current},
        Need.DIVERGENCE: {_who(pair.second) for pair in findings.pairs if pair.is_divergent},
        Need.OVERDUE: {Who(each) for each in overdue_raters(known, schedules, today)},
    }
    if interpretation is not None:
        about[Need.DROP] = {_who(each) for each in known.trend.series if has_dropped(each)}
    return {need: tuple(sorted(people, key=_place)) for need, people in about.items() if people}


def _who(of: Rated | TrendSeries) -> Who:
    return Who(of.rater, number_of(of.name))


def _place(who: Who) -> tuple[int, int]:
    return RATER_ORDER.index(who.rater), who.number


def overdue_raters(known: Known, schedules: Mapping[str, Due], today: date) -> tuple[str, ...]:
    """Name the kinds of rater whose form was due in a session that is over, and who have not answered since.

    Each goes by the last session that had a form of theirs due. Expected is who has answered before; where nobody has,
    whoever comes first in `schedules` with a form due. Sessions are those that the ledger knows of: the EHR is not asked.
    """
    heard = {str(each.rater) for each in known.answers} & schedules.keys()
    sessions = known.sessions  # once: they are sorted out of all answers
    late = [
        rater
        for rater, schedule in schedules.items()
        if (rater in heard or not heard) and _is_late(known, sessions, rater, schedule, today)
    ]
    return tuple(late if heard else late[:1])


def _is_late(known: Known, sessions: Sequence[Session], rater: str, schedule: Due, today: date) -> bool:
    due = [
        session
        for number, session in enumerate(sessions, 1)
        if schedule.is_due(number) and session.day < today
    ]
    if not due:
        return False
    last = due[-1]
    return not any(
        day_of(each.authored, known.zone) >= last.day
        or (last.encounter is not None and each.encounter == last.encounter)
        for each in known.answers
        if each.rater == rater
    )


def by_need(known: Sequence[tuple[Known, tuple[Need, ...]]]) -> list[tuple[Known, tuple[Need, ...]]]:
    """Sort: the most urgent need first, then who has more of them, then who has not answered for longest.

    Where nobody has answered, it counts from when the team first opened the chart.
    """

    def key(each: tuple[Known, tuple[Need, ...]]) -> tuple[int, int, float, str]:
        one, needs = each
        urgency = _ORDER.index(needs[0]) if needs else len(_ORDER)
        return urgency, -len(needs), (one.answered or one.openings[0].first).timestamp(), one.patient

    return sorted(known, key=key)
