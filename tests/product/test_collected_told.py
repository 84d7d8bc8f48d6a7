"""Responses that the EHR collected itself, found by a Subscription: told of, asked for, never believed."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.collecting import collector
from plugin.collecting.subscribing import Status, ask_events
from plugin.ehr import Ehr
from plugin.ledger import tables as t
from tests.product.collecting import (
    SUBSCRIBED,
    collecting_world,
    look,
    rows,
    someones_answers,
    standing,
    started,
)
from tests.product.world import COLLECTING_SCOPES, EHR, RAPPORT, World

SCORES = 5
NOTIFICATIONS = f"{RAPPORT}/sites/sandbox/collected/notifications"


async def subscribed(world: World) -> str:
    """Wait for the handshake; gives the Subscription's address."""
    await started(world)
    for _ in range(3000):
        (row,) = await rows(world, t.collecting)
        if row.subscription and row.heard_at:
            return str(row.subscription)
        await asyncio.sleep(0.02)
    raise AssertionError("no handshake came")


async def fault(world: World, kind: str) -> None:
    asked = {"kind": kind, "count": 1}
    assert (await world.browser.post(f"{EHR}/sandbox/faults", json=asked)).status_code == 201


async def happened(world: World) -> None:
    """Wait until the one fault of the EHR has befallen something."""
    for _ in range(3000):
        (listed,) = (await world.browser.get(f"{EHR}/sandbox/faults")).json()
        if listed["hits"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the fault did not happen")


async def heard(world: World, events: int) -> None:
    """Wait until Rapport has dealt with so many events."""
    for _ in range(3000):
        (row,) = await rows(world, t.collecting)
        if row.handled >= events and row.owner is None:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{row.handled} of {events} events")


async def test_a_notification_has_the_response_scored_at_once(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        reference = await world.collect(await someones_answers(world))
        await standing(world, reference, SCORES)
        (row,) = await rows(world, t.collecting)
        assert row.way == "subscription"


async def test_it_works_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED, database=postgres_url) as world:
        await subscribed(world)
        reference = await world.collect(await someones_answers(world))
        await standing(world, reference, SCORES)


async def test_an_event_about_another_server_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(ehr: Ehr, subscription: str, since: int, until: int) -> Status:
        told = await ask_events(ehr, subscription, since, until)
        numbered = ((since, "https://elsewhere.example/fhir/QuestionnaireResponse/1"), *told.numbered[1:])
        return dataclasses.replace(told, numbered=numbered)

    monkeypatch.setattr(collector, "ask_events", ask)
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        reference = await world.collect(await someones_answers(world))
        await heard(world, 1)
        await standing(world, reference, SCORES)  # the search has found it


async def test_a_lost_notification_is_made_up_for_by_the_next(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        await fault(world, "notification-lost")
        lost = await world.collect(await someones_answers(world))
        await happened(world)
        assert await rows(world, t.response) == []
        seen = await world.collect(await someones_answers(world))
        for each in (lost, seen):
            await standing(world, each, SCORES)


async def test_a_lost_notification_is_found_by_the_next_heartbeat(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        await fault(world, "notification-lost")
        lost = await world.collect(await someones_answers(world))
        await happened(world)
        world.clock.pass_time(seconds=61)
        await standing(world, lost, SCORES)


async def test_an_ehr_that_went_silent_is_asked(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        await fault(world, "subscription-ended")
        await happened(world)
        reference = await world.collect(await someones_answers(world))
        await look(world, seconds=200)
        await standing(world, reference, SCORES)


async def test_a_subscription_is_made_anew_before_its_end(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        first = await subscribed(world)
        await look(world, seconds=6.5 * 86_400)
        (row,) = await rows(world, t.collecting)
        assert row.subscription != first
        reference = await world.collect(await someones_answers(world))
        await standing(world, reference, SCORES)


async def test_a_subscription_outlives_the_process(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        first = await subscribed(world)
        clock = world.clock
    async with collecting_world(tmp_path, SUBSCRIBED, clock=clock) as world:
        await look(world)
        (row,) = await rows(world, t.collecting)
        assert row.subscription == first


async def test_polling_takes_over_where_no_subscription_is_offered(tmp_path: Path) -> None:
    from plugin.collected_section import Collecting

    async with collecting_world(tmp_path, Collecting(), personality="athena") as world:
        await started(world)
        (row,) = await rows(world, t.collecting)
        assert row.way == "polling"


async def test_polling_takes_over_where_the_scope_is_missing(tmp_path: Path) -> None:
    from plugin.collected_section import Collecting

    scopes = tuple(each for each in COLLECTING_SCOPES if "Subscription" not in each)
    async with collecting_world(tmp_path, Collecting(), backend_scopes=scopes) as world:
        await started(world)
        (row,) = await rows(world, t.collecting)
        assert row.way == "polling"


def notification(events: int, focus: str) -> dict[str, Any]:
    event = [
        {"name": "event-number", "valueString": str(events)},
        {"name": "focus", "valueReference": {"reference": focus}},
    ]
    parameters = [
        {"name": "type", "valueCode": "event-notification"},
        {"name": "status", "valueCode": "active"},
        {"name": "events-since-subscription-start", "valueString": str(events)},
        {"name": "notification-event", "part": event},
    ]
    status = {"resourceType": "Parameters", "parameter": parameters}
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}


async def ring(world: World, secret: str | None, body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return await world.browser.post(
        NOTIFICATIONS, json=body, headers={**headers, "Accept": "application/json"}
    )


async def secret_of(world: World) -> str:
    """Read from the wire what the EHR was told to send along."""
    asked = [
        each for each in world.hosts.seen if each.method == "POST" and each.url.path == "/r4/Subscription"
    ]
    import json

    (line,) = json.loads(asked[-1].content)["channel"]["header"]
    return str(line).removeprefix("Authorization: Bearer ")


async def test_a_notification_without_the_secret_changes_nothing(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        for secret in (None, "guessed"):
            answer = await ring(world, secret, notification(9, f"{EHR}/r4/QuestionnaireResponse/x"))
            assert answer.status_code == 401
        (row,) = await rows(world, t.collecting)
        assert row.heard == 0


async def test_what_a_notification_names_is_not_followed(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        secret = await secret_of(world)
        evil = notification(1, "http://169.254.169.254/r4/QuestionnaireResponse/x")
        assert (await ring(world, secret, evil)).status_code == 200
        await heard(world, 1)
        hosts = {each.url.host for each in world.hosts.seen}
        assert hosts <= {"ehr.invalid", "rapport.invalid"}
        assert await rows(world, t.response) == []


async def test_what_is_no_notification_is_refused(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        answer = await ring(world, await secret_of(world), {"resourceType": "Bundle"})
        assert answer.status_code == 422


async def test_a_site_that_is_not_searched_has_no_such_address(tmp_path: Path) -> None:
    from tests.product.world import run_world

    async with run_world(tmp_path) as world:
        assert (await ring(world, "x", notification(1, "x"))).status_code == 404


async def test_no_secret_is_stored_in_the_clear(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, SUBSCRIBED) as world:
        await subscribed(world)
        secret = await secret_of(world)
        (row,) = await rows(world, t.collecting)
        assert secret not in str(row)
