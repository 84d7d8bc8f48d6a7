"""Every instrument gives the same value from the compiled key, from fhirpath.js, and, in part, from fhirpathpy.

benchmarks/equality.py runs the same over thousands of responses.
"""

import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from plugin.responses import build_response, check_response, read_response
from plugin.scores import compile_key, compute
from questionnaires import Instrument, load_catalogue, walk
from tests.judges.node import score_by_fhirpath_js, why_not
from tests.scores.test_expressions import by_fhirpathpy

INSTRUMENTS = load_catalogue().all()
KEYS = {each.id: compile_key(each) for each in INSTRUMENTS}
MOST_PATTERNS = 6  # questions up to which every pattern of missing answers is tried here


def random_response(instrument: Instrument, chance: random.Random, missing: set[str] | None = None) -> bytes:
    """Answer a form at random; without `missing`, now and then a question is skipped or declined."""
    choices: dict[str, str | None] = {}
    for item in walk(instrument.items):
        fate = chance.random()
        if not item.is_question or (fate < 0.03 if missing is None else item.link_id in missing):
            continue
        declined = missing is None and fate < 0.06
        if declined:
            choices[item.link_id] = None
        elif item.options:
            choices[item.link_id] = chance.choice(item.options).code
        else:
            choices[item.link_id] = str(
                round(chance.uniform(float(item.low or 0), float(item.high or 10)), 1)
            )
    return build_response(
        instrument,
        choices,
        patient="Patient/p1",
        encounter=None,
        author=None,
        source=None,
        authored=datetime(2026, 11, 23, tzinfo=UTC),
        identifier=("urn:ietf:rfc:3986", "urn:uuid:0"),
        language="en",
    )


def cases(instrument: Instrument, count: int, most_patterns: int, seed: int = 7) -> Iterator[bytes]:
    """Give random responses, and for short forms one for every pattern of missing answers."""
    chance = random.Random(seed)
    yield from (random_response(instrument, chance) for _ in range(count))
    asked = [item.link_id for item in walk(instrument.items) if item.is_question]
    if len(asked) <= most_patterns:
        for size in range(len(asked) + 1):
            for missing in itertools.combinations(asked, size):
                yield random_response(instrument, chance, set(missing))


def compiled(instrument: Instrument, body: bytes) -> dict[str, float | None]:
    scores = compute(KEYS[instrument.id], check_response(read_response(body), instrument, patient=None))
    return {score.link_id: None if score.value is None else float(score.value) for score in scores}


@pytest.fixture(scope="module")
def judge() -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)


@pytest.mark.usefixtures("judge")
def test_fhirpath_js_gives_every_score_of_every_instrument() -> None:
    asked = [(each, body) for each in INSTRUMENTS for body in cases(each, 25, MOST_PATTERNS)]
    judged = score_by_fhirpath_js(INSTRUMENTS, [(each.id, body) for each, body in asked])
    assert len(judged) == len(asked) > 25 * len(INSTRUMENTS)
    absent = 0
    for (instrument, body), found in zip(asked, judged, strict=True):
        expected = compiled(instrument, body)
        absent += None in expected.values()
        assert found == pytest.approx(expected), instrument.id
    assert 0 < absent < len(asked)


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda each: each.id)
def test_fhirpathpy_gives_the_same(instrument: Instrument) -> None:
    for body in cases(instrument, 3, 0):
        found = by_fhirpathpy(instrument, json.loads(body))
        judged = {name: None if value is None else float(value) for name, value in found.items()}
        assert judged == pytest.approx(compiled(instrument, body))


@pytest.mark.usefixtures("judge")
def test_the_judge_finds_a_wrong_key() -> None:
    """A check that cannot fail would be none: with one weight altered the judge disagrees."""
    instrument = next(each for each in INSTRUMENTS if each.id == "wai-s-client")
    body = random_response(instrument, random.Random(7), set())
    altered = json.loads(body)
    for weight in altered["item"][0]["answer"][0]["valueCoding"]["extension"]:
        weight["valueDecimal"] += 1
    right, wrong = score_by_fhirpath_js(
        [instrument], [(instrument.id, body), (instrument.id, json.dumps(altered).encode())]
    )
    assert right == pytest.approx(compiled(instrument, body))
    assert wrong["score-total"] == right["score-total"] + 1
