"""Which number a session has, and how it was held, as the record tells it."""

from datetime import date

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
    found = read_contacts([encounter(2, start="2026-03-09T09:00:00Z"), encounter(1)])
    assert [found.number_of(f"Encounter/{each}") for each in (1, 2, 3)] == [1, 2, None]


def test_what_was_not_held_is_of_another_kind_or_unreadable_does_not_count() -> None:
    odd: list[dict[str, object]] = [
        encounter(1, status="cancelled"),
        encounter(2, "IMP"),
        encounter(3, period={}),
        {"class": 7},
    ]
    assert read_contacts(odd).held == ()


def test_a_form_belongs_to_its_encounter_whatever_the_day() -> None:
    found = read_contacts([encounter(1, "VR"), encounter(2, "AMB", "2026-03-09T09:00:00Z")])
    assert found.was_virtual("Encounter/1", date(2026, 3, 9)) is True
    assert found.was_virtual("Encounter/2", DAY) is False


def test_without_encounter_the_day_tells_if_it_is_clear() -> None:
    found = read_contacts([encounter(1, "VR"), encounter(2, "VR")])
    assert found.was_virtual(None, DAY) is True
    mixed = read_contacts([encounter(1, "VR"), encounter(2, "HH")])
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
        ]
    )
    told = [found.had_carer(f"Encounter/{each}", DAY) for each in (1, 2, 3)]
    assert told == [True, False, None]
