"""An Observation as it was delivered beside the one that the EHR holds, member by member, for a person's eye. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from plugin.comparing import differences as d
from plugin.comparing import whole
from plugin.comparing.chart import address_of
from plugin.ehr import JsonObject

_LONGEST = 400  # characters of one member


@dataclass(frozen=True, slots=True)
class Line:
    """One member of both; empty where there is none."""

    name: str
    delivered: str
    found: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """One Observation of both: its name in Rapport and its address in the EHR."""

    name: str
    address: str
    lines: tuple[Line, ...]

    @property
    def differs(self) -> bool:
        """Whether any member differs."""
        return any(each.differs for each in self.lines)


def pair(identifier: str, delivered: JsonObject, found: JsonObject) -> Pair:
    """Set the two side by side. What an EHR may write in its own way (added codings, absolute references) is no difference."""
    lines = (
        _line("value", _value(delivered), _value(found)),
        _line("status", str(delivered.get("status") or ""), str(found.get("status") or "")),
        _line("code", _codes(delivered, "code"), _codes(found, "code"), _has_all(delivered, found, "code")),
        _line(
            "category",
            _codes(delivered, "category"),
            _codes(found, "category"),
            _has_all(delivered, found, "category"),
        ),
        _line("subject", _who(delivered.get("subject")), _who(found.get("subject"))),
        _line("date", _moment(delivered), _moment(found)),
        _line(
            "answered by",
            _people(delivered),
            _people(found),
            not d.references(delivered.get("performer")) or _people(delivered) == _people(found),
        ),
        _line(
            "no value because",
            _absent(delivered),
            _absent(found),
            bool(_absent(delivered)) == bool(_absent(found)),
        ),
        *_others(delivered, found),
    )
    return Pair(
        identifier.partition("/")[2],
        address_of(found),
        tuple(each for each in lines if each.delivered or each.found),
    )


def _others(delivered: JsonObject, found: JsonObject) -> Iterator[Line]:
    """Give the members that have no line of their own and differ, as they are written."""
    for name in whole.other_members(delivered, found, whole.OBSERVATION):
        yield Line(name, _written(delivered, name), _written(found, name), differs=True)
    if not d.issued_fits(delivered, found):
        yield Line("issued", str(delivered.get("issued") or ""), str(found.get("issued") or ""), differs=True)


def _written(observation: JsonObject, name: str) -> str:
    first, _, inner = name.partition(".")
    value = observation.get(first)
    value = value.get(inner) if inner and isinstance(value, Mapping) else value
    text = "" if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _line(name: str, delivered: str, found: str, agrees: bool | None = None) -> Line:  # noqa: FBT001 -- None: compare the texts
    return Line(name, delivered, found, differs=delivered != found if agrees is None else not agrees)


def _value(observation: JsonObject) -> str:
    for name, value in observation.items():
        if name.startswith("value"):
            if isinstance(value, Mapping):
                number = value.get("value")
                text = (
                    ""
                    if number is None
                    else f"{number:g}"
                    if isinstance(number, int | float)
                    else str(number)
                )
                return f"{text} {value.get('code') or value.get('unit') or ''}".strip()
            return str(value)
    return ""


def _codes(observation: JsonObject, name: str) -> str:
    return ", ".join(sorted(str(code) for _, code in d.codes(observation, name)))


def _has_all(delivered: JsonObject, found: JsonObject, name: str) -> bool:
    return d.codes(delivered, name) <= d.codes(found, name)


def _who(value: object) -> str:
    return d.reference(value) or ""


def _people(observation: JsonObject) -> str:
    return ", ".join(sorted(d.references(observation.get("performer"))))


def _moment(observation: JsonObject) -> str:
    found = d.moment(observation.get("effectiveDateTime"))
    return "" if found is None else found if isinstance(found, str) else f"{found:%Y-%m-%d %H:%M:%S} UTC"


def _absent(observation: JsonObject) -> str:
    reason = observation.get("dataAbsentReason")
    if not isinstance(reason, Mapping):
        return ""
    return str(reason.get("text") or "yes")
