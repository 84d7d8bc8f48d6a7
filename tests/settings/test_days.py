"""Which day a moment falls on at a site: offsets, daylight saving's change, and the ends of all days."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from plugin.days import day_of, day_written
from plugin.exports import Period
from plugin.pages.figures import day

LOS_ANGELES, SYDNEY = ZoneInfo("America/Los_Angeles"), ZoneInfo("Australia/Sydney")


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-03-08T07:59:00Z", "2026-03-07"),
        ("2026-03-08T08:00:00Z", "2026-03-08"),  # begins by winter's time
        ("2026-03-09T06:59:00Z", "2026-03-08"),  # and ends by summer's, after 23 hours
        ("2026-03-09T07:00:00Z", "2026-03-09"),
        ("2026-11-01T06:59:00Z", "2026-10-31"),
        ("2026-11-01T07:00:00Z", "2026-11-01"),
        ("2026-11-02T07:59:00Z", "2026-11-01"),  # after 25 hours
        ("2026-11-02T08:00:00Z", "2026-11-02"),
    ],
)
def test_the_day_on_which_the_clocks_change_is_one_day(moment: str, told: str) -> None:
    assert day_of(datetime.fromisoformat(moment), LOS_ANGELES) == date.fromisoformat(told)


def test_a_period_of_one_day_is_as_long_as_that_day() -> None:
    lengths = {
        text: (period.end - period.begin) / timedelta(hours=1)
        for text in ("2026-03-08", "2026-03-09", "2026-11-01")
        for period in (Period.parse(text, text, LOS_ANGELES),)
    }
    assert lengths == {"2026-03-08": 23, "2026-03-09": 24, "2026-11-01": 25}
    first = Period.parse("2026-03-08", "2026-03-08", LOS_ANGELES)
    assert first.begin == datetime(2026, 3, 8, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-03-02T22:30:00Z", date(2026, 3, 3)),
        ("2026-03-02T22:30:00.123456789Z", date(2026, 3, 3)),
        ("2026-03-02T09:00:00-08:00", date(2026, 3, 3)),
        ("2026-03-02", date(2026, 3, 2)),
        ("2026-03-02T9 o'clock", date(2026, 3, 2)),
        ("9999-12-31T23:59:59Z", date(9999, 12, 31)),
        ("2026-03", None),
        ("2026", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_written_moment_is_read_to_its_day_in_the_zone(text: str | None, told: date | None) -> None:
    assert day_written(text, SYDNEY) == told


def test_periods_reach_to_both_ends_of_all_days() -> None:
    for zone in (LOS_ANGELES, SYDNEY):
        period = Period(date.min, date.max, zone)
        assert datetime(2026, 3, 2, tzinfo=UTC) in period


def test_a_moment_is_not_written_as_a_day() -> None:
    with pytest.raises(TypeError, match="for a site to tell"):
        day(datetime(2026, 3, 2, tzinfo=UTC))


def test_no_other_module_tells_the_day_of_a_moment() -> None:
    package = Path(__file__).parents[2] / "plugin"
    telling = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if any(each in file.read_text(encoding="utf-8") for each in (".date()", "date.today(", "[:10])"))
    }
    assert telling == {"days.py"}
