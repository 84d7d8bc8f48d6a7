"""Tells whether a resource of the record is what was sent there, as far as EHRs keep what they are sent. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from plugin.delivery.capability import JsonObject

_ALIKE = {"corrected": "amended"}  # R4's two words for a changed result: some EHRs keep one
_TOLD_BY = ("valueQuantity", "valueCodeableConcept", "dataAbsentReason", "effectiveDateTime", "docStatus")
_NOT_COMPARED = frozenset({"display", "text", "extension", "id"})


def has_arrived(sent: JsonObject, there: JsonObject, before: JsonObject | None = None) -> bool:
    """Tell whether what stands there is what was sent, `before` being what stood there until then, if that was read.

    Its status must be, and either all that tells it from an earlier version, or it is another version than the one before:
    EHRs round times, add displays and leave out what they do not know.
    """
    if there.get("resourceType") != sent.get("resourceType") or _status(there) != _status(sent):
        return False
    return stands_as(sent, there) or _was_replaced(before, there)


def stands_as(sent: JsonObject, there: JsonObject) -> bool:
    """Tell whether status, value, time and answers are those that were sent; what else stands there does not count."""
    return (
        _status(there) == _status(sent)
        and set(_leaves(sent.get("item"))) == set(_leaves(there.get("item")))
        and all(set(_leaves(sent.get(name))) <= set(_leaves(there.get(name))) for name in _TOLD_BY)
    )


def _status(resource: JsonObject) -> str:
    status = str(resource.get("status"))
    return _ALIKE.get(status, status)


def _was_replaced(before: JsonObject | None, there: JsonObject) -> bool:
    earlier, now = _version(before), _version(there)
    return earlier is not None and now is not None and earlier != now


def _version(resource: JsonObject | None) -> object:
    meta = (resource or {}).get("meta")
    return meta.get("versionId") if isinstance(meta, dict) else None


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Give every number, word, time and truth value with the names that lead to it; displays are the EHR's own."""
    if isinstance(value, Mapping):
        path = f"{path}[{value['linkId']}]" if "linkId" in value else path
        for name, each in value.items():
            if name not in _NOT_COMPARED:
                yield from _leaves(each, f"{path}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, path)
    elif value is not None:
        yield path, _plain(value)


def _plain(value: object) -> object:
    """Give a number or a time as it compares, however it is written."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return Decimal(str(value))
    try:
        return datetime.fromisoformat(str(value)).timestamp() if "T" in str(value) else value
    except ValueError:
        return value
