"""Compiled expressions against FHIRPath: on random answers, missing ones included, both must say the same."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.responses import Answers, Given, build_response, check_response, read_response
from plugin.scores import compile_key, compute
from plugin.scores.compiling import compile_expression
from plugin.scores.errors import EvaluationError
from plugin.scores.fallback import Evaluate, compile_fallback, rebuild
from plugin.scores.sheet import Layout, Sheet
from plugin.scores.syntax import parse
from questionnaires import Instrument, load_catalogue, load_instrument, walk
from questionnaires.resources import read_variables
from tests.judges.node import score_by_fhirpath_js, why_not
from tests.questionnaires import forms

INSTRUMENTS = load_catalogue().all()
KEYS = {instrument.id: compile_key(instrument) for instrument in INSTRUMENTS}

SET = "%resource.repeat(item).where(linkId in ('a' | 'b' | 'c'))"
VARIABLES = {
    "abc": SET,
    "weights": "%abc.answer.value.weight()",
    "groups": "%resource.item.where(linkId = 'g').item",
    "half": "%weights.sum() / 2",
}
SUBSET = [
    "%weights.sum()",
    "%weights.avg()",
    "%weights.min()",
    "%weights.max()",
    "%weights.count()",
    "%abc.answer.count()",
    "%abc.answer.value.count()",
    "%half",
    "%half + %weights.count() * 2 - 1",
    "10 - %weights.sum() div 2",
    "%weights.sum() mod 3",
    "%weights.sum() / %weights.count()",
    "%weights.sum() / 0",
    "7 / 2",
    "1 / 3",
    "iif(%weights.count() = 3, %weights.sum(), {})",
    "iif(%weights.count() = 3, %weights.sum())",
    "iif(%weights.count() >= 2, %weights.avg() * 3)",
    "iif(%weights.count() >= 2, (%weights.sum() * 3 / %weights.count()).round(0), {})",
    "iif(%weights.exists(), %weights, 0).sum()",
    "iif(%weights.empty(), 0, %weights.max())",
    "iif(%weights.sum() > 4 and %weights.min() > 0, 1, 0)",
    "iif(%weights.sum() > 4 or %weights.min() > 0, 1, 0)",
    "iif(%weights.sum() > 4 xor %weights.min() > 0, 1, 0)",
    "iif(%weights.sum() > 4 implies %weights.min() > 0, 1, 0)",
    "iif((%weights.count() < 3).not(), 1, 0)",
    "iif(%weights.count() != 3, 1, 0)",
    "iif(true, 2.50, 3)",
    "iif(false, 2.50)",
    "{}",
    "%weights.aggregate($this + $total, 0)",
    "%weights.aggregate($total + $this, 10)",
    "%weights.avg().round(1)",
    "(%weights.avg() * -1).round(1)",
    "%weights.avg().round()",
    "%weights.avg().ceiling()",
    "%weights.avg().floor()",
    "%resource.item.where(linkId != 'g').answer.value.weight().sum()",
    "%resource.item.where(linkId = 'g').item.answer.value.weight().sum()",
    "%groups.where(linkId.startsWith('c')).answer.value.weight().sum()",
    "%groups.where(linkId.endsWith('d') or linkId.contains('c')).answer.value.weight().sum()",
    "%resource.repeat(item).where((linkId = 'a').not()).answer.value.weight().sum()",
    "%resource.repeat(item).where($this.linkId = 'a' and linkId != 'b').answer.value.weight().sum()",
    "%resource.repeat(item).where(('a' | 'd') contains linkId).answer.value.weight().sum()",
    "%resource.repeat(item).answer.value.weight().sum()",
    "%resource.descendants().where(linkId in ('a' | 'e')).answer.value.weight().sum()",
    "%resource.descendants().where(linkId = 'e').answer.value.ordinal().sum()",
    "%resource.item.where(linkId = 'a').answer.item.answer.value.weight().sum()",
    "%resource.item.where(linkId = 'n').answer.value + 1",
    "%resource.item.where(linkId = 'n' or linkId = 'x').answer.value.sum()",
    "%resource.item.where(linkId = 'x').answer.value * 2",
    "%resource.item.where(linkId = 'many').answer.value.weight().sum()",
    "%resource.item.where(linkId = 'many').answer.value.weight().avg()",
    "%resource.item.where(linkId = 'many').answer.count()",
    "iif(%resource.item.where(linkId = 'n').answer.value >= 0, %weights.sum(), 0)",
    "/* a note */ %weights.sum() // and another",
    "/* it's */ %resource.item.where(linkId = 'a').answer.value.weight().sum() // 'a' alone",
    "iif(%resource.item.where(linkId = 'yes').answer.value, 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value = true, 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value != true, 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value.not(), 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value and %resource.item.where(linkId = 'no').answer.value, 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value xor %resource.item.where(linkId = 'no').answer.value, 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value = %resource.item.where(linkId = 'no').answer.value, 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value implies %weights.sum() > 4, 1, 0)",
    "iif(%resource.item.where(linkId = 'yes').answer.value.exists(), 1, 0)",
    "%resource.item.where(linkId in ('yes' | 'no')).answer.where(value = true).count()",
    "%resource.item.where(linkId in ('yes' | 'no')).answer.where(value = false).count()",
    "%resource.item.where(linkId in ('yes' | 'no')).answer.where(value != true).count()",
    "%resource.item.where(linkId in ('yes' | 'no')).answer.where(true = value).count()",
    "%resource.item.where(linkId in ('yes' | 'no')).answer.where($this.value.not()).value.count()",
    "iif(%resource.item.where(linkId in ('yes' | 'no')).answer.value.where($this = true).exists(), 1, 0)",
    "iif(%resource.item.where(linkId in ('yes' | 'no')).answer.where(value = true).empty(), 1, 0)",
    "%resource.item.where(linkId = 'choose').answer.value.sum()",
    "%resource.item.where(linkId = 'choose').answer.value + 1",
]
# FHIRPath engines refuse to negate nothing; here nothing stays nothing, as for every other operator.
NEGATED = {
    "-%weights.sum()": "0 - %weights.sum()",
    "-%weights.max().abs()": "0 - %weights.max().abs()",
    "(-%weights.avg()).truncate()": "(0 - %weights.avg()).truncate()",
}
# fhirpathpy loses the type of what a union gives, so a union of items is compared with the same items chosen at once.
UNITED = {
    "(%abc | %groups).answer.value.weight().sum()": "'a' | 'b' | 'c' | 'd'",
    "(%abc | %abc).answer.value.weight().sum()": "'a' | 'b' | 'c'",
}
# fhirpathpy takes every answer for true where a condition is the answer alone; fhirpath.js does not.
YES = "%resource.item.where(linkId in ('yes' | 'no')).answer"
TRUE_ALONE = {
    f"{YES}.where(value).count()": f"{YES}.where(value = true).count()",
    f"{YES}.value.where($this).count()": f"{YES}.where(value = true).count()",
}
OUTSIDE = [
    "%abc.where(answer.exists()).count()",
    "%abc.select(answer.value.weight()).sum()",
    "%weights.first()",
    "%weights.where($this > 1).count()",
    "%weights.distinct().count()",
    "%weights.sum().power(2)",
    "iif(%resource.item.where(linkId = 'a').answer.value.code = 's1', 1, 0)",
    "%weights[0]",
]

STEPS = (0, 1, 2.5, 4)
FORM = forms.form(
    forms.question("a", STEPS, item=[forms.question("e", STEPS)]),
    forms.question("b", STEPS),
    {
        "linkId": "g",
        "type": "group",
        "text": "G",
        "item": [forms.question("c", STEPS), forms.question("d", STEPS)],
    },
    {"linkId": "n", "type": "integer", "text": "N"},
    {"linkId": "x", "type": "decimal", "text": "X"},
    {"linkId": "yes", "type": "boolean", "text": "Yes?"},
    {"linkId": "no", "type": "boolean", "text": "No?"},
    {
        "linkId": "choose",
        "type": "choice",
        "text": "Choose",
        "answerOption": [{"valueInteger": n} for n in range(4)],
    },
    forms.question("many", STEPS, repeats=True),
)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = forms.write(tmp_path_factory.mktemp("site") / "made-up", FORM)
    return Layout.of(load_instrument(folder).items, frozenset())


@cache
def by_engine(expression: str) -> Evaluate:
    """Compile by fhirpathpy the first time only, as the product does: parsing takes longer than many examples."""
    return compile_fallback(expression, VARIABLES, link_id="score", questionnaire={})


def step(index: int) -> Given:
    return Given(f"s{index}", Decimal(str(STEPS[index])), None, forms.STEPS)


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    given_answers: dict[str, tuple[Given, ...]] = {}
    for link_id in ("a", "b", "c", "d", "e"):
        index = draw(st.none() | st.integers(0, 3))
        if index is not None and (link_id != "e" or "a" in given_answers):
            given_answers[link_id] = (step(index),)
    number = draw(st.none() | st.integers(-5, 5))
    if number is not None:
        given_answers["n"] = (Given(str(number), None, Decimal(number)),)
    decimal = draw(st.none() | st.decimals(-3, 3, places=2))
    if decimal is not None:
        given_answers["x"] = (Given(str(decimal), None, decimal),)
    for link_id in ("yes", "no"):
        truth = draw(st.none() | st.booleans())
        if truth is not None:
            given_answers[link_id] = (Given("true" if truth else "false"),)
    chosen = draw(st.none() | st.integers(0, 3))
    if chosen is not None:
        given_answers["choose"] = (Given(str(chosen), None, Decimal(chosen)),)
    several = tuple(step(index) for index in draw(st.lists(st.integers(0, 3), max_size=3)))
    if several:
        given_answers["many"] = several
    return Answers(given_answers)


@pytest.mark.parametrize("expression", SUBSET)
@settings(max_examples=25, deadline=None)
@given(given_answers=answers())
def test_the_subset_is_compiled_and_says_what_fhirpath_says(
    layout: Layout, expression: str, given_answers: Answers
) -> None:
    parsed = {name: parse(text) for name, text in VARIABLES.items()}
    compiled = compile_expression(parse(expression), layout, parsed)
    oracle = by_engine(expression)
    assert compiled.read(Sheet.of(layout, given_answers)) == oracle(Sheet.of(layout, given_answers))


@settings(max_examples=1, deadline=None)
@given(asked=st.lists(answers(), min_size=40, max_size=40))
def test_the_subset_says_what_fhirpath_js_says(
    tmp_path_factory: pytest.TempPathFactory, asked: list[Answers]
) -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    scores = [
        forms.score(f"s{number}", expression) for number, expression in enumerate([*SUBSET, *TRUE_ALONE])
    ]
    root = tuple(forms.variable(name, text) for name, text in VARIABLES.items())
    folder = tmp_path_factory.mktemp("site") / "made-up"
    site = forms.load(folder, forms.form(*FORM["item"], *scores, variables=root))
    key = compile_key(site)
    bodies = [json.dumps(rebuild(Sheet.of(key.layout, each)), default=float).encode() for each in asked]
    judged = score_by_fhirpath_js([site], [(site.id, body) for body in bodies])
    for given_answers, found in zip(asked, judged, strict=True):
        expected = {each.link_id: each.value for each in compute(key, given_answers)}
        expressions = {each.link_id: each.expression for each in site.scores}
        for name, value in expected.items():
            wanted = None if value is None else pytest.approx(float(value))
            assert found[name] == wanted, (expressions[name], given_answers)


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        *NEGATED.items(),
        *TRUE_ALONE.items(),
        *(
            (united, f"%resource.repeat(item).where(linkId in ({ids})).answer.value.weight().sum()")
            for united, ids in UNITED.items()
        ),
    ],
)
@settings(max_examples=25, deadline=None)
@given(given_answers=answers())
def test_what_no_engine_can_be_asked_is_the_same_as_what_it_can(
    layout: Layout, expression: str, same: str, given_answers: Answers
) -> None:
    parsed = {name: parse(text) for name, text in VARIABLES.items()}
    compiled = compile_expression(parse(expression), layout, parsed)
    oracle = by_engine(same)
    assert compiled.read(Sheet.of(layout, given_answers)) == oracle(Sheet.of(layout, given_answers))


def test_several_values_where_one_is_allowed_are_an_error_both_ways(layout: Layout) -> None:
    expression = "%weights + 1"
    sheet = Sheet.of(layout, Answers({"a": (step(1),), "b": (step(2),)}))
    compiled = compile_expression(
        parse(expression), layout, {name: parse(text) for name, text in VARIABLES.items()}
    )
    with pytest.raises(EvaluationError, match="2 values where one is allowed"):
        compiled.read(sheet)
    with pytest.raises(EvaluationError):
        compile_fallback(expression, VARIABLES, link_id="score", questionnaire={})(sheet)


def weight(values: list[Any]) -> list[Decimal]:
    found = [
        each for value in values for each in value.get("extension", ()) if each["url"].endswith("itemWeight")
    ]
    return [Decimal(str(each["valueDecimal"])) for each in found]


@cache
def compiled_alone(expression: str, *, raw: bool) -> Callable[[Any, dict[str, Any]], Any]:
    """Compile an expression by fhirpathpy; nothing of ours but weight(), read from the response itself."""
    options = {"userInvocationTable": {"weight": {"fn": weight}}, **({"returnRawData": True} if raw else {})}
    compiled: Callable[[Any, dict[str, Any]], Any] = fhirpathpy.compile(expression, models["r4"], options)
    return compiled


def by_fhirpathpy(instrument: Instrument, response: dict[str, Any]) -> dict[str, Decimal | None]:
    """Score a response by fhirpathpy alone."""
    context: dict[str, Any] = {"resource": response}
    for name, expression in read_variables(instrument.questionnaire.extension).items():
        context[name] = compiled_alone(expression, raw=True)(response, context)
    found: dict[str, Decimal | None] = {}
    for score in instrument.scores:
        values = compiled_alone(score.expression, raw=False)(response, context)
        found[score.link_id] = Decimal(str(values[0])) if values else None
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_shipped_score_is_what_fhirpath_computes_from_the_response_itself(data: st.DataObject) -> None:
    instrument = data.draw(st.sampled_from(INSTRUMENTS))
    choices: dict[str, str | None] = {}
    for item in walk(instrument.items):
        codes = [option.code for option in item.options]
        # Skipping is made rare: with every item skipped at random a full form would hardly ever be drawn.
        fate = data.draw(st.sampled_from(["answered"] * 14 + ["declined", "skipped"]))
        if codes and fate != "skipped":
            choices[item.link_id] = data.draw(st.sampled_from(codes)) if fate == "answered" else None
    body = build_response(
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
    scores = compute(KEYS[instrument.id], check_response(read_response(body), instrument, patient=None))
    assert {score.link_id: score.value for score in scores} == by_fhirpathpy(instrument, json.loads(body))


@pytest.mark.parametrize("expression", OUTSIDE)
def test_what_is_outside_the_subset_is_evaluated_by_fhirpath(tmp_path: Path, expression: str) -> None:
    root = tuple(forms.variable(name, text) for name, text in VARIABLES.items())
    items = [*FORM["item"], forms.score("s", expression)]
    site = forms.load(tmp_path / "made-up", forms.form(*items, variables=root))
    key = compile_key(site)
    assert not key.native
    (score,) = compute(key, Answers({"a": (step(1),), "b": (step(3),), "c": (step(3),)}))
    assert score.value == EXPECTED[expression]


EXPECTED = dict(zip(OUTSIDE, map(Decimal, ("3", "9", "1", "2", "2", "81", "1", "1")), strict=True))
