"""A site's own norms: administrations from the ledger or from an export, and what the site has decided to use of them.

A figure is used for reliable change only after somebody has adopted it, by name and with a reason. Decisions are only
ever added; the last one of a group (instrument, score, rater, age band) counts.
"""

import gzip
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from math import nan
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.days import Born, born_written, day_of
from plugin.delivery.keep import open_record
from plugin.delivery.revising import as_they_stand, revised_ids
from plugin.errors import Conflict, NotFound
from plugin.ledger import Vault, note_for_log
from plugin.ledger import tables as t
from plugin.norms.administrations import UNKNOWN_AGE, Administration, band_of, read_scores
from plugin.responses import InvalidResponse, UnreadableResponse, take_answers
from plugin.scores import Key, compute
from plugin.scores.bulk import OtherResource, Scored, score_lines
from plugin.trends.change import Statistics
from questionnaires import Catalogue, CatalogueError

_CHUNK = 500
ALTERED = "altered"


class Coefficient(StrEnum):
    """Which reliability the error of a difference is computed from."""

    ALPHA = "alpha"
    OMEGA = "omega"
    RETEST = "retest"


class Figures(msgspec.Struct, frozen=True):
    """What was adopted, in native units; `n` people for the SD and `reliability_n` for the reliability."""

    mean: float
    sd: float
    n: int
    coefficient: Coefficient
    reliability: float
    reliability_low: float
    reliability_high: float
    reliability_n: int
    source: str


_NONE = Figures(nan, nan, 0, Coefficient.ALPHA, nan, nan, nan, 0, "")


@dataclass(frozen=True, slots=True)
class Group:
    """Whom a norm is for. `age_band` is `unknown` where no birth dates were at hand: it then stands for every age."""

    site: str
    instrument: str  # canonical with version
    score: str  # linkId
    rater: str
    age_band: str


@dataclass(frozen=True, slots=True)
class Norm:
    """An adopted norm: its group, figures, and who decided when and why."""

    id: str
    group: Group
    figures: Figures
    decided: datetime
    decided_by: str
    why: str

    @property
    def statistics(self) -> Statistics:
        """What reliable change is computed from, with its source in words."""
        return self.statistics_in(UTC)

    def statistics_in(self, zone: tzinfo) -> Statistics:
        """Give the same with the day of the decision in the site's zone."""
        figures, band = self.figures, self.group.age_band
        ages = "" if band == UNKNOWN_AGE else f", ages {band}"
        source = (
            f"own data{ages} ({figures.source}), {figures.coefficient} {figures.reliability:.2f}, "
            f"n = {figures.n}, adopted {day_of(self.decided, zone)}"
        )
        return Statistics(figures.sd, figures.reliability, figures.n, source, figures.mean)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a norm: `adopted` or `withdrawn`; `ALTERED` if its figures are none that Rapport wrote."""

    action: str
    norm: Norm


@dataclass(frozen=True, slots=True)
class Answered:
    """How many people have answered an instrument as a rater, and with how many forms."""

    instrument: str
    rater: str
    people: int
    forms: int


@dataclass(slots=True)
class Skipped:
    """What could not be used: forms that are not installed, and responses that cannot be read or scored."""

    unknown: int = 0
    unusable: int = 0
    without_time: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.unknown + self.unusable + self.without_time


def from_ledger(
    connection: Connection,
    vault: Vault,
    catalogue: Catalogue,
    keys: Mapping[str, Key],
    *,
    site: str | None,
    zones: Mapping[str, tzinfo],
    skipped: Skipped,
) -> Iterator[Administration]:
    """Read every stored response, of one site or of all, and score it again: a stored score is never trusted.

    `zones` are those of the sites; a site that is set up no more goes by UTC. The ledger holds no birth dates: the age
    band is `unknown`. SealBroken if a row was altered.
    """
    query = sa.select(t.response).order_by(t.response.c.authored)
    if site is not None:
        query = query.where(t.response.c.site == site)
    revised = revised_ids(connection)
    for row in connection.execution_options(stream_results=True, yield_per=_CHUNK).execute(query):
        record = open_record(row, vault)
        if record.id in revised:
            (record,) = as_they_stand(connection, vault, (record,))
            if record.voided:
                continue
        try:
            instrument = catalogue.by_canonical(record.instrument)
            _, answers = take_answers(record.body, instrument, patient=None)
        except CatalogueError:
            skipped.unknown += 1
            continue
        except (UnreadableResponse, InvalidResponse):
            skipped.unusable += 1
            continue
        scores = compute(keys[instrument.canonical], answers)
        yield Administration(
            instrument.canonical,
            record.rater,
            f"{record.site} {record.patient} {record.source}",
            UNKNOWN_AGE,
            record.authored,
            day_of(record.authored, zones.get(record.site, UTC)),
            read_scores(scores),
        )


def from_files(
    files: Iterable[Path],
    catalogue: Catalogue,
    keys: Mapping[str, Key],
    skipped: Skipped,
    zone: tzinfo = UTC,
) -> Iterator[Administration]:
    """Read NDJSON of QuestionnaireResponses; Patients in the same files give the birth dates for the age bands.

    Responses without `authored` or `subject` are passed over and counted: who answered when must be known. A file that is
    named twice is read once.
    """
    places = tuple({each.resolve(): each for each in files}.values())
    born = dict(_births(places))
    for place in places:
        responses = (line for line in _lines(place) if b'"QuestionnaireResponse"' in line)
        for each in score_lines(responses, catalogue, keys):
            if isinstance(each, OtherResource):
                continue
            if not isinstance(each, Scored):
                skipped.unknown += each.reason.startswith("Unknown")
                skipped.unusable += not each.reason.startswith("Unknown")
                continue
            when, subject = each.head.authored_at, each.head.subject_reference
            if when is None or subject is None:
                skipped.without_time += 1
                continue
            source, day = each.head.source, day_of(when, zone)
            yield Administration(
                each.instrument.canonical,
                str(each.instrument.rater),
                f"{subject} {source.reference if source else ''}",
                band_of(born.get(subject), day),
                when,
                day,
                read_scores(each.scores),
            )


class _Patient(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""
    birth_date: str = ""


def _births(places: tuple[Path, ...]) -> Iterator[tuple[str, Born]]:
    for place in places:
        for line in _lines(place):
            if b'"Patient"' not in line:
                continue
            try:
                found = msgspec.json.decode(line, type=_Patient)
            except msgspec.MsgspecError:
                continue
            born = born_written(found.birth_date)
            if found.resource_type == "Patient" and born is not None:
                yield f"Patient/{found.id}", born


def _lines(place: Path) -> Iterator[bytes]:
    with gzip.open(place) if place.name.endswith(".gz") else place.open("rb") as file:
        yield from file


def adopt(connection: Connection, group: Group, figures: Figures, who: str, why: str, now: datetime) -> str:
    """Use figures for a group from now on; an earlier decision stays in the table and counts no more. Gives the id."""
    return _decide(connection, group, "adopted", msgspec.json.encode(figures).decode(), (who, why), now)


def withdraw(connection: Connection, norm: str, who: str, why: str, now: datetime) -> None:
    """Use a norm no more; NotFound without such a one, Conflict if it does not count any more."""
    row = connection.execute(sa.select(t.norm).where(t.norm.c.id == norm)).one_or_none()
    if row is None:
        raise NotFound(f"There is no norm {norm}.", "`rapport norms list` names those that are in use.")
    if norm not in {each.id for each in in_use(connection, row.site)}:
        raise Conflict(f"Norm {norm} is not in use.", "`rapport norms list` names those that are.")
    group = Group(row.site, row.instrument, row.score, row.rater, row.age_band)
    _decide(connection, group, "withdrawn", row.figures, (who, why), now)


def in_use(connection: Connection, site: str | None = None) -> tuple[Norm, ...]:
    """Give the norms that count now, of one site or of all: none of a group whose last decision was altered."""
    last = {each.norm.group: each for each in read_decisions(connection, site)}
    return tuple(each.norm for each in last.values() if each.action == "adopted")


def read_decisions(connection: Connection, site: str | None = None) -> tuple[Decision, ...]:
    """Give every decision, of one site or of all, the oldest first."""
    query = sa.select(t.norm).order_by(t.norm.c.decided, t.norm.c.id)
    if site is not None:
        query = query.where(t.norm.c.site == site)
    return tuple(_decision(row) for row in connection.execute(query))


def _decision(row: sa.Row[tuple[object, ...]]) -> Decision:
    group = Group(row.site, row.instrument, row.score, row.rater, row.age_band)
    try:
        norm = _norm(row, group, msgspec.json.decode(row.figures, type=Figures))
        _ = norm.statistics  # no change could be computed from others
    except (ValueError, TypeError):  # msgspec's are ValueErrors; a TypeError where there is none
        return Decision(ALTERED, _norm(row, group, _NONE))
    return Decision(row.action, norm)


def _norm(row: sa.Row[tuple[object, ...]], group: Group, figures: Figures) -> Norm:
    return Norm(row.id, group, figures, row.decided, row.decided_by, row.why)


def counted_as(catalogue: Catalogue) -> dict[str, str]:
    """Say with which version each one counts: one that asks and counts the same as the version of today, with that."""
    return {other: each.canonical for each in catalogue.all() for other in catalogue.alike(each.canonical)}


def count_people(connection: Connection, site: str, catalogue: Catalogue) -> tuple[Answered, ...]:
    """Count who has answered at a site; the figures leave out forms without the score, or entered in error."""
    response, now = t.response.c, counted_as(catalogue)
    person = response.patient + " " + sa.func.coalesce(response.source, "")
    query = (
        sa.select(response.instrument, response.rater, person, sa.func.count(response.id))
        .where(response.site == site)
        .group_by(response.instrument, response.rater, person)
    )
    people: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for instrument, rater, who, forms in connection.execute(query):
        people[now.get(instrument, instrument), rater][who] += forms
    return tuple(
        Answered(instrument, rater, len(forms), forms.total())
        for (instrument, rater), forms in sorted(people.items())
    )


def statistics_for(
    norms: Iterable[Norm], instrument: str, score: str, rater: str, age_band: str
) -> Statistics | None:
    """Give what the site has adopted for a score: of the age band, else of all ages; None if nothing."""
    found = norm_for(norms, instrument, score, rater, age_band)
    return None if found is None else found.statistics


def norm_for(norms: Iterable[Norm], instrument: str, score: str, rater: str, age_band: str) -> Norm | None:
    """Give the norm that a site has adopted for a score: of the age band, else of all ages; None if there is none."""
    fitting = {
        each.group.age_band: each
        for each in norms
        if (each.group.instrument, each.group.score, each.group.rater) == (instrument, score, rater)
    }
    return fitting.get(age_band) or fitting.get(UNKNOWN_AGE)


def _decide(
    connection: Connection, group: Group, action: str, figures: str, decision: tuple[str, str], now: datetime
) -> str:
    identity = str(uuid.uuid4())
    who, why = decision
    connection.execute(
        t.norm.insert().values(
            id=identity,
            site=group.site,
            instrument=group.instrument,
            score=group.score,
            rater=group.rater,
            age_band=group.age_band,
            action=action,
            decided=now,
            decided_by=who,
            why=why,
            figures=figures,
        )
    )
    note_for_log(connection, "norm", identity)
    return identity
