"""Writes the value sets that a Questionnaire contains as the options of its questions, weights included."""

from collections.abc import Iterator, Mapping

from questionnaires.datatypes import JsonObject
from questionnaires.errors import Problem
from questionnaires.resources import WEIGHTS

_REMEDY = "List the options as answerOption, or contain the value set with its codes"


def expand_value_sets(tree: JsonObject) -> list[Problem]:
    """Replace each `answerValueSet` of a contained ValueSet by answerOptions, in place; gives what cannot be replaced."""
    known: dict[str, JsonObject] = {}
    for each in _dicts(tree.get("contained")):
        if each.get("resourceType") == "ValueSet":
            known |= {name: each for name in (f"#{each.get('id')}", str(each.get("url", ""))) if name}
    return [problem for item in _items(tree) for problem in _expand_item(item, known)]


def _expand_item(item: JsonObject, known: Mapping[str, JsonObject]) -> Iterator[Problem]:
    name = item.get("answerValueSet")
    if not isinstance(name, str) or "answerOption" in item:
        return
    link_id = item["linkId"] if isinstance(item.get("linkId"), str) else None
    found = known.get(name) or known.get(name.partition("|")[0])
    if found is None:
        del item["answerValueSet"]
        yield Problem(f"Its value set {name} is not contained in the form", _REMEDY, str(link_id))
        return
    try:
        options = _options(found)
    except ValueError as error:
        options, reason = [], str(error)
        yield Problem(f"Its value set {name} {reason}", _REMEDY, str(link_id))
    del item["answerValueSet"]
    if options:
        item["answerOption"] = options


def _options(value_set: JsonObject) -> list[JsonObject]:
    expansion = value_set.get("expansion")
    compose = value_set.get("compose")
    found: list[JsonObject] = []
    if isinstance(expansion, dict) and expansion.get("contains"):
        found = [*_flatten(expansion)]
    elif isinstance(compose, dict):
        if compose.get("exclude"):
            raise ValueError("leaves codes out again (exclude)")
        for include in _dicts(compose.get("include")):
            if "filter" in include or "valueSet" in include or "concept" not in include:
                raise ValueError("takes codes by a rule, not by a list")
            found += [{"system": include.get("system"), **each} for each in _dicts(include["concept"])]
    if not found:
        raise ValueError("lists no codes")
    return [_option(each) for each in found]


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


def _items(tree: JsonObject) -> Iterator[JsonObject]:
    for item in _dicts(tree.get("item")):
        yield item
        yield from _items(item)


def _dicts(value: object) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
