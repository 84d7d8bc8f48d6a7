"""The folder that a rescoring fills: one run at a time, by one set of instruments, each range's results whole or absent."""

import fcntl
import hashlib
import importlib.util
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from plugin import __version__
from plugin.errors import SettingsInvalid
from plugin.observations.bulk import observations_of
from plugin.scores.bulk import Scored, SetAside, batches, schema
from questionnaires import Catalogue

_KINDS = {"observations": "ndjson", "set-aside": "ndjson", "scores": "parquet", "done": "json"}
_ELSEWHERE = "Name another folder with --out, or remove this one."


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file from a line's beginning on; a compressed file is one range."""

    file: Path
    begin: int
    end: int
    name: str


class Counts(msgspec.Struct):
    """What became of the lines of a range of a file."""

    lines: int = 0
    scored: int = 0
    scores: int = 0
    not_computed: int = 0
    set_aside: int = 0
    reasons: dict[str, int] = {}
    others: dict[str, int] = {}
    file: str = ""

    def add(self, other: "Counts") -> None:
        """Add another range's counts."""
        for name in ("lines", "scored", "scores", "not_computed", "set_aside"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons = dict(Counter(self.reasons) + Counter(other.reasons))
        self.others = dict(Counter(self.others) + Counter(other.others))


class _Basis(msgspec.Struct):
    """By what the results of a folder were computed: results by another are not mixed with them."""

    rapport: str
    instruments: str


@contextmanager
def claim(out: Path, catalogue: Catalogue) -> Iterator[None]:
    """Hold the folder for one run; SettingsInvalid if another run holds it, or if it has results by other instruments."""
    for kind in _KINDS:
        (out / kind).mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsInvalid(
                f"Another run is at work in {out}.", "Wait for it, or name another folder with --out."
            ) from None
        _check_basis(out, catalogue)
        yield


def _check_basis(out: Path, catalogue: Catalogue) -> None:
    hashes = sorted(f"{each.canonical} {each.content_hash}" for each in catalogue.versions())
    basis = _Basis(__version__, hashlib.sha256("\n".join(hashes).encode()).hexdigest())
    place = out / "basis.json"
    if not place.exists():
        write_whole(place, msgspec.json.encode(basis))
        return
    try:
        found = msgspec.json.decode(place.read_bytes(), type=_Basis)
    except msgspec.MsgspecError:
        raise SettingsInvalid(f"{place} cannot be read.", _ELSEWHERE) from None
    if found != basis:
        other = "other instruments" if found.rapport == __version__ else f"Rapport {found.rapport}"
        raise SettingsInvalid(f"{out} has results by {other}, which would be mixed.", _ELSEWHERE)


def read_done(out: Path, each: Range) -> Counts | None:
    """Give what became of a range that is done; None if it is not."""
    try:
        return msgspec.json.decode((out / "done" / f"{each.name}.json").read_bytes(), type=Counts)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise SettingsInvalid(
            f"{out / 'done'}/{each.name}.json cannot be read: {error}.", _ELSEWHERE
        ) from None


def drop_superseded(out: Path, ranges: list[Range]) -> int:
    """Remove the results of files that have changed since, which would stand beside those of the files as they are now."""
    files, names = {str(each.file.resolve()) for each in ranges}, {each.name for each in ranges}
    old = [
        place.stem
        for place in (out / "done").glob("*.json")
        if place.stem not in names and msgspec.json.decode(place.read_bytes(), type=Counts).file in files
    ]
    for name in old:
        for kind in ("done", "observations", "set-aside", "scores"):  # what is not done is written again
            _place(out, kind, name).unlink(missing_ok=True)
    return len(old)


class Results:
    """The files of one range, written aside and renamed when all of it is done; `done/` last."""

    def __init__(self, out: Path, each: Range) -> None:
        self._file = each.file
        self._places = {kind: _place(out, kind, each.name) for kind in _KINDS}
        self._parquet: Any = None

    def __enter__(self) -> "Results":
        self._observations = _aside(self._places["observations"]).open("wb")
        self._set_aside = _aside(self._places["set-aside"]).open("wb")
        if importlib.util.find_spec("pyarrow") is not None:
            from pyarrow import parquet

            self._parquet = parquet.ParquetWriter(
                _aside(self._places["scores"]), schema(), compression="zstd"
            )
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._observations, self._set_aside, self._parquet):
            if file is not None:
                file.close()

    def write(self, scored: list[Scored]) -> None:
        """Write the Observations and the rows of some responses."""
        for one in scored:
            self._observations.writelines(body + b"\n" for body in observations_of(one))
        if self._parquet is not None:
            for batch in batches(scored):
                self._parquet.write_batch(batch)

    def set_aside(self, one: SetAside) -> None:
        """Write a line that could not be scored, with its place and reason."""
        text = one.line.decode("utf-8", "replace")
        record = {"file": str(self._file), "line": one.number, "reason": one.reason, "content": text}
        self._set_aside.write(msgspec.json.encode(record) + b"\n")

    def finish(self, counts: Counts) -> None:
        """Make the results visible, and then say that the range is done."""
        self.__exit__()
        for kind in ("observations", "set-aside", "scores"):
            if _aside(self._places[kind]).exists():
                _aside(self._places[kind]).replace(self._places[kind])
        counts.file = str(self._file.resolve())
        write_whole(self._places["done"], msgspec.json.encode(counts))


def write_whole(place: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    _aside(place).write_bytes(data)
    _aside(place).replace(place)


def _place(out: Path, kind: str, name: str) -> Path:
    return out / kind / f"{name}.{_KINDS[kind]}"


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
