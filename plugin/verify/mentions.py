"""What the trail says happened, by response: kept in a temporary file while verifying, so that memory does not grow with it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from plugin.verify.stories import Stories

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Mention:
    """One entry about a response: its kind, whether it tells of a success, and the other resources that it names."""

    kind: str
    succeeded: bool
    others: tuple[str, ...]


@dataclass
class Mentions:
    """Entries by response, and how many there are of each kind. Add all, then `settle`, then ask."""

    _file: sqlite3.Connection
    stories: Stories
    counts: dict[str, int] = field(default_factory=dict)
    _waiting: list[tuple[str, str, bool, str]] = field(default_factory=list)

    def count(self, kind: str) -> None:
        """Count an entry."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def add(self, response: str, mention: Mention) -> None:
        """Note what an entry says about a response."""
        self._waiting.append((response, mention.kind, mention.succeeded, "\n".join(mention.others)))
        if len(self._waiting) >= _AT_ONCE:
            self._write()

    def settle(self) -> None:
        """Make it ready to be asked."""
        self._write()
        self.stories.settle()
        self._file.execute("CREATE INDEX by_response ON mention (response)")

    def of(self, responses: Sequence[str]) -> dict[str, list[Mention]]:
        """Give what was said about each of some responses, in the order in which it was added."""
        found: dict[str, list[Mention]] = {each: [] for each in responses}
        marks = ", ".join("?" * len(responses))
        query = f"SELECT response, kind, succeeded, others FROM mention WHERE response IN ({marks}) ORDER BY rowid"  # noqa: S608 -- question marks
        for response, kind, succeeded, others in self._file.execute(query, tuple(responses)):
            found[response].append(Mention(kind, bool(succeeded), tuple(others.split())))
        return found

    def _write(self) -> None:
        self._file.executemany("INSERT INTO mention VALUES (?, ?, ?, ?)", self._waiting)
        self._waiting.clear()


@contextmanager
def open_mentions() -> Iterator[Mentions]:
    """Open an empty one; its file has no name and is gone when this ends."""
    file = sqlite3.connect("", isolation_level=None)
    try:
        file.execute("PRAGMA synchronous=OFF")
        file.execute("PRAGMA journal_mode=OFF")
        file.execute("CREATE TABLE mention (response TEXT, kind TEXT, succeeded INTEGER, others TEXT)")
        yield Mentions(file, Stories(file))
    finally:
        file.close()
