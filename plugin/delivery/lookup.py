"""Finds in the record what an earlier attempt may have left there, by what the EHR lets us search.

Not every EHR searches by identifier (MEDITECH, eClinicalWorks and Oracle Health do not declare it for the types
we write), and one that ignores an unknown parameter answers with somebody else's resource: whatever is found is
compared here before it counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from plugin.delivery.capability import JsonObject
from plugin.delivery.keep import Record
from plugin.ehr import Ehr, EhrRefused, NotFound, NotPermitted

_DATE_OF = {"QuestionnaireResponse": "authored", "Observation": "date", "DocumentReference": "date"}
_MARGIN = timedelta(days=1)  # an EHR may round to days or lose the time zone


class Unverifiable(NotPermitted):
    """Whether an earlier attempt reached the record cannot be found out: a person has to look."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"An earlier attempt may have written the {kind}, and the EHR does not let us search for it: "
            "look into the chart before sending it again."
        )


@dataclass(frozen=True, slots=True)
class Lookup:
    """Searches one patient's record for what was written at one time, or between two."""

    ehr: Ehr
    searches: Mapping[str, frozenset[str]]
    patient: str
    when: datetime
    until: datetime | None = None

    @classmethod
    def of(cls, ehr: Ehr, searches: Mapping[str, frozenset[str]], record: Record) -> "Lookup":
        """Search for what any version of a response may have left."""
        first, last = record.times
        return cls(ehr, searches, record.patient, first, last)

    async def by_identifier(self, kind: str, identifier: str) -> str | None:
        """Give the reference of the resource with this identifier (`system|value`); Unverifiable if nobody can tell."""
        declared = self.searches.get(kind)
        if declared is None or "identifier" in declared:
            parameters: dict[str, str | Sequence[str]] = {"identifier": identifier}
        else:
            parameters = self._of_that_day(kind, declared)
        return await self._first(kind, parameters, lambda found: identifier in _identifiers(found))

    async def all_by_identifier(self, kind: str, identifier: str) -> tuple[str, ...]:
        """Give the references of all resources with this identifier; none where the EHR does not search by it."""
        if "identifier" not in self.searches.get(kind, ()):
            return ()
        found = await self._find(
            kind, {"identifier": identifier}, lambda each: identifier in _identifiers(each)
        )
        return tuple(found)

    async def reading(self, body: JsonObject) -> str | None:
        """Give the reference of an Observation with the same code, time and value (EHRs drop flowsheet identifiers)."""
        declared = self.searches.get("Observation") or frozenset()
        parameters = self._of_that_day("Observation", declared)
        if "code" in declared:
            parameters["code"] = "|".join(_codes(body)[0])
        return await self._first("Observation", parameters, lambda found: _same_reading(found, body))

    def _of_that_day(self, kind: str, declared: frozenset[str]) -> dict[str, str | Sequence[str]]:
        parameters: dict[str, str | Sequence[str]] = {"patient": self.patient.rpartition("/")[2]}
        date = _DATE_OF[kind]
        if date in declared:
            # Oracle Health takes a closed range only; Medplum refuses partial dates.
            parameters[date] = (
                f"ge{_instant(self.when - _MARGIN)}",
                f"lt{_instant((self.until or self.when) + _MARGIN)}",
            )
        return parameters

    async def _first(
        self, kind: str, parameters: Mapping[str, str | Sequence[str]], is_ours: Callable[[JsonObject], bool]
    ) -> str | None:
        return next(iter(await self._find(kind, parameters, is_ours)), None)

    async def _find(
        self, kind: str, parameters: Mapping[str, str | Sequence[str]], is_ours: Callable[[JsonObject], bool]
    ) -> list[str]:
        try:
            found = await self.ehr.search(kind, parameters)
        except (EhrRefused, NotPermitted, NotFound):
            raise Unverifiable(kind) from None
        return [
            f"{kind}/{each['id']}"
            for each in found
            if each.get("resourceType") == kind and isinstance(each.get("id"), str) and is_ours(each)
        ]


def _identifiers(resource: JsonObject) -> set[str]:
    value = resource.get("identifier")
    listed = value if isinstance(value, list) else [value]
    return {f"{each.get('system', '')}|{each.get('value', '')}" for each in listed if isinstance(each, dict)}


def _codes(resource: JsonObject) -> list[tuple[str, str]]:
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    listed = codings if isinstance(codings, list) else []
    return [
        (str(each.get("system", "")), str(each.get("code", ""))) for each in listed if isinstance(each, dict)
    ]


def same_place(found: JsonObject, wanted: JsonObject) -> bool:
    """Tell whether two readings have the same code and time, whatever their values."""
    return bool(set(_codes(found)) & set(_codes(wanted))) and _time(found) == _time(wanted)


def _same_reading(found: JsonObject, wanted: JsonObject) -> bool:
    return same_place(found, wanted) and _number(found) == _number(wanted)


def _time(resource: JsonObject) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(resource.get("effectiveDateTime", "")))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(resource: JsonObject) -> float | None:
    quantity = resource.get("valueQuantity")
    value = quantity.get("value") if isinstance(quantity, dict) else None
    return float(value) if isinstance(value, int | float | Decimal) else None


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
