"""Search of what is kept: parameters in, a question that each resource answers with yes or no. Pure.

What is not understood is refused, not ignored: an ignored filter would show more than was asked for.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from plugin.audit import Kind as Told
from plugin.errors import Forbidden, Invalid, TooCostly
from plugin.ledger import SealBroken
from plugin.served.shelf import AUDIT, Among, Kept

DEFAULT_COUNT, MOST = 50, 200
MOST_LOOKED_INTO = 20_000  # resources of one search; a second's work
_IGNORED = frozenset({"_format", "_pretty"})
_DATE = re.compile(r"(eq|ne|ge|le|gt|lt)?(\d{4}(?:-\d{2}(?:-\d{2}(?:T.+)?)?)?)")
_LAST = datetime.max.replace(tzinfo=UTC)
_MARGIN = timedelta(seconds=1)  # an entry tells its time less exactly than its column
_OWN = frozenset(Told) - {
    "create",
    "read",
    "vread",
    "update",
    "delete",
    "search",
}  # codes that are of no other list
Test = Callable[[Kept], bool]
Kind = Literal["token", "reference", "date", "uri"]

PARAMETERS: dict[str, dict[str, tuple[Kind, tuple[str, ...]]]] = {
    "QuestionnaireResponse": {
        "identifier": ("token", ("identifier",)),
        "questionnaire": ("uri", ("questionnaire",)),
        "authored": ("date", ("authored",)),
        "status": ("token", ("status",)),
    },
    "Observation": {
        "identifier": ("token", ("identifier",)),
        "code": ("token", ("code", "coding")),
        "category": ("token", ("category", "coding")),
        "date": ("date", ("effectiveDateTime",)),
        "derived-from": ("reference", ("derivedFrom", "reference")),
        "has-member": ("reference", ("hasMember", "reference")),
        "status": ("token", ("status",)),
    },
    "Provenance": {
        "target": ("reference", ("target", "reference")),
        "recorded": ("date", ("recorded",)),
    },
    "AuditEvent": {
        "date": ("date", ("recorded",)),
        "entity": ("reference", ("entity", "what", "reference")),
        "action": ("token", ("action",)),
        "outcome": ("token", ("outcome",)),
        "type": ("token", ("type",)),
        "subtype": ("token", ("subtype",)),
        "agent": ("reference", ("agent", "who", "reference")),
        "address": ("token", ("agent", "network", "address")),
        "policy": ("uri", ("agent", "policy")),
        "entity-role": ("token", ("entity", "role")),
    },
}
"""What each type can be searched by besides `patient` and `_id`, and where the values stand."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was understood: what must hold, which page of how many."""

    tests: tuple[Test, ...]
    count: int
    page: int
    used: tuple[tuple[str, str], ...]
    among: tuple[Among, ...] = ()  # what columns of the trail tell already; the tests decide

    def turn_to(self, kept: Iterable[Kept], is_held_back: Callable[[Kept], bool]) -> "Page":
        """Find the page that is asked for among what meets every test; what `is_held_back`, or was altered, is counted apart.

        TooCostly after MOST_LOOKED_INTO resources that had to be opened for it.
        """
        first = (self.page - 1) * self.count
        shown: list[Kept] = []
        total = held_back = altered = 0
        for place, each in enumerate(kept):
            if self.tests and place == MOST_LOOKED_INTO:
                raise TooCostly(
                    f"More than {MOST_LOOKED_INTO} resources would have to be opened for this search.",
                    "Narrow it by `date`, or in the trail by `subtype` or `outcome` too.",
                )
            try:
                if not all(test(each) for test in self.tests):
                    continue
                if is_held_back(each):
                    held_back += 1
                    continue
                if each.is_altered or first <= total < first + self.count:
                    each.open_now()
                    shown.append(each)
            except SealBroken:
                altered += 1
                continue
            total += 1
        return Page(tuple(shown), total, held_back, altered)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what was found: how many there are on all pages, and how many are not shown at all.

    `altered` were altered in the database and do not open; of entries of the trail those that were looked into.
    """

    shown: tuple[Kept, ...]
    total: int
    held_back: int
    altered: int = 0


def read_search(kind: str, parameters: Sequence[tuple[str, str]], patient: str, home: str) -> Search:
    """Understand a search; Invalid names a parameter or value that is not, Forbidden another patient."""
    tests: list[Test] = []
    used: list[tuple[str, str]] = []
    among: list[Among] = []
    numbers = {"_count": DEFAULT_COUNT, "_page": 1}
    for name, value in parameters:
        if name in _IGNORED or not value:
            continue
        if name in numbers:
            numbers[name] = _number(name, value)
        elif name in {"patient", "subject"}:
            _check_patient(value, patient, home)
            used.append((name, value))
        else:
            tests.append(_test(kind, name, value))
            if kind == AUDIT and (narrower := _among(name, value.split(","))) is not None:
                among.append(narrower)
            used.append((name, value))
    return Search(
        tuple(tests), min(numbers["_count"], MOST), max(numbers["_page"], 1), tuple(used), tuple(among)
    )


def _check_patient(value: str, patient: str, home: str) -> None:
    named = value.removeprefix(f"{home}/").removeprefix("Patient/")
    if named != patient.removeprefix("Patient/"):
        raise Forbidden(
            "The search is about another patient than the sign-in.",
            "Leave `patient` out, or launch for that patient.",
        )


def _test(kind: str, name: str, value: str) -> Test:
    choices = value.split(",")
    if name == "_id":
        return lambda kept: kept.id in choices
    if name not in PARAMETERS[kind]:
        offered = ", ".join(["patient", "_id", *PARAMETERS[kind], "_count"])
        raise Invalid(f"{kind} cannot be searched by {name} here.", f"It can be searched by {offered}.")
    how, path = PARAMETERS[kind][name]
    if how == "date":
        ranges = [_range(name, each) for each in choices]
        return lambda kept: any(_within(_values(kept, path), each) for each in ranges)
    match = {"token": _is_token, "reference": _is_reference, "uri": _is_canonical}[how]
    return lambda kept: any(match(found, each) for found in _values(kept, path) for each in choices)


def _among(name: str, choices: list[str]) -> Among | None:
    """Say what a column holds for every entry that meets a parameter; None if no column tells."""
    if name == "_id":
        return Among("event", tuple(choices))
    if name == "outcome" and not any("|" in each for each in choices):
        return Among("outcome", tuple(choices))
    codes = [each.rpartition("|")[2] for each in choices]
    if name == "subtype" and _OWN.issuperset(codes):
        return Among("kind", tuple(codes))
    if name == "date":
        ranges = [_range(name, each) for each in choices]
        starts, ends = [each.earliest for each in ranges], [each.latest for each in ranges]
        return Among("recorded", since=_first(starts), until=_last(ends))
    return None


def _first(starts: list[datetime | None]) -> datetime | None:
    known = [each for each in starts if each is not None]
    return min(known) - _MARGIN if len(known) == len(starts) else None


def _last(ends: list[datetime | None]) -> datetime | None:
    known = [each for each in ends if each is not None]
    return _after(max(known), _MARGIN) if len(known) == len(ends) else None


def _values(kept: Kept, path: tuple[str, ...]) -> list[Any]:
    found: list[Any] = [kept.resource]
    for key in path:
        found = [
            inner
            for each in found
            if isinstance(each, dict) and key in each
            for inner in (each[key] if isinstance(each[key], list) else [each[key]])
        ]
    return found


def _is_token(found: Any, asked: str) -> bool:
    system, bar, code = asked.rpartition("|")
    if not isinstance(found, dict):
        return not system and bool(found == code)
    own = found.get("code", found.get("value"))
    return (not bar or found.get("system", "") == system) and (not code or own == code)


def _is_reference(found: Any, asked: str) -> bool:
    # The last two steps of an address are type and id: absolute and relative references are the same to a search.
    return isinstance(found, str) and (
        found == asked or found.endswith(f"/{asked}") or asked.endswith(f"/{found}")
    )


def _is_canonical(found: Any, asked: str) -> bool:
    return isinstance(found, str) and asked in {found, found.partition("|")[0]}


@dataclass(frozen=True, slots=True)
class _Range:
    prefix: str
    start: datetime
    end: datetime

    @property
    def earliest(self) -> datetime | None:
        """Before which nothing meets it; None if anything may."""
        is_open = self.prefix in {"le", "lt", "ne"} or self.start.year == 1
        return None if is_open else self.end if self.prefix == "gt" else self.start

    @property
    def latest(self) -> datetime | None:
        """After which nothing meets it."""
        return None if self.prefix in {"ge", "gt", "ne"} else self.start if self.prefix == "lt" else self.end


def _range(name: str, value: str) -> _Range:
    """Read a date with its prefix as the interval that it covers; Invalid if it is none."""
    found = _DATE.fullmatch(value)
    try:
        if found is not None:
            return _Range(found[1] or "eq", *_interval(found[2]))
    except ValueError:
        pass
    raise Invalid(
        f"{name}={value} is not a date.",
        "Write 2026-03-02 or a time with zone, with ge, le, gt, lt or eq before it.",
    )


def _interval(text: str) -> tuple[datetime, datetime]:
    """Read a year, month, day or time as what it covers; ValueError if it is none of them."""
    if "T" in text:
        start = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
        return start, _after(start, timedelta(seconds=1))
    year, month, day = (*map(int, text.split("-")), None, None)[:3]
    start = datetime(year or 1, month or 1, day or 1, tzinfo=UTC)
    if day is not None:
        return start, _after(start, timedelta(days=1))
    if month is not None:
        following = _after(start.replace(day=28), timedelta(days=4))
        return start, following if following == _LAST else following.replace(day=1)
    return start, _LAST if start.year == _LAST.year else start.replace(year=start.year + 1)


def _after(start: datetime, length: timedelta) -> datetime:
    """Add to a time; at the end of time stands the last one, since 9999-12-31 is what some write for no end."""
    try:
        return start + length
    except OverflowError:
        return _LAST


def _within(values: list[Any], asked: _Range) -> bool:
    # What was answered is dated as whoever wrote it did: a month alone is its beginning.
    return any(_compare(_interval(each)[0], asked) for each in values if isinstance(each, str))


def _compare(at: datetime, asked: _Range) -> bool:
    match asked.prefix:
        case "ge":
            return at >= asked.start
        case "gt":
            return at >= asked.end
        case "le":
            return at < asked.end
        case "lt":
            return at < asked.start
        case "ne":
            return not asked.start <= at < asked.end
        case _:
            return asked.start <= at < asked.end


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 6:
        raise Invalid(f"{name}={value} is not a whole number.", "Write digits.")
    return int(value)
