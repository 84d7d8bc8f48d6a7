"""Finds what is wrong with FHIR JSON: broken syntax, doubled keys, nulls, empty objects, wrong types; all at once, with places."""

import json
import re
import types
import typing
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

import msgspec

from questionnaires.datatypes import (
    Date,
    DateTime,
    Instant,
    JsonObject,
    check_day,
    read_custom,
    read_decimal,
)

# Deeper than any form nests; deeper input is an attempt on the stack.
_DEEPEST = 100
_DAYS = (Date, DateTime, Instant)
_LARGEST = Decimal("1e308")  # about what a double holds, which is what others read JSON numbers into
_INFINITE = Decimal("Infinity")
_MOST_DIGITS = 4_000  # Python reads no longer whole number; it is larger than any that is kept
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_EMPTY = re.compile(rb"\{\s*\}|\[\s*\]")
_NOTHINGS = (b"{}", b"[]", b"null")
_UNSOUGHT = b"abcdefghijkmopqrstvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:/.-_"
_PARTED_KEYS = (b" :", b"\n:", b"\t:", b"\r:")
_KEY = re.compile(rb'"\s*:')
# FHIR's string: no characters below 32 but tab, line feed and carriage return. JSON lets the others in as escapes only.
_ESCAPED_CONTROL = re.compile(rb"(?<!\\)(?:\\\\)*\\(?:u00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F])|[bf])")
_ESCAPES = (rb"\u00", rb"\b", rb"\f")  # as each of those begins: sought first, quicker than by the pattern
_HALF = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Blemish:
    """One problem of a JSON document: a FHIR issue type, where (FHIRPath), what was found, what to do."""

    code: str
    path: str
    found: str
    remedy: str
    link_id: str | None = None


class _Object(list[tuple[str, object]]):
    """A JSON object with its keys as they came, doubled ones included."""


def is_clean(data: bytes) -> bool:
    """Tell whether bytes are a JSON object without what `read_clean` refuses."""
    return read_clean(data) is not None


def read_clean(data: bytes) -> JsonObject | None:
    """Read a JSON object; None if it has doubled keys, nulls, control characters, empty objects or arrays. Quick, without places."""
    try:
        whole = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return whole if isinstance(whole, dict) and _writes_clean(data, msgspec.json.encode(whole)) else None


def _writes_clean(data: bytes, again: bytes) -> bool:
    """Tell whether JSON is clean by what came and what it is when decoded and written again.

    Strings are taken out first, so that what stands in them is not looked at; decoding drops doubled keys, so that writing
    it again has fewer.
    """
    # Fewer letters to search; what is sought stays together, and more may look like it.
    bones = again.translate(None, _UNSOUGHT)
    if b"\\" not in data and not any(each in bones for each in _NOTHINGS):
        # Without a backslash every quote begins or ends a string, so that `":` is the end of a key; nothing that looks
        # empty or null stands in it, even inside a string.
        if data == again:
            return True
        if not any(each in data for each in _PARTED_KEYS):
            return data.count(b'":') == again.count(b'":')
    bare = _STRING.sub(b'"', data)
    # An empty tuple of children cannot be told from no children after decoding, so it is found here.
    if b"null" in bare or _EMPTY.search(bare):
        return False
    if any(each in data for each in _ESCAPES) and _ESCAPED_CONTROL.search(data):
        return False
    return len(_KEY.findall(bare)) == _STRING.sub(b'"', again).count(b'":')


def find_blemishes(data: bytes, kind: object, root: str) -> list[Blemish]:
    """Find every problem of a document that should be a `kind` (a struct, or any JSON object); `root` begins each path."""
    if data.startswith(BOM_UTF8):
        found, remedy = "A byte order mark stands before the JSON", "Save it as UTF-8 without one"
        return [Blemish("structure", root, found, remedy)]
    try:
        tree = json.loads(
            data.decode(),
            object_pairs_hook=_Object,
            parse_float=_read_number,
            parse_int=_read_number,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        return [Blemish("too-long", root, "The JSON is nested too deeply", "Send a flat form")]
    except UnicodeDecodeError as error:
        return [Blemish("structure", root, f"Byte {error.start} is not UTF-8", "Send the JSON as UTF-8")]
    except ValueError as error:
        return [Blemish("structure", root, f"The JSON is broken: {error}", "Send well-formed JSON")]
    return [_tellable(each) for each in _look(tree, kind, root, None, 0)]


def _tellable(blemish: Blemish) -> Blemish:
    """Make text of what repeats halves of surrogate pairs, which JSON can escape and nothing can write."""
    link_id = blemish.link_id and _HALF.sub("\ufffd", blemish.link_id)
    path, found = (_HALF.sub("\ufffd", each) for each in (blemish.path, blemish.found))
    return replace(blemish, path=path, found=found, link_id=link_id)


def _read_number(digits: str) -> int | Decimal:
    """Read a number of any length; what is beyond all computing is told as infinity, and so with its place."""
    try:
        number = read_decimal(digits)
    except ValueError:
        return _INFINITE
    whole = "." not in digits and "e" not in digits.lower()
    return int(digits) if whole and len(digits) <= _MOST_DIGITS else number


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _look(value: object, kind: object, path: str, link_id: str | None, depth: int) -> Iterator[Blemish]:
    if depth > _DEEPEST:
        yield Blemish("too-long", path, "The JSON is nested too deeply", "Send a flat form", link_id)
    elif value is None:
        yield Blemish("structure", path, "null stands here", "Leave the property out", link_id)
    elif value == [] and isinstance(value, list):
        what = "object" if isinstance(value, _Object) else "array"
        yield Blemish("structure", path, f"An empty {what} stands here", "Leave the property out", link_id)
    else:
        yield from _look_inside(value, _bare(kind), path, link_id, depth)


def _look_inside(
    value: object, kind: object, path: str, link_id: str | None, depth: int
) -> Iterator[Blemish]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _look_at_struct(value, kind, path, link_id, depth)
    elif typing.get_origin(kind) is tuple:
        yield from _look_at_array(value, typing.get_args(kind)[0], path, link_id, depth)
    elif typing.get_origin(kind) is dict:
        yield from _look_at_map(value, typing.get_args(kind)[1], path, link_id, depth)
    elif kind is object and isinstance(value, list):
        kind = JsonObject if isinstance(value, _Object) else tuple[object, ...]
        yield from _look_inside(value, kind, path, link_id, depth)
    else:
        yield from _look_at_primitive(value, kind, path, link_id)


def _look_at_array(
    value: object, kind: object, path: str, link_id: str | None, depth: int
) -> Iterator[Blemish]:
    if not isinstance(value, list) or isinstance(value, _Object):
        yield Blemish(
            "structure", path, f"{_name(value)} stands where an array belongs", "Send an array", link_id
        )
        return
    for index, each in enumerate(value):
        yield from _look(each, kind, f"{path}[{index}]", link_id, depth + 1)


def _look_at_struct(
    value: object, kind: type[msgspec.Struct], path: str, link_id: str | None, depth: int
) -> Iterator[Blemish]:
    if not isinstance(value, _Object):
        yield Blemish(
            "structure", path, f"{_name(value)} stands where an object belongs", "Send an object", link_id
        )
        return
    given = dict(value)
    own = given.get("linkId")
    link_id = own if isinstance(own, str) else link_id
    found = [*_doubled(value, path, link_id)]
    fields = _fields(kind)
    for key, each in given.items():
        if key in fields:
            found.extend(_look(each, fields[key].type, f"{path}.{_element(key)}", link_id, depth + 1))
        elif key != kind.__struct_config__.tag_field:
            found.append(
                Blemish("structure", path, f"There is no property “{key}” here", "Leave it out", link_id)
            )
    for field in fields.values():
        if field.required and field.encode_name not in given:
            message = f"“{field.encode_name}” is missing"
            found.append(Blemish("required", f"{path}.{field.encode_name}", message, "Add it", link_id))
    yield from found or _look_at_whole(value, kind, path, link_id)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _look_at_whole(
    value: _Object, kind: type[msgspec.Struct], path: str, link_id: str | None
) -> Iterator[Blemish]:
    """Apply a struct's own rules, and its tag, once all its parts are sound."""
    try:
        msgspec.convert(_plain(value), kind, dec_hook=read_custom)
    except msgspec.ValidationError as error:
        yield Blemish("invariant", path, _tidy(error), "Correct it", link_id)


def _look_at_map(
    value: object, kind: object, path: str, link_id: str | None, depth: int
) -> Iterator[Blemish]:
    if not isinstance(value, _Object):
        yield Blemish(
            "structure", path, f"{_name(value)} stands where an object belongs", "Send an object", link_id
        )
        return
    yield from _doubled(value, path, link_id)
    for key, each in value:
        yield from _look(each, kind, f"{path}.{_element(key)}", link_id, depth + 1)


def _look_at_primitive(value: object, kind: object, path: str, link_id: str | None) -> Iterator[Blemish]:
    if isinstance(value, str) and (found := _CONTROL.search(value)):
        message = f"The control character U+{ord(found.group()):04X} stands in a text"
        yield Blemish("value", path, message, "Leave it out", link_id)
        return
    if isinstance(value, int | Decimal) and Decimal(value).copy_abs() > _LARGEST:
        message = "The number is larger than any that is kept"
        yield Blemish("value", path, message, "Send a number below 10 to the power of 308", link_id)
        return
    if kind is object:
        return
    if isinstance(value, list):
        message = f"{_name(value)} stands where a single value belongs"
        yield Blemish("structure", path, message, "Send a single value", link_id)
        return
    try:
        msgspec.convert(value, kind, dec_hook=read_custom)
        if kind in _DAYS and isinstance(value, str):
            check_day(value)
    except (msgspec.ValidationError, ValueError) as error:
        yield Blemish("value", path, _tidy(error), f"Send {_describe(kind)}", link_id)


def _doubled(value: _Object, path: str, link_id: str | None) -> Iterator[Blemish]:
    seen: set[str] = set()
    for key, _ in value:
        if key in seen:
            message = f"“{key}” stands here twice"
            yield Blemish("structure", f"{path}.{_element(key)}", message, "Keep one of them", link_id)
        seen.add(key)


def _bare(kind: object) -> object:
    """Take `None` out of a union: it stands for absence, never for JSON null."""
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        (kind,) = [each for each in typing.get_args(kind) if each is not type(None)]
    return kind


def _describe(kind: object) -> str:
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    names = {bool: "true or false", str: "text"}
    if isinstance(kind, type) and kind in names:
        return names[kind]
    values = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
    return f"one of {', '.join(map(str, values))}" if values else "a number"


def _name(value: object) -> str:
    if isinstance(value, _Object):
        return "An object"
    names = {list: "An array", str: "Text", bool: "A boolean"}
    return names.get(type(value), "A number")


def _element(key: str) -> str:
    """Name a property as FHIRPath does: valueCoding is `value`."""
    return "value" if key.startswith("value") and key[5:6].isupper() else key


def _plain(value: object) -> object:
    if isinstance(value, _Object):
        return {key: _plain(each) for key, each in value}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _tidy(error: Exception) -> str:
    message = str(error).split(" - at `")[0]
    return "It is not written as it must be" if "matching regex" in message else message.replace("`", "")
