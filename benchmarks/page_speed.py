"""How soon somebody can answer: Rapport's form beside LHC-Forms and the Smart Forms renderer, the same Questionnaire.

Headless Chromium, each load in a page of its own, the three in turn. Rapport is the running product (`rapport demo`, two
processes), by two pages: the form that somebody was asked to answer, which has a session, an invitation and answers that are kept
(`Rapport`), and the form that a clinician looks at beforehand, which, as the others, shows the Questionnaire and keeps nothing
(`Rapport, preview`). The others are their published packages, bundled and minified, compressed, and served from memory, so that their
server costs nothing. Before each load the page stands empty for a while, so that no browser's process is started in the measured
time, and no launch reads the EHR in it. Cold: an empty cache. Warm: the second load. Slow: the processor throttled four times (a
school tablet).

Run: python -m benchmarks.page_speed [repetitions] [--page]. With --page the table goes into docs/reference/benchmarks.md.
"""

import gzip
import mimetypes
import platform
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import uvicorn
from playwright.sync_api import Browser, BrowserContext, CDPSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.send_to_record import _launch, _start_therapist_form
from questionnaires import load_catalogue
from tests.browser import open_browser
from tests.product.demonstration import Demonstration, running_demonstration
from tests.renderers.installing import folder, why_not
from tests.renderers.pages import PAGES

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
_START, _END = "<!-- page speed -->", "<!-- end of page speed -->"
FILLED, LOOKED_AT = "Rapport", "Rapport, preview"
INSTRUMENT = "rapport-checkin-therapist"  # six questions, all on one screen
QUIET_MS = 700
SETTLED_MS = 1500  # in which a new page's process starts, and a launch reads the EHR, on the same two cores
_OPEN = """<script type="module">
const wait = () => new Promise((done) => setTimeout(done, 1));
while (!(%s)()) await wait();
await openForm(await (await fetch("/form.json")).json());
</script>"""
_WATCH = """
window.__told = {};
const look = () => {
  const found = document.querySelector(%r);
  if (found && found.getBoundingClientRect().height > 0) window.__told.shown = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
window.__long = 0;
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) window.__long = Math.max(window.__long, each.startTime + each.duration);
}).observe({ type: "longtask", buffered: true });
"""


@dataclass(frozen=True)
class Load:
    """One load: kilobytes over the wire, and milliseconds.

    `interactive` is the end of the last long task (50 ms or more) after the first question: what is tapped from then on is
    answered at once. `main_thread` is its work.
    """

    kilobytes: float
    first_question: float
    interactive: float
    main_thread: float


@dataclass(frozen=True)
class Form:
    """A page to load: its name, how its address is found for each load, and what its first question looks like."""

    name: str
    address: Callable[[], str]
    question: str
    cookie: str = ""  # name=value: the sign-in that the page needs


def load(context: BrowserContext, form: Form, slow: float) -> Load:
    """Load a page and wait until it is quiet."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    received = _count_bytes(session)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    if slow > 1:
        session.send("Emulation.setCPUThrottlingRate", {"rate": slow})
    page.add_init_script(_WATCH % form.question)
    address = form.address()
    if form.cookie:  # by the protocol: Playwright's own way cannot set one that is for this host alone
        name, _, value = form.cookie.partition("=")
        root = urljoin(address, "/")
        session.send("Network.setCookie", {"name": name, "value": value, "url": root, "secure": True})
    page.wait_for_timeout(SETTLED_MS)
    page.goto(address)
    page.wait_for_function("() => window.__told.shown", timeout=120_000)
    while True:
        now, last = page.evaluate("() => [performance.now(), window.__long]")
        if now - max(last, page.evaluate("() => window.__told.shown")) > QUIET_MS:
            break
        page.wait_for_timeout(100)
    shown, last = page.evaluate("() => [window.__told.shown, window.__long]")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    page.close()
    return Load(sum(received) / 1000, shown, max(shown, last), metrics["TaskDuration"] * 1000)


def _count_bytes(session: CDPSession) -> list[float]:
    received: list[float] = []
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    return received


@contextmanager
def serving_peers(questionnaire: bytes) -> Iterator[str]:
    """Serve the renderers' pages from memory, compressed, cached for ever."""
    kept: dict[str, tuple[bytes, str]] = {}

    def find(path: str) -> tuple[bytes, str] | None:
        if path == "/form.json":
            return gzip.compress(questionnaire), "application/json"
        file = folder() / path.lstrip("/")
        if not file.is_file():
            return None
        content = file.read_bytes()
        if file.suffix == ".html":
            content += (_OPEN % PAGES[file.stem].ready).encode()
        return gzip.compress(content, 9), mimetypes.guess_type(file.name)[0] or "application/octet-stream"

    async def answer(request: Request) -> Response:
        path = urlsplit(str(request.url)).path
        if path not in kept and (found := find(path)) is not None:
            kept[path] = found
        if path not in kept:
            return Response(status_code=404)
        body, kind = kept[path]
        headers = {"Content-Encoding": "gzip", "Cache-Control": "max-age=31536000"}
        return Response(body, media_type=kind, headers=headers)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    app = Starlette(routes=[Route("/{path:path}", answer)])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def own_form(demonstration: Demonstration) -> Form:
    """Rapport's own: a form that was started just now, for each load anew."""

    def start() -> str:
        with httpx.Client(timeout=10) as browser:
            page, cookie = _launch(demonstration, browser)
            secret = _start_therapist_form(browser, page, cookie)
        return f"{demonstration.rapport}/fill#{secret}"

    return Form(FILLED, start, "[data-form] .question")


def own_preview(demonstration: Demonstration) -> Form:
    """Rapport's form as a clinician looks at it before anybody is asked to answer."""
    with httpx.Client(timeout=10) as browser:
        page, cookie = _launch(demonstration, browser)
    return Form(LOOKED_AT, lambda: f"{page}/forms/{INSTRUMENT}?language=en", "[data-form] .question", cookie)


def measure(browser: Browser, forms: list[Form], repetitions: int) -> dict[tuple[str, str], list[Load]]:
    """Load every form cold and warm, at full and at a quarter of the speed, in turn."""
    loads: dict[tuple[str, str], list[Load]] = defaultdict(list)
    for _ in range(repetitions):
        for slow, speed in ((1.0, ""), (4.0, ", slow")):
            for form in forms:
                context = browser.new_context(viewport={"width": 820, "height": 1180}, locale="en-GB")
                for cache in ("cold", "warm"):
                    loads[f"{cache}{speed}", form.name].append(load(context, form, slow))
                context.close()
    return loads


def table(loads: dict[tuple[str, str], list[Load]]) -> Iterator[str]:
    """Write medians as a table, and Rapport beside the better of the others."""
    yield "| load | | KB over the wire | first question, ms | interactive, ms | main thread, ms |"
    yield "|---|---|---|---|---|---|"
    medians: dict[str, dict[str, Load]] = defaultdict(dict)
    for (state, name), many in loads.items():
        middle = (statistics.median(getattr(each, one.name) for each in many) for one in fields(Load))
        medians[state][name] = Load(*middle)
    for state, by_name in medians.items():
        for name, each in by_name.items():
            numbers = " | ".join(f"{value:.1f}" if value < 10 else f"{value:.0f}" for value in astuple(each))
            yield f"| {state} | {name} | {numbers} |"
        peers = [each for name, each in by_name.items() if name not in (FILLED, LOOKED_AT)]
        best = [min(getattr(each, one.name) for each in peers) for one in fields(Load)]
        for name in (FILLED, LOOKED_AT):
            ratios = " | ".join(
                _ratio(own, peer) for own, peer in zip(astuple(by_name[name]), best, strict=True)
            )
            yield f"| {state} | {name} / the better | {ratios} |"


def _ratio(own: float, peer: float) -> str:
    if peer:
        return f"**{own / peer:.3f}**"
    return "–" if own else "**both 0**"


def main(repetitions: int, *, into_page: bool) -> None:
    """Measure, print, and write the table into the documentation if asked."""
    if (reason := why_not()) is not None:
        raise SystemExit(reason)
    instrument = load_catalogue().by_id(INSTRUMENT)
    with (
        tempfile.TemporaryDirectory() as place,
        running_demonstration(Path(place)) as demonstration,
        serving_peers(instrument.resource) as peers,
        open_browser() as browser,
    ):
        forms = [own_form(demonstration), own_preview(demonstration)]
        for name, renderer in PAGES.items():
            address = f"{peers}/{name}.html"
            forms.append(Form(renderer.version, lambda address=address: address, renderer.shown))  # type: ignore[misc] # a lambda's default has no declared type
        chromium = browser.version
        measure(browser, forms, 1)  # everything is read into memory once
        lines = list(table(measure(browser, forms, repetitions)))
    about = (
        f"`python -m benchmarks.page_speed {repetitions}` – medians of {repetitions} loads each, Chromium {chromium}, "
        f"{platform.machine()}, two cores, {datetime.now(UTC):%Y-%m-%d}."
    )
    text = "\n".join([about, "", *lines])
    print(text)
    if into_page:
        page = PAGE.read_text(encoding="utf-8")
        new = f"{_START}\n{text}\n{_END}"
        PAGE.write_text(re.sub(f"{_START}.*{_END}", lambda _: new, page, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    main(numbers[0] if numbers else 7, into_page="--page" in sys.argv)
