"""An example response and its Observations for each form whose wording is open. Pure."""

import uuid
from datetime import datetime

from plugin.packaging.archive import JsonObject, read_json, write_json
from plugin.packaging.definitions import BASE
from plugin.responses import build_response
from plugin.stateless import observations_bundle, score_response
from questionnaires import Catalogue, Instrument, walk

PATIENT: JsonObject = {
    "resourceType": "Patient",
    "id": "example",
    "identifier": [{"system": f"{BASE}/identifier", "value": "example-patient"}],
    "name": [{"text": "Example, not a person", "family": "Example", "given": ["Not a person"]}],
    "gender": "unknown",
}


def build_examples(instrument: Instrument, *, authored: datetime) -> list[JsonObject]:
    """Build a response that takes the options in turn, and the panel and scores that come of it."""
    identity = f"{instrument.id}-example"
    body = build_response(
        instrument,
        _choose(instrument),
        patient="Patient/example",
        encounter=None,
        author=None,
        source=None,
        authored=authored,
        identifier=(f"{BASE}/identifier", str(uuid.uuid5(uuid.NAMESPACE_URL, instrument.canonical))),
        language=instrument.languages[0],
    )
    response = read_json(body)
    response = {"resourceType": "QuestionnaireResponse", "id": identity, **response}
    scored = score_response(
        write_json(response),
        Catalogue((instrument,)),
        now=authored,
    )
    bundle = read_json(observations_bundle(scored, "collection"))
    entries = bundle["entry"]
    names = ["panel", *(score.link_id for score in scored.scores)]
    addresses = {entry["fullUrl"]: f"{identity}-{name}" for entry, name in zip(entries, names, strict=True)}
    observations = [{**entry["resource"], "id": addresses[entry["fullUrl"]]} for entry in entries]
    for member in observations[0].get("hasMember", ()):
        member["reference"] = f"Observation/{addresses[member['reference']]}"
    return [response, *observations]


def _choose(instrument: Instrument) -> dict[str, str | None]:
    questions = [item for item in walk(instrument.items) if item.is_question and item.options]
    return {
        item.link_id: item.options[index % len(item.options)].code
        for index, item in enumerate(questions)
        if not item.conditions and not item.conditional_expression
    }
