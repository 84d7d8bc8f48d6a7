"""Whatever a page of staff or of a clinician leads to is there: each link, and each form as it stands there, is followed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from plugin.roles import Role, RoleBook, Team
from tests.product.test_administering import sign_in
from tests.product.test_caseload import FIRST, NAMES, SECOND, answer
from tests.product.ways import Ways, ways_of
from tests.product.world import RAPPORT, run_world

STAFF = "201"
ENDING = re.compile(r"/(end|sign-?out|parting|withdraw|unlock|discard|void|export\w*|sample\w*)\b|/sign-ins")
PLACES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")  # pages of one kind are looked at a few times


@dataclass
class Crawler:
    """Follows everything from one page on, a few of each kind of address; notes what was refused."""

    browser: httpx.AsyncClient
    asked: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    async def follow(self, start: str) -> None:
        waiting: list[tuple[str, str, dict[str, str]]] = [("get", start, {})]
        while waiting:
            method, address, data = waiting.pop()
            kind = f"{method} {PLACES.sub('*', address.partition('?')[0])} {sorted(data)}"
            limit = 40 if data else 4
            if self.asked.get(kind, 0) >= limit or not address.startswith(RAPPORT):
                continue
            self.asked[kind] = self.asked.get(kind, 0) + 1
            sent = {"data": data} if method == "post" else {"params": data} if data else {}
            page = await self.browser.request(method, address, headers={"Origin": RAPPORT}, **sent)  # type: ignore[arg-type]
            if method == "post" and page.status_code == 422:  # a choice is missing, which the page asks for
                continue
            if page.status_code >= 400:
                self.refused.append(f"{page.status_code} {method} {address} {data}")
                continue
            if page.is_redirect:
                waiting.append(("get", urljoin(address, page.headers["location"]), {}))
            elif page.headers["content-type"].startswith("text/html"):
                waiting += [each for each in self._from(address, ways_of(page)) if not ENDING.search(each[1])]

    def _from(self, address: str, ways: Ways) -> Iterator[tuple[str, str, dict[str, str]]]:
        for link in ways.links:
            yield "get", urljoin(address, link).partition("#")[0], {}
        for form in ways.forms:
            if not form.wants_words:
                yield from ((form.method, urljoin(address, form.action), each) for each in form.sent())


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.AUDITOR, Role.ADMINISTRATOR])
async def test_each_way_from_a_desk_leads_somewhere(tmp_path: Path, role: Role) -> None:
    who = f"Practitioner/{STAFF}"
    team = Team((who,), (f"Practitioner/{FIRST}", f"Practitioner/{SECOND}"))
    book = RoleBook({who: frozenset({role})}, teams=(team,))
    async with run_world(tmp_path, roles=book, more_scopes=NAMES) as world:
        await answer(world, "amara", FIRST)
        await answer(world, "mateo", SECOND)
        browser, desk = await sign_in(world, STAFF)
        crawler = Crawler(browser)
        await crawler.follow(str(desk.url))
        assert crawler.refused == []
        assert sum(crawler.asked.values()) > 5, crawler.asked


async def test_each_way_from_a_patient_leads_somewhere(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await answer(world, "amara", FIRST)
        world.browser = world.new_browser()
        page = await world.launch("amara", practitioner=FIRST)
        crawler = Crawler(world.browser)
        await crawler.follow(str(page.url))
        assert crawler.refused == []
        assert sum(crawler.asked.values()) > 5, crawler.asked
