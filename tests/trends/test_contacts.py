"""Which number a session has, and how it was held, as the record tells it."""

from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest

from plugin.trends.contacts import read_contacts

DAY = date(2026, 3, 2)


def encounter(
    number: int, code: str = "AMB", start: str = "2026-03-02T09:00:00Z", **more: object
) -> dict[str, object]:
    return {
        "resourceType": "Encounter",
        "id": str(number),
        "status": "finished",
        "class": {"code": code},
        "period": {"start": start},
        **more,
    }


def test_sessions_are_counted_by_their_start() -> None:
    found = read_contacts([encounter(2, start="2026-03-09T09:00:00Z"), encounter(1)], UTC)
    assert [found.number_of(f"Encounter/{each}") for each in (1, 2, 3)] == [1, 2, None]


def test_what_was_not_held_is_of_another_kind_or_unreadable_does_not_count() -> None:
    odd: list[dict[str, object]] = [
        encounter(1, status="cancelled"),
        encounter(2, "IMP"),
        encounter(3, period={}),
        {"class": 7},
    ]
    assert read_contacts(odd, UTC).held == ()


def test_a_form_belongs_to_its_encounter_whatever_the_day() -> None:
    found = read_contacts([encounter(1, "VR"), encounter(2, "AMB", "2026-03-09T09:00:00Z")], UTC)
    assert found.was_virtual("Encounter/1", date(2026, 3, 9)) is True
    assert found.was_virtual("Encounter/2", DAY) is False


@pytest.mark.parametrize(("code", "virtual"), [("AMB", False), ("HH", False), ("FLD", False), ("VR", True)])
def test_a_session_is_held_in_person_or_by_video(code: str, *, virtual: bool) -> None:
    (held,) = read_contacts([encounter(1, code)], UTC).held
    assert held.virtual is virtual


def test_without_encounter_the_day_tells_if_it_is_clear() -> None:
    found = read_contacts([encounter(1, "VR"), encounter(2, "VR")], UTC)
    assert found.was_virtual(None, DAY) is True
    mixed = read_contacts([encounter(1, "VR"), encounter(2, "HH")], UTC)
    assert mixed.was_virtual(None, DAY) is None
    assert mixed.was_virtual(None, date(2026, 3, 3)) is None


def test_a_carer_who_took_part_is_told_where_the_record_names_people() -> None:
    therapist = {"individual": {"reference": "Practitioner/1"}}
    mother = {"individual": {"reference": "RelatedPerson/7"}}
    found = read_contacts(
        [
            encounter(1, participant=[therapist, mother]),
            encounter(2, start="2026-03-09T09:00:00Z", participant=[therapist]),
            encounter(3, start="2026-03-16T09:00:00Z"),
        ],
        UTC,
    )
    told = [found.had_carer(f"Encounter/{each}", DAY) for each in (1, 2, 3)]
    assert told == [True, False, None]


@pytest.mark.parametrize(
    ("start", "day"),
    [
        ("2026-03-03T00:10:00Z", 2),
        ("2026-03-03T00:10:00+00:00", 2),
        ("2026-03-02T16:10:00-08:00", 2),
        ("2026-03-03T11:10:00+11:00", 2),
        ("2026-03-03T08:10:00Z", 3),
        ("2026-03-03", 3),
        ("2026-03-03T00:10:00", 3),  # FHIR wants an offset: taken for the clock of the site
    ],
)
def test_a_session_has_the_day_of_the_site_however_the_ehr_writes_its_start(start: str, day: int) -> None:
    (held,) = read_contacts([encounter(1, start=start)], ZoneInfo("America/Los_Angeles")).held
    assert held.day == date(2026, 3, day)


@pytest.mark.parametrize("start", ["2026", "2026-03", "soon"])
def test_a_start_without_a_day_gives_none(start: str) -> None:
    assert read_contacts([encounter(1, start=start)], UTC).held[0].day is None


def test_sessions_whose_starts_are_written_in_several_zones_are_counted_in_order() -> None:
    starts = (
        "2026-03-02T23:30:00-08:00",
        "2026-03-03T06:00:00Z",
        "2026-03-03T15:00:00+11:00",
        "soon",
        "2026-03",
    )
    found = read_contacts(
        [encounter(place, start=start) for place, start in enumerate(starts)], ZoneInfo("America/Los_Angeles")
    )
    assert [each.start for each in found.held] == [starts[place] for place in (4, 2, 1, 0, 3)]
