"""Compares the EHR's record with the ledger, patient by patient: memory does not grow with either. Writes nothing."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.comparing import differences as d
from plugin.comparing.access import RecordReader, explain_refusal
from plugin.comparing.chart import Chart, ChartReader, Tally, address_of
from plugin.comparing.expected import Expected, expected_of, own_identifiers
from plugin.delivery.account import Account, Attempt, attempts_of, check_whole, read_all_of
from plugin.delivery.writers import OBSERVATION
from plugin.ehr import EhrError, JsonObject, NotFound
from plugin.erasure import erasures_of, was_outlived
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t
from plugin.ledger.distinct import texts_of
from plugin.ledger.odd_text import any_text
from plugin.observations.build import IDENTIFIER_SYSTEM
from plugin.verify import Finding, Flaw
from plugin.writing import Writing


def _nobody(_identifier: str, _delivered: JsonObject, _found: JsonObject) -> None:
    """Tell nobody."""


@dataclass
class Comparison:
    """One site's record, and what the ledger knows to have put there."""

    site: str
    writing: Writing
    vault: Vault
    reader: RecordReader
    tally: Tally = field(default_factory=Tally)
    on_copy: Callable[[str, JsonObject, JsonObject], None] = (
        _nobody  # identifier, delivered, found in the EHR
    )
    _told: set[str] = field(default_factory=set, init=False)  # addresses with a flaw
    _astray: set[str] = field(default_factory=set, init=False)  # those of them in somebody else's record
    _seen: set[str] = field(default_factory=set, init=False)  # addresses of the patient at hand
    _by_identifier: bool = field(default=False, init=False)
    _reads_provenance: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self._charts = ChartReader(self.reader, self.writing, self.tally)

    async def run(self, connection: Connection) -> AsyncIterator[Finding]:
        """Give every difference as it is found; RecordUnreadable if the record cannot be read."""
        capability = await self.reader.capability()
        self._by_identifier = capability.searches_by(OBSERVATION, "identifier")
        with any_text(connection):
            for patient in _patients(connection, self.site):
                self.tally.patients += 1
                self._seen.clear()
                try:
                    accounts = read_all_of(connection, self.vault, self.site, patient)
                    check_whole(accounts)
                    administrations = [
                        expected_of(account, self.writing, attempts_of(connection, account.record.id))
                        for account in accounts
                    ]
                except (SealBroken, msgspec.MsgspecError, ValueError) as broken:
                    what = f"The patient's record was not compared: {broken}."
                    yield Finding(Flaw.ALTERED, "a row of the ledger", what)
                    continue
                chart = await self._charts.read(patient)
                for expected in administrations:
                    async for finding in self._administration(expected, chart):
                        yield finding
                for finding in self._others(connection, chart.by_identifier):
                    yield finding
            async for finding in self._strangers(connection):
                yield finding

    async def of(self, account: Account, attempts: Iterable[Attempt] = ()) -> AsyncIterator[Finding]:
        """Give every difference of one administration; RecordUnreadable if the record cannot be read."""
        capability = await self.reader.capability()
        self._by_identifier = capability.searches_by(OBSERVATION, "identifier")
        chart = await self._charts.read(account.record.patient)
        async for finding in self._administration(expected_of(account, self.writing, attempts), chart):
            yield finding

    async def _administration(self, expected: Expected, chart: Chart) -> AsyncIterator[Finding]:
        self.tally.administrations += 1
        copies = {
            value: chart.by_identifier.pop(value)
            for value in expected.observations
            if value in chart.by_identifier
        }
        self.tally.observations += sum(map(len, copies.values()))
        if not expected.delivered:
            self.tally.not_delivered += 1
            for finding in self._not_delivered(expected, copies):
                yield finding
            return
        if not expected.observation_addresses:
            self.tally.nothing_taken += 1
        for finding in self._compare(expected, copies):
            yield finding
        async for finding in self._missing(expected, copies):
            yield finding
        async for finding in self._response(expected, chart.responses):
            yield finding
        async for finding in self._provenance(expected):
            yield finding

    def _not_delivered(self, expected: Expected, copies: dict[str, list[JsonObject]]) -> Iterator[Finding]:
        """Tell of what should not stand there, or as it was before a correction that did not get there.

        Somebody may have corrected it by hand, as they were told: then it is as it should be.
        """
        if not expected.awaits_correction:
            if copies and expected.must_be_absent:
                what = f"It stands in the EHR, and counts as {expected.account.state}."
                yield Finding(Flaw.STATE, expected.where, what)
            return
        version = f"version {expected.account.record.revision}"
        for identifier, found in copies.items():
            for each in found:
                self._seen.add(address_of(each))
                if any(d.of_observation(expected.observations[identifier], each)):
                    where = f"{expected.where}, {expected.name(identifier)} ({address_of(each)})"
                    what = f"It is not as {version} has it, whose delivery counts as {expected.account.state}: correct it by hand."
                    yield Finding(Flaw.STALE, where, what)

    def _compare(self, expected: Expected, copies: dict[str, list[JsonObject]]) -> Iterator[Finding]:
        for identifier, found in copies.items():
            where = f"{expected.where}, {expected.name(identifier)}"
            standing = [each for each in found if each.get("status") != "entered-in-error"] or found
            if len(standing) > 1:
                places = ", ".join(sorted(map(address_of, standing)))
                yield Finding(Flaw.DUPLICATE, where, f"It stands {len(standing)} times: {places}.")
            for each in standing:
                yield from self._differences(expected, identifier, each)
        yield from _links(expected, copies)

    def _differences(self, expected: Expected, identifier: str, found: JsonObject) -> Iterator[Finding]:
        address = address_of(found)
        self._seen.add(address)
        self._look_at_version(expected, found)
        self.on_copy(identifier, expected.observations[identifier], found)
        where = f"{expected.where}, {expected.name(identifier)} ({address})"
        for flaw, what in d.of_observation(expected.observations[identifier], found):
            if flaw is Flaw.WRONG_SUBJECT and address in self._astray:
                continue  # told when the other patient's record was read
            self._told.add(address)
            yield Finding(flaw, where, what)

    async def _missing(
        self, expected: Expected, copies: dict[str, list[JsonObject]]
    ) -> AsyncIterator[Finding]:
        """Look for what the patient's record did not show: where it was put, then by its identifier."""
        seen = {address_of(each) for found in copies.values() for each in found}
        missing = [each for each in expected.observations if each not in copies]
        gone = []
        for address in expected.observation_addresses:
            found = None if address in seen else await self._look_at(address)
            if found is not None:
                self.tally.observations += 1
                for finding in self._at_its_address(expected, missing, found):
                    yield finding
            elif address not in seen:
                gone.append(address)
        identifiers = expected.account.record.results.identifiers
        by_name = [each for each in missing if each in identifiers] if expected.all_were_taken else []
        for identifier in by_name:
            async for finding in self._by_its_identifier(expected, identifier):
                yield finding
        for address in gone if len(gone) > len(by_name) else ():
            yield Finding(Flaw.MISSING, f"{expected.where} ({address})", "It does not stand in the EHR.")

    def _at_its_address(self, expected: Expected, missing: list[str], found: JsonObject) -> Iterator[Finding]:
        """Compare what stands where a delivery was put, without being found by patient, category and identifier."""
        own = own_identifiers(found)
        fitting = next((each for each in missing if each in own), None)
        if fitting is None:
            alike = (
                each
                for each in missing
                if d.codes(expected.observations[each], "code") & d.codes(found, "code")
            )
            fitting = next(alike, None)
        address = address_of(found)
        if fitting is None:
            self._told.add(address)
            what = "What stands there is not what was delivered."
            yield Finding(Flaw.WRONG_CODE, f"{expected.where} ({address})", what)
            return
        missing.remove(fitting)
        # EHRs drop the identifiers of flowsheet readings.
        if fitting not in own and not fitting.endswith("/flowsheet"):
            where = f"{expected.where}, {expected.name(fitting)} ({address})"
            yield Finding(Flaw.MISMATCH, where, "Its identifier is another one, or gone.")
        yield from self._differences(expected, fitting, found)

    async def _by_its_identifier(self, expected: Expected, identifier: str) -> AsyncIterator[Finding]:
        found: tuple[JsonObject, ...] = ()
        if self._by_identifier:
            searched = {"identifier": f"{IDENTIFIER_SYSTEM}|{identifier}"}
            found = tuple(
                each
                for each in await self.reader.search(OBSERVATION, searched)
                if identifier in own_identifiers(each)
            )
        for each in found:
            self.tally.observations += 1
            for finding in self._differences(expected, identifier, each):
                yield finding
        if not found:
            where = f"{expected.where}, {expected.name(identifier)}"
            yield Finding(Flaw.MISSING, where, "It was delivered, and does not stand in the EHR.")

    async def _response(self, expected: Expected, responses: dict[str, JsonObject]) -> AsyncIterator[Finding]:
        address = expected.response_address
        if address is None or not self._charts.reads_responses:
            return
        found = responses.get(address) or await self._look_at(address)
        where = f"{expected.where} ({address})"
        if found is None:
            yield Finding(Flaw.MISSING, where, "The response was delivered, and does not stand in the EHR.")
            return
        self._look_at_version(expected, found)
        for flaw, what in d.of_response(expected.response, found):
            yield Finding(flaw, where, what)

    async def _provenance(self, expected: Expected) -> AsyncIterator[Finding]:
        address = expected.provenance_address
        if address is None or not self._reads_provenance:
            return
        where = f"{expected.where} ({address})"
        try:
            found = await self.reader.read(address)
        except NotFound:
            yield Finding(Flaw.MISSING, where, "The Provenance was delivered, and does not stand in the EHR.")
            return
        except EhrError as error:
            self._reads_provenance = False
            self.tally.not_looked_at.append(f"Whether Provenance is as it was delivered. {error}")
            return
        self._look_at_version(expected, found)
        same = expected.provenance_is_newest
        for flaw, what in d.of_provenance(
            expected.provenance, found, expected.provenance_targets, same_version=same
        ):
            yield Finding(flaw, where, what)

    def _look_at_version(self, expected: Expected, found: JsonObject) -> None:
        """Note that it was written again since: it may have been another one meanwhile."""
        address = address_of(found)
        then, now = expected.versions.get(address), d.version(found)
        if then is not None and now is not None and now != then:
            self.tally.note_version(address, now, then)

    async def _look_at(self, address: str) -> JsonObject | None:
        try:
            return await self.reader.read(address)
        except NotFound:
            return None
        except EhrError as error:
            raise explain_refusal(address.partition("/")[0], error) from None

    def _others(
        self, connection: Connection, by_identifier: dict[str, list[JsonObject]]
    ) -> Iterator[Finding]:
        """Tell of Observations with our identifiers that no administration of this patient accounts for."""
        for identifier, found in by_identifier.items():
            response, _, name = identifier.partition("/")
            patient = _patient_of(connection, self.site, response)
            for each in found:
                address = address_of(each)
                if address in self._told or address in self._seen:
                    continue
                self._told.add(address)
                subject = d.reference(each.get("subject")) or ""
                made = d.moment(each.get("issued") or each.get("effectiveDateTime"))
                if patient is None and erasures_of(connection, self.vault, self.site, subject):
                    self._note_erased()
                elif (
                    patient is None
                    and isinstance(made, datetime)
                    and was_outlived(connection, self.vault, self.site, made)
                ):
                    self._note_outlived()
                elif patient is None:
                    what = f"It has an identifier of Rapport's, and the ledger has no response {response}."
                    yield Finding(Flaw.ORPHAN, address, what)
                elif d.reference(each.get("subject")) != patient:
                    self._astray.add(address)
                    where = f"response {response}, {name} ({address})"
                    yield Finding(Flaw.WRONG_SUBJECT, where, "It stands in the record of somebody else.")
                else:
                    what = f"The ledger does not account for it: response {response} has no delivery, or no such score."
                    yield Finding(Flaw.ORPHAN, address, what)

    async def _strangers(self, connection: Connection) -> AsyncIterator[Finding]:
        """Look through everything with our identifiers: patients whom the ledger does not know, and copies elsewhere."""
        if not self._by_identifier:
            self._leave_out("The EHR does not declare that Observations are searched by identifier.")
            return
        try:
            async for page in self.reader.pages(OBSERVATION, {"identifier": f"{IDENTIFIER_SYSTEM}|"}):
                for each in page:
                    by_identifier = {value: [each] for value in own_identifiers(each)}
                    for finding in self._stray(connection, by_identifier):
                        yield finding
        except EhrError as error:
            self._leave_out(str(error))

    def _stray(self, connection: Connection, by_identifier: dict[str, list[JsonObject]]) -> Iterator[Finding]:
        for identifier, found in by_identifier.items():
            patient = _patient_of(connection, self.site, identifier.partition("/")[0])
            if patient is None or d.reference(found[0].get("subject")) != patient:
                yield from self._others(connection, {identifier: found})

    def _note_erased(self) -> None:
        said = "Results of patients of whom everything was erased here: they stand in the EHR, and nothing to compare with."
        if said not in self.tally.not_looked_at:
            self.tally.not_looked_at.append(said)

    def _note_outlived(self) -> None:
        said = "Results whose answers were removed here by the site's retention: nothing is left to compare them with."
        if said not in self.tally.not_looked_at:
            self.tally.not_looked_at.append(said)

    def _leave_out(self, reason: str) -> None:
        self.tally.not_looked_at.append(
            f"Results of Rapport's with patients whom the ledger does not know. {reason}"
        )


def _links(expected: Expected, copies: dict[str, list[JsonObject]]) -> Iterator[Finding]:
    """Hold the panel's members and every score's source against the addresses that were given."""
    panel, *scores = expected.account.record.results.identifiers
    addresses = [{address_of(each) for each in copies.get(score, ())} for score in scores]
    for each in copies.get(panel, ()):
        members = d.references(each.get("hasMember"))
        all_there = members <= set().union(*addresses) and all(members & each for each in addresses)
        if expected.all_were_taken and all(addresses) and not all_there:
            where = f"{expected.where}, panel ({address_of(each)})"
            yield Finding(Flaw.MISMATCH, where, "It groups other scores than its own.")
    source = expected.response_address or expected.account.record.collected
    for identifier in (panel, *scores):
        for each in copies.get(identifier, ()):
            origins = d.references(each.get("derivedFrom"))
            if source is not None and origins != {source}:
                where = f"{expected.where}, {expected.name(identifier)} ({address_of(each)})"
                yield Finding(Flaw.MISMATCH, where, "It says that it was computed from another response.")


def _patients(connection: Connection, site: str) -> Iterator[str]:
    """Give every patient of a site once, in order."""
    return texts_of(connection, t.response.c.patient, t.response.c.site == site)


def _patient_of(connection: Connection, site: str, response: str) -> str | None:
    return connection.execute(
        sa.select(t.response.c.patient).where(t.response.c.site == site, t.response.c.id == response)
    ).scalar()
