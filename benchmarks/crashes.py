"""Ten thousand responses through a Rapport that is killed (kill -9) again and again, beside an EHR that fails on purpose.

Run: python -m benchmarks.crashes [--submissions N] [--kills N] [--workers N] [--minutes N] [--senders N] [--life S]
With workers it runs on a PostgreSQL of its own: one serving process and so many that only deliver, any of which is killed.
Without, on SQLite with full synchronisation. A process is killed one to S seconds after the last one killed serves
again, until all is sent. Exit status 1 if a response was lost, doubled or out of order, if an audit entry is missing, or if `rapport audit verify` finds anything afterwards.
The EHR answers every third write with a fault: a reset before or after it was done, an HTTP 500 after it was done, half
an answer, 503, 429.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.postgres import running_postgres
from tests.product.crashing import crash, free_port, open_place


def main(submissions: int, kills: int, workers: int, minutes: int, senders: int, life: int) -> int:
    """Run it and print what came of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(running_postgres()).format("postgres") if workers else None
        place = stack.enter_context(open_place(folder, free_port(), database))
        tally = crash(
            place,
            submissions=submissions,
            kills=kills,
            life=(1.0, life),
            workers=workers,
            verify=True,
            seconds=minutes * 60,
            senders=senders,
            pausing=False,
        )
    print(
        f"{tally.saved} saved, {tally.kills} kills, {tally.attempts} attempts noted, {tally.seconds:.0f} s; "
        f"lost {len(tally.lost)}, doubled {len(tally.doubled)}, out of order {len(tally.out_of_order)}, "
        f"not delivered {tally.not_delivered or 0}, given up {tally.not_saved or 0}, audit entries missing {tally.untold or 0}"
    )
    print("\n".join(tally.flaws) or "rapport audit verify: nothing found")
    return int(not tally.is_sound)


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    defaults = {
        "submissions": 10_000,
        "kills": 40,
        "workers": 0,
        "minutes": 24 * 60,
        "senders": 16,
        "life": 60,
    }
    for name, default in defaults.items():
        asked.add_argument(f"--{name}", type=int, default=default)
    sys.exit(main(**vars(asked.parse_args())))
