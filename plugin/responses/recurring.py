"""Reads responses by items that were read before, byte for byte the same: a form has a few dozen answers that can be chosen.

A JSON object is sound if it is sound without a member and that member is sound. So a line is parted into what stands before
its items, which is read each time, and the items, which are read once. Whatever cannot be parted so is read as a whole.
"""

from typing import NamedTuple, TypeVar

import msgspec

from plugin.responses.resource import Answer, Response, ResponseItem
from questionnaires.datatypes import decoder
from questionnaires.strict import is_clean

_MARKS = (b',"item":[', b', "item": [')  # as nearly all who write JSON write it
MOST = 4_096  # items; a site has a few dozen forms
_LONGEST = 1_000  # bytes of an item that is kept
_FEW = 4  # one in so many items may be new; with more of them, reading the whole at once is faster

_raw_items = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_known: dict[bytes, ResponseItem] = {}


class Parts(NamedTuple):
    """A document without its items, and the items."""

    head: bytes
    items: list[bytes]


def part(data: bytes) -> Parts | None:
    """Part a document; None if items are not its last member, or it has none."""
    for mark in _MARKS:
        head, found, tail = data.partition(mark)
        if found and tail.endswith(b"]}"):
            try:
                items = [bytes(raw) for raw in _raw_items.decode(b"[" + tail[:-1])]
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return None
            return Parts(head + b"}", items) if items else None
    return None


def read_recurring(parts: Parts) -> Response | None:
    """Read a response whose items are nearly all known; None if it must be read as a whole.

    What is given is what the strict decoder gives for the whole, and clean; tests hold the two against each other.
    """
    items = [_known.get(raw) for raw in parts.items]
    if items.count(None) * _FEW > len(items):
        return None
    response = _read(parts.head, Response)
    if response is None or response.item:
        return None
    for place, item in enumerate(items):
        if item is None:
            items[place] = fresh = _read(parts.items[place], ResponseItem)
            if fresh is None:
                return None
            _keep(parts.items[place], fresh)
    # Nobody else has seen this object yet: it is finished here rather than copied.
    msgspec.structs.force_setattr(response, "item", tuple(items))
    return response


def learn(parts: Parts, response: Response) -> None:
    """Keep the items of a response that was read as a whole and is clean."""
    for raw, item in zip(parts.items, response.item, strict=True):
        _keep(raw, item)


_Kind = TypeVar("_Kind", Response, ResponseItem)


def _read(data: bytes, kind: type[_Kind]) -> _Kind | None:
    try:
        found = decoder(kind).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if is_clean(data) else None


def _keep(raw: bytes, item: ResponseItem) -> None:
    """Keep an item that may come again; what somebody wrote is never kept."""
    if len(raw) > _LONGEST or not _is_common(item):
        return
    if len(_known) >= MOST:
        _known.clear()
    _known[raw] = item


def _is_common(item: ResponseItem) -> bool:
    """Tell whether an item has nothing but chosen answers with their weights, or the reason for having none."""
    return (
        item.id is None
        and not item.item
        and all(each.valueCode for each in item.extension)
        and all(_is_chosen(answer) for answer in item.answer)
    )


def _is_chosen(answer: Answer) -> bool:
    coding = answer.valueCoding
    if coding is None or coding.code is None or coding.id or answer.id or answer.item:
        return False
    return all(each.valueDecimal is not None for each in (*answer.extension, *coding.extension))


def kept() -> frozenset[bytes]:
    """Give the items that are kept, as they were written."""
    return frozenset(_known)
