"""The Observations of a response that is scored again from an export. Pure."""

from datetime import UTC, datetime

import msgspec

from plugin.observations.build import Subject, build_results, full_url
from plugin.observations.identity import identify
from plugin.responses.labels import labels_of
from plugin.scores.bulk import Scored

_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


def observations_of(scored: Scored) -> tuple[bytes, ...]:
    """Build panel and scores, dated by the response itself, so that every run writes the same.

    They derive from the response by its id, and have the identifiers that delivery gives them. Without a date of answering they
    have none either.
    """
    response, given = scored.head, scored.head.identifier
    patient = response.subject_reference or ""
    response_id, _ = identify(
        "", patient, given.system if given else None, given.value if given else None, scored.line
    )
    subject = Subject(
        patient=patient,
        encounter=response.encounter_reference,
        source=response.source_reference,
        author=response.author_reference,
    )
    moment = response.authored_at or _UNKNOWN
    results = build_results(
        response_id,
        scored.instrument,
        scored.scores,
        subject,
        authored=moment,
        issued=moment,
        organization="",
        labels=labels_of(response.meta),
    )
    bodies = (results.panel, *results.scores)
    if response.authored_at is None:
        bodies = tuple(_without_date(body) for body in bodies)
    if response.id is None:
        return bodies
    known = f'"QuestionnaireResponse/{response.id}"'.encode()
    own = f'"{full_url(response_id)}"'.encode()
    return tuple(body.replace(own, known) for body in bodies)


def _without_date(body: bytes) -> bytes:
    observation = msgspec.json.decode(body)
    del observation["effectiveDateTime"], observation["issued"]
    return msgspec.json.encode(observation)
