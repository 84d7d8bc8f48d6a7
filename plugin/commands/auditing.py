"""What `rapport audit trace` and `log` do, and what opens the ledger, or accounts for an act, for an auditor's other commands."""

import asyncio
import base64
import getpass
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.engine import Connection

from plugin.audit import Actor, Kind, Trail
from plugin.audit.leaves import LOGGED
from plugin.auditing.asked import Asked, find_response, observation_asked
from plugin.auditing.chain import check_not_removed, lacks_attempt, prove_rows
from plugin.auditing.entries import MOST, Entry, read_entries
from plugin.auditing.entries import Account as Told
from plugin.auditing.notes import NoteTold, find_note, read_note_told
from plugin.auditing.origins import (
    invitation_as_json,
    invitation_as_lines,
    launch_as_json,
    launch_as_lines,
    read_invitation,
    read_launch,
)
from plugin.auditing.proving import Prover, Standing
from plugin.auditing.unfolding import again_as_json, again_as_lines, as_lines, unfold
from plugin.auditing.unfolding import as_json as as_json_of
from plugin.auditing.versions import Later, altered_of, later_as_json, later_as_lines, read_later
from plugin.delivery.account import Attempt, attempts_of, read_account
from plugin.delivery.keep import Record
from plugin.delivery.notes import Note
from plugin.delivery.rescored import kept_again
from plugin.delivery.revising import read_version_as_it_opens
from plugin.errors import Conflict, Forbidden, NotFound, RapportError
from plugin.ledger import AuditRow, Ledger, Vault
from plugin.ledger import tables as t
from plugin.ledger.known_key import check_key
from plugin.ledger.odd_text import looking
from plugin.ledger.store import open_database
from plugin.settings import Settings, read_settings
from plugin.stock import open_stock_of
from plugin.transparency import LogSigner, Tiles, inclusion_proof, open_checkpoint
from plugin.verify.kinds import readable

_out = Console()


@dataclass(frozen=True)
class Opened:
    """What commands of an auditor look into; closed at their end."""

    settings: Settings
    vault: Vault
    connection: Connection
    signer: LogSigner
    tiles: Tiles


@contextmanager
def opening(config: Path) -> Iterator[Opened]:
    """Open the ledger and the log that the settings name; neither is changed. SettingsInvalid if its key is another."""
    settings = read_settings(config)
    engine = open_database(settings.database)
    signer = LogSigner(settings.log_name, settings.log_key)
    vault = Vault(settings.vault_keys)
    try:
        check_key(engine, vault)
        with engine.connect() as connection:
            yield Opened(settings, vault, connection, signer, Tiles(settings.log_folder))
    finally:
        engine.dispose()


def at_the_command_line() -> Actor:
    """Name who runs the command, as the machine knows them."""
    return Actor(display=f"{getpass.getuser()} at the command line")


def record(settings: Settings, entry: AuditRow) -> None:
    """Record an entry in the trail, durably; Forbidden if this user or role may not write to the ledger."""
    ledger = Ledger(settings.database, Vault(settings.vault_keys))
    try:
        asyncio.run(ledger.record(entry))
    except (sa.exc.InternalError, sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        raise Forbidden(
            f"The ledger cannot be written to ({type(error.orig).__name__}), and this leaves an entry in the trail.",
            "Run it as a user, and with a database role, that may write.",
        ) from None
    finally:
        ledger.close()


def hold_still(connection: Connection) -> None:
    """Read one state of the database throughout, whatever is written meanwhile. SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ")


def trace(observation: str, config: Path, *, as_json: bool) -> None:
    """Follow a stored number back to answers, key, people, times, software and deliveries, and print it.

    What of it was altered is named first: values of another kind than their column's, and sealed ones that do not open.
    The trail has an entry of it, as it has of a look at its page.
    """
    with opening(config) as opened:
        try:
            seen, chain = _traced(opened, observation, as_json=as_json)
        except NotFound:
            note = find_note(opened.connection, None, observation)
            if note is None:
                raise
            prover = Prover(opened.tiles, opened.signer.verifier)
            told = read_note_told(opened.connection, opened.vault, prover, note)
            seen, chain = _Seen.of(told.sent.note), _told_note(opened.connection, told)
    _note_view(opened.settings, seen)
    _print(chain, as_json=as_json)


@dataclass(frozen=True)
class _Seen:
    """What was traced."""

    site: str
    patient: str
    reference: str

    @classmethod
    def of(cls, what: Record | Note) -> "_Seen":
        kind = "DocumentReference" if isinstance(what, Note) else "QuestionnaireResponse"
        return cls(what.site, what.patient, f"{kind}/{what.id}")


def _traced(opened: Opened, observation: str, *, as_json: bool) -> tuple[_Seen, dict[str, object]]:
    try:
        record_of, chain, odd = looking(
            opened.connection, lambda _: _trace(opened, observation, as_json=as_json)
        )
        kinds = _misfits(opened.connection) if odd else []
    except (TypeError, ValueError, sa.exc.OperationalError):
        with readable(opened.connection) as misfits:
            kinds = [f"{each.where}: {each.what}" for each in misfits]
            if not kinds:
                raise
            record_of, chain, odd = _trace(opened, observation, as_json=as_json)
    if kinds or odd:
        chain = {"not as Rapport wrote it": [*kinds, *odd]} | chain
    return _Seen.of(record_of), chain


def _print(chain: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(chain, indent=2, default=str))
        return
    for name, value in chain.items():
        _out.print(f"[bold]{name}[/]", highlight=False)
        for line in value if isinstance(value, list) else [value]:
            _out.print(f"  {line}", highlight=False, markup=False)


def _misfits(connection: Connection) -> list[str]:
    """Name every value of another kind than its column's."""
    with readable(connection) as misfits:
        return [f"{each.where}: {each.what}" for each in misfits]


def _told_note(connection: Connection, told: NoteTold) -> dict[str, object]:
    sent, note = told.sent, told.sent.note
    detail = f", {sent.detail}" if sent.detail else ""
    broken = [f"note {note.id}: {told.proof.problem}"] if told.proof.is_bad else []
    return {
        **({"not as Rapport wrote it": broken} if broken else {}),
        "note": f"{note.id} (identifier {note.id}/note); its text is for those who treat, and not told here",
        "about": f"{note.patient} at {note.site}" + (f", {note.encounter}" if note.encounter else ""),
        "written by": f"{note.author}, {note.written.isoformat()}",
        "launch": note.launch,
        "delivery": f"{sent.state}, attempts: {sent.attempts}{detail}",
        "in the record": sent.location or "nothing yet",
        "seen and touched": [_event(each) for each in told.entries] or ["no entry"],
        "log": _leaf_text(connection, "note", note.id),
    }


def _note_view(settings: Settings, seen: _Seen) -> None:
    """Have the trail tell who traced it; say so if that cannot be."""
    trail = Trail(settings.base_url, lambda: datetime.now(UTC))
    who = at_the_command_line()
    try:
        about = (seen.reference,)
        record(
            settings, trail.entry(Kind.CHAIN_VIEWED, who, site=seen.site, patient=seen.patient, about=about)
        )
    except (RapportError, sa.exc.SQLAlchemyError, OSError) as error:
        why = error.what_happened if isinstance(error, RapportError) else type(error).__name__
        print(f"Not recorded in the trail: {why}", file=sys.stderr)


def _trace(
    opened: Opened, observation: str, *, as_json: bool
) -> tuple[Record, dict[str, object], tuple[str, ...]]:
    """Read what is known of it: the record, all of it by name, and what of it was altered."""
    response_id = _response_of(opened.connection, observation)
    account = read_account(opened.connection, opened.vault, response_id)
    record = account.record
    stock = open_stock_of(opened.settings)
    unfolded = unfold(record, stock.catalogue, stock.keys)
    software = f"Rapport {account.software}"
    first_version = read_version_as_it_opens(opened.connection, opened.vault, response_id, 0)
    versions = kept_again(opened.connection, opened.vault, record.id)
    first = {
        each.id: read_version_as_it_opens(opened.connection, opened.vault, record.id, each.version)
        for each in versions
    }
    later = read_later(opened.connection, opened.vault, record.id)
    attempts = attempts_of(opened.connection, record.id)
    launch, now = read_launch(opened.connection, opened.vault, record.launch), datetime.now(UTC)
    invited = read_invitation(opened.connection, record.invitation)
    told = read_entries(opened.connection, opened.vault, record)
    prover = Prover(opened.tiles, opened.signer.verifier)
    altered = (
        *(
            f"{each.kind} {each.row}: {each.problem}"
            for each in prove_rows(opened.connection, opened.vault, prover, record.id)
            if each.is_bad
        ),
        *first_version.altered,
        *record.altered,
        *altered_of(opened.connection, opened.vault, record.id),
        *lacks_attempt(account, attempts),
        *(
            f"audit {each.event}: it was altered and does not open."
            for each in told.entries
            if each.is_altered
        ),
    )
    asked = observation_asked(observation, account, attempts, unfolded)
    chain: dict[str, object] = {
        **({"asked for": _told_asked(asked)} if asked else {}),
        "response": f"{record.id} (identifier {record.identifier})",
        "about": f"{record.patient} at {record.site}" + (f", {record.encounter}" if record.encounter else ""),
        "answered by": f"{record.source or 'not known'} as {record.rater}, {record.authored.isoformat()}",
        "launch": launch_as_json(launch, now) if as_json else launch_as_lines(launch, now),
        "invitation": invitation_as_json(invited) if as_json else invitation_as_lines(invited),
        "received": record.received.isoformat(),
        "key": f"{record.instrument} ({record.key_hash})",
        "software": software,
        "answers' digest": record.digest,
        "standing": _standing_of(record),
        "versions": _told_versions(opened.connection, first_version, later, as_json=as_json),
        "score ledger": as_json_of(record, software, unfolded) if as_json else as_lines(unfolded),
        "scored again": [again_as_json(first[each.id], each) for each in versions]
        if as_json
        else [line for each in versions for line in again_as_lines(first[each.id], each)] or ["no"],
        "delivery": [_told_attempt(each) for each in attempts] or ["not tried yet"],
        "the EHR's answers": [
            f"attempt {each.number or '–'}, {line}" for each in attempts for line in each.answers
        ]
        or ["none"],
        "in the record": list(account.locations) or ["nothing yet"],
        "seen and touched": _events(told),
        "log": _leaf_text(opened.connection, "response", record.id),
    }
    return record, chain, tuple(dict.fromkeys(altered))


def _told_asked(asked: Asked) -> str:
    if asked.score is None:
        what = "the panel of all scores" if asked.is_panel else "one of the scores; the EHR did not say which"
        return f"{asked.address}, {what}"
    value = "no value" if asked.score.stored is None else asked.score.stored
    return f"{asked.address}, {asked.score.label} ({asked.score.link_id}): {value}"


def _told_attempt(attempt: Attempt) -> str:
    status = f" HTTP {attempt.status}" if attempt.status else ""
    return f"{attempt.when.isoformat()} {attempt.state}{status} {attempt.detail}".rstrip()


def _standing_of(record: Record) -> str:
    if record.voided:
        return "ENTERED IN ERROR: it counts nowhere"
    return f"amended, version {record.revision}" if record.revision else "as it was answered"


def _told_versions(
    connection: Connection, first: Record, later: tuple[Later, ...], *, as_json: bool
) -> Sequence[object]:
    """Tell of every version when it came, by whom and why, what its answers and scores are and where it is in the log."""
    leaf = _leaf_text(connection, "response", first.id)
    leaves = {each.id: _leaf_text(connection, "revision", each.id) for each in later}
    if as_json:
        received = {"version": 0, "kind": "answered", "made": first.received.isoformat()}
        return [
            {**received, "answers_digest": first.digest, "log": leaf},
            *({**later_as_json(each), "log": leaves[each.id]} for each in later),
        ]
    told = [f"version 0, as answered, received {first.received.isoformat()}", *_kept(first.digest, leaf)]
    for each in later:
        told += [*later_as_lines(each), *_kept(each.digest, leaves[each.id], fits=each.digest_fits)]
    return told


def _kept(digest: str, leaf: str, *, fits: bool = True) -> tuple[str, str]:
    altered = "" if fits else " (NOT the digest that was stored with them)"
    return f"    answers {digest}{altered}", f"    {leaf}"


def _response_of(connection: Connection, observation: str) -> str:
    """Find the response behind an address or an identifier; NotFound, too, if the log has it and it is gone."""
    try:
        response = find_response(connection, None, observation)
    except NotFound:
        check_not_removed(connection, observation.strip().rpartition("|")[2].partition("/")[0])
        raise NotFound(
            f"No delivery left {observation}.",
            "Give the Observation's address in the EHR (Observation/17) or its identifier (a UUID).",
        ) from None
    _check_stands(connection, response)
    return response


def _check_stands(connection: Connection, response: str) -> None:
    """NotFound if a delivery is all that is left of a response."""
    if connection.execute(sa.select(t.response.c.id).where(t.response.c.id == response)).first() is None:
        check_not_removed(connection, response)


def _events(told: Told) -> list[str]:
    """Tell what came of it and who has seen it, as the auditor's page of it does; who saw the patient's page is among them."""
    lines = [_event(each) for each in told.entries]
    if told.unnamed:
        lines.append(
            f"left out, since they name no form and several were out: {told.unnamed} of a device given back"
        )
    if not told.whole:
        lines.append(f"and more: the newest {MOST} entries were read")
    return lines or ["no entry"]


def _event(each: Entry) -> str:
    failed = f", failed: {each.failure}" if each.failure else "" if each.succeeded else ", failed"
    return f"{each.when.isoformat()} {each.kind} by {each.who}{failed}"


def _leaf_text(connection: Connection, kind: str, row: str) -> str:
    place = connection.execute(
        sa.select(t.log_leaf.c.place).where(t.log_leaf.c.kind == kind, t.log_leaf.c.row == row)
    ).scalar()
    return "not logged yet" if place is None else f"leaf {place}; rapport audit log prove {row}"


def checkpoint(config: Path) -> None:
    """Print the signed checkpoint, and on standard error the key that verifies it."""
    with opening(config) as opened:
        note = opened.tiles.read_checkpoint()
        if note is None:
            raise NotFound("There is no checkpoint yet.", "Start rapport serve; it signs within seconds.")
        open_checkpoint(note, opened.signer.verifier)
        sys.stdout.buffer.write(note)
        print(f"verifier key: {opened.signer.verifier}", file=sys.stderr)


def prove(row: str, config: Path) -> None:
    """Print a C2SP tlog-proof that a row is in the log as it is stored; Conflict, and no proof, if it is not what was logged."""
    with opening(config) as opened:
        leaf = opened.connection.execute(
            sa.select(t.log_leaf.c.kind, t.log_leaf.c.place, t.log_leaf.c.entry).where(
                t.log_leaf.c.kind.in_(list(LOGGED)), t.log_leaf.c.row == row
            )
        ).first()
        note = opened.tiles.read_checkpoint()
        if note is None or leaf is None:
            raise NotFound(
                f"{row} is not in the log.", "A new row takes some seconds; look for its id with trace."
            )
        signed = open_checkpoint(note, opened.signer.verifier)
        if leaf.place >= signed.size:
            raise NotFound(f"{row} is not covered by the checkpoint yet.", "Try again in some seconds.")
        prover = Prover(opened.tiles, opened.signer.verifier)
        proof = prover.prove(opened.connection, opened.vault, leaf.kind, row)
        if proof.is_bad:
            what = "is not what was logged" if proof.standing is Standing.ALTERED else "cannot be proved"
            raise Conflict(
                f"{row} {what}: {proof.problem}", "Run rapport audit verify; it names what was altered."
            )
        if proof.standing is Standing.ERASED:
            print("Its content was erased: only that it was logged can be proved.", file=sys.stderr)
        path = inclusion_proof(opened.tiles.subtree, leaf.place, signed.size)
        lines = [
            "c2sp.org/tlog-proof@v1",
            f"extra {base64.b64encode(leaf.entry).decode()}",
            f"index {leaf.place}",
        ]
        lines += [base64.b64encode(each).decode() for each in path]
        sys.stdout.buffer.write("\n".join([*lines, "", ""]).encode() + note)
