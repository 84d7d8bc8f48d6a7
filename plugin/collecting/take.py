"""Takes one response that stands in an EHR: whose it is, whether it is ours to score, and then what submit() does."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog

from plugin.audit import Actor, Kind
from plugin.collecting import book
from plugin.collecting.book import Candidate, Found
from plugin.collecting.compared import answers_in
from plugin.delivery.revising import find_current, is_under_way, read_versions
from plugin.ehr import Ehr, NotFound
from plugin.errors import Conflict, TooLate
from plugin.flow import Arrival, Intake, enter_in_error, submit
from plugin.ledger import Ledger
from plugin.metrics import Metrics
from plugin.responses import InvalidResponse, UnreadableResponse, is_own, own_reference
from plugin.vouching import NotTold, Vouching
from questionnaires import Catalogue, UnknownQuestionnaire, UnversionedQuestionnaire

log = structlog.get_logger()

COLLECTOR = Actor(display="Rapport, looking for responses that the EHR collected")
_FINISHED = frozenset({"completed", "amended"})
_WITHDRAWN = "entered-in-error"
_MOST_PLACES = 5
_CHANGED_THERE = (
    "Rapport wrote it, and its answers were changed in the EHR since: the scores are those of what was answered in "
    "Rapport. Put it back in the EHR, or mark it as entered in error in Rapport and have the form filled in again."
)
_WITHDRAWN_THERE = (
    "Rapport wrote it, and it was marked as entered in error in the EHR: its scores stand. "
    "If it is one, mark it so in Rapport."
)
_ENDED = (
    "It was marked as entered in error, which cannot be taken back: its scores count no more. "
    "Have the form filled in again."
)
_REFUSALS = (
    UnreadableResponse,
    InvalidResponse,
    UnknownQuestionnaire,
    UnversionedQuestionnaire,
    Conflict,
)


_ELSEWHERE = "It is about somebody in another server's record: its subject must be Patient/<id> of this EHR."


class _Reference(msgspec.Struct):
    reference: str = ""


class _Identifier(msgspec.Struct):
    system: str = ""
    value: str = ""


class _Meta(msgspec.Struct):
    versionId: str = ""  # noqa: N815 -- FHIR's element name
    lastUpdated: str = ""  # noqa: N815 -- FHIR's element name


class Head(msgspec.Struct):
    """What is read of a response before it is ours to read in full."""

    id: str = ""
    meta: _Meta = msgspec.field(default_factory=_Meta)
    questionnaire: str = ""
    status: str = ""
    subject: _Reference = msgspec.field(default_factory=_Reference)
    identifier: _Identifier | None = None

    @property
    def updated(self) -> datetime | None:
        """When the EHR last changed it; None if it does not say."""
        try:
            found = datetime.fromisoformat(self.meta.lastUpdated)
        except ValueError:
            return None
        return found if found.tzinfo else None

    def candidate(self, home: str) -> Candidate:
        """Give what is needed to tell whose it is, in the EHR with the base `home`."""
        own = self.identifier
        return Candidate(
            reference=f"QuestionnaireResponse/{self.id}",
            version=(self.meta.versionId or self.meta.lastUpdated)[:100],
            patient=own_reference(self.subject.reference, home),
            instrument=self.questionnaire,
            identifier=f"{own.system}|{own.value}" if own and own.system and own.value else None,
        )


def read_head(resource: bytes | dict[str, object]) -> Head | None:
    """Read the head of a response; None if it is none that could be ours."""
    try:
        if isinstance(resource, bytes):
            return msgspec.json.decode(resource, type=Head)
        return msgspec.convert(resource, Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Taker:
    """Takes responses of one site. `home` is the EHR's base, `organization` on whose behalf is scored."""

    intake: Intake
    site: str
    home: str
    organization: str
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def _ledger(self) -> Ledger:
        return self.intake.ledger

    @property
    def _catalogue(self) -> Catalogue:
        return self.intake.catalogue

    async def take(self, ehr: Ehr, reference: str, seen: Head | None = None) -> Found:
        """Look at one response in the EHR and score it if it is new, finished and to one of our forms.

        `seen` is its head as a search gave it: what that rules out is not read. The EHR's errors are raised.
        """
        if seen is not None and (found := await self._rule_out(seen)) not in {None, Found.OWN}:
            return self._count(found)
        try:
            body = await ehr.read_original(reference)
        except NotFound:
            return self._count(Found.OTHER)  # gone meanwhile
        head = read_head(body)
        if head is None:
            return self._count(Found.OTHER)
        found = await self._rule_out(head)
        if found is Found.OWN:
            found = await self._compare(head, body)
        elif found is None:
            found = await self._submit(ehr, head.candidate(self.home), body)
        return self._count(found)

    async def _rule_out(self, head: Head) -> Found | None:
        """Say why a response is not to be scored now; None if it is."""
        if not head.id or self._catalogue.nearest(head.questionnaire) is None:
            return Found.OTHER
        candidate = head.candidate(self.home)
        if head.status not in {*_FINISHED, _WITHDRAWN}:
            return Found.OTHER
        found = await self._ledger.read(lambda connection: book.tell(connection, self.site, candidate))
        if head.status == _WITHDRAWN and found not in {Found.OWN, Found.SEEN}:
            return await self._withdraw(candidate)
        return found

    async def _compare(self, head: Head, body: bytes) -> Found:
        """Hold what Rapport wrote against what now stands in the EHR: set aside, if somebody changed it there."""
        candidate = head.candidate(self.home)
        vault = self._ledger.vault
        own = await self._ledger.read(lambda connection: book.own_response(connection, self.site, candidate))
        if own is None:
            return Found.WAITS
        versions, under_way = await self._ledger.read(
            lambda connection: (read_versions(connection, vault, own), is_under_way(connection, own))
        )
        current = versions[-1]
        now = self.intake.clock()
        if head.status == _WITHDRAWN:
            same, reason = current.voided, _WITHDRAWN_THERE
        else:
            # While a correction is under way, what it corrects may stand there still.
            may_stand = versions if under_way else (current,)
            answered = answers_in(body)
            same = any(answers_in(each.body) == answered for each in may_stand)
            reason = _CHANGED_THERE
        if not same:
            await self._set_aside(candidate, reason, now, own)
            return Found.SET_ASIDE
        await self._ledger.bookkeep(
            lambda connection: book.remember(connection, self.site, candidate, Found.OWN, now, response=own)
        )
        return Found.OWN

    async def _withdraw(self, candidate: Candidate) -> Found:
        """Mark one that we scored as entered in error, since it now is in the EHR."""
        known = await self._ledger.read(
            lambda connection: book.kept_as(connection, self.site, candidate.reference)
        )
        if known is None:
            return Found.OTHER
        vault = self._ledger.vault
        record = await self._ledger.read(lambda connection: find_current(connection, vault, known))
        if record is None or record.voided:
            return Found.SEEN
        await enter_in_error(self.intake, record, COLLECTOR, "Entered in error in the EHR", server=self.home)
        now = self.intake.clock()
        await self._ledger.bookkeep(
            lambda connection: book.remember(
                connection, self.site, candidate, Found.KEPT, now, response=known
            )
        )
        return Found.KEPT

    async def _submit(self, ehr: Ehr, candidate: Candidate, body: bytes) -> Found:
        if candidate.patient and not is_own(candidate.patient):
            await self._set_aside(candidate, _ELSEWHERE, self.intake.clock())
            return Found.SET_ASIDE

        async def as_itself() -> AsyncIterator[Ehr]:
            yield ehr

        arrival = Arrival(
            body=body,
            site=self.site,
            organization=self.organization,
            patient=candidate.patient,
            actor=COLLECTOR,
            collected=candidate.reference,
            server=self.home,
            vouching=Vouching(self.home, as_itself, is_strict=False),
        )
        now = self.intake.clock()
        try:
            saved = await submit(self.intake, arrival)
        except NotTold as error:
            log.warning("collected.waits", site=self.site, reason=str(error))
            return Found.WAITS
        except _REFUSALS as error:
            await self._set_aside(candidate, explain(error), now)
            return Found.SET_ASIDE
        log.info("response.kept", response=saved.id, site=self.site, replayed=saved.replayed)
        await self._ledger.bookkeep(
            lambda connection: book.remember(
                connection, self.site, candidate, Found.KEPT, now, response=saved.id
            )
        )
        return Found.SEEN if saved.replayed else Found.KEPT

    async def _set_aside(
        self, candidate: Candidate, reason: str, now: datetime, own: str | None = None
    ) -> None:
        entry = self.intake.trail.entry(
            Kind.RESPONSE_SET_ASIDE,
            COLLECTOR,
            site=self.site,
            patient=candidate.patient or None,
            about=(f"{self.home}/{candidate.reference}",),
            server=self.home,
            failure=reason,
        )
        await self._ledger.write(
            lambda connection: book.remember(
                connection, self.site, candidate, Found.SET_ASIDE, now, reason=reason, response=own
            ),
            entry,
        )
        log.warning("collected.set-aside", site=self.site, reason=reason)

    def _count(self, found: Found) -> Found:
        self.metrics.collected.labels(self.site, str(found)).inc()
        return found


def explain(error: Exception) -> str:
    """Say why a response cannot be scored, by kinds and places: nothing of what was answered."""
    if isinstance(error, UnreadableResponse | InvalidResponse):
        wrong = [each for each in error.issues if each.severity == "error"]
        places = [f"{each.link_id or each.expression} ({each.code})" for each in wrong[:_MOST_PLACES]]
        more = f" and {len(wrong) - _MOST_PLACES} more" if len(wrong) > _MOST_PLACES else ""
        kind = (
            "It is no readable R4 response"
            if isinstance(error, UnreadableResponse)
            else "It does not fit its form"
        )
        return f"{kind}: {', '.join(places)}{more}."
    if isinstance(error, TooLate):
        return _ENDED
    if isinstance(error, Conflict):
        return "Another response with the same identifier and other answers is kept already."
    return str(error)
