"""A kept record, as small as one can be."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from plugin.delivery.keep import Record
from plugin.observations import Results

ID = "6f0c6c0e-7c0b-4a43-9d0e-1b8b4f6f9a11"
WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_SCORE = (
    b'{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"total"}],"text":"Total"},'
    b'"subject":{"reference":"Patient/1"},"valueQuantity":{"value":14}}'
)
RECORD = Record(
    id=ID,
    site="sandbox",
    identifier=f"https://w3id.org/rapport-fhir/identifier|{ID}",
    patient="Patient/1",
    encounter=None,
    rater="child",
    source="Patient/1",
    instrument="https://forms.invalid/one|1.0.0",
    language="en",
    authored=WHEN,
    received=WHEN,
    launch=None,
    invitation=None,
    key_hash="",
    body=b'{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/1"}}',
    results=Results(
        panel=b'{"resourceType":"Observation"}',
        scores=(_SCORE,),
        provenance=b'{"resourceType":"Provenance"}',
        identifiers=(f"{ID}/panel", f"{ID}/total"),
    ),
)


def record(**changes: Any) -> Record:
    return replace(RECORD, **changes)
