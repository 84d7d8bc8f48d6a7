"""Alters bytes and JSON as nobody would write them; the same chance alters in the same way."""

import json
import random
from collections.abc import Callable
from typing import Any

ODD_BYTES = (
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"%00",
    b"../",
    b'"',
    b"\\",
    b"{",
    b"[",
    b"\r\n\r\n",
    b"9" * 400,
    b"\xef\xbb\xbf",
)
ODD_TEXT = (
    "",
    "\x00",
    "\ud800",
    "A" * 70_000,
    "../../etc/passwd",
    "${7*7}",
    "<script>",
    "' OR 1=1",
    "\u202e",
    "Patient/",
    "urn:uuid:x",
    "http://[::1",
    "9" * 5000,
    "2026-02-30",
    "0000-00-00T25:61:61Z",
    "\ufeff",
    "=1+1",
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    0,
    -1,
    2**63,
    1e308,
    -0.0,
    True,
    [[]],
    [None],
    {"": ""},
    {"resourceType": "X"},
)
ODD_JSON = (
    b"1e999",
    b"-1e-999",
    b"NaN",
    b"Infinity",
    b"9" * 5000,
    b"[" * 3000 + b"]" * 3000,
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b'"\\ud800"',
    b'"\\u0000"',
    b"0.1000000000000000000000000000000000001",
)


def alter_bytes(chance: random.Random, content: bytes) -> bytes:
    """Flip, put in, take out, double or cut, once to sixteen times."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(found) + 1)
        what = chance.randrange(6)
        if what == 0 and found:
            found[min(place, len(found) - 1)] ^= 1 << chance.randrange(8)
        elif what == 1:
            found[place:place] = chance.choice(ODD_BYTES)
        elif what == 2:
            del found[place : place + chance.choice((1, 1, 4, 40))]
        elif what == 3:
            found[place:place] = found[place : place + chance.choice((1, 8, 200))]
        elif what == 4:
            del found[place:]
        else:
            found[place : place + 1] = bytes((chance.randrange(256),))
    return bytes(found)


def alter_json(chance: random.Random, content: bytes) -> bytes:
    """Alter one to three places of a JSON text; what Python cannot write is put in as text."""
    whole = [json.loads(content)]
    for _ in range(chance.choice((1, 1, 2, 3))):
        path = (0, *chance.choice(_places_of(whole[0])))
        holder: Any = whole
        for key in path[:-1]:
            holder = holder[key]
        chance.choice(_CHANGES)(chance, holder, path[-1])
        if not whole:
            whole = [None]
    written = json.dumps(whole[0], ensure_ascii=chance.random() < 0.7)
    return written.encode("utf-8", "surrogatepass").replace(_RAW, chance.choice(ODD_JSON))


def alter(chance: random.Random, content: bytes) -> bytes:
    """Alter a JSON text as JSON, or as bytes; one that is no JSON as bytes."""
    try:
        return alter_json(chance, content) if chance.random() < 0.65 else alter_bytes(chance, content)
    except (ValueError, RecursionError):
        return alter_bytes(chance, content)


_RAW = b'"@odd@"'
_MEMBERS = ("id", "extension", "_value", "item", "answer", "__proto__", "\x00")


def _places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, one in inside for each in _places_of(one, (*path, key)))]


def _replace(chance: random.Random, holder: Any, key: Any) -> None:
    holder[key] = chance.choice(ODD_VALUES)


def _rewrite(chance: random.Random, holder: Any, key: Any) -> None:
    holder[key] = chance.choice(ODD_TEXT)


def _remove(_: random.Random, holder: Any, key: Any) -> None:
    del holder[key]


def _wrap(_: random.Random, holder: Any, key: Any) -> None:
    holder[key] = [holder[key], json.loads(json.dumps(holder[key]))]


def _add(chance: random.Random, holder: Any, key: Any) -> None:
    if isinstance(holder[key], dict):
        holder[key][chance.choice(_MEMBERS)] = chance.choice(ODD_VALUES)
    elif isinstance(holder[key], list):
        holder[key].extend(holder[key][:1] * chance.choice((1, 3, 300)))


def _write_raw(_: random.Random, holder: Any, key: Any) -> None:
    holder[key] = "@odd@"


def _garble(chance: random.Random, holder: Any, key: Any) -> None:
    if isinstance(holder[key], str):
        text = alter_bytes(chance, holder[key].encode("utf-8", "surrogatepass"))
        holder[key] = text.decode("utf-8", "replace")


_CHANGES: tuple[Callable[[random.Random, Any, Any], None], ...] = (
    _replace,
    _rewrite,
    _remove,
    _wrap,
    _add,
    _write_raw,
    _garble,
    _garble,
)
