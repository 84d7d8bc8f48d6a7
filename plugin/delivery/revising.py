"""Later versions of a kept response: amended by its author, or marked as entered in error.

Each is a row of its own and the first one never changes; the delivery is due again, and carries the latest to the record.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin import __version__
from plugin.delivery.keep import NO_RESULTS, Record, StoredResults, open_results, read_kept, read_what_opens
from plugin.delivery.states import DeliveryState
from plugin.errors import NotFound, TooLate
from plugin.ledger import SealBroken, Vault, change_rows, note_for_log
from plugin.ledger import tables as t
from plugin.observations import Results
from plugin.observations.build import with_status
from plugin.responses import UnreadableResponse, as_kept, read_response

_NEVER_SENT = "Entered in error before it was sent: it does not stand in the record."
LONGEST_NAME = 200  # of who made a version
_NAMESPACE = uuid.UUID("3d3a5fd4-5a2e-5b1c-8d43-51f6d2a4c7b0")


class RevisionKind(StrEnum):
    """What became of a response after it was kept; the values are FHIR's statuses of an Observation."""

    AMENDED = "amended"
    ENTERED_IN_ERROR = "entered-in-error"


class IsKept(Exception):
    """The latest version is this very one: somebody else has kept it meanwhile."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A later version. `made_by` is a reference or a role, `why` what was given as the reason."""

    kind: RevisionKind
    made: datetime
    made_by: str
    why: str
    body: bytes
    results: Results
    key_hash: str

    @property
    def digest(self) -> str:
        """SHA-256 of the answers' bytes, hex."""
        return hashlib.sha256(self.body).hexdigest()


def revise(connection: Connection, vault: Vault, response_id: str, revision: Revision) -> int:
    """Keep a later version and make its delivery due; gives its number.

    TooLate after it was entered in error, IsKept if the latest version is the same.
    """
    waiting = connection.execute(
        sa.select(t.delivery.c.state, t.delivery.c.attempts, t.delivery.c.revision)
        .where(t.delivery.c.response == response_id)
        .with_for_update()
    ).one()
    _check_open(connection, response_id)
    _check_new(connection, response_id, int(waiting.revision), revision)
    number = int(waiting.revision) + 1
    own_id = str(uuid.uuid5(_NAMESPACE, f"{response_id}/{number}"))
    connection.execute(
        t.revision.insert().values(
            id=own_id,
            response=response_id,
            number=number,
            kind=revision.kind,
            made=revision.made,
            made_by=revision.made_by[:LONGEST_NAME],
            why=revision.why,
            sealed_body=vault.seal("response", own_id, revision.body),
            body_digest=revision.digest,
            sealed_results=vault.seal(
                "results", own_id, msgspec.json.encode(StoredResults.of(revision.results))
            ),
            key_hash=revision.key_hash,
            software=__version__,
        )
    )
    note_for_log(connection, "revision", own_id)
    change_rows(
        connection,
        t.delivery,
        (t.delivery.c.response == response_id,),
        dict(revision=number, **_way(DeliveryState(waiting.state), int(waiting.attempts), revision)),
    )
    return number


def _as_answered(record: Record) -> Record:
    """Give a record whose time, contact and source are those of its present answers; as it is if these are unreadable."""
    try:
        response = as_kept(read_response(record.body))
    except UnreadableResponse:
        return record
    return replace(
        record,
        authored=response.authored_at or record.authored,
        encounter=response.encounter_reference,
        source=response.source_reference,
        language=response.language,
    )


def void(record: Record, made: datetime, made_by: str, why: str) -> Revision:
    """Make the version that says that a response was entered in error; its answers stay as they were."""
    kind = RevisionKind.ENTERED_IN_ERROR
    made_by = made_by[:LONGEST_NAME]
    results = with_status(record.results, kind, made_by=made_by, made=made)
    return Revision(kind, made, made_by, why, record.body, results, record.key_hash)


def read_current(connection: Connection, vault: Vault, response_id: str) -> Record:
    """Read a response as it stands now, with its earlier versions and where they stand in the EHR; NotFound if there is none."""
    (record,) = as_they_stand(connection, vault, (read_kept(connection, vault, response_id),))
    if not record.revision:
        return record
    return replace(record, earlier=read_versions(connection, vault, response_id)[: record.revision])


def read_version(connection: Connection, vault: Vault, response_id: str, number: int) -> Record:
    """Read one version of a response, 0 the first; NotFound if there is none."""
    first = read_kept(connection, vault, response_id)
    if number == 0:
        return first
    found = t.revision.c.response == response_id, t.revision.c.number == number
    row = connection.execute(sa.select(t.revision).where(*found)).first()
    if row is None:
        raise NotFound(f"The response has no version {number}.", "Look for it with rapport audit trace.")
    return open_revision(first, dict(row._mapping), vault)


def find_current(connection: Connection, vault: Vault, response_id: str) -> Record | None:
    """Read a response as it stands now; None if there is none."""
    known = connection.execute(sa.select(t.response.c.id).where(t.response.c.id == response_id)).first()
    return None if known is None else read_current(connection, vault, response_id)


def read_version_as_it_opens(connection: Connection, vault: Vault, response_id: str, number: int) -> Record:
    """Read what opens of one version of a response, 0 the first; NotFound if there is none."""
    first = read_what_opens(connection, vault, response_id)
    if number == 0:
        return first
    found = t.revision.c.response == response_id, t.revision.c.number == number
    row = connection.execute(sa.select(t.revision).where(*found)).first()
    if row is None:
        raise NotFound(f"The response has no version {number}.", "Look for it with rapport audit trace.")
    return _as_far(first, dict(row._mapping), vault, answers=True)


def read_versions(connection: Connection, vault: Vault, response_id: str) -> tuple[Record, ...]:
    """Read every version of a response, the first first; NotFound if there is none."""
    first = read_kept(connection, vault, response_id)
    rows = connection.execute(
        sa.select(t.revision).where(t.revision.c.response == response_id).order_by(t.revision.c.number)
    )
    return (first, *(open_revision(first, dict(row._mapping), vault) for row in rows))


def is_under_way(connection: Connection, response_id: str) -> bool:
    """Whether the latest version may not have reached the record yet."""
    state = connection.execute(
        sa.select(t.delivery.c.state).where(t.delivery.c.response == response_id)
    ).scalar()
    return state != DeliveryState.DELIVERED


def revised_ids(connection: Connection) -> frozenset[str]:
    """Name the responses that have later versions."""
    return frozenset(connection.execute(sa.select(t.revision.c.response).distinct()).scalars())


def as_they_stand(connection: Connection, vault: Vault, records: Iterable[Record]) -> tuple[Record, ...]:
    """Give records in their latest versions."""
    records = tuple(records)
    latest = latest_rows(connection, [each.id for each in records])
    return tuple(
        each if (row := latest.get(each.id)) is None else open_revision(each, row, vault) for each in records
    )


def as_far_as_they_open(
    connection: Connection, vault: Vault, records: Iterable[Record], *, answers: bool = True
) -> tuple[Record, ...]:
    """Give records in their latest versions; one whose latest version does not open names that, and has no results."""
    records = tuple(records)
    latest = latest_rows(connection, [each.id for each in records])
    return tuple(
        each if (row := latest.get(each.id)) is None else _as_far(each, row, vault, answers=answers)
        for each in records
    )


def _as_far(record: Record, row: Mapping[str, object], vault: Vault, *, answers: bool) -> Record:
    """Give a record as a later version has it; what does not open of either is named."""
    try:
        return open_revision(record, row, vault) if answers else open_revised_scores(record, row, vault)
    except (SealBroken, ValueError) as broken:
        what = f"{broken}." if isinstance(broken, SealBroken) else "A later version of it cannot be read."
        return replace(record, body=b"", results=NO_RESULTS, altered=(*record.altered, what))


def open_revision(record: Record, row: Mapping[str, object], vault: Vault) -> Record:
    """Give a record as one of its later versions has it. SealBroken if that was altered."""
    own_id = str(row["id"])
    body = vault.open("response", own_id, row["sealed_body"])  # type: ignore[arg-type]  # a LargeBinary
    results = open_results(vault, own_id, row["sealed_results"])  # type: ignore[arg-type]  # a LargeBinary
    return later_version(record, row, body, results)


def later_version(record: Record, row: Mapping[str, object], body: bytes, results: Results) -> Record:
    """Give a record as a later version has it: its answers and results opened, the rest from its row."""
    return _as_answered(replace(_revised(record, row, results), body=body))


def open_revised_scores(record: Record, row: Mapping[str, object], vault: Vault) -> Record:
    """Give a record with the results of one of its later versions; its answers stay sealed."""
    results = open_results(vault, str(row["id"]), row["sealed_results"])  # type: ignore[arg-type]  # a LargeBinary
    return _revised(record, row, results)


def _revised(record: Record, row: Mapping[str, object], results: Results) -> Record:
    locations = row.get("locations")
    return replace(
        record,
        results=results,
        key_hash=str(row["key_hash"]),
        revision=int(str(row["number"])),
        voided=row["kind"] == RevisionKind.ENTERED_IN_ERROR,
        revised=row["made"],  # type: ignore[arg-type]  # an Instant
        revised_by=str(row["made_by"]),
        why=str(row["why"]),
        locations=tuple(str(locations).split()) if locations else (),
    )


def latest_rows(connection: Connection, ids: list[str]) -> dict[str, Mapping[str, object]]:
    """Give the rows of the latest versions of some responses, by response; none of those that have no later ones."""
    if not ids:
        return {}
    rows = connection.execute(
        sa.select(t.revision, t.delivery.c.locations)
        .join(t.delivery, t.delivery.c.response == t.revision.c.response)
        .where(t.revision.c.response.in_(ids))
        .order_by(t.revision.c.number)
    )
    return {row.response: dict(row._mapping) for row in rows}


def _check_open(connection: Connection, response_id: str) -> None:
    ended = sa.select(t.revision.c.id).where(
        t.revision.c.response == response_id, t.revision.c.kind == RevisionKind.ENTERED_IN_ERROR
    )
    if connection.execute(ended).first() is not None:
        raise TooLate(
            "This response is marked as entered in error already.", "Have the form filled in again instead."
        )


def _check_new(connection: Connection, response_id: str, latest: int, revision: Revision) -> None:
    c = t.revision.c
    same = c.response == response_id, c.number == latest, c.kind == revision.kind
    if connection.execute(sa.select(c.id).where(*same, c.body_digest == revision.digest)).first() is not None:
        raise IsKept


def _way(state: DeliveryState, attempts: int, revision: Revision) -> dict[str, object]:
    """Say how the delivery goes on: to the record, unless nothing of it can stand there or somebody decided otherwise."""
    if revision.kind is RevisionKind.ENTERED_IN_ERROR and attempts == 0:
        return {"state": DeliveryState.DISCARDED, "detail": _NEVER_SENT, "owner": None}
    if state in {DeliveryState.DISCARDED, DeliveryState.SENDING}:
        return {}  # whoever sends it just now is told by the number that there is more
    return {
        "state": DeliveryState.SCORED,
        "due": revision.made,
        "failures": 0,
        "owner": None,
        "delivered": None,
        "detail": "",
    }
