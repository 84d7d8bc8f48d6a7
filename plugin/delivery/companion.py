"""Writes into a companion FHIR server beside the EHR, with Rapport's own token (SMART Backend Services).

The EHR's patient is not there: the companion gets a Patient that holds nothing but where the patient is known, and
everything refers to it. Other people and encounters of the EHR are named by identifier.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from plugin.delivery.capability import Capability, JsonObject
from plugin.delivery.correcting import NotCorrected, NotShown, RefusedInPart
from plugin.delivery.keep import Record
from plugin.delivery.writers import Writer, Written, choose_writer
from plugin.ehr import BadAnswer, Ehr, EhrError, EhrUnavailable, NotPermitted, OutcomeUnknown, TokenRefused
from plugin.observations import Results
from plugin.observations.build import identifier_query
from questionnaires.datatypes import read_decimal
from smart_launch import Scopes

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)  # 1.50 stays 1.50
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Companion:
    """An open door to the companion: its client, what it declares, what the token allows.

    `one_at_a_time` keeps two deliveries from making the same Patient twice: conditional creation alone does not.
    """

    ehr: Ehr
    capability: Capability
    granted: Scopes
    one_at_a_time: asyncio.Lock


Connect = Callable[[], Awaitable[Companion]]
"""Opens the companion; an EhrError if it cannot be reached or gives no token."""


@dataclass(frozen=True, slots=True)
class CompanionWriter:
    """The standard writers, on the companion. `home` is the FHIR base of the EHR that the record belongs to."""

    connect: Connect
    home: str

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:  # noqa: ARG002 -- not the EHR's
        """Write there; errors speak of the companion."""
        base = ""
        try:
            companion = await self.connect()
            writer = self._choose(companion)
            async with companion.one_at_a_time:
                patient = await self._patient(companion, record.patient)
            base = f"{companion.ehr.base}/"
            there = tuple(each.removeprefix(base) for each in record.locations if each.startswith(base))
            moved = replace(relocate(record, patient, self.home), locations=there)
            written = await writer.write(companion.ehr, moved, look_first=look_first)
        except EhrError as error:
            raise _of_companion(error, base) from None
        return Written(tuple(f"{companion.ehr.base}/{each}" for each in written.locations), written.left_out)

    def _choose(self, companion: Companion) -> Writer:
        writer = choose_writer(companion.capability, companion.granted)
        if writer is None:
            raise NotPermitted("It accepts neither QuestionnaireResponse nor Observation.")
        return writer

    async def _patient(self, companion: Companion, reference: str) -> str:
        """Find the companion's Patient of an EHR's patient, or make it."""
        identifier = f"{self.home}|{reference}"
        for found in await companion.ehr.search("Patient", {"identifier": identifier}):
            if {"system": self.home, "value": reference} in _identifiers(found):
                return f"Patient/{found['id']}"
        body: JsonObject = {
            "resourceType": "Patient",
            "identifier": [{"system": self.home, "value": reference}],
        }
        conditional = "Patient" in companion.capability.conditional
        condition = identifier_query(identifier) if conditional else None
        created = await companion.ehr.create(_encoder.encode(body), "Patient", if_none_exist=condition)
        return created.location


def relocate(record: Record, patient: str, home: str) -> Record:
    """Make the record fit another server: its patient is `patient`, whoever else it names is named by identifier."""

    def move(body: bytes) -> bytes:
        return _encoder.encode(_moved(_decoder.decode(body), (record.patient, patient, home)))

    results = record.results
    moved = Results(
        panel=move(results.panel),
        scores=tuple(map(move, results.scores)),
        provenance=move(results.provenance),
        identifiers=results.identifiers,
    )
    # The companion is given the response too, wherever it was collected.
    return replace(
        record,
        patient=patient,
        encounter=None,
        body=move(record.body),
        results=moved,
        collected=None,
    )


def _moved(value: Any, places: tuple[str, str, str]) -> Any:
    if isinstance(value, list):
        return [_moved(each, places) for each in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("reference")
    if isinstance(reference, str) and not reference.startswith(("urn:", "#")):
        return _refer(reference, places)
    return {name: _moved(each, places) for name, each in value.items()}


def _refer(reference: str, places: tuple[str, str, str]) -> JsonObject:
    own, there, home = places
    relative = reference.removeprefix(f"{home}/")
    if relative == own:
        return {"reference": there}
    return {"type": relative.partition("/")[0], "identifier": {"system": home, "value": relative}}


def _identifiers(resource: JsonObject) -> list[JsonObject]:
    value = resource.get("identifier")
    listed = value if isinstance(value, list) else []
    return [
        {"system": each.get("system"), "value": each.get("value")}
        for each in listed
        if isinstance(each, dict)
    ]


def _of_companion(error: EhrError, base: str) -> EhrError:
    """Say of an error that the companion is meant; what to do about it stays the same."""
    message = f"Companion server: {error}"
    match error:
        case EhrUnavailable(retry_after=seconds):
            return EhrUnavailable(message, seconds)
        case NotShown() | NotCorrected() | RefusedInPart():
            return type(error)(message, tuple(f"{base}{each}" for each in error.locations))
        case OutcomeUnknown() | BadAnswer():
            return OutcomeUnknown(message)
        case TokenRefused():
            return EhrUnavailable(message)  # the clinician's sign-in does not help here: it is tried again
        case _:
            return NotPermitted(message)
