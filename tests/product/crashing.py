"""A serving Rapport that is killed (kill -9) again and again while people send, beside an EHR that fails on purpose.

The sandbox EHR stays up, as an EHR does. Whoever sends keeps sending the same response until it is told to be saved.
"""

import base64
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from plugin.access.launches import launches_with_token
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.observations.build import IDENTIFIER_SYSTEM
from sandbox_ehr import EmbeddedApp, RegisteredClient, SandboxSettings
from smart_launch import SigningKey, generate_key, public_jwks
from tests.forking import Forked, fork
from tests.product.forms import response_of
from tests.product.world import READER_SCOPES, READER_SECRET, SCOPES
from tests.sandbox_ehr.serving import serving
from tests.terminal import run_rapport

_STARTING = 180.0  # seconds that a process beside much other work may take
_PATIENCE = 600.0  # seconds that somebody keeps sending one response
SECRET = "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc"
FAULTS = (
    {"kind": "reset-after-commit", "probability": 0.08},
    {"kind": "failed-after-commit", "probability": 0.08},
    {"kind": "half-sent", "probability": 0.04},
    {"kind": "reset-before-commit", "probability": 0.08},
    {"kind": "unavailable", "probability": 0.08},
    {"kind": "throttled", "probability": 0.01, "retry_after": 1},
)
CONFIGURATION = """
[server]
base_url = "{rapport}"
database = "{database}"

[[site]]
id = "sandbox"
name = "Sandbox EHR"
organization = "Sandbox service"
fhir_base = "{ehr}/r4"
client_id = "rapport"
authentication = "private_key_jwt"
scopes = {scopes}
backend_scopes = ["system/QuestionnaireResponse.crs", "system/Observation.crs", "system/Provenance.c"]

[site.delivery]
at_once = 16
per_second = 1000
first_pause_seconds = 0.5
longest_pause_seconds = 1
settling_seconds = 0
failures_to_rest = 20
rest_seconds = 0.5
"""


@dataclass
class Tally:
    """What came of it. Every list should be empty."""

    saved: int = 0
    kills: int = 0
    seconds: float = 0.0
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    not_delivered: dict[str, int] = field(default_factory=dict)
    not_saved: list[str] = field(default_factory=list)  # who gave up, and what they were answered last
    untold: list[str] = field(default_factory=list)  # what the trail should tell and does not
    flaws: list[str] = field(default_factory=list)  # what `rapport audit verify` found

    @property
    def is_sound(self) -> bool:
        empty = (self.lost, self.doubled, self.out_of_order, self.not_delivered, self.not_saved)
        return not any((*empty, self.untold, self.flaws))


@dataclass
class Place:
    """Where it happens: the EHR's address, Rapport's port, its folder and environment."""

    folder: Path
    ehr: str
    port: int
    database: str

    @property
    def rapport(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "RAPPORT_SECRET_KEY": SECRET,
            "RAPPORT_SIGNING_KEYS": str(self.folder / "keys"),
        }

    def start(self, command: str = "serve", module: tuple[str, ...] = ("plugin",)) -> Forked:
        """Start a process: `serve`, or `worker`; `module` is what stands for `rapport`."""
        port = ["--port", str(self.port)] if command == "serve" else []
        arguments = [command, *port, "--config", str(self.folder / "rapport.toml")]
        with (self.folder / "output.txt").open("ab") as output:
            return fork((*module, *arguments), self.environment, output.fileno(), output.fileno())

    def wait(self, process: Forked) -> None:
        deadline = time.monotonic() + _STARTING
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.rapport}/health", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
            assert process.poll() is None, (self.folder / "output.txt").read_text()[-3000:]
        raise AssertionError("Rapport did not start")


@contextmanager
def open_place(folder: Path, port: int, database: str | None = None) -> Iterator[Place]:
    """Serve a sandbox EHR that knows Rapport, and write Rapport's configuration."""
    key = generate_key("ES384")
    rapport = f"http://127.0.0.1:{port}"
    settings = SandboxSettings(
        base_url="http://localhost",
        database=str(folder / "ehr.sqlite3"),
        clients=(
            RegisteredClient(
                client_id="rapport",
                name="Rapport",
                kind="asymmetric",
                redirect_uris=(f"{rapport}/callback",),
                launch_url=f"{rapport}/launch",
                jwks=public_jwks((key,)),
                scopes=(*SCOPES, "system/*.crus"),
            ),
            RegisteredClient(
                client_id="reader",
                name="Reader",
                kind="symmetric",
                secret=READER_SECRET,
                redirect_uris=(),
                launch_url="",
                scopes=READER_SCOPES,
            ),
        ),
        apps=(EmbeddedApp(name="Rapport", client_id="rapport"),),
    )
    with serving(settings, lambda: datetime.now(UTC)) as ehr:
        place = Place(folder, ehr, port, database or f"sqlite:///{folder}/rapport.sqlite3")
        _write_key(folder / "keys", key)
        (folder / "rapport.toml").write_text(
            CONFIGURATION.format(
                rapport=rapport, database=place.database, ehr=ehr, scopes=json.dumps(SCOPES)
            ),
            encoding="utf-8",
        )
        yield place


def crash(
    place: Place,
    *,
    submissions: int,
    kills: int,
    life: tuple[float, float],
    workers: int = 0,
    seed: int = 1,
    verify: bool = False,
    seconds: float = 24 * 3600,
    senders: int = 4,
    pausing: bool = True,
) -> Tally:
    """Send while Rapport is killed `kills` times, `life` seconds after each start; then let it finish, and count.

    So many `senders` send at once; with `pausing` they wait between, so that sending lasts as long as the killing,
    without it nothing is killed any more when all is sent.
    With `workers` (PostgreSQL) so many `rapport worker` run beside, and each time one of all is killed.
    With `verify` the ledger is verified at the end. After `seconds` nobody sends or is killed any more.
    """
    chance = random.Random(seed)
    begun = time.monotonic()
    commands = ["serve", *["worker"] * workers]
    processes = [place.start()]
    try:
        place.wait(processes[0])
        processes += [place.start(each) for each in commands[1:]]
        tokens = launched_tokens(place, 30)
        for fault in FAULTS:
            asked = {"method": "POST", "path": "/r4*", **fault}
            httpx.post(f"{place.ehr}/sandbox/faults", json=asked).raise_for_status()
        saved: dict[str, str] = {}
        pause = kills * (sum(life) / 2 + 1.5) * senders / submissions if pausing else 0.0
        deadline = time.monotonic() + seconds
        stopped, gave_up = threading.Event(), list[str]()
        with httpx.Client(timeout=20) as http, ThreadPoolExecutor(senders) as pool:

            def send_one(number: int) -> tuple[str, str] | None:
                if time.monotonic() > deadline or stopped.is_set():
                    return None
                try:
                    return send(http, place, tokens[number % len(tokens)], number, pause, stopped)
                except AssertionError as error:
                    gave_up.append(f"{number}: {error}")  # the others go on, and what they were told counts
                    return None

            told = threading.Thread(
                target=lambda: saved.update(filter(None, pool.map(send_one, range(submissions))))
            )
            told.start()
            try:
                died = _kill(place, processes, commands, told, (chance, kills, life, deadline, pausing))
            except AssertionError:
                stopped.set()  # nobody answers any more: whoever still sends would only wait in vain
                raise
            told.join()
        httpx.delete(f"{place.ehr}/sandbox/faults").raise_for_status()
        tally = Tally(saved=len(saved), kills=died, not_saved=gave_up)
        tally.not_delivered = _wait_for_delivery(place, patience=300)
        _count(place, saved, tally)
    finally:
        for each in processes:
            each.terminate()
        for each in processes:
            each.wait(20)
    tally.seconds = time.monotonic() - begun
    if verify:
        tally.flaws = _verify(place)
    return tally


def _kill(
    place: Place,
    processes: list[Forked],
    commands: list[str],
    told: threading.Thread,
    how: tuple[random.Random, int, tuple[float, float], float, bool],
) -> int:
    """Kill one of the processes after another, and start it again, while people send; gives how many died."""
    chance, kills, life, deadline, pausing = how
    died = 0
    while died < kills and time.monotonic() < deadline:
        told.join(chance.uniform(*life))
        if not (pausing or told.is_alive()):
            break
        died += 1
        victim = chance.randrange(len(processes))
        processes[victim].send_signal(signal.SIGKILL)
        processes[victim].wait()
        processes[victim] = place.start(commands[victim])
        place.wait(processes[0])
    return died


def _signed(place: Place) -> int:
    """How many entries of the log are signed for: its checkpoint is written after them."""
    answer = httpx.get(f"{place.rapport}/log/checkpoint", timeout=10)
    return int(answer.text.splitlines()[1]) if answer.status_code == 200 else 0


def _verify(place: Place) -> list[str]:
    """Have `rapport audit verify` recompute and compare everything; gives what it found."""
    process = place.start()  # what was committed just before the last kill gets its place in the log
    place.wait(process)
    engine = open_database(place.database)
    for _ in range(600):
        with engine.connect() as connection:
            waiting, logged = (
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (t.log_pending, t.log_leaf)
            )
        if not waiting and _signed(place) >= logged:
            break
        time.sleep(0.1)
    engine.dispose()
    process.terminate()
    process.wait(20)
    verify = ("audit", "verify", "--json", "--config", place.folder / "rapport.toml")
    done = run_rapport(*verify, environment=place.environment)
    return [] if done.returncode == 0 else [done.stdout[-2000:] + done.stderr[-2000:]]


def _write_key(folder: Path, key: SigningKey) -> None:
    folder.mkdir()
    (folder / "es384.jwk.json").write_text(key.to_jwk(), encoding="utf-8")


def launched_tokens(place: Place, most: int = 100) -> list[tuple[str, str]]:
    """Launch for the patients; gives each one's id with the launch's token, as another app would have it."""
    patients = [each["id"] for each in _search(place, "Patient")][:most]
    clinician = _search(place, "Practitioner")[0]["id"]
    for patient in patients:
        asked = {"client_id": "rapport", "patient": patient, "practitioner": clinician}
        with httpx.Client(timeout=20) as browser:
            address = browser.post(f"{place.ehr}/sandbox/launch", json=asked).json()["launch_url"]
            _follow(browser, place, address)
    vault = Vault((_key(),))
    engine = open_database(place.database)
    with engine.connect() as connection:
        found = []
        for patient in patients:
            held = launches_with_token(connection, vault, "sandbox", f"Patient/{patient}", None)
            found.append((patient, held[0].context.tokens.access_token))
    engine.dispose()
    return found


def _follow(browser: httpx.Client, place: Place, address: str) -> None:
    cookie = ""
    for _ in range(8):
        own = address.startswith(place.rapport)
        answer = browser.get(address, headers={"Cookie": cookie} if own else {})
        if own and (given := answer.headers.get("set-cookie")):
            cookie = given.split(";")[0]
        if answer.status_code == 200:
            return
        address = str(httpx.URL(address).join(answer.headers["location"]))
    raise AssertionError("the launch did not arrive")


def send(
    http: httpx.Client,
    place: Place,
    launched: tuple[str, str],
    number: int,
    pause: float,
    stopped: threading.Event | None = None,
) -> tuple[str, str]:
    """Send one response until it is told to be saved; gives Rapport's id of it and the patient."""
    time.sleep(random.uniform(0, 2 * pause))
    patient, token = launched
    own = {"system": "urn:x-crash", "value": str(number)}
    body = json.dumps(response_of(patient, identifier=own)).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    address = f"{place.rapport}/sites/sandbox/fhir/QuestionnaireResponse"
    last, answers = "", Counter[str]()
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and not (stopped and stopped.is_set()):
        try:
            answer = http.post(address, content=body, headers=headers)
        except httpx.TransportError as error:
            last = type(error).__name__
            answers[last] += 1
            time.sleep(0.1)
            continue
        last = f"{answer.status_code} {answer.text[:200]}"
        if answer.status_code in {200, 201}:
            return answer.headers["location"].rpartition("/")[2], patient
        assert answer.status_code >= 500, answer.text
        answers[str(answer.status_code)] += 1
        time.sleep(0.1)
    raise AssertionError(f"a response was never saved: {dict(answers)}, at last {last}")


def _wait_for_delivery(place: Place, patience: float) -> dict[str, int]:
    """Wait until everything is delivered; gives what is not, by state, if nothing has moved for `patience` seconds."""
    engine = open_database(place.database)
    query = (
        sa.select(t.delivery.c.state, sa.func.count().label("many"))
        .where(t.delivery.c.state != "delivered")
        .group_by(t.delivery.c.state)
    )
    deadline = time.monotonic() + patience
    left: dict[str, int] = {"not looked at": 1}
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        with engine.connect() as connection:
            found = {row.state: row.many for row in connection.execute(query)}
        if found != left:
            left, deadline = found, time.monotonic() + patience
    engine.dispose()
    return left


def _count(place: Place, saved: dict[str, str], tally: Tally) -> None:
    responses = Counter(
        each["identifier"]["value"]
        for each in _search(place, "QuestionnaireResponse")
        if each.get("identifier", {}).get("system") == "urn:x-crash"
    )
    observations = Counter(
        own["value"]
        for each in _search(place, "Observation")
        for own in each.get("identifier", ())
        if own.get("system") == IDENTIFIER_SYSTEM
    )
    engine = open_database(place.database)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(t.response.c.id, t.response.c.identifier, t.response.c.patient, t.delivery.c.delivered)
            .join(t.delivery, t.delivery.c.response == t.response.c.id)
            .order_by(t.response.c.received)
        ).all()
        tally.attempts = connection.execute(sa.select(sa.func.count()).select_from(t.attempt)).scalar_one()
        kinds = sa.select(t.audit.c.kind, sa.func.count()).group_by(t.audit.c.kind)
        told = {str(kind): int(many) for kind, many in connection.execute(kinds)}
    engine.dispose()
    for kind, many in (("response-received", len(rows)), ("delivery", tally.attempts)):
        if told.get(kind, 0) < many:
            tally.untold.append(f"{many - told.get(kind, 0)} of {many} {kind}")
    latest: dict[str, datetime] = {}
    known = {row.id for row in rows}
    tally.lost += [each for each in saved if each not in known]
    for row in rows:
        value = row.identifier.rpartition("|")[2]
        stands = [responses[value], *(observations[f"{row.id}/{part}"] for part in PARTS)]
        if min(stands) < 1:
            tally.lost.append(row.id)
        if max(stands) > 1:
            tally.doubled.append(row.id)
        if row.delivered is not None:
            if row.delivered < latest.get(row.patient, row.delivered):
                tally.out_of_order.append(row.id)
            latest[row.patient] = row.delivered


PARTS = ("panel", "score-total")


def _search(place: Place, kind: str) -> list[dict[str, Any]]:
    asked = {"grant_type": "client_credentials", "scope": " ".join(READER_SCOPES)}
    with httpx.Client(timeout=60) as http:
        answer = http.post(f"{place.ehr}/auth/token", data=asked, auth=("reader", READER_SECRET))
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        address: str | None = f"{place.ehr}/r4/{kind}?_count=100"
        found: list[dict[str, Any]] = []
        while address is not None:
            page = http.get(address, headers=headers).raise_for_status().json()
            found += [each["resource"] for each in page.get("entry", []) if each["search"]["mode"] == "match"]
            address = next((each["url"] for each in page["link"] if each["relation"] == "next"), None)
    return found


def _key() -> bytes:
    return base64.urlsafe_b64decode(SECRET + "=")


def die_at(place: Place, moment: str, fault: dict[str, str] | None) -> Tally:
    """Send three responses of one patient to a Rapport that dies once at a moment of `tests.product.dying`; start it again.

    `fault` is what the EHR answers the first write with, so that the state which is noted is another than `delivered`.
    """
    mark = place.folder / "died"
    process = place.start("serve", ("tests.product.dying", moment, str(mark)))
    begun = time.monotonic()
    try:
        place.wait(process)
        (token,) = launched_tokens(place, 1)
        if fault is not None:
            asked = {"method": "POST", "path": "/r4*", "count": 1, **fault}
            httpx.post(f"{place.ehr}/sandbox/faults", json=asked).raise_for_status()
        saved: dict[str, str] = {}
        with httpx.Client(timeout=20) as http, ThreadPoolExecutor(1) as sender:
            first = sender.submit(send, http, place, token, 0, 0.0)
            for _ in range(1000):
                if process.poll() is not None:
                    break
                time.sleep(0.02)
            assert process.poll() == -signal.SIGKILL, "it did not die"
            process = place.start()
            place.wait(process)
            saved.update([first.result(60)])
            if fault and fault["kind"] == "token-revoked":
                (token,) = launched_tokens(place, 1)
            saved.update(send(http, place, token, number, 0.0) for number in (1, 2))
        tally = Tally(saved=len(saved), kills=1)
        tally.not_delivered = _wait_for_delivery(place, patience=180)
        _count(place, saved, tally)
    finally:
        process.terminate()
        process.wait(20)
    tally.seconds = time.monotonic() - begun
    return tally
