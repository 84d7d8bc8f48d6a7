"""How fast submit is, beside a naive service in the same run: throughput, p50 and p99 at 16 connections.

Real processes on loopback, SQLite with synchronous=FULL for both, the same response bodies, rounds in turn.
Rapport validates strictly, scores, and commits answers, scores, outbox row and audit entry; the naive service validates with
fhir.resources and inserts one row, in three ways (benchmarks.naive_service). Run: python -m benchmarks.submit [form] [rounds] [seconds a round]
"""

import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import sqlalchemy as sa

from benchmarks.closed_loop import Measured, run
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from questionnaires import load_catalogue
from tests.product.crashing import SECRET, free_port
from tests.scores.test_equality import random_response

CONNECTIONS = 16
WARM_UP = 1.0  # seconds
NAIVE = ("threads", "async", "tuned")
CONFIGURATION = """
[server]
base_url = "http://127.0.0.1:{port}"
database = "sqlite:///{folder}/rapport.sqlite3"

[[site]]
id = "clinic"
name = "Clinic"
organization = "Clinic"
fhir_base = "http://127.0.0.1:9/r4"
client_id = "rapport"
authentication = "public"
"""


def main(form: str, rounds: int, seconds: float) -> None:
    """Start both services, measure them in turn, print medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = {name: free_port() for name in (*(f"naive, {way}" for way in NAIVE), "Rapport")}
        (folder / "rapport.toml").write_text(
            CONFIGURATION.format(port=ports["Rapport"], folder=folder), encoding="utf-8"
        )
        rapport = ["-m", "benchmarks.submit_service", str(folder / "rapport.toml"), str(ports["Rapport"])]
        with ExitStack() as stack:
            for way in NAIVE:
                port = ports[f"naive, {way}"]
                naive = ["-m", "benchmarks.naive_service", str(folder / f"{way}.sqlite3"), str(port), way]
                stack.enter_context(serving(naive, port, folder))
            stack.enter_context(serving(rapport, ports["Rapport"], folder))
            measured: dict[str, list[Measured]] = {each: [] for each in ports}
            for port in ports.values():
                asyncio.run(run(port, requests(port, form), connections=CONNECTIONS, seconds=WARM_UP))
            for _ in range(rounds):
                for service, port in ports.items():
                    measured[service].append(
                        asyncio.run(run(port, requests(port, form), connections=CONNECTIONS, seconds=seconds))
                    )
        _print(measured)
        _check_kept(folder, sum(each.answers for each in measured["Rapport"]))


def requests(port: int, form: str) -> Iterator[bytes]:
    """Make requests without end: responses as Rapport's own page writes them, each with an identifier of its own."""
    instrument, chance = load_catalogue().by_id(form), random.Random(1)
    bodies = [random_response(instrument, chance, set()) for _ in range(100)]
    while True:
        body = chance.choice(bodies).replace(b"urn:uuid:0", f"urn:uuid:{uuid.uuid4()}".encode())
        head = f"POST /QuestionnaireResponse HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        yield head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


@contextmanager
def serving(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """Run a service until the block ends."""
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "RAPPORT_SECRET_KEY": SECRET},
            stdout=output,
            stderr=output,
        )
    try:
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
            if process.poll() is not None:
                raise RuntimeError((folder / "output.txt").read_text()[-3000:])
        yield
    finally:
        process.terminate()
        process.wait(20)


def _print(measured: dict[str, list[Measured]]) -> None:
    print("| | a second | p50 | p99 | p99 / p50 |\n|---|---|---|---|---|")
    rates = {}
    for service, rounds in measured.items():
        rates[service] = statistics.median(each.rate for each in rounds)
        p50 = statistics.median(each.p50 for each in rounds)
        p99 = statistics.median(each.p99 for each in rounds)
        print(f"| {service} | {rates[service]:,.0f} | {p50:.1f} ms | {p99:.1f} ms | {p99 / p50:.1f} |")
    mine = measured["Rapport"]
    for service in (f"naive, {way}" for way in NAIVE):
        theirs = measured[service]
        ratios = [own.rate / naive.rate for own, naive in zip(mine, theirs, strict=True)]
        told = ", ".join(f"{each:.2f}" for each in ratios)
        print(f"Throughput beside {service}, round by round: {told}; median {statistics.median(ratios):.2f}")


def _check_kept(folder: Path, answered: int) -> None:
    engine = open_database(f"sqlite:///{folder}/rapport.sqlite3")
    with engine.connect() as connection:
        kept = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (t.response, t.delivery, t.audit)
        ]
    engine.dispose()
    print(
        f"Kept: {kept[0]} responses, {kept[1]} outbox rows, {kept[2]} audit entries; answered: {answered} and warm-up"
    )
    if len(set(kept)) != 1 or kept[0] < answered:
        raise AssertionError("something that was answered was not kept")


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    main(given.get(1, "rapport-checkin-child"), int(given.get(2, 7)), float(given.get(3, 5)))
