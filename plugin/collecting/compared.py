"""What a response answers, so that two copies of it can be compared whatever an EHR adds, drops or words otherwise."""

from decimal import Decimal
from typing import Any

import msgspec

from questionnaires.datatypes import read_decimal

Answered = tuple[tuple[str, tuple[str, ...]], ...]

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)
_PARTS = {"valueCoding": ("system", "code"), "valueQuantity": ("value", "system", "code")}


def answers_in(body: bytes, *, reasons: bool = False) -> Answered | None:
    """Give each question's answers in their order, without texts, displays and other descriptions; None if unreadable.

    With `reasons` also why there is no answer.
    """
    try:
        return tuple(sorted(_walk(_decoder.decode(body).get("item"), reasons=reasons)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError, TypeError):
        return None


def _walk(items: Any, *, reasons: bool) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for item in items or ():
        answers = item.get("answer") or ()
        if answers:
            found.append((str(item.get("linkId")), tuple(_plain(each) for each in answers)))
        elif reasons and item.get("extension"):
            found.append((str(item.get("linkId")), (_plain(item),)))
        found += _walk(item.get("item"), reasons=reasons)
        for answer in answers:
            found += _walk(answer.get("item"), reasons=reasons)
    return found


def _plain(answer: dict[str, Any]) -> str:
    kind = next((each for each in answer if each.startswith("value")), None)
    if kind is None:
        return f"none {answer.get('extension')}"
    value = answer[kind]
    if kind in _PARTS:
        return f"{kind} {[_number(value.get(part)) for part in _PARTS[kind]]}"
    return f"{kind} {_number(value)}"


def _number(value: Any) -> str:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{Decimal(value).normalize():f}"
    return str(value)
