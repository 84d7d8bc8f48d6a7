"""How long the patient page takes to open with 0 and with 200 administrations, and until the whole history stands there.

Run: python -m benchmarks.patient_page [views]. One process, SQLite, the sandbox EHR in the same process; headless Chromium opens the
page over loopback, with a new context (nothing cached) each time. Prints medians: the server's answer, first contentful paint, the load
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
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvicorn
from playwright.async_api import Browser, async_playwright

from plugin.audit import Actor
from plugin.flow import Arrival, submit
from tests.browser import find_chromium, sandbox_arguments
from tests.product.forms import ANSWERS, question, response_of
from tests.product.world import World, run_world

_ADMINISTRATIONS = 200
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


async def _views(world: World, browser: Browser, address: str, views: int) -> _Taken:
    world.browser = world.new_browser()
    page = await world.launch("freya", practitioner="202")
    cookie = f"__Host-rapport={world.browser.cookies['__Host-rapport']}"
    answers, paints, loads, wholes = [], [], [], []
    for _ in range(views):
        context = await browser.new_context(extra_http_headers={"Cookie": cookie}, ignore_https_errors=True)
        tab = await context.new_page()
        await tab.goto(f"{address}{page.url.path}", wait_until="load")
        await tab.wait_for_timeout(100)
        found = await tab.evaluate(_TIMES)
        answers.append(found["answer"])
        paints.append(found["paint"])
        loads.append(found["load"])
        await context.close()
        begun = time.perf_counter()
        assert (await world.browser.get(f"{page.url}?wait=true")).status_code == 200
        wholes.append((time.perf_counter() - begun) * 1000)
    return _Taken(
        answer=statistics.median(answers),
        paint=statistics.median(paints),
        load=statistics.median(loads),
        whole=statistics.median(wholes),
        size=len(page.content),
    )


async def _main(views: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with run_world(Path(folder)) as world:
            people = await world.people()
            page = await world.launch("freya", practitioner="202")
            assert page.status_code == 200
            launch = str(page.url).rpartition("/")[2]
            async with _served(world) as address, async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=find_chromium(playwright), args=sandbox_arguments()
                )
                none = await _views(world, browser, address, views)
                await _fill(world, people["freya"], launch)
                many = await _views(world, browser, address, views)
                await browser.close()
    for name, each in (("0", none), (str(_ADMINISTRATIONS), many)):
        print(
            f"{name} administrations: answer {each.answer:.0f} ms, first paint {each.paint:.0f} ms, load {each.load:.0f} ms; "
            f"whole history {each.whole:.0f} ms; {each.size / 1024:.0f} KB"
        )
    print(f"load {many.load / none.load:.2f} times that of the empty page")


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
