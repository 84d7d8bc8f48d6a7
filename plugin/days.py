"""Which day a moment falls on at a site, by the site's own time zone, whatever zone the moment is written in. Pure.

UTC's day ends at 16:00 in Los Angeles, while children come from school, and at 11:00 in Sydney. Moments are kept and sent
in UTC; what day it is, or was, is told here alone.
"""

from datetime import date, datetime, tzinfo
from zoneinfo import ZoneInfo


def read_zone(name: str) -> ZoneInfo:
    """Give a time zone by its name in the IANA database; ValueError for a name that does not stand there."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none of this name; a path; a folder, such as America
        raise ValueError(
            f"“{name}” is no time zone: write its name in the IANA database, such as America/Los_Angeles, or UTC."
        ) from None


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Give the same moment as a clock of the zone tells it."""
    try:
        return moment.astimezone(zone)
    except OverflowError:  # 9999-12-31T23:59:59Z, which some write for no end, has no year in Sydney
        return moment


def day_of(moment: datetime, zone: tzinfo) -> date:
    """Give the day on which a moment falls in a zone."""
    return in_zone(moment, zone).date()


def is_ahead(day: date, today: date) -> bool:
    """Tell whether a day is still to come, by more than clocks that differ and zones far apart explain: one day."""
    return (day - today).days > 1


def day_written(text: str | None, zone: tzinfo) -> date | None:
    """Read a FHIR dateTime to its day: that of its moment in the zone, or the bare date; None for a year or month alone."""
    written = text or ""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is not None:
        return day_of(moment, zone)
    try:
        return date.fromisoformat(written[:10])
    except ValueError:
        return None
