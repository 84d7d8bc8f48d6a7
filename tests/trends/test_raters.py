"""Early level, and how raters lie to each other."""

from datetime import date

import pytest

from plugin.trends.agreement import Pair, Rating, is_adult_above, pair_sessions
from plugin.trends.early import early_level


def on(day: int, value: float) -> Rating:
    return Rating(date(2026, 3, day), value)


def test_the_early_level_is_the_mean_of_the_first_four_sessions() -> None:
    found = early_level([10, 12, 14, 16, 24])
    assert found is not None
    assert (found.mean, found.sessions) == (13, 4)


def test_a_session_without_score_keeps_its_place() -> None:
    found = early_level([10, None, None, 14, 24])
    assert found is not None
    assert (found.mean, found.sessions) == (12, 2)


def test_without_early_scores_there_is_no_level() -> None:
    assert early_level([None, None, None, None, 24]) is None
    assert early_level([]) is None


def test_ratings_of_one_session_are_paired_once() -> None:
    pairs = pair_sessions([on(2, 20), on(9, 18)], [on(3, 22), on(10, 23), on(20, 24)])
    assert [(pair.young.value, pair.adult.value) for pair in pairs] == [(20, 22), (18, 23)]


def test_ratings_of_different_weeks_are_not_paired() -> None:
    assert pair_sessions([on(2, 20)], [on(9, 22)]) == ()


def test_only_an_adult_above_the_young_person_is_marked() -> None:
    assert is_adult_above(Pair(on(2, 15), on(2, 20)), sd=4)
    assert not is_adult_above(Pair(on(2, 17), on(2, 20)), sd=4)
    assert not is_adult_above(Pair(on(2, 22), on(2, 12)), sd=4)


def test_a_deviation_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        is_adult_above(Pair(on(2, 15), on(2, 20)), sd=0)
