"""References into one's own EHR, written in one form: `Type/id`, however they came."""

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from plugin.responses.resource import Head

_REFERENCE = re.compile(
    r"((?i:https?)://[^?#\s]+/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_USUAL = {"http": 80, "https": 443}
_H = TypeVar("_H", bound=Head)


def own_reference(reference: str, home: str | None) -> str:
    """Give a reference into the EHR with the base `home` as `Type/id`; any other stays as it is."""
    found = _REFERENCE.fullmatch(reference)
    if found is None or (found[1] is not None and (home is None or _base(found[1]) != _base(home))):
        return reference
    return found[2]


def _base(address: str) -> tuple[str, str | None, int | None, str]:
    """Give what tells one server's base from another's: scheme and host in any case, the usual port left out or not."""
    parts = urlsplit(address)
    try:
        port = parts.port or _USUAL.get(parts.scheme)
    except ValueError:  # no number
        return (address, None, None, "")
    return (parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def at_home(head: _H, home: str | None) -> _H:
    """Give what a response says of itself with its references into the EHR with the base `home` (None: not known) in one form.

    Those of basedOn and partOf stay as they are: nothing is built from them.
    """
    return _rewritten(head, lambda reference: own_reference(reference, home))


def as_kept(head: _H) -> _H:
    """Do so for a response that is kept: it was held against its EHR when it was taken, so every base is that one's."""
    return _rewritten(
        head, lambda reference: found[2] if (found := _REFERENCE.fullmatch(reference)) else reference
    )


def _rewritten(head: _H, write: Callable[[str], str]) -> _H:
    changed = {
        name: msgspec.structs.replace(named, reference=write(named.reference))
        for name in ("subject", "encounter", "source", "author")
        # `Type/id`, as nearly all are, has one slash.
        if (named := getattr(head, name)) is not None and named.reference and named.reference.count("/") > 1
    }
    return msgspec.structs.replace(head, **changed) if changed else head
