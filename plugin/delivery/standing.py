"""Tells whether a resource of the record is what was sent there, as far as EHRs keep what they are sent. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from plugin.delivery.capability import JsonObject

# R4 has several words for a result or a response that is right; an EHR may keep one of them for all.
_ALIKE = {"amended": "final", "corrected": "final", "completed": "final"}
_WITHDRAWN = "entered-in-error"
_MINUTE = 60.0  # seconds


def has_arrived(sent: JsonObject, there: JsonObject, before: JsonObject | None = None) -> bool:
    """Tell whether what stands there is what was sent, `before` being what stood there until then, if that was read.

    EHRs round numbers and times, add displays, keep one word for all that is right and leave out what they do not know. So it
    counts by its status, value, time and answers, or as another version than before that says something else.
    """
    if there.get("resourceType") != sent.get("resourceType"):
        return False
    status, wanted = str(there.get("status")), str(sent.get("status"))
    if _WITHDRAWN in (status, wanted):
        return status == wanted
    if _alike(status) != _alike(wanted):
        return False
    return _says(sent, there) or (before is not None and _differs(before, there))


def stands_as(sent: JsonObject, there: JsonObject) -> bool:
    """Tell whether status, value, time and answers are those that were sent; what else stands there does not count."""
    return there.get("status") == sent.get("status") and _says(sent, there)


def _alike(status: str) -> str:
    return _ALIKE.get(status, status)


def _differs(before: JsonObject, there: JsonObject) -> bool:
    """Tell whether there is another version than before, which says something else."""
    earlier, now = _version(before), _version(there)
    return earlier is not None and now is not None and earlier != now and not _says(before, there)


def _version(resource: JsonObject) -> object:
    meta = resource.get("meta")
    return meta.get("versionId") if isinstance(meta, dict) else None


def _says(sent: JsonObject, there: JsonObject) -> bool:
    """Tell whether it has the value, the time and the answers that were sent, as exactly as the EHR keeps them."""
    if not _is_close(_value(sent), _value(there)) or not _is_time(
        sent.get("effectiveDateTime"), there.get("effectiveDateTime")
    ):
        return False
    given, kept = sorted(_answers(sent), key=str), sorted(_answers(there), key=str)
    return len(given) == len(kept) and all(
        path == other and _is_close(answer, found)
        for (path, answer), (other, found) in zip(given, kept, strict=True)
    )


def _value(resource: JsonObject) -> object:
    quantity = resource.get("valueQuantity")
    return quantity.get("value") if isinstance(quantity, dict) else None


def _answers(resource: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Give each answer with the items that lead to it; of a coded one the code, displays and versions are the EHR's own."""
    if not isinstance(resource, Mapping):
        return
    path = f"{path}/{resource.get('linkId', '')}"
    for name in ("item", "answer"):
        for each in _list(resource.get(name)):
            yield from _answers(each, path)
    for name, value in resource.items():
        if name.startswith("value") and "linkId" not in resource and path.count("/") > 1:
            yield path, _core(value)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _core(value: object) -> object:
    if isinstance(value, Mapping):
        return next((value[name] for name in ("value", "code", "display") if name in value), None)
    return value


def _is_close(sent: object, there: object) -> bool:
    """Tell whether a number is the one that was sent, rounded as it stands there; anything else must be the same."""
    if not _is_number(sent) or not _is_number(there):
        return sent == there
    kept = Decimal(str(there))
    unit = Decimal(1).scaleb(min(0, int(kept.as_tuple().exponent)))
    return abs(Decimal(str(sent)) - kept) * 2 <= unit or Decimal(str(sent)) == kept


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_time(sent: object, there: object) -> bool:
    """Tell whether a time is the one that was sent, cut to its minute or day or left out."""
    if there is None or sent == there:
        return True
    try:
        one, other = datetime.fromisoformat(str(sent)), datetime.fromisoformat(str(there))
    except ValueError:
        return False
    if one.tzinfo is None or other.tzinfo is None:
        return str(sent).partition("T")[0] == str(there).partition("T")[0]
    return abs((one - other).total_seconds()) < _MINUTE
