"""Many responses at once: lines of bytes in, scores out; the same reading, checking and computing as for one. Pure.

`score_lines` serves a process pool over files; `batches` the same as Arrow record batches, for Spark and for Parquet.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from plugin.responses import Head, InvalidResponse, UnreadableResponse, take_response
from plugin.scores.compute import Score, compute
from plugin.scores.key import Key, compile_key
from questionnaires import Catalogue, CatalogueError, Instrument

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 20_000
_UNFINISHED = "in-progress"  # "changes or additions are still expected": https://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html
_STILL_EXPECTED = (
    "Unfinished: the response is in progress and more answers are expected. Score it when it is completed"
)
COLUMNS = (
    "response",
    "subject",
    "questionnaire",
    "instrument",
    "rater",
    "authored",
    "score",
    "value",
    "unit",
    "absent_reason",
    "key",
)


class Scored(msgspec.Struct, frozen=True):
    """A response that was scored; `number` is its line, from 1."""

    number: int
    line: bytes
    head: Head
    instrument: Instrument
    scores: tuple[Score, ...]


class SetAside(msgspec.Struct, frozen=True):
    """A line that could not be scored, and why: places, rules and remedies, never an answer."""

    number: int
    line: bytes
    reason: str


def compile_keys(catalogue: Catalogue) -> Mapping[str, Key]:
    """Compile every instrument's key, by canonical."""
    return {each.canonical: compile_key(each) for each in catalogue.versions()}


def score_lines(
    lines: Iterable[bytes], catalogue: Catalogue, keys: Mapping[str, Key], *, first: int = 1
) -> Iterator[Scored | SetAside]:
    """Score each line of NDJSON; blank ones are passed over, everything else comes out as one or the other."""
    for number, line in enumerate(lines, first):
        stripped = line.strip()
        if stripped:
            yield _score_line(number, stripped, catalogue, keys)


def _score_line(number: int, line: bytes, catalogue: Catalogue, keys: Mapping[str, Key]) -> Scored | SetAside:
    try:
        head, instrument, answers = take_response(line, catalogue, patient=None)
        if head.status == _UNFINISHED:
            return SetAside(number, line, _STILL_EXPECTED)
        scores = compute(keys[instrument.canonical], answers)
    except (UnreadableResponse, InvalidResponse) as error:
        reasons = "; ".join(
            f"{issue.link_id or issue.expression or ''}: {issue.code}. {issue.remedy}".strip(": ")
            for issue in error.issues
        )
        return SetAside(number, line, f"{type(error).__name__}: {reasons}")
    except CatalogueError as error:
        return SetAside(number, line, f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 -- the last rim: one line never stops the millions beside it
        return SetAside(number, line, f"Defect: {type(error).__name__}; please report this line's form")
    return Scored(number, line, head, instrument, scores)


def rows(scored: Scored) -> Iterator[tuple[object, ...]]:
    """Give one row a score, in the order of COLUMNS."""
    head, instrument = scored.head, scored.instrument
    row = (
        head.id,
        head.subject_reference,
        instrument.canonical,
        instrument.id,
        str(instrument.rater),
        head.authored_at,
    )
    for score in scored.scores:
        value = None if score.value is None else float(score.value)
        yield (
            *row,
            score.link_id.removeprefix("score-"),
            value,
            score.unit,
            score.absent_reason,
            instrument.content_hash,
        )


def schema() -> "pa.Schema":
    """Give the Arrow schema of COLUMNS; needs pyarrow (the extra `bulk`)."""
    import pyarrow as pa

    text = pa.string()
    types = {"authored": pa.timestamp("us", tz="UTC"), "value": pa.float64()}
    return pa.schema([(name, types.get(name, text)) for name in COLUMNS])


def batches(found: Iterable[Scored]) -> Iterator["pa.RecordBatch"]:
    """Collect rows into Arrow record batches of bounded size."""
    shape = schema()
    waiting: list[tuple[object, ...]] = []
    for each in found:
        waiting.extend(rows(each))
        if len(waiting) >= _BATCH_ROWS:
            yield _batch(waiting, shape)
            waiting = []
    if waiting:
        yield _batch(waiting, shape)


def _batch(waiting: list[tuple[object, ...]], shape: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    columns = zip(*waiting, strict=True)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, shape, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=shape)
