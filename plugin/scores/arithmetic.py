"""Exact decimal arithmetic with FHIRPath's rules: empty in, empty out; 28 digits; no float anywhere."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Context, Decimal

from plugin.scores.errors import EvaluationError

TOO_LARGE = "the numbers are too large to compute with"  # said where Decimal raises ArithmeticError

_DIGITS = 28
_CONTEXT = Context(prec=_DIGITS)
_HALF = Decimal("0.5")
_ONE = Decimal(1)
ZERO = Decimal(0)


def total(numbers: Sequence[Decimal]) -> Decimal | None:
    """Sum; empty for nothing, so that no answer is not a score of zero."""
    return sum(numbers, ZERO) if numbers else None


def mean(numbers: Sequence[Decimal]) -> Decimal | None:
    """Average; empty for nothing."""
    return _CONTEXT.divide(sum(numbers, ZERO), Decimal(len(numbers))) if numbers else None


def divide(left: Decimal, right: Decimal) -> Decimal | None:
    """Division; empty for a divisor of zero."""
    return _CONTEXT.divide(left, right) if right else None


def divide_whole(left: Decimal, right: Decimal) -> Decimal | None:
    """Division towards zero."""
    return _CONTEXT.divide_int(left, right) if right else None


def remainder(left: Decimal, right: Decimal) -> Decimal | None:
    """What `divide_whole` leaves, with the sign of `left`."""
    return _CONTEXT.remainder(left, right) if right else None


def round_to(number: Decimal, places: Decimal = ZERO) -> Decimal:
    """Round to decimal places; a half goes up (towards +infinity), as FHIRPath's and JavaScript's round do.

    EvaluationError for places that are no whole number from 0 to 28.
    """
    if not 0 <= places <= _DIGITS or places % 1:
        raise EvaluationError(f"round() takes 0 to {_DIGITS} places, not {places}")
    unit = _ONE.scaleb(-int(places))
    steps = (number / unit + _HALF).to_integral_value(ROUND_FLOOR)
    return steps * unit


def ceiling(number: Decimal) -> Decimal:
    """The next whole number upwards."""
    return number.to_integral_value(ROUND_CEILING)


def floor(number: Decimal) -> Decimal:
    """The next whole number downwards."""
    return number.to_integral_value(ROUND_FLOOR)


def truncate(number: Decimal) -> Decimal:
    """The whole number towards zero."""
    return number.to_integral_value(ROUND_DOWN)
