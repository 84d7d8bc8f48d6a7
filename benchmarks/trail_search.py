"""How long a FHIR search of one patient's trail takes: `python -m benchmarks.trail_search [ENTRIES]`."""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from statistics import median

from plugin.audit import Actor, Kind, Trail
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.schema import prepare
from plugin.ledger.store import open_database
from plugin.served.searching import read_search
from plugin.served.shelf import AUDIT, read_shelf

RUNS = 5
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_KINDS = (*[Kind.PATIENT_VIEWED] * 7, *[Kind.RESPONSE_VIEWED] * 2, Kind.DELIVERY)
_PATIENT, _HOME = "Patient/1", "https://ehr.invalid/r4"


def main(size: int) -> None:
    """Fill a trail, search it by what columns tell and by all of it, print."""
    vault, moment = Vault((bytes(32),)), [_BEGIN]
    trail = Trail("https://rapport.invalid", lambda: moment[0])
    rows = []
    for number in range(size):
        moment[0] = _BEGIN + timedelta(minutes=number)
        actor, about = Actor("Practitioner/1"), (_PATIENT,)
        entry = trail.entry(_KINDS[number % 10], actor, site="s", patient=_PATIENT, about=about)
        sealed = vault.seal("audit", entry.event, entry.resource)
        plain = {name: getattr(entry, name) for name in ("event", "recorded", "kind", "outcome", "digest")}
        rows.append({**plain, "site": "s", "patient": _PATIENT, "sealed_resource": sealed})
    last_hour = f"ge{moment[0] - timedelta(minutes=59):%Y-%m-%dT%H:%MZ}"
    searches = {
        "nothing asked": [],
        "`date`, the last hour": [("date", last_hour)],
        "`subtype`, one in ten": [("subtype", "delivery")],
        "`outcome`, none": [("outcome", "4")],
        "`_id`": [("_id", str(rows[-1]["event"]))],
    }
    print("| entries | search | found | all opened | as it is |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/rapport.sqlite3")
        prepare(engine)
        with engine.connect() as connection, connection.execution_options(writing=True).begin():
            connection.execute(t.audit.insert(), rows)
        with engine.connect() as connection:
            for name, parameters in searches.items():
                asked = read_search(AUDIT, parameters, _PATIENT, _HOME)
                took = []
                for among in ((), asked.among):
                    times = []
                    for _ in range(RUNS):
                        begun = time.perf_counter()
                        kept = read_shelf(connection, vault, "s", _PATIENT, AUDIT, _HOME, among)
                        page = asked.turn_to(kept, lambda _: False)
                        times.append(time.perf_counter() - begun)
                    took.append(f"{median(times) * 1000:,.0f} ms")
                print(f"| {size:,} | {name} | {page.total:,} | {' | '.join(took)} |", flush=True)
        engine.dispose()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
