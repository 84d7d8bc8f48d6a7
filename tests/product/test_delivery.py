"""Delivery: nothing lost, nothing twice, whatever the EHR or the process does."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from plugin.delivery import send
from plugin.delivery.account import attempts_of
from plugin.observations.build import IDENTIFIER_SYSTEM
from plugin.pace import Pace
from plugin.writing import Writing
from tests.product.forms import ANSWERS, response_of
from tests.product.test_bad_input import app_token, post
from tests.product.test_personalities import newest
from tests.product.world import EHR, Clock, World, body_of, run_world


async def answer_while_away(world: World) -> tuple[str, str]:
    """Send a form while the EHR does not answer; gives patient and response id."""
    people = await world.people()
    page = await world.launch("amara")
    secret = await world.hand_over(
        page, f"Practitioner/{people['practitioner']}", instrument="rapport-checkin-therapist", pin=""
    )
    world.hosts.cut.add(EHR.removeprefix("https://"))
    sent = await world.fill(secret, ANSWERS)
    assert sent.status_code == 200, sent.text
    return people["amara"], body_of(await world.browser.get(f"{page.url}/responses.json"))[0]["id"]


async def test_a_response_is_saved_while_the_ehr_is_away_and_delivered_after_a_restart(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with run_world(tmp_path, clock) as world:
        patient, response = await answer_while_away(world)
        await until_tried(world, response)
    clock.pass_time(minutes=2)
    async with run_world(tmp_path, clock) as world:
        (panel,) = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/panel")
        assert panel["subject"] == {"reference": f"Patient/{patient}"}


async def test_what_was_sent_before_a_crash_is_not_sent_again(tmp_path: Path) -> None:
    clock = Clock()
    async with run_world(tmp_path, clock) as world:
        people = await world.people()
        page = await world.launch("amara")
        secret = await world.hand_over(
            page, f"Practitioner/{people['practitioner']}", instrument="rapport-checkin-therapist", pin=""
        )
        await world.fill(secret, ANSWERS)
        response = body_of(await world.browser.get(f"{page.url}/responses.json"))[0]["id"]
        await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/panel")
        await forget_that_it_was_delivered(world)
    async with run_world(tmp_path, clock) as world:
        await until_state(world, response, "delivered")
        assert len(await world.search("Observation", identifier=f"{IDENTIFIER_SYSTEM}|{response}/panel")) == 1
        assert (
            len(await world.search("QuestionnaireResponse", identifier=f"{IDENTIFIER_SYSTEM}|{response}"))
            == 1
        )


async def test_without_a_valid_token_a_delivery_waits_for_the_next_launch(tmp_path: Path) -> None:
    clock = Clock()
    async with run_world(tmp_path, clock) as world:
        _, response = await answer_while_away(world)
        await until_tried(world, response)
    clock.pass_time(hours=30)
    async with run_world(tmp_path, clock) as world:
        await until_state(world, response, "held")
        await world.launch("amara")
        (panel,) = await world.delivered(identifier=f"{IDENTIFIER_SYSTEM}|{response}/panel")
        assert panel["status"] == "final"


async def test_tokens_that_ended_early_are_not_remembered_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "MOST_ENDED", 2)  # patched: a thousand sign-ins would take minutes
    async with run_world(tmp_path) as world:
        people = await world.people()
        ledger = world.rapport.state.rapport.ledger
        for name in ("amara", "mateo", "jayden"):
            world.browser = world.new_browser()
            secret = await world.hand_over(await world.launch(name), f"Patient/{people[name]}")
            fault = {"kind": "token-revoked", "method": "POST", "path": "/r4*", "count": 1}
            await world.browser.post(f"{EHR}/sandbox/faults", json=fault)
            await world.fill(secret, ANSWERS)
            await until_state(world, await ledger.read(lambda c: c.execute(newest()).scalar_one()), "held")
        assert len(world.rapport.state.rapport.sender._ended) == 2


async def forget_that_it_was_delivered(world: World) -> None:
    """Put the ledger into the state in which a killed worker leaves it: sent, and not noted."""
    from plugin.ledger import tables as t

    ledger = world.rapport.state.rapport.ledger
    for _ in range(3000):
        changed = await ledger.bookkeep(
            lambda c: (
                c.execute(
                    t.delivery.update()
                    .where(t.delivery.c.state == "delivered")
                    .values(state="sending", owner="dead", locations=None)
                ).rowcount
            )
        )
        if changed:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was delivered")


async def until_state(world: World, response: str, wanted: str) -> None:
    from plugin.delivery.account import read_account

    ledger = world.rapport.state.rapport.ledger
    for _ in range(3000):
        account = await ledger.read(lambda c: read_account(c, ledger.vault, response))
        if account.state == wanted:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the delivery is {account.state}: {account.detail}")


async def test_recent_responses_stand_by_the_day_of_the_answer(world: World) -> None:
    """The answer of February arrives after the one of March."""
    people, token = await world.people(), await app_token(world)
    for authored in ("2026-03-02T09:00:00+00:00", "2026-02-20T09:00:00+00:00"):
        answer = await post(world, response_of(people["amara"], authored=authored), token=token)
        assert answer.status_code == 201, answer.text
        world.clock.pass_time(seconds=5)
    page = await world.launch("amara")
    recent = page.text.partition("Recent responses")[2]
    assert re.findall(r'datetime="(2026-0\d-\d\d)', recent) == ["2026-03-02", "2026-02-20"]


async def test_a_clock_that_is_set_back_an_hour_keeps_no_answer_from_the_record(tmp_path: Path) -> None:
    """The EHR is away while the clock is wrong, and the site rests for it; then both are as they should be."""
    writing = Writing(pace=Pace(failures_to_rest=1, rest=timedelta(seconds=1)))
    async with run_world(tmp_path, writing=writing) as world:
        world.clock.pass_time(minutes=59)
        patient, response = await answer_while_away(world)
        await until_tried(world, response)
        world.clock.pass_time(minutes=-59)
        world.hosts.cut.clear()
        (panel, *_) = await world.delivered(tries=1000, subject=f"Patient/{patient}")
        assert panel["status"] == "final"
        await until_state(world, response, "delivered")


async def until_tried(world: World, response: str) -> None:
    ledger = world.rapport.state.rapport.ledger
    for _ in range(3000):
        if await ledger.read(lambda c: attempts_of(c, response)):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was tried")
