"""From when to when a medicine was taken, as the record tells it."""

from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest

from plugin.trends.medication import Course, read_courses, referred

ATC = "http://www.whocc.no/atc"
BASE = "https://ehr.invalid/r4"
CODES = ((ATC, "N06AB03"),)


def medicine(kind: str, **more: object) -> dict[str, object]:
    concept = {"coding": [{"system": ATC, "code": "N06AB03"}], "text": "Fluoxetine"}
    return {"resourceType": kind, "status": "active", "medicationCodeableConcept": concept, **more}


def statement(start: str, end: str | None = None, **more: object) -> dict[str, object]:
    period = {"start": start} if end is None else {"start": start, "end": end}
    return medicine("MedicationStatement", **{"effectivePeriod": period, **more})


def order(authored: str, **more: object) -> dict[str, object]:
    return medicine("MedicationRequest", **{"intent": "order", "authoredOn": authored, **more})


def test_a_statement_tells_when_a_medicine_is_taken() -> None:
    assert read_courses([statement("2026-01-05")], UTC) == (
        Course("Fluoxetine", date(2026, 1, 5), None, ongoing=True, codes=CODES),
    )
    ended = statement("2026-01-05", "2026-02-01", status="completed")
    assert read_courses([ended], UTC) == (
        Course("Fluoxetine", date(2026, 1, 5), date(2026, 2, 1), ongoing=False, codes=CODES),
    )


def test_what_is_taken_goes_before_what_was_ordered() -> None:
    (course,) = read_courses([order("2026-01-01"), statement("2026-01-05")], UTC)
    assert course.start == date(2026, 1, 5)


def test_an_order_after_the_end_of_what_was_taken_begins_anew() -> None:
    ended = statement("2025-01-05", "2025-06-30", status="completed")
    told = read_courses([order("2025-02-01"), ended, order("2026-01-10")], UTC)
    assert [(each.start, each.end, each.ongoing) for each in told] == [
        (date(2025, 1, 5), date(2025, 6, 30), False),
        (date(2026, 1, 10), None, True),
    ]


def test_an_order_counts_from_its_dosages_period_or_from_when_it_was_written() -> None:
    bounds = {"timing": {"repeat": {"boundsPeriod": {"start": "2026-01-10", "end": "2026-03-01"}}}}
    assert read_courses([order("2026-01-01")], UTC)[0].start == date(2026, 1, 1)
    (course,) = read_courses([order("2026-01-01", dosageInstruction=[bounds])], UTC)
    assert (course.start, course.end, course.ongoing) == (date(2026, 1, 10), date(2026, 3, 1), False)


def test_when_a_prescription_goes_stale_is_not_when_it_is_stopped() -> None:
    (course,) = read_courses(
        [order("2026-01-01", dispenseRequest={"validityPeriod": {"end": "2026-02-01"}})], UTC
    )
    assert course.ongoing


def test_of_an_order_written_down_after_its_end_the_start_is_not_known() -> None:
    ended = {"timing": {"repeat": {"boundsPeriod": {"end": "2026-03-01"}}}}
    (course,) = read_courses([order("2026-04-01", dosageInstruction=[ended])], UTC)
    assert (course.start, course.about, course.end) == (None, None, date(2026, 3, 1))


def test_a_course_that_ends_before_it_starts_stands_alone_and_covers_no_day() -> None:
    odd = statement("2026-11-17", "2026-10-27", status="completed")
    told = read_courses([statement("2026-01-05"), odd], UTC)
    assert [(each.start, each.is_reversed) for each in told] == [
        (date(2026, 1, 5), False),
        (date(2026, 11, 17), True),
    ]
    assert [each.covers(date(2026, 11, 1)) for each in told] == [True, None]


def test_a_stop_without_a_day_stays_unknown() -> None:
    (course,) = read_courses([order("2026-01-01", status="stopped")], UTC)
    assert (course.end, course.ongoing) == (None, False)


def test_refills_are_one_course_and_a_break_makes_two() -> None:
    refills = [order("2026-01-01", status="completed"), order("2026-02-01")]
    assert read_courses(refills, UTC) == (
        Course("Fluoxetine", date(2026, 1, 1), None, ongoing=True, codes=CODES),
    )
    broken = [statement("2026-01-01", "2026-02-01"), statement("2026-03-01")]
    assert [each.start for each in read_courses(broken, UTC)] == [date(2026, 1, 1), date(2026, 3, 1)]


@pytest.mark.parametrize(
    "odd",
    [
        statement("2026-01-01", status="not-taken"),
        statement("2026-01-01", status="entered-in-error"),
        order("2026-01-01", status="cancelled"),
        order("2026-01-01", status="draft"),
        order("2026-01-01", intent="proposal"),
        order("2026-01-01", doNotPerform=True),
        {"resourceType": "MedicationStatement", "status": "active"},
        {"resourceType": "MedicationStatement", "status": 7},
        {"resourceType": "Observation", "status": "active", "medicationCodeableConcept": {"text": "x"}},
    ],
)
def test_what_was_not_taken_or_cannot_be_read_is_left_out(odd: dict[str, object]) -> None:
    assert read_courses([odd], UTC) == ()


def test_days_are_those_of_the_site_and_a_bare_date_stays_what_it_is() -> None:
    told = statement("2026-01-05T01:00:00Z", "2026-02-01")
    (course,) = read_courses([told], ZoneInfo("America/Los_Angeles"))
    assert (course.start, course.end) == (date(2026, 1, 4), date(2026, 2, 1))


def test_an_end_at_the_end_of_all_days_is_read() -> None:
    (course,) = read_courses([statement("2026-01-05", "9999-12-31T23:59:59Z")], ZoneInfo("Australia/Sydney"))
    assert course.end == date.max


def test_a_year_alone_is_no_day() -> None:
    assert read_courses([statement("2026")], UTC)[0].start is None


def referring(reference: str, **more: object) -> dict[str, object]:
    named = {**statement("2026-01-01"), "medicationReference": {"reference": reference}, **more}
    del named["medicationCodeableConcept"]
    return named


SERTRALINE: dict[str, object] = {
    "resourceType": "Medication",
    "id": "1",
    "code": {"coding": [{"system": ATC, "code": "N06AB06", "display": "Sertraline"}]},
}


def test_a_medicine_may_be_named_by_reference() -> None:
    named = referring("Medication/1")
    named["medicationReference"] = {"reference": "Medication/1", "display": "Sertraline"}
    assert read_courses([named], UTC)[0].name == "Sertraline"


def test_a_medicine_may_stand_in_another_resource_of_the_record() -> None:
    told = [referring("Medication/1"), referring("Medication/1", status="stopped"), statement("2026-01-05")]
    assert referred(told) == ("Medication/1",)
    courses = read_courses(told, UTC, {"Medication/1": SERTRALINE})
    assert [(each.name, each.codes) for each in courses if each.codes[0][1] == "N06AB06"] == [
        ("Sertraline", ((ATC, "N06AB06"),))
    ]


def test_a_medicine_may_be_contained() -> None:
    told = [referring("#1", contained=[{"resourceType": "Practitioner", "id": "2"}, SERTRALINE])]
    assert referred(told) == ()
    assert read_courses(told, UTC)[0].codes == ((ATC, "N06AB06"),)


def test_a_medicine_whose_resource_cannot_be_read_is_not_left_out() -> None:
    unreadable: dict[str, dict[str, object]] = {"Medication/1": {"code": 7}}
    for medicines in ({}, unreadable):
        assert read_courses([referring("Medication/1")], UTC, medicines)[0].name == ""


def test_only_medications_of_the_same_server_are_referred_to() -> None:
    told: list[dict[str, object]] = [
        referring("https://elsewhere.invalid/Medication/1"),
        referring(f"{BASE}.elsewhere.invalid/Medication/1"),
        referring(f"{BASE}/../Medication/1"),
        referring("Patient/1"),
        referring("Medication/"),
        referring("Medication/../Patient/1"),
        referring("Medication/of_another_making"),
        {"contained": 7},
    ]
    assert referred(told, BASE) == ()


@pytest.mark.parametrize(
    "reference",
    [f"{BASE}/Medication/1", "Medication/1/_history/2", f"{BASE}/Medication/1/_history/2"],
)
def test_a_reference_to_the_same_server_may_be_whole_or_name_a_version(reference: str) -> None:
    told = [referring(reference), referring("Medication/1", status="stopped")]
    assert referred(told, BASE) == ("Medication/1",)
    (course,) = read_courses(told, UTC, {"Medication/1": SERTRALINE}, BASE)
    assert course.name == "Sertraline"


def test_however_many_there_are_all_are_referred_to() -> None:
    assert len(referred(referring(f"Medication/{number}") for number in range(150))) == 150


def test_medicines_without_words_are_read_before_those_that_have_some() -> None:
    named = {
        **referring("Medication/2"),
        "medicationReference": {"reference": "Medication/2", "display": "S"},
    }
    assert referred([named, referring("Medication/1")]) == ("Medication/1", "Medication/2")


def test_whether_a_medicine_was_taken_on_a_day_is_told_as_far_as_the_record_goes() -> None:
    first, last = date(2026, 1, 5), date(2026, 2, 1)
    between, before, after = date(2026, 1, 20), date(2026, 1, 4), date(2026, 2, 2)
    ended = Course("A", first, last, ongoing=False)
    assert [ended.covers(day) for day in (before, first, between, last, after)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert Course("B", first, None, ongoing=True).covers(after) is True
    assert Course("C", first, None, ongoing=False).covers(after) is None
    assert Course("D", None, last, ongoing=False).covers(between) is None
