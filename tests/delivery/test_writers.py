"""Which writer an EHR gets, and what it leaves out."""

import json

import pytest

from plugin.delivery.reacting import back_off
from plugin.delivery.writers import (
    SequenceWriter,
    TransactionWriter,
    anchored,
    choose_writer,
    read_capability,
)
from plugin.pace import DEFAULT_PACE
from smart_launch import Scopes
from tests.delivery.records import record
from tests.observations.test_build import RESPONSE_ID, results_of

ALL = "patient/QuestionnaireResponse.crs patient/Observation.crs patient/Provenance.c"


def statement(*creates: str, transaction: bool = False, conditional: bool = False) -> dict[str, object]:
    resources = [
        {"type": each, "interaction": [{"code": "create"}], "conditionalCreate": conditional}
        for each in creates
    ]
    interactions = [{"code": "transaction"}] if transaction else []
    return {
        "resourceType": "CapabilityStatement",
        "rest": [{"mode": "server", "resource": resources, "interaction": interactions}],
    }


FULL = ("QuestionnaireResponse", "Observation", "Provenance")


@pytest.mark.parametrize(
    ("creates", "transaction", "scope", "expected"),
    [
        (FULL, True, ALL, TransactionWriter(conditional=False, provenance=True)),
        (
            FULL,
            True,
            ALL.replace("patient/Provenance.c", ""),
            TransactionWriter(conditional=False, provenance=False),
        ),
        (FULL, True, "patient/*.write", TransactionWriter(conditional=False, provenance=True)),
        (FULL[:2], True, ALL, TransactionWriter(conditional=False, provenance=False)),
        (FULL, False, ALL, SequenceWriter(creates=frozenset(FULL), conditional=False)),
        (FULL[:1], True, ALL, SequenceWriter(creates=frozenset(FULL[:1]), conditional=False)),
        (
            FULL,
            True,
            "patient/Observation.crs",
            SequenceWriter(creates=frozenset({"Observation"}), conditional=False),
        ),
        ((), True, ALL, None),
        (FULL, True, "patient/Observation.rs", None),
        (("Provenance",), True, ALL, None),
    ],
)
def test_the_writer_follows_what_is_declared_and_granted(
    creates: tuple[str, ...], transaction: bool, scope: str, expected: object
) -> None:
    capability = read_capability(statement(*creates, transaction=transaction))
    assert choose_writer(capability, Scopes.parse(scope)) == expected


def test_a_scope_for_survey_observations_is_enough() -> None:
    survey = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
    capability = read_capability(statement("Observation"))
    assert choose_writer(capability, Scopes.parse(f"user/Observation.cs?category={survey}")) is not None
    assert choose_writer(capability, Scopes.parse("user/Observation.cs?category=vital-signs")) is None


def test_conditions_are_used_where_both_types_declare_them() -> None:
    capability = read_capability(statement(*FULL, transaction=True, conditional=True))
    assert choose_writer(capability, Scopes.parse(ALL)) == TransactionWriter(
        conditional=True, provenance=True
    )


@pytest.mark.parametrize("odd", [{}, {"rest": "none"}, {"rest": [{"resource": [{"type": 7}]}]}])
def test_an_odd_statement_offers_nothing(odd: dict[str, object]) -> None:
    assert choose_writer(read_capability(odd), Scopes.parse(ALL)) is None


def test_pauses_grow_and_stay_within_ten_minutes() -> None:
    longest = [
        max(back_off(attempts, DEFAULT_PACE).total_seconds() for _ in range(200)) for attempts in (1, 4, 30)
    ]
    assert longest[0] <= 2 < longest[1] <= 16 < longest[2] <= 600


def test_where_the_ehr_collected_the_response_the_provenance_is_that_of_the_scores() -> None:
    results = results_of({"goal-1": "mostly"})
    kept = record(id=RESPONSE_ID, collected="QuestionnaireResponse/7", results=results)
    provenance = json.loads(anchored(kept).provenance)
    assert len(json.loads(results.provenance)["target"]) == 6
    assert len(provenance["target"]) == 5
    assert {"reference": "QuestionnaireResponse/7"} not in provenance["target"]
    assert provenance["entity"][0]["what"] == {"reference": "QuestionnaireResponse/7"}
