"""What a site keeps no longer is removed on time, nothing that is still needed is, and the log stays whole."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from plugin.command_line import app
from plugin.delivery.states import DeliveryState
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.retention_settings import LEAST_AUDIT_DAYS, Retention
from plugin.verify import Flaw
from tests.audit.conftest import Kept, advance
from tests.audit.test_erasure import bytes_of, secrets_of, stands_in
from tests.audit.test_trail import entries_of, kind_of
from tests.product.forms import ANSWERS
from tests.product.test_auditing import logged
from tests.product.test_personalities import send_form, settled
from tests.product.test_remote import make_link, secret_of
from tests.product.world import Clock, World, rapport_settings, run_world

SHORT = Retention(
    drafts=timedelta(days=7),
    launches=timedelta(days=14),
    answers=timedelta(days=30),
    attempts=timedelta(days=10),
)
WITH_TRAIL = replace(SHORT, audit=timedelta(days=LEAST_AUDIT_DAYS))


async def leave_a_draft(world: World) -> None:
    """Send a link on which somebody begins to answer, and does not send."""
    people = await world.people()
    made = await make_link(world, await world.launch("wei-ling"), f"Patient/{people['wei-ling']}")
    headers = {"X-Rapport-Invitation": secret_of(made)}
    async with world.new_browser() as phone:
        assert (await phone.get("/fill/form", headers=headers)).status_code == 200
        link_id = next(iter(ANSWERS))
        saved = await phone.put(
            "/fill/answers", headers=headers, json={"answers": {link_id: ANSWERS[link_id]}}
        )
        assert saved.status_code < 300, saved.text


async def fill_and_wait(world: World) -> str:
    response = await send_form(world)
    await settled(world, response)
    world.browser = world.new_browser()
    await leave_a_draft(world)
    return response


async def sweep(world: World) -> dict[str, int]:
    done = await world.rapport.state.retention.sweep()
    return dict(done.get("sandbox", {}))


async def count(world: World, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return int(await world.rapport.state.rapport.ledger.read(lambda c: c.execute(query).scalar_one()))


async def test_what_is_due_goes_and_what_is_not_stays(tmp_path: Path) -> None:
    async with run_world(tmp_path, retention=SHORT) as world:
        await fill_and_wait(world)
        assert await sweep(world) == {}
        world.clock.pass_time(days=9)
        assert await sweep(world) == {"invitation": 1}
        assert await count(world, t.response) == 1
        world.clock.pass_time(days=8)
        assert await sweep(world) == {"launch": 1, "launch_token": 1}
        world.clock.pass_time(days=15)
        assert await sweep(world) == {
            "response": 1,
            "delivery": 1,
            "attempt": 1,
            "invitation": 1,
            "launch": 1,
        }
        for table in (t.response, t.delivery, t.attempt, t.invitation, t.launch, t.pending_launch):
            assert await count(world, table) == 0, table.name


async def test_nothing_goes_where_nothing_is_set(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await fill_and_wait(world)
        world.clock.pass_time(days=36_000)
        assert await sweep(world) == {}
        assert await count(world, t.response) == 1


async def test_what_is_not_in_the_record_yet_stays_with_the_token_that_can_bring_it_there(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path, personality="read-only", retention=SHORT) as world:
        response = await send_form(world)
        account = await settled(world, response)
        assert account.state is DeliveryState.REFUSED
        world.clock.pass_time(days=400)
        assert await sweep(world) == {}
        assert await count(world, t.response) == await count(world, t.launch) == 1


async def test_nothing_of_it_is_left_in_the_databases_files(tmp_path: Path) -> None:
    async with run_world(tmp_path, retention=SHORT) as world:
        await fill_and_wait(world)
        await logged(world)
        ledger = world.rapport.state.rapport.ledger
        draft = await ledger.read(
            lambda c: c.execute(
                sa.select(t.invitation.c.sealed_draft).where(t.invitation.c.sealed_draft.is_not(None))
            ).scalar_one()
        )
        secrets = [bytes(draft), *secrets_of(Kept(tmp_path))]
        before = bytes_of(tmp_path)
        assert len(secrets) > 10
        assert all(stands_in(each, before) for each in secrets)
        world.clock.pass_time(days=40)
        await sweep(world)
        after = bytes_of(tmp_path)
        assert [each for each in secrets if stands_in(each, after)] == []


async def test_on_postgresql_the_rows_are_gone(tmp_path: Path, postgres_url: str) -> None:
    async with run_world(tmp_path, retention=SHORT, stored={"database": postgres_url}) as world:
        await fill_and_wait(world)
        world.clock.pass_time(days=40)
        sweeps = await asyncio.gather(sweep(world), sweep(world))  # two processes at once
        assert sorted(each.get("response", 0) for each in sweeps) == [0, 1]
        for table in (t.response, t.delivery, t.attempt, t.invitation, t.launch):
            assert await count(world, table) == 0, table.name


async def test_the_log_stays_whole_and_says_how_many_rows_were_erased(tmp_path: Path) -> None:
    kept, outside = Kept(tmp_path), b""
    async with run_world(tmp_path, retention=SHORT) as world:
        await fill_and_wait(world)
        await logged(world)
        outside = (kept.tiles / "checkpoint").read_bytes()
        world.clock.pass_time(days=40)
        await sweep(world)
    await advance(tmp_path)
    assert kept.verify(outside) == []
    kept.run("DELETE FROM response", "DELETE FROM erasure")
    await advance(tmp_path)
    assert {each.flaw for each in kept.verify()} == {Flaw.DELETED, Flaw.TRAIL}


async def test_tries_that_did_not_deliver_go_before_their_response(tmp_path: Path) -> None:
    async with run_world(tmp_path, retention=replace(SHORT, launches=None)) as world:
        world.hosts.cut.add("ehr.invalid")
        page_before = world.hosts.cut.copy()
        world.hosts.cut.clear()
        response = await send_and_fail_once(world, page_before)
        await settled(world, response)
        await logged(world)
        assert await count(world, t.attempt) > 1
        world.clock.pass_time(days=11)
        assert (await sweep(world))["attempt"] >= 1
        assert await count(world, t.attempt) == 1
    await advance(tmp_path)
    assert Kept(tmp_path).verify() == []


async def send_and_fail_once(world: World, away: set[str]) -> str:
    """Answer while the EHR is away; it comes back after the first try."""
    page = await world.launch("amara")
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    world.hosts.cut |= away
    assert (await world.fill(secret, ANSWERS)).status_code == 200
    for _ in range(3000):
        if await count(world, t.attempt):
            break
        await asyncio.sleep(0.02)
    world.hosts.cut.clear()
    query = sa.select(t.response.c.id)
    return str(await world.rapport.state.rapport.ledger.read(lambda c: c.execute(query).scalar_one()))


async def test_entries_go_after_six_years_if_nothing_else_is_kept_of_the_patient(tmp_path: Path) -> None:
    async with run_world(tmp_path, retention=WITH_TRAIL) as world:
        await fill_and_wait(world)
        await logged(world)
        world.clock.pass_time(days=LEAST_AUDIT_DAYS - 1)
        await sweep(world)
        before = {str(kind_of(each)) for each in entries_of(tmp_path)}
        assert {"response-received", "launch", "delivery"} <= before
        world.clock.pass_time(days=3)
        assert (await sweep(world))["audit"] > 5
    left = {str(kind_of(each)) for each in entries_of(tmp_path)}
    assert left == {"configuration-changed", "retention-applied"}
    await advance(tmp_path)
    assert Kept(tmp_path).verify() == []


async def test_every_removal_is_in_the_trail_and_counted(tmp_path: Path) -> None:
    async with run_world(tmp_path, retention=SHORT) as world:
        await fill_and_wait(world)
        world.clock.pass_time(days=40)
        await sweep(world)
        text = world.rapport.state.rapport.metrics.exposition().decode()
        assert 'rapport_retention_removed_total{site="sandbox",table="response"} 1.0' in text
    entry = [each for each in entries_of(tmp_path) if str(kind_of(each)) == "retention-applied"][-1]
    assert entry["purposeOfEvent"][0]["text"] == "Kept as long as [site.retention] of sandbox says"
    assert "by the site's retention" in str(entry["agent"])


async def test_a_patient_page_does_not_say_that_the_law_erased_something(tmp_path: Path) -> None:
    async with run_world(tmp_path, retention=SHORT) as world:
        await fill_and_wait(world)
        world.clock.pass_time(days=40)
        await sweep(world)
        world.browser = world.new_browser()
        page = await world.launch("amara")
        assert page.status_code == 200
        assert "was erased" not in page.text


@pytest.mark.parametrize("dry", [True, False])
def test_the_command_counts_and_removes(kept: Kept, environment: dict[str, str], *, dry: bool) -> None:
    config = kept.folder / "rapport.toml"
    config.write_text(f"{config.read_text()}\n[site.retention]\nanswers_days = 1\n")
    more = ["--dry-run"] if dry else []
    done = CliRunner().invoke(app, ["retention", "run", *more, "--config", str(config)], env=environment)
    assert done.exit_code == 0, done.output
    assert "response" in done.stdout
    assert ("Nothing was removed" in done.stdout) is dry
    engine = open_database(rapport_settings(kept.folder).database)
    delivered = t.delivery.c.state == DeliveryState.DELIVERED
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(t.delivery).where(delivered)
        left = int(connection.execute(query).scalar_one())
    engine.dispose()
    assert (left > 0) is dry


def test_the_time_passes_by_itself(tmp_path: Path) -> None:
    async def serve() -> int:
        clock = Clock()
        async with run_world(tmp_path, clock, retention=SHORT) as world:
            await fill_and_wait(world)
        clock.pass_time(days=40)
        async with run_world(tmp_path, clock, retention=SHORT) as world:
            for _ in range(3000):
                if not await count(world, t.response):
                    break
                await asyncio.sleep(0.02)
            return await count(world, t.response)

    assert asyncio.run(serve()) == 0
