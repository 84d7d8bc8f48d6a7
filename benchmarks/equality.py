"""How many random responses give the identical value from the compiled key, fhirpath.js and fhirpathpy.

Run: python -m benchmarks.equality [responses an instrument]. Every pattern of missing answers of forms up to 12 questions.
fhirpathpy, a thousand times slower, judges a tenth.
"""

import json
import sys

from tests.judges.node import score_by_fhirpath_js, why_not
from tests.scores.test_equality import INSTRUMENTS, cases, compiled
from tests.scores.test_expressions import by_fhirpathpy

_MOST_PATTERNS = 12
_TOLERANCE = 1e-9


def main(count: int) -> int:
    """Print a line an instrument; give the number of differences."""
    if (reason := why_not()) is not None:
        print(reason)
        return 1
    differences = responses = 0
    print(f"{'instrument':28} {'responses':>9} {'fhirpath.js':>12} {'fhirpathpy':>11} {'differ':>7}")
    for instrument in INSTRUMENTS:
        bodies = list(cases(instrument, count, _MOST_PATTERNS, seed=count))
        expected = [compiled(instrument, body) for body in bodies]
        by_js = score_by_fhirpath_js([instrument], [(instrument.id, body) for body in bodies])
        wrong = sum(_differ(*pair) for pair in zip(expected, by_js, strict=True))
        tenth = range(0, len(bodies), 10)
        for place in tenth:
            found = by_fhirpathpy(instrument, json.loads(bodies[place]))
            judged = {name: None if value is None else float(value) for name, value in found.items()}
            wrong += _differ(expected[place], judged)
        print(f"{instrument.id:28} {len(bodies):9} {len(by_js):12} {len(tenth):11} {wrong:7}", flush=True)
        differences, responses = differences + wrong, responses + len(bodies)
    print(f"{responses} responses, {differences} differences")
    return differences


def _differ(expected: dict[str, float | None], found: dict[str, float | None]) -> bool:
    return any(
        (value is None) != (found[name] is None) or abs((value or 0) - (found[name] or 0)) > _TOLERANCE
        for name, value in expected.items()
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000) > 0)
