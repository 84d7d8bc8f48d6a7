"""`rapport sessions` as an operator uses it: who is signed in, and that it is over at once, on every device."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.audit.conftest import configure
from tests.product.test_administering import kinds, sign_in
from tests.product.world import Clock, World, run_world
from tests.security.walking import BOOK
from tests.terminal import run_rapport


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    clock.now = datetime.now(UTC)  # a command has the system's
    async with run_world(tmp_path, clock, roles=BOOK) as running:
        yield running


async def rapport(folder: Path, *arguments: str) -> tuple[int, str]:
    config = ("--config", str(folder / "rapport.toml"))
    done = await asyncio.to_thread(
        run_rapport, "sessions", *arguments, *config, environment={**configure(folder), "COLUMNS": "120"}
    )
    return done.returncode, done.stdout + done.stderr


async def test_who_is_signed_in_is_listed_without_a_patient(world: World, tmp_path: Path) -> None:
    await world.launch("amara", practitioner="202")
    await world.launch("mateo", practitioner="202")
    await sign_in(world, "205")
    status, printed = await rapport(tmp_path, "list", "sandbox")
    assert status == 0, printed
    cells = [
        [cell.strip() for cell in line.split("│")[1:3]] for line in printed.splitlines() if "/20" in line
    ]
    assert cells == [["Practitioner/202", "2"], ["Practitioner/205", "1"]]
    assert "Patient" not in printed


async def test_a_person_who_left_is_out_at_once_in_every_browser(world: World, tmp_path: Path) -> None:
    browser, desk = await sign_in(world, "205")
    other = world.new_browser()
    chart = await world.launch("amara", practitioner="205", browser=other)
    remaining = await world.launch("mateo", practitioner="202")
    status, printed = await rapport(
        tmp_path, "end", "sandbox", "--user", "Practitioner/205", "--why", "Has left the service"
    )
    assert (status, printed) == (0, "2 charts and desks were closed.\n")
    assert (await browser.get(str(desk.url))).status_code == 401
    assert (await other.get(str(chart.url))).status_code == 401
    assert (await world.browser.get(str(remaining.url))).status_code == 200
    assert (await kinds(world)).count("launch-ended") == 2


async def test_everybody_is_out_and_a_respondent_can_still_send(world: World, tmp_path: Path) -> None:
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    status, printed = await rapport(tmp_path, "end", "sandbox", "--all", "--why", "A stolen tablet")
    assert (status, printed) == (0, "1 charts and desks were closed.\n")
    form = await world.new_browser().get("/fill/form", headers={"X-Rapport-Invitation": secret})
    assert form.status_code == 200
    assert (await world.browser.get(str(page.url))).status_code == 401


async def test_what_was_ended_is_told_in_the_trail_so_that_verification_finds_nothing(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = datetime.now(UTC)
    async with run_world(tmp_path, clock) as world:
        await world.launch("amara")
        await rapport(tmp_path, "end", "sandbox", "--all", "--why", "A stolen tablet")
    config = ("--config", tmp_path / "rapport.toml")
    done = await asyncio.to_thread(run_rapport, "audit", "verify", *config, environment=configure(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("end", "sandbox", "--why", "Left"), "either --user or --all"),
        (("end", "sandbox", "--why", "Left", "--all", "--user", "Practitioner/1"), "either --user or --all"),
        (("end", "sandbox", "--all", "--why", " "), "no reason"),
        (("end", "elsewhere", "--all", "--why", "Left"), "no site elsewhere"),
    ],
)
async def test_a_wish_that_is_not_clear_ends_nothing(
    tmp_path: Path, asked: tuple[str, ...], told: str
) -> None:
    status, printed = await rapport(tmp_path, *asked)
    assert status == 1
    assert told in printed


async def test_a_device_whose_pin_is_lost_is_listed_and_opened(world: World, tmp_path: Path) -> None:
    page = await world.launch("amara", practitioner="202")
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    _, listed = await rapport(tmp_path, "list", "sandbox")
    assert "handed over by" in listed
    assert (await world.browser.get(str(page.url))).status_code == 303
    status, printed = await rapport(
        tmp_path, "unlock", "sandbox", "--user", "Practitioner/202", "--why", "The PIN is lost"
    )
    assert (status, printed) == (0, "1 devices were opened.\n")
    assert (await world.browser.get(str(page.url))).status_code == 200
    assert (await kinds(world)).count("hand-over-ended") == 1


@pytest.mark.parametrize(
    "damage", ["UPDATE browser_session SET pin_attempts = 1", "UPDATE invitation SET author = 'x'"]
)
async def test_a_device_that_was_altered_is_not_opened(world: World, tmp_path: Path, damage: str) -> None:
    page = await world.launch("amara", practitioner="202")
    await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    await world.rapport.state.rapport.ledger.bookkeep(lambda c: c.exec_driver_sql(damage))
    status, printed = await rapport(tmp_path, "unlock", "sandbox", "--all", "--why", "The PIN is lost")
    assert status == 0
    assert printed.startswith("1 devices stay locked: rapport audit verify names what was altered of them.")
    assert printed.endswith("0 devices were opened.\n")
    assert (await world.browser.get(str(page.url))).status_code in {303, 401}
    assert (await kinds(world)).count("hand-over-ended") == 0
