"""Rescoring on Apache Spark: lines of text in, Arrow record batches out, by the function that scores one response."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from plugin.scores.bulk import COLUMNS, OtherResource, Scored, SetAside, batches, schema, score_lines
from plugin.stock import open_stock

_ASIDE = ("file", "block", "line", "reason", "content")
_TYPES = {"authored": "timestamp", "value": "double", "block": "long", "line": "long"}
_SCHEMA = ", ".join(f"{name} {_TYPES.get(name, 'string')}" for name in (*COLUMNS, *_ASIDE))
# As it came: text would have its broken bytes replaced, and be scored although it cannot be read.
_LINE = "CAST(value AS BINARY) AS value"
_PLACE = ("_metadata.file_path", "_metadata.file_block_start")


def rescore_on_spark(
    inputs: Sequence[str], out: str, wording: Path | None, folders: tuple[Path, ...]
) -> tuple[int, int, dict[str, int]]:
    """Write `OUT/scores` and `OUT/set-aside` as Parquet; gives how many rows each has, and which other resources there were.

    `inputs` are whatever `spark.read.text` takes: paths of a cluster's file system, compressed or not. The cluster's Python needs
    this distribution (`spark.archives`, or installed on the nodes) and the wording and instrument folders at the same paths.
    """
    session = SparkSession.builder.appName("rapport-rescore").getOrCreate()
    try:
        lines = session.read.text([*inputs]).selectExpr(_LINE, *_PLACE)

        def score(parts: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            stock = open_stock(wording=wording, places=folders)
            before: Counter[tuple[str, int]] = Counter()
            for part in parts:
                scored: list[Scored] = []
                aside: list[tuple[tuple[str, int], SetAside]] = []
                others: list[OtherResource] = []
                for place, block in _by_block(part):
                    found = score_lines(block, stock.catalogue, stock.keys, first=before[place] + 1)
                    for each in found:
                        if isinstance(each, Scored):
                            scored.append(each)
                        elif isinstance(each, OtherResource):
                            others.append(each)
                        else:
                            aside.append((place, each))
                    before[place] += len(block)
                yield from map(_widened, batches(scored))
                if aside:
                    yield _set_aside(aside)
                if others:
                    yield _left_out(others)

        scored = lines.mapInArrow(score, _SCHEMA).cache()
        is_score, is_aside = scored.reason.isNull(), scored.file.isNotNull()
        scores = scored.filter(is_score).drop(*_ASIDE)
        scores.write.mode("overwrite").parquet(f"{out}/scores")
        aside = scored.filter(is_aside).select(*_ASIDE)
        files = [row.file for row in aside.select("file").distinct().collect()]
        sizes = lines.filter(lines.file_path.isin(files)).groupBy("file_path", "file_block_start").count()
        starts = session.createDataFrame(
            _line_before(sizes.collect()), "file string, block long, before long"
        )
        numbered = aside.join(starts, ["file", "block"]).selectExpr(
            "file", "before + line AS line", "reason", "content"
        )
        numbered.write.mode("overwrite").parquet(f"{out}/set-aside")
        others = scored.filter(~is_score & ~is_aside).groupBy("reason").count().collect()
        return scores.count(), aside.count(), {row.reason: row["count"] for row in others}
    finally:
        session.stop()


def _by_block(part: pa.RecordBatch) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """Give the lines of each block of a file, as Spark has cut it, in their order."""
    lines, files, blocks = (column.to_pylist() for column in part.columns)
    for place, rows in groupby(zip(files, blocks, lines, strict=True), key=itemgetter(0, 1)):
        yield place, [line for _, _, line in rows]


def _line_before(sizes: Iterable[Any]) -> list[tuple[str, int, int]]:
    """Count the lines of a file before each of its blocks: a line is named by its number in the whole file."""
    found: list[tuple[str, int, int]] = []
    before: Counter[str] = Counter()
    for file, block, count in sorted(sizes):
        found.append((file, block, before[file]))
        before[file] += count
    return found


def _widened(batch: pa.RecordBatch) -> pa.RecordBatch:
    nothing = [pa.nulls(batch.num_rows, _arrow_type(name)) for name in _ASIDE]
    return pa.RecordBatch.from_arrays([*batch.columns, *nothing], names=[*COLUMNS, *_ASIDE])


def _left_out(others: list[OtherResource]) -> pa.RecordBatch:
    """Give a row for each, with its type as the reason and without a place: it is counted, and not written."""
    kinds = pa.array([each.kind for each in others], pa.string())
    columns = [kinds if name == "reason" else pa.nulls(len(others), _arrow_type(name)) for name in _ASIDE]
    empty = [pa.nulls(len(others), field.type) for field in schema()]
    return pa.RecordBatch.from_arrays([*empty, *columns], names=[*COLUMNS, *_ASIDE])


def _set_aside(aside: list[tuple[tuple[str, int], SetAside]]) -> pa.RecordBatch:
    rows = [
        (file, block, each.number, each.reason, each.line.decode("utf-8", "replace"))
        for (file, block), each in aside
    ]
    empty = [pa.nulls(len(rows), field.type) for field in schema()]
    columns = zip(*rows, strict=True)
    filled = [pa.array(list(column), _arrow_type(name)) for name, column in zip(_ASIDE, columns, strict=True)]
    return pa.RecordBatch.from_arrays([*empty, *filled], names=[*COLUMNS, *_ASIDE])


def _arrow_type(name: str) -> pa.DataType:
    return pa.int64() if name in {"block", "line"} else pa.string()
