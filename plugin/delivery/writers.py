"""The ways to put a response and its results into a record."""

from dataclasses import dataclass
from typing import Protocol

import msgspec

from plugin.delivery.keep import Record
from plugin.ehr import Ehr
from plugin.observations.build import IDENTIFIER_SYSTEM, build_bundle, full_url, identifier_query
from smart_launch import Scopes

JsonObject = dict[str, object]

RESPONSE, OBSERVATION, PROVENANCE = "QuestionnaireResponse", "Observation", "Provenance"


_SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"


@dataclass(frozen=True, slots=True)
class Capability:
    """What an EHR declares: transactions, and per resource type creation and conditional creation."""

    transaction: bool
    creates: frozenset[str]
    conditional: frozenset[str]


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in the record now: references, and what was left out and why."""

    locations: tuple[str, ...]
    left_out: tuple[str, ...] = ()


class Writer(Protocol):
    """A way to write one record into one EHR."""

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Write; with `look_first`, find out what an earlier attempt left there and write only what is missing."""


class _Identified(msgspec.Struct):
    identifier: object = None


class _Interaction(msgspec.Struct):
    code: str = ""


class _Resource(msgspec.Struct):
    type: str = ""
    interaction: tuple[_Interaction, ...] = ()
    conditionalCreate: bool = False  # noqa: N815 -- FHIR's element name


class _Rest(msgspec.Struct):
    mode: str = "server"
    resource: tuple[_Resource, ...] = ()
    interaction: tuple[_Interaction, ...] = ()


class _Statement(msgspec.Struct):
    rest: tuple[_Rest, ...] = ()


def read_capability(statement: JsonObject) -> Capability:
    """Read a CapabilityStatement; what it does not say is taken as not offered."""
    try:
        rests = [rest for rest in msgspec.convert(statement, _Statement).rest if rest.mode == "server"]
    except msgspec.ValidationError:
        rests = []
    resources = [resource for rest in rests for resource in rest.resource]
    return Capability(
        transaction=any(each.code == "transaction" for rest in rests for each in rest.interaction),
        creates=frozenset(r.type for r in resources if any(each.code == "create" for each in r.interaction)),
        conditional=frozenset(r.type for r in resources if r.conditionalCreate),
    )


def can_write(granted: Scopes) -> bool:
    """Tell whether a token may write answers or results at all."""
    return _can_create(RESPONSE, granted) or _can_create(OBSERVATION, granted)


def _can_create(kind: str, granted: Scopes) -> bool:
    return granted.allows(kind, "c", category=_SURVEY) if kind == OBSERVATION else granted.allows(kind, "c")


def choose_writer(capability: Capability, granted: Scopes) -> Writer | None:
    """Choose by what the EHR declares and the token allows; None if neither answers nor results can be created."""
    creates = frozenset(
        kind
        for kind in (RESPONSE, OBSERVATION, PROVENANCE)
        if kind in capability.creates and _can_create(kind, granted)
    )
    if RESPONSE not in creates and OBSERVATION not in creates:
        return None
    conditional = capability.conditional >= {RESPONSE, OBSERVATION}
    if capability.transaction and {RESPONSE, OBSERVATION} <= creates:
        return TransactionWriter(conditional=conditional, provenance=PROVENANCE in creates)
    return SequenceWriter(creates=creates, conditional=conditional)


@dataclass(frozen=True, slots=True)
class TransactionWriter:
    """Everything in one transaction Bundle: all of it stands in the record, or nothing."""

    conditional: bool
    provenance: bool

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Write the Bundle, unless an earlier one is found in the record."""
        if look_first and (found := await _find_all(ehr, record)):
            return Written(found, self._left_out())
        bundle = build_bundle(
            record.id,
            record.identifier,
            forwarded(record),
            record.results,
            conditional=self.conditional,
            provenance=self.provenance,
        )
        results = await ehr.transact(bundle)
        return Written(tuple(result.location for result in results if result.location), self._left_out())

    def _left_out(self) -> tuple[str, ...]:
        return () if self.provenance else ("Provenance: not accepted here, kept in Rapport",)


@dataclass(frozen=True, slots=True)
class SequenceWriter:
    """One create after another, for EHRs without transactions; each looked up before it is repeated."""

    creates: frozenset[str]
    conditional: bool

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Create the response, the scores, the panel and the Provenance, as far as the EHR takes them."""
        addresses: dict[str, str] = {}
        results = record.results
        panel_identifier, *score_identifiers = results.identifiers
        steps = [(RESPONSE, record.id, record.identifier, forwarded(record))]
        for value, body in zip(score_identifiers, results.scores, strict=True):
            steps.append((OBSERVATION, value, f"{IDENTIFIER_SYSTEM}|{value}", body))
        # Members before the panel: its references must exist when it is created.
        steps.append(
            (OBSERVATION, panel_identifier, f"{IDENTIFIER_SYSTEM}|{panel_identifier}", results.panel)
        )
        for kind, value, identifier, body in steps:
            if kind in self.creates:
                resource = _with_addresses(body, addresses)
                addresses[full_url(value)] = await self._create(
                    ehr, kind, identifier, resource, look_first=look_first
                )
        if PROVENANCE in self.creates and not look_first:
            # R4 Provenance has no identifier to find it by: written on an undisturbed first attempt only.
            created = await ehr.create(
                _with_addresses(results.provenance, addresses), PROVENANCE, if_none_exist=None
            )
            addresses[full_url(f"{record.id}/provenance")] = created.location
        left_out = sorted({RESPONSE, OBSERVATION, PROVENANCE} - self.creates)
        return Written(
            tuple(addresses.values()),
            tuple(f"{kind}: not accepted here, kept in Rapport" for kind in left_out),
        )

    async def _create(self, ehr: Ehr, kind: str, identifier: str, body: bytes, *, look_first: bool) -> str:
        if look_first and (found := await _find(ehr, kind, identifier)):
            return found
        condition = identifier_query(identifier) if self.conditional else None
        return (await ehr.create(body, kind, if_none_exist=condition)).location


def forwarded(record: Record) -> bytes:
    """Give the bytes that go to the EHR: the original ones, with our identifier spliced in if they had none."""
    if msgspec.json.decode(record.body, type=_Identified).identifier is not None:
        return record.body
    identifier = msgspec.json.encode({"system": IDENTIFIER_SYSTEM, "value": record.id})
    opening, rest = record.body.split(b"{", 1)
    return opening + b'{"identifier":' + identifier + b"," + rest


async def _find_all(ehr: Ehr, record: Record) -> tuple[str, ...]:
    response = await _find(ehr, RESPONSE, record.identifier)
    if response is None:
        return ()
    found = [
        await _find(ehr, OBSERVATION, f"{IDENTIFIER_SYSTEM}|{value}") for value in record.results.identifiers
    ]
    return (response, *(location for location in found if location))


async def _find(ehr: Ehr, kind: str, identifier: str) -> str | None:
    for resource in await ehr.search(kind, {"identifier": identifier}):
        if resource.get("resourceType") == kind and isinstance(resource.get("id"), str):
            return f"{kind}/{resource['id']}"
    return None


def _with_addresses(body: bytes, addresses: dict[str, str]) -> bytes:
    """Replace `urn:uuid:` references by the EHR's addresses; drop those to resources that it did not take."""
    for address, location in addresses.items():
        body = body.replace(f'"{address}"'.encode(), f'"{location}"'.encode())
    if b'"urn:uuid:' not in body:
        return body
    resource: JsonObject = msgspec.json.decode(body)
    for name in ("derivedFrom", "hasMember", "target"):
        references = resource.get(name)
        if isinstance(references, list):
            kept = [each for each in references if not str(each.get("reference", "")).startswith("urn:uuid:")]
            if kept:
                resource[name] = kept
            else:
                del resource[name]
    return msgspec.json.encode(resource)
