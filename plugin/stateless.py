"""A response in, Observations out, and nothing kept: for the command line and for integrators who call us."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from plugin.observations import build_results
from plugin.observations.build import IDENTIFIER_SYSTEM, Results, Subject, full_url, identifier_query
from plugin.observations.identity import identify
from plugin.responses import Head, Issue, check_places, take_response
from plugin.responses.labels import labels_of
from plugin.scores import Key, Score, compile_key, compute
from questionnaires import Catalogue, Instrument

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scored:
    """A response with its scores and the resources that would be written for it."""

    id: str
    response: Head
    instrument: Instrument
    scores: tuple[Score, ...]
    results: Results
    warnings: tuple[Issue, ...]


def score_response(
    body: bytes,
    catalogue: Catalogue,
    keys: Mapping[str, Key] | None = None,
    *,
    now: datetime,
    site: str = "",
    patient: str | None = None,
    home: str | None = None,
    organization: str = "",
) -> Scored:
    """Read, check, score and build; the same response gives the same identifiers every time.

    `keys` are compiled keys by canonical; without them the one that is needed is compiled here. `patient`, if given, is
    whom the response must be about, `home` the base of the EHR that its absolute references may name. Raises what `plugin.flow.submit` raises, except Conflict.
    """
    response, instrument, answers = take_response(body, catalogue, patient=patient, home=home)
    check_places(answers, instrument)
    key = keys[instrument.canonical] if keys is not None else compile_key(instrument)
    scores = compute(key, answers)
    given = response.identifier
    about = response.subject_reference or ""
    response_id, _ = identify(
        site, about, given.system if given else None, given.value if given else None, body
    )
    subject = Subject(
        patient=about,
        encounter=response.encounter_reference,
        source=response.source_reference,
        author=response.author_reference,
    )
    results = build_results(
        response_id,
        instrument,
        scores,
        subject,
        authored=response.authored_at or now,
        issued=now,
        organization=organization,
        labels=labels_of(response.meta),
    )
    return Scored(response_id, response, instrument, scores, results, answers.warnings)


def observations_bundle(scored: Scored, kind: Literal["collection", "transaction"]) -> bytes:
    """Build the Bundle of panel and scores; a transaction asks the server not to create what it already has.

    The scores derive from the response by its id where it has one, else by its `urn:uuid:`, which the caller resolves by
    adding the response itself to the Bundle. What was found in the response without changing a score stands in a collection
    as an OperationOutcome, the last entry; a transaction has no place for one.
    """
    bodies = (scored.results.panel, *scored.results.scores)
    entries: list[JsonObject] = []
    for identifier, body in zip(scored.results.identifiers, bodies, strict=True):
        entry: JsonObject = {
            "fullUrl": full_url(identifier),
            "resource": msgspec.Raw(_derived_from_response(body, scored)),
        }
        if kind == "transaction":
            condition = identifier_query(f"{IDENTIFIER_SYSTEM}|{identifier}")
            entry["request"] = {"method": "POST", "url": "Observation", "ifNoneExist": condition}
        entries.append(entry)
    if kind == "collection" and scored.warnings:
        entries.append({"fullUrl": full_url(f"{scored.id}/warnings"), "resource": _outcome(scored.warnings)})
    return msgspec.json.encode({"resourceType": "Bundle", "type": kind, "entry": entries})


def _outcome(warnings: tuple[Issue, ...]) -> JsonObject:
    issues = [
        {
            "severity": each.severity,
            "code": each.code,
            "details": {"text": f"linkId {each.link_id}"},
            "diagnostics": f"{each.message} {each.remedy}",
            "expression": [each.expression],
        }
        for each in warnings
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _derived_from_response(body: bytes, scored: Scored) -> bytes:
    if scored.response.id is None:
        return body
    known = f'"QuestionnaireResponse/{scored.response.id}"'
    return body.replace(f'"{full_url(scored.id)}"'.encode(), known.encode())
