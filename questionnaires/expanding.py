"""Writes the value sets that a Questionnaire contains as the options of its questions, weights included.

The weight of an option is looked for as SDC says: on the option and its Coding, on the code in the value set, on the concept
of the code system (extension, or property `itemWeight`): https://hl7.org/fhir/uv/sdc/STU3/behavior.html, function weight().
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from questionnaires.datatypes import JsonObject
from questionnaires.errors import Problem
from questionnaires.resources import WEIGHTS

_REMEDY = "List the options as answerOption, or contain the value set with its codes"
_PROPERTIES = ("itemWeight", "ordinalValue")
_ITEM_WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"
_PROPERTY_URI = "http://hl7.org/fhir/concept-properties#"


@dataclass(frozen=True, slots=True)
class _Contained:
    """The value sets by address, and the concepts of code systems: by system in their order, the weights by code."""

    value_sets: dict[str, JsonObject] = field(default_factory=dict)
    concepts: dict[str, list[JsonObject]] = field(default_factory=dict)
    weights: dict[tuple[str, str], list[JsonObject]] = field(default_factory=dict)


def expand_value_sets(tree: JsonObject) -> list[Problem]:
    """Replace each `answerValueSet` of a contained ValueSet by answerOptions, in place; gives what cannot be replaced.

    Options without a weight get the one that a contained CodeSystem has for them. What was used up is not contained any more.
    """
    contained = _collect(tree)
    problems = [problem for item in _items(tree) for problem in _expand_item(item, contained)]
    left = [
        each
        for each in _dicts(tree.get("contained"))
        if each.get("resourceType") not in {"ValueSet", "CodeSystem"}
    ]
    if left:
        tree["contained"] = left
    elif isinstance(tree.get("contained"), list):
        del tree["contained"]
    return problems


def _collect(tree: JsonObject) -> _Contained:
    found = _Contained()
    for each in _dicts(tree.get("contained")):
        if each.get("resourceType") == "ValueSet":
            found.value_sets.update(
                {name: each for name in (f"#{each.get('id')}", str(each.get("url", ""))) if name}
            )
        elif each.get("resourceType") == "CodeSystem" and isinstance(each.get("url"), str):
            system = str(each["url"])
            names = {*_PROPERTIES} | {
                str(given.get("code"))
                for given in _dicts(each.get("property"))
                if given.get("uri") in {_PROPERTY_URI + name for name in _PROPERTIES}
            }
            concepts = [*_flatten_concepts(each)]
            if each.get("content") == "complete":
                found.concepts[system] = concepts
            for concept in concepts:
                if weights := [*_find_weights(concept, names)]:
                    found.weights[system, str(concept.get("code"))] = weights
    return found


def _flatten_concepts(concept: JsonObject) -> Iterator[JsonObject]:
    for each in _dicts(concept.get("concept")):
        yield each
        yield from _flatten_concepts(each)


def _find_weights(concept: JsonObject, names: set[str]) -> Iterator[JsonObject]:
    """Give the weights of a concept as the extensions that an option carries; several that differ are refused there."""
    extensions = [each for each in _dicts(concept.get("extension")) if each.get("url") in WEIGHTS]
    yield from extensions
    for each in () if extensions else _dicts(concept.get("property")):
        value = each.get("valueDecimal", each.get("valueInteger"))
        if each.get("code") in names and value is not None:
            yield {"url": _ITEM_WEIGHT, "valueDecimal": value}


def _expand_item(item: JsonObject, contained: _Contained) -> Iterator[Problem]:
    name = item.get("answerValueSet")
    if isinstance(name, str) and "answerOption" not in item:
        del item["answerValueSet"]
        yield from _expand(item, name, contained)
    for option in _dicts(item.get("answerOption")):
        _weigh(option, contained)


def _expand(item: JsonObject, name: str, contained: _Contained) -> Iterator[Problem]:
    link_id = item["linkId"] if isinstance(item.get("linkId"), str) else None
    known = contained.value_sets
    found = known.get(name) or known.get(name.partition("|")[0])
    if found is None:
        yield Problem(f"Its value set {name} is not contained in the form", _REMEDY, str(link_id))
        return
    try:
        item["answerOption"] = _options(found, contained.concepts)
    except ValueError as error:
        yield Problem(f"Its value set {name} {error}", _REMEDY, str(link_id))


def _options(value_set: JsonObject, systems: Mapping[str, list[JsonObject]]) -> list[JsonObject]:
    expansion = value_set.get("expansion")
    compose = value_set.get("compose")
    found: list[JsonObject] = []
    if isinstance(expansion, dict) and expansion.get("contains"):
        found = [*_flatten(expansion)]
    elif isinstance(compose, dict):
        if compose.get("exclude"):
            raise ValueError("leaves codes out again (exclude)")
        for include in _dicts(compose.get("include")):
            found += _included(include, systems)
    if not found:
        raise ValueError("lists no codes")
    return [_option(each) for each in found]


def _included(include: JsonObject, systems: Mapping[str, list[JsonObject]]) -> list[JsonObject]:
    system = include.get("system")
    concepts = _dicts(include.get("concept"))
    if "filter" in include or "valueSet" in include:
        raise ValueError("takes codes by a rule, not by a list")
    if "concept" not in include:
        if str(system) not in systems:
            raise ValueError(
                f"takes all codes of {system}, which the form does not contain as a complete CodeSystem"
            )
        concepts = systems[str(system)]
    return [{"system": system, **each} for each in concepts]


def _flatten(expansion: JsonObject) -> Iterator[JsonObject]:
    for each in _dicts(expansion.get("contains")):
        if not each.get("abstract") and "code" in each:
            yield each
        yield from _flatten(each)


def _option(concept: JsonObject) -> JsonObject:
    coding: JsonObject = {
        name: concept[name]
        for name in ("system", "version", "code", "display")
        if concept.get(name) is not None
    }
    weights = [each for each in _dicts(concept.get("extension")) if each.get("url") in WEIGHTS]
    return {**({"extension": weights} if weights else {}), "valueCoding": coding}


def _weigh(option: JsonObject, contained: _Contained) -> None:
    coding = option.get("valueCoding")
    if not isinstance(coding, dict):
        return
    stated = [*_dicts(option.get("extension")), *_dicts(coding.get("extension"))]
    weights = contained.weights.get((str(coding.get("system")), str(coding.get("code"))), [])
    if weights and not any(each.get("url") in WEIGHTS for each in stated):
        option["extension"] = [*_dicts(option.get("extension")), *weights]


def _items(tree: JsonObject) -> Iterator[JsonObject]:
    for item in _dicts(tree.get("item")):
        yield item
        yield from _items(item)


def _dicts(value: object) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
