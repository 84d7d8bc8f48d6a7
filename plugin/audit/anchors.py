"""Checkpoints that others vouch for, kept beside the log: time-stamped (RFC 3161) or cosigned by a witness.

In the folder `kept` of the log: `<size>-<root>.checkpoint`, the signed note with its cosignatures, and `<size>-<root>.tsr`, the
answer of a time-stamping authority over that checkpoint's signed text and the log's own signature.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plugin.transparency import Checkpoint, open_checkpoint
from plugin.transparency.cosignatures import split_note, with_cosignatures
from plugin.transparency.tiles import write_durably

FOLDER = "kept"


@dataclass(frozen=True, slots=True)
class Anchor:
    """One kept checkpoint; `stamp` is the time-stamp over it, if there is one."""

    name: str
    note: bytes
    stamp: bytes | None


class Anchors:
    """The kept checkpoints of the log in a folder."""

    def __init__(self, log_folder: Path) -> None:
        self._folder = log_folder / FOLDER

    def keep(self, note: bytes, verifier_key: str, *, cosignatures: tuple[str, ...] = ()) -> str:
        """Keep a checkpoint, with further signature lines; gives its name. CheckpointInvalid if it is not this log's."""
        name = _name(open_checkpoint(note, verifier_key))
        path = self._folder / f"{name}.checkpoint"
        known = split_note(path.read_bytes())[1] if path.exists() else []
        write_durably(path, with_cosignatures(note, [*known, *cosignatures]))
        return name

    def keep_stamp(self, name: str, stamp: bytes) -> None:
        """Keep the time-stamp of a kept checkpoint; an earlier one stands."""
        path = self._folder / f"{name}.tsr"
        if not path.exists():
            write_durably(path, stamp)

    def all(self) -> Iterator[Anchor]:
        """Give every kept checkpoint, oldest first; a stamp whose checkpoint is gone has an empty one."""
        names = {each.stem for suffix in ("checkpoint", "tsr") for each in self._folder.glob(f"*.{suffix}")}
        for name in sorted(names, key=_order):
            note, stamp = (self._folder / f"{name}.{suffix}" for suffix in ("checkpoint", "tsr"))
            yield Anchor(
                name,
                note.read_bytes() if note.exists() else b"",
                stamp.read_bytes() if stamp.exists() else None,
            )


def stamped(note: bytes, verifier_key: str) -> bytes:
    """Give what a time-stamp is over: the checkpoint with the log's signature, without those of witnesses."""
    checkpoint = open_checkpoint(note, verifier_key)
    text, lines = split_note(note)
    own = [line for line in lines if line.startswith(f"— {checkpoint.origin} ")]
    return with_cosignatures(f"{text}\n".encode(), own)


def _name(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.size}-{checkpoint.root.hex()[:16]}"


def _order(name: str) -> tuple[int, str]:
    size = name.partition("-")[0]
    return (int(size) if size.isdecimal() else 0, name)
