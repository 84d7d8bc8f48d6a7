"""How a response came about: the launch and its authority, the invitation; read from their rows and from the trail."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.desks import read_codes
from plugin.audit import Kind
from plugin.audit.facts import FHIR_USER, ISSUER, SCOPES
from plugin.audit.told import Told
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t

_NEAR = timedelta(minutes=10)  # an entry is written with its row, by the clock of the same process


@dataclass(frozen=True, slots=True)
class Authority:
    """What the trail tells of a launch's authority: the EHR's address, its user as it names them, the scopes it granted.

    Each None if the EHR named none, or the entry was written before entries told it. `event` is the entry.
    """

    event: str
    issuer: str | None
    fhir_user: str | None
    scopes: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """The launch through which it came: who, in whose chart, when, on which authority. Its tokens are never read."""

    id: str
    user: str | None
    patient: str | None
    encounter: str | None
    created: datetime
    expires: datetime
    ended: datetime | None
    codes: tuple[tuple[str, str], ...]
    authority: Authority | None  # None: no entry tells of it

    def standing(self, now: datetime) -> tuple[str, datetime]:
        """Tell whether it is open, over or ended, and until or since when."""
        if self.ended is not None:
            return "ended", self.ended
        return ("over", self.expires) if self.expires <= now else ("open", self.expires)


@dataclass(frozen=True, slots=True)
class Invited:
    """The invitation that was answered: for whom, as whom, and by link or on the clinician's device."""

    id: str
    launch: str
    rater: str
    source: str
    author: str
    language: str
    created: datetime
    expires: datetime
    opened: datetime | None
    state: str
    remote: bool
    gate: str | None  # what a caregiver had to say first (plugin.access.gates), what was said, and when
    gate_answer: str | None
    gate_answered: datetime | None

    @property
    def way(self) -> str:
        """Tell on whose device it was answered."""
        if self.remote:
            return "by link or spoken code, on a device of their own"
        return "on the clinician's device"


_decoder = msgspec.json.Decoder(Told)


def read_launch(connection: Connection, vault: Vault, launch: str | None) -> Opened | None:
    """Read a launch with what the trail tells of it; None if there is none. An entry that was altered tells nothing."""
    c = t.launch.c
    names = (c.id, c.site, c.user, c.patient, c.encounter, c.created, c.expires, c.ended, c.role_codes)
    row = connection.execute(sa.select(*names).where(c.id == launch)).first() if launch else None
    if row is None:
        return None
    return Opened(
        row.id,
        row.user,
        row.patient,
        row.encounter,
        row.created,
        row.expires,
        row.ended,
        read_codes(row.role_codes),
        _read_authority(connection, vault, row),
    )


def read_invitation(connection: Connection, invitation: str | None) -> Invited | None:
    """Read an invitation; None if there is none. Its secret and draft are never read."""
    names = [each.name for each in fields(Invited)]
    query = sa.select(*(t.invitation.c[each] for each in names))
    row = connection.execute(query.where(t.invitation.c.id == invitation)).first() if invitation else None
    return None if row is None else Invited(**row._mapping)


def launch_as_json(opened: Opened | None, now: datetime) -> dict[str, object] | None:
    """Write a launch for programs."""
    if opened is None:
        return None
    standing, when = opened.standing(now)
    known = opened.authority
    return {
        "id": opened.id,
        "by": opened.user,
        "patient": opened.patient,
        "encounter": opened.encounter,
        "when": opened.created.isoformat(),
        "standing": standing,
        "until" if standing == "open" else "since": when.isoformat(),
        "role_codes": [f"{system}|{code}" for system, code in opened.codes],
        "authority": None
        if known is None
        else {
            "issuer": known.issuer,
            "fhirUser": known.fhir_user,
            "scopes": known.scopes,
            "entry": known.event,
        },
    }


def launch_as_lines(opened: Opened | None, now: datetime) -> list[str]:
    """Write a launch for people."""
    if opened is None:
        return ["none: another app sent it with an access token of the EHR's, see the entry of its receipt"]
    standing, when = opened.standing(now)
    chart = ", ".join(each for each in (opened.patient, opened.encounter) if each)
    lines = [
        f"{opened.id}",
        f"{opened.created.isoformat()} by {opened.user or 'a user whom the EHR did not name'}",
        f"in the chart of {chart or 'nobody'}",
        {"ended": "ended ", "over": "over since ", "open": "open until "}[standing] + when.isoformat(),
    ]
    if opened.codes:
        lines.append("roles " + ", ".join(f"{system}|{code}" for system, code in opened.codes))
    known = opened.authority
    if known is None:
        return [*lines, "authority: no entry of the trail tells of it"]
    told = (("issuer", known.issuer), ("fhirUser", known.fhir_user), ("scopes", known.scopes))
    lines += [f"{name} {value or 'not told by its entry'}" for name, value in told]
    return [*lines, f"audit entry {known.event}"]


def invitation_as_json(invited: Invited | None) -> dict[str, object] | None:
    """Write an invitation for programs."""
    if invited is None:
        return None
    gate = {"asked": invited.gate, "answer": invited.gate_answer, "when": _iso(invited.gate_answered)}
    return {
        "id": invited.id,
        "launch": invited.launch,
        "by": invited.author,
        "asked": invited.source,
        "as": invited.rater,
        "way": invited.way,
        "language": invited.language,
        "made": invited.created.isoformat(),
        "opened": _iso(invited.opened),
        "good_until": invited.expires.isoformat(),
        "caregiver": gate if invited.gate else None,
        "state": invited.state,
    }


def invitation_as_lines(invited: Invited | None) -> list[str]:
    """Write an invitation for people."""
    if invited is None:
        return ["none"]
    lines = [
        invited.id,
        f"made {invited.created.isoformat()} by {invited.author}, for {invited.source} as {invited.rater}",
        f"{invited.way}, in {invited.language}, good until {invited.expires.isoformat()}",
        f"opened {_iso(invited.opened) or 'never'}",
    ]
    if invited.gate:
        answered = (
            f"{invited.gate_answer}, {_iso(invited.gate_answered)}" if invited.gate_answer else "not answered"
        )
        lines.append(f"a caregiver first ({invited.gate}): {answered}")
    return [*lines, f"state {invited.state}"]


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read_authority(
    connection: Connection, vault: Vault, row: "sa.Row[*tuple[Any, ...]]"
) -> Authority | None:
    launch = row._mapping
    c = t.audit.c
    near = c.recorded.between(launch["created"] - _NEAR, launch["created"] + _NEAR)
    own = (
        c.kind == str(Kind.LAUNCH),
        c.site == launch["site"],
        c.patient.is_not_distinct_from(launch["patient"]),
    )
    for entry in connection.execute(sa.select(c.event, c.sealed_resource).where(*own, near).order_by(c.id)):
        try:
            event = _decoder.decode(vault.open("audit", entry.event, entry.sealed_resource))
        except SealBroken:
            continue  # the chain's entries name it
        if any(each.what.get("reference") == f"urn:uuid:{launch['id']}" for each in event.entity):
            told = dict(event.details)
            return Authority(entry.event, told.get(ISSUER), told.get(FHIR_USER), told.get(SCOPES))
    return None
