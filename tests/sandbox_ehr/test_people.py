"""The synthetic people: plausible, complete, sound FHIR, the same each time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from sandbox_ehr import SandboxSettings, create_app
from sandbox_ehr.errors import SettingsInvalid
from sandbox_ehr.fhir.parameters import TYPES
from sandbox_ehr.fhir.query import NOTHING_MORE
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.fhir.validate import check_resource
from tests.sandbox_ehr.conftest import Now, client_of, settings

TODAY = date(2026, 11, 23)


@pytest.fixture
def store() -> Iterator[Store]:
    made: Store = create_app(settings(), clock=Now()).state.store
    with closing(made.database):
        yield made


def all_of(store: Store, kind: str) -> list[dict[str, object]]:
    return [found.read() for each in store.find(kind, NOTHING_MORE) if (found := store.read(kind, each))]


def test_every_resource_is_sound_and_refers_to_what_exists(store: Store) -> None:
    for kind in TYPES:
        for resource in all_of(store, kind):
            check_resource(resource, kind)
            store.check_references(resource)


def test_there_are_a_dozen_children_of_school_age_with_carers(store: Store) -> None:
    born = [date.fromisoformat(str(each["birthDate"])) for each in all_of(store, "Patient")]
    ages = [TODAY.year - each.year - ((TODAY.month, TODAY.day) < (each.month, each.day)) for each in born]
    assert len(ages) >= 12
    assert set(ages) == set(range(6, 18))
    carers = Counter(msgspec.json.encode(each["patient"]) for each in all_of(store, "RelatedPerson"))
    assert len(carers) == len(ages)
    assert max(carers.values()) == 2


def test_each_child_has_one_encounter_in_progress_today(store: Store) -> None:
    in_progress = [each for each in all_of(store, "Encounter") if each["status"] == "in-progress"]
    assert (
        len(in_progress)
        == len({str(each["subject"]) for each in in_progress})
        == len(all_of(store, "Patient"))
    )
    assert {msgspec.convert(each["class"], dict[str, str])["code"] for each in in_progress} == {"AMB", "VR"}


def test_the_scores_of_the_histories_follow_from_their_answers(store: Store) -> None:
    weights = {"not-at-all": 0, "a-little": 1, "somewhat": 2, "mostly": 3, "completely": 4}
    totals = {}
    for response in all_of(store, "QuestionnaireResponse"):
        items = msgspec.convert(response["item"], list[dict[str, object]])
        codes = [
            str(msgspec.convert(each["answer"], list[dict[str, dict[str, str]]])[0]["valueCoding"]["code"])
            for each in items
        ]
        totals[f"QuestionnaireResponse/{response['id']}"] = (
            sum(weights[code] for code in codes) if len(codes) == 6 else None
        )
    scores = [each for each in all_of(store, "Observation") if "-total" in str(each["code"])]
    assert len(scores) == len(totals)
    for score in scores:
        origin = msgspec.convert(score["derivedFrom"], list[dict[str, str]])[0]["reference"]
        quantity = score.get("valueQuantity")
        value = msgspec.convert(quantity, dict[str, object])["value"] if quantity else None
        assert value == totals[origin]
        assert ("dataAbsentReason" in score) is (value is None)
        assert "performer" not in score
        assert value is None or 0 <= Decimal(str(value)) <= 24


def test_six_children_have_a_history_and_one_has_a_skipped_item(store: Store) -> None:
    subjects = {str(each["subject"]) for each in all_of(store, "QuestionnaireResponse")}
    assert len(subjects) == 6
    absent = [each for each in all_of(store, "Observation") if "dataAbsentReason" in each]
    texts = {msgspec.convert(each["dataAbsentReason"], dict[str, object])["text"] for each in absent}
    assert (len(absent), texts) == (2, {"Not computed: no answer to bond-2"})


def test_the_same_people_are_made_each_time(store: Store) -> None:
    other: Store = create_app(settings(), clock=Now()).state.store
    with closing(other.database):
        for kind in TYPES:
            assert all_of(store, kind) == all_of(other, kind)


def test_a_file_keeps_everything_and_the_next_day_has_visits_of_its_own(tmp_path: Path) -> None:
    now, kept = Now(), settings(database=str(tmp_path / "ehr.sqlite3"))
    first: Store = create_app(kept, clock=now).state.store
    first.database.close()
    now.advance(days=1)
    again: Store = create_app(kept, clock=now).state.store
    assert len(all_of(again, "Patient")) == 14
    in_progress = [each for each in all_of(again, "Encounter") if each["status"] == "in-progress"]
    assert len(in_progress) == 14
    assert {str(each["period"])[11:21] for each in in_progress} == {"2026-11-24"}
    again.database.close()


def test_without_seeding_there_is_nobody() -> None:
    store: Store = create_app(settings(seed=False), clock=Now()).state.store
    with closing(store.database):
        assert not any(all_of(store, kind) for kind in TYPES)


@pytest.mark.parametrize("base_url", ["https://ehr.invalid/", "ehr.invalid", ""])
def test_a_wrong_base_url_is_refused_at_the_start(base_url: str) -> None:
    with pytest.raises(SettingsInvalid, match="base_url"):
        SandboxSettings(base_url=base_url)


def test_a_client_without_its_secret_or_keys_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsInvalid, match="secret"):
        client_of("a", "symmetric")
    with pytest.raises(SettingsInvalid, match="jwks"):
        client_of("a", "asymmetric")
