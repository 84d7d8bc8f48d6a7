"""Who may do what: every address asked by every kind of person, and held against the table in the documentation."""

import asyncio

import pytest

from tests.security.walking import ASKING, END, PAGE, START, Walked, lets_in, table, walk_a_world


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    return asyncio.run(walk_a_world(tmp_path_factory.mktemp("walked")))


def test_every_address_lets_in_whom_the_table_says_and_nobody_else(walked: Walked) -> None:
    found = walked.statuses
    assert not {each: statuses for each, statuses in found.items() if max(statuses.values()) >= 500}
    documented = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0].strip()
    assert table(found) == documented, "If the change is meant: python -m tests.security.walking"


UNTOLD = {
    "GET /launches/{launch}/events": "says that something has changed, and nothing else; the page that listens is told",
    "GET /launches/{launch}/forms/{form}": "a form that nobody has answered, with nothing of the patient",
    "POST /launches/{launch}/notes/draft": "takes what its writer types and answers with nothing; the saved note is told",
    "GET /launches/{launch}/responses.json": (
        "how far each is on its way, without answer or score, asked again and again by the patient page, which is told"
    ),
    "GET /launches/{launch}/sessions": "where the reader is signed in: numbers and times, nothing of the patient",
}
"""Addresses that tell about a patient without an entry of their own, and why."""
READ = {
    *(
        "GET /launches/{launch}",
        "GET /launches/{launch}/responses",
        "GET /launches/{launch}/responses/{response}",
    ),
    *("GET /launches/{launch}/summary.pdf", "GET /launches/{launch}/notes/{note}"),
    *("GET /sites/{site_id}/fhir/{kind}", "GET /sites/{site_id}/fhir/{kind}/{resource_id}"),
    *("GET /desks/{desk}/caseload", "POST /desks/{desk}/research", "GET /desks/{desk}/deliveries/{response}"),
    *("GET /desks/{desk}/audit", "POST /desks/{desk}/audit", "GET /desks/{desk}/audit/responses/{response}"),
    "POST /desks/{desk}/audit/responses/{response}/compare",
    *("GET /desks/{desk}/reviews/{review}", "GET /desks/{desk}/reviews/{review}/export"),
    "POST /desks/{desk}/exports",
}


def test_whoever_reads_about_a_patient_leaves_an_entry_in_the_trail(walked: Walked) -> None:
    assert walked.told >= READ
    assert set(walked.untold) == set(UNTOLD), walked.untold


def test_what_is_a_patients_is_open_to_nobody_else() -> None:
    documented = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    rows = [line.strip("| ").split(" | ") for line in documented.splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    for address, *marks in rows:
        may = {who for who, mark in zip(ASKING, marks, strict=True) if mark == "yes"}
        if "/launches/{launch}" in address:
            assert may <= {"clinician"}, address
        if "/desks/" in address:
            assert may <= {"supervisor", "auditor", "administrator", "researcher"}, address
        if address.startswith(("`PUT /fill", "`POST /fill", "`GET /fill/")):
            assert may <= {"respondent", "another patient's respondent"}, address


def test_a_refusal_is_told_from_a_form_that_is_not_whole() -> None:
    assert [lets_in(status) for status in (200, 303, 422, 401, 403, 404, 410, 500)] == [
        *(True, True, True),
        *(False, False, False, False, False),
    ]
