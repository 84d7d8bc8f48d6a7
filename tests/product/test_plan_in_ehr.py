"""A site whose schedule is a PlanDefinition in its EHR: read there, followed, and kept for when the EHR is away."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from plugin.ledger import tables as t
from plugin.plan import PlanInEhr
from tests.product.test_pressing import presses
from tests.product.world import EHR, Clock, World, run_world

FORMS = "https://w3id.org/rapport-fhir/Questionnaire"
ADDRESS = "http://example.org/sandbox-ehr/PlanDefinition/alliance"
BY_ID, BY_ADDRESS = PlanInEhr.parse("PlanDefinition/alliance"), PlanInEhr.parse(f"{ADDRESS}|1.0.0")
LAUNCHED: Any = {"more_scopes": ("user/PlanDefinition.rs",)}
ITSELF: Any = {"backend_scopes": ("system/PlanDefinition.rs",)}
NOT_READ = "could not be read from the EHR"


def plan(form: str, **more: Any) -> dict[str, Any]:
    action = {"definitionCanonical": f"{FORMS}/{form}"}
    return {"resourceType": "PlanDefinition", "url": ADDRESS, "status": "active", "action": [action]} | more


async def put(world: World, resource: Mapping[str, Any], name: str | None = "alliance") -> None:
    """Have the EHR's administrator keep a plan there."""
    asked = {"grant_type": "client_credentials", "scope": "system/PlanDefinition.cu"}
    answer = await world.browser.post(
        f"{EHR}/auth/token", data=asked, auth=("forms", "forms-secret-of-the-tests")
    )
    headers = {
        "Authorization": f"Bearer {answer.json()['access_token']}",
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json",
    }
    address = f"{EHR}/r4/PlanDefinition"
    if name is None:
        kept = await world.browser.post(address, json=resource, headers=headers)
    else:
        kept = await world.browser.put(f"{address}/{name}", json={**resource, "id": name}, headers=headers)
    assert kept.status_code in {200, 201}, kept.text


def due(page: httpx.Response) -> set[str]:
    return {each.split()[1] for each in presses(page)}


@pytest.mark.parametrize("way", [LAUNCHED, ITSELF], ids=["launched", "itself"])
@pytest.mark.parametrize("place", [BY_ID, BY_ADDRESS], ids=["id", "address"])
async def test_the_plan_of_the_ehr_says_whose_forms_are_due(
    tmp_path: Path, place: PlanInEhr, way: Any
) -> None:
    async with run_world(tmp_path, schedule=place, **way) as world:
        await put(world, plan("rapport-checkin-therapist", version="1.0.0"))
        world.clock.pass_time(hours=2)
        await world.rapport.state.rapport.schedules.refresh("sandbox")  # as its loop does each half minute
        page = await world.launch("amara")
    assert NOT_READ not in page.text
    assert due(page) == {"rapport-checkin-therapist"}


async def test_a_changed_plan_is_followed_within_the_hour_and_stands_in_the_trail(tmp_path: Path) -> None:
    async with run_world(tmp_path, schedule=BY_ID, **LAUNCHED) as world:
        await world.launch("amara")
        await put(world, plan("rapport-checkin-therapist"))
        before = due(await world.launch("amara"))
        world.clock.pass_time(hours=1)
        after = due(await world.launch("amara"))
        query = sa.select(t.configuration.c.changed).order_by(t.configuration.c.recorded)
        ledger = world.rapport.state.rapport.ledger
        changed = await ledger.read(lambda connection: connection.execute(query).scalars().all())
    assert before != after == {"rapport-checkin-therapist"}
    assert [json.loads(each) for each in changed[1:]] == [["schedule sandbox"]] * 2


async def test_while_the_ehr_is_away_the_copy_is_followed_and_the_page_says_so(tmp_path: Path) -> None:
    clock = Clock()
    async with run_world(tmp_path, clock, schedule=BY_ID, **LAUNCHED) as world:
        await put(world, plan("rapport-checkin-child"))
        await world.launch("amara")
    clock.pass_time(hours=2)
    async with run_world(tmp_path, clock, schedule=BY_ID, **LAUNCHED) as world:
        await fault(world)
        page = await world.launch("amara")
    assert due(page) == {"rapport-checkin-child"}
    assert "could not be read again from the EHR" in page.text
    assert "It is followed as it was on 2 Mar 2026." in page.text


async def test_an_ehr_without_plans_is_told_with_the_remedy(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="epic", schedule=BY_ID) as world:
        page = await world.launch("amara")
    assert f"Your service&#39;s schedule, PlanDefinition/alliance, {NOT_READ}" in page.text
    assert "grant user/PlanDefinition.rs" in page.text


@pytest.mark.parametrize(
    ("place", "kept", "why"),
    [
        ("PlanDefinition/gone", {}, "look whether the EHR keeps PlanDefinition at all"),
        ("http://example.org/none", {}, "the EHR has no PlanDefinition of this address"),
        ("PlanDefinition/alliance", {"status": "draft"}, "its status is draft: a schedule must be active"),
        ("PlanDefinition/alliance", {"action": [{"title": "Talk"}]}, "none of its actions names a form"),
        (ADDRESS, {"version": "2.0.0"}, "2 active ones have this address: name a version"),
    ],
)
async def test_what_is_no_schedule_is_named_with_place_and_remedy(
    tmp_path: Path, place: str, kept: Any, why: str
) -> None:
    async with run_world(tmp_path, schedule=PlanInEhr.parse(place), **LAUNCHED) as world:
        if kept:
            await put(world, plan("rapport-checkin-child", **kept), None if "version" in kept else "alliance")
        page = await world.launch("amara")
    assert f"{place}, {NOT_READ}" in page.text
    assert why in page.text
    assert len(due(page)) > 1


async def fault(world: World) -> None:
    """Let the EHR fail whenever a plan is read."""
    entered = {"kind": "unavailable", "path": "/r4/PlanDefinition*"}
    answer = await world.browser.post(f"{EHR}/sandbox/faults", json=entered)
    assert answer.status_code < 300, answer.text
