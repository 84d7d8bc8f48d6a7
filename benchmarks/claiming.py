"""How long the outbox takes to say what may be sent next, by how many responses wait and of how many patients.

Run: python -m benchmarks.claiming. Fills SQLite databases with as many
responses delivered that day as waiting ones, and asks as a worker does; medians.
"""

import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from plugin.delivery import outbox
from plugin.delivery.states import DeliveryState
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from tests.delivery.outboxes import NOW, put, receive

_WAITING = (100, 1_000, 10_000)
_PATIENTS = (30, 0)  # 0: one each
_ASKED = 9


def measure(folder: Path, waiting: int, patients: int) -> float:
    """Fill a database; gives the median of milliseconds that one claim of sixteen takes."""
    engine = open_database(f"sqlite:///{folder}/{waiting}-{patients}.sqlite3", Vault((bytes(32),)))
    with engine.begin() as connection:
        t.metadata.create_all(connection)
        for number in range(2 * waiting):
            receive(connection, f"r{number}", f"p{number % (patients or waiting)}", minute=number / 100)
            if number < waiting:
                put(connection, f"r{number}", DeliveryState.DELIVERED)
    room, took = outbox.Room(16, NOW - timedelta(days=1)), []
    for _ in range(_ASKED):
        with engine.connect() as connection:
            begun = time.perf_counter()
            outbox.claim(connection, "worker", NOW + timedelta(hours=4), "clinic", room)
            took.append(time.perf_counter() - begun)
            connection.rollback()
    engine.dispose()
    return statistics.median(took) * 1000


def main() -> None:
    """Measure each pair and print it."""
    print("| waiting | of patients | one claim, ms |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for patients in _PATIENTS:
            for waiting in _WAITING:
                took = measure(Path(folder), waiting, patients)
                print(f"| {waiting:,} | {patients or waiting:,} | {took:.1f} |", flush=True)


if __name__ == "__main__":
    main()
