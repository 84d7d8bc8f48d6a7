"""One administration as research sees it, and what each column means: the codebook is made of this. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date


@dataclass(frozen=True, slots=True)
class Administration:
    """One filled form. None where the record does not say, or where the value was suppressed (then named in `suppressed`)."""

    administration: str
    person: str
    rater_person: str
    site: str
    instrument: str
    instrument_version: str
    key_hash: str
    rater: str
    language: str | None
    date: date
    session: int | None
    age_band: str | None
    modality: str | None
    carer_present: bool | None
    medication_class: str | None
    complete: bool
    scores: Mapping[str, float | None]
    suppressed: str | None = None


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """One column of scores: which it is, of which instrument, in which range."""

    name: str
    instrument: str
    label: str
    low: float | None
    high: float | None
    direction: str


COLUMNS: Mapping[str, str] = {
    "administration": "Pseudonym of the filled form. Nobody can get from it to the form without the site's salt.",
    "person": "Pseudonym of the young person; the same in every row of one project, another in every other project.",
    "rater_person": "Pseudonym of who answered: tells one caregiver from another, and not who they are; never empty.",
    "site": "The site's identifier in Rapport.",
    "instrument": "Identifier of the form.",
    "instrument_version": "Its version; a form of a version that fewer people than the threshold filled is left out.",
    "key_hash": "SHA-256 of the scoring key that the scores were computed with anew for this export.",
    "rater": "child, caregiver, therapist or observer.",
    "language": "Language in which the form was shown (BCP 47).",
    "date": "Day of the form, shifted: all days of one person by the same number of days, so that distances hold.",
    "session": (
        "Number of the session in which it was filled, counted over sessions held; one that fewer people than the threshold have "
        "is told as the first of a band that enough have; empty if the record names none, or if fewer people have one at all."
    ),
    "age_band": (
        "Age in full years on the day of the person's first form here, the same in all their rows; "
        "unknown where the birth date leaves it open."
    ),
    "modality": "in-person or virtual (Encounter.class).",
    "carer_present": "Whether somebody who looks after the young person took part in the session (Encounter.participant).",
    "medication_class": (
        "Classes of medicines taken on that day, joined by +: third level of ATC or the site's own; unclassified; none; "
        "unknown where of MedicationStatement and MedicationRequest one could not be read and the other names none; empty "
        "where neither could be read, or the record does not say when a medicine began or ended."
    ),
    "complete": "Whether every score of the form is given: could be computed, and rests on no answers that are not shared.",
    "suppressed": (
        "Names of columns emptied in this row because fewer people than the threshold share its combination, whether or not the "
        "record gave a value."
    ),
}
"""Meaning of each column, in the order in which they are written; scores stand behind them."""

NAMES = tuple(each.name for each in fields(Administration) if each.name != "scores")
