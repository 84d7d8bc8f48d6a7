"""When a form is due: at which sessions a site asks. Pure.

Early and again: sessions 1 to 4 and later ones for longer forms, every session for very brief ones (studies of youth measured at
sessions 3 and 12, 1 and 4, 1 and 6; services every four weeks or weekly).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

_WRITTEN = re.compile(r"(?P<first>[1-9]\d{0,2}(,[1-9]\d{0,2})*)(,\+(?P<every>[1-9]\d?))?")


class Due(Protocol):
    """When something is due, whatever says so."""

    @property
    def is_every(self) -> bool:
        """Whether it is due at every session, so that nobody has to know their number."""

    def is_due(self, session: int) -> bool:
        """Tell whether it is due at a session, counted from 1."""

    def next_after(self, session: int) -> int | None:
        """Give the next session at which it is; None if there is none."""


class SiteSchedule(Due, Protocol):
    """When forms are due at a site."""

    def of(self, addresses: Iterable[str]) -> Due:
        """Give when any of these forms is due, by their addresses without version."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The sessions of `first`, then every `every`-th after the last of them (None: no more)."""

    first: tuple[int, ...]
    every: int | None

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read `every`, or sessions with what follows: `1,3,4,+4` is 1, 3, 4, 8, 12 ...; ValueError for anything else."""
        if text == "every":
            return cls((1,), 1)
        found = _WRITTEN.fullmatch(text.replace(" ", ""))
        first = tuple(int(each) for each in found["first"].split(",")) if found else ()
        if found is None or list(first) != sorted(set(first)):
            raise ValueError(f"“{text}” is no schedule: write every, or rising sessions such as 1,3,4,+4.")
        return cls(first, int(found["every"]) if found["every"] else None)

    @property
    def is_every(self) -> bool:
        """Whether a form is due at every session."""
        return self.every == 1 and self.first == tuple(range(1, self.first[-1] + 1))

    def of(self, _: Iterable[str]) -> "Schedule":
        """Give when these forms are due: whichever they are, at the same sessions."""
        return self

    def is_due(self, session: int) -> bool:
        """Tell whether a form is due at a session, counted from 1."""
        if session in self.first:
            return True
        beyond = session - self.first[-1]
        return self.every is not None and beyond > 0 and beyond % self.every == 0

    def next_after(self, session: int) -> int | None:
        """Give the next session at which a form is due; None if there is none."""
        last = self.first[-1]
        later = [each for each in self.first if each > session]
        if later:
            return later[0]
        return None if self.every is None else session + self.every - (session - last) % self.every


@dataclass(frozen=True, slots=True)
class Together:
    """Due whenever one of several is; never, if there are none."""

    schedules: tuple[Schedule, ...]

    @property
    def is_every(self) -> bool:
        """Whether one of them is due at every session."""
        return any(each.is_every for each in self.schedules)

    def is_due(self, session: int) -> bool:
        """Tell whether any is due at a session."""
        return any(each.is_due(session) for each in self.schedules)

    def next_after(self, session: int) -> int | None:
        """Give the next session at which any is; None if there is none."""
        following = [each.next_after(session) for each in self.schedules]
        return min((each for each in following if each is not None), default=None)


EVERY_SESSION = Schedule((1,), 1)
