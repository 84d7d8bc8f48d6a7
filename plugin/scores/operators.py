"""Compiles operators: arithmetic, comparison and three-valued logic."""

import operator
from collections.abc import Callable
from decimal import Decimal

from plugin.scores import arithmetic
from plugin.scores.errors import NotNative
from plugin.scores.shapes import Many, One, ReadOne, ReadTruth, Shape, Truth, to_one, to_truth
from plugin.scores.sheet import Sheet

_ARITHMETIC: dict[str, Callable[[Decimal, Decimal], Decimal | None]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": arithmetic.divide,
    "div": arithmetic.divide_whole,
    "mod": arithmetic.remainder,
}
_COMPARISON: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_LOGIC = {"and", "or", "xor", "implies"}


def combine(name: str, left: Shape, right: Shape) -> Shape:
    """Compile `left name right`; NotNative for operators and operands outside the subset."""
    if name in _ARITHMETIC:
        return One(_calculate(_ARITHMETIC[name], to_one(left), to_one(right)))
    if name in {"=", "!="} and isinstance(left, Truth) and isinstance(right, Truth):
        return Truth(_agree(left.read, right.read, wanted=name == "="))
    if name in _COMPARISON:
        # Equality of collections of different length is false rather than an error: leave it to FHIRPath.
        if name in {"=", "!="} and (isinstance(left, Many) or isinstance(right, Many)):
            raise NotNative("equality of collections")
        return Truth(_compare(_COMPARISON[name], to_one(left), to_one(right)))
    if name in _LOGIC:
        return Truth(_decide(name, left, right))
    raise NotNative(f"the operator {name}")


def negate(operand: Shape) -> Shape:
    """Compile `-operand`."""
    read = to_one(operand)

    def negative(sheet: Sheet) -> Decimal | None:
        number = read(sheet)
        return None if number is None else -number

    return One(negative)


def _calculate(
    function: Callable[[Decimal, Decimal], Decimal | None], left: ReadOne, right: ReadOne
) -> ReadOne:
    def calculate(sheet: Sheet) -> Decimal | None:
        first, second = left(sheet), right(sheet)
        return None if first is None or second is None else function(first, second)

    return calculate


def _compare(
    function: Callable[[Decimal, Decimal], bool], left: ReadOne, right: ReadOne
) -> Callable[[Sheet], bool | None]:
    def compare(sheet: Sheet) -> bool | None:
        first, second = left(sheet), right(sheet)
        return None if first is None or second is None else function(first, second)

    return compare


def _agree(left: ReadTruth, right: ReadTruth, *, wanted: bool) -> ReadTruth:
    def agree(sheet: Sheet) -> bool | None:
        first, second = left(sheet), right(sheet)
        return None if first is None or second is None else (first is second) is wanted

    return agree


def _decide(name: str, left: Shape, right: Shape) -> Callable[[Sheet], bool | None]:
    first, second = to_truth(left), to_truth(right)
    function = _TABLES[name]

    def decide(sheet: Sheet) -> bool | None:
        return function(first(sheet), second(sheet))

    return decide


def both(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001 -- truth values are the subject
    """`and` of three-valued logic."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001 -- truth values are the subject
    """`or` of three-valued logic."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def differ(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001 -- truth values are the subject
    """`xor` of three-valued logic."""
    return None if left is None or right is None else left is not right


def imply(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001 -- truth values are the subject
    """`implies` of three-valued logic."""
    return either(None if left is None else not left, right)


_TABLES = {"and": both, "or": either, "xor": differ, "implies": imply}
