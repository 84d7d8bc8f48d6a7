"""A form filled by hand in somebody else's renderer, in headless Chromium: what it shows, computes and exports.

Pages and scripts come out of the installed packages; any other request is cut, so that nothing leaves this machine.
"""

import json
import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Route
from playwright.sync_api import Error as BrowserError

from tests.renderers.answers import Given, answers_of, every_item
from tests.renderers.installing import folder
from tests.renderers.pages import PAGES, RendererPage, Unanswerable

Json = dict[str, Any]
_BASE = "https://renderers.invalid"
_SETTLED = 600  # ms without a change of the exported response
_TRIES = 40


@dataclass(frozen=True)
class Filled:
    """What came of filling a form: the exported response, the extracted Observations, and what a person stumbled over."""

    response: Json
    observations: list[Json]
    complaints: list[str] = field(default_factory=list)

    def scores(self, link_ids: frozenset[str]) -> dict[str, Decimal | None]:
        """Give the computed items of the exported response by linkId; None where one has no value."""
        found: dict[str, Decimal | None] = dict.fromkeys(link_ids)
        for item in every_item(self.response.get("item", [])):
            for answer in item.get("answer", []) if item["linkId"] in link_ids else ():
                found[item["linkId"]] = _number(answer)
        return found

    def extracted(self) -> dict[str, Decimal | None]:
        """Give the values of the extracted Observations by code; None where one has no value."""
        return {
            coding["code"]: _number(each)
            for each in self.observations
            for coding in each.get("code", {}).get("coding", [])
            if "code" in coding
        }


def _number(holder: Json) -> Decimal | None:
    value = next((value for name, value in holder.items() if name.startswith("value")), None)
    if isinstance(value, dict):
        value = value.get("value")
    return Decimal(str(value)) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


@dataclass
class Desk:
    """An open page of a renderer: fills one form after the other."""

    page: Page
    renderer: RendererPage

    def fill(self, questionnaire: bytes, response: bytes) -> Filled:
        """Open the form, answer it as the response says, by clicking and typing, and read what the renderer exports.

        What a person cannot answer, or finds under another name, is a complaint; the rest is answered all the same.
        """
        form = json.loads(questionnaire)
        self.page.goto(f"{_BASE}/{self.renderer.name}.html")
        self.page.wait_for_function(self.renderer.ready, timeout=30_000)
        self.page.evaluate("(form) => openForm(form)", form)
        self.page.locator(self.renderer.shown).first.wait_for()
        complaints: list[str] = []
        for given in answers_of(form, json.loads(response)):
            self._give(given, complaints)
        try:
            return self._read(complaints)
        except BrowserError as error:
            said = error.message.splitlines()[0].removeprefix("Page.evaluate: ")
            return Filled({}, [], [*complaints, f"the response cannot be exported: {said}"])

    def _give(self, given: Given, complaints: list[str]) -> None:
        try:
            self.renderer.answer(self.page, given)
        except Unanswerable as problem:
            complaints.append(str(problem))
        if given.label is not None and (found := self.renderer.label(self.page, given)) is not None:
            complaints.append(f"the option “{given.label}” of {given.link_id} is shown as “{found}”")

    def _read(self, complaints: list[str]) -> Filled:
        before = ""
        for _ in range(_TRIES):
            now = str(self.page.evaluate("() => JSON.stringify(readForm())"))
            stable = _without_times(now)
            if stable == before:
                tree = json.loads(now, parse_float=Decimal)
                return Filled(tree["response"], tree["observations"], complaints)
            before = stable
            self.page.wait_for_timeout(_SETTLED)
        return Filled({}, [], [*complaints, "the response does not come to rest"])


def _without_times(exported: str) -> str:
    """Leave out what differs with each export: times, and ids made up anew."""
    return json.dumps(json.loads(exported)["response"].get("item"))


@contextmanager
def open_desk(browser: Browser, name: str, *, language: str = "en-GB") -> Iterator[Desk]:
    """Open a page of a renderer until the block ends."""
    context = browser.new_context(
        locale=language, timezone_id="UTC", viewport={"width": 1280, "height": 2000}
    )
    page = context.new_page()
    page.set_default_timeout(5000)
    page.route("**/*", _serve)
    yield Desk(page, PAGES[name])
    context.close()


def _serve(route: Route) -> None:
    address = urlsplit(route.request.url)
    file = folder() / address.path.lstrip("/")
    if f"{address.scheme}://{address.netloc}" != _BASE or not file.is_file():
        route.abort()
        return
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    route.fulfill(body=file.read_bytes(), content_type=kind)
