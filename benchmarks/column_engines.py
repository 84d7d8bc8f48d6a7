"""How fast responses become scores in column engines, beside Rapport's rescoring, in one run on one machine.

Run: python -m benchmarks.column_engines [responses] (uv run --group benchmarks). A file of NDJSON with a 12-item form, two reversed,
three subscales and a total, no score where an answer is missing. Each engine reads the file and gives the four scores of every
response; their sums and counts must be equal. Every engine has all cores, the first pass is thrown away, the median of the rest counts. CPU seconds, summed over
processes and threads, are what other work on the machine does not disturb.

What the engines do less: they trust that the JSON is FHIR, that a code is one of the form's, that every item stands there once, and
that the weight which the response itself states is the form's. Rapport checks each of these and takes the weight from the form.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.bulk_scoring import FORM
from plugin.responses.resource import Response
from plugin.scores import Key
from plugin.scores.bulk import Scored, compile_keys, score_lines
from questionnaires import Catalogue, load_catalogue
from questionnaires.datatypes import decoder
from tests.scores.test_equality import random_response

_PASSES = 3
_SCALES = {
    "total": tuple(f"item-{number}" for number in range(1, 13)),
    "task": ("item-1", "item-2", "item-8", "item-12"),
    "bond": ("item-3", "item-5", "item-7", "item-9"),
    "goal": ("item-4", "item-6", "item-10", "item-11"),
}
_REVERSED = ("item-4", "item-10")
Sums = dict[str, tuple[int, int]]  # scale: how many have it, their sum
Found = tuple[Sums, float]  # and the CPU seconds of other processes


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of the file, from a line's beginning to a line's end."""

    file: Path
    begin: int
    end: int

    def lines(self) -> list[bytes]:
        """Read it."""
        with self.file.open("rb") as file:
            file.seek(self.begin)
            return file.read(self.end - self.begin).splitlines()


def parts(path: Path, size: int = 4 << 20) -> Iterator[Part]:
    """Cut the file between lines."""
    whole, begin = path.stat().st_size, 0
    with path.open("rb") as file:
        while begin < whole:
            file.seek(min(begin + size, whole))
            file.readline()
            yield Part(path, begin, file.tell())
            begin = file.tell()


def decode_only(path: Path) -> Found:
    """The bound: strict typed decode in a process for each core, and nothing else."""
    return {}, sum(_pool().map(_decode, parts(path)))


@cache
def _pool() -> ProcessPoolExecutor:
    """One for all passes: what it costs to start is in the first pass, as an engine's own start is."""
    return ProcessPoolExecutor(os.cpu_count())


def _decode(part: Part) -> float:
    begun = time.process_time()
    decode = decoder(Response).decode
    for line in part.lines():
        decode(line)
    return time.process_time() - begun


def rapport(path: Path) -> Found:
    """`score_lines` in a process for each core, as `rapport rescore` does."""
    found: Sums = {}
    took = 0.0
    for sums, cpu in _pool().map(_score, parts(path)):
        took += cpu
        for name, (count, total) in sums.items():
            before = found.get(name, (0, 0))
            found[name] = (before[0] + count, before[1] + total)
    return found, took


@cache
def _stock() -> tuple[Catalogue, Mapping[str, Key]]:
    catalogue = load_catalogue()
    return catalogue, compile_keys(catalogue)


def _score(part: Part) -> Found:
    catalogue, keys = _stock()
    begun = time.process_time()
    found: Sums = {}
    for one in score_lines(part.lines(), catalogue, keys):
        assert isinstance(one, Scored)
        for score in one.scores:
            name = score.link_id.removeprefix("score-")
            count, total = found.get(name, (0, 0))
            found[name] = (count, total) if score.value is None else (count + 1, total + int(score.value))
    return found, time.process_time() - begun


def duckdb(path: Path) -> Found:
    """Unnest and group, in SQL."""
    import duckdb

    shape = "STRUCT(linkId VARCHAR, answer STRUCT(valueCoding STRUCT(code VARCHAR))[])[]"
    backwards = ", ".join(f"'{each}'" for each in _REVERSED)
    scales = ", ".join(
        f"CASE WHEN count(v) FILTER (link IN {items}) = {len(items)} THEN sum(v) FILTER (link IN {items}) END AS {name}"
        for name, items in _SCALES.items()
    )
    sums = ", ".join(f"count({name}), sum({name})::BIGINT" for name in _SCALES)
    query = f"""
        WITH response AS (SELECT id, unnest(item) AS i FROM read_ndjson(?, columns = {{id: 'VARCHAR', item: '{shape}'}})),
        answer AS (SELECT id, i.linkId AS link, i.answer[1].valueCoding.code::INT AS c FROM response),
        weight AS (SELECT id, link, CASE WHEN link IN ({backwards}) THEN 8 - c ELSE c END AS v FROM answer),
        score AS (SELECT id, {scales} FROM weight GROUP BY id)
        SELECT {sums} FROM score"""
    row = duckdb.execute(query, [str(path)]).fetchone()
    assert row is not None
    return {name: (row[2 * place], row[2 * place + 1]) for place, name in enumerate(_SCALES)}, 0.0


def polars(path: Path) -> Found:
    """Explode and group, lazily, by the streaming engine."""
    import polars as pl

    answer = pl.Struct({"valueCoding": pl.Struct({"code": pl.String})})
    item = pl.Struct({"linkId": pl.String, "answer": pl.List(answer)})
    code = pl.col("answer").list.first().struct.field("valueCoding").struct.field("code").cast(pl.Int32)
    value = pl.when(pl.col("linkId").is_in(_REVERSED)).then(8 - code).otherwise(code)
    scales = []
    for name, items in _SCALES.items():
        of_scale = pl.col("v").filter(pl.col("linkId").is_in(items))
        scales.append(pl.when(of_scale.count() == len(items)).then(of_scale.sum()).alias(name))
    scores = (
        pl.scan_ndjson(path, schema={"id": pl.String, "item": pl.List(item)})
        .explode("item")
        .unnest("item")
        .select("id", "linkId", value.alias("v"))
        .group_by("id")
        .agg(scales)
    )
    sums = [pl.col(name).count().alias(f"{name}-n") for name in _SCALES]
    found = (
        scores.select(*sums, pl.col(*_SCALES).cast(pl.Int64).sum())
        .collect(engine="streaming")
        .row(0, named=True)
    )
    return {name: (found[f"{name}-n"], found[name]) for name in _SCALES}, 0.0


def pyarrow(path: Path) -> Found:
    """Arrow's JSON reader in blocks, and numpy over its arrays."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import json as reader

    answer = pa.struct([("valueCoding", pa.struct([("code", pa.string())]))])
    item = pa.struct([("linkId", pa.string()), ("answer", pa.list_(answer))])
    parse = reader.ParseOptions(
        explicit_schema=pa.schema([("item", pa.list_(item))]), unexpected_field_behavior="ignore"
    )
    items = _SCALES["total"]
    backwards = np.array([each in _REVERSED for each in items])
    found = dict.fromkeys(_SCALES, (0, 0))
    blocks = reader.open_json(path, read_options=reader.ReadOptions(block_size=16 << 20), parse_options=parse)
    for batch in blocks:
        column = batch.column("item")
        rows, flat = pc.list_parent_indices(column), pc.list_flatten(column)
        places = pc.index_in(pc.struct_field(flat, "linkId"), value_set=pa.array(items))
        answers = pc.struct_field(flat, "answer")
        owners = pc.list_parent_indices(answers)
        codes = pc.cast(pc.struct_field(pc.list_flatten(answers), ["valueCoding", "code"]), pa.float64())
        values = np.full((batch.num_rows, len(items)), np.nan)
        values[rows.take(owners).to_numpy(), places.take(owners).to_numpy()] = codes.to_numpy(
            zero_copy_only=False
        )
        values[:, backwards] = 8 - values[:, backwards]
        for name, scale in _SCALES.items():
            sums = values[:, [items.index(each) for each in scale]].sum(axis=1)
            whole = ~np.isnan(sums)
            found[name] = (found[name][0] + int(whole.sum()), found[name][1] + int(sums[whole].sum()))
    return found, 0.0


ENGINES: dict[str, Callable[[Path], Found]] = {
    "strict typed decode alone": decode_only,
    "Rapport: lines to scores": rapport,
    "DuckDB": duckdb,
    "Polars": polars,
    "pyarrow and numpy": pyarrow,
}


def measure(engine: str, path: Path) -> None:
    """Run one engine in this process and print what it took."""
    times, cpus = [], []
    sums: Sums = {}
    for _ in range(_PASSES + 1):
        begun, cpu = time.perf_counter(), time.process_time()
        sums, elsewhere = ENGINES[engine](path)
        times.append(time.perf_counter() - begun)
        cpus.append(time.process_time() - cpu + elsewhere)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    wall, cpu = statistics.median(times[1:]), statistics.median(cpus[1:])
    print(json.dumps({"wall": wall, "cpu": cpu, "sums": sums, "peak": peak / 1024}))


def main(count: int) -> int:
    """Print a line an engine; 1 if their scores are not equal."""
    instrument, chance = load_catalogue().by_id(FORM), random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.ndjson"
        with path.open("wb") as file:
            for number in range(count):
                body = random_response(instrument, chance)
                file.write(b'{"id":"r%d",' % number + body[1:] + b"\n")
        size = path.stat().st_size
        print(
            f"{count} responses, {size / 1e6:.0f} MB, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
        )
        results = {}
        for engine in ENGINES:
            command = [sys.executable, "-m", "benchmarks.column_engines", "--engine", engine, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{engine:28} {done.stderr.strip().splitlines()[-1]}")
                continue
            results[engine] = found = json.loads(done.stdout)
            each = found["cpu"] / count * 1e6
            print(
                f"{engine:28} {found['wall']:7.2f} s {found['cpu']:7.2f} s of CPU {each:7.1f} us {found['peak']:6.0f} MB",
                flush=True,
            )
    scored = [each["sums"] for each in results.values() if each["sums"]]
    equal = all(each == scored[0] for each in scored)
    print(f"scores {'equal' if equal else 'DIFFER'}: {scored[0] if equal else scored}")
    return 0 if equal else 1


if __name__ == "__main__":
    if "--engine" in sys.argv:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
