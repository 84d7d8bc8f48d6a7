"""A site's schedule out of a FHIR R4 PlanDefinition: at which sessions each form is due. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from plugin.days import Age, is_within
from plugin.schedule import EVERY_SESSION, Due, Schedule, Together
from questionnaires import Catalogue, Instrument

# What `plugin.packaging` writes. FHIR R4 has no calendar of sessions: the condition counts them.
_CONDITION = re.compile(
    r"%session in \((?P<first>\d+( \| \d+)*)\)"
    r"( or \(%session > (?P<last>\d+) and \(%session - (?P<since>\d+)\) mod (?P<every>\d+) = 0\))?"
)
_DEEPEST = 8  # actions within actions
_IN_EHR = re.compile(
    r"PlanDefinition/(?P<id>[A-Za-z0-9\-.]{1,64})|(?P<url>(https?://|urn:)[^\s|#]+)(\|(?P<version>[^\s|]+))?"
)


@dataclass(frozen=True, slots=True)
class PlanInEhr:
    """Where a PlanDefinition stands in the EHR: as `PlanDefinition/id`, or by its canonical address."""

    written: str
    id: str | None
    url: str = ""
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> "PlanInEhr | None":
        """Read `PlanDefinition/17`, or an address such as `https://clinic.example/plan|1.0`; None if it is neither."""
        found = _IN_EHR.fullmatch(text)
        return cls(text, found["id"], found["url"] or "", found["version"] or "") if found else None


@dataclass(frozen=True, slots=True)
class Rule:
    """At which sessions one form is due; `canonical` as the plan writes it."""

    canonical: str
    schedule: Schedule

    @property
    def address(self) -> str:
        """The form's address, of every version."""
        return self.canonical.partition("|")[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules of a PlanDefinition; `problems` says what was not understood, whose forms are due at every session."""

    rules: tuple[Rule, ...]
    problems: tuple[str, ...] = ()

    def of(self, addresses: Iterable[str]) -> Due:
        """Give when any of these forms is due: never, if the plan names none of them."""
        wanted = set(addresses)
        return Together(tuple(each.schedule for each in self.rules if each.address in wanted))

    @property
    def _any(self) -> Together:
        return Together(tuple(each.schedule for each in self.rules))

    @property
    def is_every(self) -> bool:
        """Whether any form is due at every session."""
        return self._any.is_every

    def is_due(self, session: int) -> bool:
        """Tell whether any form is due at a session."""
        return self._any.is_due(session)

    def next_after(self, session: int) -> int | None:
        """Give the next session at which any form is due; None if there is none."""
        return self._any.next_after(session)


def read_plan(resource: object) -> Plan:
    """Read a PlanDefinition; ValueError if it is none, or asks for no form."""
    if not isinstance(resource, Mapping) or resource.get("resourceType") != "PlanDefinition":
        raise ValueError("it is no PlanDefinition")
    read = [each for action in _list(resource, "action") for each in _read(action, None, 1)]
    rules = tuple(each for each in read if isinstance(each, Rule))
    if not rules:
        raise ValueError("none of its actions names a form (definitionCanonical)")
    return Plan(rules, tuple(dict.fromkeys(each for each in read if isinstance(each, str))))


def _read(action: object, outer: Schedule | None, depth: int) -> Iterator[Rule | str]:
    """Read an action and those within it; gives rules, and in words what is not understood."""
    if not isinstance(action, Mapping) or depth > _DEEPEST:
        yield "an action that is none, or stands too deep"
        return
    own, problem = _own_schedule(action)
    if own is not None and outer is not None:
        own, problem = EVERY_SESSION, "sessions at two levels of one action"
    if problem:
        yield f"“{action.get('title') or action.get('id') or 'action'}”: {problem}, so it is due at every session"
    schedule = own or outer
    form = action.get("definitionCanonical") or action.get("definitionUri")
    if isinstance(form, str):
        yield Rule(form, schedule or EVERY_SESSION)
    for each in _list(action, "action"):
        yield from _read(each, schedule, depth + 1)


def _own_schedule(action: Mapping[str, object]) -> tuple[Schedule | None, str]:
    """Give what an action itself says of sessions (None: nothing), and what of it is not understood."""
    if any(each.startswith("timing") for each in action):
        return EVERY_SESSION, "a timing by the calendar does not count sessions"
    if _list(action, "relatedAction"):
        return EVERY_SESSION, "an order between actions is not understood"
    conditions = _list(action, "condition")
    if not conditions:
        return None, ""
    if len(conditions) > 1:
        return EVERY_SESSION, "more than one condition"
    schedule = _read_condition(conditions[0])
    return (schedule, "") if schedule else (EVERY_SESSION, "its condition is not one of sessions")


def _read_condition(condition: object) -> Schedule | None:
    if not isinstance(condition, Mapping) or condition.get("kind") != "applicability":
        return None
    expression = condition.get("expression")
    if not isinstance(expression, Mapping) or expression.get("language") != "text/fhirpath":
        return None
    found = _CONDITION.fullmatch(" ".join(str(expression.get("expression")).split()))
    if found is None:
        return None
    first = found["first"].replace(" | ", ",")
    if found["every"] and {found["last"], found["since"]} != {first.split(",")[-1]}:
        return None
    try:
        return Schedule.parse(f"{first},+{found['every']}" if found["every"] else first)
    except ValueError:
        return None


def _list(resource: Mapping[str, object], name: str) -> list[object]:
    given = resource.get(name)
    return given if isinstance(given, list) else []


def addresses_of(catalogue: Catalogue, rater: str, age: Age | None = None) -> tuple[str, ...]:
    """Give the addresses of the forms that a kind of rater answers about a patient of this age; of all if none is for it.

    A plan may ask children and adolescents at different sessions; what is asked of the others is not due.
    """
    forms = [each for each in catalogue.all() if each.rater == rater]
    fitting = [each for each in forms if is_within(age, *each.age_years)]
    asked = fitting if any(each.fillable for each in fitting) else forms
    return tuple(each.canonical.partition("|")[0] for each in asked)


def problems_of(schedule: object, catalogue: Catalogue) -> tuple[str, ...]:
    """Say what of a site's schedule cannot be gone by: what was not understood, and forms that are not installed."""
    if not isinstance(schedule, Plan):
        return ()
    other = [_other_version(each.canonical, catalogue.nearest(each.canonical)) for each in schedule.rules]
    return (*schedule.problems, *filter(None, other))


def _other_version(canonical: str, found: Instrument | None) -> str:
    if found is None:
        return f"{canonical} is not installed"
    return f"{canonical} stands here as {found.canonical}" if canonical not in _names(found) else ""


def _names(found: Instrument) -> tuple[str, str]:
    return found.canonical, found.canonical.partition("|")[0]
