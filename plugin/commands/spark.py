"""Rescoring on Apache Spark: lines of text in, Arrow record batches out, by the function that scores one response."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from plugin.scores.bulk import COLUMNS, Scored, batches, score_lines
from plugin.stock import open_stock

_TYPES = {"authored": "timestamp", "value": "double"}
_SCHEMA = ", ".join(f"{name} {_TYPES.get(name, 'string')}" for name in (*COLUMNS, "set_aside", "content"))


def rescore_on_spark(
    inputs: list[str], out: str, wording: Path | None, folders: tuple[Path, ...]
) -> tuple[int, int]:
    """Write `OUT/scores` and `OUT/set-aside` as Parquet; gives how many rows each has.

    `inputs` are whatever `spark.read.text` takes: paths of a cluster's file system, compressed or not. The cluster's Python needs
    this distribution (`spark.archives`, or installed on the nodes) and the wording and instrument folders at the same paths.
    """
    session = SparkSession.builder.appName("rapport-rescore").getOrCreate()
    try:
        lines = session.read.text(inputs)

        def score(parts: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            stock = open_stock(wording=wording, places=folders)
            for part in parts:
                found = list(
                    score_lines(
                        (line.encode() for line in part.column(0).to_pylist()), stock.catalogue, stock.keys
                    )
                )
                for batch in batches(each for each in found if isinstance(each, Scored)):
                    yield _widened(batch)
                aside = [each for each in found if not isinstance(each, Scored)]
                if aside:
                    yield _set_aside(
                        [each.reason for each in aside],
                        [each.line.decode("utf-8", "replace") for each in aside],
                    )

        scored = lines.mapInArrow(score, _SCHEMA).cache()
        is_score = scored.set_aside.isNull()
        scores, aside = scored.filter(is_score).drop("set_aside", "content"), scored.filter(~is_score)
        scores.write.mode("overwrite").parquet(f"{out}/scores")
        aside.select("set_aside", "content").write.mode("overwrite").parquet(f"{out}/set-aside")
        return scores.count(), aside.count()
    finally:
        session.stop()


def _widened(batch: pa.RecordBatch) -> pa.RecordBatch:
    nothing = pa.nulls(batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays(
        [*batch.columns, nothing, nothing], names=[*COLUMNS, "set_aside", "content"]
    )


def _set_aside(reasons: list[str], contents: list[str]) -> pa.RecordBatch:
    types: dict[str, Any] = {"authored": pa.timestamp("us", tz="UTC"), "value": pa.float64()}
    empty = [pa.nulls(len(reasons), types.get(name, pa.string())) for name in COLUMNS]
    return pa.RecordBatch.from_arrays(
        [*empty, pa.array(reasons), pa.array(contents)], names=[*COLUMNS, "set_aside", "content"]
    )
