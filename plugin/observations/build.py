"""Builds the Observations of a scored response, and the transaction that writes them. Pure.

Shape: US Core Screening Assessment Observations. The panel has no value: it groups the answers, so the
respondent is its performer; each score is a member, derived from the response by arithmetic, so it names no
performer (the profile's comment) and the scoring engine stands in Provenance instead.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha1
from urllib.parse import quote

import msgspec

from plugin import __version__
from plugin.observations.agents import PARTICIPANT, marked_by, with_sender
from plugin.responses.labels import OF_SCORES, Label, write_labels
from plugin.scores import Score, only_together
from plugin.scores.together import WITHHELD
from questionnaires import Code, Instrument
from questionnaires.datatypes import read_decimal

JsonObject = dict[str, object]

IDENTIFIER_SYSTEM = "https://w3id.org/rapport-fhir/identifier"
_PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment"
_ABSENT_SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_MASKED, _NOT_PERFORMED = ("masked", "Masked"), ("not-performed", "Not Performed")
_UCUM = "http://unitsofmeasure.org"
_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(JsonObject, float_hook=read_decimal)  # 1.50 stays 1.50
# Written once, as everything is that is the same for all responses to a form: writing is most of what building takes.
_META = msgspec.Raw(_encoder.encode({"profile": [_PROFILE]}))
_CATEGORY = msgspec.Raw(
    _encoder.encode(
        [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "survey",
                        "display": "Survey",
                    }
                ]
            }
        ]
    )
)
_RECORDED, _COMPUTED = (
    msgspec.Raw(_encoder.encode({"coding": [{"system": _OPERATION, "code": "CREATE"}], "text": text}))
    for text in ("Answers recorded, and scores computed from them", "Scores computed from the answers")
)
_KEPT = 4096  # codes and ranges; a site has a few dozen forms


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose record (empty: not said, for scoring alone), which contact, who answered, on whose account: FHIR references."""

    patient: str
    encounter: str | None
    source: str | None
    author: str | None


@dataclass(frozen=True, slots=True)
class Results:
    """The resources of one scored response, as JSON, in the order in which they are written.

    `identifiers` are their business identifiers (values in IDENTIFIER_SYSTEM); Provenance has none in R4.
    """

    panel: bytes
    scores: tuple[bytes, ...]
    provenance: bytes
    identifiers: tuple[str, ...]


def build_results(
    response_id: str,
    instrument: Instrument,
    scores: tuple[Score, ...],
    subject: Subject,
    *,
    authored: datetime,
    issued: datetime,
    organization: str,
    labels: Collection[Label] = (),
    status: str = "final",
    recorded: bool = False,
    made_by: str = "",
) -> Results:
    """Build panel, scores and Provenance of the response known as `response_id` (a UUID).

    References between them are `urn:uuid:` addresses of one transaction; a writer that creates them one by one
    replaces these by the addresses that the EHR gives. `labels` are those of the response; what holds for scores is passed on,
    and where single answers may not be read only the score of all of them together has a value.
    With `recorded` the Provenance is the response's, too: it is kept or written together with its scores.
    `made_by` is who made a later version (`with_status`).
    """
    if Label.ANSWERS_NOT_SHARED in labels:
        scores = only_together(scores)
    shared = _shared(response_id, subject, authored=authored, issued=issued)
    if kept := OF_SCORES & frozenset(labels):
        shared["meta"] = {"profile": [_PROFILE], "security": write_labels(kept)}
    panel_identifier = f"{response_id}/panel"
    score_identifiers = tuple(f"{response_id}/{score.link_id}" for score in scores)
    identifiers = (panel_identifier, *score_identifiers)
    targets: list[JsonObject] = [{"reference": full_url(identifier)} for identifier in identifiers]
    panel: JsonObject = {
        **_head(panel_identifier, (instrument.code,), instrument.title),
        **shared,
        "hasMember": targets[1:],
    }
    if subject.source is not None:
        panel["performer"] = [{"reference": subject.source}]
    members = tuple(
        _encoder.encode({**_score_head(identifier, score, instrument), **shared, **_value(score)})
        for identifier, score in zip(score_identifiers, scores, strict=True)
    )
    provenance = _provenance(
        response_id, targets, instrument, subject, issued, organization, recorded=recorded
    )
    results = Results(_encoder.encode(panel), members, _encoder.encode(provenance), identifiers)
    return results if status == "final" else with_status(results, status, made_by=made_by)


def with_status(results: Results, status: str, *, made_by: str = "", made: datetime | None = None) -> Results:
    """Give the results of a later version: its Observations have this status, and its Provenance tells of a change.

    `made_by` (a reference, or words where no person is known) is named as who made it, if that is not the author of the
    answers. What is `made` by marking it as entered in error has that time, and names the author with the answers alone.
    Without either it is as earlier versions of Rapport stored it.
    """

    def marked(body: bytes) -> bytes:
        return _encoder.encode({**_decoder.decode(body), "status": status})

    provenance = _decoder.decode(results.provenance)
    coding = {"system": _OPERATION, "code": "UPDATE"}
    text = "Marked as entered in error" if status == "entered-in-error" else "Scores computed anew"
    provenance["activity"] = {"coding": [coding], "text": text}
    if made is not None:
        provenance |= marked_by(provenance, made_by, made)
    elif made_by:
        provenance["agent"] = with_sender(provenance, made_by)
    return Results(
        marked(results.panel),
        tuple(map(marked, results.scores)),
        _encoder.encode(provenance),
        results.identifiers,
    )


def build_bundle(
    response_id: str,
    identifier: str,
    response: bytes | None,
    results: Results,
    *,
    conditional: bool,
    provenance: bool,
) -> bytes:
    """Build the transaction Bundle: the response's own bytes (None: it stands there already), then Observations, then Provenance if wanted.

    `identifier` is the response's own (`system|value`). With `conditional`, each entry that has one asks the EHR not to
    create what it already has.
    """
    condition = identifier if conditional else None
    entries = []
    if response is not None:
        entries.append(_entry(full_url(response_id), "QuestionnaireResponse", response, condition))
    observations = (results.panel, *results.scores)
    for value, observation in zip(results.identifiers, observations, strict=True):
        condition = f"{IDENTIFIER_SYSTEM}|{value}" if conditional else None
        entries.append(_entry(full_url(value), "Observation", observation, condition))
    if provenance:
        entries.append(_entry(full_url(f"{response_id}/provenance"), "Provenance", results.provenance, None))
    return _encoder.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def full_url(identifier: str) -> str:
    """Give the `urn:uuid:` address of a resource within its transaction, stable for its identifier."""
    head, _, tail = identifier.partition("/")
    return f"urn:uuid:{derive(head, tail) if tail else head}"


def derive(namespace: str, name: str) -> str:
    """Derive a version 5 UUID (RFC 9562 section 5.5), as `uuid.uuid5` does in five times the time."""
    digest = bytearray(
        sha1(bytes.fromhex(namespace.replace("-", "")) + name.encode(), usedforsecurity=False).digest()
    )
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest[:16].hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def identifier_query(identifier: str) -> str:
    """Write a search by business identifier (`system|value`) as the query of a conditional create."""
    return f"identifier={quote(identifier, safe=':/|')}"


def _entry(address: str, resource_type: str, body: bytes, condition: str | None) -> JsonObject:
    request: JsonObject = {"method": "POST", "url": resource_type}
    if condition is not None:
        request["ifNoneExist"] = identifier_query(condition)
    return {"fullUrl": address, "resource": msgspec.Raw(body), "request": request}


def _head(identifier: str, codes: tuple[Code, ...], text: str) -> JsonObject:
    return {
        "resourceType": "Observation",
        "meta": _META,
        "identifier": [{"system": IDENTIFIER_SYSTEM, "value": identifier}],
        "status": "final",
        "category": _CATEGORY,
        "code": _write_code(codes, text),
    }


@lru_cache(maxsize=_KEPT)
def _write_code(codes: tuple[Code, ...], text: str) -> msgspec.Raw:
    codings = [{"system": each.system, "code": each.code, "display": each.display} for each in codes]
    return msgspec.Raw(_encoder.encode({"coding": codings, "text": text}))


def _score_head(identifier: str, score: Score, instrument: Instrument) -> JsonObject:
    """Name a score by its code and by those of other systems that its form gives."""
    also = next((each.also for each in instrument.scores if each.link_id == score.link_id), ())
    return _head(identifier, (score.code, *also), score.code.display)


def _shared(response_id: str, subject: Subject, *, authored: datetime, issued: datetime) -> JsonObject:
    shared: JsonObject = {
        **({"subject": {"reference": subject.patient}} if subject.patient else {}),
        "effectiveDateTime": authored.isoformat(timespec="seconds"),
        "issued": issued.isoformat(timespec="milliseconds"),
        "derivedFrom": [{"reference": full_url(response_id)}],
    }
    if subject.encounter is not None:
        shared["encounter"] = {"reference": subject.encounter}
    return shared


def _value(score: Score) -> JsonObject:
    if score.value is None:
        code, display = _MASKED if score.absent_reason == WITHHELD else _NOT_PERFORMED
        reason = {"coding": [{"system": _ABSENT_SYSTEM, "code": code, "display": display}]}
        return {"dataAbsentReason": {**reason, "text": score.absent_reason or "Not computed"}}
    quantity = {"value": _plain(score.value), "unit": score.unit, "system": _UCUM, "code": score.unit}
    low, high = score.low, score.high
    if low is None or high is None:
        return {"valueQuantity": quantity}
    return {"valueQuantity": quantity, "referenceRange": _write_range(low, high, score.unit)}


@lru_cache(maxsize=_KEPT)
def _write_range(low: Decimal, high: Decimal, unit: str) -> msgspec.Raw:
    bounds = {
        name: {"value": _plain(bound), "unit": unit, "system": _UCUM, "code": unit}
        for name, bound in (("low", low), ("high", high))
    }
    text = f"Possible scores: {_plain(low)} to {_plain(high)}"
    # Without a type a reference range means "normal": this one is only what can be reached.
    return msgspec.Raw(_encoder.encode([{**bounds, "type": {"text": "possible"}, "text": text}]))


def _plain(value: Decimal) -> Decimal:
    """Write 24 rather than 24.00 or 2.4E+1."""
    whole = value.to_integral_value()
    return whole if value == whole else value.normalize()


def _provenance(
    response_id: str,
    observations: list[JsonObject],
    instrument: Instrument,
    subject: Subject,
    issued: datetime,
    organization: str,
    *,
    recorded: bool,
) -> JsonObject:
    response: JsonObject = {"reference": full_url(response_id)}
    agents: list[object] = [_write_engine(organization)]
    if subject.source is not None:
        author: JsonObject = {
            "type": {"coding": [{"system": PARTICIPANT, "code": "author", "display": "Author"}]},
            "who": {"reference": subject.source},
        }
        if subject.source.startswith("Practitioner/"):
            author["onBehalfOf"] = {"type": "Organization", "display": organization}
        agents.insert(0, author)
    return {
        "resourceType": "Provenance",
        "target": [response, *observations] if recorded else observations,
        "recorded": issued.isoformat(timespec="milliseconds"),
        "activity": _RECORDED if recorded else _COMPUTED,
        "agent": agents,
        "entity": [
            {"role": "source", "what": response},
            _write_form(instrument.canonical, instrument.content_hash),
        ],
    }


@lru_cache(maxsize=_KEPT)
def _write_engine(organization: str) -> msgspec.Raw:
    engine = {
        "type": {"coding": [{"system": PARTICIPANT, "code": "assembler", "display": "Assembler"}]},
        "who": {
            "type": "Device",
            "identifier": {"system": IDENTIFIER_SYSTEM, "value": f"software/rapport-fhir/{__version__}"},
            "display": f"Rapport {__version__} (scoring)",
        },
        # provenance-1 of US Core: a Device acts on somebody's behalf.
        "onBehalfOf": {"type": "Organization", "display": organization},
    }
    return msgspec.Raw(_encoder.encode(engine))


@lru_cache(maxsize=_KEPT)
def _write_form(canonical: str, content_hash: str) -> msgspec.Raw:
    form = {
        "type": "Questionnaire",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": canonical},
        "display": f"{canonical} ({content_hash})",
    }
    return msgspec.Raw(_encoder.encode({"role": "source", "what": form}))
