"""The gate before a form: a caregiver agrees, or is there, before the young person answers. Functions of one connection."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.invitations import FILLABLE, Invitation, InvitationState
from plugin.errors import InvitationUnusable
from plugin.ledger import Vault, as_sealed, change_rows
from plugin.ledger.tables import invitation


class Gate(StrEnum):
    """What a caregiver is asked for."""

    CONSENT = "consent"
    TOGETHER = "together"  # to be there while the young person answers a link
    BOTH = "both"


class GateAnswer(StrEnum):
    """What the caregiver said."""

    AGREED = "agreed"
    REFUSED = "refused"


class Statement(StrEnum):
    """What a caregiver says of themselves before they agree; each is ticked by itself."""

    CAREGIVER = "caregiver"
    MAY_DECIDE = "may-decide"
    THERE = "there"


STATEMENTS: Mapping[Gate, tuple[Statement, ...]] = {
    Gate.CONSENT: (Statement.CAREGIVER, Statement.MAY_DECIDE),
    Gate.TOGETHER: (Statement.CAREGIVER, Statement.THERE),
    Gate.BOTH: (Statement.CAREGIVER, Statement.MAY_DECIDE, Statement.THERE),
}
"""What must have been said before an agreement counts."""


def choose_gate(*, consent: bool, together: bool) -> Gate | None:
    """Name the gate for what is to be asked."""
    if consent and together:
        return Gate.BOTH
    return Gate.CONSENT if consent else Gate.TOGETHER if together else None


def has_consent(connection: Connection, vault: Vault, site: str, patient: str, since: datetime) -> bool:
    """Tell whether a caregiver's last word about this patient's forms is a consent, given after `since`.

    Of words said at the same moment a refusal counts. Where any form of theirs was altered there is none: it may have held the last.
    """
    of_patient = invitation.c.site == site, invitation.c.patient == patient
    rows = connection.execute(sa.select(invitation).where(*of_patient)).all()
    if len(tuple(as_sealed(vault, invitation, rows))) < len(rows):
        return False
    asked = (row for row in rows if row.gate in {Gate.CONSENT, Gate.BOTH} and row.gate_answer is not None)
    words = [(row.gate_answered, row.gate_answer != GateAnswer.AGREED) for row in asked]
    said, is_refusal = max(words, default=(since, True))
    return said > since and not is_refusal


def days_before(now: datetime, days: int) -> datetime:
    """Give the moment since which a consent counts."""
    return now - timedelta(days=days)


def is_asked_anew(connection: Connection, vault: Vault, found: Invitation) -> bool:
    """Tell whether a form was withdrawn for another that has a caregiver asked in its place."""
    c = invitation.c
    of_person = c.site == found.site, c.patient == found.patient, c.source == found.source
    later = c.id != found.id, c.created >= found.created, c.gate.in_({Gate.CONSENT, Gate.BOTH})
    form, _, _ = found.instrument.partition("|")
    rows = connection.execute(sa.select(invitation).where(*of_person, *later))
    others = any(each.instrument.partition("|")[0] == form for each in as_sealed(vault, invitation, rows))
    return found.state is InvitationState.WITHDRAWN and others


def is_waiting(found: Invitation) -> bool:
    """Tell whether a form waits for a caregiver."""
    return found.gate is not None and found.gate_answer is None


def check_passed(found: Invitation) -> None:
    """InvitationUnusable while a form waits for a caregiver."""
    if is_waiting(found):
        raise InvitationUnusable(
            "A caregiver has not agreed yet.", "Load the page again: it asks the caregiver first."
        )


def answer_gate(connection: Connection, invitation_id: str, answer: GateAnswer, now: datetime) -> None:
    """Note what a caregiver said. A refusal ends an agreement to the form that came before; the form is withdrawn, with its answers.

    InvitationUnusable if it had been said before, or the form ended meanwhile.
    """
    is_refusal = answer is GateAnswer.REFUSED
    closed = {"state": InvitationState.WITHDRAWN, "sealed_draft": None} if is_refusal else {}
    before = (invitation.c.gate_answer == GateAnswer.AGREED) if is_refusal else sa.false()
    changed = change_rows(
        connection,
        invitation,
        (
            invitation.c.id == invitation_id,
            invitation.c.gate.is_not(None),
            invitation.c.gate_answer.is_(None) | before,
            invitation.c.state.in_(FILLABLE),
        ),
        {"gate_answer": answer, "gate_answered": now, **closed},
    )
    if len(changed) != 1:
        raise said_before()


def said_before() -> InvitationUnusable:
    """Say that a caregiver has decided, on another page."""
    return InvitationUnusable("A caregiver has answered this already.", "Load the page again.")
