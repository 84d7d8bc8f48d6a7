"""Somebody who can write to the database alters a session or a form that is given out: the row is used no more.

A device that was locked does not come open by it, and a form opens for nobody.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from plugin.ledger import tables as t
from tests.product.test_go_on import presses
from tests.product.test_kept import unlock
from tests.product.test_lock import (
    PAGE_OF_CHART,
    barred,
    csrf_of,
    forgetful,
    handed_over,
    launch_in_chart,
    sign_in_again,
    try_pin,
)
from tests.product.test_remote import code_of, secret_of, states, teenagers_link
from tests.product.test_respondents import AGREED, CONSENT, hand_to_child
from tests.product.world import PIN, RAPPORT, World, run_world

ALTERED_SESSION = "session was altered in the database"
ALTERED_FORM = "1 form that was given out is not used any more: its row in the database was altered."
_ODD = b"\x01\x02"
ANSWER = {"answers": {"goal-1": "mostly"}}
FORM_DAMAGES = [
    "patient = 'Patient/{mateo}'",
    "source = 'Patient/{mateo}'",
    "author = 'Practitioner/none'",
    "rater = 'therapist'",
    "instrument = 'https://rapport.invalid/Questionnaire/none|1'",
    "expires = expires + 3600000000",
    "remote = 1 - remote",
    "site = 'gone'",
    "state = 'lost'",
    "gate = 'consent'",
    "encounter = NULL, seal = NULL",
    "author = CAST(x'ff' AS TEXT)",
]
UNLOCKED = "locked = NULL, locked_for = NULL"


async def alter_all(world: World, damage: str, table: str) -> None:
    """Change every row of a table behind Rapport's back."""
    ledger = world.rapport.state.rapport.ledger
    statement = damage.format(**await world.people())
    assert await ledger.bookkeep(lambda c: c.exec_driver_sql(f"UPDATE {table} SET {statement}").rowcount) >= 1


async def in_hand(world: World) -> tuple[str, dict[str, str]]:
    """Hand the device over to a child; gives the address of the chart, and the headers of the form's requests."""
    page = await world.launch("amara")
    secret = await world.hand_over(page, f"Patient/{(await world.people())['amara']}")
    return str(page.url).partition("?")[0], {"X-Rapport-Invitation": secret}


async def refusals(world: World) -> list[str]:
    """Read what was refused out of the trail."""
    ledger = world.rapport.state.rapport.ledger
    query = sa.select(t.audit.c.event, t.audit.c.sealed_resource).where(t.audit.c.kind == "access-refused")
    rows = await ledger.read(lambda c: c.execute(query).all())
    return [ledger.vault.open("audit", row.event, row.sealed_resource).decode() for row in rows]


def columns(table: sa.Table) -> list[str]:
    return list(map(str, table.columns.keys()))


@contextmanager
def altered(world: World, table: sa.Table, column: str) -> Iterator[None]:
    """Put bytes into a column of the one row of a table, until the block ends."""
    path = world.settings.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        [(row, kept)] = database.execute(f'SELECT rowid, "{column}" FROM {table.name}').fetchall()
        change = f'UPDATE {table.name} SET "{column}" = ? WHERE rowid = ?'
        database.execute(change, (_ODD, row))
        try:
            yield
        finally:
            database.execute(change, (kept, row))


def remembered(world: World) -> httpx.AsyncClient:
    """The same browser, before an EHR that signs in whom it remembers."""
    return httpx.AsyncClient(
        transport=forgetful(world), cookies=world.browser.cookies, headers={"Accept": "text/html"}
    )


@pytest.mark.parametrize("damage", FORM_DAMAGES)
async def test_an_altered_form_opens_for_nobody_and_takes_no_answers(world: World, damage: str) -> None:
    chart, headers = await in_hand(world)
    await alter_all(world, damage, "invitation")
    asked = [
        await world.browser.get("/fill/form", headers=headers),
        await world.browser.put("/fill/answers", headers=headers, json=ANSWER),
        await world.browser.post("/fill/submit", headers=headers, json=ANSWER),
        await world.browser.post("/fill/consent", headers=headers, json={"agreed": True}),
    ]
    assert [each.status_code for each in asked] == [410] * 4
    assert all("This form was altered in the database." in each.text for each in asked)
    ledger = world.rapport.state.rapport.ledger
    assert await ledger.read(lambda c: c.execute(sa.select(t.response.c.id)).all()) == []
    assert sum("This form was altered in the database." in each for each in await refusals(world)) == 4
    # The device goes back all the same.
    lock = asked[0].headers["x-rapport-return"]
    assert f"{RAPPORT}{lock}" == f"{chart}/return"
    data = {"csrf": csrf_of(await world.browser.get(lock)), "pin": PIN}
    assert (await world.browser.post(lock, data=data)).headers["location"] == httpx.URL(chart).path


async def test_any_column_that_is_altered_closes_a_form(world: World) -> None:
    _, headers = await in_hand(world)
    await world.browser.put("/fill/answers", headers=headers, json=ANSWER)
    refused = []
    for column in columns(t.invitation):
        with altered(world, t.invitation, column):
            answer = await world.browser.get("/fill/form", headers=headers)
        assert answer.status_code in {200, 410}, column
        refused += [column] if answer.status_code == 410 else []
    assert sorted(refused) == sorted(columns(t.invitation))
    assert (await world.browser.get("/fill/form", headers=headers)).status_code == 200


@pytest.mark.parametrize("damage", ["source = 'Patient/{mateo}'", "state = 'submitted'", "remote = 0"])
async def test_the_clinician_reads_that_a_form_was_altered_and_makes_another(
    world: World, damage: str
) -> None:
    page = await teenagers_link(world)
    await alter_all(world, damage, "invitation")
    told = await world.browser.get(str(page.url))
    assert told.status_code == 409
    assert "somebody altered it in the database" in told.text
    chart = str(page.url).partition("/invitations")[0]
    shown = await world.browser.get(chart)
    assert ALTERED_FORM in shown.text
    assert "/withdraw" not in shown.text
    assert await anext(states(world, shown)) == []
    renewed = await world.browser.post(f"{page.url}/code", data={"csrf": csrf_of(shown)})
    assert renewed.status_code == 409
    again = await teenagers_link(world)
    assert secret_of(again) != secret_of(page)
    headers = {"X-Rapport-Invitation": secret_of(again)}
    async with world.new_browser() as phone:
        assert (await phone.get("/fill/form", headers=headers)).status_code == 200


async def test_a_form_that_was_moved_to_another_chart_is_named_there_and_goes_on_nowhere(
    world: World,
) -> None:
    await in_hand(world)
    world.browser = world.new_browser()
    page = await world.launch("amara")
    [(what, _)] = presses(page)
    await alter_all(world, "patient = 'Patient/{mateo}'", "invitation")
    other = await world.launch("mateo")
    assert ALTERED_FORM in other.text
    assert presses(other) == []
    data = {"csrf": csrf_of(other), "press": what, "pin": PIN}
    assert (await world.browser.post(f"{other.url}/invitations", data=data)).status_code == 409


async def test_the_code_of_an_altered_form_opens_nothing(world: World) -> None:
    page = await teenagers_link(world)
    await alter_all(world, "expires = expires + 1", "invitation")
    async with world.new_browser() as phone:
        answer = await phone.post("/code", data={"code": code_of(page)})
    assert answer.headers["location"] == "/code?wrong=true"


@pytest.mark.parametrize("damage", ["gate_answered = gate_answered + 1", "patient = patient, seal = NULL"])
async def test_an_altered_word_of_a_caregiver_is_no_consent(tmp_path: Path, damage: str) -> None:
    async with run_world(tmp_path, respondents=CONSENT) as world:
        await world.browser.post("/fill/consent", headers=await hand_to_child(world), json=AGREED)
        await unlock(world)
        asked = await hand_to_child(world)
        assert "data-gate" not in (await world.browser.get("/fill/form", headers=asked)).text
        await unlock(world)
        await alter_all(world, f"{damage} WHERE gate_answer IS NOT NULL", "invitation")
        headers = await hand_to_child(world)
        assert "data-gate" in (await world.browser.get("/fill/form", headers=headers)).text


async def test_an_altered_form_whose_time_is_over_is_closed_and_told_of_nobody(world: World) -> None:
    await in_hand(world)
    await alter_all(world, "patient = 'Patient/{mateo}'", "invitation")
    world.clock.pass_time(days=60)
    assert await world.rapport.state.housekeeping.sweep() == 1
    ledger = world.rapport.state.rapport.ledger
    query = sa.select(t.audit.c.patient).where(t.audit.c.kind == "invitation-expired")
    assert await ledger.read(lambda c: c.execute(query).scalars().all()) == [None]


# Sessions


async def test_any_column_that_is_altered_ends_a_session(world: World) -> None:
    page = await world.launch("amara")
    chart = str(page.url).partition("?")[0]
    opened = []
    for column in columns(t.browser_session):
        with altered(world, t.browser_session, column):
            answer = await world.browser.get(chart)
        assert answer.status_code in {200, 401}, column
        opened += [column] if answer.status_code == 200 else []
    assert opened == []
    assert (await world.browser.get(chart)).status_code == 200


async def test_any_column_that_is_altered_keeps_a_device_closed(world: World) -> None:
    chart, headers = await in_hand(world)
    lock = f"{chart}/return"
    data = {"csrf": csrf_of(await world.browser.get(lock)), "pin": PIN}
    silent = remembered(world)
    for column in columns(t.browser_session):
        with altered(world, t.browser_session, column):
            told = [
                await world.browser.get(chart),
                await world.browser.get(f"{chart}/responses.json"),
                await world.browser.get(lock),
                await world.browser.post(lock, data=data),
            ]
            assert [each.status_code for each in told] == [401] * 4, column
            form = await world.browser.get("/fill/form", headers=headers)
            assert form.status_code == 410, column
            if column != "handle":  # as if the row were gone: docs/explanation/threat-model.md
                page = await world.follow(await silent.get(await world.new_launch("mateo")), silent)
                assert PAGE_OF_CHART not in page.text, column
                assert ALTERED_SESSION in page.text, column
    opened = await world.browser.post(lock, data=data)
    assert opened.headers["location"] == httpx.URL(chart).path


@pytest.mark.parametrize("damage", [UNLOCKED, "pin_attempts = 0", "locked = locked - 86400000000"])
async def test_a_lock_that_was_undone_in_the_database_opens_no_chart(world: World, damage: str) -> None:
    lock = await barred(world)
    chart = lock[0].removesuffix("/return")
    await alter_all(world, damage, "browser_session")
    told = await world.browser.get(chart)
    assert told.status_code == 401
    assert ALTERED_SESSION in told.text
    tried = await try_pin(world, lock, PIN)
    assert tried.status_code == 401
    assert (await world.browser.get(chart)).status_code == 401
    assert any(ALTERED_SESSION in each for each in await refusals(world))


async def test_a_pin_that_was_put_in_by_the_database_opens_no_lock(world: World) -> None:
    lock = await handed_over(world)
    known = "1$00$" + "00" * 32
    await alter_all(world, f"pin = '{known}'", "browser_session")
    assert (await try_pin(world, lock)).status_code == 401


async def test_an_altered_session_is_left_by_a_fresh_sign_in_alone(world: World) -> None:
    lock = await handed_over(world)
    await alter_all(world, UNLOCKED, "browser_session")
    asked = await launch_in_chart(world)
    assert "Sign in again" in asked.text
    world.clock.pass_time(seconds=30)
    page = await sign_in_again(world, asked)
    assert PAGE_OF_CHART in page.text
    # What was open before stays closed, and the altered row stands there to be named.
    assert (await world.browser.get(lock[0].removesuffix("/return"))).status_code == 401
    ledger = world.rapport.state.rapport.ledger
    assert len(await ledger.read(lambda c: c.execute(sa.select(t.browser_session.c.handle)).all())) == 2


@pytest.mark.parametrize("minutes", [0, 90, 60 * 24 * 30])
async def test_an_altered_session_lets_in_nobody_whom_the_ehr_remembers(world: World, minutes: int) -> None:
    await handed_over(world)
    await alter_all(world, UNLOCKED, "browser_session")
    world.clock.pass_time(minutes=minutes)
    await world.rapport.state.retention.sweep()
    silent = remembered(world)
    page = await world.follow(await silent.get(await world.new_launch("mateo")), silent)
    assert "the EHR does not say that somebody has signed in since" in page.text
    assert PAGE_OF_CHART not in page.text
    assert "Mateo" not in page.text


async def test_saying_that_no_cookies_come_does_not_leave_an_altered_session(world: World) -> None:
    await handed_over(world)
    await alter_all(world, UNLOCKED, "browser_session")
    asked = await world.browser.get(
        f"{await world.new_launch('amara')}&cookies=none", headers={"Sec-Fetch-Dest": "iframe"}
    )
    assert "prompt=login" in asked.headers["location"]


async def test_ending_it_from_another_browser_does_not_free_an_altered_session(world: World) -> None:
    await handed_over(world)
    await alter_all(world, UNLOCKED, "browser_session")
    ours, world.browser = world.browser, world.new_browser()
    page = await world.launch("amara")
    listed = await world.browser.get(f"{page.url}/sessions")
    data = {"csrf": csrf_of(listed), "which": "others"}
    ended = await world.browser.post(f"{str(page.url).partition('?')[0]}/sessions/end", data=data)
    assert ended.status_code == 303
    world.browser = ours
    silent = remembered(world)
    shown = await world.follow(await silent.get(await world.new_launch("amara")), silent)
    assert PAGE_OF_CHART not in shown.text


@pytest.mark.parametrize(
    ("table", "damage"), [("browser_session", "pin_attempts = 9"), ("invitation", "language = 'es'")]
)
async def test_a_locked_device_that_was_altered_is_not_opened_from_another_browser(
    world: World, table: str, damage: str
) -> None:
    lock = await barred(world)
    ours, world.browser = world.browser, world.new_browser()
    page = await world.launch("amara")
    assert "/devices/open" in page.text
    await alter_all(world, damage, table)
    world.browser = other = world.new_browser()
    again = await world.launch("amara")
    assert "/devices/open" not in again.text
    ledger = world.rapport.state.rapport.ledger
    form = await ledger.read(lambda c: c.execute(sa.select(t.invitation.c.id)).scalar())
    opened = await other.post(f"{again.url}/devices/open", data={"csrf": csrf_of(again), "form": form})
    assert opened.status_code == 303
    shown = await ours.get(lock[0].removesuffix("/return"), follow_redirects=True)
    assert PAGE_OF_CHART not in shown.text
    assert (await ledger.read(lambda c: c.execute(sa.select(t.browser_session.c.locked)).scalars().all()))[0]


async def test_a_link_opens_on_a_device_whose_session_is_whole_and_not_where_it_was_altered(
    world: World,
) -> None:
    page = await teenagers_link(world)
    headers = {"X-Rapport-Invitation": secret_of(page)}
    assert (await world.browser.get("/fill/form", headers=headers)).status_code == 200
    await alter_all(world, "last_seen = last_seen + 1", "browser_session")
    refused = await world.browser.get("/fill/form", headers=headers)
    assert refused.status_code == 410
    assert ALTERED_SESSION in refused.text
    async with world.new_browser() as phone:
        assert (await phone.get("/fill/form", headers=headers)).status_code == 200
