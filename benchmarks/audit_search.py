"""How long the auditor's search takes by the size of the ledger: `python -m benchmarks.audit_search [ADMINISTRATIONS ...]`.

Rows are as large as real ones (sealed values of the size that submit stores); what is in them is not read by a search.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from plugin.auditing.asked import find_response
from plugin.auditing.reviews import draw
from plugin.auditing.searching import Wanted, instruments_of, search
from plugin.delivery.states import DeliveryState
from plugin.exports import Period
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.reading import ReadingLedger
from plugin.ledger.schema import prepare
from plugin.ledger.store import open_database

SIZES = (100_000,)
RUNS = 7
_CHUNK = 5_000
_FORMS = ("rapport-checkin-child", "tasc-r-child", "srs", "csrs")
_BASE = "https://w3id.org/rapport-fhir/Questionnaire"


def main(sizes: tuple[int, ...]) -> None:
    """Fill, search, print."""
    print("| administrations | search | median | slowest |")
    print("|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'rapport.sqlite3'}"
            _fill(url, size)
            asyncio.run(_measure(url, size))


async def _measure(url: str, size: int) -> None:
    reading = ReadingLedger(url, Vault((random.Random(1).randbytes(32),)), has_own_role=False)
    deep = await reading.read(lambda c: _place(c, size // 2))
    middle = date(2026, 1, 1) + timedelta(days=150)
    searches: dict[str, Callable[[sa.Connection], object]] = {
        "nothing asked, first page": lambda c: search(c, Wanted("clinic")),
        "nothing asked, a page in the middle": lambda c: search(c, Wanted("clinic"), deep),
        "the forms to choose from": lambda c: instruments_of(c, "clinic"),
        "one patient": lambda c: search(c, Wanted("clinic", patient="Patient/77")),
        "one clinician": lambda c: search(c, Wanted("clinic", clinician="Practitioner/7")),
        "one week": lambda c: search(c, Wanted("clinic", first=middle, last=middle + timedelta(days=6))),
        "one form": lambda c: search(c, Wanted("clinic", instrument=f"{_BASE}/srs|1.0.0")),
        "a form that nobody used": lambda c: search(c, Wanted("clinic", instrument=f"{_BASE}/gsrs|1.0.0")),
        "refused by the EHR (1 in 1,000)": lambda c: search(
            c, Wanted("clinic", outcome=DeliveryState.REFUSED)
        ),
        "all of it at once": lambda c: search(
            c,
            Wanted(
                "clinic",
                "Patient/77",
                "Practitioner/7",
                middle,
                middle + timedelta(days=90),
                f"{_BASE}/srs",
                DeliveryState.DELIVERED,
            ),
        ),
        "an Observation by its address in the EHR": lambda c: find_response(
            c, "clinic", f"Observation/{size // 3}"
        ),
        "an Observation by its identifier": lambda c: find_response(
            c, "clinic", f"r{size // 3:09}/score-total"
        ),
        "a sample of 30 of a year": lambda c: draw(
            c, "clinic", Period(date(2026, 1, 1), date(2026, 12, 31)), "seed", 30
        ),
    }
    for name, look in searches.items():
        times = []
        for _ in range(RUNS):
            begun = time.perf_counter()
            await reading.read(look)
            times.append(time.perf_counter() - begun)
        print(
            f"| {size:,} | {name} | {median(times) * 1000:.0f} ms | {max(times) * 1000:.0f} ms |", flush=True
        )
    reading.close()


def _place(connection: sa.Connection, skipped: int) -> str:
    row = connection.execute(
        sa.select(t.response.c.received, t.response.c.id)
        .order_by(t.response.c.received.desc(), t.response.c.id.desc())
        .offset(skipped)
        .limit(1)
    ).one()
    return f"{round(row.received.timestamp() * 1_000_000)}-{row.id}"


def _fill(url: str, size: int) -> None:
    engine = open_database(url)
    prepare(engine)
    chance = random.Random(size)
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        connection.execute(t.launch.insert(), list(_launches(size // 5, chance)))
        for begin in range(0, size, _CHUNK):
            numbers = range(begin, min(begin + _CHUNK, size))
            connection.execute(t.response.insert(), [_response(each, size, chance) for each in numbers])
            connection.execute(t.delivery.insert(), [_delivery(each) for each in numbers])
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()


def _when(number: int, size: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number * 365 * 86_400 // size)


def _launches(many: int, chance: random.Random) -> Iterator[dict[str, object]]:
    for number in range(many):
        yield {
            "id": f"l{number:09}",
            "handle": "h",
            "site": "clinic",
            "user": f"Practitioner/{chance.randrange(200)}",
            "created": _when(number, many),
            "expires": _when(number, many),
            "sealed_context": chance.randbytes(900),
        }


def _response(number: int, size: int, chance: random.Random) -> dict[str, object]:
    when = _when(number, size)
    return {
        "id": f"r{number:09}",
        "site": "clinic",
        "identifier": f"urn:ietf:rfc:3986|urn:uuid:{number}",
        "patient": f"Patient/{chance.randrange(size // 40)}",
        "rater": "child",
        "instrument": f"{_BASE}/{chance.choice(_FORMS)}|1.0.0",
        "authored": when,
        "received": when,
        "launch": f"l{chance.randrange(size // 5):09}",
        "sealed_body": chance.randbytes(2_600),
        "body_digest": "0" * 64,
        "sealed_results": chance.randbytes(7_000),
        "key_hash": "0" * 64,
        "software": "0",
    }


def _delivery(number: int) -> dict[str, object]:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    refused = number % 1_000 == 0
    return {
        "response": f"r{number:09}",
        "site": "clinic",
        "state": "refused" if refused else "delivered",
        "due": when,
        "detail": "",
        "locations": None if refused else f"QuestionnaireResponse/{number} Observation/{number}",
    }


if __name__ == "__main__":
    main(tuple(int(each) for each in sys.argv[1:]) or SIZES)
