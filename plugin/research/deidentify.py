"""Takes people out of rows: pseudonyms, shifted days, and nothing told of combinations that few people share. Pure.

Pseudonyms are HMAC-SHA-256 with the project's salt, which stays at the site: without it nobody can compute them, and two
projects cannot be linked. Days are shifted by one distance for each person, drawn from the same salt.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from plugin.research.rows import Administration

SMALLEST_CELL = 11
"""People who must share a combination before it is told: no cell of 1 to 10 (CMS cell size suppression policy, as ResDAC
describes it, 2024-01-26, https://resdac.org/node/1506)."""
SHIFT_DAYS = 182
"""A day is moved by up to this many days in either direction: half a year, so that seasons do not give it away."""
QUASI_IDENTIFIERS = ("age_band", "modality", "carer_present", "medication_class", "language")
"""What an outsider could know of a person. Emptied from the last on, until enough people share what is left."""
_ORDER = ("language", "medication_class", "carer_present", "modality", "age_band")


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
        drawn = int.from_bytes(self._digest("shift", person)[:8])
        distance = drawn % (2 * self.shift_days) - self.shift_days
        return day + timedelta(days=distance if distance < 0 else distance + 1)

    def _digest(self, *parts: str) -> bytes:
        return hmac.digest(self.salt, "\x00".join(parts).encode(), hashlib.sha256)


def suppress(
    rows: Sequence[Administration], smallest: int = SMALLEST_CELL
) -> tuple[list[Administration], int]:
    """Empty what too few people share, row by row; gives the rows that may be told, and how many may not at all.

    Counts people, not rows: one child's forty forms are one person. A row of which too few share even the rest (instrument
    and rater alone) is left out.
    """
    left, done = list(rows), list[Administration]()
    for place in range(len(_ORDER) + 1):
        emptied = _ORDER[:place]
        candidates = [_without(row, emptied) for row in left]
        people: dict[tuple[object, ...], set[str]] = defaultdict(set)
        for row in [*candidates, *done]:
            people[_combination(row)].add(row.person)
        enough = [len(people[_combination(row)]) >= smallest for row in candidates]
        done += [row for row, told in zip(candidates, enough, strict=True) if told]
        left = [row for row, told in zip(left, enough, strict=True) if not told]
        if not left:
            break
    return sorted(done, key=lambda row: (row.person, row.date, row.administration)), len(left)


def _combination(row: Administration) -> tuple[object, ...]:
    return (row.instrument, row.rater, *(getattr(row, name) for name in QUASI_IDENTIFIERS))


def _without(row: Administration, names: Collection[str]) -> Administration:
    emptied = [name for name in names if getattr(row, name) is not None]
    if not emptied:
        return row
    return replace(
        row,
        language=None if "language" in names else row.language,
        medication_class=None if "medication_class" in names else row.medication_class,
        carer_present=None if "carer_present" in names else row.carer_present,
        modality=None if "modality" in names else row.modality,
        age_band=None if "age_band" in names else row.age_band,
        suppressed=" ".join(emptied),
    )
