"""Statistics against published figures and against populations whose values are known."""

import numpy as np
import pytest

from plugin.norms.statistics import (
    Interval,
    Least,
    Location,
    Refused,
    Table,
    agreement,
    alpha,
    alpha_with_interval,
    describe_items,
    locate,
    omega,
    retest,
)

# Six targets by four judges: Shrout PE, Fleiss JL. Psychol Bull 1979;86:420-428. Theirs: ICC(2,1) = .29, ICC(3,4) = .91, which is Cronbach's alpha.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)
LEAST = Least()


def _simulate(n: int, loadings: list[float], unique: list[float]) -> Table:
    generator = np.random.default_rng(7)
    factor = generator.normal(size=(n, 1))
    table: Table = factor * np.array(loadings) + generator.normal(size=(n, len(loadings))) * np.sqrt(unique)
    return table


def test_single_measure_agreement_is_the_published_one() -> None:
    assert agreement(SHROUT_FLEISS).value == pytest.approx(0.29, abs=0.005)


def test_alpha_is_the_published_consistency_of_the_average() -> None:
    assert alpha_with_interval(SHROUT_FLEISS).value == pytest.approx(0.91, abs=0.005)


def test_alpha_is_that_of_the_population() -> None:
    """Parallel items with loading 1 and unique variance 1: alpha = omega = 25 / 30."""
    found = alpha(_simulate(20_000, [1.0] * 5, [1.0] * 5), least=LEAST)
    assert isinstance(found, Interval)
    assert found.low < 25 / 30 < found.high


def test_omega_is_that_of_the_population_where_alpha_is_not() -> None:
    """Congeneric items: omega = 2.9^2 / (2.9^2 + 4) = 0.678; alpha, a lower bound, is below it."""
    table = _simulate(4_000, [1.4, 0.9, 0.4, 0.2], [1.0] * 4)
    found, lower = omega(table, least=LEAST), alpha(table, least=LEAST)
    assert isinstance(found, Interval)
    assert isinstance(lower, Interval)
    assert found.low < 2.9**2 / (2.9**2 + 4) < found.high
    assert lower.high < found.value


def test_feldts_interval_covers_the_population_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    hits = 0
    for _ in range(1000):
        table = generator.normal(size=(100, 1)) + generator.normal(size=(100, 5))
        found = alpha_with_interval(table)
        hits += found.low < 25 / 30 < found.high
    assert 930 <= hits <= 970


def test_a_retest_without_a_practice_effect_finds_the_population() -> None:
    found = retest(_simulate(5_000, [1.0, 1.0], [0.25, 0.25]), least=LEAST)
    assert isinstance(found, Interval)
    assert found.low < 0.8 < found.high


def test_too_few_people_give_a_reason_and_no_number() -> None:
    table = _simulate(99, [1.0] * 4, [1.0] * 4)
    assert alpha(table, least=LEAST) == Refused("n = 99; 100 are needed.")
    assert omega(table, least=LEAST) == Refused("n = 99; 100 are needed.")


def test_a_row_with_a_missing_answer_does_not_count_for_reliability() -> None:
    table = _simulate(100, [1.0] * 4, [1.0] * 4)
    table[0, 0] = np.nan
    assert alpha(table, least=LEAST) == Refused("n = 99; 100 are needed.")


@pytest.mark.parametrize("asked", [{"mean": 29}, {"reliability": 99}])
def test_the_least_n_can_only_be_raised(asked: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="too few"):
        Least(**asked)


def test_floor_and_ceiling_are_percentages_of_those_who_have_a_score() -> None:
    scores = np.array([0.0] * 10 + [5.0] * 25 + [10.0] * 5 + [np.nan])
    found = locate(scores, low=0, high=10, least=LEAST)
    assert isinstance(found, Location)
    assert (found.n, found.floor, found.ceiling) == (40, 25.0, 12.5)


def test_an_item_correlates_with_the_rest_and_not_with_itself() -> None:
    table = _simulate(20_000, [1.0, 1.0, 0.0], [1.0, 1.0, 1.0])
    found = describe_items(table, least=LEAST)
    assert not isinstance(found, Refused)
    assert found[2].total_correlation == pytest.approx(0, abs=0.03)
    assert found[2].alpha_without == pytest.approx(2 / 3, abs=0.03)


def test_everybody_alike_is_refused() -> None:
    assert alpha(np.ones((100, 3)), least=LEAST) == Refused("Everybody has the same score.")
