"""Which questions of a form Rapport's own page can show, how, and under which answers of others. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from itertools import dropwhile

from plugin.pages.form import Condition, ConditionSet, Kind
from questionnaires import Condition as FormCondition
from questionnaires import Instrument, Item
from questionnaires.model import HELP
from questionnaires.resources import ItemType

_KINDS: dict[ItemType, Kind] = {
    "boolean": Kind.YES_NO,
    "integer": Kind.NUMBER,
    "decimal": Kind.NUMBER,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "string": Kind.LINE,
    "open-choice": Kind.LINE,
    "url": Kind.LINE,
    "text": Kind.TEXT,
}
_BESIDE = HELP | {"lower", "upper"}  # texts of one question, not of what follows
_REPEATING = {Kind.CHOICE: Kind.CHOICES, Kind.LINE: Kind.LINES, Kind.TEXT: Kind.LINES}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, how it is shown, the items whose texts stand above it, and when it is asked."""

    item: Item
    kind: Kind
    above: tuple[str, ...]
    conditions: tuple[ConditionSet, ...]
    help: tuple[str, ...] = ()  # the items that say what it means
    ends: tuple[str | None, str | None] = (None, None)  # of a slider: the items that name them


def kind_of(item: Item) -> Kind | None:
    """Say how a question is shown; None if the page has no way."""
    kind = Kind.CHOICE if item.options else _KINDS.get(item.type)
    if kind is Kind.NUMBER and _is_scale(item):
        kind = Kind.SLIDER
    if item.conditional_expression or kind is None:
        return None
    return _REPEATING.get(kind) if item.repeats else kind


def _is_scale(item: Item) -> bool:
    """Tell a visual analogue scale: without both ends there is no line."""
    return item.control == "slider" and not item.repeats and item.low is not None and item.high is not None


def step_of(item: Item) -> Decimal:
    """Give the step of a slider: the form's own, else one, and of decimals a hundredth of the line.

    No place on the line has more digits after the point than the form allows.
    """
    if item.step is not None:
        return Decimal(item.step)
    if item.type == "integer" or item.low is None or item.high is None:
        return Decimal(1)
    step = (item.high - item.low) / 100
    return step if item.places is None else step.quantize(Decimal(1).scaleb(-item.places), ROUND_UP)


def why_not_shown(instrument: Instrument) -> str | None:
    """Name the questions that the page has no way to show; None if it can show the form."""
    odd = [
        f"{item.link_id} ({_what(item)})"
        for item, parents in _questions(instrument.items, ())
        if kind_of(item) is None or any(parent.conditional_expression for parent in parents)
    ]
    return f"Rapport's form has no way to ask {', '.join(odd)}." if odd else None


def _what(item: Item) -> str:
    if item.conditional_expression:
        return "enableWhenExpression"
    return f"repeating {item.type}" if item.repeats else item.type


def asked_of(instrument: Instrument) -> tuple[Asked, ...]:
    """Give what a respondent is asked, in order, with the texts of groups and displays that stand before it."""
    told: set[str] = set()
    return tuple(
        Asked(
            item,
            kind,
            _texts_above(instrument, item, parents, told),
            (*_when(parents, item),),
            _texts_for(item, HELP),
            (_end(item, "lower"), _end(item, "upper")),
        )
        for item, parents in _questions(instrument.items, ())
        if (kind := kind_of(item)) is not None
    )


def _questions(items: tuple[Item, ...], parents: tuple[Item, ...]) -> Iterator[tuple[Item, tuple[Item, ...]]]:
    for item in items:
        if item.is_question:
            yield item, parents
        yield from _questions(item.items, (*parents, item))


def _texts_above(
    instrument: Instrument, item: Item, parents: tuple[Item, ...], told: set[str]
) -> tuple[str, ...]:
    """Groups stand above each of their questions, a display above the next question only.

    What opens or closes the whole form is not repeated here: displays at its top before the first question, and `notes`.
    """
    found = [parent.link_id for parent in parents if parent.type == "group"]
    level = parents[-1].items if parents else instrument.items
    before: Iterable[Item] = level[: level.index(item)]
    if not parents:
        before = dropwhile(lambda each: each.type == "display", before)
    for each in before:
        is_text = each.type == "display" and each.control not in _BESIDE and each.link_id != "notes"
        if is_text and each.link_id not in told:
            found.append(each.link_id)
            told.add(each.link_id)
    return tuple(found)


def _texts_for(item: Item, controls: frozenset[str]) -> tuple[str, ...]:
    return tuple(each.link_id for each in item.items if each.type == "display" and each.control in controls)


def _end(item: Item, control: str) -> str | None:
    return next(iter(_texts_for(item, frozenset({control}))), None)


def _when(parents: tuple[Item, ...], item: Item) -> Iterator[ConditionSet]:
    for parent in parents:
        if parent.is_question:
            # An item below a question stands inside its answer: without one there is no place for it.
            yield ConditionSet((Condition(parent.link_id, "exists", "true"),))
    for each in (*parents, item):
        if each.conditions:
            yield ConditionSet(tuple(_condition(one) for one in each.conditions), any=each.any_condition)


def _condition(condition: FormCondition) -> Condition:
    answer = condition.answer
    if isinstance(answer, tuple):
        return Condition(condition.question, condition.operator, answer[1])
    text = str(answer).lower() if isinstance(answer, bool) else str(answer)
    return Condition(condition.question, condition.operator, text)
