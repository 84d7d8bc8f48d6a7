"""One administration in an export: the record behind its line, and the lines of its scores."""

from decimal import Decimal
from typing import Any

import msgspec

from plugin.delivery.keep import Record, StoredResults
from plugin.exports.rows import Line, NotAsLogged, bytes_of, instant, written
from plugin.responses import InvalidResponse, UnreadableResponse, check_response, read_response
from plugin.scores import Key, compute
from questionnaires import Instrument

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)  # 1.50 stays 1.50

Scoring = dict[str, tuple[Instrument, Key]]
"""Forms with their compiled keys, by the content hash that responses name."""


def record_of(line: Line) -> Record:
    """Read an administration's line; NotAsLogged if it is none."""

    def text(name: str) -> str:
        value = line.get(name)
        if not isinstance(value, str):
            raise NotAsLogged(name)
        return value

    def text_or_none(name: str) -> str | None:
        return None if line.get(name) is None else text(name)

    try:
        results = msgspec.json.decode(bytes_of(line.get("results")), type=StoredResults).results()
    except msgspec.MsgspecError:
        raise NotAsLogged("results") from None
    return Record(
        id=text("id"),
        site=text("site"),
        identifier=text("identifier"),
        patient=text("patient"),
        encounter=text_or_none("encounter"),
        rater=text("rater"),
        source=text_or_none("source"),
        instrument=text("instrument"),
        language=text_or_none("language"),
        authored=instant(line.get("authored")),
        received=instant(line.get("received")),
        launch=text_or_none("launch"),
        invitation=text_or_none("invitation"),
        key_hash=text("key_hash"),
        body=bytes_of(line.get("body")),
        results=results,
    )


def score_lines(record: Record, scoring: Scoring) -> list[Line]:
    """Give a line for each stored score: what stands in its Observation, and what its key makes it of.

    `items` are linkId, answer and weight of what was counted; None if the key is not at hand or the answers do not fit it.
    """
    explained = _explanations(record, scoring)
    lines: list[Line] = []
    for identifier, body in zip(record.results.identifiers[1:], record.results.scores, strict=False):
        observation = _decoder.decode(body)
        quantity = observation.get("valueQuantity") or {}
        coding = observation["code"]["coding"][0]
        score = identifier.partition("/")[2]
        lines.append(
            {
                "response": record.id,
                "site": record.site,
                "patient": record.patient,
                "rater": record.rater,
                "authored": written(record.authored),
                "instrument": record.instrument,
                "key_hash": record.key_hash,
                "score": score,
                "system": coding.get("system"),
                "code": coding.get("code"),
                "value": quantity.get("value"),
                "unit": quantity.get("code"),
                "absent": (observation.get("dataAbsentReason") or {}).get("text"),
                "items": explained.get(score),
            }
        )
    return lines


def _explanations(record: Record, scoring: Scoring) -> dict[str, list[dict[str, object]]]:
    if record.key_hash not in scoring:
        return {}
    instrument, key = scoring[record.key_hash]
    try:
        answers = check_response(read_response(record.body), instrument, patient=record.patient)
    except (UnreadableResponse, InvalidResponse):
        return {}
    return {
        score.link_id: [
            {"linkId": link_id, "answer": answer, "weight": weight}
            for link_id, answer, weight in score.explanation
        ]
        for score in compute(key, answers)
    }
