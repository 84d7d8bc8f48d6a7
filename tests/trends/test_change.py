"""Reliable change by Jacobson and Truax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.trends.change import Direction, Statistics, band_around, reliable_change

SITE = Statistics(sd=4.0, reliability=0.84, n=120, source="Own data, 2026-01-31")


def test_the_error_of_a_difference_is_that_of_the_publication() -> None:
    # 4 * sqrt(2) * sqrt(0.16) = 2.2627
    assert SITE.error_of_difference == pytest.approx(2.2627, abs=1e-4)
    assert SITE.smallest_reliable == pytest.approx(4.4349, abs=1e-4)


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        (20, 15, Direction.DOWN),
        (20, 16, Direction.UNCERTAIN),
        (12, 17, Direction.UP),
        (12, 12, Direction.UNCERTAIN),
    ],
)
def test_only_what_error_does_not_explain_is_change(
    before: float, after: float, direction: Direction
) -> None:
    assert reliable_change(before, after, SITE) is direction


@given(st.floats(0, 24), st.floats(0, 24))
def test_change_there_and_back_is_symmetric(before: float, after: float) -> None:
    back = {
        Direction.UP: Direction.DOWN,
        Direction.DOWN: Direction.UP,
        Direction.UNCERTAIN: Direction.UNCERTAIN,
    }
    assert reliable_change(before, after, SITE) is back[reliable_change(after, before, SITE)]


@given(st.floats(0, 24), st.floats(0, 24))
def test_what_lies_in_the_band_is_no_reliable_change(before: float, after: float) -> None:
    low, high = band_around(before, SITE, 0, 24)
    uncertain = reliable_change(before, after, SITE) is Direction.UNCERTAIN
    if abs(abs(after - before) - SITE.smallest_reliable) > 1e-9:
        assert uncertain == (low <= after <= high)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"sd": 0.0}, "SD"),
        ({"sd": float("nan")}, "SD"),
        ({"reliability": 1.0}, "reliability"),
        ({"n": 1}, "n = 1"),
        ({"source": " "}, "source"),
    ],
)
def test_statistics_that_cannot_be_are_refused(changed: dict[str, float | str], named: str) -> None:
    parts: dict[str, object] = {"sd": 4.0, "reliability": 0.8, "n": 50, "source": "x", **changed}
    with pytest.raises(ValueError, match=named):
        Statistics(**parts)  # type: ignore[arg-type]
