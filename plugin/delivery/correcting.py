"""Brings a later version of a response to what stands of it in the record: changed where it stands, never written beside it.

What stands where is told by the addresses that the EHR gave, else by a search for our identifiers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from plugin.delivery.capability import JsonObject
from plugin.delivery.keep import Record
from plugin.delivery.lookup import Lookup, Unverifiable
from plugin.ehr import BadAnswer, Ehr, EhrRefused, NotFound, NotPermitted
from questionnaires.datatypes import read_decimal

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)  # 1.50 stays 1.50
_encoder = msgspec.json.Encoder(decimal_format="number")
_REFUSALS = (EhrRefused, NotPermitted, NotFound)
Fits = Callable[[JsonObject], bool]


class NotCorrected(NotPermitted):
    """Something in the record could not be changed: a person must do it in the chart. `locations` stand there all the same."""

    def __init__(self, message: str, locations: tuple[str, ...]) -> None:
        super().__init__(message)
        self.locations = locations


@dataclass(slots=True)
class Correction:
    """One version on its way to what stands in the record. `updates` are the types that may be changed there."""

    ehr: Ehr
    record: Record
    lookup: Lookup
    updates: frozenset[str]
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    reason: str = ""
    _read: dict[str, JsonObject] = field(default_factory=dict)

    async def find(self, kind: str, identifier: str, fits: Fits | None = None) -> str | None:
        """Find what stands in the record of one of our resources; None if nothing does."""
        ours = fits or (lambda found: _has(found, identifier))
        known = [each for each in self.record.locations if each.startswith(f"{kind}/")]
        for location in known:
            found = await self._look_at(location)
            if found is not None and ours(found):
                return location
        try:
            return await self.lookup.by_identifier(kind, identifier)
        except Unverifiable:
            if known or not self.record.locations:
                raise
            return None  # the EHR never took this type: nothing of it can stand there

    async def change(
        self, kind: str, location: str, resource: bytes | JsonObject, otherwise: JsonObject | None = None
    ) -> bool:
        """Replace what stands there, by `otherwise` if it is not taken; note it and give False if the EHR lets us do neither."""
        if kind not in self.updates:
            self.leave(location, f"The EHR, or the scopes it granted, takes no change of {kind}.")
            return False
        own_id, reason = location.partition("/")[2], ""
        for each in (resource, otherwise):
            if each is None:
                continue
            body = _decoder.decode(each) if isinstance(each, bytes) else each
            try:
                await self.ehr.update(_encoder.encode({**body, "id": own_id}), location)
            except _REFUSALS as error:
                reason = reason or str(error)
            else:
                self.changed.append(location)
                return True
        self.leave(location, reason)
        return False

    async def withdraw(self, kind: str, location: str, status: str = "entered-in-error") -> bool:
        """Mark what stands there as it stands, but for its status."""
        found = await self._look_at(location)
        if found is not None and found.get("status") == status:
            return True
        return await self.change(kind, location, {**(found or {"resourceType": kind}), "status": status})

    def leave(self, location: str, reason: str) -> None:
        """Note that something stands there uncorrected."""
        self.left.append(location)
        self.reason = self.reason or reason

    def finish(self, locations: Iterable[str] = ()) -> None:
        """NotCorrected if anything was left; `locations` is what stands there."""
        if self.left:
            raise NotCorrected(
                f"{self.reason} Correct it by hand in the chart: {', '.join(self.left)}. Rapport itself shows it corrected.",
                tuple(locations),
            )

    async def _look_at(self, location: str) -> JsonObject | None:
        if location not in self._read:
            try:
                self._read[location] = await self.ehr.read(location)
            except (NotFound, NotPermitted, EhrRefused, BadAnswer):
                return None
        return self._read[location]


def with_response_status(body: bytes, record: Record) -> bytes:
    """Give the answers as they are sent for a later version: marked if they were entered in error, else as they came."""
    if not record.voided:
        return body
    resource = _decoder.decode(body)
    resource["status"] = "entered-in-error"
    return _encoder.encode(resource)


def _has(resource: Mapping[str, object], identifier: str) -> bool:
    value = resource.get("identifier")
    listed = value if isinstance(value, list) else [value]
    return any(
        isinstance(each, dict) and f"{each.get('system', '')}|{each.get('value', '')}" == identifier
        for each in listed
    )
