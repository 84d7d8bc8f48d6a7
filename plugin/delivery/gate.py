"""The gate before each site: how many deliveries may be begun now, by its pace and by how it has answered lately.

A site that fails several times in a row rests; after the rest one delivery is tried before the others follow
(a circuit breaker). A Retry-After that a site gave holds for all that is sent there. Kept by one worker process.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.pace import Pace

_LONGEST_REST = timedelta(hours=1)  # a Retry-After beyond this is not believed


@dataclass(slots=True)
class _Site:
    pace: Pace
    tokens: float  # deliveries that its rate allows now
    counted: float  # seconds, when the tokens were
    in_flight: int = 0
    failures: int = 0  # in a row
    rests_until: datetime | None = None
    rests_by: float = 0.0  # seconds: no longer than that, if the clock is set back meanwhile


@dataclass(slots=True)
class Gate:
    """Knows every site's pace; `ticks` counts seconds steadily, whatever is done to the clock."""

    paces: Mapping[str, Pace]
    ticks: Callable[[], float] = time.monotonic
    _sites: dict[str, _Site] = field(init=False)

    def __post_init__(self) -> None:
        now = self.ticks()
        self._sites = {name: _Site(pace, _burst(pace), now) for name, pace in self.paces.items()}

    def room(self, now: datetime) -> dict[str, int]:
        """Tell how many more deliveries may be begun now at each site that takes any."""
        room = {name: self._room(site, now) for name, site in self._sites.items()}
        return {name: many for name, many in room.items() if many > 0}

    def begin(self, name: str) -> None:
        """Note that a delivery is begun."""
        site = self._sites[name]
        site.in_flight += 1
        site.tokens -= 1

    def end(self, name: str) -> None:
        """Note that it is over, however it ended."""
        self._sites[name].in_flight -= 1

    def succeeded(self, name: str) -> None:
        """Note that the site answered; a rest that it asked for itself stays."""
        self._sites[name].failures = 0

    def failed(self, name: str, now: datetime, *, retry_after: float | None = None) -> None:
        """Note that the site was away or too busy; `retry_after` are the seconds it asked for, if it did."""
        site = self._sites[name]
        site.failures += 1
        rest = timedelta(seconds=min(retry_after or 0.0, _LONGEST_REST.total_seconds()))
        if site.failures >= site.pace.failures_to_rest:
            rest = max(rest, site.pace.rest)
        if rest:
            site.rests_until = max(site.rests_until or now, now + rest)
            site.rests_by = max(site.rests_by, self.ticks() + rest.total_seconds())

    def resting(self, now: datetime) -> dict[str, datetime]:
        """Name the sites to which nothing is sent now, and until when."""
        found = {name: self._rest_of(site, now) for name, site in self._sites.items()}
        return {name: until for name, until in found.items() if until is not None}

    def _room(self, site: _Site, now: datetime) -> int:
        if self._rest_of(site, now) is not None:
            return 0
        tick = self.ticks()
        gained = (tick - site.counted) * site.pace.per_second
        site.tokens = min(site.tokens + gained, _burst(site.pace))
        site.counted = tick
        trying = site.failures >= site.pace.failures_to_rest
        at_once = 1 if trying else site.pace.at_once
        return min(at_once - site.in_flight, int(site.tokens))

    def _rest_of(self, site: _Site, now: datetime) -> datetime | None:
        is_over = site.rests_until is None or now >= site.rests_until or self.ticks() >= site.rests_by
        return None if is_over else site.rests_until


def _burst(pace: Pace) -> float:
    return max(pace.per_second, 1.0)
