"""The standard ways to put a response and its results into a record: one transaction, or one create after another."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec

from plugin.delivery.capability import Capability, JsonObject, read_capability
from plugin.delivery.correcting import Correction, InTheWay, RefusedInPart, with_response_status
from plugin.delivery.keep import Record
from plugin.delivery.lookup import Lookup, Unverifiable
from plugin.ehr import Created, Ehr, EhrError, EhrRefused, NotFound, NotPermitted
from plugin.observations import Results
from plugin.observations.build import IDENTIFIER_SYSTEM, build_bundle, full_url, identifier_query
from questionnaires.datatypes import read_decimal
from smart_launch import Scopes

__all__ = [
    "Capability",
    "SequenceWriter",
    "TransactionWriter",
    "Writer",
    "Written",
    "can_create",
    "can_write",
    "choose_writer",
    "forwarded",
    "read_capability",
]

RESPONSE, OBSERVATION, PROVENANCE = "QuestionnaireResponse", "Observation", "Provenance"
STANDARD = frozenset({RESPONSE, OBSERVATION, PROVENANCE})
CATEGORY_SYSTEM = "http://terminology.hl7.org/CodeSystem/observation-category"

_NOT_SHARED = f"{RESPONSE}: the respondent did not agree that single answers are read, kept in Rapport"
_NOT_SHOWN = f"{RESPONSE}: the form said that single answers are shown to nobody, kept in Rapport"
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)  # 1.50 stays 1.50
_encoder = msgspec.json.Encoder(decimal_format="number")
_SEVERAL, _STOOD_THERE = 412, 200  # the answers to If-None-Exist
_SCORES_WAIT = "Its scores wait for it: they are not written without the answers that they come from."
_ONLY_A_PART = "The record holds only a part of the scores."
_NOTHING_STANDS = "Nothing of it stands in the record"
_Searches = Mapping[str, frozenset[str]]


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
    identifier: JsonObject | None = None


def can_write(granted: Scopes) -> bool:
    """Tell whether a token may write answers or results at all."""
    return can_create(RESPONSE, granted) or can_create(OBSERVATION, granted)


def can_create(kind: str, granted: Scopes, category: str = "survey") -> bool:
    """Tell whether a token may create resources of a kind (Observations: of a category)."""
    if kind == OBSERVATION:
        return granted.allows(kind, "c", category=f"{CATEGORY_SYSTEM}|{category}")
    return granted.allows(kind, "c")


def can_update(kind: str, granted: Scopes, category: str = "survey") -> bool:
    """Tell whether a token may change resources of a kind (Observations: of a category)."""
    if kind == OBSERVATION:
        return granted.allows(kind, "u", category=f"{CATEGORY_SYSTEM}|{category}")
    return granted.allows(kind, "u")


def choose_writer(
    capability: Capability,
    granted: Scopes,
    kinds: frozenset[str] = STANDARD,
    *,
    collected: bool = False,
) -> Writer | None:
    """Choose by what the EHR declares and the token allows; None if neither answers nor results can be created.

    `kinds` are those that the site wants written; `collected` says that the response is the EHR's own.
    """
    creates = frozenset(kind for kind in kinds if kind in capability.creates and can_create(kind, granted))
    if RESPONSE not in creates and OBSERVATION not in creates:
        return None
    conditional = capability.conditional >= {RESPONSE, OBSERVATION}
    sequence = SequenceWriter(
        creates=creates,
        conditional=conditional,
        searches=capability.searches,
        wanted=kinds,
        updates=frozenset(kind for kind in kinds if kind in capability.updates and can_update(kind, granted)),
        versioned=capability.versioned,
    )
    if capability.transaction and OBSERVATION in creates and (collected or RESPONSE in creates):
        return TransactionWriter(conditional=conditional, provenance=PROVENANCE in creates, sequence=sequence)
    return sequence


@dataclass(frozen=True, slots=True)
class TransactionWriter:
    """Everything in one transaction Bundle: all of it stands in the record, or nothing.

    A Bundle that the EHR refuses because of one part is written one by one instead, as far as `sequence` is given.
    """

    conditional: bool
    provenance: bool
    sequence: "SequenceWriter | None" = field(default=None, compare=False)

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Write the Bundle, unless an earlier one is found in the record; complete what stands there in part."""
        if record.revision and self.sequence is not None:
            return await self.sequence.write(ehr, record, look_first=True)
        if record.answers_held_back and self.sequence is not None:
            return await self.sequence.write(ehr, record, look_first=look_first)
        looked_up = await self._find(ehr, record) if look_first else ()
        found = looked_up or ()
        wanted = len(record.results.identifiers) + (record.collected is None)
        missing = wanted - len(found)
        if found and (not missing or self.sequence is None):
            return Written(found, self._left_out())
        if found and self.sequence is not None:
            return await self.sequence.write(ehr, record, look_first=True)
        try:
            # Provenance has no condition: repeated unseen, it would stand there once more.
            return await self._transact(ehr, record, provenance=self.provenance and looked_up is not None)
        except (EhrRefused, NotPermitted, NotFound):
            if self.sequence is None:
                raise
            return await self.sequence.write(ehr, record, look_first=look_first)

    async def _transact(self, ehr: Ehr, record: Record, *, provenance: bool) -> Written:
        bundle = build_bundle(
            record.id,
            record.identifier,
            None if record.collected else forwarded(record),
            anchored(record),
            conditional=self.conditional,
            provenance=provenance,
        )
        results = await ehr.transact(bundle)
        told = tuple(result.location for result in results if result.location)
        found = await self._find_untold(ehr, record) if len(told) < len(results) else ()
        return Written(tuple(dict.fromkeys((*told, *found))), self._left_out())

    async def _find_untold(self, ehr: Ehr, record: Record) -> tuple[str, ...]:
        """Look for what was taken and is not told where it stands; nothing if that cannot be done now."""
        with suppress(EhrError):
            return await self._find(ehr, record) or ()
        return ()

    async def _find(self, ehr: Ehr, record: Record) -> tuple[str, ...] | None:
        """Find what stands there; None where that cannot be looked up, and the EHR itself looks before it creates."""
        searches = self.sequence.searches if self.sequence else {}
        lookup = Lookup.of(ehr, searches, record)
        try:
            response = await self._find_response(lookup, record)
            if response is None and record.collected is None:
                return ()
            found = [
                await lookup.by_identifier(OBSERVATION, f"{IDENTIFIER_SYSTEM}|{value}")
                for value in record.results.identifiers
            ]
        except Unverifiable:
            if self.conditional:
                return None
            raise
        return tuple(location for location in (response, *found) if location)

    async def _find_response(self, lookup: Lookup, record: Record) -> str | None:
        """Find the response, unless it is the EHR's own and nobody would write it."""
        if record.collected is not None:
            return None
        return await lookup.by_identifier(RESPONSE, record.identifier)

    def _left_out(self) -> tuple[str, ...]:
        return () if self.provenance else (_not_accepted(PROVENANCE),)


@dataclass(slots=True)
class _Progress:
    """What one pass of creates has come to: addresses by their `urn:uuid:`, and refusals by type."""

    lookup: Lookup
    look_first: bool
    addresses: dict[str, str] = field(default_factory=dict)
    refused: dict[str, EhrError] = field(default_factory=dict)

    def takes(self, kind: str) -> bool:
        """Whether one more of a type is tried: none of one that was refused, and no score of answers that were."""
        return kind not in self.refused and not _is_of_content(self.refused.get(RESPONSE))

    def check_whole(self) -> None:
        """The first refusal if nothing at all was taken; RefusedInPart for one of the response or the panel by itself.

        InTheWay for one that may be taken a little later.
        """
        standing = tuple(self.addresses.values())
        response, observation = self.refused.get(RESPONSE), self.refused.get(OBSERVATION)
        for each in (response, observation):
            if each is not None and each.is_conflict:
                raise InTheWay(str(each), standing)
        if _is_of_content(response):
            raise RefusedInPart(f"{RESPONSE}: {response} {_SCORES_WAIT}", standing)
        if self.refused and not standing:
            raise next(iter(self.refused.values()))
        is_alone = any(
            each.startswith(f"{OBSERVATION}/") for each in standing
        )  # others of its type were taken
        if is_alone and (_is_of_content(observation) or _is_unexplained(observation)):
            raise RefusedInPart(f"{OBSERVATION}: {observation} {_ONLY_A_PART}", standing)


@dataclass(frozen=True, slots=True)
class SequenceWriter:
    """One create after another, for EHRs without transactions; each looked up before it is repeated.

    A type that the EHR declares and then refuses (its own rules) is left out, and the others are still written. If it
    takes the type and refuses this response, its scores are held back.
    """

    creates: frozenset[str]
    conditional: bool
    searches: _Searches = field(default_factory=dict, compare=False)
    wanted: frozenset[str] = field(default=STANDARD, compare=False)
    updates: frozenset[str] = field(default=frozenset(), compare=False)
    versioned: frozenset[str] = field(default=frozenset(), compare=False)

    async def write(self, ehr: Ehr, record: Record, *, look_first: bool) -> Written:
        """Create the response, the scores, the panel and the Provenance, as far as the EHR takes them.

        Of a later version what stands there is changed. Raises the first refusal if it takes nothing at all, and
        RefusedInPart if it refuses the response, or some Observations and not all, for what they hold.
        """
        lookup = Lookup.of(ehr, self.searches, record)
        if record.revision:
            return await self._correct(ehr, record, lookup)
        progress = _Progress(lookup, look_first)
        for kind, value, identifier, body in _steps(record):
            if kind in self.creates and progress.takes(kind) and _may_leave(kind, record):
                await self._step(ehr, progress, kind, (value, identifier), body)
        progress.check_whole()
        if PROVENANCE in self.creates and not look_first and progress.addresses:
            await self._add_provenance(ehr, progress, record)
        kept_back = (_why_kept_back(record),) if RESPONSE in self.creates and record.answers_held_back else ()
        return Written(tuple(progress.addresses.values()), (*kept_back, *self._left_out(progress)))

    async def _correct(self, ehr: Ehr, record: Record, lookup: Lookup) -> Written:
        """Change what stands there of an earlier version; create what does not, unless it was entered in error."""
        correction = Correction(ehr, record, lookup, self.updates, self.versioned)
        progress = _Progress(lookup, look_first=True)
        for kind, value, identifier, body in _steps(record):
            if kind not in self.wanted or not _may_leave(kind, record):
                continue
            location = await correction.find(kind, identifier)
            if location is not None:
                progress.addresses[full_url(value)] = location
                await correction.change(kind, location, _with_addresses(body, progress.addresses))
            elif not record.voided and kind in self.creates and progress.takes(kind):
                created = await self._step(ehr, progress, kind, (value, identifier), body)
                if created is not None and created.status == _STOOD_THERE:
                    resource = _with_addresses(body, progress.addresses)
                    await correction.change_if_other(kind, created.location, resource)
        correction.finish(progress.addresses.values())
        if not record.voided:
            progress.check_whole()
        if PROVENANCE in self.creates and progress.addresses and correction.changed:
            await self._add_provenance(ehr, progress, record)
        kept = [each for each in record.locations if each not in progress.addresses.values()]
        ours = [each for each in kept if each.partition("/")[0] == PROVENANCE]
        told = self._left_out(progress) if progress.addresses else (_NOTHING_STANDS,)
        return Written((*progress.addresses.values(), *ours), (*correction.told, *told))

    async def _step(
        self, ehr: Ehr, progress: _Progress, kind: str, names: tuple[str, str], body: bytes
    ) -> Created | None:
        """Create one resource and note where it stands, or why it does not."""
        value, identifier = names
        try:
            created = await self._create(ehr, progress, kind, identifier, body)
        except Unverifiable:
            raise
        except (EhrRefused, NotPermitted, NotFound) as error:
            progress.refused[kind] = error
            return None
        progress.addresses[full_url(value)] = created.location
        return created

    async def _create(
        self, ehr: Ehr, progress: _Progress, kind: str, identifier: str, body: bytes
    ) -> Created:
        if progress.look_first and (found := await self._find(progress.lookup, kind, identifier)):
            return Created(found, _STOOD_THERE)
        condition = identifier_query(identifier) if self.conditional else None
        resource = _with_addresses(body, progress.addresses)
        try:
            return await ehr.create(resource, kind, if_none_exist=condition)
        except EhrRefused as error:
            # Several of ours stand there already: a condition chooses none of them.
            several = condition is not None and error.status == _SEVERAL
            found = await self._find(progress.lookup, kind, identifier) if several else None
            if found is None:
                raise
            return Created(found, _STOOD_THERE)

    async def _find(self, lookup: Lookup, kind: str, identifier: str) -> str | None:
        try:
            return await lookup.by_identifier(kind, identifier)
        except Unverifiable:
            if self.conditional:
                return None
            raise

    async def _add_provenance(self, ehr: Ehr, progress: _Progress, record: Record) -> None:
        # R4 Provenance has no identifier to find it by: written on an undisturbed first attempt only, and what
        # else stands in the record does not depend on it.
        body = _with_addresses(anchored(record).provenance, progress.addresses)
        try:
            created = await ehr.create(body, PROVENANCE, if_none_exist=None)
        except (EhrRefused, NotPermitted, NotFound) as error:
            progress.refused[PROVENANCE] = error
        else:
            progress.addresses[full_url(f"{record.id}/provenance")] = created.location

    def _left_out(self, progress: _Progress) -> tuple[str, ...]:
        declined = [f"{kind}: {error} Kept in Rapport" for kind, error in sorted(progress.refused.items())]
        not_offered = sorted(self.wanted - self.creates)
        return (*declined, *map(_not_accepted, not_offered))


def forwarded(record: Record) -> bytes:
    """Give the bytes that go to the EHR: the original ones, with our identifier spliced in if they had none.

    One that lacks its system or value is completed: the response is looked for by it.
    """
    given = msgspec.json.decode(record.body, type=_Identified).identifier
    if given is not None:
        return record.body if given.get("system") and given.get("value") else _completed(record, given)
    identifier = msgspec.json.encode({"system": IDENTIFIER_SYSTEM, "value": record.id})
    opening, rest = record.body.split(b"{", 1)
    return opening + b'{"identifier":' + identifier + b"," + rest


def _completed(record: Record, given: JsonObject) -> bytes:
    system, _, value = record.identifier.partition("|")
    if not system:
        return record.body  # kept before identifiers without a system were given one
    members = msgspec.json.decode(record.body, type=dict[str, msgspec.Raw])
    members["identifier"] = msgspec.Raw(_encoder.encode({**given, "system": system, "value": value}))
    return msgspec.json.encode(members)


def anchored(record: Record) -> Results:
    """Give the results with the address of the EHR's own response, where it collected it itself."""
    results = record.results
    if record.collected is None:
        return results
    ours, theirs = f'"{full_url(record.id)}"'.encode(), f'"{record.collected}"'.encode()
    provenance: JsonObject = _decoder.decode(results.provenance)
    targets = provenance.get("target")
    if isinstance(targets, list):  # the response is not of our making: the Provenance is that of the scores
        provenance["target"] = [each for each in targets if each != {"reference": full_url(record.id)}]
    return replace(
        results,
        panel=results.panel.replace(ours, theirs),
        scores=tuple(each.replace(ours, theirs) for each in results.scores),
        provenance=_encoder.encode(provenance).replace(ours, theirs),
    )


def _steps(record: Record) -> tuple[tuple[str, str, str, bytes], ...]:
    """List what is created: type, name in the transaction, identifier, body."""
    results = anchored(record)
    panel, *scores = results.identifiers
    members = (
        (OBSERVATION, value, f"{IDENTIFIER_SYSTEM}|{value}", body)
        for value, body in zip(scores, results.scores, strict=True)
    )
    response = (
        RESPONSE,
        record.id,
        record.identifier,
        with_response_status(forwarded(record), record),
    )
    return (
        *(() if record.collected else (response,)),
        *members,
        # Members before the panel: its references must exist when it is created.
        (OBSERVATION, panel, f"{IDENTIFIER_SYSTEM}|{panel}", results.panel),
    )


def _why_kept_back(record: Record) -> str:
    return _NOT_SHARED if record.answers_withheld else _NOT_SHOWN


def _may_leave(kind: str, record: Record) -> bool:
    return kind != RESPONSE or not record.answers_held_back


def _not_accepted(kind: str) -> str:
    return f"{kind}: not accepted here, kept in Rapport"


def _with_addresses(body: bytes, addresses: dict[str, str]) -> bytes:
    """Replace `urn:uuid:` references by the EHR's addresses; drop those to resources that it did not take."""
    for address, location in addresses.items():
        body = body.replace(f'"{address}"'.encode(), f'"{location}"'.encode())
    if b'"urn:uuid:' not in body:
        return body
    resource: JsonObject = _decoder.decode(body)
    for name in ("derivedFrom", "hasMember", "target", "entity"):
        references = resource.get(name)
        if isinstance(references, list):
            kept = [each for each in references if not _is_missing(each.get("what", each))]
            if kept:
                resource[name] = kept
            else:
                del resource[name]
    return _encoder.encode(resource)


def _is_of_content(error: EhrError | None) -> bool:
    return isinstance(error, EhrRefused) and error.is_of_content


def _is_unexplained(error: EhrError | None) -> bool:
    return isinstance(error, EhrRefused) and error.is_unexplained


def _is_missing(reference: JsonObject) -> bool:
    return str(reference.get("reference", "")).startswith("urn:uuid:")
