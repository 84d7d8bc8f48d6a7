"""Reads when a patient took which medicine out of MedicationRequest and MedicationStatement. Pure, and lenient: others' data.

A MedicationStatement says what is taken, a MedicationRequest what was ordered (FHIR R4, boundaries of MedicationStatement):
where both tell of the same days, the statement counts; one that says it is not taken outweighs the order.
`dispenseRequest.validityPeriod` is when a prescription goes stale, not when it is taken, and is never read. Which medicine it
is stands in the resource itself, in a Medication that it contains, or in one that it refers to (`medication[x]`), as servers
of US Core may do.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, tzinfo
from itertools import groupby
from typing import TypeVar

import msgspec

from plugin.days import Born, born_written, day_written

JsonObject = dict[str, object]
_Read = TypeVar("_Read", bound=msgspec.Struct)

# FHIR R4 medication-statement-status and medicationrequest-status: what was, or is, taken or ordered for taking.
_TAKEN = {"active", "completed", "stopped", "on-hold"}
_ID = r"[A-Za-z0-9\-.]{1,64}"  # FHIR R4
_MEDICATION = re.compile(rf"(Medication/{_ID})(?:/_history/{_ID})?")  # FHIR R4: a relative reference
_NOTHING: Mapping[str, JsonObject] = {}
_NOT_TAKEN = "not-taken"  # of a MedicationStatement alone
_ORDERS = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}


@dataclass(frozen=True, slots=True)
class Course:
    """A medicine from a day to a day. `start` or `end` is None where the record does not say; `ongoing` has no end.

    `name` is empty where it could not be read. `codes` are its codings, (system, code). `about` is a start that is known to a
    month or a year alone.
    """

    name: str
    start: date | None
    end: date | None
    ongoing: bool
    codes: tuple[tuple[str, str], ...] = ()
    about: Born | None = None

    @property
    def is_reversed(self) -> bool:
        """Whether its end lies before its start: the record says both, and one cannot be right."""
        return self.start is not None and self.end is not None and self.end < self.start

    def covers(self, day: date) -> bool | None:
        """Tell whether it was taken on a day; None where the record does not say when it began or ended, or cannot be right."""
        if self.is_reversed:
            return None
        if (self.start is not None and self.start > day) or (self.end is not None and self.end < day):
            return False
        known = self.start is not None and (self.ongoing or self.end is not None)
        return True if known else None


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""
    display: str | None = None


class _Concept(msgspec.Struct):
    coding: tuple[_Coding, ...] = ()
    text: str | None = None


class _Reference(msgspec.Struct):
    reference: str = ""
    display: str | None = None


class _Content(msgspec.Struct):
    """A Medication."""

    id: str = ""
    code: _Concept = msgspec.field(default_factory=_Concept)


class _Period(msgspec.Struct):
    start: str | None = None
    end: str | None = None


class _Repeat(msgspec.Struct, rename="camel"):
    bounds_period: _Period = msgspec.field(default_factory=_Period)


class _Timing(msgspec.Struct):
    repeat: _Repeat = msgspec.field(default_factory=_Repeat)


class _Dosage(msgspec.Struct):
    timing: _Timing = msgspec.field(default_factory=_Timing)


class _Medication(msgspec.Struct, rename="camel"):
    """Both resources at once: each leaves the other's elements out."""

    resource_type: str = ""
    status: str = ""
    intent: str = "order"
    do_not_perform: bool = False
    medication_codeable_concept: _Concept = msgspec.field(default_factory=_Concept)
    medication_reference: _Reference = msgspec.field(default_factory=_Reference)
    contained: tuple[JsonObject, ...] = ()
    authored_on: str | None = None
    dosage_instruction: tuple[_Dosage, ...] = ()
    effective_period: _Period = msgspec.field(default_factory=_Period)
    effective_date_time: str | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    key: str
    is_statement: bool
    course: Course
    is_taken: bool = True


def referred(resources: Iterable[JsonObject], base: str = "") -> tuple[str, ...]:
    """Give the Medications of the server at `base` that are to be read before the courses are: `Medication/17`, each once.

    Those first that have no words beside the reference.
    """
    found = (_converted(raw, _Medication) for raw in resources)
    references = [
        each.medication_reference for each in found if each and not _is_told(each.medication_codeable_concept)
    ]
    references.sort(key=lambda each: bool(each.display))
    own = dict.fromkeys(_on_server(each.reference, base) for each in references)
    return tuple(each for each in own if each is not None)


def read_courses(
    resources: Iterable[JsonObject],
    zone: tzinfo,
    medicines: Mapping[str, JsonObject] = _NOTHING,
    base: str = "",
) -> tuple[Course, ...]:
    """Give the courses among MedicationRequests and MedicationStatements, earliest first, their days by the site's zone.

    `medicines` are the Medications of the server at `base` that others refer to, as `referred` names them. Unreadable
    orders and statements are left out.
    """
    found = (_read(raw, zone, medicines, base) for raw in resources)
    told = sorted((each for each in found if each), key=lambda each: each.key)
    courses: list[Course] = []
    for _, group in groupby(told, key=lambda each: each.key):
        each_told = list(group)
        statements = [each.course for each in each_told if each.is_statement and each.is_taken]
        denied = [each.course for each in each_told if not each.is_taken]
        ordered = [each.course for each in each_told if not each.is_statement]
        courses += _join([*statements, *(each for each in ordered if _counts(each, statements, denied))])
    return tuple(sorted(courses, key=lambda each: (each.start or date.min, each.name)))


def _read(raw: JsonObject, zone: tzinfo, medicines: Mapping[str, JsonObject], base: str) -> _Told | None:
    found = _converted(raw, _Medication)
    if found is None:
        return None
    own, reference = found.medication_codeable_concept, found.medication_reference.reference
    if not _is_told(own) and not reference and not found.medication_reference.display:
        return None  # it names no medicine at all
    place = _on_server(reference, base) or reference
    concept = own if _is_told(own) else _concept(place, found.contained, medicines)
    name, key = _name(concept, found.medication_reference, place)
    is_statement = found.resource_type == "MedicationStatement"
    is_taken = not (is_statement and found.status == _NOT_TAKEN)
    if (is_taken and found.status not in _TAKEN) or found.do_not_perform:
        return None
    if is_statement:
        start, end = found.effective_period.start or found.effective_date_time, found.effective_period.end
    elif found.resource_type == "MedicationRequest" and found.intent in _ORDERS:
        bounds = next((each.timing.repeat.bounds_period for each in found.dosage_instruction), _Period())
        start, end = bounds.start or found.authored_on, bounds.end
    else:
        return None
    first, last = day_written(start, zone), day_written(end, zone)
    if not is_statement and not bounds.start and first and last and last < first:
        first, start = None, None  # it was written down after the end: that is no start
    ongoing = found.status == "active" and last is None
    coded = tuple((each.system, each.code) for each in concept.coding if each.code)
    course = Course(name, first, last, ongoing, coded, None if first else born_written(start))
    return _Told(key, is_statement, course, is_taken)


def _counts(ordered: Course, statements: Iterable[Course], denied: Iterable[Course]) -> bool:
    """Tell whether an order adds to what statements say: not where one tells of its days, or says that it is not taken."""
    is_after = all(
        each.end is not None and ordered.start is not None and ordered.start > each.end for each in statements
    )
    return is_after and not _is_denied(ordered, denied)


def _is_denied(ordered: Course, denied: Iterable[Course]) -> bool:
    """Tell whether a statement says that an order is not taken; one whose days were over before the order does not."""
    return any(each.end is None or ordered.start is None or ordered.start <= each.end for each in denied)


def _on_server(reference: str, base: str) -> str | None:
    """Give a reference to a Medication of this server as `Medication/17`, the latest version of it; None for any other."""
    relative = reference.removeprefix(f"{base}/") if base else reference
    found = _MEDICATION.fullmatch(relative)
    return found[1] if found else None


def _concept(
    reference: str, contained: Iterable[JsonObject], medicines: Mapping[str, JsonObject]
) -> _Concept:
    """Give what the resource says that is referred to; without codes and words if it cannot be had."""
    inner, _, fragment = reference.partition("#")
    if inner:
        content = _converted(medicines.get(reference, {}), _Content)
    else:
        own = (_converted(raw, _Content) for raw in contained)
        content = next((each for each in own if each and fragment and each.id == fragment), None)
    return content.code if content else _Concept()


def _is_told(concept: _Concept) -> bool:
    return bool(concept.text) or any(each.code or each.display for each in concept.coding)


def _converted(raw: JsonObject, kind: type[_Read]) -> _Read | None:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        return None


def _name(concept: _Concept, reference: _Reference, place: str) -> tuple[str, str]:
    """Give what a medicine is called, empty if nobody says, and what tells that two are the same."""
    coding = next((each for each in concept.coding if each.code), _Coding())
    name = concept.text or coding.display or reference.display or coding.code
    own = (
        "" if place.startswith("#") else place
    )  # the first that an order contains is often `#1`, whatever it is
    return name, (f"{coding.system}|{coding.code}" if coding.code else own or name.casefold())


def _join(courses: list[Course]) -> list[Course]:
    """Make one course of those that overlap; an order without an end is taken to last until the next of its medicine.

    One whose end lies before its start stands alone.
    """
    odd = [each for each in courses if each.is_reversed]
    joined: list[Course] = []
    for each in sorted(
        (each for each in courses if not each.is_reversed), key=lambda one: one.start or date.min
    ):
        before = joined[-1] if joined else None
        if before is None or (before.end is not None and each.start is not None and each.start > before.end):
            joined.append(each)
            continue
        ongoing = before.ongoing or each.ongoing
        ends = [one.end for one in (before, each) if one.end is not None]
        end = None if ongoing or len(ends) < 2 else max(ends)
        codes = tuple(dict.fromkeys((*before.codes, *each.codes)))
        about = before.about or each.about
        joined[-1] = Course(before.name or each.name, before.start, end, ongoing, codes, about)
    return [*joined, *dict.fromkeys(odd)]
