"""When a site is left in peace, and how fast it is written to."""

from datetime import UTC, datetime, timedelta

from plugin.delivery.gate import Gate
from plugin.pace import Pace

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def gate(ticks: Ticks | None = None, **pace: object) -> Gate:
    return Gate({"clinic": Pace(**pace)}, ticks or Ticks())  # type: ignore[arg-type]


def failing(times: int) -> Gate:
    opened = gate()
    for _ in range(times):
        opened.failed("clinic", NOW)
    return opened


def test_four_failures_in_a_row_do_not_stop_a_site() -> None:
    assert failing(4).room(NOW) == {"clinic": 4}


def test_five_failures_in_a_row_rest_a_site_for_half_a_minute() -> None:
    opened = failing(5)
    assert opened.room(NOW + 29 * SECOND) == {}
    assert opened.resting(NOW + 29 * SECOND) == {"clinic": NOW + 30 * SECOND}


def test_after_the_rest_one_delivery_is_tried_before_the_others() -> None:
    opened = failing(5)
    assert opened.room(NOW + 30 * SECOND) == {"clinic": 1}
    opened.begin("clinic")
    assert opened.room(NOW + 30 * SECOND) == {}
    opened.succeeded("clinic")
    opened.end("clinic")
    assert opened.room(NOW + 30 * SECOND) == {"clinic": 4}


def test_one_failure_after_the_rest_renews_it() -> None:
    opened = failing(5)
    opened.failed("clinic", NOW + 31 * SECOND)
    assert opened.room(NOW + 60 * SECOND) == {}


def test_an_answer_begins_the_count_anew() -> None:
    opened = failing(4)
    opened.succeeded("clinic")
    opened.failed("clinic", NOW)
    assert opened.room(NOW) == {"clinic": 4}


def test_retry_after_rests_a_site_at_once_and_for_as_long_as_it_asked() -> None:
    opened = gate()
    opened.failed("clinic", NOW, retry_after=120)
    assert opened.room(NOW + 119 * SECOND) == {}
    assert opened.room(NOW + 120 * SECOND) == {"clinic": 4}


def test_a_retry_after_of_days_is_cut_to_an_hour() -> None:
    opened = gate()
    opened.failed("clinic", NOW, retry_after=1e300)
    assert opened.room(NOW + timedelta(hours=1)) == {"clinic": 4}


def test_a_clock_that_is_set_back_lengthens_no_rest() -> None:
    ticks = Ticks()
    opened = gate(ticks)
    opened.failed("clinic", NOW, retry_after=120)
    an_hour_before = NOW - timedelta(hours=1)
    ticks.now += 119
    assert opened.room(an_hour_before) == {}
    ticks.now += 1
    assert opened.room(an_hour_before) == {"clinic": 4}
    assert opened.resting(an_hour_before) == {}


def test_no_more_are_in_flight_than_the_site_sets() -> None:
    opened = gate(at_once=2)
    opened.begin("clinic")
    assert opened.room(NOW) == {"clinic": 1}
    opened.begin("clinic")
    assert opened.room(NOW) == {}


def test_no_more_are_begun_a_second_than_the_site_sets() -> None:
    ticks = Ticks()
    opened = gate(ticks, per_second=3, at_once=16)
    for _ in range(3):
        opened.begin("clinic")
        opened.end("clinic")
    assert opened.room(NOW) == {}
    ticks.now += 0.67
    assert opened.room(NOW) == {"clinic": 2}


def test_a_rate_below_one_a_second_lets_one_through_at_a_time() -> None:
    ticks = Ticks()
    opened = gate(ticks, per_second=0.5)
    opened.begin("clinic")
    opened.end("clinic")
    ticks.now += 1
    assert opened.room(NOW) == {}
    ticks.now += 1
    assert opened.room(NOW) == {"clinic": 1}


def test_a_site_that_fails_does_not_slow_another() -> None:
    opened = Gate({"clinic": Pace(), "hospital": Pace()}, Ticks())
    opened.failed("clinic", NOW, retry_after=60)
    assert opened.room(NOW) == {"hospital": 4}
