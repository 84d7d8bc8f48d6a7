"""How fast responses become scores, beside what bounds it and what others do, in one run on one core.

Run: python -m benchmarks.bulk_scoring [responses] [--declined] [--distinct]. With --declined one question of each response is
declined; with --distinct every item has an id of its own, so that no item was read before. The form has 12 items, two reversed, three subscales and a total; a response
is 3.3 KB. Prints microseconds a response (median of five passes) and the ratio to the strict typed decode alone. fhirpathpy and
fhirpath.js get decoded responses and compiled expressions, and compute nothing but the four scores.
"""

import gc
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fhirpathpy
import msgspec
from fhirpathpy.models import models

from plugin.responses import Answers, check_response, read_response, take_response
from plugin.responses.answers import DATA_ABSENT_REASON, DECLINED
from plugin.responses.resource import Response
from plugin.scores import compile_key, compute
from plugin.scores.bulk import Scored, compile_keys, score_lines
from questionnaires import Instrument, load_catalogue
from questionnaires.datatypes import decoder
from questionnaires.resources import read_variables
from tests.judges.node import folder, why_not
from tests.scores.test_equality import random_response
from tests.scores.test_expressions import weight

FORM = "wai-s-client"
_PASSES = 5


def main(count: int, *, declined: bool, distinct: bool) -> None:
    """Measure and print."""
    catalogue = load_catalogue()
    instrument, keys, chance = catalogue.by_id(FORM), compile_keys(catalogue), random.Random(1)
    key = compile_key(instrument)
    lines = [random_response(instrument, chance, set()) for _ in range(count)]
    if declined:
        lines = [_decline_one(line, chance) for line in lines]
    if distinct:
        lines = [_name_items(line, number) for number, line in enumerate(lines)]
    strict = decoder(Response)
    answers = [take_response(line, catalogue, patient=None).answers for line in lines]
    gc.collect()
    gc.freeze()
    assert all(isinstance(each, Scored) for each in score_lines(lines[:100], catalogue, keys))
    decode = _median(strict.decode, lines)
    rows: list[tuple[str, float]] = [
        ("raw read of the file", _raw_read(lines)),
        ("json.loads", _median(json.loads, lines)),
        ("msgspec, untyped", _median(msgspec.json.decode, lines)),
        ("strict typed decode (bound)", decode),
        ("read and check", _median(partial(take_response, catalogue=catalogue, patient=None), lines)),
        ("read and check, at length", _median(partial(_at_length, instrument=instrument), lines)),
        ("compute: four scores", _median(partial(compute, key), answers)),
        ("lines to scores", _pass(lambda: sum(1 for _ in score_lines(lines, catalogue, keys)), count)),
        ("fhirpathpy, four scores", _fhirpathpy(instrument, lines[:20])),
    ]
    if (reason := why_not()) is None:
        rows.append(("fhirpath.js, four scores", _fhirpath_js(instrument, lines[:1000])))
    else:
        print(reason)
    print(f"{count} responses of {len(lines[0])} bytes, Python {sys.version.split()[0]}, one core")
    for name, took in rows:
        print(f"{name:32} {took:10.1f} us   {took / decode:8.2f}")


def _at_length(line: bytes, instrument: Instrument) -> Answers:
    return check_response(read_response(line), instrument, patient=None)


def _decline_one(line: bytes, chance: random.Random) -> bytes:
    tree = json.loads(line)
    item = chance.choice([each for each in tree["item"] if "answer" in each])
    del item["answer"]
    item["extension"] = [{"url": DATA_ABSENT_REASON, "valueCode": DECLINED}]
    return msgspec.json.encode(tree)


def _name_items(line: bytes, number: int) -> bytes:
    tree = json.loads(line)
    tree["item"] = [{"id": f"r{number}-{place}", **item} for place, item in enumerate(tree["item"])]
    return msgspec.json.encode(tree)


def _median(work: Callable[[Any], object], given: list[Any]) -> float:
    """Time one call for each; nothing is kept, so that the collector does not walk through earlier results."""

    def all_of_them() -> None:
        for each in given:
            work(each)

    return _pass(all_of_them, len(given))


def _pass(work: Callable[[], object], count: int) -> float:
    times = []
    for _ in range(_PASSES):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) / count * 1e6


def _raw_read(lines: list[bytes]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.ndjson"
        path.write_bytes(b"\n".join(lines))
        return _pass(path.read_bytes, len(lines))


def _fhirpathpy(instrument: Any, lines: list[bytes]) -> float:
    table = {"userInvocationTable": {"weight": {"fn": weight}}}
    raw = table | {"returnRawData": True}
    variables = {
        name: fhirpathpy.compile(text, models["r4"], raw)
        for name, text in read_variables(instrument.questionnaire.extension).items()
    }
    scores = [fhirpathpy.compile(score.expression, models["r4"], table) for score in instrument.scores]
    responses = [json.loads(line) for line in lines]

    def work() -> None:
        for response in responses:
            context: dict[str, Any] = {"resource": response}
            for name, run in variables.items():
                context[name] = run(response, context)
            for run in scores:
                run(response, context)

    return _pass(work, len(lines))


def _fhirpath_js(instrument: Any, lines: list[bytes]) -> float:
    """Time inside Node: what starting it and reading its input takes is left out."""
    given = {
        "variables": read_variables(instrument.questionnaire.extension),
        "scores": {score.link_id: score.expression for score in instrument.scores},
        "cases": [json.loads(line) for line in lines],
        "passes": _PASSES,
    }
    done = subprocess.run(
        ["node", str(folder() / "time.mjs")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    return statistics.median(json.loads(done.stdout)) * 1000 / len(lines)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    main(
        numbers[0] if numbers else 3000, declined="--declined" in sys.argv, distinct="--distinct" in sys.argv
    )
