"""Takes people out of rows: pseudonyms, shifted days, and nothing told of combinations that few people share. Pure.

Pseudonyms are HMAC-SHA-256 with the project's salt, which stays at the site: without it nobody can compute them, nor
link two projects by them. Days are shifted by one distance for each person, drawn from the same salt.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, timedelta

from plugin.research.rows import Administration
from plugin.research.sessions import in_bands

SMALLEST_CELL = 11
"""People who must share a combination before it is told: no cell of 1 to 10 (CMS cell size suppression policy, as ResDAC
describes it, 2024-01-26, https://resdac.org/node/1506)."""
SHIFT_DAYS = 182
"""A day is moved by up to this many days in either direction: half a year, so that seasons do not give it away."""
QUASI_IDENTIFIERS = ("age_band", "modality", "carer_present", "medication_class", "language")
"""What an outsider could know of a person, beside the number of the session, which is told in bands."""
_ORDER = ("language", "medication_class", "carer_present", "modality", "age_band")
"""Emptied one after the other, until enough people share what is left."""
_EMPTIED = (
    object()
)  # to a reader another thing than a value that the record did not give: `suppressed` tells the two apart
_OF_THE_DAY = frozenset(
    {"medication_class", "carer_present", "modality"}
)  # the same in all of a person's rows of a day
_OF_THE_SESSION = frozenset({"carer_present", "modality"})  # the same in those of a session, on whichever day
_OF_THE_RATER = frozenset({"language"})  # a row of theirs of another day tells it, too
_OF_THE_PERSON = frozenset({"age_band"})  # and this one of anybody's about the person


@dataclass(frozen=True)
class Disguise:
    """The pseudonyms and shifts of one project at one site."""

    salt: bytes
    shift_days: int = SHIFT_DAYS

    def __post_init__(self) -> None:
        """ValueError for a salt that could be guessed."""
        if len(self.salt) < 32:
            raise ValueError("A salt of research has 32 bytes at least")

    def __repr__(self) -> str:
        """Never show the salt."""
        return f"Disguise(shift_days={self.shift_days})"

    def pseudonym(self, kind: str, *what: str) -> str:
        """Give 16 hex digits for a person or a form."""
        return self._digest(kind, *what).hex()[:16]

    def shifted(self, person: str, day: date) -> date:
        """Move a day by the person's own distance, which is never none."""
        return day + self._distance(person)

    def unshifted(self, person: str, day: date) -> date:
        """Move a shifted day back."""
        return day - self._distance(person)

    def _distance(self, person: str) -> timedelta:
        drawn = int.from_bytes(self._digest("shift", person)[:8])
        distance = drawn % (2 * self.shift_days) - self.shift_days
        return timedelta(days=distance if distance < 0 else distance + 1)

    def _digest(self, *parts: str) -> bytes:
        return hmac.digest(self.salt, "\x00".join(parts).encode(), hashlib.sha256)


def tells_shift(first: date, last: date, shift_days: int) -> bool:
    """Tell whether forms that were all filled from one day to another give away how far their days are shifted.

    From n days follows that each distance is one of n, and it is drawn from twice `shift_days`: of fewer days than
    `shift_days` fewer than half of the distances are left.
    """
    return (last - first).days + 1 < shift_days


def order_of(keep: str | None = None) -> tuple[str, ...]:
    """Give the columns in the order in which they are emptied; `keep` is the last."""
    return (*(name for name in _ORDER if name != keep), *(name for name in _ORDER if name == keep))


def suppress(
    rows: Sequence[Administration], smallest: int = SMALLEST_CELL, keep: str | None = None
) -> tuple[list[Administration], list[Administration]]:
    """Empty what too few people share, row by row; gives the rows that may be told, and those that may not at all.

    Counts people, not rows: one child's forty forms are one person. What is emptied in a row is emptied wherever else the
    person's rows would tell it: circumstances on the same day and in the same session, the language in all of a rater's, the
    age band in all. A row of which too few share even the rest (form, its version, and rater) is left out. Numbers of sessions
    are told in bands.

    `keep` is emptied last, and before it the others in all rows of a form with the same value of it: of these, rows with other
    gaps would be other combinations, each of too few people again.
    """
    own = [set[str]() for _ in rows]
    left_out = _of_rare_forms(rows, smallest)
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        for group in {(place,), _group(place, row, keep)}:  # what is kept longest goes row by row
            groups[group].append(place)
    while True:
        emptied = _spread(rows, own, left_out)
        people: dict[tuple[object, ...], set[str]] = defaultdict(set)
        combinations = [_combination(row, empty) for row, empty in zip(rows, emptied, strict=True)]
        told = [place for place in range(len(rows)) if place not in left_out]
        for place in told:
            people[combinations[place]].add(rows[place].person)
        rare = {place: emptied[place] for place in told if len(people[combinations[place]]) < smallest}
        if not rare:
            break
        left_out |= {place for place, empty in rare.items() if len(empty) == len(_ORDER)}
        for group, many in _deepest(rows, rare, keep).items():
            for place in groups[group]:
                own[place].update(order_of(keep)[:many])
    given = [_without(rows[place], emptied[place]) for place in told]
    return sorted(in_bands(given, smallest), key=_place), [rows[place] for place in sorted(left_out)]


def _group(place: int, row: Administration, keep: str | None) -> tuple[object, ...]:
    """Give what a row has in common with those that are emptied with it."""
    return (place,) if keep is None else (*_form(row), getattr(row, keep))


def _deepest(
    rows: Sequence[Administration], rare: Mapping[int, AbstractSet[str]], keep: str | None
) -> dict[tuple[object, ...], int]:
    """Give for each group of rare rows how many columns go."""
    order, found = order_of(keep), dict[tuple[object, ...], int]()
    for place, emptied in rare.items():
        many = next((many for many, name in enumerate(order, 1) if name not in emptied), None)
        if many is None:
            continue
        group = (place,) if many == len(order) else _group(place, rows[place], keep)
        found[group] = max(found.get(group, 0), many)
    return found


def _of_rare_forms(rows: Sequence[Administration], smallest: int) -> set[int]:
    """Give the rows that cannot be told whatever is emptied: first, so that they empty nothing in the person's others."""
    people: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        people[_form(row)].add(row.person)
    return {place for place, row in enumerate(rows) if len(people[_form(row)]) < smallest}


def _form(row: Administration) -> tuple[str, ...]:
    """Give what is never emptied: which scores a row has would tell its version all the same."""
    return row.instrument, row.instrument_version, row.key_hash, row.rater


def _spread(
    rows: Sequence[Administration], own: Sequence[AbstractSet[str]], left_out: AbstractSet[int]
) -> list[frozenset[str]]:
    """Give what is to be emptied in each row so that no other row of the person tells it; rows left out tell nothing."""
    told: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for place, (row, names) in enumerate(zip(rows, own, strict=True)):
        if names and place not in left_out:
            for key, shared in _shared(row):
                told[key] |= names & shared
    return [
        frozenset(names).union(*(told[key] for key, _ in _shared(row) if key in told))
        for row, names in zip(rows, own, strict=True)
    ]


def _shared(row: Administration) -> Iterator[tuple[tuple[object, ...], AbstractSet[str]]]:
    """Give what else of the person's has the same circumstances as a row, and which these are."""
    yield ("day", row.person, row.date), _OF_THE_DAY
    if row.session is not None:
        yield ("session", row.person, row.session), _OF_THE_SESSION
    yield ("rater", row.person, row.rater_person), _OF_THE_RATER
    yield ("person", row.person), _OF_THE_PERSON


def _place(row: Administration) -> tuple[str, date, str]:
    return row.person, row.date, row.administration


def _combination(row: Administration, emptied: AbstractSet[str]) -> tuple[object, ...]:
    told = (_EMPTIED if name in emptied else getattr(row, name) for name in QUASI_IDENTIFIERS)
    return (*_form(row), *told)


def _without(row: Administration, names: AbstractSet[str]) -> Administration:
    """Empty columns and name them, also those that the record gave no value of: a reader cannot tell the two apart."""
    if not names:
        return row
    return replace(
        row,
        language=None if "language" in names else row.language,
        medication_class=None if "medication_class" in names else row.medication_class,
        carer_present=None if "carer_present" in names else row.carer_present,
        modality=None if "modality" in names else row.modality,
        age_band=None if "age_band" in names else row.age_band,
        suppressed=" ".join(name for name in _ORDER if name in names),
    )
