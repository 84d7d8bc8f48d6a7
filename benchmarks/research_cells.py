"""How much a research export tells by the number of people, and by the column that is kept longest: copies of the sandbox's people.

Run: python -m benchmarks.research_cells [smallest cell] [people...]. No EHR and no ledger: rows as the export has them before it suppresses.
Each copy begins in a week of its own, of which the sandbox lets every fourth be by video; a form is shown in Spanish to who
speaks it, in English to all others; young people rate each session, caregivers and therapists 1, 3, 4 and every fourth.
"""

import random
import sys
from collections.abc import Iterator
from datetime import date, timedelta

from plugin.days import AGES, Born
from plugin.norms.administrations import band_of
from plugin.research import Administration, suppress
from plugin.research.deidentify import QUASI_IDENTIFIERS, SMALLEST_CELL
from sandbox_ehr.people.cast import CHILDREN, MEDICINES, Child

_DAY = date(2026, 1, 5)


def _rows(child: Child, copy: int, start: int) -> Iterator[Administration]:
    person = f"{child.id}-{copy}"
    own = "child" if child.age < AGES[1] else "adolescent"
    born = Born(date(2026 - child.age, 1, 1), date(2026 - child.age, 1, 1))
    for session in range(1, child.sessions + 1):
        week = start + session
        rated = ("child", "caregiver", "therapist")[: 3 if session in {1, 3} or session % 4 == 0 else 1]
        for rater in rated:
            yield Administration(
                administration=f"{person}-{session}-{rater}",
                person=person,
                rater_person=f"{person}-{rater}",
                site="s",
                instrument=f"rapport-checkin-{own if rater == 'child' else rater}",
                instrument_version="1.0.0",
                key_hash="k",
                rater=rater,
                language="es" if child.language[0] == "es" else "en",
                date=_DAY + timedelta(weeks=week),
                session=session,
                age_band=band_of(born, _DAY, AGES),
                modality="virtual" if child.mode == "VR" or week % 4 == 0 else "in-person",
                carer_present=session == 1 or session % (2 if child.age < 10 else 3) == 0,
                medication_class=MEDICINES[child.medication].code[:4]
                if child.medication and session > 2
                else "none",
                complete=True,
                scores={},
            )


def _told(people: int, smallest: int, keep: str | None) -> str:
    drawn = random.Random(people)
    rows = [
        row
        for place in range(people)
        for row in _rows(CHILDREN[place % len(CHILDREN)], place // len(CHILDREN), drawn.randrange(26))
    ]
    given, _ = suppress(rows, smallest, keep)
    shares = [sum(getattr(row, name) is not None for row in given) / len(rows) for name in QUASI_IDENTIFIERS]
    classes = [row for row in given if row.medication_class not in {None, "none"}]
    whole = sum(row.medication_class != "none" for row in rows)
    return " | ".join(
        [
            f"{len(given) / len(rows):.0%}",
            *(f"{share:.0%}" for share in shares),
            f"{len(classes) / whole:.0%}",
        ]
    )


def main() -> None:
    """Print a table: of which share of all rows a column is told."""
    print(
        "| people | kept longest | rows | "
        + " | ".join(QUASI_IDENTIFIERS)
        + " | a class, of those who take one |"
    )
    print("|---" * (len(QUASI_IDENTIFIERS) + 4) + "|")
    smallest, *asked = [int(each) for each in sys.argv[1:]] or [SMALLEST_CELL]
    for people in asked or [28, 56, 84, 168, 336]:
        for keep in (None, *QUASI_IDENTIFIERS):
            print(f"| {people} | {keep or '–'} | {_told(people, smallest, keep)} |")


if __name__ == "__main__":
    main()
