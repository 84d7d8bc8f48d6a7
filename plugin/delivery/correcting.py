"""Brings a later version of a response to what stands of it in the record: changed where it stands, never written beside it.

What stands where is told by the addresses that the EHR gave, else by a search for our identifiers.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from plugin.delivery.capability import JsonObject
from plugin.delivery.keep import Record
from plugin.delivery.lookup import Lookup, Unverifiable
from plugin.delivery.standing import has_arrived, stands_as
from plugin.ehr import BadAnswer, Ehr, EhrRefused, NotFound, NotPermitted, OutcomeUnknown
from questionnaires.datatypes import read_decimal

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)  # 1.50 stays 1.50
_encoder = msgspec.json.Encoder(decimal_format="number")
_REFUSALS = (EhrRefused, NotPermitted, NotFound)
_VERSION = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_CHANGED = 412  # it is not what was read any more; HAPI, and others as before R4, say 409
_MOST_TURNS = 4
_WITHDRAWN = "entered-in-error"
Fits = Callable[[JsonObject], bool]


class NotWhole(NotPermitted):
    """What was to stand in the record does not, or not as it should: a person must act. `locations` stand there all the same."""

    def __init__(self, message: str, locations: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.locations = locations


class NotCorrected(NotWhole):
    """Something in the record could not be changed: a person must do it in the chart."""


class NotShown(OutcomeUnknown):
    """The EHR answered a change as if it were done, and does not show it; `locations` stand there all the same."""

    def __init__(self, message: str, locations: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.locations = locations


class InTheWay(NotWhole):
    """Something else stood in the way of a creation (HTTP 409): the same may be taken, or be found there, a little later."""

    status = 409


class RefusedInPart(NotWhole):
    """The EHR takes such resources and refused the response or some of its Observations for what they hold."""


@dataclass(slots=True)
class Correction:
    """One version on its way to what stands in the record.

    `updates` are the types that may be changed there, `versioned` those that are changed only as they were read (If-Match).
    """

    ehr: Ehr
    record: Record
    lookup: Lookup
    updates: frozenset[str]
    versioned: frozenset[str] = frozenset()
    told: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    reason: str = ""
    _read: dict[str, JsonObject] = field(default_factory=dict)

    async def find(self, kind: str, identifier: str, fits: Fits | None = None) -> str | None:
        """Find what stands in the record of one of our resources; None if nothing does."""
        ours = fits or (lambda found: _has(found, identifier))
        known = [each for each in self.record.locations if each.startswith(f"{kind}/")]
        for location in known:
            found = await self._look_at(location)
            if found is not None and ours(found):
                await self._withdraw_doubles(kind, location, identifier)
                return location
        try:
            found_there = await self.lookup.by_identifier(kind, identifier)
        except Unverifiable:
            if known or not self.record.locations:
                raise
            return None  # the EHR never took this type: nothing of it can stand there
        if found_there is not None:
            await self._withdraw_doubles(kind, found_there, identifier)
        return found_there

    async def _withdraw_doubles(self, kind: str, location: str, identifier: str) -> None:
        """Mark whatever else stands there under our identifier, however it came there: one of them is corrected."""
        try:
            alike = await self.lookup.all_by_identifier(kind, identifier)
        except Unverifiable:
            return
        for each in alike:
            if each not in {location, *self.record.locations} and await self.withdraw(kind, each):
                self.told.append(f"{each}: stood there beside {location}, marked as entered in error")

    async def change(
        self, kind: str, location: str, resource: bytes | JsonObject, otherwise: JsonObject | None = None
    ) -> bool:
        """Replace what stands there, by `otherwise` if it is not taken; note it and give False if the EHR lets us do neither."""
        if kind not in self.updates:
            self.leave(location, f"The EHR, or the scopes it granted, takes no change of {kind}.")
            return False
        reason = ""
        for each in (resource, otherwise):
            if each is None:
                continue
            body = _decoder.decode(each) if isinstance(each, bytes) else each
            refused = await self._put(kind, location, lambda _, body=body: body)  # type: ignore[misc]  # bound now
            if refused is None:
                return True
            reason = reason or refused
        self.leave(location, reason)
        return False

    async def change_if_other(self, kind: str, location: str, resource: bytes) -> bool:
        """Replace what a creation found there, unless it is this already; as `change`."""
        found = await self._look_at(location)
        if found is not None and stands_as(_decoder.decode(resource), found):
            return True
        return await self.change(kind, location, resource)

    async def withdraw(self, kind: str, location: str, status: str = "entered-in-error") -> bool:
        """Mark what stands there as it stands, but for its status."""
        found = await self._look_at(location)
        if found is not None and found.get("status") == status:
            return True
        if kind not in self.updates:
            return await self.change(kind, location, {})
        refused = await self._put(
            kind, location, lambda there: {**(there or {"resourceType": kind}), "status": status}
        )
        if refused is not None:
            self.leave(location, refused)
        return refused is None

    async def _put(
        self, kind: str, location: str, build: Callable[[JsonObject | None], JsonObject]
    ) -> str | None:
        """Replace what stands there by what is built from it; the reason, if it is not taken.

        Where the EHR knows versions, nobody else's change is overwritten unseen: it is read again, and the correction
        is tried again unless a person has withdrawn it meanwhile.
        """
        for turn in range(_MOST_TURNS):
            versioned = kind in self.versioned
            found = await self._look_at(location) if versioned else self._read.get(location)
            version = _version_of(found) if versioned else None
            body = {**build(found), "id": location.partition("/")[2]}
            try:
                answered = await self.ehr.update(_encoder.encode(body), location, if_match=version)
            except EhrRefused as error:
                if not error.is_conflict and (error.status != _CHANGED or version is None):
                    return str(error)
            except _REFUSALS as error:
                return str(error)
            else:
                return await self._see(location, body, answered, is_late=turn > 0)
            self._read.pop(location, None)
            now = await self._look_at(location)
            if now is None:
                return "Somebody changed it meanwhile, and it cannot be read again."
            if now.get("status") == _WITHDRAWN and body.get("status") != _WITHDRAWN:
                return "Somebody marked it as entered in error meanwhile."
        return f"Somebody else kept changing it: {_MOST_TURNS} corrections in a row came too late."

    async def _see(
        self, location: str, body: JsonObject, answered: JsonObject | None, *, is_late: bool
    ) -> str | None:
        """Note whether a change that was answered well stands there; the reason, if the EHR does not let us see it."""
        before = self._read.pop(location, None)
        if answered is None or not has_arrived(body, answered, before):
            try:
                answered = await self.ehr.read(location)
            except (NotPermitted, EhrRefused):
                return "The EHR does not show whether it took the change."
            except (NotFound, BadAnswer):
                answered = {}
            if not has_arrived(body, answered, before):
                self.unsure.append(location)
                return None
        self.changed.append(location)
        if is_late:
            self.told.append(f"{location}: somebody changed it meanwhile; read again, then corrected")
        return None

    def leave(self, location: str, reason: str) -> None:
        """Note that something stands there uncorrected."""
        self.left.append(location)
        self.reason = self.reason or reason

    def finish(self, locations: Iterable[str] = ()) -> None:
        """NotCorrected if anything was left, NotShown as `check_arrived`; `locations` is what stands there."""
        self.check_arrived(locations)
        if self.left:
            raise NotCorrected(
                f"{self.reason} Correct it by hand in the chart: {', '.join(self.left)}. Rapport itself shows it corrected.",
                tuple(locations),
            )

    def check_arrived(self, locations: Iterable[str] = ()) -> None:
        """NotShown if the EHR answered a change as if it were done, and the record does not show it."""
        if self.unsure:
            places = ", ".join(self.unsure)
            what = f"The EHR said that it changed these, and does not show it: {places}."
            raise NotShown(what, tuple(locations) or tuple(self.unsure))

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


def _version_of(resource: JsonObject | None) -> str | None:
    meta = (resource or {}).get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else None


def _has(resource: Mapping[str, object], identifier: str) -> bool:
    value = resource.get("identifier")
    listed = value if isinstance(value, list) else [value]
    return any(
        isinstance(each, dict) and f"{each.get('system', '')}|{each.get('value', '')}" == identifier
        for each in listed
    )
