"""How fast and how stubbornly a site is written to."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """What `[site.delivery]` sets; the defaults are those of docs/reference/delivery.md."""

    at_once: int = 4  # deliveries in flight, of one worker process
    per_second: float = 10.0  # deliveries begun, of one worker process
    first_pause: timedelta = timedelta(seconds=2)  # before the second try; doubles with every further one
    longest_pause: timedelta = timedelta(minutes=10)
    settling: timedelta = timedelta(seconds=10)  # from a write to when searches are believed to show it
    failures_to_rest: int = 5  # in a row, of whatever deliveries
    rest: timedelta = timedelta(seconds=30)
    set_aside_after: int = 5  # failures in a row that nobody understands
    order_kept_for: timedelta = timedelta(
        hours=24
    )  # so long an undelivered response keeps later ones waiting


DEFAULT_PACE = Pace()
