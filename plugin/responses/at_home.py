"""References into one's own EHR, written in one form: `Type/id`, however they came."""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from plugin.responses.resource import Head

_REFERENCE = re.compile(
    r"((?i:https?)://[^?#\s]+/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
# No user, no port that is none, no sign by which one reader sees another host than the next does.
_BASE = re.compile(
    r"(https?)://([a-z0-9.\-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]*))?(/.*)", re.IGNORECASE | re.ASCII
)
_USUAL = {"http": "80", "https": "443"}
_OWN = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
_H = TypeVar("_H", bound=Head)


def own_reference(reference: str, home: str | None) -> str:
    """Give a reference into the EHR with the base `home` as `Type/id`; any other stays as it is."""
    found = _REFERENCE.fullmatch(reference)
    return found[2] if found is not None and _is_home(found[1], home) else reference


def is_own(reference: str) -> bool:
    """Tell whether a reference that `own_reference` gave is into one's own EHR: `Type/id`."""
    return _OWN.fullmatch(reference) is not None


def _is_home(base: str | None, home: str | None) -> bool:
    """Tell whether a base is that of the EHR: none, or its own, with scheme and host in any case and the usual port left out or not."""
    if base is None:
        return True
    return home is not None and _told_apart(base) == _told_apart(f"{home.removesuffix('/')}/")


def _told_apart(base: str) -> tuple[str, str, str, str]:
    """Give what tells one server's base from another's; what is written in no usual way is only ever itself."""
    parts = _BASE.fullmatch(base)
    if parts is None:
        return ("", "", "", base)
    scheme, host, port, path = parts[1].lower(), parts[2].lower(), parts[3], parts[4]
    return (scheme, host, port or _USUAL[scheme], path)


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
