"""What the trail tells of rows that are no leaves of the log (launches, invitations, notes on their way): the rows follow from it."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from plugin.audit import Kind

_AT_ONCE = 1000
_MADE = (Kind.LAUNCH, Kind.INVITATION_CREATED, Kind.HAND_OVER)
INVITATION = frozenset(
    {
        Kind.INVITATION_CREATED,
        Kind.HAND_OVER,
        Kind.INVITATION_OPENED,
        Kind.INVITATION_WITHDRAWN,
        Kind.INVITATION_EXPIRED,
        Kind.CONSENT_GIVEN,
        Kind.CONSENT_REFUSED,
    }
)
TOLD_OF = INVITATION | {Kind.LAUNCH, Kind.LAUNCH_ENDED, Kind.NOTE_DELIVERY}
"""Kinds of entries that are kept as stories."""


class Story(msgspec.Struct, frozen=True):
    """One entry about such a row: by whom, of whom, what it tells of the row, and which other resources it names."""

    kind: str
    succeeded: bool
    recorded: datetime
    site: str | None
    patient: str | None
    who: str | None
    said: str | None  # why it did not succeed
    facts: Mapping[str, str]
    others: tuple[str, ...]

    @property
    def makes(self) -> bool:
        """Whether the row was made with it: entries of before told no facts."""
        return self.kind in _MADE and self.succeeded and "created" in self.facts


_decoder = msgspec.json.Decoder(Story)


@dataclass
class Stories:
    """Entries by the resource that they are about. Add all, then `settle`, then ask."""

    _file: sqlite3.Connection
    _waiting: list[tuple[str, bool, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._file.execute("CREATE TABLE story (subject TEXT, makes INTEGER, told BLOB)")
        self._file.execute("CREATE TABLE stands (subject TEXT)")

    def add(self, subject: str, story: Story) -> None:
        """Note what an entry says."""
        self._waiting.append((subject, story.makes, msgspec.json.encode(story)))
        if len(self._waiting) >= _AT_ONCE:
            self._write()

    def settle(self) -> None:
        """Make it ready to be asked."""
        self._write()
        self._file.execute("CREATE INDEX story_by_subject ON story (subject)")

    def of(self, subjects: Sequence[str]) -> dict[str, list[Story]]:
        """Give what was said about each of some rows that stand, in the order in which it was added."""
        found: dict[str, list[Story]] = {each: [] for each in subjects}
        marks = ", ".join("?" * len(subjects))
        query = f"SELECT subject, told FROM story WHERE subject IN ({marks}) ORDER BY rowid"  # noqa: S608 -- question marks
        for subject, told in self._file.execute(query, tuple(subjects)):
            found[subject].append(_decoder.decode(told))
        self._file.executemany("INSERT INTO stands VALUES (?)", [(each,) for each in subjects])
        return found

    def gone(self) -> Iterator[tuple[str, Story]]:
        """Give the rows whose making is told, and which nobody has asked for: they do not stand."""
        self._file.execute("CREATE INDEX stands_by_subject ON stands (subject)")
        query = "SELECT subject, told FROM story WHERE makes AND subject NOT IN (SELECT subject FROM stands)"
        for subject, told in self._file.execute(query):
            yield subject, _decoder.decode(told)

    def _write(self) -> None:
        self._file.executemany("INSERT INTO story VALUES (?, ?, ?)", self._waiting)
        self._waiting.clear()
