"""Tells which items were to be asked, given the answers: enableWhen, as R4 defines its operators."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from plugin.responses.resource import Answer
from plugin.responses.values import find_option
from questionnaires import Condition, Item, walk
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
    values = {item.link_id: _values(item, answers.get(item.link_id, ())) for item in walk(items)}
    return frozenset(_disabled(items, values, above=False))


def _values(item: Item, answers: Sequence[Answer]) -> list[Comparable]:
    return [value for answer in answers if (value := comparable(answer, item)) is not None]


def _disabled(
    items: tuple[Item, ...], values: Mapping[str, Sequence[Comparable]], *, above: bool
) -> Iterator[str]:
    for item in items:
        off = above or not _is_enabled(item, values)
        if off:
            yield item.link_id
        yield from _disabled(item.items, values, above=off)


def _is_enabled(item: Item, values: Mapping[str, Sequence[Comparable]]) -> bool:
    if not item.conditions:
        return True
    met = (_is_met(condition, values.get(condition.question, ())) for condition in item.conditions)
    return any(met) if item.any_condition else all(met)


def _is_met(condition: Condition, values: Sequence[Comparable]) -> bool:
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


def comparable(answer: Answer, item: Item) -> Comparable | None:
    """Give an answer's value in the form in which conditions hold theirs."""
    value = answer.value
    if isinstance(value, Coding):
        option = find_option(answer, item)
        return (option.system if option else value.system, value.code or "")
    if isinstance(value, Quantity):
        return None if value.value is None else Decimal(value.value)
    if isinstance(value, Reference):
        return value.reference
    if isinstance(value, bool | str):
        return value
    return Decimal(value) if isinstance(value, int | Decimal) else None
