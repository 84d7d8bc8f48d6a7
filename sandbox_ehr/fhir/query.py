"""Turns FHIR search parameters into SQL conditions over the index. Pure.

https://hl7.org/fhir/R4/search.html
"""

import re
from dataclasses import dataclass

from sandbox_ehr.errors import refuse
from sandbox_ehr.fhir.dates import to_interval
from sandbox_ehr.fhir.index import COMPARTMENT, fold, split_reference
from sandbox_ehr.fhir.parameters import PARAMETERS, Parameter

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb)?(\d.*)")
_EQUAL = "({low} >= :from AND {high} <= :to)"
_COMPARISONS = {
    "eq": _EQUAL,
    "ne": f"NOT {_EQUAL}",
    "gt": "{high} > :to",
    "lt": "{low} < :from",
    "ge": f"({{high}} > :to OR {_EQUAL})",
    "le": f"({{low}} < :from OR {_EQUAL})",
    "sa": "{low} >= :to",
    "eb": "{high} <= :from",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of SQL that is true of a row of `current`, and its arguments."""

    sql: str
    arguments: tuple[object, ...] = ()


NOTHING_MORE = Condition("1")
_OF_ALL = "SELECT id FROM entry WHERE"
_OF_ONE = "SELECT id FROM entry INDEXED BY entry_owner WHERE entry.id = current.id AND"


def of_one(condition: Condition) -> Condition:
    """The same condition for when the resource is known: its own entries are looked at, not everybody's."""
    return Condition(condition.sql.replace(_OF_ALL, _OF_ONE), condition.arguments)


def both(*conditions: Condition) -> Condition:
    """All of these hold."""
    return _join(" AND ", conditions)


def either(*conditions: Condition) -> Condition:
    """At least one of these holds."""
    return _join(" OR ", conditions)


def in_compartment(resource_type: str, patient: str) -> Condition:
    """The resource is in this patient's compartment."""
    return _indexed(resource_type, COMPARTMENT, Condition("value = ?", (patient,)))


def in_no_other_compartment(resource_type: str, patient: str) -> Condition:
    """The resource is in nobody else's compartment."""
    inside = _indexed(resource_type, COMPARTMENT, Condition("value <> ?", (patient,)))
    return Condition(f"NOT {inside.sql}", inside.arguments)


def is_known(resource_type: str, name: str) -> bool:
    """Whether this type can be searched by this parameter (which may carry a modifier)."""
    plain = name.partition(":")[0]
    return plain in {"_id", "_lastUpdated"} or plain in PARAMETERS[resource_type]


def compile_condition(resource_type: str, name: str, value: str, base: str) -> Condition:
    """Compile one `name=value` (commas mean or); FhirRefused 400 for a modifier or value that is not understood."""
    plain, _, modifier = name.partition(":")
    choices = [each.replace("\\,", ",") for each in re.split(r"(?<!\\),", value)]
    if plain == "_id":
        _check_modifier(name, modifier, set())
        return Condition(f"id IN ({', '.join('?' * len(choices))})", tuple(choices))
    if plain == "_lastUpdated":
        _check_modifier(name, modifier, set())
        return either(*(_compare(name, each, "updated", "updated + 1") for each in choices))
    parameter = PARAMETERS[resource_type][plain]
    if modifier == "missing":
        present = _indexed(resource_type, plain, NOTHING_MORE)
        return Condition(f"{'NOT ' if value == 'true' else ''}{present.sql}", present.arguments)
    matched = either(*(_match(name, modifier, parameter, each, base) for each in choices))
    found = _indexed(resource_type, plain, matched)
    return Condition(f"NOT {found.sql}", found.arguments) if modifier == "not" else found


def _match(name: str, modifier: str, parameter: Parameter, value: str, base: str) -> Condition:
    if parameter.kind == "date":
        _check_modifier(name, modifier, set())
        return _compare(name, value, "low", "high")
    if parameter.kind == "token":
        _check_modifier(name, modifier, {"not"})
        return _match_token(value)
    if parameter.kind == "string":
        _check_modifier(name, modifier, {"exact", "contains"})
        return _match_string(modifier, value)
    if parameter.kind == "uri":
        _check_modifier(name, modifier, set())
        address, _, version = value.partition("|")
        versioned = Condition("system = ?", (version,)) if version else NOTHING_MORE
        return both(Condition("value = ?", (address,)), versioned)
    return _match_reference(modifier, parameter, value, base)


def _match_token(value: str) -> Condition:
    system, bar, code = value.partition("|")
    if not bar:
        return Condition("value = ?", (system,))
    of_system = Condition("system = ?", (system,)) if system else Condition("system IS NULL")
    return both(of_system, Condition("value = ?", (code,))) if code else of_system


def _match_string(modifier: str, value: str) -> Condition:
    text = fold(value)
    if modifier == "exact":
        return Condition("value = ?", (text,))
    if modifier == "contains":
        return Condition("instr(value, ?) > 0", (text,))
    # Names are found by the beginning of any of their words, as people look for them.
    return Condition("instr(' ' || value, ' ' || ?) > 0", (text,))


def _match_reference(modifier: str, parameter: Parameter, value: str, base: str) -> Condition:
    split = split_reference(value, base)
    if split is not None:
        return both(Condition("system = ?", (split[0],)), Condition("value = ?", (split[1],)))
    target = modifier or parameter.target
    if modifier and modifier not in PARAMETERS:
        raise refuse(
            400, "not-supported", f"The modifier :{modifier} is not supported on a reference parameter."
        )
    of_type = Condition("system = ?", (target,)) if target else NOTHING_MORE
    return both(of_type, Condition("value = ?", (value,)))


def _compare(name: str, value: str, low: str, high: str) -> Condition:
    prefix, text = _split_prefix(value.replace(" ", "+"))
    try:
        start, end = to_interval(text)
    except ValueError:
        message = f"{name}={value} is not a date: expected for example ge2026-11-23 or 2026-11."
        raise refuse(400, "value", message) from None
    comparison = _COMPARISONS[prefix].format(low=low, high=high)
    names = re.findall(r":(from|to)", comparison)
    return Condition(
        re.sub(r":(from|to)", "?", comparison), tuple({"from": start, "to": end}[n] for n in names)
    )


def _split_prefix(value: str) -> tuple[str, str]:
    found = _PREFIXED.fullmatch(value)
    return (found[1] or "eq", found[2]) if found else ("eq", value)


def _check_modifier(name: str, modifier: str, supported: set[str]) -> None:
    if modifier and modifier not in supported:
        raise refuse(400, "not-supported", f"The modifier of {name} is not supported here.")


def _indexed(resource_type: str, param: str, condition: Condition) -> Condition:
    sql = f"id IN ({_OF_ALL} type = ? AND param = ? AND {condition.sql})"
    return Condition(sql, (resource_type, param, *condition.arguments))


def _join(word: str, conditions: tuple[Condition, ...]) -> Condition:
    if len(conditions) == 1:
        return conditions[0]
    sql = f"({word.join(each.sql for each in conditions)})" if conditions else "1"
    return Condition(sql, tuple(argument for each in conditions for argument in each.arguments))
