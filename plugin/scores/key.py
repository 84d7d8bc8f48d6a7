"""The key: a Questionnaire's calculatedExpressions, compiled once and evaluated per response in microseconds."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from plugin.responses import Answers, Given
from plugin.scores.arithmetic import TOO_LARGE
from plugin.scores.compiling import UnknownLinkId, compile_expression
from plugin.scores.errors import BadExpression, BadSyntax, EvaluationError, NotNative, drops_repetitions
from plugin.scores.scopes import Scope, find_reached, find_scopes
from plugin.scores.shapes import ReadOne
from plugin.scores.sheet import Layout, Pick, Sheet, picker
from plugin.scores.syntax import parse, without_comments
from plugin.scores.variables import try_variables
from questionnaires import Instrument, ScoreItem

_QUOTED = re.compile(r"'([^']+)'")
_LINK_ID = re.compile(r"linkId\s*=\s*'([^']+)'")
_NUMBERS = {"decimal", "integer"}
_REMEDY = "Correct it; docs/reference/scoring.md lists what is understood"


@dataclass(frozen=True, slots=True)
class Step:
    """One score: how to compute it, the linkIds of the questions it reads, and of the other scores it `needs`."""

    score: ScoreItem
    read: ReadOne
    used: tuple[str, ...]
    pick: Pick  # the rows of `used` among those of all items
    weighted: bool  # whether it reads nothing but questions with weights
    needs: tuple[str, ...]
    native: bool


@dataclass(frozen=True, slots=True)
class Key:
    """The compiled scoring key of one instrument version; `steps` in the order in which they can be computed."""

    instrument: Instrument
    layout: Layout
    steps: tuple[Step, ...]
    order: tuple[str, ...]  # the linkIds of the scores, in the order of the form
    kept: frozenset[str]  # those whose value another score may read

    @property
    def native(self) -> bool:
        """Whether every score is compiled, so that none needs the slow way."""
        return all(step.native for step in self.steps)


def compile_key(instrument: Instrument) -> Key:
    """Compile every score of an instrument.

    What the subset of `plugin.scores.compiling` does not cover is evaluated by FHIRPath, slower and with equal results
    (`Step.native` tells). BadExpression names the item and the expression that cannot be evaluated at all, that names
    an item which the form does not have, or that depends on itself.
    """
    layout = Layout.of(instrument.items, frozenset(score.link_id for score in instrument.scores))
    scopes = [*find_scopes(instrument)]
    seen = {scope.link_id: scope for scope in scopes}
    steps = [_compile_step(instrument, score, layout, seen[score.link_id]) for score in instrument.scores]
    ordered = _in_order(instrument, steps)
    order = tuple(score.link_id for score in instrument.scores)
    kept = {needed for step in steps for needed in step.needs}
    # What FHIRPath reads is not known: it is given every score.
    key = Key(
        instrument,
        layout,
        ordered,
        order,
        frozenset(kept if all(step.native for step in steps) else order),
    )
    try_variables(instrument, layout, scopes, _try_out(key))
    return key


def _compile_step(instrument: Instrument, score: ScoreItem, layout: Layout, scope: Scope) -> Step:
    try:
        compiled = compile_expression(parse(score.expression), layout, scope.trees)
    except UnknownLinkId as error:
        reason = f"the form has no item {error}"
        raise BadExpression(instrument.id, score.link_id, score.expression, reason, _REMEDY) from None
    except (EvaluationError, BadSyntax) as error:
        raise BadExpression(instrument.id, score.link_id, score.expression, str(error), _REMEDY) from None
    except RecursionError:
        reason = "it is nested too deeply"
        raise BadExpression(instrument.id, score.link_id, score.expression, reason, _REMEDY) from None
    except NotNative:
        return _fall_back(instrument, score, layout, scope)
    return _step(score, compiled.read, compiled.used, layout, native=True)


def _fall_back(instrument: Instrument, score: ScoreItem, layout: Layout, scope: Scope) -> Step:
    expression = without_comments(score.expression)
    variables = {name: without_comments(text) for name, text in scope.texts.items()}
    texts = (expression, *find_reached(expression, variables).values())
    unknown = sorted({name for text in texts for name in _LINK_ID.findall(text)} - layout.places.keys())
    if unknown:
        reason = f"the form has no item {', '.join(unknown)}"
        raise BadExpression(instrument.id, score.link_id, score.expression, reason, _REMEDY)
    named = {layout.places[each] for text in texts for each in _QUOTED.findall(text) if each in layout.places}
    spread = any(each in text for text in texts for each in ("repeat(", "descendants("))
    if spread and (repeated := layout.repeating & (named or layout.repeating)):
        reason = drops_repetitions(", ".join(layout.items[place].link_id for place in sorted(repeated)))
        raise BadExpression(instrument.id, score.link_id, score.expression, reason, _REMEDY)
    # fhirpathpy costs 0.3 s to import; instruments of the compiled subset never need it.
    from plugin.scores.fallback import compile_fallback

    try:
        read = compile_fallback(
            expression,
            variables,
            link_id=score.link_id,
            questionnaire=msgspec.json.decode(instrument.resource),
        )
    except EvaluationError as error:
        raise BadExpression(instrument.id, score.link_id, score.expression, str(error), _REMEDY) from None
    except Exception as error:  # noqa: BLE001 -- fhirpathpy raises bare Exception; re-raised as ours
        reason = f"FHIRPath says: {error}"
        raise BadExpression(instrument.id, score.link_id, score.expression, reason, _REMEDY) from None
    used = frozenset(named)
    weighted = frozenset(
        place for place, item in enumerate(layout.items) if item.options and item.is_question
    )
    return _step(score, read, used or weighted, layout, native=False)


def _step(score: ScoreItem, read: ReadOne, used: frozenset[int], layout: Layout, *, native: bool) -> Step:
    own = layout.places[score.link_id]
    computed = sorted(used & layout.computed) if native else sorted((used & layout.computed) - {own})
    places = sorted(used - layout.computed)
    names = tuple(layout.items[place].link_id for place in places)
    return Step(
        score=score,
        read=read,
        used=names,
        pick=picker(tuple(places)),
        weighted=layout.weighted.issuperset(places),
        needs=tuple(layout.items[place].link_id for place in computed),
        native=native,
    )


def _in_order(instrument: Instrument, steps: list[Step]) -> tuple[Step, ...]:
    """Order the scores so that each comes after those it needs."""
    waiting = {step.score.link_id: step for step in steps}
    ordered: list[Step] = []
    while waiting:
        ready = [step for step in waiting.values() if not waiting.keys() & set(step.needs)]
        if not ready:
            step = next(iter(waiting.values()))
            circle = ", ".join(waiting)
            reason = f"it depends on itself, by way of {circle}"
            raise BadExpression(instrument.id, step.score.link_id, step.score.expression, reason, _REMEDY)
        ordered.extend(waiting.pop(step.score.link_id) for step in ready)
    return tuple(ordered)


def _try_out(key: Key) -> list[Sheet]:
    """Evaluate every score on empty, lowest and highest answers, so that what cannot be evaluated fails now; give those."""
    sheets = [Sheet.of(key.layout, answers) for answers in extremes(key)]
    for sheet in sheets:
        for step in key.steps:
            link_id, expression = step.score.link_id, step.score.expression
            try:
                value = step.read(sheet)
            except (EvaluationError, ArithmeticError) as error:
                reason = str(error) if isinstance(error, EvaluationError) else TOO_LARGE
                raise BadExpression(key.instrument.id, link_id, expression, reason, _REMEDY) from None
            if value is not None:
                sheet.keep(link_id, value)
    return sheets


def extremes(key: Key) -> Iterator[Answers]:
    """Give no answers, then the lowest to every question, then the highest."""
    yield Answers({})
    for answers in (lowest_answers(key), highest_answers(key)):
        yield Answers({**_plain_answers(key), **answers.given})


def _plain_answers(key: Key) -> Mapping[str, tuple[Given, ...]]:
    """Answer the questions that have neither options nor bounds: 1, and yes."""
    asked = [item for item in key.layout.items if item.is_question]
    numbers = {item.link_id: (Given("1", None, Decimal(1)),) for item in asked if item.type in _NUMBERS}
    return numbers | {item.link_id: (Given("true"),) for item in asked if item.type == "boolean"}


def lowest_answers(key: Key) -> Answers:
    """Give the answers of lowest weight to every question that has options, and the least number to those with bounds."""
    return _extreme(key, sign=1)


def highest_answers(key: Key) -> Answers:
    """Give the answers of highest weight to every question that has options, and the greatest number to those with bounds."""
    return _extreme(key, sign=-1)


def _extreme(key: Key, *, sign: int) -> Answers:
    given: dict[str, tuple[Given, ...]] = {}
    for item in key.layout.items:
        if item.options and item.is_question:
            option = min(item.options, key=lambda option: sign * (option.weight or Decimal(0)))
            number = Decimal(option.code) if option.kind == "Integer" else None
            given[item.link_id] = (Given(option.code, option.weight, number, option.system),)
        elif item.is_question and item.low is not None and item.high is not None:
            bound = item.low if sign > 0 else item.high
            given[item.link_id] = (Given(str(bound), None, bound, None),)
    return Answers(given)
