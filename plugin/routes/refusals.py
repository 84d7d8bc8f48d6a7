"""Refusals in the trail: whoever was not let in, at which address, with which token's end.

An entry each. Of people whom nobody knows so many from one address within ten minutes, else anybody could fill the
ledger, and then one that says how many more there were; of people who are signed in each one, whatever others do there.
"""

import msgspec
import sqlalchemy as sa
import structlog
from fastapi import Request

from plugin.access.launches import user_of_session
from plugin.access.sessions import Session
from plugin.access.throttle import MOST_REFUSALS, count_refusal
from plugin.audit import Actor, Kind, end_of_token
from plugin.errors import Forbidden, InvitationUnusable, Locked, NotSignedIn, TooManyAttempts
from plugin.ledger import AuditRow
from plugin.routes.bearer import bearer_of
from plugin.routes.state import UNNAMED, Rapport, known_session, place_of
from smart_launch import SmartError

log = structlog.get_logger()

_REFUSALS = (NotSignedIn, Forbidden, Locked, TooManyAttempts, InvitationUnusable, SmartError)


async def note_refusal(request: Request, error: Exception) -> None:
    """Record that somebody was refused, unless the handler has recorded it in its own words."""
    if not isinstance(error, _REFUSALS) or getattr(request.state, "in_trail", False):
        return
    rapport: Rapport = request.app.state.rapport
    try:
        known = await _whoever_asks(request, rapport)
    except sa.exc.SQLAlchemyError as failed:
        _tell_failed(failed)
        return
    token = bearer_of(request.headers.get("authorization", ""))
    entry = rapport.trail.entry(
        Kind.ACCESS_REFUSED,
        known.actor or Actor(display="Unknown", token=end_of_token(token or "")),
        site=getattr(request.state, "site", None) or known.site,
        failure=error.what_happened,
        # Without what follows the question mark: codes and launch values stand there.
        query=f"{request.method} {request.url.path}",
    )
    await _record(rapport, entry, known.place)


async def record_refusal(request: Request, rapport: Rapport, entry: AuditRow) -> None:
    """Record a refusal of somebody unknown, or count it if the trail has taken as many from this address as it does."""
    await _record(rapport, entry, place_of(request))


class _Known(msgspec.Struct, frozen=True):
    """Who is refused, as far as that is known; `place` is what refusals are counted by, None if each is written."""

    place: str | None
    actor: Actor | None = None
    site: str | None = None


async def _whoever_asks(request: Request, rapport: Rapport) -> _Known:
    actor: Actor | None = getattr(request.state, "token_of", None)
    if actor is not None:
        return _Known(None, actor)
    session: Session | None = await known_session(request, rapport)
    if session is None or session.is_altered:
        return _Known(place_of(request))
    now = rapport.clock()
    found = await rapport.ledger.read(lambda connection: user_of_session(connection, session.key, now))
    if found is None:  # a launch was begun in this browser, and nobody has signed in
        return _Known(place_of(request))
    user, site = found
    if session.locked is not None:
        return _Known(f"session {session.key}", Actor(display="Whoever has a device handed over"), site)
    return _Known(None, Actor(user, None if user else UNNAMED), site)


async def _record(rapport: Rapport, entry: AuditRow, place: str | None) -> None:
    ledger, now = rapport.ledger, rapport.clock()
    try:
        if place is None:
            await ledger.record(entry)
            return
        many = await ledger.bookkeep(lambda connection: count_refusal(connection, ledger.vault, place, now))
        if many <= MOST_REFUSALS:
            await ledger.record(entry)
        else:
            log.warning("refusals", reason="more than the trail takes from one address")
    except sa.exc.SQLAlchemyError as failed:
        _tell_failed(failed)


def _tell_failed(failed: Exception) -> None:
    log.error("refusals", error=type(failed).__name__)  # a message may hold data


def told_in_trail(request: Request) -> None:
    """Say that a failure of this request stands in the trail already."""
    request.state.in_trail = True
