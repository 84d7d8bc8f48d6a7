"""What is known of kinds of EHR beyond what they declare (`vendors.toml`)."""

import tomllib
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec

from plugin.delivery.capability import Capability
from plugin.writing import WriterKind


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of EHR: how it is recognised, the writers that fit it, and what to ask."""

    name: str
    match: tuple[str, ...]
    writers: tuple[WriterKind, ...]
    note: str
    questions: tuple[str, ...]
    source: str
    page: str | None = None
    performer: str | None = None
    once: str | None = None  # what must be there before anything is taken, as a part of a sentence


class _File(msgspec.Struct):
    vendor: tuple[Vendor, ...]


@cache
def load_vendors() -> tuple[Vendor, ...]:
    """Read the table."""
    text = (files(__package__ or "plugin.doctor") / "vendors.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).vendor


def recognise(issuer: str, capability: Capability) -> Vendor | None:
    """Find the kind of EHR by what it calls itself, else by its host."""
    named = f"{capability.software} {capability.publisher}".lower()
    host = (urlsplit(issuer).hostname or "").lower()
    for said in (named, host):
        for vendor in load_vendors():
            if any(word in said for word in vendor.match):
                return vendor
    return None
