"""Whether time went on from each audit entry to the next: a clock that was set back shows in the order of the trail."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.verify.findings import Finding, Flaw

SLACK = timedelta(
    minutes=10
)  # clocks of several machines differ, and an entry is written a little after it was made


@dataclass(slots=True)
class Course:
    """The times of entries in the order in which they were written. `now`: the time of verification."""

    now: datetime
    _before: datetime | None = field(default=None, init=False)
    _ahead: int = field(default=0, init=False)
    _first_ahead: str = field(default="", init=False)

    def check(self, recorded: datetime, where: str) -> Iterator[Finding]:
        """Hold an entry's time against that of the entry before it."""
        if self._before is not None and recorded < self._before - SLACK:
            minutes = (self._before - recorded) // timedelta(minutes=1)
            what = (
                f"It tells a time {minutes} minutes before that of the entry written before it: "
                "the machine's clock was set back, or had gone ahead."
            )
            yield Finding(Flaw.WRONG_DATE, where, what)
        if recorded > self.now + SLACK:
            self._first_ahead = self._first_ahead or where
            self._ahead += 1
        self._before = recorded

    def check_end(self) -> Iterator[Finding]:
        """Tell of entries of a time that is still to come, once for all."""
        if self._ahead:
            what = (
                f"It is the first of {self._ahead} entries whose time is still to come: "
                "the machine's clock had gone ahead, or was set back since."
            )
            yield Finding(Flaw.WRONG_DATE, self._first_ahead, what)
