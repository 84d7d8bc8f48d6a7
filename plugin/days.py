"""Which day a moment falls on at a site, by the site's own time zone, whatever zone the moment is written in. Pure.

UTC's day ends at 16:00 in Los Angeles, while children come from school, and at 11:00 in Sydney. Moments are kept and sent
in UTC; what day it is, or was, is told here alone.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from questionnaires.datatypes import days_of

MINUTE = timedelta(minutes=1)  # after noon: in it lie, a second apart, the forms that are about a day
AGES = (7, 12, 18)  # where bands of age begin: those that the check-in's versions are written for, and above
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_DAY = "1900-01-01"  # nobody who is treated was born before


@dataclass(frozen=True, slots=True)
class Born:
    """When somebody was born, as far as it is known: from `first` to `last`, which are one day where the day is."""

    first: date
    last: date

    @property
    def is_day(self) -> bool:
        """Whether the day is known."""
        return self.first == self.last


@dataclass(frozen=True, slots=True)
class Age:
    """Whole years: between `low` and `high`, which are one number where the age is certain."""

    low: int
    high: int

    @property
    def is_certain(self) -> bool:
        """Whether there is one number."""
        return self.low == self.high


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


def noon_of(day: date, zone: tzinfo) -> datetime:
    """Give the middle of a day in a zone, in UTC: the moment of what is known to the day alone."""
    return datetime.combine(day, time(12), zone).astimezone(UTC)


def day_alone(moment: datetime, received: datetime, zone: tzinfo) -> date | None:
    """Give the day of answers of which the time is not known, since they came in on a later one; None where it is known."""
    day = day_of(moment, zone)
    noon = noon_of(day, zone)
    return day if noon <= moment < noon + MINUTE and day < day_of(received, zone) else None


def is_ahead(day: date, today: date) -> bool:
    """Tell whether a day is still to come, by more than clocks that differ and zones far apart explain: one day."""
    return (day - today).days > 1


def read_day(text: str) -> date:
    """Read a day as the field of a page sends it; ValueError for what is none, or before any that a record is about."""
    if not _DAY.fullmatch(text) or text < _FIRST_DAY:
        raise ValueError("no day of a record")
    return date.fromisoformat(text)


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


def born_written(text: str | None) -> Born | None:
    """Read a FHIR date, which may be a year alone, or a year and a month; None for what is none."""
    days = days_of(text or "")
    return None if days is None else Born(*days)


def is_within(age: Age | None, low: int | None, high: int | None) -> bool:
    """Tell whether somebody may be of an age between two, both included, as far as it is known."""
    return age is None or ((low or 0) <= age.high and age.low <= (high or age.low))


def age_on(born: Born | None, today: date) -> Age | None:
    """Count whole years; None where nothing is known of the birth, or it is still to come."""
    if born is None or born.first > today:
        return None
    return Age(years_between(min(born.last, today), today), years_between(born.first, today))


def years_between(born: date, day: date) -> int:
    """Count whole years; fewer than 0 where the birth is still to come."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
