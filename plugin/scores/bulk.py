"""Many responses at once: lines of bytes in, scores out; the same reading, checking and computing as for one. Pure.

`score_lines` serves a process pool over files; `batches` the same as Arrow record batches, for Spark and for Parquet.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from plugin.responses import Head, InvalidResponse, Issue, UnreadableResponse, take_response
from plugin.scores.compute import Score, compute
from plugin.scores.key import Key, compile_key
from questionnaires import Catalogue, CatalogueError, Instrument

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 20_000
_RESPONSE = b'"QuestionnaireResponse"'
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
# What a message repeats of a line: the name of a property, the value of a code. Greedy: both may hold the mark itself.
_REPEATED = re.compile(r"“.*”|(?<=value )(['\"]).*\1", re.DOTALL)
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
    """A line that could not be scored, and why: places, rules, what was found and remedies, never an answer."""

    number: int
    line: bytes
    reason: str


class OtherResource(msgspec.Struct, frozen=True):
    """A line with a resource that is no response, as an export of whole records has them; `kind` is its type."""

    number: int
    kind: str


class _Kind(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 -- FHIR's element name


def compile_keys(catalogue: Catalogue) -> Mapping[str, Key]:
    """Compile every instrument's key, by canonical."""
    return {each.canonical: compile_key(each) for each in catalogue.versions()}


def score_lines(
    lines: Iterable[bytes], catalogue: Catalogue, keys: Mapping[str, Key], *, first: int = 1
) -> Iterator[Scored | SetAside | OtherResource]:
    """Score each line of NDJSON; blank ones are passed over, everything else comes out as one of the three."""
    for number, line in enumerate(lines, first):
        stripped = line.strip()
        if stripped:
            yield _score_line(number, stripped, catalogue, keys)


def _score_line(
    number: int, line: bytes, catalogue: Catalogue, keys: Mapping[str, Key]
) -> Scored | SetAside | OtherResource:
    if _RESPONSE not in line and (kind := _other_kind(line)) is not None:
        return OtherResource(number, kind)
    try:
        head, instrument, answers = take_response(line, catalogue, patient=None)
        scores = compute(keys[instrument.canonical], answers)
    except (UnreadableResponse, InvalidResponse) as error:
        if (kind := _other_kind(line)) is not None:
            return OtherResource(number, kind)
        reasons = "; ".join(_explain(each) for each in error.issues if each.severity == "error")
        return SetAside(number, line, f"{type(error).__name__}: {reasons}")
    except CatalogueError as error:
        return SetAside(number, line, f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 -- the last rim: one line never stops the millions beside it
        return SetAside(number, line, f"Defect: {type(error).__name__}; please report this line's form")
    return Scored(number, line, head, instrument, scores)


def _other_kind(line: bytes) -> str | None:
    """Name the type of a resource that is no response; None if it is one, or no resource that could be told."""
    try:
        kind = msgspec.json.decode(line, type=_Kind).resourceType
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return kind if kind != "QuestionnaireResponse" and _TYPE.fullmatch(kind) else None


def _explain(issue: Issue) -> str:
    # What must be there is named by the form of the resource, and not by the line.
    message = issue.message if issue.code == "required" else _REPEATED.sub(_withheld, issue.message)
    return f"{issue.link_id or issue.expression}: {issue.code}. {message} {issue.remedy}"


def _withheld(found: re.Match[str]) -> str:
    return f"{found[0][0]}…{found[0][-1]}"


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
