"""Whose charts were opened by whom, as the ledger's launches tell: what a team's caseload is made of. One connection each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.desks import Desk
from plugin.access.invitations import InvitationState
from plugin.access.launches import Launch, open_launch
from plugin.days import day_of
from plugin.ledger import Vault
from plugin.ledger.tables import invitation, launch


@dataclass(frozen=True, slots=True)
class Opening:
    """When a clinician opened Rapport in a patient's chart: in an encounter, or else on a day.

    `has_form` tells whether a form of that day was begun: without one, whoever has no encounter may have looked and no more.
    """

    patient: str
    clinician: str
    encounter: str | None
    first: datetime
    day: date  # of `first`, at the site
    has_form: bool = False

    @property
    def session(self) -> tuple[str | None, date]:
        """What tells sessions apart."""
        return self.encounter, date.min if self.encounter else self.day


def read_openings(
    connection: Connection, site: str, clinicians: Sequence[str] | None, zone: tzinfo
) -> tuple[Opening, ...]:
    """List when these clinicians opened their patients' charts, oldest first; None: every clinician of the site.

    `zone` is the site's. One query, by `ix_launch_site_user` and the launches of invitations.
    """
    wanted = [launch.c.site == site, launch.c.patient.is_not(None), launch.c.user.is_not(None)]
    if clinicians is not None:
        wanted.append(launch.c.user.in_(clinicians))
    # Forms are asked for where they decide: beside no encounter, and where they are about another day than their own.
    begun = (
        (invitation.c.launch == launch.c.id)
        & (invitation.c.state != InvitationState.WITHDRAWN)
        & (launch.c.encounter.is_(None) | invitation.c.answered_on.is_not(None))
    )
    form = invitation.c.id.label("form"), invitation.c.answered_on
    rows = connection.execute(
        sa.select(launch.c.patient, launch.c.user, launch.c.encounter, launch.c.created, *form)
        .outerjoin(invitation, begun)
        .where(*wanted)
        .order_by(launch.c.created)
    ).all()
    dated = [(row, day_of(row.created, zone)) for row in rows]
    days = {(row.patient, row.answered_on or day.isoformat()) for row, day in dated if row.form}
    found: dict[tuple[str, str, str | None, date], Opening] = {}
    for row, day in dated:
        has_form = (row.patient, day.isoformat()) in days
        opening = Opening(row.patient, row.user, row.encounter, row.created, day, has_form)
        found.setdefault((row.patient, row.user, *opening.session), opening)
    return tuple(found.values())


def was_opened(connection: Connection, site: str, patient: str, since: datetime) -> bool:
    """Tell whether anybody opened Rapport in a patient's chart since then. One query, by `ix_launch_site_patient`."""
    wanted = launch.c.site == site, launch.c.patient == patient, launch.c.created > since
    return connection.execute(sa.select(launch.c.id).where(*wanted).limit(1)).first() is not None


def read_desk_launch(connection: Connection, vault: Vault, desk: Desk) -> Launch | None:
    """Give the launch that a desk was opened by, with its tokens; without a patient if it had none."""
    row = connection.execute(sa.select(launch).where(launch.c.id == desk.id)).first()
    return None if row is None else open_launch(vault, row)
