"""Whatever a page of staff or of a clinician leads to is there, as it stands there; what it refuses can be mended there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from plugin.pages.words import LANGUAGES
from plugin.research_settings import BACKEND_SCOPES, Research
from plugin.roles import Role, RoleBook, Team
from tests.product.test_administering import sign_in
from tests.product.test_caseload import FIRST, NAMES, SECOND, answer
from tests.product.ways import Form, Ways, ways_of
from tests.product.world import RAPPORT, run_world

STAFF = "201"
ENDING = re.compile(
    r"/(end|sign-?out|parting|withdraw|unlock|discard|void|entered-in-error|export\w*|sample\w*)\b|/sign-ins"
)
LEAVING = re.compile(r"/(end|sign-?out|withdraw|sign-ins)\b")  # ends what the others are asked in
BACK = re.compile(r"/(launches|desks)/")
PLACES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")  # pages of one kind are looked at a few times


@dataclass
class Crawler:
    """Follows everything from one page on, a few of each kind of address; notes what was refused, and how badly."""

    browser: httpx.AsyncClient
    asked: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    forms: dict[str, tuple[str, Form]] = field(default_factory=dict)  # of each kind, with its page
    mistaken: int = 0

    async def follow(self, start: str) -> None:
        waiting: list[tuple[str, str, dict[str, str]]] = [("get", start, {})]
        while waiting:
            method, address, data = waiting.pop()
            kind = f"{method} {self._kind(address)} {sorted(data)}"
            limit = 40 if data else 4
            if self.asked.get(kind, 0) >= limit or not address.startswith(RAPPORT):
                continue
            self.asked[kind] = self.asked.get(kind, 0) + 1
            page = await self._send(method, address, data)
            if page.status_code in {404, 409, 422} and method == "post":
                self._check(page, address, data)
            elif page.status_code >= 400:
                self.refused.append(f"{page.status_code} {method} {address} {data}")
            elif page.is_redirect:
                waiting.append(("get", urljoin(address, page.headers["location"]), {}))
            elif page.headers["content-type"].startswith("text/html"):
                waiting += [each for each in self._from(address, ways_of(page)) if not ENDING.search(each[1])]

    async def mistake(self) -> None:
        """Send each form with something wrong in it: refused in the reader's language, with a way on and what was typed."""
        for kind, (here, form) in self.forms.items():
            if form.method == "post" and not LEAVING.search(kind):
                for data in form.mistaken():
                    await self._mistake(urljoin(here, form.action), data)

    async def _mistake(self, address: str, data: dict[str, str]) -> None:
        english: set[str] = set()
        for language in LANGUAGES:
            self.browser.headers["Accept-Language"] = language
            page = await self._send("post", address, data)
            if page.status_code < 400:
                break  # it could be taken
            self.mistaken += 1
            told = self._check(page, address, data)
            if left := told & english:
                self.refused.append(f"{page.status_code} {address} {data} {language}: in English: {left}")
            english = english or told
        self.browser.headers["Accept-Language"] = "en"

    def _check(self, page: httpx.Response, address: str, data: dict[str, str]) -> set[str]:
        """Check that what was typed stands in the form again; gives the sentences of the page."""
        read = ways_of(page)
        if not read.sentences or not any(BACK.search(each) for each in read.links):
            self.refused.append(f"{page.status_code} {address} {data}: says nothing, or leads nowhere")
        again = [each for each in read.forms if urljoin(address, each.action) == address]
        if not any(each.keeps(data) for each in again):
            what = f"{page.status_code} {address} {data}"
            self.refused.append(f"{what}: what was typed is lost: {[each.fields for each in again]}")
        return read.sentences

    async def _send(self, method: str, address: str, data: dict[str, str]) -> httpx.Response:
        sent = {"data": data} if method == "post" else {"params": data} if data else {}
        return await self.browser.request(method, address, headers={"Origin": RAPPORT}, **sent)  # type: ignore[arg-type]

    def _from(self, address: str, ways: Ways) -> Iterator[tuple[str, str, dict[str, str]]]:
        for link in ways.links:
            yield "get", urljoin(address, link).partition("#")[0], {}
        for form in ways.forms:
            action = urljoin(address, form.action)
            self.forms.setdefault(
                f"{self._kind(action)} {[each.name for each in form.fields]}", (address, form)
            )
            if not any(
                each.kind == "password" for each in form.fields
            ):  # a device that is handed over leads no further
                yield from ((form.method, action, each) for each in form.sent())

    @staticmethod
    def _kind(address: str) -> str:
        return PLACES.sub("*", address.partition("?")[0])


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.AUDITOR, Role.ADMINISTRATOR, Role.RESEARCHER])
async def test_each_way_from_a_desk_leads_somewhere(tmp_path: Path, role: Role) -> None:
    who = f"Practitioner/{STAFF}"
    team = Team((who,), (f"Practitioner/{FIRST}", f"Practitioner/{SECOND}"))
    book = RoleBook({who: frozenset({role})}, teams=(team,))
    research = Research(tmp_path / "research.salt")
    research.make_salt()
    async with run_world(
        tmp_path,
        roles=book,
        more_scopes=NAMES,
        research=research,
        backend_scopes=BACKEND_SCOPES,
        auditors_see_answers=True,
    ) as world:
        await answer(world, "amara", FIRST)
        await answer(world, "mateo", SECOND)
        browser, desk = await sign_in(world, STAFF)
        crawler = Crawler(browser)
        await crawler.follow(str(desk.url))
        await crawler.mistake()
        assert not crawler.refused, "\n".join(crawler.refused)
        assert sum(crawler.asked.values()) > 5, crawler.asked
        assert crawler.mistaken > 10 or role not in {Role.AUDITOR, Role.RESEARCHER}


async def test_each_way_from_a_patient_leads_somewhere(tmp_path: Path) -> None:
    async with run_world(tmp_path) as world:
        await answer(world, "amara", FIRST)
        world.browser = world.new_browser()
        page = await world.launch("amara", practitioner=FIRST)
        crawler = Crawler(world.browser)
        await crawler.follow(str(page.url))
        await crawler.mistake()
        assert not crawler.refused, "\n".join(crawler.refused)
        assert sum(crawler.asked.values()) > 5, crawler.asked
        assert crawler.mistaken > 10
