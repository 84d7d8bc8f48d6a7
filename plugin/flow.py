"""submit(): what happens to an answered form, stage by stage. Read this first.

RESPONSE     read the bytes, check them against their Questionnaire    plugin.responses
SCORE        compute what the Questionnaire says they amount to        plugin.scores
OBSERVATION  build what the record will say                            plugin.observations
DELIVERY     keep all of it with its audit entry and its place in the outbox, durably; a worker does the rest
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy.engine import Connection

from plugin.audit import Actor, Kind, Trail
from plugin.audit.trail import Clock
from plugin.delivery.keep import Record, keep, not_its_own
from plugin.delivery.revising import (
    LONGEST_NAME,
    IsKept,
    Revision,
    RevisionKind,
    find_current,
    revise,
    void,
)
from plugin.errors import Conflict
from plugin.ledger import AuditRow, Ledger
from plugin.metrics import Metrics
from plugin.observations import build_results
from plugin.observations.build import Subject, with_status
from plugin.observations.identity import identify, identify_collected
from plugin.responses import (
    Answers,
    Head,
    InvalidResponse,
    UnfinishedResponse,
    UnreadableResponse,
    check_places,
    check_whose,
    read_response,
    take_response,
)
from plugin.responses.labels import labels_of
from plugin.scores import Key, Score, compute
from plugin.vouching import Vouching
from questionnaires import Catalogue, CatalogueError, Instrument

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Intake:
    """What submit() works with: the catalogue with its compiled keys, and where results are kept."""

    catalogue: Catalogue
    keys: Mapping[str, Key]
    ledger: Ledger
    trail: Trail
    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A response as it came, and what is known of its coming."""

    body: bytes
    site: str
    organization: str
    patient: str
    actor: Actor
    launch: str | None = None
    invitation: str | None = None
    collected: str | None = None  # where it stands in the EHR that collected it itself
    server: str | None = None  # and which server that is
    respondent: str | None = None  # who is signed in, if that is one: then nobody else may be named
    vouching: Vouching | None = None  # who tells whose it is what the response names; None: Rapport wrote it


@dataclass(frozen=True, slots=True)
class Saved:
    """A response that is durable; `replayed` if it had been before."""

    id: str
    scores: tuple[Score, ...]
    replayed: bool


def _as_it_comes(_: Connection) -> None:
    """Have nothing against keeping."""


async def submit(
    intake: Intake, arrival: Arrival, *, check: Callable[[Connection], None] = _as_it_comes
) -> Saved:
    """Check, score and keep a response; return when nothing can be lost any more.

    `check` looks, in the transaction that keeps it, whether something stands against that, and raises.
    Raises UnreadableResponse, UnknownQuestionnaire or InvalidResponse if it may not be taken (every problem at once),
    Conflict if its identifier was used for other content, InvitationUnusable if its form was withdrawn meanwhile.
    The same response again gives the same answer.
    """
    begun = time.perf_counter()
    try:
        saved = await _take(intake, arrival, check)
    except (UnreadableResponse, CatalogueError, InvalidResponse, Conflict) as refused:
        await intake.ledger.record(_refusal(intake, arrival, refused))
        raise
    intake.metrics.submit.labels(arrival.site).observe(time.perf_counter() - begun)
    return saved


async def _take(intake: Intake, arrival: Arrival, check: Callable[[Connection], None]) -> Saved:
    head, instrument, answers = take_response(
        arrival.body,
        intake.catalogue,
        patient=arrival.patient,
        home=arrival.vouching.home if arrival.vouching else None,
    )
    if arrival.respondent is not None:
        check_whose(head, instrument, arrival.respondent)
    scores = compute(intake.keys[instrument.canonical], answers)
    record = _describe(intake, arrival, head, instrument, scores)
    await _check_places(intake, arrival, answers, instrument, record)
    await _check_named(intake, arrival, head, record)
    audit = intake.trail.entry(
        Kind.RESPONSE_RECEIVED,
        arrival.actor,
        site=arrival.site,
        patient=arrival.patient,
        about=(f"QuestionnaireResponse/{record.id}",),
        server=arrival.server,
        when=record.received,
    )
    if await _has_changed(intake, arrival, head, record):
        with suppress(IsKept):  # by the same one, sent again at the same moment
            return await _amend(intake, arrival, record, scores)

    def checked(connection: Connection) -> bool:
        check(connection)
        return keep(connection, intake.ledger.vault, record)

    try:
        fresh = await intake.ledger.write(checked, audit)
    except Conflict:
        if not await _completes_stopped(intake, arrival, head, record):
            raise
        with suppress(IsKept):
            return await _amend(intake, arrival, record, scores)
        fresh = False
    return Saved(record.id, scores, replayed=not fresh)


def _refusal(intake: Intake, arrival: Arrival, refused: Exception) -> AuditRow:
    # What is wrong with a response may repeat what was answered: the trail says only what kind of refusal it was.
    return intake.trail.entry(
        Kind.RESPONSE_RECEIVED,
        arrival.actor,
        site=arrival.site,
        patient=arrival.patient,
        failure=_REFUSED[next(kind for kind in _REFUSED if isinstance(refused, kind))],
    )


_REFUSED: dict[type[Exception], str] = {
    UnreadableResponse: "Refused: it cannot be read as a response",
    CatalogueError: "Refused: its form is not known",
    UnfinishedResponse: "Refused: more answers are expected",
    InvalidResponse: "Refused: it does not fit its form",
    Conflict: "Refused: its identifier was used for other content",
}


async def _check_places(
    intake: Intake, arrival: Arrival, answers: Answers, instrument: Instrument, record: Record
) -> None:
    """InvalidResponse if a number is finer than its form allows; what is kept, or was collected by the EHR, stands."""
    try:
        check_places(answers, instrument)
    except InvalidResponse:
        if arrival.collected is None and not await _is_kept(intake, record):
            raise


async def _check_named(intake: Intake, arrival: Arrival, head: Head, record: Record) -> None:
    """InvalidResponse if it names what is not its patient's; of one that is kept already the EHR is not asked again."""
    if arrival.vouching is None:
        return
    named = arrival.vouching.to_ask(head, arrival.patient)
    if named and not await _is_kept(intake, record):
        await arrival.vouching.check(named, arrival.patient)


async def _is_kept(intake: Intake, record: Record) -> bool:
    """Whether these very bytes are kept under this identifier already."""
    known = await _find_known(intake, record)
    return known is not None and known.digest == record.digest


async def _has_changed(intake: Intake, arrival: Arrival, head: Head, record: Record) -> bool:
    """Whether its author has replaced a response that is kept: it says so, or the EHR holds another version of it now."""
    if head.status != "amended" and arrival.collected is None:
        return False
    known = await _find_known(intake, record)
    return known is not None and _replaces(arrival, known, record)


async def _completes_stopped(intake: Intake, arrival: Arrival, head: Head, record: Record) -> bool:
    """Whether a form that was kept as stopped was completed after all: in the EHR that collects, too, that one counts."""
    known = await _find_known(intake, record) if head.status == "completed" else None
    if known is None or read_response(known.body).status != "stopped":
        return False
    return _replaces(arrival, known, record)


async def _find_known(intake: Intake, record: Record) -> Record | None:
    vault = intake.ledger.vault
    return await intake.ledger.read(lambda connection: find_current(connection, vault, record.id))


def _replaces(arrival: Arrival, known: Record, record: Record) -> bool:
    """Whether a response replaces the one that is kept under its identifier; Conflict if it may not."""
    if known.digest == record.digest:
        return False
    if (known.site, known.patient) != (record.site, record.patient):
        raise not_its_own()
    others = arrival.respondent is not None and known.source not in {None, arrival.respondent}
    if others or known.instrument != record.instrument:
        raise Conflict(
            "The response that is kept under this identifier is to another form, or by somebody else.",
            "Mark that one as entered in error, and send this with an identifier of its own.",
        )
    return True


async def _amend(intake: Intake, arrival: Arrival, record: Record, scores: tuple[Score, ...]) -> Saved:
    """Keep a later version: the same Observations, scored anew, say `amended`."""
    actor = (arrival.actor.reference or arrival.actor.display or "")[:LONGEST_NAME]
    revision = Revision(
        RevisionKind.AMENDED,
        record.received,
        actor,
        "Amended by its author",
        record.body,
        with_status(record.results, RevisionKind.AMENDED, made_by=actor),
        record.key_hash,
    )
    audit = intake.trail.entry(
        Kind.RESPONSE_AMENDED,
        arrival.actor,
        site=arrival.site,
        patient=arrival.patient,
        about=(f"QuestionnaireResponse/{record.id}",),
        server=arrival.server,
    )
    vault = intake.ledger.vault
    number = await intake.ledger.write(
        lambda connection: revise(connection, vault, record.id, revision), audit
    )
    log.info("response.amended", response=record.id, site=record.site, revision=number)
    return Saved(record.id, scores, replayed=False)


async def enter_in_error(
    intake: Intake, record: Record, actor: Actor, why: str, *, server: str | None = None
) -> int:
    """Mark a kept response as entered in error, durably; what stands of it in the record follows. Conflict if it is so."""
    revision = void(record, intake.clock(), actor.reference or actor.display or "", why)
    audit = intake.trail.entry(
        Kind.RESPONSE_VOIDED,
        actor,
        site=record.site,
        patient=record.patient,
        about=(f"QuestionnaireResponse/{record.id}",),
        reason=why,
        server=server,
    )
    vault = intake.ledger.vault
    number = await intake.ledger.write(
        lambda connection: revise(connection, vault, record.id, revision), audit
    )
    log.info("response.entered-in-error", response=record.id, site=record.site, revision=number)
    return number


def _describe(
    intake: Intake, arrival: Arrival, head: Head, instrument: Instrument, scores: tuple[Score, ...]
) -> Record:
    received = intake.clock()
    authored = head.authored_at or received
    given = head.identifier
    if arrival.collected is not None and (given is None or given.value is None or given.system is None):
        response_id, identifier = identify_collected(arrival.site, arrival.collected)
    else:
        response_id, identifier = identify(
            arrival.site,
            arrival.patient,
            given.system if given else None,
            given.value if given else None,
            arrival.body,
        )
    subject = Subject(
        patient=arrival.patient,
        encounter=head.encounter_reference,
        source=head.source_reference,
        author=head.author_reference,
    )
    results = build_results(
        response_id,
        instrument,
        scores,
        subject,
        authored=authored,
        issued=received,
        organization=arrival.organization,
        labels=labels_of(head.meta),
        recorded=True,
    )
    return Record(
        id=response_id,
        site=arrival.site,
        identifier=identifier,
        patient=arrival.patient,
        encounter=subject.encounter,
        rater=instrument.rater,
        source=subject.source,
        instrument=instrument.canonical,
        language=head.language,
        authored=authored,
        received=received,
        launch=arrival.launch,
        invitation=arrival.invitation,
        key_hash=instrument.content_hash,
        body=arrival.body,
        results=results,
        collected=arrival.collected,
    )
