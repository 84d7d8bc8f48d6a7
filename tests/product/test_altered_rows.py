"""One altered row under a serving Rapport: it is named where it stands, and keeps nobody from the others."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from plugin.ledger import tables as t
from tests.product.test_administering import BOOK as ADMINISTERED
from tests.product.test_administering import sign_in
from tests.product.test_auditing import BOOK, logged, start
from tests.product.test_caseload import NAMES, OF_BOTH, SECOND, answer, caseload, patients
from tests.product.test_kept import get, sent
from tests.product.test_later_versions import CORRECTING, mark
from tests.product.test_personalities import settled
from tests.product.world import World, run_world

DAMAGES = [
    "sealed_results = zeroblob(50)",
    "sealed_results = 'hello'",
    "sealed_body = x'0102'",
    "received = 'x'",
    "authored = 'x'",
    "rater = x'00'",
]


async def alter(world: World, response: str, damage: str, table: str = "response", key: str = "id") -> None:
    """Change a row behind Rapport's back."""
    statement = f"UPDATE {table} SET {damage} WHERE {key} = '{response}'"
    ledger = world.rapport.state.rapport.ledger
    assert (await ledger.bookkeep(lambda c: c.exec_driver_sql(statement).rowcount)) >= 1


@asynccontextmanager
async def meanwhile(
    world: World, response: str, damage: str, table: str = "response", key: str = "id"
) -> AsyncIterator[None]:
    """Change a row behind Rapport's back, and put what stood there into its place again; a failure tells the change."""
    column = damage.partition(" ")[0]
    ledger = world.rapport.state.rapport.ledger
    standing = f'SELECT "{column}", rowid FROM {table} WHERE {key} = ?'
    kept = await ledger.read(lambda c: [tuple(row) for row in c.exec_driver_sql(standing, (response,))])
    await alter(world, response, damage, table, key)
    try:
        yield
    except Exception as failed:
        failed.add_note(f"While {table}.{damage}")
        raise
    back = f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?'
    await ledger.bookkeep(lambda c: [c.exec_driver_sql(back, row) for row in kept])
    assert kept == await ledger.read(
        lambda c: [tuple(row) for row in c.exec_driver_sql(standing, (response,))]
    )


async def remove(world: World, response: str, table: str, key: str) -> None:
    """Delete rows behind Rapport's back, which enforces no foreign key there."""

    path = world.settings.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        assert connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (response,)).rowcount >= 1


async def test_the_patient_page_shows_the_rest_and_counts_what_was_altered(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        altered = await answer(world, "amara")
        kept = await answer(world, "amara")
        for damage in DAMAGES:
            async with meanwhile(world, altered, damage):
                world.browser = world.new_browser()
                page = await world.launch("amara")
                assert page.status_code == 200, page.text
                assert "1 response is not shown: its row in the database was altered." in page.text
                shown = page.text.partition('id="responses"')[2]
                assert (f"/responses/{kept}" in shown, f"/responses/{altered}" in shown) == (True, False)
                assert (await world.browser.get(f"{page.url}/responses.json")).status_code == 200
        assert "was altered" not in (await world.browser.get(str(page.url))).text


async def test_an_altered_response_s_own_page_says_so(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        altered = await answer(world, "amara")
        for damage in DAMAGES:
            async with meanwhile(world, altered, damage):
                world.browser = world.new_browser()
                page = await world.launch("amara")
                told = await world.browser.get(f"{page.url}/responses/{altered}")
                assert told.status_code == 409
                assert "rapport audit verify names what was altered" in told.text
                assert "is safe" not in told.text
        assert (await world.browser.get(f"{page.url}/responses/{altered}")).status_code == 200


async def test_the_caseload_shows_everybody_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        altered = await answer(world, "amara")
        await answer(world, "mateo", SECOND)
        for damage in DAMAGES:
            if "body" in damage:
                continue  # the caseload opens no answers
            async with meanwhile(world, altered, damage):
                page = await caseload(world)
                assert len(patients(page)) == 2
                assert "1 response is left out: its row in the database was altered." in page.text
        assert "was altered" not in (await caseload(world)).text


async def test_the_fhir_interface_gives_the_rest_and_says_what_does_not_open(tmp_path: Path) -> None:
    async with run_world(tmp_path, show_item_answers=True) as world:
        altered = await sent(world)
        kept = await sent(world)
        for damage in DAMAGES:
            async with meanwhile(world, altered, damage):
                for kind, many in (("QuestionnaireResponse", 1), ("Observation", 5)):
                    bundle = (await get(world, kind)).json()
                    assert bundle["total"] == many
                    found = of_mode(bundle, "match")
                    assert all(kept in str(each) for each in found)
                    (told,) = of_mode(bundle, "outcome")
                    assert told["issue"][0]["severity"] == "error"
                assert (await get(world, f"QuestionnaireResponse/{altered}")).status_code == 409
        assert (await get(world, f"QuestionnaireResponse/{altered}")).status_code == 200


def of_mode(bundle: dict[str, Any], mode: str) -> list[dict[str, Any]]:
    return [each["resource"] for each in bundle["entry"] if each["search"]["mode"] == mode]


async def test_the_chain_of_an_altered_administration_is_drawn_with_its_stations_red(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        await logged(world)
        for damage in DAMAGES:
            async with meanwhile(world, audit.response, damage):
                page = (await audit.get(audit.chain)).text
                assert "This administration was altered in the database" in page
                assert "response" in red(page)
                if "results" in damage:
                    assert "score" in red(page)
                assert "not what was logged" in page
                assert (await audit.search()).status_code == 200
        assert "This administration was altered" not in (await audit.get(audit.chain)).text


async def test_an_altered_entry_of_the_trail_is_named_in_the_chain(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        ledger = world.rapport.state.rapport.ledger
        await ledger.bookkeep(
            lambda c: c.execute(
                t.audit.update().values(sealed_resource=b"x").where(t.audit.c.kind == "launch")
            )
        )
        page = (await audit.get(audit.chain)).text
        assert "It was altered and does not open" in page


async def test_text_that_is_none_stops_no_page(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        await logged(world)
        await alter(world, audit.response, "source = CAST(x'ff' AS TEXT)")
        assert "not what was logged" in (await audit.get(audit.chain)).text
        assert (await audit.search()).status_code == 200
        world.browser = world.new_browser()
        assert (await world.launch("amara")).status_code == 200


async def test_a_form_s_name_that_is_none_keeps_nobody_from_the_search(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        kept = await answer(world, "amara")
        world.browser = world.new_browser()
        audit = await start(world)
        await logged(world)
        for value in ("x'0102'", "CAST(x'c3ff61' AS TEXT)", "9223372036854775807"):
            async with meanwhile(world, audit.response, f"instrument = {value}"):
                async with asyncio.timeout(30):  # no value is looked for for ever
                    page = await audit.search()
                assert page.status_code == 200
                assert kept in page.text


async def test_an_altered_delivery_keeps_nobody_from_the_pages(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        for damage in ("state = 'lost'", "detail = x'00'", "due = 'x'", "locations = x'00'"):
            async with meanwhile(world, audit.response, damage, "delivery", "response"):
                assert "14" in (await audit.get(audit.chain)).text
                assert f"/audit/responses/{audit.response}" in (await audit.search()).text
                world.browser = world.new_browser()
                chart = await world.launch("amara")
                assert chart.status_code == 200
                assert (await world.browser.get(f"{chart.url}/responses.json")).status_code == 200


async def test_an_altered_delivery_keeps_no_administrator_from_the_others(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=ADMINISTERED) as world:
        altered = await answer(world, "amara")
        for damage in ("state = 'lost'", "state = x'00'", "detail = x'00'", "attempts = 'x'"):
            async with meanwhile(world, altered, damage, "delivery", "response"):
                browser, desk = await sign_in(world)
                for place in ("", "/deliveries", f"/deliveries/{altered}", "/installation"):
                    page = await browser.get(f"{desk.url}{place}")
                    assert page.status_code == 200, (place, page.text)


async def test_an_altered_attempt_stands_in_the_chain(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        await logged(world)
        for damage in ("state = 'lost'", "detail = x'00'", "answer = x'00'", "number = 'x'"):
            async with meanwhile(world, audit.response, damage, "attempt", "response"):
                chain = await audit.get(audit.chain)
                assert chain.status_code == 200, chain.text
                assert "not what was logged" in chain.text
                world.browser = world.new_browser()
                assert (await world.launch("amara")).status_code == 200
        assert "not what was logged" not in (await audit.get(audit.chain)).text


async def test_a_response_whose_delivery_is_gone_is_found_and_named(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        await remove(world, audit.response, "delivery", "response")
        assert f"/audit/responses/{audit.response}" in (await audit.search()).text
        page = (await audit.get(audit.chain)).text
        assert "This administration was altered in the database" in page
        assert "Its delivery is gone." in page
        world.browser = world.new_browser()
        chart = await world.launch("amara")
        assert "1 response is not shown: its row in the database was altered." in chart.text
        told = await world.browser.get(f"{chart.url}/responses/{audit.response}")
        assert told.status_code == 409


async def test_an_altered_launch_opens_no_chart(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await answer(world, "mateo", SECOND)
        people = await world.people()
        world.browser = world.new_browser()
        page = await world.launch("amara")
        launch = str(page.url).rpartition("/")[2].partition("?")[0]
        chart = str(page.url).partition("?")[0]
        mateo, practitioner = people["mateo"], people["practitioner"]
        for damage in (
            f"patient = 'Patient/{mateo}'",
            f"user = 'Practitioner/{practitioner}9'",
            "site = 'gone'",
        ):
            async with meanwhile(world, launch, damage, "launch"):
                for path in ("", "/responses.json", "/notes/new"):
                    told = await world.browser.get(f"{chart}{path}")
                    assert told.status_code == 409, path
                    assert "somebody altered it in the database" in told.text
                    assert "Mateo" not in told.text
        assert (await world.browser.get(chart)).status_code == 200


async def test_an_altered_launch_gives_nobody_a_role(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=ADMINISTERED) as world:
        page = await world.launch("amara", practitioner="202")
        launch = str(page.url).rpartition("/")[2].partition("?")[0]
        assert (await world.browser.get(f"/desks/{launch}")).status_code == 401
        _, desk = await sign_in(world, "206")
        assert desk.status_code == 200
        ledger = world.rapport.state.rapport.ledger
        them = "(SELECT user FROM launch WHERE user LIKE '%206')"
        await ledger.bookkeep(
            lambda c: c.exec_driver_sql(f"UPDATE launch SET user = {them} WHERE id = '{launch}'")
        )
        assert (await world.browser.get(f"/desks/{launch}")).status_code == 409


async def test_the_caseload_says_that_a_delivery_is_gone(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        await remove(world, await answer(world, "amara"), "delivery", "response")
        assert "1 response is left out: its row in the database was altered." in (await caseload(world)).text


async def test_a_response_counts_as_altered_whose_attempts_are_gone(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        await remove(world, audit.response, "attempt", "response")
        page = (await audit.get(audit.chain)).text
        assert "It counts as delivered, and no attempt delivered it." in page


async def test_the_chain_of_a_response_that_is_gone_says_so(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        audit = await start(world)
        await logged(world)
        await remove(world, audit.response, "response", "id")
        page = await audit.get(audit.chain, 404)
        assert "and its row is gone from the database." in page.text
        assert "Run rapport audit verify: it names the row." in page.text


async def test_an_altered_version_is_named_and_its_earlier_one_is_not_taken_for_it(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK, more_scopes=CORRECTING) as world:
        audit = await start(world)
        world.browser = world.new_browser()
        await mark(world, audit.response, why="wrong child")
        await settled(world, audit.response)
        await alter(world, audit.response, "sealed_results = x'00'", "revision", "response")
        page = (await audit.get(audit.chain)).text
        assert "This administration was altered in the database" in page
        assert "score" in red(page)


def red(page: str) -> set[str]:
    """Name the stations that are drawn as an alert."""
    return set(re.findall(r'<a href="#(\w+)" class="node alert"', page))
