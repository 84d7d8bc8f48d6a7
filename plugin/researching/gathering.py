"""Gathers administrations of one site for research: scores computed anew, the session as the EHR tells it, consent first.

Nothing of a patient is read beyond Consent before consent is known.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from itertools import chain, count
from typing import Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.comparing.access import SystemReader
from plugin.days import day_of
from plugin.delivery.keep import Record, open_record
from plugin.delivery.revising import as_they_stand
from plugin.exports import Period
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.norms.administrations import band_of
from plugin.research import (
    Administration,
    Circumstances,
    Disguise,
    MedicineClasses,
    Rule,
    ScoreColumn,
    suppress,
)
from plugin.research_settings import Research
from plugin.researching.reading import PeopleReader
from plugin.responses import InvalidResponse, UnreadableResponse, take_answers
from plugin.scores import Key, Score, compute, only_together
from questionnaires import Catalogue, CatalogueError, Instrument

T = TypeVar("T")
_COUNTED = {"completed", "amended"}  # QuestionnaireResponse.status of a form that stands


class Reading(Protocol):
    """What reads the ledger."""

    def __call__(self, look: Callable[[Connection], T]) -> Awaitable[T]:
        """Run a query."""


@dataclass(slots=True)
class LeftOut:
    """Forms that are not given, and whose they are: how many is told only if enough people share it."""

    forms: int = 0
    people: set[str] = field(default_factory=set)

    def add(self, person: str) -> None:
        """Count one more form."""
        self.forms += 1
        self.people.add(person)


@dataclass(slots=True)
class Gathered:
    """What may be given, and how much may not: people without consent, forms that cannot be scored, rows too rare."""

    rows: list[Administration] = field(default_factory=list)
    columns: list[ScoreColumn] = field(default_factory=list)
    days: tuple[date, date] | None = None  # first and last on which a form in it was filled, as they were
    included: list[str] = field(
        default_factory=list
    )  # references of patients; for the trail, never for the export
    without_consent: int = 0
    unusable: LeftOut = field(default_factory=LeftOut)
    too_rare: LeftOut = field(default_factory=LeftOut)
    not_read: list[str] = field(default_factory=list)  # kinds of which the EHR gave nobody's
    read_in_part: list[str] = field(default_factory=list)  # kinds of which it gave some people's alone
    malformed: list[str] = field(default_factory=list)  # kinds of which it gave something else than FHIR
    failed: list[str] = field(default_factory=list)  # kinds that it failed to give, each time it was asked
    keep: str | None = None  # the column that was emptied last


@dataclass
class Gatherer:
    """One site's ledger, record and decisions; `zone` is the site's, `keep` the column to be emptied last."""

    site: str
    research: Research
    catalogue: Catalogue
    keys: Mapping[str, Key]
    vault: Vault
    read: Reading
    ehr: SystemReader
    clock: Callable[[], datetime]
    zone: tzinfo
    keep: str | None = None

    async def gather(
        self, period: Period, tell: Callable[[int, int], None] = lambda _done, _all: None
    ) -> Gathered:
        """Gather a period; RecordUnreadable where consent cannot be read. `tell` hears patients done and all."""
        disguise = Disguise(self.research.read_salt(), self.research.shift_days)
        found, reader = Gathered(keep=self.keep), PeopleReader(self.ehr, self.clock, self.zone)
        patients = await self.read(lambda connection: _patients(connection, self.site, period))
        used: dict[str, Instrument] = {}
        people: dict[str, str] = {}
        for place, patient in enumerate(patients):
            tell(place, len(patients))
            if not (await reader.consents(patient)).allow(Rule(self.research.consent)):
                found.without_consent += 1
                continue
            rows = await self._rows(patient, period, disguise, found, used, reader)
            people |= {row.person: patient for row in rows}
            found.rows += rows
        reader.check_consents()
        tell(len(patients), len(patients))
        found.rows, rare = suppress(found.rows, self.research.smallest_cell, self.keep)
        for row in rare:
            found.too_rare.add(row.person)
        told = {
            (row.instrument, row.instrument_version) for row in found.rows
        }  # that a few filled a form is not
        found.columns = [
            column for each in used.values() if (each.id, each.version) in told for column in _columns(each)
        ]
        days = [disguise.unshifted(f"{self.site} {people[row.person]}", row.date) for row in found.rows]
        found.days = (min(days), max(days)) if days else None
        found.included = sorted({people[row.person] for row in found.rows})
        found.not_read = sorted(reader.refused - reader.given)
        found.read_in_part = sorted(reader.refused & reader.given)
        found.malformed = sorted(reader.malformed)
        found.failed = sorted(reader.failed)
        return found

    async def _rows(
        self,
        patient: str,
        period: Period,
        disguise: Disguise,
        found: Gathered,
        used: dict[str, Instrument],
        reader: PeopleReader,
    ) -> list[Administration]:
        records = await self.read(
            lambda connection: _records(connection, self.vault, self.site, patient, period)
        )
        scored = []
        for record in records:
            result = self._score(record)
            if result is None:
                found.unusable.add(patient)
            else:
                scored.append((record, *result))
        if not scored:
            return []
        around = await reader.circumstances(patient)
        # One band for all: where it changes it would tell the birthday, in shifted days.
        band = band_of(around.born, day_of(scored[0][0].authored, self.zone), self.research.ages)
        rows = []
        for record, instrument, scores in scored:
            used.setdefault(instrument.canonical, instrument)
            rows.append(self._row(record, instrument, scores, around, band, disguise))
        return rows

    def _score(self, record: Record) -> tuple[Instrument, tuple[Score, ...]] | None:
        try:
            instrument = self.catalogue.by_canonical(record.instrument)
            head, answers = take_answers(record.body, instrument, patient=None)
            if head.status not in _COUNTED:
                return None
        except (CatalogueError, UnreadableResponse, InvalidResponse):
            return None
        scores = compute(self.keys[instrument.canonical], answers)
        return instrument, only_together(scores) if record.answers_withheld else scores

    def _row(
        self,
        record: Record,
        instrument: Instrument,
        scores: tuple[Score, ...],
        around: Circumstances,
        band: str,
        disguise: Disguise,
    ) -> Administration:
        day = day_of(record.authored, self.zone)
        classes = MedicineClasses(self.research.medicines)
        names = column_names(instrument)
        return Administration(
            administration=disguise.pseudonym("administration", record.site, record.id),
            person=disguise.pseudonym("person", record.site, record.patient),
            rater_person=disguise.pseudonym("rater", record.site, record.patient, record.source or ""),
            site=record.site,
            instrument=instrument.id,
            instrument_version=instrument.version,
            key_hash=instrument.content_hash,
            rater=record.rater,
            language=record.language,
            date=disguise.shifted(f"{record.site} {record.patient}", day),
            session=around.session_of(record.encounter, day),
            age_band=band,
            modality=around.modality_of(record.encounter, day),
            carer_present=around.contacts.had_carer(record.encounter, day),
            medication_class=around.medicines_on(day, classes),
            complete=all(score.value is not None for score in scores),
            scores={
                names[score.link_id]: None if score.value is None else float(score.value) for score in scores
            },
        )


def column_names(instrument: Instrument) -> dict[str, str]:
    """Name the column of each score, by its linkId; of those that come out alike, the second ends with `_2`."""
    names: dict[str, str] = {}
    for score in instrument.scores:
        name = _column_name(score.link_id)
        numbered = (f"{name}_{place}" for place in count(2))
        names[score.link_id] = next(each for each in chain([name], numbered) if each not in names.values())
    return names


def _column_name(link_id: str) -> str:
    """Write a linkId as the name of a column: `score-total` is `score_total`; what is no letter of ASCII and no digit is `_`."""
    name = "".join(each if each.isascii() and each.isalnum() else "_" for each in link_id).strip("_").lower()
    return name if name.startswith("score_") else f"score_{name}".rstrip("_")


def _columns(instrument: Instrument) -> list[ScoreColumn]:
    names = column_names(instrument)
    return [
        ScoreColumn(
            names[score.link_id],
            instrument.canonical,
            score.code.display,
            None if score.low is None else float(score.low),
            None if score.high is None else float(score.high),
            str(score.direction or "not said"),
        )
        for score in instrument.scores
    ]


def days_of_forms(connection: Connection, site: str, period: Period) -> tuple[date, date] | None:
    """Give the first and the last day on which a form of a period was filled, given or not; None if there is none."""
    authored = t.response.c.authored
    query = sa.select(sa.func.min(authored), sa.func.max(authored)).where(_within(site, period))
    first, last = connection.execute(query).one()
    return None if first is None else (day_of(first, period.zone), day_of(last, period.zone))


def _within(site: str, period: Period) -> sa.ColumnElement[bool]:
    authored = t.response.c.authored
    return sa.and_(t.response.c.site == site, authored >= period.begin, authored < period.end)


def _patients(connection: Connection, site: str, period: Period) -> list[str]:
    query = sa.select(t.response.c.patient).where(_within(site, period)).distinct()
    return sorted(connection.execute(query).scalars())


def _records(connection: Connection, vault: Vault, site: str, patient: str, period: Period) -> list[Record]:
    query = sa.select(t.response).where(_within(site, period), t.response.c.patient == patient)
    rows = connection.execute(query.order_by(t.response.c.authored, t.response.c.id))
    records = as_they_stand(connection, vault, [open_record(row, vault) for row in rows])
    return [each for each in records if not each.voided]
