"""Erases what is kept of a patient, because the law asks for it; the log stays whole, and says that something was erased.

The log holds salted digests: with the rows and the salts gone, its leaves tell nothing. What remains is a row that says when, by
whom and why, with a keyed digest of the patient instead of a name, and the places of the leaves that it accounts for.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from plugin.audit.subjects import subjects_of
from plugin.errors import Conflict, NotFound
from plugin.ledger import Vault, change_rows, note_for_log
from plugin.ledger import tables as t
from plugin.ledger.schema import lock

Found = Mapping[str, Sequence[object]]
"""Keys of rows, by table."""
RETENTION = "Rapport, by the site's retention"
"""Who decides where the settings do."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure: when, by whom, why, and how many rows of which table."""

    id: str
    decided: datetime
    decided_by: str
    why: str
    with_trail: bool
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be erased and why. `with_trail`: the entries about the patient, too."""

    site: str
    patient: str
    who: str
    why: str
    with_trail: bool = False


def new_id() -> str:
    """Make an erasure's id; its audit entry names it."""
    return str(uuid.uuid4())


def count_rows(connection: Connection, decision: Decision) -> dict[str, int]:
    """Count what an erasure would erase, by table."""
    return {name: len(keys) for name, keys in _rows(connection, decision).items() if keys}


def erase(connection: Connection, vault: Vault, decision: Decision, identity: str, now: datetime) -> Erasure:
    """Erase a patient's rows with their salts, in one transaction; NotFound if there are none.

    Conflict while one of the patient's responses is being sent.
    """
    lock(connection, "log")  # nothing gets a place meanwhile
    found = _rows(connection, decision)
    if not any(found.values()):
        raise NotFound(
            f"Nothing is kept of {decision.patient} at {decision.site}.",
            "Write the reference as the EHR has it: Patient/123.",
        )
    _check_not_under_way(connection, found["response"])
    return erase_rows(connection, vault, decision, found, identity, now)


def erase_rows(
    connection: Connection, vault: Vault, decision: Decision, found: Found, identity: str, now: datetime
) -> Erasure:
    """Erase rows by table and key with their leaves' salts, and account for it. Hold the log's lock."""
    counts = {name: len(keys) for name, keys in found.items() if keys}
    places = _forget_leaves(connection, found, now)
    for responses in _pieces(found.get("response", ())):
        # What was seen in the EHR stays seen: it is not to be fetched again.
        seen = t.collected.c.response.in_(responses)
        change_rows(connection, t.collected, (seen,), {"response": None})
    for invitations in _pieces(found.get("invitation", ())):
        # A device that is still handed over stays locked; it is no longer told for which form.
        locked = t.browser_session.c.locked_for.in_(invitations)
        change_rows(connection, t.browser_session, (locked,), {"locked_for": None})
    for table, column in _ORDER:
        for keys in _pieces(found.get(table.name, ())):
            connection.execute(table.delete().where(column.in_(keys)))
    connection.execute(
        t.erasure.insert().values(
            id=identity,
            site=decision.site,
            subject=subjects_of(vault, decision.site, decision.patient)[0],
            decided=now,
            decided_by=decision.who,
            why=decision.why,
            with_trail=decision.with_trail,
            counts=json.dumps(counts),
            places=json.dumps(places),
        )
    )
    note_for_log(connection, "erasure", identity)
    return Erasure(identity, now, decision.who, decision.why, decision.with_trail, counts)


def was_outlived(connection: Connection, vault: Vault, site: str, made: datetime) -> bool:
    """Tell whether answers of that time may have gone by the site's retention."""
    outlived = erasures_of(connection, vault, site, "")
    return any("response" in each.counts and each.decided > made for each in outlived)


def erasures_of(connection: Connection, vault: Vault, site: str, patient: str) -> tuple[Erasure, ...]:
    """Give the erasures of a patient, oldest first."""
    subjects = subjects_of(vault, site, patient)
    rows = connection.execute(
        sa.select(t.erasure).where(t.erasure.c.subject.in_(subjects)).order_by(t.erasure.c.decided)
    )
    return tuple(
        Erasure(row.id, row.decided, row.decided_by, row.why, row.with_trail, json.loads(row.counts))
        for row in rows
    )


def clear_remains(engine: Engine) -> None:
    """Have the database give up what deleted rows leave in its files."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # neither works in a transaction
            # `secure_delete` overwrites rows, and not what moving rows between pages leaves: the file is written anew.
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table, _ in _ORDER:
            connection.exec_driver_sql(f'VACUUM "{table.name}"')
        connection.exec_driver_sql("VACUUM log_leaf")
        connection.exec_driver_sql("VACUUM browser_session")


# In the order in which they can go: what refers to another goes first.
_ORDER = (
    (t.attempt, t.attempt.c.id),
    (t.revision, t.revision.c.id),
    (t.rescoring, t.rescoring.c.id),
    (t.delivery, t.delivery.c.response),
    (t.response, t.response.c.id),
    (t.note_delivery, t.note_delivery.c.note),
    (t.note, t.note.c.id),
    (t.invitation, t.invitation.c.id),
    (t.launch, t.launch.c.id),
    (t.audit, t.audit.c.id),
)
_LOGGED_KEYS = {
    "attempt": "id",
    "revision": "id",
    "rescoring": "id",
    "response": "id",
    "note": "id",
    "audit": "event",
}


def _rows(connection: Connection, decision: Decision) -> dict[str, list[object]]:
    """Give the keys of every row about the patient, by table."""
    found: dict[str, list[object]] = defaultdict(list)
    for table in (t.response, t.note, t.invitation, t.launch, t.audit):
        if table is t.audit and not decision.with_trail:
            continue
        query = sa.select(table.c.id).where(
            table.c.site == decision.site, table.c.patient == decision.patient
        )
        found[table.name] = list(connection.execute(query).scalars())
    of_responses = ((t.delivery, "response"), (t.attempt, "id"), (t.revision, "id"), (t.rescoring, "id"))
    for table, key in of_responses:
        for responses in _pieces(found["response"]):
            query = sa.select(table.c[key]).where(table.c.response.in_(responses))
            found[table.name] += connection.execute(query).scalars()
    found["note_delivery"] = found["note"]
    return found


def _check_not_under_way(connection: Connection, responses: Sequence[object]) -> None:
    for piece in _pieces(responses):
        query = sa.select(t.delivery.c.response).where(
            t.delivery.c.response.in_(piece), t.delivery.c.state == "sending"
        )
        if connection.execute(query).first() is not None:
            raise Conflict(
                "A response of this patient is being sent to the EHR just now.", "Try again in a minute."
            )


def _forget_leaves(connection: Connection, found: Found, now: datetime) -> list[int]:
    """Take salt and name of the row from its leaf, and rows that wait for the log out of the queue; gives the places."""
    places: list[int] = []
    for kind, column in _LOGGED_KEYS.items():
        keys = found.get(kind, ())
        if kind == "audit":
            keys = [
                event
                for piece in _pieces(keys)
                for event in connection.execute(
                    sa.select(t.audit.c[column]).where(t.audit.c.id.in_(piece))
                ).scalars()
            ]
        for piece in _pieces([str(each) for each in keys]):
            waiting = t.log_pending.c.kind == kind, t.log_pending.c.row.in_(piece)
            connection.execute(t.log_pending.delete().where(*waiting))
            own = t.log_leaf.c.kind == kind, t.log_leaf.c.row.in_(piece)
            places += connection.execute(sa.select(t.log_leaf.c.place).where(*own)).scalars()
            # The row's name goes, too: one that was derived from the answers could be guessed again.
            name = sa.literal("erased-") + sa.cast(t.log_leaf.c.place, sa.String(20))
            connection.execute(t.log_leaf.update().where(*own).values(salt=None, erased=now, row=name))
    return sorted(places)


def _pieces(keys: Sequence[object]) -> Iterator[Sequence[object]]:
    for begin in range(0, len(keys), _AT_ONCE):
        yield keys[begin : begin + _AT_ONCE]
