"""Forms that go on and sessions that end leave what the trail tells of them."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from plugin.ledger import tables as t
from plugin.verify import Flaw
from tests.audit.conftest import Kept, advance
from tests.product.test_kept import unlock
from tests.product.test_lock import csrf_of
from tests.product.world import World, run_world

CHILD, TEENAGER = "amara", "wei-ling"


async def rows(world: World, column: sa.Column[object]) -> Sequence[object]:
    query = sa.select(column).order_by(column)
    return list(await world.rapport.state.rapport.ledger.read(lambda c: c.execute(query).scalars().all()))


async def test_going_on_with_a_form_names_that_form_and_signing_out_ends_every_launch(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        people = await world.people()
        await world.launch(TEENAGER)
        page = await world.launch(CHILD)
        await world.hand_over(page, f"Patient/{people[CHILD]}")
        await unlock(world)
        again = await world.browser.get(str(page.url))
        await world.hand_over(again, f"Patient/{people[CHILD]}")
        assert len(await rows(world, t.invitation.c.id)) == 1
        await unlock(world)
        back = await world.browser.get(str(page.url))
        await world.browser.post(f"{page.url}/sign-out", data={"csrf": csrf_of(back), "sure": "true"})
        assert None not in await rows(world, t.launch.c.ended)
    await advance(tmp_path)
    kept = Kept(tmp_path)
    assert kept.verify() == []
    kept.run("UPDATE launch SET ended = NULL")
    assert [each.flaw for each in kept.verify()] == [Flaw.STATE, Flaw.STATE, Flaw.ALTERED, Flaw.ALTERED]
