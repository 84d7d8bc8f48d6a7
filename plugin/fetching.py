"""Fetches forms from FHIR servers by canonical address and version, and keeps them on disk, pinned by their content.

A version that was fetched once stays what it was: a server that has other content under it now is not followed.
"""

import hashlib
import os
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
    earlier: tuple[
        tuple[str, Path], ...
    ] = ()  # id and file of versions that were fetched before: what was begun goes on


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
    files, left_out, earlier = [], [], []
    for each in forms.pinned:
        error = failed.get(each.id) or _find_failure(forms.store, each)
        if error is None:
            files.append(_files(forms.store, each)[0])
        else:
            problem = Problem(error.what_happened.rstrip("."), error.what_to_do.rstrip("."))
            left_out.append(LeftOut(f"{each.id} ({each.canonical})", (problem,)))
        for version in _versions_before(forms.store, each):
            if _is_as_pinned(version):
                earlier.append((each.id, version))
            else:
                problem = Problem(
                    _altered(version, _read_pin(version.with_suffix(".pin"))), "Put it back as it was"
                )
                left_out.append(LeftOut(str(version), (problem,)))
    return Kept(tuple(files), tuple(left_out), tuple(earlier))


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
            _altered(file, pin),
            f"Delete {file.name}, then run `rapport instruments fetch` to have it again as its server has it.",
        )
    return True


async def fetch(store: Path | None, form: Pinned, http: httpx.AsyncClient) -> str:
    """Fetch a form, store it and give its hash; FetchFailed if the server has none, or other content than was pinned."""
    file, pin_file = _files(store, form)
    tree = await ask_form(form, http)
    digest = content_hash(tree)
    pin = _read_pin(pin_file)
    again = _aside(file, form.canonical)  # where it stands if it was here before
    for known in (pin, _read_pin(again.with_suffix(".pin"))):
        if known is not None and known.canonical == form.canonical and known.sha256 != digest:
            raise FetchFailed(
                f"{form.server} now has other content under {form.canonical}: sha256:{digest[:12]}, "
                f"and sha256:{known.sha256[:12]} was pinned. A version must not change: answers would no longer fit their "
                "key.",
                f"Ask its publisher for a new version. To take the new content all the same, delete {pin_file.name}.",
            )
    file.parent.mkdir(parents=True, exist_ok=True)
    if pin is not None and pin.canonical != form.canonical and file.is_file():
        _set_aside(file, pin_file, pin)
    _replace(file, msgspec.json.format(_as_sent.encode(tree)))
    _replace(pin_file, msgspec.json.encode(_Pin(form.canonical, form.server, digest)))
    again.unlink(missing_ok=True)
    again.with_suffix(".pin").unlink(missing_ok=True)
    return digest


def _set_aside(file: Path, pin_file: Path, pin: _Pin) -> None:
    """Keep the version that was fetched before, with its pin: what was begun by it goes on, and its scores can be computed again.

    FetchFailed if it was altered meanwhile.
    """
    if not _is_as_pinned(file):
        raise FetchFailed(
            _altered(file, pin),
            f"Put {file.name} back as it was, or delete it: then nothing of that version goes on.",
        )
    aside = _aside(file, pin.canonical)
    aside.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another process was first
        aside.with_suffix(".pin").write_bytes(pin_file.read_bytes())
        file.replace(aside)


def _aside(file: Path, canonical: str) -> Path:
    """Name the place of an earlier version: another address is another form, with versions of its own."""
    return file.parent / "before" / file.stem / f"{hashlib.sha256(canonical.encode()).hexdigest()[:16]}.json"


def _versions_before(store: Path | None, form: Pinned) -> list[Path]:
    """Give the other versions of a form that are stored, the one that is wanted no more but not replaced yet included."""
    file, pin_file = _files(store, form)
    pin = _read_pin(pin_file)
    waits = [file] if pin is not None and pin.canonical != form.canonical and file.is_file() else []
    return [*waits, *sorted((file.parent / "before" / file.stem).glob("*.json"))]


def _is_as_pinned(file: Path) -> bool:
    pin = _read_pin(file.with_suffix(".pin"))
    try:
        return pin is not None and content_hash(read_tree(file.read_bytes())) == pin.sha256
    except (FetchFailed, OSError):
        return False


def _altered(file: Path, pin: _Pin | None) -> str:
    of = f" sha256:{pin.sha256[:12]}" if pin else ""
    return f"{file.name} was changed after it was fetched: its content is not the pinned{of}."


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
