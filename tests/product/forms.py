"""Responses of the child form, right ones and wrong ones."""

from typing import Any

ANSWERS: dict[str, str | None] = {
    "goal-1": "completely",
    "goal-2": "mostly",
    "task-1": "not-at-all",
    "task-2": "a-little",
    "bond-1": "completely",
    "bond-2": "somewhat",
}
CHILD = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child"
AGREEMENT = "https://w3id.org/rapport-fhir/CodeSystem/agreement"


def question(link_id: str, *codes: str) -> dict[str, Any]:
    return {
        "linkId": link_id,
        "answer": [{"valueCoding": {"system": AGREEMENT, "code": code}} for code in codes],
    }


def response_of(patient: str, **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{CHILD}|1.1.0",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        "source": {"reference": f"Patient/{patient}"},
        "authored": "2026-03-02T09:00:00+00:00",
        "item": [question(link_id, str(code)) for link_id, code in ANSWERS.items()],
        **changes,
    }
