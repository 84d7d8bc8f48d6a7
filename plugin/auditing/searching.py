"""Finds administrations by what the ledger keeps in the open: answers and scores are sealed, so no database can search them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.auditing.asked import ID, REFERENCE
from plugin.delivery.revising import RevisionKind
from plugin.delivery.states import DeliveryState, state_of
from plugin.errors import Invalid
from plugin.exports.manifest import instant_after
from plugin.ledger import tables as t
from plugin.ledger.distinct import texts_of

PAGE = 25
MOST_COUNTED = 10_000
_MICRO = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for at one site; None leaves a thing open. Days are days in UTC on which Rapport received it."""

    site: str
    patient: str | None = None
    clinician: str | None = None
    first: date | None = None
    last: date | None = None
    instrument: str | None = None  # canonical, with or without version
    outcome: DeliveryState | None = None

    @property
    def is_open(self) -> bool:
        """Whether it leaves everything open."""
        return self == Wanted(self.site)


@dataclass(frozen=True, slots=True)
class Found:
    """One administration in a list."""

    response: str
    received: datetime
    authored: datetime
    patient: str
    rater: str
    source: str | None
    instrument: str
    state: DeliveryState
    user: str | None
    remote: bool | None  # None: it did not come by an invitation
    is_voided: bool = False  # marked as entered in error


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was found, newest first; `many` counts all, up to MOST_COUNTED. `following` begins the next page."""

    found: tuple[Found, ...]
    many: int
    following: str | None

    @property
    def is_counted(self) -> bool:
        """Whether `many` is all of it."""
        return self.many <= MOST_COUNTED


def read_reference(text: str, kind: str) -> str | None:
    """Read a reference however it is typed: `Patient/17`, `17`, the whole address; None if empty, Invalid if it is none."""
    given = text.strip()
    if not given:
        return None
    whole = REFERENCE.fullmatch(given)
    if whole:
        return f"{whole[1]}/{whole[2]}"
    if ID.fullmatch(given):
        return f"{kind}/{given}"
    raise Invalid(
        "This is no reference of the EHR's.", f"Write it as the EHR does: {kind}/17, or the id alone."
    )


def search(connection: Connection, wanted: Wanted, after: str | None = None) -> Page:
    """List what is wanted, newest first, from a place on; Invalid if the place is none that a page gave."""
    query = _select(wanted)
    many = connection.execute(
        sa.select(sa.func.count()).select_from(
            query.with_only_columns(t.response.c.id).limit(MOST_COUNTED + 1).subquery()
        )
    ).scalar_one()
    if after is not None:
        received, response = _read_place(after)
        query = query.where(
            sa.or_(
                t.response.c.received < received,
                sa.and_(t.response.c.received == received, t.response.c.id < response),
            ),
            t.response.c.received <= received,  # so that the index is entered at the place
        )
    newest: sa.ColumnElement[Any] = t.response.c.received
    if _is_rare(wanted):
        newest = (
            sa.type_coerce(newest, sa.BigInteger) + 0
        )  # by no index: few are sorted, rather than all looked at
    rows = connection.execute(query.order_by(newest.desc(), t.response.c.id.desc()).limit(PAGE + 1)).all()
    found = _found_all(connection, rows[:PAGE])
    following = _write_place(found[-1]) if len(rows) > PAGE else None
    return Page(found, int(many), following)


def read_listed(connection: Connection, site: str | None, responses: Sequence[str]) -> Mapping[str, Found]:
    """Read these administrations, by their ids, of one site or of any; those that are gone are not among them."""
    query = _all().where(t.response.c.id.in_(responses))
    if site is not None:
        query = query.where(t.response.c.site == site)
    return {each.response: each for each in _found_all(connection, connection.execute(query).all())}


def instruments_of(connection: Connection, site: str) -> tuple[str, ...]:
    """List the canonicals that responses of a site name."""
    return tuple(texts_of(connection, t.response.c.instrument, t.response.c.site == site))


def _found_all(connection: Connection, rows: Sequence[sa.Row[Any]]) -> tuple[Found, ...]:
    error = t.revision.c.kind == RevisionKind.ENTERED_IN_ERROR
    ids = [row.id for row in rows]
    query = sa.select(t.revision.c.response).where(t.revision.c.response.in_(ids), error)
    voided = frozenset(connection.execute(query).scalars())
    return tuple(_found(row, is_voided=row.id in voided) for row in rows)


def _found(row: sa.Row[Any], *, is_voided: bool) -> Found:
    return Found(
        row.id,
        row.received,
        row.authored,
        row.patient,
        row.rater,
        row.source,
        row.instrument,
        state_of(row.state),
        row.user,
        row.remote,
        is_voided,
    )


def _all() -> sa.Select[Any]:
    return (
        sa.select(t.response, t.delivery.c.state, t.launch.c.user, t.invitation.c.remote)
        .outerjoin(t.delivery, t.delivery.c.response == t.response.c.id)
        .outerjoin(t.launch, t.launch.c.id == t.response.c.launch)
        .outerjoin(t.invitation, t.invitation.c.id == t.response.c.invitation)
        .with_only_columns(
            t.response.c.id,
            t.response.c.received,
            t.response.c.authored,
            t.response.c.patient,
            t.response.c.rater,
            t.response.c.source,
            t.response.c.instrument,
            t.delivery.c.state,
            t.launch.c.user,
            t.invitation.c.remote,
        )
    )


def _is_rare(wanted: Wanted) -> bool:
    """Tell whether other tables than that of responses lead to what is wanted, and to little of it."""
    return wanted.clinician is not None or wanted.outcome not in (None, DeliveryState.DELIVERED)


def _select(wanted: Wanted) -> sa.Select[Any]:
    # Without statistics SQLite takes any index on the site for a narrow one: it is kept from it where another is.
    site = (
        t.response.c.site.op("||")("") if _is_rare(wanted) and wanted.patient is None else t.response.c.site
    )
    query = _all().where(site == wanted.site)
    if wanted.patient is not None:
        query = query.where(t.response.c.patient == wanted.patient)
    if wanted.clinician is not None:
        own = sa.select(t.launch.c.id).where(
            t.launch.c.site == wanted.site, t.launch.c.user == wanted.clinician
        )
        query = query.where(t.response.c.launch.in_(own))
    if wanted.first is not None:
        query = query.where(t.response.c.received >= datetime.combine(wanted.first, time(), UTC))
    if wanted.last is not None:
        query = query.where(t.response.c.received < instant_after(wanted.last))
    if wanted.instrument is not None:
        name = t.response.c.instrument
        query = query.where(
            name == wanted.instrument
            if "|" in wanted.instrument
            else name.startswith(f"{wanted.instrument}|", autoescape=True)
        )
    if wanted.outcome is not None:
        query = query.where(t.delivery.c.site == wanted.site, t.delivery.c.state == wanted.outcome)
    return query


def _write_place(last: Found) -> str:
    return f"{(last.received - _EPOCH) // _MICRO}-{last.response}"


def _read_place(text: str) -> tuple[datetime, str]:
    micro, _, response = text.partition("-")
    if not micro.isdecimal() or len(micro) > 17:
        raise Invalid("This page of the list does not exist.", "Search again.")
    return _EPOCH + int(micro) * _MICRO, response
