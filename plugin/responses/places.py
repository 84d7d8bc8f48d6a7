"""Checks how fine a number is that is answered, by the form's maxDecimalPlaces.

Looked at only where an answer is new: what is kept already, or was collected by the EHR itself, is not refused for it.
https://hl7.org/fhir/R4/extension-maxdecimalplaces.html
"""

from decimal import Decimal

from plugin.responses.answers import Answers
from plugin.responses.errors import InvalidResponse, Issue
from questionnaires import Instrument, Item, walk
from questionnaires.datatypes import count_places


def is_too_fine(number: Decimal, item: Item) -> bool:
    """Tell whether a number has more digits after its point than its item allows; zeros at the end count for nothing."""
    return item.places is not None and count_places(number) > item.places


def too_fine(item: Item, path: str) -> Issue:
    """Say what is wrong with a number that is too fine."""
    message = "The number has more digits after its point than the form allows."
    return Issue("value", item.link_id, path, message, f"Give {item.places} at most.")


def check_places(answers: Answers, instrument: Instrument) -> None:
    """InvalidResponse, with every place, if a number of an answer is too fine."""
    issues = [
        too_fine(item, f"QuestionnaireResponse.item.where(linkId='{item.link_id}')")
        for item in walk(instrument.items)
        if item.places is not None
        and any(
            each.number is not None and is_too_fine(each.number, item)
            for each in answers.given.get(item.link_id, ())
        )
    ]
    if issues:
        raise InvalidResponse(tuple(issues))
