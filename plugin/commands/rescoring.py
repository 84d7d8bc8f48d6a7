"""Rescoring of files: ranges of bytes given to processes, each range's results complete or absent, and so resumable."""

import gzip
import hashlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from plugin.commands.rescored_folder import Counts, Range, Results, claim, drop_superseded, read_done
from plugin.errors import RapportError, SettingsInvalid
from plugin.scores.bulk import OtherResource, Scored, SetAside, score_lines
from plugin.stock import Stock, describe_left_out, open_stock

_RANGE_BYTES = 16 * 1024 * 1024
_LINES_AT_ONCE = 2_000
_SUFFIXES = (".ndjson", ".ndjson.gz")
_out = Console(stderr=True)


class RescoringStopped(RapportError):
    """Something outside ended the work; what is done stays."""

    title = "Rescoring"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be rescored, into which folder, by how many processes (0: one for each core), with which instruments."""

    inputs: tuple[Path, ...]
    out: Path
    workers: int
    wording: Path | None
    folders: tuple[Path, ...]


def run(job: Job) -> bool:
    """Rescore with processes; True if lines were set aside.

    SettingsInvalid if there is nothing to rescore, if another run is at work in the folder, or if it has results by other
    instruments.
    """
    ranges = list(find_ranges(job.inputs))
    stock = _open_stock(job.wording, job.folders)  # before the processes are made, which then have it
    tell_left_out(stock)
    with claim(job.out, stock.catalogue):
        dropped = drop_superseded(job.out, ranges)
        total = Counts()
        waiting = []
        for each in ranges:
            if (done := read_done(job.out, each)) is None:
                waiting.append(each)
            else:
                total.add(done)
        columns = (TextColumn("rescoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=_out, disable=not _out.is_terminal) as bar:
            task = bar.add_task("", total=len(ranges), completed=len(ranges) - len(waiting))
            for counts in _results(job, waiting):
                total.add(counts)
                bar.advance(task)
    if dropped:
        _out.print(f"{dropped} ranges of files that have changed since were removed, and scored again.")
    _tell(job, total, resumed=len(ranges) - len(waiting), ranges=len(ranges))
    return total.set_aside > 0


def _results(job: Job, waiting: list[Range]) -> Iterator[Counts]:
    workers = job.workers or os.cpu_count() or 1
    if workers == 1 or len(waiting) < 2:
        yield from (_rescore_range(job, each) for each in waiting)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            for future in as_completed([pool.submit(_rescore_range, job, each) for each in waiting]):
                yield future.result()
        except BrokenProcessPool:
            raise RescoringStopped(
                "A process of the rescoring was ended from outside; that it had too little memory is likely.",
                "Run the same command again, with fewer --workers: it goes on where it stopped.",
            ) from None
        except BaseException:
            # What is under way is finished; what has not begun is left for the next run.
            pool.shutdown(cancel_futures=True)
            raise


def find_ranges(inputs: tuple[Path, ...]) -> Iterator[Range]:
    """Cut the files into ranges that begin and end between lines; SettingsInvalid if there is no such file."""
    files: list[Path] = []
    for path in (each.resolve() if each.exists() else each for each in inputs):
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
    # A file may be named twice, or by itself and by its folder.
    for file in dict.fromkeys(files):
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
def _open_stock(wording: Path | None, folders: tuple[Path, ...]) -> Stock:
    return open_stock(wording=wording, places=folders)


def tell_left_out(stock: Stock) -> None:
    """Say which instruments and wording packs cannot be used; the responses to them are set aside."""
    for said in describe_left_out(stock.left_out):
        _out.print(f"left out: {said}", highlight=False, markup=False, soft_wrap=True)


def _rescore_range(job: Job, each: Range) -> Counts:
    stock = _open_stock(job.wording, job.folders)
    counts = Counts()
    with Results(job.out, each) as results:
        number = _lines_before(each)
        try:
            for lines in _chunks(each):
                found = list(score_lines(lines, stock.catalogue, stock.keys, first=number + 1))
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


def _set_aside(found: Iterable[Scored | SetAside | OtherResource], counts: Counts, results: Results) -> None:
    for one in found:
        if isinstance(one, OtherResource):
            counts.others[one.kind] = counts.others.get(one.kind, 0) + 1
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


def _tell(job: Job, total: Counts, *, resumed: int, ranges: int) -> None:
    lines = [f"{total.lines} lines: {total.scored} responses scored, {total.set_aside} set aside."]
    lines.append(
        f"{total.scores} scores, of which {total.not_computed} could not be computed (the reason is beside each)."
    )
    lines += [f"  set aside, {reason}: {count}" for reason, count in sorted(total.reasons.items())]
    if total.others:
        lines.append(tell_others(total.others))
    if resumed:
        lines.append(f"{resumed} of {ranges} ranges had been done before.")
    if importlib.util.find_spec("pyarrow") is None:
        lines.append("Scores were not written as Parquet: install rapport-fhir[bulk].")
    lines.append(f"Results: {job.out}")
    _out.print("\n".join(lines), highlight=False)


def tell_others(others: Mapping[str, int]) -> str:
    """Say which other resources stood in the export, and how many."""
    counts = ", ".join(f"{kind} {many}" for kind, many in sorted(others.items()))
    return f"{counts}: not responses, left out."


def run_on_spark(
    inputs: Sequence[str], out: str, wording: Path | None = None, folders: tuple[Path, ...] = ()
) -> bool:
    """Rescore with Apache Spark: the same function in `mapInArrow`; True if lines were set aside.

    `inputs` and `out` are addresses as Spark takes them (hdfs://…, s3a://…), or paths.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise SettingsInvalid("PySpark is not installed.", "Install it: pip install 'rapport-fhir[spark]'")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    tell_left_out(_open_stock(wording, folders))
    from plugin.commands.spark import rescore_on_spark

    scored, aside, others = rescore_on_spark(inputs, out, wording, folders)
    if others:
        _out.print(tell_others(others), highlight=False)
    _out.print(f"{scored} scores written, {aside} lines set aside. Results: {out}", highlight=False)
    return aside > 0
