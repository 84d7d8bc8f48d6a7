"""How long the patient page takes to open with 0 and with 200 administrations, and until the whole history stands there.

Run: python -m benchmarks.patient_page [views]. One process, SQLite, the sandbox EHR in the same process; headless Chromium opens the
page over loopback, with a new context (nothing cached) each time, the two patients in turn, so that what else the machine does meets
both. Prints medians: the server's answer, first contentful paint, the load
event, the server's answer with the whole history; and the ratio of the load events.
"""

import asyncio
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import uvicorn
from playwright.async_api import Browser, async_playwright

from plugin.audit import Actor
from plugin.flow import Arrival, submit
from tests.browser import find_chromium, sandbox_arguments
from tests.product.forms import ANSWERS, question, response_of
from tests.product.world import World, run_world

_ADMINISTRATIONS = 200
_NONE, _MANY = "kofi", "freya"  # both come for the fourth time and have nobody's scores in the record
_TIMES = """() => {
    const [own] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    return { answer: own.responseEnd, paint: paint.startTime, load: own.loadEventEnd };
}"""
_CODES = ("not-at-all", "a-little", "somewhat", "mostly", "completely")


async def _fill(world: World, patient: str, launch: str) -> None:
    rapport = world.rapport.state.rapport
    for place in range(_ADMINISTRATIONS):
        when = rapport.clock() - timedelta(days=_ADMINISTRATIONS - place)
        items = [question(name, _CODES[(place + len(name)) % 5]) for name in ANSWERS]
        identifier = {"system": "urn:bench", "value": str(place)}
        body = response_of(patient, item=items, authored=when.isoformat(), identifier=identifier)
        arrival = Arrival(
            json.dumps(body).encode(),
            "sandbox",
            "The benchmark",
            f"Patient/{patient}",
            Actor(None),
            launch=launch,
        )
        await submit(rapport.intake, arrival)
    while len(await world.search("QuestionnaireResponse", patient=patient)) < _ADMINISTRATIONS:
        world.rapport.state.rapport.worker.wake()
        world.clock.pass_time(seconds=1)
        await asyncio.sleep(0.1)


@dataclass(frozen=True)
class _Taken:
    """Medians in ms, and the size of the page in bytes."""

    answer: float
    paint: float
    load: float
    whole: float
    size: int


@asynccontextmanager
async def _served(world: World) -> AsyncIterator[str]:
    """Serve Rapport on a free port of loopback, for the browser."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(world.rapport, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@dataclass
class _Viewed:
    """A patient's page, who views it, and how long each view took (ms)."""

    patient: str
    reader: httpx.AsyncClient
    page: httpx.Response
    answers: list[float] = field(default_factory=list)
    paints: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    wholes: list[float] = field(default_factory=list)

    @property
    def medians(self) -> _Taken:
        """What half of the views took at most."""
        middle = statistics.median
        return _Taken(
            middle(self.answers),
            middle(self.paints),
            middle(self.loads),
            middle(self.wholes),
            len(self.page.content),
        )


async def _launched(world: World, patient: str) -> _Viewed:
    reader = world.browser = world.new_browser()
    page = await world.launch(patient, practitioner="202")
    assert page.status_code == 200
    return _Viewed(patient, reader, page)


async def _view(viewed: _Viewed, browser: Browser, address: str) -> None:
    cookie = f"__Host-rapport={viewed.reader.cookies['__Host-rapport']}"
    context = await browser.new_context(extra_http_headers={"Cookie": cookie}, ignore_https_errors=True)
    tab = await context.new_page()
    await tab.goto(f"{address}{viewed.page.url.path}", wait_until="load")
    await tab.wait_for_timeout(100)
    found = await tab.evaluate(_TIMES)
    viewed.answers.append(found["answer"])
    viewed.paints.append(found["paint"])
    viewed.loads.append(found["load"])
    await context.close()
    begun = time.perf_counter()
    assert (await viewed.reader.get(f"{viewed.page.url}?wait=true")).status_code == 200
    viewed.wholes.append((time.perf_counter() - begun) * 1000)


async def _main(views: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with run_world(Path(folder)) as world:
            people = await world.people()
            first = await _launched(world, _MANY)
            await _fill(world, people[_MANY], str(first.page.url).rpartition("/")[2])
            empty, full = await _launched(world, _NONE), await _launched(world, _MANY)
            async with _served(world) as address, async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=find_chromium(playwright), args=sandbox_arguments()
                )
                for _ in range(views):
                    for viewed in (empty, full):
                        await _view(viewed, browser, address)
                await browser.close()
    none, many = empty.medians, full.medians
    for name, each in (("0", none), (str(_ADMINISTRATIONS), many)):
        print(
            f"{name} administrations: answer {each.answer:.0f} ms, first paint {each.paint:.0f} ms, load {each.load:.0f} ms; "
            f"whole history {each.whole:.0f} ms; {each.size / 1024:.0f} KB"
        )
    print(f"load {many.load / none.load:.2f} times that of the empty page")


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
