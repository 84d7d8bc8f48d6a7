"""Histories of alliance check-ins as they stand in a record: responses, and the Observations computed from them."""

import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox_ehr.fhir.json_text import JsonObject
from sandbox_ehr.people.cast import Child
from sandbox_ehr.people.resources import reference

BASE = "https://w3id.org/rapport-fhir"
_IDENTIFIERS = f"{BASE}/sandbox/identifier"  # invented history: no ledger accounts for it
ITEMS = ("goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2")
_OPTIONS = ("not-at-all", "a-little", "somewhat", "mostly", "completely")
_HIGHEST_ANSWER = 4
_PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment"
_SURVEY: JsonObject = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "survey",
            "display": "Survey",
        }
    ]
}


@dataclass(frozen=True, slots=True)
class Course:
    """How the child's total (0 to 24) went from session to session, and how far the others see it from there."""

    totals: tuple[int, ...]
    carer: int = 0
    therapist: int = 1
    skipped: tuple[int, str] | None = None  # session, linkId


COURSES = {
    "1001": Course((20, 19, 21, 20, 20, 21, 20, 21), carer=-1),  # steady
    "1002": Course((9, 11, 13, 15, 18, 20), carer=2),  # growing
    "1003": Course((17, 18, 19, 10, 7, 13, 18, 20, 21), carer=1, therapist=2),  # rupture and repair
    "1004": Course((19, 18, 16, 15, 12, 11, 9), carer=1, therapist=4),  # falling, unseen by the therapist
    "1007": Course((14, 15, 16, 17, 18), skipped=(2, "bond-2")),
    "1011": Course((8, 12, 7, 13, 10, 14, 9, 15, 13, 16), carer=5),  # up and down
}

_WORDS = {"total": "total", "goal": "goals", "task": "tasks", "bond": "bond"}
_SCORES = {"total": ITEMS, "goal": ITEMS[:2], "task": ITEMS[2:4], "bond": ITEMS[4:]}


PLAN_ADDRESS = "http://example.org/sandbox-ehr/PlanDefinition/alliance"


def build_plan() -> JsonObject:
    """Build the clinic's schedule: young people at every session, caregivers and therapists early and at every fourth."""
    early = "%session in (1 | 3 | 4) or (%session > 4 and (%session - 4) mod 4 = 0)"
    seldom = {
        "kind": "applicability",
        "expression": {"language": "text/fhirpath", "expression": early},
    }
    return {
        "resourceType": "PlanDefinition",
        "url": PLAN_ADDRESS,
        "version": "1.0.0",
        "name": "AllianceMeasurement",
        "title": "When the alliance is asked about",
        "status": "active",
        "action": [
            *(
                {
                    "title": "Young people",
                    "definitionCanonical": f"{BASE}/Questionnaire/rapport-checkin-{rater}",
                }
                for rater in ("child", "adolescent")
            ),
            {
                "title": "Adults",
                "condition": [seldom],
                "action": [
                    {"definitionCanonical": f"{BASE}/Questionnaire/rapport-checkin-{rater}"}
                    for rater in ("caregiver", "therapist")
                ],
            },
        ],
    }


@dataclass(frozen=True, slots=True)
class Rating:
    """One filled form."""

    id: str  # of the response, and the UUID of its identifier
    instrument: str
    title: str
    source: str
    author: str
    patient: str
    encounter: str
    at: datetime
    answers: Mapping[str, int]


def ratings(child: Child, sessions: Mapping[str, datetime]) -> Iterator[Rating]:
    """Give the ratings of a child's sessions (encounter id -> start): child each time, the others every other."""
    course = COURSES[child.id]
    chance = random.Random(child.id)  # noqa: S311 -- reproducible, not secret
    form = "child" if child.age < 12 else "adolescent"
    for number, ((encounter, start), total) in enumerate(zip(sessions.items(), course.totals, strict=True)):
        raters = [(form, f"Patient/{child.id}", total)]
        if number % 2 == 0:
            raters.append(("caregiver", f"RelatedPerson/{child.id}-1", total + course.carer))
        if number % 2 == 1 or number == 0:
            raters.append(("therapist", f"Practitioner/{child.clinician}", total + course.therapist))
        for minutes, (rater, source, level) in enumerate(raters):
            answers = _spread(level, chance)
            if rater == form and course.skipped is not None and course.skipped[0] == number:
                del answers[course.skipped[1]]
            yield Rating(
                id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{BASE}/sandbox/{encounter}/{rater}")),
                instrument=f"rapport-checkin-{rater}",
                title=f"Rapport Check-in ({rater})",
                source=source,
                author=f"Practitioner/{child.clinician}",
                patient=f"Patient/{child.id}",
                encounter=f"Encounter/{encounter}",
                at=start + timedelta(minutes=46 + 2 * minutes),
                answers=answers,
            )


def build_response(rating: Rating) -> JsonObject:
    """Build the QuestionnaireResponse of a rating."""
    items = [
        {
            "linkId": item,
            "answer": [
                {
                    "valueCoding": {
                        "system": f"{BASE}/CodeSystem/agreement",
                        "code": _OPTIONS[rating.answers[item]],
                    }
                }
            ],
        }
        for item in ITEMS
        if item in rating.answers
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "identifier": {"system": _IDENTIFIERS, "value": rating.id},
        "questionnaire": f"{BASE}/Questionnaire/{rating.instrument}|1.0.0",
        "status": "completed",
        "subject": reference(rating.patient),
        "encounter": reference(rating.encounter),
        "authored": rating.at.isoformat(timespec="seconds"),
        "author": reference(rating.author),
        "source": reference(rating.source),
        "item": items,
    }


def build_observations(rating: Rating) -> Iterator[tuple[str, JsonObject]]:
    """Build the panel of a rating and then the score Observations that are its members, each with its id."""
    members = [f"{rating.id[:24]}{number:012d}" for number in range(1, len(_SCORES) + 1)]
    panel = _head(rating, rating.instrument, rating.title, "panel")
    panel["performer"] = [reference(rating.source)]
    panel["hasMember"] = [reference(f"Observation/{member}") for member in members]
    yield f"{rating.id[:24]}{0:012d}", panel
    for member, (score, items) in zip(members, _SCORES.items(), strict=True):
        head = _head(
            rating, f"{rating.instrument}-{score}", f"{rating.title}: {_WORDS[score]}", f"score-{score}"
        )
        yield member, {**head, **_value(rating, items)}


def _head(rating: Rating, code: str, display: str, key: str) -> JsonObject:
    when = rating.at.isoformat(timespec="seconds")
    return {
        "resourceType": "Observation",
        "meta": {"profile": [_PROFILE]},
        "identifier": [{"system": _IDENTIFIERS, "value": f"{rating.id}/{key}"}],
        "status": "final",
        "category": [_SURVEY],
        "code": {
            "coding": [{"system": f"{BASE}/CodeSystem/score", "code": code, "display": display}],
            "text": display,
        },
        "subject": reference(rating.patient),
        "encounter": reference(rating.encounter),
        "effectiveDateTime": when,
        "issued": when,
        "derivedFrom": [reference(f"QuestionnaireResponse/{rating.id}")],
    }


def _value(rating: Rating, items: tuple[str, ...]) -> JsonObject:
    missing = [item for item in items if item not in rating.answers]
    if missing:
        reason = {
            "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
            "code": "not-performed",
            "display": "Not Performed",
        }
        text = f"Not computed: no answer to {', '.join(missing)}"
        return {"dataAbsentReason": {"coding": [reason], "text": text}}
    highest = _HIGHEST_ANSWER * len(items)
    possible = {
        "low": _quantity(0),
        "high": _quantity(highest),
        "type": {"text": "possible"},
        "text": f"Possible scores: 0 to {highest}",
    }
    return {
        "valueQuantity": _quantity(sum(rating.answers[item] for item in items)),
        "referenceRange": [possible],
    }


def _quantity(value: int) -> JsonObject:
    return {"value": value, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"}


def _spread(total: int, chance: random.Random) -> dict[str, int]:
    """Spread a total over the items, unevenly as people do."""
    total = max(0, min(total, _HIGHEST_ANSWER * len(ITEMS)))
    answers = dict.fromkeys(ITEMS, total // len(ITEMS))
    for item in chance.sample(ITEMS, total % len(ITEMS)):
        answers[item] += 1
    giver, taker = chance.sample(ITEMS, 2)
    if answers[giver] > 0 and answers[taker] < _HIGHEST_ANSWER:
        answers[giver] -= 1
        answers[taker] += 1
    return answers
