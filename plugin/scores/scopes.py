"""The variables of a Questionnaire: which of them are seen from where, and which of them an expression leads to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plugin.scores.errors import BadExpression, BadSyntax
from plugin.scores.syntax import Node, parse
from questionnaires import Instrument
from questionnaires.datatypes import Extension
from questionnaires.resources import (
    FHIRPATH,
    SDC,
    STRUCTURE,
    Questionnaire,
    QuestionnaireItem,
    every_item,
    read_variables,
)

_LAUNCHED = SDC + "sdc-questionnaire-launchContext"
_VARIABLE = STRUCTURE + "variable"
_NAME = re.compile(r"%(?:`([^`]+)`|([A-Za-z_]\w*))")
_REMEDY = "Correct it or take it out; docs/reference/scoring.md lists what is understood"


@dataclass(frozen=True, slots=True)
class Scope:
    """What an item sees (the root, if `link_id` is None): the names of its `own` variables; of all, the texts and trees."""

    link_id: str | None
    own: tuple[str, ...]
    texts: Mapping[str, str]
    trees: Mapping[str, Node]


def find_scopes(instrument: Instrument) -> Iterator[Scope]:
    """Give what the root and each item see: the variables of the root, of the groups around it, and its own.

    BadExpression names the first variable that is not FHIRPath.
    """
    root = _add(instrument, Scope(None, (), {}, {}), None, instrument.questionnaire.extension)
    yield root
    yield from _find_below(instrument, instrument.questionnaire.item, root)


def _find_below(
    instrument: Instrument, items: tuple[QuestionnaireItem, ...], outer: Scope
) -> Iterator[Scope]:
    for item in items:
        scope = _add(instrument, outer, item.linkId, item.extension)
        yield scope
        yield from _find_below(instrument, item.item, scope)


def _add(
    instrument: Instrument, outer: Scope, link_id: str | None, extensions: tuple[Extension, ...]
) -> Scope:
    own = read_variables(extensions)
    trees: dict[str, Node] = {}
    for name, text in own.items():
        try:
            trees[name] = parse(text)
        except BadSyntax as error:
            raise bad_variable(instrument, link_id, name, text, str(error)) from None
        except RecursionError:
            raise bad_variable(instrument, link_id, name, text, "it is nested too deeply") from None
    return Scope(link_id, tuple(own), {**outer.texts, **own}, {**outer.trees, **trees})


def bad_variable(
    instrument: Instrument, link_id: str | None, name: str, text: str, reason: str
) -> BadExpression:
    """Say that a variable cannot be evaluated."""
    return BadExpression(instrument.id, link_id, text, reason, _REMEDY, variable=name)


def find_reached(expression: str, texts: Mapping[str, str]) -> Mapping[str, str]:
    """Give the variables that an expression leads to, by way of others too: name -> text."""
    reached: dict[str, str] = {}
    waiting = [expression]
    while waiting:
        names = {quoted or plain for quoted, plain in _NAME.findall(waiting.pop())}
        fresh = {name: texts[name] for name in sorted((names & texts.keys()) - reached.keys())}
        reached |= fresh
        waiting += fresh.values()
    return reached


def find_names(expression: str, texts: Mapping[str, str]) -> set[str]:
    """Give every %name in an expression and in the variables that it leads to."""
    every = (expression, *find_reached(expression, texts).values())
    return {quoted or plain for text in every for quoted, plain in _NAME.findall(text)}


def find_supplied(questionnaire: Questionnaire) -> frozenset[str]:
    """Give the names that something else than a FHIRPath variable supplies: the launch, a query, a named expression.

    Only whoever shows the form knows their values: https://hl7.org/fhir/uv/sdc/STU4/expressions.html.
    """
    places = (questionnaire.extension, *(item.extension for item in every_item(questionnaire.item)))
    return frozenset(name for each in places for name in _find_supplied(each))


def _find_supplied(extensions: tuple[Extension, ...]) -> Iterator[str]:
    for each in extensions:
        expression = each.valueExpression
        if each.url == _LAUNCHED:
            yield from _find_launched(each.extension)
        elif expression and expression.name and (each.url, expression.language) != (_VARIABLE, FHIRPATH):
            yield expression.name


def _find_launched(parts: tuple[Extension, ...]) -> Iterator[str]:
    for each in parts:
        name = each.valueId or (each.valueCoding.code if each.valueCoding else None)
        if each.url == "name" and name:
            yield name
