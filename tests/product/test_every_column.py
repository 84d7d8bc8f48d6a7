"""Bytes in the place of any value of the ledger, one column after the other, while Rapport serves: no page fails by it."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import sqlalchemy as sa

from plugin.ledger import tables as t
from tests.product.test_administering import sign_in
from tests.product.test_caseload import NAMES, answer
from tests.product.test_later_versions import CORRECTING, mark
from tests.product.test_norms import adopt_figures
from tests.product.world import World, run_world
from tests.security.walking import BOOK

TABLES = (
    "response", "delivery", "attempt", "revision", "invitation", "launch", "norm", "audit", "log_leaf", "configuration",
)  # fmt: skip
_OF_RESPONSES = ("response", "delivery", "attempt", "revision")
_ODD = b"\x01\x02"


async def pages_of(world: World) -> dict[str, tuple[httpx.AsyncClient, str]]:
    """Sign everybody in: gives their browsers and the pages they look at."""
    altered = await answer(world, "amara")
    world.browser = world.new_browser()
    corrected = await answer(world, "amara")
    world.browser = world.new_browser()
    await mark(world, corrected)
    await adopt_figures(world, 4.0)
    clinician = world.new_browser()
    page = await world.launch("amara", browser=clinician, practitioner="202")
    auditor, audit = await sign_in(world, "205")
    administrator, desk = await sign_in(world, "206")
    supervisor, team = await sign_in(world, "201")
    return {
        "patient": (clinician, str(page.url)),
        "states": (clinician, f"{page.url}/responses.json"),
        "response": (clinician, f"{page.url}/responses/{altered}"),
        "corrected": (clinician, f"{page.url}/responses/{corrected}"),
        "search": (auditor, f"{audit.url}/audit"),
        "chain": (auditor, f"{audit.url}/audit/responses/{altered}"),
        "chain, corrected": (auditor, f"{audit.url}/audit/responses/{corrected}"),
        "log": (auditor, f"{audit.url}/log"),
        "deliveries": (administrator, f"{desk.url}/deliveries"),
        "delivery": (administrator, f"{desk.url}/deliveries/{altered}"),
        "norms": (administrator, f"{desk.url}/norms"),
        "caseload": (supervisor, f"{team.url}/caseload"),
    }


@contextmanager
def noting_columns() -> Iterator[set[tuple[str, str]]]:
    """Note which columns what is executed meanwhile could read or write: every one that it names beside its table."""
    found: set[tuple[str, str]] = set()

    def note(*told: object) -> None:
        statement = str(told[2])
        words = set(re.findall(r"\w+", statement))
        everything = "*" in statement.replace("count(*)", "")
        for table in words.intersection(TABLES):
            columns = t.metadata.tables[table].columns.keys()
            found.update((table, each) for each in columns if everything or each in words)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


async def test_bytes_in_any_column_stop_no_page(tmp_path: Path) -> None:
    more = (*NAMES, *CORRECTING)
    async with run_world(tmp_path, roles=BOOK, more_scopes=more, auditors_see_answers=True) as world:
        pages = await pages_of(world)
        before, read = {}, {}
        for name, (browser, url) in pages.items():
            with noting_columns() as read[name]:
                before[name] = (await browser.get(url)).status_code
        assert set(before.values()) == {200}
        assert min(map(len, read.values())) > 0
        path = world.settings.database.removeprefix("sqlite:///")
        failed: list[str] = []
        tried = 0
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
            database.execute("PRAGMA foreign_keys = OFF")
            for table in TABLES:
                for column in t.metadata.tables[table].columns.keys():  # noqa: SIM118 -- columns, not names, are iterated otherwise
                    row, kept = database.execute(f'SELECT rowid, "{column}" FROM {table} LIMIT 1').fetchone()
                    try:
                        database.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (_ODD, row))
                    except sqlite3.Error:  # a key that is a number
                        continue
                    tried += 1
                    for name, (browser, url) in pages.items():
                        if (table, column) not in read[name] or (
                            "corrected" in name and table not in _OF_RESPONSES
                        ):
                            continue  # the second: what it reads of these the page of the other response reads
                        answered = await browser.get(url)
                        if answered.status_code >= 500:
                            failed.append(f"{name}: {table}.{column}")
                    database.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (kept, row))
        assert failed == []
        assert tried > 100
        after = {name: (await browser.get(url)).status_code for name, (browser, url) in pages.items()}
        assert after == before


async def test_a_norm_whose_figures_were_altered_counts_no_more_and_is_told(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        await adopt_figures(world, 4.0)
        administrator, desk = await sign_in(world, "206")
        whole = await administrator.get(f"{desk.url}/norms")
        assert "In use for" in whole.text
        ledger = world.rapport.state.rapport.ledger
        await ledger.bookkeep(lambda c: c.exec_driver_sql("UPDATE norm SET figures = '{}'"))
        altered = await administrator.get(f"{desk.url}/norms")
        assert altered.status_code == 200
        assert "This decision was altered in the database" in altered.text
        assert "In use for" not in altered.text
