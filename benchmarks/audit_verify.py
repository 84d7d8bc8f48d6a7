"""How fast `rapport audit verify` is, and how much memory it takes, by the size of the ledger.

The ledger is filled in bulk with what submit and the worker store for each administration (a sealed response with its scores
and Provenance, a delivery, an attempt, two entries of the trail, four leaves), with real digests, seals, tiles and checkpoint,
so that `verify` finds nothing. It runs as a process of its own; two others build the rows. What it fills lies where temporary
files do (`TMPDIR`): 23 GB for a million. Run: python -m benchmarks.audit_verify [administrations ...]
"""

import base64
import hashlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.engine import Connection

from plugin import __version__
from plugin.audit import Actor, Kind, Trail
from plugin.audit.leaves import log_entry, row_content
from plugin.delivery.keep import StoredResults
from plugin.ledger import AuditRow, Vault
from plugin.ledger import tables as t
from plugin.ledger.rows import sealed
from plugin.ledger.schema import prepare
from plugin.ledger.store import open_database
from plugin.observations import build_results
from plugin.observations.build import IDENTIFIER_SYSTEM, Subject
from plugin.responses import check_response, read_response
from plugin.responses.build import build_response
from plugin.scores import Key, compile_key, compute
from plugin.settings import read_settings
from plugin.transparency import LogSigner, Tiles
from questionnaires import Instrument, load_catalogue, walk

FORM = "rapport-checkin-child"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EACH_PATIENT = 20  # sessions
BATCH = 1024  # administrations a transaction: their leaves fill tiles, so that none is written twice
BUILDERS = 2  # processes
AUDIT_ENTRIES, LEAVES = 2, 4  # of each administration
CONFIGURATION = """
[server]
base_url = "https://rapport.invalid"
database = "sqlite:///{folder}/rapport.sqlite3"
log = "{folder}/log"

[[site]]
id = "clinic"
name = "Clinic"
organization = "Clinic"
fhir_base = "https://ehr.invalid/r4"
client_id = "rapport"
authentication = "public"
"""
Row = dict[str, object]


class Open(Vault):
    """Stands where rows are not sealed yet: what is hashed is what will be opened."""

    def open(self, purpose: str, row: str, sealed: bytes) -> bytes:  # noqa: ARG002 -- the vault's signature
        """Give the value back."""
        return sealed


@dataclass
class Builder:
    """Builds the rows of administrations from `first` on as they are stored, with the keys that they have in the ledger."""

    vault: Vault
    instrument: Instrument
    key: Key
    first: int
    trail: Trail = field(init=False)
    now: datetime = BEGIN
    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in _TABLES})
    numbers: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.first)
        self.trail = Trail("https://rapport.invalid", lambda: self.now)
        self.plain = Open([bytes(32)])
        first = self.first
        self.numbers = {"audit": AUDIT_ENTRIES * first, "attempt": first, "leaf": LEAVES * first}

    def add(self, number: int) -> None:
        """Build one administration: received, scored, delivered."""
        patient = f"Patient/{number // EACH_PATIENT}"
        self.now = BEGIN + timedelta(seconds=number)
        response, body = self._answers(patient)
        self._response(response, patient, body)
        about = f"QuestionnaireResponse/{response}"
        self._audit(
            self.trail.entry(
                Kind.RESPONSE_RECEIVED, Actor(patient), site="clinic", patient=patient, about=(about,)
            )
        )
        places = [f"QuestionnaireResponse/r{number}", *(f"Observation/o{number}-{n}" for n in range(5))]
        self._attempt(response)
        self._audit(
            self.trail.entry(
                Kind.DELIVERY,
                Actor(display="Delivery worker"),
                site="clinic",
                patient=patient,
                about=(about, *places),
                server="https://ehr.invalid/r4",
            )
        )
        delivery = {
            "response": response,
            "site": "clinic",
            "state": "delivered",
            "due": self.now,
            "attempts": 1,
        }
        locations = "\n".join(places)
        delivery |= {"failures": 0, "detail": "", "delivered": self.now, "locations": locations}
        self.rows["delivery"].append(sealed(self.vault, t.delivery, delivery))

    def _answers(self, patient: str) -> tuple[str, bytes]:
        response = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        questions = (item for item in walk(self.instrument.items) if item.is_question)
        choices: dict[str, str | None] = {
            item.link_id: self.chance.choice(item.options).code for item in questions
        }
        return response, build_response(
            self.instrument,
            choices,
            patient=patient,
            encounter=None,
            author=None,
            source=patient,
            authored=self.now,
            identifier=(IDENTIFIER_SYSTEM, response),
            language="en",
        )

    def _response(self, response: str, patient: str, body: bytes) -> None:
        read = read_response(body)
        scores = compute(self.key, check_response(read, self.instrument, patient=patient))
        subject = Subject(patient, read.encounter_reference, read.source_reference, read.author_reference)
        results = build_results(
            response,
            self.instrument,
            scores,
            subject,
            authored=read.authored_at or self.now,
            issued=self.now,
            organization="Clinic",
            recorded=True,
        )
        row: Row = {
            "id": response,
            "site": "clinic",
            "identifier": f"{IDENTIFIER_SYSTEM}|{response}",
            "patient": patient,
            "encounter": read.encounter_reference,
            "rater": self.instrument.rater,
            "source": read.source_reference,
            "instrument": self.instrument.canonical,
            "language": read.language,
            "authored": read.authored_at,
            "received": self.now,
            "launch": None,
            "invitation": None,
            "sealed_body": body,
            "body_digest": hashlib.sha256(body).hexdigest(),
            "sealed_results": msgspec.json.encode(StoredResults.of(results)),
            "key_hash": self.instrument.content_hash,
            "software": __version__,
            "collected": None,
        }
        self._log("response", response, row)
        sealed = {"sealed_body": "response", "sealed_results": "results"}
        self._seal(row, response, sealed)
        self.rows["response"].append(row)

    def _attempt(self, response: str) -> None:
        self.numbers["attempt"] += 1
        own = self.numbers["attempt"]
        row: Row = {"id": own, "response": response, "number": 1, "writer": "transaction"}
        row |= {"started": self.now, "finished": self.now, "state": "delivered", "status": 200, "detail": ""}
        row |= {"revision": None, "answer": "POST Bundle: 200"}
        self._log("attempt", str(own), row)
        self.rows["attempt"].append(row)

    def _audit(self, entry: AuditRow) -> None:
        self.numbers["audit"] += 1
        row: Row = {
            "id": self.numbers["audit"],
            "event": entry.event,
            "recorded": entry.recorded,
            "kind": entry.kind,
            "outcome": entry.outcome,
            "site": entry.site,
            "patient": entry.patient,
            "sealed_resource": entry.resource,
            "digest": entry.digest,
        }
        self._log("audit", entry.event, row)
        self._seal(row, entry.event, {"sealed_resource": "audit"})
        self.rows["audit"].append(row)

    def _seal(self, row: Row, name: str, columns: dict[str, str]) -> None:
        for column, purpose in columns.items():
            row[column] = self.vault.seal(purpose, name, row[column])  # type: ignore[arg-type]  # bytes until here

    def _log(self, kind: str, name: str, row: Row) -> None:
        salt = secrets.token_bytes(32)
        entry = log_entry(kind, salt, row_content(kind, row, self.plain))
        leaf: Row = {"place": self.numbers["leaf"], "kind": kind, "row": name, "salt": salt, "entry": entry}
        self.numbers["leaf"] += 1
        self.rows["log_leaf"].append(leaf)


_TABLES = {
    "response": t.response,
    "delivery": t.delivery,
    "attempt": t.attempt,
    "audit": t.audit,
    "log_leaf": t.log_leaf,
}


def main(sizes: list[int]) -> None:
    """Fill a ledger of each size, verify it in a process of its own, print what it took."""
    print(
        "| administrations | ledger | filled in | verified in | of it processor | ms of it each | peak memory |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            environment = configure(folder)
            begun = time.perf_counter()
            # In a process of its own: the peak memory that is told of a process begins with that of who started it.
            filling = get_context("spawn").Process(target=fill, args=(folder, environment, size))
            filling.start()
            filling.join()
            filled = time.perf_counter() - begun
            stored = (folder / "rapport.sqlite3").stat().st_size / 1e9
            took, worked, peak = verify(folder, environment, size)
        print(
            f"| {size:,} | {stored:.2f} GB | {filled:,.0f} s | {took:,.1f} s | "
            f"{worked:,.1f} s | {1000 * worked / size:.2f} | {peak:,.0f} MB |",
            flush=True,
        )


def configure(folder: Path) -> dict[str, str]:
    """Write a configuration, and give its secrets."""
    (folder / "rapport.toml").write_text(CONFIGURATION.format(folder=folder), encoding="utf-8")
    key = Ed25519PrivateKey.generate().private_bytes_raw()
    return {
        **os.environ,
        "RAPPORT_SECRET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "RAPPORT_LOG_KEY": base64.urlsafe_b64encode(key).decode(),
    }


def fill(folder: Path, environment: dict[str, str], size: int) -> None:
    """Fill a ledger and its log."""
    os.environ.update({name: environment[name] for name in ("RAPPORT_SECRET_KEY", "RAPPORT_LOG_KEY")})
    settings = read_settings(folder / "rapport.toml")
    engine, tiles = open_database(settings.database), Tiles(settings.log_folder)
    prepare(engine)
    leaves = 0
    with engine.connect() as connection:
        _at_ease(connection)
        for rows in built(settings.vault_keys, size):
            with connection.begin():
                for name, table in _TABLES.items():
                    connection.execute(table.insert(), rows[name])
            tiles.append(leaves, [bytes(each["entry"]) for each in rows["log_leaf"]])  # type: ignore[call-overload]  # of a row
            leaves += len(rows["log_leaf"])
    signer = LogSigner(settings.log_name, settings.log_key)
    tiles.write_checkpoint(signer.sign(leaves, tiles.root(leaves)))
    engine.dispose()


def _at_ease(connection: Connection) -> None:
    """Let SQLite write without a journal: a ledger that is being filled need not outlive a crash. The file is the same."""
    driver = connection.connection.cursor()
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        driver.execute(f"PRAGMA {pragma}")
    driver.close()


def built(vault_keys: Sequence[bytes], size: int) -> Iterator[dict[str, list[Row]]]:
    """Give the rows of all administrations, batch after batch, built by other processes a few batches ahead."""
    waiting: deque[Future[dict[str, list[Row]]]] = deque()
    with ProcessPoolExecutor(BUILDERS, mp_context=get_context("spawn")) as pool:
        for first in range(0, size, BATCH):
            waiting.append(pool.submit(build, vault_keys, first, min(BATCH, size - first)))
            if len(waiting) > 2 * BUILDERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def build(vault_keys: Sequence[bytes], first: int, many: int) -> dict[str, list[Row]]:
    """Build the rows of some administrations."""
    builder = Builder(Vault(vault_keys), *form(), first)
    for number in range(first, first + many):
        builder.add(number)
    return builder.rows


@cache
def form() -> tuple[Instrument, Key]:
    """Load the form that is answered, and compile its key."""
    instrument = next(each for each in load_catalogue().all() if each.id == FORM)
    return instrument, compile_key(instrument)


def verify(folder: Path, environment: dict[str, str], size: int) -> tuple[float, float, float]:
    """Verify in a process of its own; gives seconds, of the processor too, and peak memory in MB. It must find nothing."""
    command = [
        sys.executable,
        "-m",
        "plugin",
        "audit",
        "verify",
        "--json",
        "--config",
        str(folder / "rapport.toml"),
    ]
    begun = time.perf_counter()
    output = folder / "said.json"
    with output.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file)
        _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - begun
    said = json.loads(output.read_bytes())
    if os.waitstatus_to_exitcode(status) or said["findings"] or said["progress"]["responses"] != size:
        raise SystemExit(f"It found {said['findings'][:5]}, or not all: {said['progress']}.")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [10_000, 100_000])
