"""How many random responses to every form give the identical value, whichever way they are scored.

Run: python -m benchmarks.equality [responses an instrument] [folder]. Every pattern of missing answers of forms up to 12 questions.
Judged are the compiled key online, `rapport rescore` with processes and on Apache Spark (local mode), fhirpath.js, fhirpathpy (a
thousand times slower: a tenth of the responses), and the table of each form that was scored by hand (`examples.json`).
"""

import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.dataset as datasets

from plugin.commands.rescoring import Job, run, run_on_spark
from plugin.stateless import score_response
from questionnaires import Instrument, load_catalogue
from questionnaires.examples import read_examples, response_to
from tests.judges.node import score_by_fhirpath_js, why_not
from tests.scores.test_equality import INSTRUMENTS, cases, compiled
from tests.scores.test_expressions import by_fhirpathpy

_MOST_PATTERNS = 12
_TOLERANCE = 1e-9
_START = b'{"resourceType":"QuestionnaireResponse",'

Values = dict[str, float | None]


def main(count: int, folder: Path) -> int:
    """Print a line an instrument, then what the two ways of rescoring gave; the number of differences."""
    if (reason := why_not()) is not None:
        print(reason)
        return 1
    online: dict[str, Values] = {}
    differences = 0
    print(
        f"{'instrument':28} {'responses':>9} {'fhirpath.js':>12} {'fhirpathpy':>11} {'by hand':>8} {'differ':>7}"
    )
    for instrument in INSTRUMENTS:
        bodies = list(cases(instrument, count, _MOST_PATTERNS, seed=count))
        expected = [compiled(instrument, body) for body in bodies]
        by_js = score_by_fhirpath_js([instrument], [(instrument.id, body) for body in bodies])
        wrong = sum(_differ(*pair) for pair in zip(expected, by_js, strict=True))
        tenth = range(0, len(bodies), 10)
        wrong += sum(_differ(expected[place], _slowly(instrument, bodies[place])) for place in tenth)
        by_hand = list(_by_hand(instrument))
        wrong += sum(by_hand)
        print(
            f"{instrument.id:28} {len(bodies):9} {len(by_js):12} {len(tenth):11} {len(by_hand):8} {wrong:7}",
            flush=True,
        )
        differences += wrong
        online |= dict(zip(_write(folder, instrument, bodies), expected, strict=True))
    for name, rescored in _rescored(folder):
        wrong = sum(rescored.get(response) != values for response, values in online.items())
        wrong += len(rescored.keys() - online.keys())
        print(f"rapport rescore, {name}: {len(rescored)} responses, {wrong} differ", flush=True)
        differences += wrong
    print(f"{len(online)} responses to {len(INSTRUMENTS)} forms, {differences} differences")
    return differences


def _differ(expected: Values, found: Values) -> bool:
    return any(
        (value is None) != (found[name] is None) or abs((value or 0) - (found[name] or 0)) > _TOLERANCE
        for name, value in expected.items()
    )


def _slowly(instrument: Instrument, body: bytes) -> Values:
    found = by_fhirpathpy(instrument, json.loads(body))
    return {name: None if value is None else float(value) for name, value in found.items()}


def _by_hand(instrument: Instrument) -> Iterator[bool]:
    """Tell of each worked example whether its score differs from what was worked by hand."""
    catalogue = load_catalogue()
    for example in read_examples(instrument.id):
        body = response_to(example, instrument.resource)
        scores = score_response(body, catalogue, now=datetime.now(UTC)).scores
        expected = {name: None if value is None else float(value) for name, value in example.scores.items()}
        yield _differ(
            expected, {each.link_id: None if each.value is None else float(each.value) for each in scores}
        )


def _write(folder: Path, instrument: Instrument, bodies: list[bytes]) -> list[str]:
    """Write an instrument's responses as NDJSON, and give their ids."""
    names = [f"{instrument.id}-{number}" for number in range(len(bodies))]
    with (folder / f"{instrument.id}.ndjson").open("wb") as file:
        for name, body in zip(names, bodies, strict=True):
            file.write(_START + b'"id":"%s",' % name.encode() + body.removeprefix(_START) + b"\n")
    return names


def _rescored(folder: Path) -> Iterator[tuple[str, Mapping[str, Values]]]:
    inputs = tuple(sorted(folder.glob("*.ndjson")))
    ways: dict[str, Callable[[Path], bool]] = {
        "processes": lambda out: run(Job(inputs, out, 0, None, ())),
        "Apache Spark": lambda out: run_on_spark([str(each) for each in inputs], str(out)),
    }
    if shutil.which("java") is None or importlib.util.find_spec("pyspark") is None:
        print("Apache Spark is not judged: it needs Java and the extra `spark`")
        del ways["Apache Spark"]
    for name, rescore in ways.items():
        out = folder / name.replace(" ", "-").lower()
        rescore(out)
        found: dict[str, Values] = {}
        table = datasets.dataset(out / "scores", format="parquet").to_table(["response", "score", "value"])
        for batch in table.to_batches():
            for row in batch.to_pylist():
                found.setdefault(row["response"], {})[f"score-{row['score']}"] = row["value"]
        yield name, found


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as made:
        place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(made)
        place.mkdir(parents=True, exist_ok=True)
        sys.exit(main(wanted, place) > 0)
