"""Made-up forms for tests: small Questionnaires as a site would drop them in, written into a folder."""

import json
from pathlib import Path
from typing import Any

from questionnaires import Instrument, load_instrument

BASE = "https://w3id.org/rapport-fhir"
STEPS = "https://site.invalid/CodeSystem/steps"
WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"
VARIABLE = "http://hl7.org/fhir/StructureDefinition/variable"
CALCULATED = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"
Json = dict[str, Any]


def option(code: str, weight: float) -> Json:
    coding = {"system": STEPS, "code": code, "display": f"Step {code}"}
    return {"extension": [{"url": WEIGHT, "valueDecimal": weight}], "valueCoding": coding}


def question(link_id: str, weights: tuple[float, ...] = (0, 1, 2, 3), **more: Any) -> Json:
    options = [option(f"s{index}", weight) for index, weight in enumerate(weights)]
    return {"linkId": link_id, "text": f"Text of {link_id}", "type": "choice", "answerOption": options} | more


def variable(name: str, expression: str) -> Json:
    return {
        "url": VARIABLE,
        "valueExpression": {"name": name, "language": "text/fhirpath", "expression": expression},
    }


def score(link_id: str, expression: str, *variables: Json, **more: Any) -> Json:
    calculated = {
        "url": CALCULATED,
        "valueExpression": {"language": "text/fhirpath", "expression": expression},
    }
    code = {"system": "https://site.invalid/CodeSystem/score", "code": link_id, "display": link_id}
    item = {"extension": [calculated, *variables], "linkId": link_id, "code": [code]}
    return item | {"type": "decimal", "readOnly": True} | more


def form(*items: Json, variables: tuple[Json, ...] = (), **more: Any) -> Json:
    rater = {"url": f"{BASE}/StructureDefinition/rater", "valueCode": "child"}
    return {
        "resourceType": "Questionnaire",
        "extension": [rater, *variables],
        "url": "https://site.invalid/Questionnaire/made-up",
        "version": "2.0.0",
        "title": "Made up",
        "status": "draft",
        "language": "en",
        "item": list(items),
    } | more


def write(folder: Path, questionnaire: Json) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "questionnaire.json").write_text(json.dumps(questionnaire), encoding="utf-8")
    return folder


def load(folder: Path, questionnaire: Json) -> Instrument:
    return load_instrument(write(folder, questionnaire))
