"""Pseudonyms, shifted days, and combinations that few people share."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.research import Administration, Disguise, MedicineClasses, bands_told, suppress
from plugin.research.deidentify import QUASI_IDENTIFIERS, order_of
from plugin.trends.medication import Course

SALT, OTHER = bytes(range(32)), bytes(range(1, 33))
DAY = date(2026, 3, 2)
ROW = Administration(
    administration="a",
    person="p",
    rater_person="r",
    site="s",
    instrument="rapport-checkin-child",
    instrument_version="1.0.0",
    key_hash="k",
    rater="child",
    language="en",
    date=DAY,
    session=1,
    age_band="7–11",
    modality="virtual",
    carer_present=True,
    medication_class="N06B",
    complete=True,
    scores={},
)


def rows(many: int, **more: Any) -> list[Administration]:
    return [replace(ROW, person=f"{more}{place}", **more) for place in range(many)]


def test_a_pseudonym_is_the_same_in_one_project_and_another_in_the_next() -> None:
    ours, theirs = Disguise(SALT), Disguise(OTHER)
    assert ours.pseudonym("person", "s", "Patient/1") == Disguise(SALT).pseudonym("person", "s", "Patient/1")
    assert ours.pseudonym("person", "s", "Patient/1") != theirs.pseudonym("person", "s", "Patient/1")
    assert ours.pseudonym("person", "s", "Patient/1") != ours.pseudonym("rater", "s", "Patient/1")


def test_days_of_one_person_keep_their_distance_and_none_stays_where_it_was() -> None:
    disguise = Disguise(SALT)
    moved = {f"p{each}": disguise.shifted(f"p{each}", DAY) - DAY for each in range(400)}
    assert all(1 <= abs(each.days) <= 182 for each in moved.values())
    assert len(set(moved.values())) > 200
    later = disguise.shifted("p1", DAY + timedelta(days=7))
    assert later - disguise.shifted("p1", DAY) == timedelta(days=7)


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Disguise(b"short")


def test_the_salt_is_never_shown() -> None:
    assert "SALT" not in repr(Disguise(SALT))
    assert repr(SALT) not in repr(Disguise(SALT))


def test_a_rare_medicine_is_emptied_and_the_column_is_named() -> None:
    told, lost = suppress(
        [*rows(11), *rows(3, medication_class="N05A"), *rows(12, medication_class="none")], 11
    )
    rare = [row for row in told if "N05A" in row.person]
    assert len(lost) == 3  # three alone share even the combination without language and medicine
    assert rare == []
    told, lost = suppress(
        [*rows(11), *rows(6, medication_class="N05A"), *rows(5, medication_class="N05B")], 11
    )
    assert lost == []
    assert {(row.medication_class, row.suppressed) for row in told if "N05" in row.person} == {
        (None, "language medication_class")
    }


def test_a_form_that_few_filled_empties_nothing_in_the_other_rows_of_who_filled_it() -> None:
    children = rows(11)
    observed = replace(children[0], instrument="tpocs-a", rater="observer", rater_person="o")
    told, lost = suppress([*children, observed], 11)
    assert lost == [observed]
    assert {(row.person, row.suppressed) for row in told} == {(row.person, None) for row in children}


def test_forms_of_one_person_count_once() -> None:
    told, lost = suppress([replace(ROW, administration=str(each)) for each in range(40)], 11)
    assert (told, len(lost)) == ([], 40)


def test_what_is_emptied_is_not_told_by_another_row_of_the_person() -> None:
    by_caregivers: dict[str, Any] = {"rater": "caregiver", "instrument": "rapport-checkin-caregiver"}
    of_children = [replace(ROW, person=f"p{each}", administration="c") for each in range(20)]
    earlier = [replace(row, date=DAY - timedelta(days=7), administration="e") for row in of_children]
    of_caregivers = [replace(row, administration="g", **by_caregivers) for row in of_children[:3]]
    elsewhere = [
        replace(
            ROW, person=f"q{each}", administration="o", **by_caregivers | {"age_band": "12–17"}, modality=None
        )
        for each in range(3)
    ]
    blank: dict[str, Any] = dict.fromkeys(
        ("language", "medication_class", "carer_present", "modality", "age_band")
    )
    others = [
        replace(ROW, person=f"o{each}", administration="b", **by_caregivers | blank) for each in range(3)
    ]
    told, _ = suppress([*of_children, *earlier, *of_caregivers, *elsewhere, *others], 5)
    for row in told:
        if row.person in {"p0", "p1", "p2"}:
            assert row.age_band is None
            if row.date == DAY:
                assert (row.modality, row.carer_present, row.medication_class) == (None, None, None)
            else:
                assert row.medication_class == "N06B"


def test_a_language_that_is_emptied_beside_a_rare_medicine_is_not_told_by_the_rater_s_other_days() -> None:
    spanish = rows(24, language="es")
    day: dict[str, Any] = {"date": DAY + timedelta(days=7), "session": 2}
    rare = [{**day, "medication_class": each} for each in ("A", "B")]
    later: list[Administration] = []
    for place, taken in enumerate(rare):
        later += [replace(row, **taken) for row in spanish[6 * place : 6 * place + 6]]
        later += [replace(row, person=f"{row.person}{place}", **taken) for row in rows(10)]
    told, lost = suppress([*spanish, *later], 11)
    assert lost == []
    assert {row.medication_class for row in told if row.date > DAY} == {"A", "B"}
    concerned = {row.person for row in later}
    assert {row.language for row in told if row.person in concerned} == {None}
    assert {row.language for row in told if row.person not in concerned} == {"es"}


def test_what_is_emptied_is_not_told_by_a_form_of_the_same_session_on_the_day_after() -> None:
    next_day: dict[str, Any] = {"date": DAY + timedelta(days=1), "rater": "caregiver", "rater_person": "g"}
    found, concerned = list[Administration](), set[str]()
    for modality in ("virtual", "in-person"):
        children = rows(6, modality=modality)  # too few of each
        found += [*children, *(replace(row, **next_day) for row in children)]
        found += rows(11, modality=modality, **next_day)
        concerned |= {row.person for row in children}
    told, lost = suppress(found, 11)
    assert lost == []
    assert {row.modality for row in told if row.person in concerned} == {None}
    assert {row.modality for row in told if row.person not in concerned} == {"virtual", "in-person"}


def test_a_language_that_the_record_does_not_give_is_named_as_emptied_too() -> None:
    spoken = [{"medication_class": each, "language": "en"} for each in ("A", "B", "C")]
    found = [row for place in range(3) for row in rows(4, **spoken[place])]
    silent = rows(1, medication_class="D", language=None)
    told, lost = suppress([*found, *silent], 11)
    assert lost == []
    assert {row.suppressed for row in told} == {"language medication_class"}


def test_who_filled_a_version_that_few_filled_is_left_out() -> None:
    old = rows(1, instrument_version="0.9.0")
    told, lost = suppress([*rows(4), *old], 5)
    assert (told, lost) == ([], [*rows(4), *old])
    told, lost = suppress([*rows(5), *old], 5)
    assert (len(told), lost) == (5, old)


def test_a_number_of_a_session_that_few_have_is_told_as_the_first_of_a_band() -> None:
    people = [replace(ROW, person=f"p{place}") for place in range(6)]
    numbers = {1: 6, 2: 1, 3: 5, 4: 6, 5: 6, 9: 2, 63: 1}
    found = [replace(row, session=number) for number, many in numbers.items() for row in people[:many]]
    told, _ = suppress(found, 5)
    assert {row.session for row in told} == {1, 3, 4, 5}
    assert len([row for row in told if row.session == 5]) == 9
    assert bands_told(told) == ("1–2", "3", "4", "5+")
    few, _ = suppress([*rows(5, session=None), *(replace(row, person="p") for row in found[:1])], 5)
    assert {row.session for row in few} == {None}
    assert bands_told(few) == ()


@pytest.mark.parametrize("keep", QUASI_IDENTIFIERS)
def test_the_column_that_is_kept_longest_is_emptied_last(keep: str) -> None:
    assert order_of(keep)[-1] == keep
    assert sorted(order_of(keep)) == sorted(QUASI_IDENTIFIERS)


def test_a_class_of_medicines_is_told_of_enough_people_where_it_is_kept_longest() -> None:
    found = [
        replace(row, carer_present=place % 2 == 0)
        for taken in ("N06A", "N06B")
        for place, row in enumerate(rows(12, medication_class=taken))
    ]
    told, lost = suppress(found, 11)
    assert (lost, {row.medication_class for row in told}) == ([], {None})
    told, lost = suppress(found, 11, "medication_class")
    assert (lost, {row.medication_class for row in told}) == ([], {"N06A", "N06B"})
    assert {row.suppressed for row in told} == {"language carer_present"}


VALUES = st.builds(
    replace,
    st.just(ROW),
    person=st.sampled_from([f"p{each}" for each in range(30)]),
    age_band=st.sampled_from(["7–11", "12–17", "unknown"]),
    modality=st.sampled_from(["virtual", "in-person", None]),
    carer_present=st.sampled_from([True, False, None]),
    medication_class=st.sampled_from(["N06B", "none", None]),
    language=st.sampled_from(["en", "es", None]),
    instrument_version=st.sampled_from(["1.0.0", "1.0.0", "0.9.0"]),
    date=st.sampled_from([DAY, DAY + timedelta(days=7)]),
    session=st.sampled_from([1, 2, 63, None]),
    rater_person=st.sampled_from(["r", "s"]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(VALUES, max_size=120),
    st.integers(2, 11),
    st.sampled_from([None, "medication_class", "language"]),
)
def test_no_combination_is_ever_told_of_fewer_people(
    found: list[Administration], smallest: int, keep: str | None
) -> None:
    told, lost = suppress(found, smallest, keep)
    assert len(told) + len(lost) == len(found)
    sharing, sessions = defaultdict(set), defaultdict(set)
    for row in told:  # as a reader has them, with what `suppressed` tells of an empty value
        seen = (getattr(row, name) for name in (*QUASI_IDENTIFIERS, "suppressed", "instrument_version"))
        sharing[tuple(seen)].add(row.person)
        sessions[row.session].add(row.person)
    assert all(len(people) >= smallest for people in sharing.values())
    assert all(len(people) >= smallest for number, people in sessions.items() if number is not None)
    for one, other in product(told, told):
        if one.person != other.person:
            continue
        emptied, also = set((one.suppressed or "").split()), set((other.suppressed or "").split())
        shared = {"age_band"} & emptied
        if one.date == other.date:
            shared |= {"medication_class", "modality", "carer_present"} & emptied
        if one.rater_person == other.rater_person:
            shared |= {"language"} & emptied
        assert shared <= also


def test_classes_of_medicines_are_atc_or_the_site_s_own() -> None:
    atc = Course("A", DAY, None, ongoing=True, codes=(("http://www.whocc.no/atc", "N06BA04"),))
    own = Course("B", DAY, None, ongoing=True, codes=(("urn:own", "7"),))
    unknown = Course("C", DAY, None, ongoing=True)
    classes = MedicineClasses({("urn:own", "7"): "sleep aids"})
    assert classes.on([atc, own, unknown], DAY) == "N06B+sleep aids+unclassified"
    assert classes.on([atc], DAY - timedelta(days=1)) == "none"
    assert classes.on([Course("D", DAY, None, ongoing=False)], DAY) is None
