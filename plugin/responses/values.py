"""Checks single answers against their item: type, options, weight; and reads them for scoring."""

from collections.abc import Iterator
from decimal import Decimal

from plugin.responses.answers import Given
from plugin.responses.errors import Issue
from plugin.responses.resource import Answer
from questionnaires import Item, Option
from questionnaires.datatypes import Coding, Quantity, Reference
from questionnaires.resources import WEIGHTS, ItemType, read_weight

# Which value[x] answers which type of item: https://hl7.org/fhir/R4/valueset-item-type.html
_KINDS: dict[ItemType, frozenset[str]] = {
    "group": frozenset(),
    "display": frozenset(),
    "boolean": frozenset({"Boolean"}),
    "decimal": frozenset({"Decimal"}),
    "integer": frozenset({"Integer"}),
    "date": frozenset({"Date"}),
    "dateTime": frozenset({"DateTime"}),
    "time": frozenset({"Time"}),
    "string": frozenset({"String"}),
    "text": frozenset({"String"}),
    "url": frozenset({"Uri"}),
    "choice": frozenset({"Coding"}),
    "open-choice": frozenset({"Coding", "String"}),
    "attachment": frozenset({"Attachment"}),
    "reference": frozenset({"Reference"}),
    "quantity": frozenset({"Quantity"}),
}


def read_choice(answer: Answer, item: Item) -> Given | None:
    """Read the usual answer at once: one of a choice's options, with its weight or none stated; None for any other."""
    coding = answer.valueCoding
    if coding is None or item.type != "choice" or answer.extension:
        return None
    option = item.options_by.get(("Coding", coding.system, coding.code or ""))
    if option is None or not all(
        each.url in WEIGHTS and each.valueDecimal == option.weight for each in coding.extension
    ):
        return None
    return Given(code=option.code, weight=option.weight, number=None, system=option.system)


def find_value_issues(answer: Answer, item: Item, path: str) -> Iterator[Issue]:
    """Find what is wrong with one answer of an item."""
    kind = answer.kind
    if kind is None or (
        item.type == "choice" and find_option(answer, item) and _stated_weight(answer) is None
    ):
        return
    kinds = _KINDS[item.type] | {option.kind for option in item.options}
    if item.type == "choice" and item.options:
        kinds = frozenset(option.kind for option in item.options)
    if kind not in kinds:
        wanted = " or ".join(f"value{kind}" for kind in sorted(kinds))
        message = f"The answer is a value{answer.kind}; an item of type {item.type} takes {wanted}."
        yield Issue("value", item.link_id, path, message, f"Send {wanted}.")
    elif item.low is not None or item.high is not None:
        yield from _find_bound_issues(answer, item, path)
    elif item.options and not (item.type == "open-choice" and answer.kind == "String"):
        yield from _find_option_issues(answer, item, path)


def _find_bound_issues(answer: Answer, item: Item, path: str) -> Iterator[Issue]:
    given = to_given(answer, item)
    number = given.number if given else None
    if number is None:
        return
    low, high = item.low, item.high
    if (low is not None and number < low) or (high is not None and number > high):
        span = " to ".join(str(each) for each in (low, high) if each is not None)
        message = "The number is outside what the form allows."
        yield Issue("value", item.link_id, path, message, f"Give a number of {span}.")


def _find_option_issues(answer: Answer, item: Item, path: str) -> Iterator[Issue]:
    option = find_option(answer, item)
    if option is None:
        codes = ", ".join(option.code for option in item.options)
        message = "The answer is none of the options, by system and code."
        remedy = (
            f"Use one of {codes} (system {item.options[0].system})."
            if item.options[0].system
            else f"Use one of {codes}."
        )
        yield Issue("code-invalid", item.link_id, path, message, remedy)
        return
    stated = _stated_weight(answer)
    if stated is not None and stated != option.weight:
        message = "The weight in the response is not the form's; the form's counts."
        yield Issue("business-rule", item.link_id, path, message, "Leave the weight out.", "warning")


def _stated_weight(answer: Answer) -> Decimal | None:
    """Give the weight that the response itself states, on the answer or on its coding."""
    stated = read_weight(answer.extension)
    if stated is None and answer.valueCoding is not None:
        stated = read_weight(answer.valueCoding.extension)
    return stated


def find_option(answer: Answer, item: Item) -> Option | None:
    """Give the option that was chosen."""
    return item.options_by.get((answer.kind, *_written(answer))) if item.options else None


def to_given(answer: Answer, item: Item) -> Given | None:
    """Read one answer for scoring; None if it has no value."""
    if answer.kind is None:
        return None
    value = answer.value
    number = value.value if isinstance(value, Quantity) else value
    system, code = _written(answer)
    option = find_option(answer, item)
    return Given(
        code=code,
        weight=option.weight if option else None,
        number=Decimal(number)
        if isinstance(number, int | Decimal) and not isinstance(number, bool)
        else None,
        system=option.system if option else system,
    )


def _written(answer: Answer) -> tuple[str | None, str]:
    value = answer.value
    if isinstance(value, Coding):
        return value.system, value.code or ""
    if isinstance(value, Quantity):
        return None, "" if value.value is None else str(value.value)
    if isinstance(value, Reference):
        return None, value.reference or ""
    if isinstance(value, bool):
        return None, "true" if value else "false"
    return None, "" if isinstance(value, dict) else str(value)
