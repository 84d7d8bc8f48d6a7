"""Pages of auditors and administrators over a running world, read in German: nothing there is English but what is marked so."""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from plugin.audit import Actor, Kind
from plugin.auditing.verifying import beside_ehr, outcome, said_of
from plugin.ledger import tables as t
from plugin.pages.words import DOMAINS, translations
from plugin.roles import Role, RoleBook
from plugin.verify import Finding, Flaw, Progress
from tests.pages.test_words import catalogue_of
from tests.product.test_administering import ADMINISTRATOR, csrf_of
from tests.product.test_administering import sign_in as sign_in_to_administer
from tests.product.test_auditing import BOOK, SYSTEM, Audit, alter, drawn, from_the_chart, start
from tests.product.test_personalities import send_form, settled
from tests.product.world import run_world

LANGUAGE = "de"
# Words that make an English sentence, and no German one.
ENGLISH = re.compile(
    r"\b(?:the|of|and|not|is|were|are|it|its|that|than|which|with|from|no|to|by|for|has|have|does|been|cannot)\b"
)
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SAME = {"code", "pre", "script", "style", "title", "mark"}


class _Shown(HTMLParser):
    """Collects what a reader sees in the page's language: not code, and not what is marked as another language's."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("aria-label") and not self._is_other:
            self.texts.append(given["aria-label"] or "")
        if tag not in VOID:
            other = tag in SAME or given.get("lang", LANGUAGE) != LANGUAGE
            self._open.append((tag, other))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            continue

    def handle_data(self, data: str) -> None:
        if not self._is_other and data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def _is_other(self) -> bool:
        return any(other for _, other in self._open)


@cache
def _untold() -> frozenset[str]:
    """Give every message whose translation differs from it."""
    ids = (
        each.id for domain in DOMAINS for each in catalogue_of(LANGUAGE, domain) if isinstance(each.id, str)
    )
    return frozenset(each for each in ids if each and translations(LANGUAGE).gettext(each) != each)


def english_on(page: httpx.Response) -> Iterator[str]:
    """Give what is English on a page: a message that has a translation, or what reads like a sentence."""
    reader = _Shown()
    reader.feed(page.text)
    for text in reader.texts:
        if text.strip(" :.") in _untold() or len(ENGLISH.findall(text)) > 1:
            yield text


async def test_the_pages_of_administrators_are_german(tmp_path: Path) -> None:
    book = RoleBook({f"Practitioner/{ADMINISTRATOR}": frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR})})
    async with run_world(tmp_path, personality="read-only", roles=book) as world:
        response = await send_form(world)
        await settled(world, response)
        browser, desk = await sign_in_to_administer(world)
        browser.headers["Accept-Language"] = LANGUAGE
        base = str(desk.url)
        found = {}
        for path in (
            "",
            "/deliveries",
            f"/deliveries/{response}",
            "/installation",
            "/norms",
            "/ehr",
            "/caseload",
        ):
            page = await browser.get(f"{base}{path}")
            assert page.status_code == 200, path
            found[path] = [*english_on(page)]
        asked = {"csrf": csrf_of(await browser.get(f"{base}/ehr"))}
        examined = await browser.post(f"{base}/ehr", data=asked)
        assert "Die Krankenakte" in examined.text
        found["examined"] = [*english_on(examined)]
        assert {path: each for path, each in found.items() if each} == {}


async def test_the_pages_of_auditors_are_german(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        first = await start(world)
        audit = await from_the_chart(world, first.response)
        (total,) = await world.search("Observation", identifier=f"{SYSTEM}|{audit.response}/score-total")
        await alter(world, total)
        review = await drawn(audit)
        await _flawed(audit)
        audit.browser.headers["Accept-Language"] = LANGUAGE
        found = {}
        for path in ("", "/audit", "/log", "/reviews", f"/reviews/{review}?again=true", "/exports"):
            page = await audit.get(path)
            assert page.status_code == 200, path
            found[path] = [*english_on(page)]
        log = (await audit.get("/log")).text
        assert "Weicht ab" in log
        assert "Der Zahlenwert ist ein anderer." in log
        chain = await audit.get(audit.chain)
        found["chain"] = [*english_on(chain)]
        compared = await audit.post(f"{audit.chain}/compare")
        assert "Der Zahlenwert ist ein anderer." in compared.text
        found["compared"] = [*english_on(compared)]
        assert {path: each for path, each in found.items() if each} == {}


async def _flawed(audit: Audit) -> None:
    """Have a verification tell of flaws, of the ledger and of what stands in the EHR."""
    rapport = audit.world.rapport.state.rapport
    where = f"response {audit.response}, score-total (Observation/1)"
    finding = Finding(Flaw.MISMATCH, where, "Its value is another one.")
    told = outcome(Progress(), 1, [said_of(finding)], beside=beside_ehr("sandbox"))
    entry = rapport.trail.entry(Kind.LEDGER_VERIFIED, Actor(display="somebody"), details=told)
    await rapport.ledger.record(entry)
    await rapport.ledger.bookkeep(lambda c: c.execute(t.attempt.update().values(detail="another")))
    await audit.post("/log/verify")
    await rapport.verification.finished()


@pytest.mark.parametrize(
    "words", ["<p>It is not what was logged.</p>", "<td>Key of the site is not there</td>"]
)
def test_english_words_are_found(words: str) -> None:
    assert [*english_on(httpx.Response(200, text=words))] != []
