"""What an operator's tools ask: does it live, is it ready, what does it count, which request was it."""

import asyncio
import re
import uuid
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from plugin.errors import SettingsInvalid
from plugin.ledger.store import open_database
from plugin.secret_keys import read_metrics_token
from tests.product.world import EHR, World, run_world

TOKEN = "metrics-token-of-the-tests-0123456789"
ANSWERS: dict[str, str | None] = dict.fromkeys(
    ("goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2"), "mostly"
)


async def test_it_lives(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        answer = await world.browser.get("/health/live")
        assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_it_is_ready_when_every_part_works(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        answer = await world.browser.get("/health/ready")
        parts = dict.fromkeys(("database", "schema", "instruments", "worker", "log"), "ok")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "parts": parts})


async def test_another_schema_makes_it_not_ready(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        _execute(world, "UPDATE alembic_version SET version_num = '0002'")
        answer = await world.browser.get("/health/ready")
        assert (answer.status_code, answer.json()["parts"]["schema"]) == (503, "failed")


async def test_a_database_that_takes_nothing_makes_it_not_ready(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        _execute(
            world, "CREATE TRIGGER full BEFORE INSERT ON throttle BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        answer = await world.browser.get("/health/ready")
        assert (answer.status_code, answer.json()["parts"]["database"]) == (503, "failed")
        assert (await world.browser.get("/health/live")).status_code == 200


async def test_a_worker_that_has_stopped_makes_it_not_ready(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        world.rapport.state.rapport.worker.stop()
        answer = await world.browser.get("/health/ready")
        assert answer.json()["parts"]["worker"] == "failed"


async def test_a_log_that_has_fallen_behind_makes_it_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit is minutes of a monotonic clock, which a test cannot wait for.
    monkeypatch.setattr("plugin.audit.log._FALLEN_BEHIND", -1.0)
    async with run_world(tmp_path) as world:
        answer = await world.browser.get("/health/ready")
        assert answer.json()["parts"]["log"] == "failed"


async def test_a_ledger_of_yesterday_beside_a_newer_log_makes_it_not_ready_at_once(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await world.launch()
        await world.rapport.state.log.advance()
    engine = open_database(world.settings.database)
    with engine.connect() as connection:
        for table in ("log_pending", "log_leaf"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.commit()
    engine.dispose()
    async with run_world(tmp_path) as world:
        for _ in range(3000):
            ready = await world.browser.get("/health/ready")
            if ready.status_code == 503:
                break
            await asyncio.sleep(0.01)
        assert ready.json()["parts"]["log"] == "failed"
        health = (await world.browser.get("/health")).json()
        assert (health["status"], health["transparency_log"]["keeps_up"]) == ("attention", False)


async def test_metrics_are_nobodys_business_without_the_token(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        assert (await _metrics(world, None)).status_code == 404
        assert (await _metrics(world, "")).status_code == 404
        await _with_token(world)
        assert (await _metrics(world, TOKEN[:-1])).status_code == 404
        assert (await _metrics(world, TOKEN)).status_code == 200


@pytest.mark.parametrize("token", ["short", "ünicode-ünicode-ünicode-ünicode"])
def test_a_token_that_can_be_guessed_stops_the_start(token: str) -> None:
    with pytest.raises(SettingsInvalid, match="RAPPORT_METRICS_TOKEN"):
        read_metrics_token({"RAPPORT_METRICS_TOKEN": token})


async def test_a_response_is_counted_on_its_way_into_the_record(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await _with_token(world)
        await _answer_form(world)
        found = await _samples_with(world, "rapport_delivery_attempts_total")
        assert found["rapport_submit_duration_seconds_count", ("sandbox",)] == 1
        assert found["rapport_delivery_attempts_total", ("delivered", "sandbox")] == 1
        assert found["rapport_delivery_duration_seconds_count", ("sandbox",)] == 1
        assert found["rapport_delivery_queue_depth", ("sandbox", "scored")] == 0
        assert found["rapport_delivery_queue_oldest_seconds", ("sandbox",)] == 0
        assert found["rapport_database_up", ()] == 1


async def test_what_waits_is_counted_with_its_age(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await _with_token(world)
        page = await world.launch()
        secret = await world.hand_over(page, _child(page))
        world.hosts.cut.add(EHR.partition("://")[2])
        await world.fill(secret, ANSWERS)
        world.clock.pass_time(minutes=5)
        found = await _samples(world)
        waiting = {
            state: found["rapport_delivery_queue_depth", tuple(sorted(("sandbox", state)))]
            for state in ("scored", "sending")
        }
        assert sum(waiting.values()) == 1
        assert found["rapport_delivery_queue_oldest_seconds", ("sandbox",)] == 300


async def test_no_metric_is_labelled_by_more_than_site_and_kind(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await _with_token(world)
        await _answer_form(world)
        families = list(text_string_to_metric_families((await _metrics(world, TOKEN)).text))
        labels = {name for family in families for sample in family.samples for name in sample.labels}
        assert labels <= {"site", "state", "outcome", "status", "le", "version"}


async def test_a_well_formed_request_id_is_kept(tmp_path: Path) -> None:
    given = str(uuid.uuid4())
    async with run_world(tmp_path) as world:
        answer = await world.browser.get("/", headers={"X-Request-Id": given})
        assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["amara-okafor", "2011-05-03", "x" * 200, "a b", ""])
async def test_any_other_request_id_is_replaced(tmp_path: Path, given: str) -> None:
    async with run_world(tmp_path) as world:
        answer = await world.browser.get("/nowhere", headers={"X-Request-Id": given})
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-request-id"])


async def test_the_ehr_is_told_the_request_id(tmp_path: Path) -> None:
    given = str(uuid.uuid4())
    async with run_world(tmp_path) as world:
        page = await world.launch()
        world.hosts.seen.clear()
        await world.browser.get(str(page.url), headers={"X-Request-Id": given})
        asked = [each for each in world.hosts.seen if each.url.host == "ehr.invalid"]
        assert asked
        assert {each.headers["x-request-id"] for each in asked} == {given}


async def test_each_delivery_has_a_request_id_of_its_own(tmp_path: Path) -> None:
    given = str(uuid.uuid4())
    async with run_world(tmp_path) as world:
        await _with_token(world)
        world.browser.headers["X-Request-Id"] = given
        await _answer_form(world)
        await _samples_with(world, "rapport_delivery_attempts_total")
        (written,) = [each for each in world.hosts.seen if (each.method, each.url.path) == ("POST", "/r4")]
        assert written.headers["x-request-id"] != given


def _execute(world: World, statement: str) -> None:
    engine = open_database(world.settings.database)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
        connection.commit()
    engine.dispose()


async def _with_token(world: World) -> None:
    rapport = world.rapport.state.rapport
    world.rapport.state.rapport = replace(rapport, settings=replace(rapport.settings, metrics_token=TOKEN))


async def _metrics(world: World, token: str | None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await world.browser.get("/metrics", headers=headers)


async def _samples(world: World) -> dict[tuple[str, tuple[str, ...]], float]:
    text = (await _metrics(world, TOKEN)).text
    return {
        (
            sample.name,
            tuple(sorted(value for name, value in sample.labels.items() if name != "le")),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def _child(page: httpx.Response) -> str:
    found = re.search(r'value="(Patient/[^"]+)"', page.text)
    assert found
    return found[1]


async def _answer_form(world: World) -> None:
    page = await world.launch()
    secret = await world.hand_over(page, _child(page))
    answer = await world.fill(secret, ANSWERS)
    assert answer.status_code == 200, answer.text


async def _samples_with(world: World, name: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Read until a metric is there: the worker counts a moment after it has delivered."""
    for _ in range(3000):
        found = await _samples(world)
        if any(each == name for each, _ in found):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{name} is not counted")
