"""Who has answered in the session that is on: the patient page and the cards say the same."""

from pathlib import Path

import pytest

from tests.product.test_cds_hooks import CLIENT, call, chart, keep_score, post
from tests.product.test_path import standing_of
from tests.product.world import World, run_world

YOUNG = "Freya Lindqvist"
TODAY = "1008-20260302"


async def is_due_by_card(world: World, encounter: str) -> bool:
    """Tell whether the cards say that the young person's form is due, with what the EHR sends along."""
    asked = call("1008")
    asked["context"]["encounterId"] = encounter
    asked["prefetch"] = {
        name: {"entry": [{"resource": each} for each in await world.search(kind, patient="1008")]}
        for name, kind in (("encounters", "Encounter"), ("scores", "Observation"))
    }
    told = (await post(world, asked)).json()["cards"]
    return any("due in this session from the young person" in each["summary"] for each in told)


async def begin_series(world: World, *, end: str | None) -> str:
    """Have the record hold an Encounter that began two weeks ago; gives its id."""
    store = world.ehr.state.store
    visit = store.read("Encounter", TODAY).read()
    period = {"start": "2026-02-16T09:00:00Z", **({"end": end} if end else {})}
    return str(store.create({**visit, "status": "in-progress", "period": period}).id)


@pytest.mark.parametrize(
    ("named", "when", "answered"),
    [
        ("own", "2026-03-02T08:30:00Z", True),
        ("", "2026-03-02T08:30:00Z", True),
        ("unknown", "2026-03-02T08:30:00Z", True),
        ("another", "2026-03-02T08:30:00Z", False),
        ("", "2026-03-01T08:30:00Z", False),
        ("own", "2026-03-01T20:30:00Z", True),  # at home, on the evening before
    ],
)
async def test_a_form_of_today_is_of_this_session_unless_it_names_another(
    tmp_path: Path, named: str, when: str, *, answered: bool
) -> None:
    async with run_world(tmp_path, cds=CLIENT) as world:
        await chart(world)
        held = sorted(each["id"] for each in await world.search("Encounter", patient="1008"))
        encounter = {"own": TODAY, "another": held[0]}.get(named, named)
        store = world.ehr.state.store
        keep_score(store, "2026-01-12T09:00:00Z", "Patient/1008", 18)
        keep_score(store, when, "Patient/1008", 20, encounter=f"Encounter/{encounter}" if encounter else "")
        page = await world.launch("freya", encounter=TODAY)
        assert (standing_of(page, YOUNG) == "has answered") is answered
        assert await is_due_by_card(world, TODAY) is not answered


@pytest.mark.parametrize(
    ("end", "named", "when", "answered"),
    [
        ("2026-02-16T10:00:00Z", True, "2026-02-16T09:40:00Z", True),
        ("2026-02-16T10:00:00Z", True, "2026-02-17T18:00:00Z", True),  # at home, the day after
        ("2026-02-16T10:00:00Z", False, "2026-02-16T09:40:00Z", True),
        ("2026-02-16T10:00:00Z", False, "2026-03-02T08:00:00Z", False),
        (None, True, "2026-02-16T09:40:00Z", False),  # of the first day of a series
        ("2026-02-27T10:00:00Z", True, "2026-02-16T09:40:00Z", False),
        (None, True, "2026-03-02T08:00:00Z", True),
    ],
)
async def test_a_session_that_is_opened_again_has_its_own_day_and_a_series_has_today(
    tmp_path: Path, end: str | None, when: str, *, named: bool, answered: bool
) -> None:
    async with run_world(tmp_path, cds=CLIENT) as world:
        await chart(world)
        session = await begin_series(world, end=end)
        store = world.ehr.state.store
        keep_score(store, "2026-01-12T09:00:00Z", "Patient/1008", 18)
        keep_score(store, when, "Patient/1008", 20, encounter=f"Encounter/{session}" if named else "")
        page = await world.launch("freya", encounter=session)
        assert (standing_of(page, YOUNG) == "has answered") is answered
        assert await is_due_by_card(world, session) is not answered


async def test_without_an_encounter_the_day_decides(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        keep_score(world.ehr.state.store, "2026-03-01T08:30:00Z", "Patient/1008", 18)
        page = await world.launch("freya", encounter=None)
        assert standing_of(page, YOUNG) == "due"
        keep_score(world.ehr.state.store, "2026-03-02T08:30:00Z", "Patient/1008", 20)
        world.browser = world.new_browser()
        page = await world.launch("freya", encounter=None)
        assert standing_of(page, YOUNG) == "has answered"
