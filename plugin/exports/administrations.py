"""One administration in an export: its versions and what scored it again, from their lines, and the lines of its scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from plugin.delivery.keep import Record, StoredResults
from plugin.delivery.rescored import Again, Why
from plugin.delivery.revising import later_version
from plugin.exports.rows import Line, NotAsLogged, bytes_of, instant, written
from plugin.observations import Results
from plugin.responses import InvalidResponse, UnreadableResponse, take_answers
from plugin.scores import Key, compute
from questionnaires import Instrument
from questionnaires.datatypes import read_decimal

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)  # 1.50 stays 1.50

Scoring = dict[str, tuple[Instrument, Key]]
"""Forms with their compiled keys, by the content hash that responses name."""


@dataclass(frozen=True, slots=True)
class Administration:
    """All versions of a response, the first first, and what other versions of its form made of them."""

    versions: tuple[Record, ...]
    again: tuple[Again, ...]

    def scored_again(self, again: Again) -> Record:
        """Give the version of the response that was scored again, with the form and results of that; NotAsLogged without it."""
        found = next((each for each in self.versions if each.revision == again.version), None)
        if found is None:
            raise NotAsLogged("version")
        return replace(found, instrument=again.instrument, key_hash=again.key_hash, results=again.results)


def administration_of(line: Line, revisions: Sequence[Line], rescorings: Sequence[Line]) -> Administration:
    """Read an administration from its lines; NotAsLogged if they are none."""
    first = record_of(line)
    return Administration(
        (first, *(version_of(first, each) for each in revisions)), tuple(map(again_of, rescorings))
    )


def record_of(line: Line) -> Record:
    """Read an administration's line; NotAsLogged if it is none."""
    return Record(
        id=_text(line, "id"),
        site=_text(line, "site"),
        identifier=_text(line, "identifier"),
        patient=_text(line, "patient"),
        encounter=_text_or_none(line, "encounter"),
        rater=_text(line, "rater"),
        source=_text_or_none(line, "source"),
        instrument=_text(line, "instrument"),
        language=_text_or_none(line, "language"),
        authored=instant(line.get("authored")),
        received=instant(line.get("received")),
        launch=_text_or_none(line, "launch"),
        invitation=_text_or_none(line, "invitation"),
        key_hash=_text(line, "key_hash"),
        body=bytes_of(line.get("body")),
        results=_results(line),
    )


def version_of(first: Record, line: Line) -> Record:
    """Read the line of a later version of a response; NotAsLogged if it is none."""
    row: Line = {name: _text(line, name) for name in ("kind", "made_by", "why", "key_hash")}
    row |= {"number": _number(line, "number"), "made": instant(line.get("made"))}
    return later_version(first, row, bytes_of(line.get("body")), _results(line))


def again_of(line: Line) -> Again:
    """Read the line of scores by another version of the form; NotAsLogged if it is none."""
    why = Why(instant(line.get("computed")), _text(line, "computed_by"), _text(line, "why"))
    return Again(
        id=_text(line, "id"),
        response=_text(line, "response"),
        version=_number(line, "version"),
        instrument=_text(line, "instrument"),
        key_hash=_text(line, "key_hash"),
        why=why,
        software=_text(line, "software"),
        results=_results(line),
    )


def score_lines(administration: Administration, scoring: Scoring) -> Iterator[Line]:
    """Give a line for each stored score: of every version, then of what scored them again."""
    for each in administration.versions:
        yield from _score_lines(each, None, scoring)
    for again in administration.again:
        yield from _score_lines(administration.scored_again(again), again.id, scoring)


def _score_lines(record: Record, rescoring: str | None, scoring: Scoring) -> Iterator[Line]:
    """Say what stands in each Observation, and what its key makes it of.

    `items` are linkId, answer and weight of what was counted; None if the key is not at hand or the answers do not fit it.
    """
    explained = _explanations(record, scoring)
    for identifier, body in zip(record.results.identifiers[1:], record.results.scores, strict=False):
        observation = _decoder.decode(body)
        quantity = observation.get("valueQuantity") or {}
        coding = observation["code"]["coding"][0]
        score = identifier.partition("/")[2]
        yield {
            "response": record.id,
            "version": record.revision,
            "rescoring": rescoring,
            "site": record.site,
            "patient": record.patient,
            "rater": record.rater,
            "authored": written(record.authored),
            "instrument": record.instrument,
            "key_hash": record.key_hash,
            "score": score,
            "status": observation.get("status"),
            "system": coding.get("system"),
            "code": coding.get("code"),
            "value": quantity.get("value"),
            "unit": quantity.get("code"),
            "absent": (observation.get("dataAbsentReason") or {}).get("text"),
            "items": explained.get(score),
        }


def _text(line: Line, name: str) -> str:
    value = line.get(name)
    if not isinstance(value, str):
        raise NotAsLogged(name)
    return value


def _text_or_none(line: Line, name: str) -> str | None:
    return None if line.get(name) is None else _text(line, name)


def _number(line: Line, name: str) -> int:
    value = line.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise NotAsLogged(name)
    return value


def _results(line: Line) -> Results:
    try:
        return msgspec.json.decode(bytes_of(line.get("results")), type=StoredResults).results()
    except (msgspec.MsgspecError, RecursionError):
        raise NotAsLogged("results") from None


def _explanations(record: Record, scoring: Scoring) -> dict[str, list[dict[str, object]]]:
    if record.key_hash not in scoring:
        return {}
    instrument, key = scoring[record.key_hash]
    try:
        _, answers = take_answers(record.body, instrument, patient=record.patient)
    except (UnreadableResponse, InvalidResponse):
        return {}
    return {
        score.link_id: [
            {"linkId": link_id, "answer": answer, "weight": weight}
            for link_id, answer, weight in score.explanation
        ]
        for score in compute(key, answers)
    }
