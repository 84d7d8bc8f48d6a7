"""Compiles the functions of the subset: sums, means, counts, choices, rounding."""

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal

from plugin.scores import arithmetic
from plugin.scores.errors import EvaluationError, NotNative
from plugin.scores.shapes import Many, Nothing, One, ReadMany, Shape, Truth, to_many, to_one, to_truth
from plugin.scores.sheet import Sheet
from plugin.scores.syntax import Binary, Node, Special

Count = Callable[[Sheet], int]


def _over_many(function: Callable[[Sequence[Decimal]], Decimal | None]) -> Callable[[Shape], Shape]:
    def compile_function(shape: Shape) -> Shape:
        read = to_many(shape)
        return One(lambda sheet: function(read(sheet)))

    return compile_function


def _over_one(function: Callable[[Decimal], Decimal]) -> Callable[[Shape], Shape]:
    def compile_function(shape: Shape) -> Shape:
        read = to_one(shape)

        def apply(sheet: Sheet) -> Decimal | None:
            number = read(sheet)
            return None if number is None else function(number)

        return One(apply)

    return compile_function


def _not(shape: Shape) -> Shape:
    read = to_truth(shape)

    def invert(sheet: Sheet) -> bool | None:
        truth = read(sheet)
        return None if truth is None else not truth

    return Truth(invert)


SUMMARIES: dict[str, Callable[[Sequence[Decimal]], Decimal | None]] = {
    "sum": arithmetic.total,
    "avg": arithmetic.mean,
    "min": lambda numbers: min(numbers) if numbers else None,
    "max": lambda numbers: max(numbers) if numbers else None,
}
FUNCTIONS: dict[str, Callable[[Shape], Shape]] = {
    **{name: _over_many(function) for name, function in SUMMARIES.items()},
    "abs": _over_one(abs),
    "ceiling": _over_one(arithmetic.ceiling),
    "floor": _over_one(arithmetic.floor),
    "truncate": _over_one(arithmetic.truncate),
    "not": _not,
}
_COUNTING: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
CONDITIONS: dict[str, Callable[[Count], Shape]] = {
    "count": lambda read: One(lambda sheet: Decimal(read(sheet))),
    "exists": lambda read: Truth(lambda sheet: read(sheet) > 0),
    "empty": lambda read: Truth(lambda sheet: read(sheet) == 0),
}


def count(places: tuple[int, ...]) -> Count:
    """Compile the number of answers at places of the form."""
    return lambda sheet: sum(sheet.counts[place] for place in places)


def count_truths(link_ids: tuple[str, ...], *, truth: bool) -> Count:
    """Compile the number of yes-or-no questions' answers that are `truth`."""
    wanted = "true" if truth else "false"
    return lambda sheet: sum(
        each.code == wanted for link_id in link_ids for each in sheet.given.get(link_id, ())
    )


def truth_of(link_ids: tuple[str, ...]) -> Truth:
    """Compile the answer to a yes-or-no question as a condition."""

    def read(sheet: Sheet) -> bool | None:
        found = [each.code == "true" for link_id in link_ids for each in sheet.given.get(link_id, ())]
        if len(found) > 1:
            raise EvaluationError(f"it meets {len(found)} values where one is allowed")
        return found[0] if found else None

    return Truth(read)


def round_number(shape: Shape, places: Shape, *, given: bool) -> Shape:
    """Compile `round()` or, if `given`, `round(places)`."""
    read, read_places = to_one(shape), to_one(places)

    def apply(sheet: Sheet) -> Decimal | None:
        number = read(sheet)
        digits = read_places(sheet) if given else arithmetic.ZERO
        return None if number is None or digits is None else arithmetic.round_to(number, digits)

    return One(apply)


def guard(sign: str, number: int, base: Shape, function: str) -> One | None:
    """Compile `iif(base.count() <sign> number, base.<function>(), {})`; None if base is no list of numbers."""
    if not isinstance(base, Many) or sign not in _COUNTING:
        return None
    read, suffices, summarize = base.read, _COUNTING[sign], SUMMARIES[function]

    def guarded(sheet: Sheet) -> Decimal | None:
        numbers = read(sheet)
        return summarize(numbers) if suffices(len(numbers), number) else None

    return One(guarded)


def choose(condition: Shape, then: Shape, otherwise: Shape) -> Shape:
    """Compile `iif(condition, then, otherwise)`; the branch that is not taken is not evaluated."""
    is_true = to_truth(condition)
    if isinstance(then, Truth) or isinstance(otherwise, Truth):
        return _choose_truth(is_true, then, otherwise)
    if isinstance(then, Many) or isinstance(otherwise, Many):
        return _choose_many(is_true, to_many(then), to_many(otherwise))
    first, second = to_one(then), to_one(otherwise)
    return One(lambda sheet: first(sheet) if is_true(sheet) else second(sheet))


def _choose_truth(is_true: Callable[[Sheet], bool | None], then: Shape, otherwise: Shape) -> Shape:
    first, second = to_truth(then), to_truth(otherwise)
    return Truth(lambda sheet: first(sheet) if is_true(sheet) else second(sheet))


def _choose_many(is_true: Callable[[Sheet], bool | None], first: ReadMany, second: ReadMany) -> Shape:
    return Many(lambda sheet: first(sheet) if is_true(sheet) else second(sheet))


def is_running_sum(node: Node) -> bool:
    """Tell whether an aggregate's expression is `$this + $total`, either way round."""
    return (
        isinstance(node, Binary)
        and node.operator == "+"
        and {node.left, node.right} == {Special("this"), Special("total")}
    )


def total_from(numbers: Shape, start: Shape) -> Shape:
    """Compile `aggregate($this + $total, start)`."""
    if isinstance(start, Nothing):
        raise NotNative("a sum that starts with nothing")
    read, begin = to_many(numbers), to_one(start)

    def add(sheet: Sheet) -> Decimal | None:
        first = begin(sheet)
        return None if first is None else sum(read(sheet), first)

    return One(add)
