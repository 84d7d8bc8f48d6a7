"""Invitations: the right to fill one form once, on this device or another. Functions of one connection.

The secret is never stored, only its keyed digest: it is derived from the installation's key, so that a clinician can be shown
the same link again (docs/adr/0007-invitation-secrets.md). The draft rests encrypted.
"""

import hashlib
import uuid
from collections.abc import Collection, Container, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from plugin.audit.facts import Facts, made
from plugin.errors import InvitationUnusable
from plugin.ledger import SealBroken, Vault, as_sealed, change_rows, check_fits, insert_row, row_fits
from plugin.ledger.tables import invitation, launch

_SECRET_LENGTH = 40  # hex digits, 160 bits: cannot be guessed, and still fits a QR code well
CODE_DIGITS = 8
_FOLLOWED_FOR = timedelta(hours=24)
_TOLD_FOR = timedelta(days=14)  # how long it is told that somebody's last form was not sent


class InvitationState(StrEnum):
    """Where an invitation stands."""

    CREATED = "created"
    OPENED = "opened"
    SUBMITTED = "submitted"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


FILLABLE = (InvitationState.CREATED, InvitationState.OPENED)
"""In which a form can be filled, as long as its time lasts."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who may answer what, for whom, until when. References are FHIR references."""

    id: str
    launch: str
    site: str
    patient: str
    encounter: str | None
    rater: str
    source: str
    author: str
    instrument: str  # canonical with version
    language: str
    created: datetime
    expires: datetime
    state: InvitationState
    remote: bool = False
    code_made: datetime | None = (
        None  # when the code that counts was made; None: there is none, or it was used
    )
    code_number: int = 0
    gate: str | None = None  # plugin.access.gates
    gate_answer: str | None = None
    answered_on: date | None = None  # the day that it is about, if it is entered later


_PROMISED = ""  # stands among the linkIds of a draft that is kept, and is none

# linkId -> option code or text, several as a list; None: did not want to answer;
# {"absent": reason}: no answer for another reason
Draft = dict[str, str | list[str] | dict[str, str] | None]


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """The answers that are kept of a form. `mark` changes with each change; `moved`: they were not the ones that were to change."""

    answers: Draft
    mark: str
    moved: bool = False
    promised: frozenset[str] = frozenset()  # what the page on which they were given said of who reads them


def create_invitation(connection: Connection, vault: Vault, planned: Invitation) -> str:
    """Store an invitation and return its secret, which is nowhere else."""
    secret, *_ = _possible_secrets(vault, planned.id)
    insert_row(
        connection,
        invitation,
        {
            "id": planned.id,
            "secret": vault.digest("invitation", secret),
            "launch": planned.launch,
            "site": planned.site,
            "patient": planned.patient,
            "encounter": planned.encounter,
            "rater": planned.rater,
            "source": planned.source,
            "author": planned.author,
            "instrument": planned.instrument,
            "language": planned.language,
            "created": planned.created,
            "expires": planned.expires,
            "state": planned.state,
            "remote": planned.remote,
            "code_made": planned.created if planned.remote else None,
            "code_number": 0,
            "answered_on": _day(planned),
            "gate": planned.gate,
        },
    )
    return secret


def facts_of(planned: Invitation) -> Facts:
    """Write down what the trail tells of an invitation beside by whom and for which patient."""
    return made("invitation", asdict(planned))


def read_invitation(connection: Connection, vault: Vault, invitation_id: str) -> Invitation | None:
    """Read an invitation by its id, whatever its state. SealBroken if any of it was altered: it says who answers for whom."""
    row = connection.execute(sa.select(invitation).where(invitation.c.id == invitation_id)).first()
    return None if row is None else _as_sealed(vault, row)


def held_form(connection: Connection, vault: Vault, invitation_id: str | None) -> Invitation | None:
    """Read the form that a device is handed over with; None for none, and for one that is gone or was altered."""
    with suppress(SealBroken):
        return read_invitation(connection, vault, invitation_id) if invitation_id else None
    return None


def read_secret(connection: Connection, vault: Vault, invitation_id: str) -> str:
    """Derive the secret of an invitation again; InvitationUnusable if its key is gone."""
    stored = connection.execute(
        sa.select(invitation.c.secret).where(invitation.c.id == invitation_id)
    ).scalar()
    for secret in _possible_secrets(vault, invitation_id):
        if stored in vault.digests("invitation", secret):
            return secret
    raise InvitationUnusable(
        "The link of this form cannot be shown again.", "Withdraw it and make a new one."
    )


def find_begun(
    connection: Connection, vault: Vault, planned: Invitation, versions: Collection[str]
) -> Invitation | None:
    """Find the form of the same patient, person, kind and day that can still be filled, in whichever launch it was begun.

    `versions` are the addresses of the form under which it can go on: one that was replaced meanwhile goes on as it is. Of
    several the one that `planned` names, else the newest; none that was altered.
    """
    rows = connection.execute(
        sa.select(invitation)
        .where(
            invitation.c.site == planned.site,
            invitation.c.patient == planned.patient,
            invitation.c.source == planned.source,
            invitation.c.instrument.in_(versions),
            invitation.c.answered_on.is_not_distinct_from(_day(planned)),
            invitation.c.state.in_(FILLABLE),
            invitation.c.expires > planned.created,
        )
        .order_by((invitation.c.id == planned.id).desc(), invitation.c.created.desc())
    )
    return next(map(_invitation, as_sealed(vault, invitation, rows)), None)


def spoken_code(vault: Vault, found: Invitation) -> str:
    """Give the digits that can be read out instead of sending the link."""
    return _possible_codes(vault, found.id, found.code_number)[0]


def renew_code(connection: Connection, invitation_id: str, now: datetime) -> int:
    """Make another code of a link that is open; the one before counts no more. InvitationUnusable if it is not open."""
    c = invitation.c
    changed = change_rows(
        connection,
        invitation,
        (
            c.id == invitation_id,
            c.remote,
            c.state.in_(FILLABLE),
            c.expires > now,
        ),
        lambda row: {"code_made": now, "code_number": row["code_number"] + 1},
    )
    if not changed:
        raise InvitationUnusable("This form was sent or withdrawn meanwhile.", "Ask for a new one.")
    return int(changed[0]["code_number"])


def take_code(
    connection: Connection,
    vault: Vault,
    code: str,
    now: datetime,
    lives: Mapping[str, timedelta],
    *,
    among: Container[str] | None = None,
) -> str | None:
    """Use a spoken code, once: gives the secret of its form; None if no open form has it. `lives` by site. Count tries before.

    `among`: only codes of these forms are used.
    """
    longest = max(lives.values(), default=timedelta(0))
    c = invitation.c
    rows = connection.execute(
        sa.select(invitation).where(
            c.remote,
            c.state.in_(FILLABLE),
            c.code_made > now - longest,
            c.expires > now,
        )
    )
    found = [
        each
        for each in rows
        if (among is None or each.id in among)
        and each.code_made > now - lives.get(each.site, timedelta(0))
        and code in _possible_codes(vault, each.id, each.code_number)
        and row_fits(vault, invitation, each)
    ]
    if len(found) != 1:
        return None
    unused = (c.id == found[0].id, c.code_made.is_not(None))
    used = change_rows(connection, invitation, unused, {"code_made": None})
    return read_secret(connection, vault, found[0].id) if used else None


def _possible_secrets(vault: Vault, invitation_id: str) -> tuple[str, ...]:
    """Derive the secret under every key, newest first."""
    return tuple(each[:_SECRET_LENGTH] for each in vault.digests("invitation-secret", invitation_id))


def _possible_codes(vault: Vault, invitation_id: str, number: int) -> tuple[str, ...]:
    digests = vault.digests("invitation-code", f"{invitation_id}/{number}")
    return tuple(str(int(each, 16) % 10**CODE_DIGITS).zfill(CODE_DIGITS) for each in digests)


def new_id() -> str:
    """Make an id; it becomes the id of the response, too."""
    return str(uuid.uuid4())


def find_invitation(connection: Connection, vault: Vault, secret: str) -> Invitation:
    """Find an invitation by its secret, whatever its state; InvitationUnusable if there is none, SealBroken if it was altered."""
    row = connection.execute(
        sa.select(invitation).where(invitation.c.secret.in_(vault.digests("invitation", secret)))
    ).first()
    if row is None:
        raise InvitationUnusable("This link does not open a form.", "Ask for a new one.")
    return _as_sealed(vault, row)


def check_usable(found: Invitation, now: datetime) -> None:
    """InvitationUnusable unless a form may still be filled with it."""
    if found.state is InvitationState.SUBMITTED:
        raise InvitationUnusable(
            "This form has been sent. The answers are saved.", "There is nothing more to do here."
        )
    if found.state is InvitationState.WITHDRAWN:
        raise InvitationUnusable("This form has been withdrawn.", "Ask for a new one.")
    if found.state is InvitationState.EXPIRED or found.expires <= now:
        raise InvitationUnusable("The time for this form has passed.", "Ask for a new one.")


def mark_opened(connection: Connection, invitation_id: str, now: datetime) -> bool:
    """Note the first opening; False if it had been opened before."""
    changed = change_rows(
        connection,
        invitation,
        (
            invitation.c.id == invitation_id,
            invitation.c.state == InvitationState.CREATED,
        ),
        {"state": InvitationState.OPENED, "opened": now},
    )
    return len(changed) == 1


def mark_submitted(connection: Connection, invitation_id: str) -> None:
    """Close an invitation and forget its draft: the response holds the answers now.

    InvitationUnusable if it was withdrawn, erased or over meanwhile: then no response may be kept of it.
    """
    changed = change_rows(
        connection,
        invitation,
        (
            invitation.c.id == invitation_id,
            invitation.c.state.in_(FILLABLE),
        ),
        {"state": InvitationState.SUBMITTED, "sealed_draft": None},
    )
    if len(changed) != 1:
        raise InvitationUnusable(
            "This form was withdrawn, or its time passed, while it was being sent.", "Ask for a new one."
        )


def is_submitted(connection: Connection, invitation_id: str) -> bool:
    """Tell whether it was sent, in a transaction that keeps others from writing until it ends."""
    state = connection.execute(
        sa.select(invitation.c.state).where(invitation.c.id == invitation_id).with_for_update()
    ).scalar()
    return state == InvitationState.SUBMITTED


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The forms that a patient has: those that can be filled, each with how many questions are answered, and what was altered.

    `unsent`: the last form of somebody, given out lately, that ended without being sent.
    """

    forms: tuple[tuple[Invitation, int], ...]
    unsent: tuple[Invitation, ...] = ()
    altered: int = 0  # rows, in whichever state: they are named, and not used


def open_invitations(
    connection: Connection, vault: Vault, site: str, patient: str, now: datetime
) -> UnderWay:
    """List what is under way for a patient, newest first, with the number of questions answered so far."""
    of_patient = invitation.c.site == site, invitation.c.patient == patient
    newest = sa.select(invitation).where(*of_patient).order_by(invitation.c.created.desc())
    rows = connection.execute(newest).all()
    whole = tuple(as_sealed(vault, invitation, rows))
    last = {(row.source, row.rater): row for row in reversed(whole)}
    return UnderWay(
        tuple(
            (_invitation(row), len(_draft(vault, row.id, row.sealed_draft)))
            for row in whole
            if _can_be_filled(row, now)
        ),
        tuple(
            _invitation(row)
            for row in last.values()
            if row.created > now - _TOLD_FOR
            and row.state != InvitationState.SUBMITTED
            and not _can_be_filled(row, now)
        ),
        len(rows) - len(whole),
    )


def _can_be_filled(row: Row[Any], now: datetime) -> bool:
    return row.state in FILLABLE and row.expires > now


def followed_invitations(
    connection: Connection, vault: Vault, site: str, patient: str, now: datetime
) -> tuple[tuple[Invitation, int], ...]:
    """List what is under way for a patient and what ended lately, newest first, with the questions answered so far.

    None that was altered.
    """
    rows = connection.execute(
        sa.select(invitation)
        .where(
            invitation.c.site == site,
            invitation.c.patient == patient,
            invitation.c.created > now - _FOLLOWED_FOR,
        )
        .order_by(invitation.c.created.desc())
    )
    whole = as_sealed(vault, invitation, rows)
    return tuple((_invitation(row), len(_draft(vault, row.id, row.sealed_draft))) for row in whole)


def withdraw(connection: Connection, invitation_id: str, site: str, patient: str) -> None:
    """Withdraw a form of this patient, with what was answered so far; InvitationUnusable if it is not open any more."""
    changed = change_rows(
        connection,
        invitation,
        (
            invitation.c.id == invitation_id,
            invitation.c.site == site,
            invitation.c.patient == patient,
            invitation.c.state.in_(FILLABLE),
        ),
        {"state": InvitationState.WITHDRAWN, "sealed_draft": None},
    )
    if len(changed) != 1:
        raise InvitationUnusable(
            "This form was sent, or it ended, before it could be withdrawn.", "Go back to the patient page."
        )


def expired_invitations(
    connection: Connection, vault: Vault, now: datetime
) -> tuple[tuple[Invitation, bool], ...]:
    """List those that still count as open and whose time is over, some hundred at most; whether each is as it was written."""
    rows = connection.execute(
        sa.select(invitation)
        .where(invitation.c.state.in_(FILLABLE), invitation.c.expires <= now)
        .order_by(invitation.c.expires)
        .limit(500)
    )
    return tuple((_invitation(row), row_fits(vault, invitation, row)) for row in rows)


def mark_expired(connection: Connection, invitation_id: str) -> bool:
    """Close one whose time is over, and forget its draft: nobody can send it any more. False if it is closed already."""
    changed = change_rows(
        connection,
        invitation,
        (
            invitation.c.id == invitation_id,
            invitation.c.state.in_(FILLABLE),
        ),
        {"state": InvitationState.EXPIRED, "sealed_draft": None},
    )
    return len(changed) == 1


def save_draft(
    connection: Connection,
    vault: Vault,
    invitation_id: str,
    answers: Draft,
    removed: Collection[str],
    now: datetime,
    *,
    after: str | None = None,
    promised: frozenset[str] = frozenset(),
) -> KeptDraft:
    """Keep answers as they are given, beside those that were given on another page; gives all that are kept.

    `after`: the mark of what the page knows to be kept. If something else is, nothing is changed: what a network delivers
    late, or twice, would undo what the same page has kept since. A page that is there asks again with the mark of now.
    InvitationUnusable if the form was sent or withdrawn meanwhile.
    """
    stored = connection.execute(
        sa.select(invitation.c.sealed_draft).where(invitation.c.id == invitation_id).with_for_update()
    ).scalar()
    kept, promised_before = _open(vault, invitation_id, stored)
    if after is not None and after != _mark(stored):
        return KeptDraft(kept, _mark(stored), moved=True)
    draft = {**kept, **answers}
    for each in removed:
        draft.pop(each, None)
    promises = sorted(promised | promised_before)
    written = {**draft, _PROMISED: promises} if promises else draft
    sealed = vault.seal("draft", invitation_id, msgspec.json.encode(written))
    changed = change_rows(
        connection,
        invitation,
        (
            invitation.c.id == invitation_id,
            invitation.c.state.in_(FILLABLE),
        ),
        {"sealed_draft": sealed, "draft_saved": now},
    )
    if len(changed) != 1:
        raise InvitationUnusable("This form was sent or withdrawn meanwhile.", "Ask for a new one.")
    return KeptDraft(draft, _mark(sealed), promised=frozenset(promises))


def begun_here(
    connection: Connection, launches: Collection[str], now: datetime
) -> tuple[tuple[Invitation, bool], ...]:
    """List the forms of these launches that were begun on their own device and not sent; whether answers were given.

    With them the forms of their patients from launches that are over: they may have gone on here. Altered ones too: they are
    listed to be withdrawn.
    """
    own, other = launch.alias(), launch.alias()
    same_patient = sa.exists().where(
        own.c.id.in_(launches), own.c.site == invitation.c.site, own.c.patient == invitation.c.patient
    )
    lives = sa.exists().where(
        other.c.id == invitation.c.launch, other.c.ended.is_(None), other.c.expires > now
    )
    rows = connection.execute(
        sa.select(invitation).where(
            invitation.c.launch.in_(launches) | (same_patient & ~lives),
            invitation.c.remote.is_(False),
            invitation.c.state.in_(FILLABLE),
            invitation.c.expires > now,
        )
    )
    return tuple((_invitation(row), row.sealed_draft is not None) for row in rows)


def language_of_latest(connection: Connection, vault: Vault, launches: Collection[str]) -> str | None:
    """Give the language of the form that some launches handed over last; None if it was altered."""
    row = connection.execute(
        sa.select(invitation)
        .where(invitation.c.launch.in_(launches))
        .order_by(invitation.c.created.desc())
        .limit(1)
    ).first()
    return None if row is None or not row_fits(vault, invitation, row) else str(row.language)


def read_draft(connection: Connection, vault: Vault, invitation_id: str) -> KeptDraft:
    """Read the answers given so far."""
    sealed = connection.execute(
        sa.select(invitation.c.sealed_draft).where(invitation.c.id == invitation_id)
    ).scalar()
    answers, promised = _open(vault, invitation_id, sealed)
    return KeptDraft(answers, _mark(sealed), promised=promised)


def count_answers(connection: Connection, vault: Vault, invitation_id: str, site: str, patient: str) -> int:
    """Count what has been answered in a form of this patient that is not sent yet; 0 for one that cannot be read any more."""
    c = invitation.c
    sealed = connection.execute(
        sa.select(c.sealed_draft).where(
            c.id == invitation_id, c.site == site, c.patient == patient, c.state.in_(FILLABLE)
        )
    ).scalar()
    with suppress(SealBroken):
        return len(_draft(vault, invitation_id, sealed))
    return 0


def _mark(sealed: bytes | None) -> str:
    """Tell one draft from every other: each is sealed with a nonce of its own."""
    return hashlib.sha256(sealed or b"").hexdigest()[:16]


def _draft(vault: Vault, invitation_id: str, sealed: bytes | None) -> Draft:
    return _open(vault, invitation_id, sealed)[0]


def _open(vault: Vault, invitation_id: str, sealed: bytes | None) -> tuple[Draft, frozenset[str]]:
    """Give the answers that are kept, and what was promised where they were given."""
    draft = msgspec.json.decode(vault.open("draft", invitation_id, sealed), type=Draft) if sealed else {}
    promises = draft.pop(_PROMISED, None)
    return draft, frozenset(map(str, promises)) if isinstance(promises, list) else frozenset()


def _day(planned: Invitation) -> str | None:
    return planned.answered_on.isoformat() if planned.answered_on else None


def _as_sealed(vault: Vault, row: Row[Any]) -> Invitation:
    check_fits(vault, invitation, row)
    return _invitation(row)


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        id=row.id,
        launch=row.launch,
        site=row.site,
        patient=row.patient,
        encounter=row.encounter,
        rater=row.rater,
        source=row.source,
        author=row.author,
        instrument=row.instrument,
        language=row.language,
        created=row.created,
        expires=row.expires,
        state=InvitationState(row.state),
        remote=row.remote,
        code_made=row.code_made,
        code_number=row.code_number,
        gate=row.gate,
        gate_answer=row.gate_answer,
        answered_on=date.fromisoformat(row.answered_on) if row.answered_on else None,
    )
