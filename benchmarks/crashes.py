"""Ten thousand responses through a Rapport that is killed (kill -9) again and again, beside an EHR that fails on purpose.

Run: python -m benchmarks.crashes [submissions] [kills]. Exit status 1 if a response was lost, doubled or out of order.
The EHR answers every third write with a fault: a reset before or after it was done, an HTTP 500 after it was done, half
an answer, 503, 429. Two processes on this machine, SQLite with full synchronisation.
"""

import sys
import tempfile
from pathlib import Path

from tests.product.crashing import crash, free_port, open_place


def main(submissions: int, kills: int) -> int:
    """Run it and print what came of it."""
    with tempfile.TemporaryDirectory() as folder, open_place(Path(folder), free_port()) as place:
        tally = crash(place, submissions=submissions, kills=kills, life=(1.0, 6.0))
    print(
        f"{tally.saved} saved, {tally.kills} kills, {tally.attempts} attempts noted, {tally.seconds:.0f} s; "
        f"lost {len(tally.lost)}, doubled {len(tally.doubled)}, out of order {len(tally.out_of_order)}, "
        f"not delivered {tally.not_delivered or 0}"
    )
    return int(bool(tally.lost or tally.doubled or tally.out_of_order or tally.not_delivered))


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in (sys.argv[1:] + ["10000", "40"][len(sys.argv) - 1 :]))))
