"""Evaluates expressions outside the compiled subset by fhirpathpy, on a response rebuilt from the checked answers.

fhirpathpy 2.2.4 has no weight() or ordinal(), fails in sum() and avg() on elements of a resource, divides whole numbers as
floats and rounds halves to even. All of these are given to it here, so that a score does not depend on which way it is computed.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

import fhirpathpy
from fhirpathpy.engine.invocations import invocation_registry
from fhirpathpy.models import models

from plugin.responses import Given
from plugin.scores import arithmetic
from plugin.scores.errors import EvaluationError
from plugin.scores.scopes import find_reached
from plugin.scores.sheet import Sheet
from questionnaires import Item
from questionnaires.datatypes import JsonObject
from questionnaires.resources import STRUCTURE

Evaluate = Callable[[Sheet], Decimal | None]

_ITEM_WEIGHT = STRUCTURE + "itemWeight"
_WEIGHTS = (_ITEM_WEIGHT, STRUCTURE + "ordinalValue")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
_UNION = re.compile(r"[^'\s]\s*\||\|\s*[^'\s]")
_CALL = re.compile(r"\b(\w+)\s*\(")
_REPEAT = re.compile(r"\brepeat\s*\(\s*(?![A-Za-z_][\w.]*\s*\))")
_NO_PATTERNS = "text is not scored, and a pattern can take longer than anybody waits"
_NO_CLOCK = "a score must be the same whenever it is computed again"
_REFUSED = {
    "trace": "it writes answers where they do not belong",
    "now": _NO_CLOCK,
    "today": _NO_CLOCK,
    "timeOfDay": _NO_CLOCK,
    "matches": _NO_PATTERNS,
    "matchesFull": _NO_PATTERNS,
    "replace": _NO_PATTERNS,
    "replaceMatches": _NO_PATTERNS,
}


def compile_fallback(
    expression: str, variables: Mapping[str, str], *, link_id: str, questionnaire: JsonObject
) -> Evaluate:
    """Compile by fhirpathpy an expression with the variables in its scope; whatever it raises passes through.

    EvaluationError for what no score may use, see `_check_use`.
    """
    for text in (expression, *find_reached(expression, variables).values()):
        _check_use(_STRING.sub("'", text))
    evaluate = compile_any(expression, variables, link_id=link_id, questionnaire=questionnaire)
    return lambda sheet: _to_number(evaluate(sheet))


def compile_any(
    expression: str, variables: Mapping[str, str], *, link_id: str | None, questionnaire: JsonObject
) -> Callable[[Sheet], list[object]]:
    """Compile by fhirpathpy an expression that need not be for a score, nor give a number."""
    reached = find_reached(expression, variables)
    for text in (expression, *reached.values()):
        _check_functions(_STRING.sub("'", text))
    steps = {name: _compile(text, raw=True) for name, text in variables.items() if name in reached}
    last = _compile(expression, raw=False)

    def evaluate(sheet: Sheet) -> list[object]:
        resource = rebuild(sheet)
        context: dict[str, object] = {
            "resource": resource,
            "rootResource": resource,
            "questionnaire": questionnaire,
            "context": resource if link_id is None else {"linkId": link_id},
        }
        try:
            for name, step in steps.items():
                context[name] = step(resource, context)
            return last(resource, context)
        except EvaluationError:
            raise
        except Exception as error:  # noqa: BLE001 -- fhirpathpy raises bare Exception; re-raised as ours
            raise EvaluationError(f"FHIRPath says: {error}") from None

    return evaluate


def _check_functions(text: str) -> None:
    """Refuse, EvaluationError, a function that FHIRPath does not have.

    FHIRPath notices it only where it comes to it: never, in a branch that no answers try out.
    """
    if unknown := sorted({*_CALL.findall(text)} - _KNOWN):
        raise EvaluationError(f"there is no function {', '.join(f'{name}()' for name in unknown)}")


def _check_use(text: str) -> None:
    """Refuse, EvaluationError, what no score may use; `text` has its strings taken out.

    A union of anything but strings drops equal elements, two equal weights for one, and in fhirpathpy its result no longer
    knows that it is items, so that their values would be missed in silence. The rest is not repeatable, or may never end.
    """
    if _UNION.search(text):
        raise EvaluationError("a union (|) drops equal values; choose the items by linkId in ('a' | 'b')")
    calls = set(_CALL.findall(text))
    for name in sorted(calls & _REFUSED.keys()):
        raise EvaluationError(f"{name}() is not for scores: {_REFUSED[name]}")
    if _REPEAT.search(text):
        raise EvaluationError("repeat() of anything but a path may never end; write repeat(item)")
    grows = "&" in text or "combine" in calls or ("*" in text and text.count("$total") > 1)
    if "aggregate" in calls and grows:
        raise EvaluationError("aggregate() of text, lists or powers may grow without end; let it add numbers")


def rebuild(sheet: Sheet) -> JsonObject:
    """Build a response of the answers, weights on the codings, and of the scores that are computed already."""
    return {"resourceType": "QuestionnaireResponse", "item": _rebuild_items(sheet.layout.tree, sheet)}


def _compile(expression: str, *, raw: bool) -> Callable[[JsonObject, dict[str, object]], list[object]]:
    options = {"userInvocationTable": _FUNCTIONS, "returnRawData": raw}
    compiled: Callable[[JsonObject, dict[str, object]], list[object]] = fhirpathpy.compile(
        expression, models["r4"], options
    )
    return compiled


def _rebuild_items(items: tuple[Item, ...], sheet: Sheet) -> list[JsonObject]:
    built: list[JsonObject] = []
    for item in items:
        below = _rebuild_items(item.items, sheet)
        answers = _rebuild_answers(item, sheet)
        if answers:
            if below:
                answers[0]["item"] = below
            built.append({"linkId": item.link_id, "answer": answers})
        elif below:
            built.append({"linkId": item.link_id, "item": below})
    return built


def _rebuild_answers(item: Item, sheet: Sheet) -> list[JsonObject]:
    if item.link_id in sheet.results:
        return [{"valueDecimal": sheet.results[item.link_id]}]
    if sheet.layout.places[item.link_id] in sheet.layout.computed:
        return []
    return [_rebuild_answer(item, each) for each in sheet.given.get(item.link_id, ())]


def _rebuild_answer(item: Item, given: Given) -> JsonObject:
    # Expressions that do without weight() look for either extension.
    weight = [{"url": url, "valueDecimal": given.weight} for url in _WEIGHTS if given.weight is not None]
    if given.system is not None:
        coding: JsonObject = {"system": given.system, "code": given.code}
        return {"valueCoding": coding | ({"extension": weight} if weight else {})}
    if given.number is not None:
        return _numeric_answer(item, given.number, weight)
    return {"valueBoolean": given.code == "true"} if item.type == "boolean" else {"valueString": given.code}


def _numeric_answer(item: Item, number: Decimal, weight: list[JsonObject]) -> JsonObject:
    if item.type == "quantity":
        return {"valueQuantity": {"value": number}}
    name = "valueDecimal" if item.type == "decimal" else "valueInteger"
    value: object = number if item.type == "decimal" else int(number)
    return {name: value} | ({f"_{name}": {"extension": weight}} if weight else {})


def _to_number(found: list[object]) -> Decimal | None:
    if not found:
        return None
    if len(found) > 1:
        raise EvaluationError(f"it gives {len(found)} values where one is allowed")
    return _exact(found[0])


def _exact(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise EvaluationError("it gives something that is not a number")
    return Decimal(str(value))


def _weight(values: list[object]) -> list[Decimal]:
    """weight() of SDC: https://hl7.org/fhir/uv/sdc/STU4/expressions.html, answers carrying their weight."""
    codings = [value for value in values if isinstance(value, dict)]
    extensions = [extension for coding in codings for extension in coding.get("extension", ())]
    return [each["valueDecimal"] for each in extensions if each.get("url") == _ITEM_WEIGHT]


def _listed(value: Decimal | None) -> list[Decimal]:
    return [] if value is None else [value]


def _numbers(values: list[object]) -> list[Decimal]:
    return [_exact(getattr(value, "data", value)) for value in values]


def _single(values: list[object]) -> Decimal:
    numbers = _numbers(values)
    if len(numbers) != 1:
        raise EvaluationError(f"it meets {len(numbers)} values where one is allowed")
    return numbers[0]


def _many(function: Callable[[list[Decimal]], Decimal | None]) -> dict[str, object]:
    return {"fn": lambda values: _listed(function(_numbers(values)))}


def _infix(function: Callable[[Decimal, Decimal], Decimal | None]) -> dict[str, object]:
    def apply(left: list[object], right: list[object]) -> list[Decimal]:
        return _listed(function(_single(left), _single(right)))

    return {"fn": apply, "arity": {2: ["Any", "Any"]}, "nullable": True}


def _round(values: list[object], *places: object) -> list[Decimal]:
    if not values or [] in places:
        return []
    digits = Decimal(str(places[0])) if places else arithmetic.ZERO
    return [arithmetic.round_to(_single(values), digits)]


_FUNCTIONS: dict[str, dict[str, object]] = {
    "weight": {"fn": _weight},
    "ordinal": {"fn": _weight},
    "sum": _many(arithmetic.total),
    "avg": _many(arithmetic.mean),
    "min": _many(lambda numbers: min(numbers, default=None)),
    "max": _many(lambda numbers: max(numbers, default=None)),
    "/": _infix(arithmetic.divide),
    "div": _infix(arithmetic.divide_whole),
    "mod": _infix(arithmetic.remainder),
    "round": {"fn": _round, "arity": {0: [], 1: ["Number"]}},
}

# Words that may stand before a bracket without being functions among them.
_WORDS = ("in", "contains", "is", "as", "and", "or", "xor", "implies", "div", "mod")
_KNOWN = frozenset({*invocation_registry, *_FUNCTIONS, *_REFUSED, "ordinal", *_WORDS})
