"""Fetches forms from FHIR servers by canonical address and version, and keeps them on disk, pinned by their content.

A version that was fetched once stays what it was: a server that has other content under it now is not followed.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import msgspec

from plugin.asking import FetchFailed, ask_form, content_hash, read_tree
from plugin.instrument_sections import OwnForms, Pinned
from questionnaires import LeftOut, Problem

_as_sent = msgspec.json.Encoder(decimal_format="number")


class _Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    canonical: str
    server: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The fetched forms that may be used, and those that may not, with the reason."""

    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


async def fetch_missing(forms: OwnForms, http: httpx.AsyncClient) -> Kept:
    """Fetch what is not stored yet; a form that cannot be had is left out."""
    failed: dict[str, FetchFailed] = {}
    for each in forms.pinned:
        try:
            if not is_stored(forms.store, each):
                await fetch(forms.store, each, http)
        except FetchFailed as error:
            failed[each.id] = error
    return read_kept(forms, failed)


def read_kept(forms: OwnForms, failed: Mapping[str, FetchFailed] = MappingProxyType({})) -> Kept:
    """Give the stored forms whose content is what was pinned, without asking any server; `failed` are known to be unusable."""
    files, left_out = [], []
    for each in forms.pinned:
        error = failed.get(each.id) or _find_failure(forms.store, each)
        if error is None:
            files.append(_files(forms.store, each)[0])
        else:
            problem = Problem(error.what_happened.rstrip("."), error.what_to_do.rstrip("."))
            left_out.append(LeftOut(f"{each.id} ({each.canonical})", (problem,)))
    return Kept(tuple(files), tuple(left_out))


def _find_failure(store: Path | None, form: Pinned) -> FetchFailed | None:
    try:
        if is_stored(store, form):
            return None
    except FetchFailed as error:
        return error
    return FetchFailed(f"{form.canonical} was not fetched yet.", "Run `rapport instruments fetch`.")


def is_stored(store: Path | None, form: Pinned) -> bool:
    """Tell whether a form is stored in the wanted version; FetchFailed if what is stored is not what was pinned."""
    file, pin_file = _files(store, form)
    pin = _read_pin(pin_file)
    if pin is None or pin.canonical != form.canonical or not file.is_file():
        return False
    if content_hash(read_tree(file.read_bytes())) != pin.sha256:
        raise FetchFailed(
            f"{file.name} was changed after it was fetched: its content is not the pinned sha256:{pin.sha256[:12]}.",
            f"Delete {file.name}, then run `rapport instruments fetch` to have it again as its server has it.",
        )
    return True


async def fetch(store: Path | None, form: Pinned, http: httpx.AsyncClient) -> str:
    """Fetch a form, store it and give its hash; FetchFailed if the server has none, or other content than was pinned."""
    file, pin_file = _files(store, form)
    tree = await ask_form(form, http)
    digest = content_hash(tree)
    pin = _read_pin(pin_file)
    if pin is not None and pin.canonical == form.canonical and pin.sha256 != digest:
        raise FetchFailed(
            f"{form.server} now has other content under {form.canonical}: sha256:{digest[:12]}, "
            f"and sha256:{pin.sha256[:12]} was pinned. A version must not change: answers would no longer fit their key.",
            f"Ask its publisher for a new version. To take the new content all the same, delete {pin_file.name}.",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    if pin is not None and _is_other_version(pin.canonical, form.canonical):
        _set_aside(file, pin.canonical)
    _replace(file, msgspec.json.format(_as_sent.encode(tree)))
    _replace(pin_file, msgspec.json.encode(_Pin(form.canonical, form.server, digest)))
    return digest


def _is_other_version(kept: str, wanted: str) -> bool:
    return kept != wanted and kept.partition("|")[0] == wanted.partition("|")[0]


def _set_aside(file: Path, canonical: str) -> None:
    """Keep the version that was fetched before: what was begun by it goes on, and its scores can be computed again."""
    version = re.sub(r"[^A-Za-z0-9.]+", "-", canonical.partition("|")[2])
    place = file.parent / "earlier" / file.stem
    place.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another process was first
        file.replace(place / f"{version}.json")


def _read_pin(file: Path) -> _Pin | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Pin)
    except (OSError, msgspec.MsgspecError):
        return None


def _files(store: Path | None, form: Pinned) -> tuple[Path, Path]:
    folder = store or Path()
    return folder / f"{form.id}.json", folder / f"{form.id}.pin"


def _replace(file: Path, data: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_bytes(data)
    aside.replace(file)
