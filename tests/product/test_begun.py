"""Launches that are begun and not finished: anybody can begin one, and what is left of it goes by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa

from plugin.housekeeping import Housekeeping
from plugin.ledger import tables as t
from tests.product.world import EHR, World, run_world

ADDRESS = f"/launch?{urlencode({'iss': f'{EHR}/r4', 'launch': 'x', 'cookies': 'asked'})}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path) as running:
        yield running


async def begin(world: World, many: int) -> None:
    """Begin launches as nobody in particular, each in a browser of its own."""
    for number in range(many):
        cookie = {"Cookie": f"__Host-rapport=x{number}"}
        answer = await world.new_browser().get(ADDRESS, headers=cookie)
        assert answer.status_code == 303, answer.text


async def left(world: World) -> tuple[int, int]:
    """Count begun launches and browser sessions."""
    counts = [
        sa.select(sa.func.count()).select_from(each).scalar_subquery()
        for each in (t.pending_launch, t.browser_session)
    ]
    begun, sessions = await world.rapport.state.rapport.ledger.read(
        lambda connection: connection.execute(sa.select(*counts)).one()
    )
    return int(begun), int(sessions)


async def test_launches_that_nobody_finishes_leave_nothing_whatever_is_kept(world: World) -> None:
    await begin(world, 3)
    await world.rapport.state.housekeeping.sweep()
    assert await left(world) == (3, 3)
    world.clock.pass_time(minutes=11)
    await world.rapport.state.housekeeping.sweep()
    assert await left(world) == (0, 0)


async def test_who_signs_in_slowly_comes_in_and_stays_until_an_hour_without_use(world: World) -> None:
    away = await world.depart()
    world.clock.pass_time(minutes=4)
    await world.rapport.state.housekeeping.sweep()
    page = await world.follow(away)
    assert page.status_code == 200, page.text
    world.clock.pass_time(minutes=50)
    await world.rapport.state.housekeeping.sweep()
    assert (await world.browser.get(str(page.url))).status_code == 200
    world.clock.pass_time(minutes=61)
    await world.rapport.state.housekeeping.sweep()
    assert await left(world) == (0, 0)


async def test_a_sign_in_that_is_just_coming_back_is_not_swept_from_under_its_feet(world: World) -> None:
    await world.depart()
    world.clock.pass_time(minutes=9, seconds=30)
    away = await world.depart()
    back = (await world.browser.get(away.headers["location"])).headers["location"]
    asked, goes_on = asyncio.Event(), asyncio.Event()

    class Slow(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.set()
            await goes_on.wait()
            return await super().handle_async_request(request)

    world.hosts.apps["ehr.invalid"] = Slow(world.ehr)
    coming = asyncio.ensure_future(world.browser.get(back))
    await asked.wait()  # for its tokens: the begun launch has been taken, and none is kept yet
    world.clock.pass_time(seconds=40)
    await world.rapport.state.housekeeping.sweep()
    goes_on.set()
    assert (await world.follow(await coming)).status_code == 200


async def test_of_many_that_nobody_has_signed_in_for_the_newest_wait_and_every_clinicians_own(
    world: World,
) -> None:
    await world.launch("mateo")
    own = await world.depart()
    await begin(world, 5)
    world.clock.pass_time(seconds=1)
    stranger = world.new_browser()
    newest = await stranger.get(await world.new_launch("jayden"))
    newest = await stranger.get(newest.headers["location"])
    rapport = world.rapport.state.rapport
    await Housekeeping(rapport.ledger, rapport.trail, world.clock, rapport.returning, most_begun=2).sweep()
    assert (await left(world))[0] == 3
    for browser, away in ((world.browser, own), (stranger, newest)):
        assert (await world.follow(away, browser)).status_code == 200
