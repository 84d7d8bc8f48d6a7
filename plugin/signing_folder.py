"""The folder of signing keys: one private JWK a file, whose name says whether it signs or is only published.

`*.jwk.json` signs, `*.next.jwk.json` will, `*.old.jwk.json` did; all are published.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from plugin.errors import SettingsInvalid
from smart_launch import SigningKey, generate_key
from smart_launch.keys import Algorithm

_ENDING = ".jwk.json"


class KeyState(StrEnum):
    """What a key is used for."""

    SIGNS = "signs"
    NEXT = "published, not used yet"
    OLD = "published, not used any more"


_MARKS = {KeyState.NEXT: ".next", KeyState.OLD: ".old", KeyState.SIGNS: ""}


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key and where it lies."""

    path: Path
    key: SigningKey
    state: KeyState


def read_folder(folder: Path) -> tuple[KeyFile, ...]:
    """Read every key, those that sign first; SettingsInvalid if there is none, one cannot be used, or none signs."""
    paths = sorted(folder.glob(f"*{_ENDING}"))
    if not paths:
        raise SettingsInvalid(
            f"There is no *.jwk.json file in {folder}.", "Run `rapport init`, or copy the keys there."
        )
    found = [_read(path) for path in paths]
    kids = [each.key.kid for each in found]
    if len(set(kids)) < len(kids):
        raise SettingsInvalid(f"Two files in {folder} hold the same key.", "Remove one of them.")
    if not any(each.state is KeyState.SIGNS for each in found):
        raise SettingsInvalid(
            f"No key in {folder} signs: all are *.next or *.old.",
            "`rapport signing-keys use` makes one sign.",
        )
    return tuple(sorted(found, key=lambda each: each.state is not KeyState.SIGNS))


def add_key(folder: Path, algorithm: Algorithm) -> KeyFile:
    """Make a key that is published and does not sign yet."""
    key = generate_key(algorithm)
    path = folder / f"{algorithm.lower()}-{key.kid[:8]}{_MARKS[KeyState.NEXT]}{_ENDING}"
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(key.to_jwk(), encoding="utf-8")
    return KeyFile(path, replace(key, signs=False), KeyState.NEXT)


def use_key(folder: Path, kid: str) -> tuple[KeyFile, ...]:
    """Have a published key sign, and those of its algorithm that signed until now no more; gives what has changed."""
    found = read_folder(folder)
    chosen = _find(found, kid)
    before = [each for each in found if each.state is KeyState.SIGNS and each.key.alg == chosen.key.alg]
    if chosen in before:
        raise SettingsInvalid(f"{kid} signs already.", "Add another key first: rapport signing-keys add.")
    # The new one first: whatever is read in between, something signs, and everything is published.
    return (_mark(chosen, KeyState.SIGNS), *(_mark(each, KeyState.OLD) for each in before))


def retire_key(folder: Path, kid: str) -> None:
    """Delete a key; SettingsInvalid if it signs."""
    chosen = _find(read_folder(folder), kid)
    if chosen.state is KeyState.SIGNS:
        raise SettingsInvalid(f"{kid} signs.", "Have another key sign first: rapport signing-keys use.")
    chosen.path.unlink()


def _read(path: Path) -> KeyFile:
    stem = path.name.removesuffix(_ENDING)
    state = next(state for state, mark in _MARKS.items() if stem.endswith(mark))
    try:
        key = SigningKey.from_jwk(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise SettingsInvalid(
            f"The signing key {path} cannot be used: {str(error).rstrip('.')}.",
            "Put the file back as it was, or make a new key with `rapport signing-keys add`.",
        ) from None
    return KeyFile(path, replace(key, signs=state is KeyState.SIGNS), state)


def _find(found: Iterable[KeyFile], kid: str) -> KeyFile:
    chosen = next((each for each in found if each.key.kid == kid), None)
    if chosen is None:
        raise SettingsInvalid(f"There is no key {kid}.", "`rapport signing-keys list` shows those there are.")
    return chosen


def _mark(each: KeyFile, state: KeyState) -> KeyFile:
    stem = each.path.name.removesuffix(_ENDING).removesuffix(_MARKS[each.state] or "\0")
    path = each.path.with_name(f"{stem}{_MARKS[state]}{_ENDING}")
    if path.exists():
        raise SettingsInvalid(f"{path} exists already.", "Move it away first: no key is overwritten.")
    each.path.rename(path)
    return KeyFile(path, replace(each.key, signs=state is KeyState.SIGNS), state)
