"""Rescoring of files: ranges of bytes given to processes, each range's results complete or absent, and so resumable."""

import gzip
import hashlib
import importlib.util
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from plugin.errors import SettingsInvalid
from plugin.observations.bulk import observations_of
from plugin.scores import Key
from plugin.scores.bulk import Scored, SetAside, batches, schema, score_lines
from plugin.stock import open_stock
from questionnaires import Catalogue

_RANGE_BYTES = 16 * 1024 * 1024
_LINES_AT_ONCE = 2_000
_SUFFIXES = (".ndjson", ".ndjson.gz")
_out = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be rescored, into which folder, by how many processes (0: one for each core), with which instruments."""

    inputs: tuple[Path, ...]
    out: Path
    workers: int
    wording: Path | None
    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file from a line's beginning on; a compressed file is one range."""

    file: Path
    begin: int
    end: int
    name: str


class Counts(msgspec.Struct):
    """What became of the lines of a range."""

    lines: int = 0
    scored: int = 0
    scores: int = 0
    not_computed: int = 0
    set_aside: int = 0
    reasons: dict[str, int] = {}

    def add(self, other: "Counts") -> None:
        """Add another range's counts."""
        for name in ("lines", "scored", "scores", "not_computed", "set_aside"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons = dict(Counter(self.reasons) + Counter(other.reasons))


def run(job: Job) -> bool:
    """Rescore with processes; True if lines were set aside."""
    ranges = list(find_ranges(job.inputs))
    for folder in ("observations", "scores", "set-aside", "done"):
        (job.out / folder).mkdir(parents=True, exist_ok=True)
    total = Counts()
    waiting = []
    for each in ranges:
        done = job.out / "done" / f"{each.name}.json"
        if done.exists():
            total.add(msgspec.json.decode(done.read_bytes(), type=Counts))
        else:
            waiting.append(each)
    columns = (TextColumn("rescoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_out, disable=not _out.is_terminal) as bar:
        task = bar.add_task("", total=len(ranges), completed=len(ranges) - len(waiting))
        for counts in _results(job, waiting):
            total.add(counts)
            bar.advance(task)
    _tell(job, total, resumed=len(ranges) - len(waiting), ranges=len(ranges))
    return total.set_aside > 0


def _results(job: Job, waiting: list[Range]) -> Iterator[Counts]:
    workers = job.workers or os.cpu_count() or 1
    if workers == 1 or len(waiting) < 2:
        yield from (_rescore_range(job, each) for each in waiting)
        return
    with ProcessPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(_rescore_range, job, each) for each in waiting]):
            yield future.result()


def find_ranges(inputs: tuple[Path, ...]) -> Iterator[Range]:
    """Cut the files into ranges that begin and end between lines; SettingsInvalid if there is no such file."""
    files: list[Path] = []
    for path in inputs:
        found = (
            sorted(each for each in path.rglob("*") if each.name.endswith(_SUFFIXES))
            if path.is_dir()
            else [path]
        )
        files += found
    if not files or any(not file.is_file() for file in files):
        missing = (
            ", ".join(str(path) for path in inputs if not path.exists()) or "no .ndjson file in the folder"
        )
        raise SettingsInvalid(f"There is nothing to rescore: {missing}.", "Name the files of the export.")
    for file in files:
        size = file.stat().st_size
        if file.name.endswith(".gz"):
            yield Range(file, 0, size, _name(file, 0, size))
            continue
        begin = 0
        with file.open("rb") as opened:
            while begin < size:
                opened.seek(min(begin + _RANGE_BYTES, size))
                opened.readline()
                end = opened.tell()
                yield Range(file, begin, end, _name(file, begin, end))
                begin = end


def _name(file: Path, begin: int, end: int) -> str:
    """Name a range so that an altered file makes another name."""
    stamp = f"{file.resolve()}\n{file.stat().st_size}\n{file.stat().st_mtime_ns}\n{begin}\n{end}"
    return f"{file.name.partition('.')[0]}-{begin:012}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"


@cache
def _instruments(wording: Path | None, folders: tuple[Path, ...]) -> tuple[Catalogue, Mapping[str, Key]]:
    stock = open_stock(wording=wording, places=folders)
    return stock.catalogue, stock.keys


def _rescore_range(job: Job, each: Range) -> Counts:
    catalogue, keys = _instruments(job.wording, job.folders)
    counts = Counts()
    with _Results(job.out, each) as results:
        number = _lines_before(each)
        try:
            for lines in _chunks(each):
                found = list(score_lines(lines, catalogue, keys, first=number + 1))
                number += len(lines)
                counts.lines += len(found)
                scored = [one for one in found if isinstance(one, Scored)]
                _count(counts, scored)
                results.write(scored)
                _set_aside(found, counts, results)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            # What could be decompressed is scored; from here on nothing is known of the file's lines.
            rest = SetAside(number + 1, b"", f"UnreadableFile: the compressed data are broken here ({error})")
            _set_aside([rest], counts, results)
        results.finish(counts)
    return counts


def _set_aside(found: Iterable[Scored | SetAside], counts: Counts, results: "_Results") -> None:
    for one in found:
        if isinstance(one, SetAside):
            counts.set_aside += 1
            reason = one.reason.partition(":")[0]
            counts.reasons[reason] = counts.reasons.get(reason, 0) + 1
            results.set_aside(one)


def _count(counts: Counts, scored: list[Scored]) -> None:
    counts.scored += len(scored)
    for one in scored:
        counts.scores += len(one.scores)
        counts.not_computed += sum(score.value is None for score in one.scores)


def _lines_before(each: Range) -> int:
    """Count the lines of the file before a range: a line is named by its number in the whole file."""
    if each.begin == 0:
        return 0
    left, count = each.begin, 0
    with each.file.open("rb") as file:
        while left:
            block = file.read(min(left, 1 << 20))
            count += block.count(b"\n")
            left -= len(block)
    return count


def _chunks(each: Range) -> Iterator[list[bytes]]:
    if each.file.name.endswith(".gz"):
        yield from _decompressed(each.file)
        return
    with each.file.open("rb") as file:
        file.seek(each.begin)
        while file.tell() < each.end:
            yield _lines_until(file, each.end)


def _decompressed(path: Path) -> Iterator[list[bytes]]:
    """Give the lines of a compressed file; of a broken one those before the break, and then its error."""
    waiting: list[bytes] = []
    with gzip.open(path, "rb") as file:
        try:
            for line in file:
                waiting.append(line)
                if len(waiting) >= _LINES_AT_ONCE:
                    yield waiting
                    waiting = []
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield waiting
            raise
    yield waiting


def _lines_until(file: BinaryIO, end: int) -> list[bytes]:
    lines: list[bytes] = []
    while len(lines) < _LINES_AT_ONCE and file.tell() < end:
        lines.append(file.readline())
    return lines


class _Results:
    """The files of one range, written aside and renamed when all of it is done; `done/` last."""

    def __init__(self, out: Path, each: Range) -> None:
        self._file = str(each.file)
        self._places = {
            "observations": out / "observations" / f"{each.name}.ndjson",
            "set-aside": out / "set-aside" / f"{each.name}.ndjson",
            "scores": out / "scores" / f"{each.name}.parquet",
        }
        self._done = out / "done" / f"{each.name}.json"
        self._parquet: Any = None

    def __enter__(self) -> "_Results":
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
        record = {"file": self._file, "line": one.number, "reason": one.reason, "content": text}
        self._set_aside.write(msgspec.json.encode(record) + b"\n")

    def finish(self, counts: Counts) -> None:
        """Make the results visible, and then say that the range is done."""
        self.__exit__()
        for place in self._places.values():
            if _aside(place).exists():
                _aside(place).replace(place)
        _aside(self._done).write_bytes(msgspec.json.encode(counts))
        _aside(self._done).replace(self._done)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _tell(job: Job, total: Counts, *, resumed: int, ranges: int) -> None:
    lines = [f"{total.lines} lines: {total.scored} responses scored, {total.set_aside} set aside."]
    lines.append(
        f"{total.scores} scores, of which {total.not_computed} could not be computed (the reason is beside each)."
    )
    lines += [f"  set aside, {reason}: {count}" for reason, count in sorted(total.reasons.items())]
    if resumed:
        lines.append(f"{resumed} of {ranges} ranges had been done before.")
    if importlib.util.find_spec("pyarrow") is None:
        lines.append("Scores were not written as Parquet: install rapport-fhir[bulk].")
    lines.append(f"Results: {job.out}")
    _out.print("\n".join(lines), highlight=False)


def run_on_spark(
    inputs: Sequence[str], out: str, wording: Path | None = None, folders: tuple[Path, ...] = ()
) -> bool:
    """Rescore with Apache Spark: the same function in `mapInArrow`; True if lines were set aside.

    `inputs` and `out` are addresses as Spark takes them (hdfs://…, s3a://…), or paths.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise SettingsInvalid("PySpark is not installed.", "Install it: pip install 'rapport-fhir[spark]'")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from plugin.commands.spark import rescore_on_spark

    scored, aside = rescore_on_spark(inputs, out, wording, folders)
    _out.print(f"{scored} scores written, {aside} lines set aside. Results: {out}", highlight=False)
    return aside > 0
