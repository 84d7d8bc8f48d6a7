"""Arithmetic by table: FHIRPath's rules where engines differ, and exact decimals."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from plugin.scores import arithmetic
from plugin.scores.errors import EvaluationError


@pytest.mark.parametrize(
    ("number", "places", "rounded"),
    [
        ("2.5", 0, "3"),
        ("3.5", 0, "4"),
        ("-2.5", 0, "-2"),
        ("-2.51", 0, "-3"),
        ("2.675", 2, "2.68"),
        ("0.05", 1, "0.1"),
        ("0", 2, "0"),
    ],
)
def test_a_half_is_rounded_up(number: str, places: int, rounded: str) -> None:
    assert arithmetic.round_to(Decimal(number), Decimal(places)) == Decimal(rounded)


@pytest.mark.parametrize("places", ["-1", "29", "1.5", "99999999"])
def test_places_that_no_number_has_are_refused(places: str) -> None:
    """FHIRPath N1, round(): “the number of digits of precision must be >= 0 or the evaluation will end”."""
    with pytest.raises(EvaluationError, match=f"0 to 28 places, not {places}"):
        arithmetic.round_to(Decimal(14), Decimal(places))


@pytest.mark.parametrize(
    ("function", "number", "whole"),
    [
        (arithmetic.floor, "-1.5", -2),
        (arithmetic.floor, "1.5", 1),
        (arithmetic.ceiling, "-1.5", -1),
        (arithmetic.ceiling, "1.1", 2),
        (arithmetic.truncate, "-1.9", -1),
        (arithmetic.truncate, "1.9", 1),
    ],
)
def test_whole_numbers(function: Callable[[Decimal], Decimal], number: str, whole: int) -> None:
    assert function(Decimal(number)) == whole


@pytest.mark.parametrize(
    ("left", "right", "quotient", "whole", "rest"),
    [
        ("7", "2", "3.5", "3", "1"),
        ("-7", "2", "-3.5", "-3", "-1"),
        ("7", "-2", "-3.5", "-3", "1"),
        ("0", "5", "0", "0", "0"),
    ],
)
def test_division(left: str, right: str, quotient: str, whole: str, rest: str) -> None:
    dividend, divisor = Decimal(left), Decimal(right)
    assert arithmetic.divide(dividend, divisor) == Decimal(quotient)
    assert arithmetic.divide_whole(dividend, divisor) == Decimal(whole)
    assert arithmetic.remainder(dividend, divisor) == Decimal(rest)


@pytest.mark.parametrize("function", [arithmetic.divide, arithmetic.divide_whole, arithmetic.remainder])
def test_division_by_zero_is_empty(function: Callable[[Decimal, Decimal], Decimal | None]) -> None:
    assert function(Decimal(1), Decimal(0)) is None


def test_tenths_add_up() -> None:
    assert arithmetic.total([Decimal("0.1")] * 3) == Decimal("0.3")
    assert arithmetic.mean([Decimal("0.1"), Decimal("0.2")]) == Decimal("0.15")
