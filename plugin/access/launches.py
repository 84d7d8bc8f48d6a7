"""Launches: one SMART authorization each, its context and tokens encrypted. Functions of one connection."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.access.desks import write_codes
from plugin.access.sessions import INACTIVITY, LONGEST, PENDING_LIFE, end_launches
from plugin.audit.facts import FHIR_USER, ISSUER, SCOPES, Facts, made, written
from plugin.ledger import Vault, as_sealed, change_rows, check_fits, insert_row
from plugin.ledger.tables import browser_session, launch, pending_launch
from plugin.roles import Code
from smart_launch import LaunchContext, PendingLaunch, TokenSet


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch as the ledger keeps it."""

    id: str
    site: str
    patient: (
        str  # reference; empty where somebody signed in without one, which no page of a patient ever reads
    )
    encounter: str | None
    user: str | None
    created: datetime
    expires: datetime
    context: LaunchContext

    @property
    def author(self) -> str:
        """Whose account is at work: the EHR's user, or the patient where the EHR tells none."""
        return self.user or self.patient


def new_id() -> str:
    """Make a launch id. It stands in addresses: it opens nothing without the session's cookie."""
    return str(uuid.uuid4())


def save_pending(connection: Connection, vault: Vault, session: str, pending: PendingLaunch) -> None:
    """Keep what the callback needs, bound to the browser session that began it."""
    state = vault.digest("state", pending.state)
    insert_row(
        connection,
        pending_launch,
        {
            "state": state,
            "handle": session,
            "site": pending.site_id,
            "created": pending.created,
            "sealed_pending": vault.seal("pending", state, msgspec.json.encode(pending)),
        },
    )


def pending_session(connection: Connection, vault: Vault, state: str, now: datetime) -> str | None:
    """Tell which browser session began a pending authorization (its key); None if there is none such."""
    found = connection.execute(
        sa.select(pending_launch.c.handle).where(
            pending_launch.c.state.in_(vault.digests("state", state)),
            pending_launch.c.created >= now - PENDING_LIFE,
        )
    ).scalar()
    return None if found is None else str(found)


def take_pending(
    connection: Connection, vault: Vault, state: str, now: datetime
) -> tuple[str, PendingLaunch] | None:
    """Take a pending authorization out, once: the session key that began it, and itself; None if there is none."""
    digests = vault.digests("state", state)
    row = connection.execute(sa.select(pending_launch).where(pending_launch.c.state.in_(digests))).first()
    connection.execute(
        pending_launch.delete().where(
            pending_launch.c.state.in_(digests) | (pending_launch.c.created < now - PENDING_LIFE)
        )
    )
    if row is None or row.created < now - PENDING_LIFE:
        return None
    opened = vault.open("pending", row.state, row.sealed_pending)
    return row.handle, msgspec.json.decode(opened, type=PendingLaunch)


def forget_begun(connection: Connection, now: datetime, most: int) -> None:
    """Remove begun launches that nobody can finish any more, and of those that nobody has signed in for all but the newest."""
    c = pending_launch.c
    connection.execute(pending_launch.delete().where(c.created < now - PENDING_LIFE))
    anonymous = ~sa.exists().where(launch.c.handle == c.handle)
    older = sa.select(c.state).where(anonymous).order_by(c.created.desc(), c.state).offset(most)
    connection.execute(pending_launch.delete().where(c.state.in_(older.correlate(None))))


def save_launch(
    connection: Connection, vault: Vault, session: str, new: Launch, codes: tuple[Code, ...] = ()
) -> None:
    """Store a launch under its browser session, with the codes that the EHR gives its user."""
    insert_row(
        connection,
        launch,
        {
            "id": new.id,
            "handle": session,
            "site": new.site,
            "patient": new.patient or None,
            "encounter": new.encounter,
            "user": new.user,
            "created": new.created,
            "expires": new.expires,
            "role_codes": write_codes(codes),
            "sealed_context": _seal(vault, new.id, new.context),
        },
    )


def facts_of(new: Launch, codes: tuple[Code, ...], issuer: str) -> Facts:
    """Write down what the trail tells of a launch beside who, where and in whose chart: its times and its authority."""
    row = {
        "created": new.created,
        "encounter": new.encounter,
        "expires": new.expires,
        "role_codes": write_codes(codes),
    }
    user = new.context.user
    authority = {
        ISSUER: issuer,
        FHIR_USER: user.url if user else None,
        SCOPES: new.context.tokens.scope,
    }
    return (*made("launch", row), *written(authority))


def read_launch(
    connection: Connection, vault: Vault, launch_id: str, session: str, now: datetime
) -> Launch | None:
    """Find a living launch of this browser session; None if it is not its own, ended or over."""
    row = connection.execute(
        sa.select(launch).where(
            launch.c.id == launch_id,
            launch.c.handle == session,
            launch.c.patient.is_not(None),
            launch.c.ended.is_(None),
            launch.c.expires > now,
        )
    ).first()
    return None if row is None else open_launch(vault, row)


def user_of_session(connection: Connection, session: str, now: datetime) -> tuple[str | None, str] | None:
    """Tell who has signed in last in a browser session, and at which site; None if nobody has, or it is over.

    The user is None where the EHR names none.
    """
    row = connection.execute(
        sa.select(launch.c.user, launch.c.site)
        .where(launch.c.handle == session, launch.c.ended.is_(None), launch.c.expires > now)
        .order_by(launch.c.created.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.user, row.site)


def launches_with_token(
    connection: Connection, vault: Vault, site: str, patient: str, preferred: str | None
) -> tuple[Launch, ...]:
    """List the launches whose tokens may still write for a patient: the one preferred, then the newest."""
    rows = connection.execute(
        sa.select(launch)
        .where(launch.c.site == site, launch.c.patient == patient)
        .where(sa.func.length(launch.c.sealed_context) > 0)  # else retention took the tokens
        .order_by((launch.c.id == preferred).desc(), launch.c.created.desc())
        .limit(5)
    )
    return tuple(_open(vault, row) for row in as_sealed(vault, launch, rows))


def save_tokens(connection: Connection, vault: Vault, held: Launch, tokens: TokenSet) -> Launch:
    """Store refreshed tokens and return the launch with them."""
    context = replace(held.context, tokens=tokens)
    change_rows(
        connection, launch, (launch.c.id == held.id,), {"sealed_context": _seal(vault, held.id, context)}
    )
    return replace(held, context=context)


def _seal(vault: Vault, launch_id: str, context: LaunchContext) -> bytes:
    return vault.seal("launch", launch_id, msgspec.json.encode(context))


def open_launch(vault: Vault, row: sa.Row[tuple[object, ...]]) -> Launch:
    """Decrypt one row of the launch table. SealBroken if any of it was altered: it says who may see whom."""
    check_fits(vault, launch, row)
    return _open(vault, row)


def _open(vault: Vault, row: sa.Row[tuple[object, ...]]) -> Launch:
    found = row._mapping
    opened = vault.open("launch", found["id"], found["sealed_context"])
    return Launch(
        id=found["id"],
        site=found["site"],
        patient=found["patient"] or "",
        encounter=found["encounter"],
        user=found["user"],
        created=found["created"],
        expires=found["expires"],
        context=msgspec.json.decode(opened, type=LaunchContext),
    )


def launch_for_patient(
    connection: Connection, vault: Vault, session: str, site: str | None, patient: str | None, now: datetime
) -> Launch | None:
    """Find this browser session's living launch for a patient (None: for its latest one) at a site (None: at any)."""
    wanted = [launch.c.handle == session, launch.c.patient.is_not(None)]
    if site is not None:
        wanted.append(launch.c.site == site)
    if patient is not None:
        wanted.append(launch.c.patient == patient)
    rows = connection.execute(
        sa.select(launch)
        .where(*wanted, launch.c.ended.is_(None), launch.c.expires > now)
        .order_by(launch.c.created.desc())
    )
    return next((_open(vault, row) for row in as_sealed(vault, launch, rows)), None)


def launches_in(connection: Connection, session: str) -> tuple[str, ...]:
    """Name the launches of a browser session that have not ended."""
    own = launch.c.handle == session, launch.c.ended.is_(None)
    return tuple(connection.execute(sa.select(launch.c.id).where(*own).order_by(launch.c.id)).scalars())


def session_of(connection: Connection, launch_id: str) -> str:
    """Name the browser session that a launch belongs to now: every further sign-in renews its key."""
    found = connection.execute(sa.select(launch.c.handle).where(launch.c.id == launch_id)).scalar()
    return str(found or "")


def newer_launch_of_another(
    connection: Connection, held: Launch, session: str, now: datetime
) -> datetime | None:
    """Tell when this browser session last opened another patient's chart after this one; None if it has not."""
    found: datetime | None = connection.execute(
        sa.select(sa.func.max(launch.c.created)).where(
            launch.c.handle == session,
            launch.c.created > held.created,
            launch.c.patient.is_not(None),
            launch.c.patient != held.patient,
            launch.c.ended.is_(None),
            launch.c.expires > now,
        )
    ).scalar()
    return found


@dataclass(frozen=True, slots=True)
class Open:
    """A launch that is open, looked at from outside: whose, about whom, from when, until when at most."""

    id: str
    user: str | None
    patient: str | None
    created: datetime
    expires: datetime


def open_launches(connection: Connection, site: str, now: datetime) -> tuple[Open, ...]:
    """List what is open at a site, charts and desks; in whichever browser."""
    c = launch.c
    own = c.site == site, c.ended.is_(None), c.expires > now
    query = sa.select(c.id, c.user, c.patient, c.created, c.expires).where(*own).order_by(c.created, c.id)
    return tuple(Open(*row) for row in connection.execute(query))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser in which a person is signed in: since when, when last used, whether it is handed over, what of theirs is open."""

    session: str
    since: datetime
    last_seen: datetime
    locked: bool
    open: tuple[Open, ...]


def browsers_of(
    connection: Connection, site: str, user: str | None, session: str, now: datetime
) -> tuple[SignedIn, ...]:
    """List the browsers in which a user of a site is signed in, last used first; of somebody unnamed only this one."""
    c, b = launch.c, browser_session.c
    whose = c.user == user if user is not None else c.handle == session
    query = (
        sa.select(c.id, c.user, c.patient, c.created, c.expires, b.handle, b.last_seen, b.locked)
        .join_from(launch, browser_session, c.handle == b.handle)
        .where(c.site == site, whose, c.ended.is_(None), c.expires > now)
        .where(b.last_seen >= now - INACTIVITY, b.created >= now - LONGEST)
        .order_by(b.last_seen.desc(), b.handle, c.created)
    )
    found: dict[str, SignedIn] = {}
    for row in connection.execute(query):
        one = Open(row.id, row.user, row.patient, row.created, row.expires)
        known = found.get(row.handle) or SignedIn(
            row.handle, row.created, row.last_seen, row.locked is not None, ()
        )
        found[row.handle] = replace(known, open=(*known.open, one))
    return tuple(found.values())


def open_in(connection: Connection, session: str) -> tuple[Open, ...]:
    """List what is open in a browser session, whoever opened it."""
    c = launch.c
    query = sa.select(c.id, c.user, c.patient, c.created, c.expires)
    rows = connection.execute(query.where(c.handle == session, c.ended.is_(None)).order_by(c.created, c.id))
    return tuple(Open(*row) for row in rows)


def open_beside(connection: Connection, session: str, launch_id: str) -> tuple[str, ...]:
    """List what one named user has open of one patient in a browser session, given one such launch: itself is first.

    What has expired meanwhile is among them; of whom the EHR does not name, itself alone.
    """
    c, own = launch.c, launch.alias()
    same = c.handle == session, c.site == own.c.site, c.patient == own.c.patient, c.user == own.c.user
    query = sa.select(c.id).where(own.c.id == launch_id, c.id != launch_id, c.ended.is_(None), *same)
    return launch_id, *connection.execute(query.order_by(c.created, c.id)).scalars()


def open_to_another(connection: Connection, session: str, new: Launch) -> tuple[Open, ...]:
    """List what is open in a browser session at a new launch's site to another user than its own; whoever is unnamed is nobody."""
    if new.user is None:
        return ()
    c = launch.c
    own = c.handle == session, c.site == new.site, c.user != new.user, c.ended.is_(None)
    query = sa.select(c.id, c.user, c.patient, c.created, c.expires).where(*own, c.expires > new.created)
    return tuple(Open(*row) for row in connection.execute(query.order_by(c.created, c.id)))


def follows_another(connection: Connection, session: str, new: Launch) -> bool:
    """Tell whether the last launch in a browser session at a new one's site, ended or not, is another user's."""
    if new.user is None:
        return False
    own = launch.c.handle == session, launch.c.site == new.site
    query = (
        sa.select(launch.c.user).where(*own).order_by(launch.c.created.desc(), launch.c.id.desc()).limit(1)
    )
    last = connection.execute(query).first()
    return last is not None and last.user != new.user


def gave_way(connection: Connection, launch_id: str, session: str) -> bool:
    """Tell whether a launch of this browser session has ended, and another user of its site opened one there since."""
    c, later = launch.c, launch.alias().c
    by_another = sa.exists().where(
        later.handle == session, later.site == c.site, later.user != c.user, later.created >= c.created
    )
    query = sa.exists().where(c.id == launch_id, c.handle == session, c.ended.is_not(None), by_another)
    return bool(connection.execute(sa.select(query)).scalar())


def is_open(connection: Connection, launch_id: str, now: datetime) -> bool:
    """Tell whether a launch has neither been ended nor come to its end."""
    c = launch.c
    query = sa.select(sa.exists().where(c.id == launch_id, c.ended.is_(None), c.expires > now))
    return bool(connection.execute(query).scalar())


def end_launch(connection: Connection, launch_id: str, now: datetime) -> None:
    """End one launch: its pages open no more."""
    end_launches(connection, (launch_id,), now)
