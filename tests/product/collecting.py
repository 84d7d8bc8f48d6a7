"""A Rapport that looks for responses which the EHR collected itself, and ways to wait for what it finds."""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from plugin.collected_section import Collecting
from plugin.collecting import book
from plugin.collecting.book import Found, Remembered
from plugin.ledger import tables as t
from tests.product.forms import response_of
from tests.product.world import COLLECTING_SCOPES, World, run_world

POLLING = Collecting(way="polling")
SUBSCRIBED = Collecting(way="subscription")


def collecting_world(
    folder: Path, how: Collecting = POLLING, **more: Any
) -> AbstractAsyncContextManager[World]:
    scopes = more.pop("backend_scopes", COLLECTING_SCOPES)
    return run_world(folder, backend_scopes=scopes, collecting=how, **more)


async def someones_answers(world: World, **changes: Any) -> dict[str, Any]:
    """What the EHR's own form writes: nothing in it is Rapport's."""
    return response_of((await world.people())["amara"], **changes)


async def look(world: World, *, seconds: float = 61) -> None:
    """Let so much time pass, and wait until the collector has looked."""
    await started(world)
    world.clock.pass_time(seconds=seconds)
    now = world.clock()
    for _ in range(3000):
        world.rapport.state.rapport.collector.wake()
        (row,) = await rows(world, t.collecting)
        if row.owner is None and row.due > now:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the collector did not look: {row}")


async def started(world: World) -> None:
    """Wait for the first look: what was there before it is not taken."""
    for _ in range(3000):
        found = await rows(world, t.collecting)
        if found and found[0].owner is None and (found[0].looked or found[0].trouble):
            world.clock.pass_time(seconds=1)
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the collector did not begin")


async def rows(world: World, table: sa.Table) -> list[Any]:
    def select(connection: sa.Connection) -> list[Any]:
        return list(connection.execute(sa.select(table)))

    found: list[Any] = await world.rapport.state.rapport.ledger.read(select)
    return found


async def found(world: World, state: Found | None = None) -> tuple[Remembered, ...]:
    listed: tuple[Remembered, ...] = await world.rapport.state.rapport.ledger.read(
        lambda connection: book.list_found(connection, state=state)
    )
    return listed


async def standing(world: World, reference: str, many: int) -> list[dict[str, Any]]:
    """Wait until so many Observations in the record come from this response."""
    for _ in range(3000):
        derived = await world.search("Observation", **{"derived-from": reference})
        if len(derived) >= many:
            return derived
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(derived)} Observations come from {reference}")


async def audited(world: World) -> Counter[str]:
    return Counter(str(row.kind) for row in await rows(world, t.audit))
