"""FHIR dates as half-open intervals of milliseconds, with the precision they were written in. Pure."""

import re
from datetime import UTC, datetime, timedelta

FOREVER = 2**62
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_LEAP_SECOND = "60"  # FHIR allows it in a dateTime, Python does not


def to_milliseconds(moment: datetime) -> int:
    """Count milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def from_milliseconds(count: int) -> datetime:
    """Turn milliseconds since 1970 into an aware UTC datetime."""
    return datetime.fromtimestamp(count // 1000, UTC) + timedelta(milliseconds=count % 1000)


def to_instant(count: int) -> str:
    """Write milliseconds since 1970 as a FHIR instant."""
    return from_milliseconds(count).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_interval(text: str) -> tuple[int, int]:
    """Give the [start, end) that a date or dateTime covers; without a zone it is read as UTC.

    A leap second is read as the second after :59. ValueError if it is not a FHIR date.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a FHIR date")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    leap = second == _LEAP_SECOND
    start = datetime.fromisoformat(
        f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{'59' if leap else second or '00'}"
        f".{(fraction or '0')[:6].ljust(6, '0')}{(zone or 'Z').replace('Z', '+00:00')}"
    )
    later = 1000 if leap else 0
    try:
        end = _end(start, month, day, hour, second, fraction)
    except OverflowError:  # the last month or day of the calendar
        end = FOREVER
    return to_milliseconds(start) + later, end + later


def _end(
    start: datetime,
    month: str | None,
    day: str | None,
    hour: str | None,
    second: str | None,
    fraction: str | None,
) -> int:
    if month is None:
        return to_milliseconds(start.replace(year=start.year + 1)) if start.year < 9999 else FOREVER
    if day is None:
        later = start + timedelta(days=31)
        return to_milliseconds(later.replace(day=1))
    if hour is None:
        return to_milliseconds(start + timedelta(days=1))
    if second is None:
        return to_milliseconds(start) + 60_000
    return to_milliseconds(start) + (1 if fraction else 1000)
