"""Sends altered launches, callbacks, answers, responses, CDS calls, searches and bundles, and looks for what must not happen.

Samples are taken from what a real launch, form and delivery send; each is altered by bytes, in its JSON, in its parameters or
its headers, and given to the ASGI application directly. A status of 500 or more and an exception that leaves the application
are failures and are printed with the seed that makes them again. In `ehr` cases what the EHR answers is altered instead: there
502 to 504 say, as they should, that the EHR's answer cannot be used.

Run: python -m benchmarks.fuzz [--count 1000000] [--seconds 3600] [--processes 2] [--seed 1]
"""

import argparse
import asyncio
import gc
import json
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import structlog
import uvloop

from plugin.access.invitations import InvitationState
from plugin.ledger import change_rows
from plugin.ledger import tables as t
from questionnaires import load_catalogue
from questionnaires.examples import read_examples, response_to
from questionnaires.kit import read_kit_files
from tests.altering import ODD_TEXT, alter, alter_bytes
from tests.asgi import Asked, ask, headers
from tests.product.forms import ANSWERS, response_of
from tests.product.test_bad_input import app_token
from tests.product.test_cds_hooks import CLIENT, call, chart, key_of, token
from tests.product.test_remote import make_link, secret_of
from tests.product.world import CDS, EHR, RAPPORT, Hosts, World, run_world

AT_ONCE = 12
WARM = 0.2  # of a run, before memory is looked at for the first time
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One request as it is sent by whoever sends it rightly."""

    kind: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    to_ehr: bool = False


@dataclass
class Outcome:
    """What came of a run of one process."""

    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    warm: int = 0  # bytes of memory
    end: int = 0
    seconds: float = 0.0


def alter_sample(chance: random.Random, sample: Sample) -> Sample:
    """Alter a sample in one or two of its parts."""
    changed = sample
    parts = [_alter_path, _alter_headers]
    parts += [_alter_query] * 4 * bool(sample.query) + [_alter_body] * 8 * bool(sample.body)
    for _ in range(chance.choice((1, 1, 1, 2))):
        changed = chance.choice(parts)(chance, changed)
    return changed


def _alter_path(chance: random.Random, sample: Sample) -> Sample:
    path = alter_bytes(chance, sample.path.encode("utf-8", "replace")).decode("latin-1")
    return replace(sample, path=path if path.startswith("/") else f"/{path}")


def _alter_headers(chance: random.Random, sample: Sample) -> Sample:
    if not sample.headers:
        return sample
    found = list(sample.headers)
    place = chance.randrange(len(found))
    name, value = found[place]
    found[place : place + 1] = chance.choice(([(name, alter_bytes(chance, value))], [], [(name, value)] * 2))
    return replace(sample, headers=tuple(found))


def _alter_query(chance: random.Random, sample: Sample) -> Sample:
    query = list(sample.query)
    if not query:
        return sample
    place = chance.randrange(len(query))
    name, value = query[place]
    altered, odd = (
        alter_bytes(chance, value.encode("utf-8", "replace")).decode("latin-1"),
        chance.choice(ODD_TEXT),
    )
    query[place : place + 1] = chance.choice(
        ([(name, altered)], [(name, odd)], [(odd, value)], [], [(name, value), (name, altered)])
    )
    return replace(sample, query=tuple(query))


def _alter_body(chance: random.Random, sample: Sample) -> Sample:
    return replace(sample, body=alter(chance, sample.body))


async def send(app: Any, sample: Sample) -> int:
    """Give a sample to its application, from some address."""
    client = f"10.{random.randrange(250)}.{random.randrange(250)}.{random.randrange(250)}"
    to = EHR if sample.to_ehr else RAPPORT
    return await ask(
        app, Asked(sample.method, sample.path, sample.query, sample.headers, sample.body, to, client)
    )


class Between(httpx.AsyncBaseTransport):
    """Stands between Rapport and the EHR, and alters an answer when it is told to.

    What the EHR says of the one good token of the samples is remembered: Rapport asks for every request anew, and the
    sandbox, which is not what is looked at here, would take half of the time.
    """

    def __init__(self, inner: Hosts, good: str) -> None:
        self.inner = inner
        self.chance: random.Random | None = None
        self._good = good.encode()
        self._worth: httpx.Response | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, and half of the answers altered back."""
        if self.chance is None and self._asks_of_good(request):
            if self._worth is None:
                self._worth = await self._pass_on(request)
                await self._worth.aread()
            known = self._worth
            return httpx.Response(
                known.status_code, headers=known.headers, content=known.content, request=request
            )
        response = await self._pass_on(request)
        if self.chance is None or self.chance.random() < 0.5:
            return response
        altered = alter(self.chance, await response.aread())
        kept = [each for each in response.headers.multi_items() if each[0] != "content-length"]
        status = self.chance.choice((response.status_code,) * 8 + (200, 404, 429, 500))
        return httpx.Response(status, headers=kept, content=altered, request=request)

    def _asks_of_good(self, request: httpx.Request) -> bool:
        if not request.url.path.endswith("/introspect"):
            return False
        return parse_qs(request.content).get(b"token") == [self._good]

    async def _pass_on(self, request: httpx.Request) -> httpx.Response:
        self.inner.seen.clear()  # the tests' list of what was asked would hold every request to the end
        return await self.inner.handle_async_request(request)


# --- samples


def worked_responses() -> list[bytes]:
    """Give the responses of the conformance kit, and the worked examples of the forms that are shipped."""
    of_kit = [each for name, each in read_kit_files().items() if "/response" in name]
    forms = ((each.id, each.resource) for each in load_catalogue().all())
    return of_kit + [
        response_to(example, form) for name, form in forms for example in read_examples(name)[:2]
    ]


@dataclass
class Field:
    """What a process fuzzes: a running world and samples of what is sent to it."""

    world: World
    between: Between
    samples: dict[str, list[Sample]]
    fresh_token: Callable[[], str]


async def prepare(world: World) -> Field:
    """Play a launch, a form, other apps and the EHR, and keep what each would send."""
    people = await world.people()
    amara = people["amara"]
    await chart(world)
    access = await app_token(world)
    page = await world.launch("wei-ling")
    secret = secret_of(await make_link(world, page, f"Patient/{people['wei-ling']}"))
    cookie = "; ".join(
        f"{each.name}={each.value}"
        for each in world.browser.cookies.jar
        if not each.name.startswith("sandbox")
    )
    signed_in = headers(cookie=cookie, accept="text/html")
    fhir = headers(
        authorization=f"Bearer {access}", content_type="application/fhir+json", accept="application/fhir+json"
    )
    launch = urlsplit(await world.new_launch())
    query = tuple(httpx.QueryParams(launch.query).multi_items())
    departing = await world.browser.get(f"{launch.path}?{launch.query}")
    back = await world.browser.get(departing.headers["location"])
    returned = httpx.URL(back.headers.get("location", f"{RAPPORT}/callback?code=x&state=y"))
    invited = headers(
        x_rapport_invitation=secret,
        content_type="application/json",
        origin=RAPPORT,
        accept="application/json",
    )
    responses = [
        json.dumps(response_of(amara, identifier={"system": "urn:x", "value": str(each)})).encode()
        for each in range(3)
    ]
    responses += worked_responses()
    await world.browser.post(
        "/sites/sandbox/fhir/QuestionnaireResponse",
        content=responses[0],
        headers={"Authorization": f"Bearer {access}", "Content-Type": "application/fhir+json"},
    )
    extracted = await world.browser.post(
        "/fhir/QuestionnaireResponse/$extract",
        content=responses[0],
        headers={"Authorization": f"Bearer {access}", "Content-Type": "application/fhir+json"},
    )
    assert extracted.status_code == 200, extracted.text
    answers = json.dumps({"answers": ANSWERS}).encode()
    home = urlsplit(str(page.url)).path
    post, score = "/sites/sandbox/fhir/QuestionnaireResponse", "/fhir/QuestionnaireResponse/$score"
    search = (
        (
            "/sites/sandbox/fhir/Observation",
            (("date", "ge2026-03-02"), ("code", "rapport-checkin-child-total"), ("_count", "5")),
        ),
        (
            "/sites/sandbox/fhir/QuestionnaireResponse",
            (("subject", f"Patient/{amara}"), ("_sort", "-authored")),
        ),
        (
            "/sites/sandbox/fhir/AuditEvent",
            (("date", "2026-03-02"), ("subtype", "launch"), ("outcome", "0"), ("agent", "Practitioner/201")),
        ),
        (
            "/fhir/Questionnaire",
            (
                ("url", "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-child"),
                ("version", "1.0.0"),
            ),
        ),
    )
    samples = {
        "launch": [Sample("launch", "GET", "/launch", query, headers(accept="text/html"))],
        "callback": [Sample("callback", "GET", "/callback", tuple(returned.params.multi_items()), signed_in)],
        "answers": [
            Sample("answers", "PUT", "/fill/answers", (), invited, answers),
            Sample("answers", "GET", "/fill/form", (), invited),
            Sample("answers", "POST", "/fill/consent", (), invited, b'{"agreed": true}'),
            Sample(
                "answers",
                "POST",
                "/code",
                (),
                headers(content_type="application/x-www-form-urlencoded", origin=RAPPORT),
                b"code=12345678",
            ),
        ],
        "submit": [Sample("submit", "POST", "/fill/submit", (), invited, answers)],
        "response": [Sample("response", "POST", post, (), fhir, each) for each in responses],
        "score": [
            Sample("score", "POST", each, (), fhir, body)
            for body in responses
            for each in (score, score.replace("$score", "$extract"))
        ],
        "search": [Sample("search", "GET", path, more, (*fhir, *signed_in)) for path, more in search],
        "page": [
            Sample("page", "GET", home, (("lang", "de"),), signed_in),
            Sample(
                "page",
                "POST",
                f"{home}/invitations",
                (),
                (*signed_in, *headers(content_type="application/x-www-form-urlencoded", origin=RAPPORT)),
                urlencode(
                    {
                        "csrf": "x",
                        "respondent": f"Patient/{amara}",
                        "instrument": "rapport-checkin-child",
                        "language": "en",
                        "pin": "4711",
                    }
                ).encode(),
            ),
        ],
        "cards": [
            Sample(
                "cards",
                "POST",
                urlsplit(CDS).path,
                (),
                headers(content_type="application/json"),
                json.dumps(call(amara)).encode(),
            )
        ],
        "bundle": [Sample("bundle", "POST", "/r4", (), fhir, extracted.content, to_ehr=True)],
    }
    between = Between(world.hosts, access)
    world.rapport.state.rapport.http._transport = between
    world.rapport.state.rapport.worker.stop()
    signing = key_of(world)  # reading an RSA key checks its primes, which takes longer than the call
    return Field(world, between, samples, lambda: token(world, signing))


WEIGHTS = {
    "launch": 12,
    "callback": 14,
    "answers": 16,
    "submit": 12,
    "response": 14,
    "score": 14,
    "search": 6,
    "page": 2,
    "cards": 2,
    "bundle": 4,
    "ehr": 2,
}


async def one(place: Field, chance: random.Random, kind: str) -> int:
    """Send one altered request of a kind."""
    world = place.world
    if kind == "ehr":
        place.between.chance = chance
        try:
            if chance.random() < 0.3:
                world.rapport.state.rapport.directory.__init__(clock=world.clock)  # discovery is read again
            address = urlsplit(await world.new_launch())
            departing = await world.browser.get(f"{address.path}?{address.query}")
            if departing.status_code != 303:
                return departing.status_code
            back = await world.browser.get(departing.headers["location"])
            if back.status_code not in {302, 303}:
                return 400  # the altered configuration led elsewhere in the EHR
            arrived = await world.browser.get(back.headers["location"])
            if arrived.status_code == 303:
                arrived = await world.browser.get(arrived.headers["location"])
            return arrived.status_code
        finally:
            place.between.chance = None
    sample = alter_sample(chance, chance.choice(place.samples[kind]))
    if kind == "cards":
        sample = replace(
            sample, headers=(*sample.headers, (b"authorization", f"Bearer {place.fresh_token()}".encode()))
        )
    if kind == "submit" and chance.random() < 0.05:
        await world.rapport.state.rapport.ledger.bookkeep(
            lambda c: change_rows(c, t.invitation, (), {"state": InvitationState.OPENED})
        )
    return await send(world.ehr if sample.to_ehr else world.rapport, sample)


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@dataclass
class Run:
    """One process at work: what it sends comes of its seed alone."""

    number: int
    seed: int
    count: int
    seconds: float
    put_off: int = 0  # altered answers of the EHR, which come at the end
    outcome: Outcome = field(default_factory=Outcome)
    begun: float = field(default_factory=time.monotonic)

    @property
    def gone(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.begun

    async def fuzz(self, folder: Path) -> Outcome:
        """Fuzz until all are sent or the time is over."""
        async with run_world(folder, cds=CLIENT) as world:
            place = await prepare(world)
            gc.collect()
            gc.freeze()  # what stays to the end need not be looked through again and again
            left = iter(range(self.count))
            await asyncio.gather(*(self._work(place, left) for _ in range(AT_ONCE)))
            # By itself: others must not see the altered answers of the EHR.
            for index in range(self.put_off):
                if self.gone > self.seconds * 1.1 + 20:
                    break
                await self._judge(place, f"{self.seed}.{self.number}.ehr.{index}", "ehr")
            self.outcome.end = memory()
        self.outcome.warm = self.outcome.warm or self.outcome.end
        self.outcome.seconds = self.gone
        return self.outcome

    async def _work(self, place: Field, left: Iterator[int]) -> None:
        for index in left:
            if self.gone > self.seconds:
                return
            case = f"{self.seed}.{self.number}.{index}"
            (kind,) = random.Random(f"{case}.kind").choices(list(WEIGHTS), list(WEIGHTS.values()))
            if kind == "ehr":
                self.put_off += 1
            else:
                await self._judge(place, case, kind)
            if self.outcome.warm == 0 and (index > self.count * WARM or self.gone > self.seconds * WARM):
                self.outcome.warm = memory()

    async def _judge(self, place: Field, case: str, kind: str) -> None:
        outcome = self.outcome
        known = len(outcome.failures)
        try:
            status = await one(place, random.Random(case), kind)
        except Exception:  # noqa: BLE001 -- whatever leaves the application is what is looked for
            outcome.failures.append(f"{case} {kind}: {traceback.format_exc()[-1500:]}")
            status = 0
        outcome.sent[kind] += 1
        outcome.statuses[status] += 1
        told = kind == "ehr" and status in {502, 503, 504}
        if status >= 500 and not told:
            outcome.failures.append(f"{case} {kind}: {status}")
        if len(outcome.failures) > known:
            print(f"process {self.number}: {outcome.failures[-1]}", file=sys.stderr, flush=True)
        sent = sum(outcome.sent.values())
        if sent % 10_000 == 0:
            so_far = f"{sent} sent, {self.gone:.0f} s, {memory() >> 20} MB, {len(outcome.failures)} failures"
            print(f"process {self.number}: {so_far}", file=sys.stderr, flush=True)


def work_in_process(arguments: tuple[int, int, int, float]) -> Outcome:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    number, seed, count, seconds = arguments
    memory_folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory_folder) as folder:
        return uvloop.run(Run(number, seed, count, seconds).fuzz(Path(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument(
        "--most-growth", type=float, default=128.0, help="MB a process may grow after its first fifth"
    )
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    each = asked.count // asked.processes
    jobs = [(number, asked.seed, each, asked.seconds) for number in range(asked.processes)]
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        outcomes = pool.map(work_in_process, jobs)
    sent = sum((each.sent for each in outcomes), Counter[str]())
    statuses = sum((each.statuses for each in outcomes), Counter[int]())
    failures = [each for outcome in outcomes for each in outcome.failures]
    growth = max((each.end - each.warm) / 2**20 for each in outcomes)
    print(f"sent {sum(sent.values())} in {max(each.seconds for each in outcomes):.0f} s: {dict(sent)}")
    print(f"statuses {dict(sorted(statuses.items()))}")
    print(
        f"memory of a process after a fifth, at the end: {[(each.warm >> 20, each.end >> 20) for each in outcomes]} MB"
    )
    for failure in failures[:40]:
        print(failure)
    print(f"{len(failures)} failures, growth {growth:.0f} MB")
    if failures or growth > asked.most_growth:
        sys.exit(1)


if __name__ == "__main__":
    main()
