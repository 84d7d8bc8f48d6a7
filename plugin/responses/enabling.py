"""Tells which items were to be asked, given the answers: enableWhen, as R4 defines its operators."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from plugin.responses.resource import Answer
from questionnaires import Condition, Item
from questionnaires.datatypes import Coding, Quantity, Reference

Comparable = tuple[str | None, str] | Decimal | bool | str

_ORDER: dict[str, Callable[[int], bool]] = {
    ">": lambda sign: sign > 0,
    "<": lambda sign: sign < 0,
    ">=": lambda sign: sign >= 0,
    "<=": lambda sign: sign <= 0,
}


def find_disabled(items: tuple[Item, ...], answers: Mapping[str, Sequence[Answer]]) -> frozenset[str]:
    """Give the linkIds of items that were not to be asked, those below a disabled item included."""
    return frozenset(_disabled(items, answers, above=False))


def _disabled(
    items: tuple[Item, ...], answers: Mapping[str, Sequence[Answer]], *, above: bool
) -> Iterator[str]:
    for item in items:
        off = above or not _is_enabled(item, answers)
        if off:
            yield item.link_id
        yield from _disabled(item.items, answers, above=off)


def _is_enabled(item: Item, answers: Mapping[str, Sequence[Answer]]) -> bool:
    if not item.conditions:
        return True
    met = (_is_met(condition, answers.get(condition.question, ())) for condition in item.conditions)
    return any(met) if item.any_condition else all(met)


def _is_met(condition: Condition, answers: Sequence[Answer]) -> bool:
    values = [value for value in map(comparable, answers) if value is not None]
    if condition.operator == "exists":
        return bool(values) == condition.answer
    # R4: "!=" holds if no answer is equal, so also where nothing was answered.
    if condition.operator == "!=":
        return condition.answer not in values
    if condition.operator == "=":
        return condition.answer in values
    return any(_in_order(condition.operator, value, condition.answer) for value in values)


def _in_order(operator: str, value: Comparable, answer: Comparable) -> bool:
    if isinstance(value, Decimal) and isinstance(answer, Decimal):
        return _ORDER[operator]((value > answer) - (value < answer))
    if isinstance(value, str) and isinstance(answer, str):
        return _ORDER[operator]((value > answer) - (value < answer))
    return False


def comparable(answer: Answer) -> Comparable | None:
    """Give an answer's value in the form in which conditions hold theirs."""
    value = answer.value
    if isinstance(value, Coding):
        return (value.system, value.code or "")
    if isinstance(value, Quantity):
        return None if value.value is None else Decimal(value.value)
    if isinstance(value, Reference):
        return value.reference
    if isinstance(value, bool | str):
        return value
    return Decimal(value) if isinstance(value, int | Decimal) else None
