"""Falls and repairs, by hand."""

import pytest

from plugin.trends.sequences import Criterion, Rule, find_sequences

ONE, TWO = Rule(), Rule(Criterion.TWO_SD)
# Five sessions with mean 20 and SD sqrt(2) = 1.414; best 22. One SD, floor 24/12 = 2: the floor decides.
STEADY = [18, 20, 20, 20, 22]


def find(
    values: list[float], rule: Rule = ONE, between_sd: float | None = None
) -> list[tuple[int, int | None]]:
    found = find_sequences(values, rule, low=0, high=24, between_sd=between_sd)
    return [(each.fell, each.repaired) for each in found]


def test_a_fall_from_the_best_session_and_its_return() -> None:
    assert find([*STEADY, 16, 21]) == [(5, 6)]


def test_a_fall_without_return() -> None:
    assert find([*STEADY, 16, 17, 17, 17]) == [(5, None)]


def test_a_return_after_the_window_is_no_repair() -> None:
    assert find([*STEADY, 16, 17, 17, 17, 22]) == [(5, None)]


def test_too_few_sessions_say_nothing() -> None:
    assert find([22, 20, 20, 10]) == []


def test_a_flat_series_near_the_ceiling_has_no_rupture_of_one_point() -> None:
    assert find([24, 24, 24, 24, 24, 23]) == []


def test_the_stricter_of_both_deviations_counts() -> None:
    assert find([*STEADY, 18], between_sd=None) == [(5, None)]
    assert find([*STEADY, 18], between_sd=5.0) == []


def test_a_marked_fall_needs_twice_as_much() -> None:
    # 2 SD = 2.83: from 22, 19.17 and below
    assert find([*STEADY, 19], TWO) == [(5, None)]
    assert find([*STEADY, 19.5], TWO) == []


def test_tukeys_chart_looks_below_the_quartiles() -> None:
    # Q1 = Q3 = 20: whatever lies below 20 and two points under the best
    assert find([*STEADY, 19], Rule(Criterion.TUKEY)) == [(5, None)]
    assert find([16, 18, 20, 22, 24, 15], Rule(Criterion.TUKEY)) == []


def test_any_fall_is_looked_at_where_the_scale_is_very_brief() -> None:
    assert find([*STEADY, 21.5, 22], Rule(Criterion.ANY)) == [(5, 6)]
    assert find([*STEADY, 22], Rule(Criterion.ANY)) == []


def lowest(values: list[float], rule: Rule = ONE) -> list[int]:
    return [each.lowest for each in find_sequences(values, rule, low=0, high=24)]


def test_a_fall_that_goes_deeper_is_one_fall_with_its_lowest_score() -> None:
    assert find([*STEADY, 16, 9, 5, 5]) == [(5, None)]
    assert lowest([*STEADY, 16, 9, 5, 5]) == [7]
    assert lowest([*STEADY, 16, 16, 16]) == [5]


def test_a_fall_is_over_once_the_scores_are_back_and_what_is_lower_later_is_not_its_own() -> None:
    assert lowest([*STEADY, 16, 22, 22, 22, 15, 22]) == [5, 9]
    assert lowest([*STEADY, 16, 9, 22, 22, 22, 5]) == [6, 10]
    late: list[float] = [*STEADY, 16, 17, 17, 17, 22, 8]  # back after the window: no repair, and yet over
    assert (find(late), lowest(late)) == ([(5, None), (10, None)], [5, 10])


def test_a_marked_fall_that_has_come_half_way_may_go_deeper() -> None:
    # 2 SD = 2.83: repaired from 20.59 on, down below 19.17
    assert lowest([*STEADY, 16, 20, 5], TWO) == [7]


def test_whether_scores_are_still_down_goes_by_the_size_of_the_fall() -> None:
    (fall,) = find_sequences([*STEADY, 16], ONE, low=0, high=24)
    assert (fall.is_open(20), fall.is_open(20.1)) == (True, False)


def test_scores_that_came_back_after_the_window_are_not_down_from_that_fall_again() -> None:
    before, *_ = find_sequences([*STEADY, 16, 17, 17, 17], ONE, low=0, high=24)
    assert (before.late, before.is_open(17)) == (None, True)
    since, *_ = find_sequences([*STEADY, 16, 17, 17, 17, 22], ONE, low=0, high=24)
    assert (since.late, since.is_open(17)) == (9, False)
    first, second = find_sequences([*STEADY, 16, 17, 17, 17, 12, 22], ONE, low=0, high=24)
    assert (first.late, second.repaired, second.late) == (10, 10, None)


def test_two_falls_are_two_sequences() -> None:
    assert find([*STEADY, 16, 22, 22, 22, 15, 22]) == [(5, 6), (9, 10)]


@pytest.mark.parametrize("wrong", [{"before": 2}, {"within": 0}, {"floor_share": 1.5}])
def test_a_rule_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="A rule needs"):
        Rule(**wrong)  # type: ignore[arg-type]
