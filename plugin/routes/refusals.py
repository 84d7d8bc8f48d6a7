"""Refusals in the trail: whoever was not let in, at which address, with which token's end.

An entry each, up to a number from one address within ten minutes: else anybody could fill the ledger.
"""

from functools import partial

import sqlalchemy as sa
import structlog
from fastapi import Request

from plugin.access.throttle import count_try
from plugin.audit import Actor, Kind, end_of_token
from plugin.errors import Forbidden, InvitationUnusable, Locked, NotSignedIn, TooManyAttempts
from plugin.ledger import AuditRow
from plugin.routes.bearer import bearer_of
from plugin.routes.state import Rapport
from smart_launch import SmartError

log = structlog.get_logger()

_MOST_FROM_ONE_ADDRESS = 60  # within ten minutes
_REFUSALS = (NotSignedIn, Forbidden, Locked, TooManyAttempts, InvitationUnusable, SmartError)


async def note_refusal(request: Request, error: Exception) -> None:
    """Record that somebody was refused, unless the handler has recorded it in its own words."""
    if not isinstance(error, _REFUSALS) or getattr(request.state, "in_trail", False):
        return
    rapport: Rapport = request.app.state.rapport
    token = bearer_of(request.headers.get("authorization", ""))
    entry = rapport.trail.entry(
        Kind.ACCESS_REFUSED,
        Actor(display="Unknown", token=end_of_token(token or "")),
        site=getattr(request.state, "site", None),
        failure=error.what_happened,
        # Without what follows the question mark: codes and launch values stand there.
        query=f"{request.method} {request.url.path}",
    )
    await record_refusal(request, rapport, entry)


async def record_refusal(request: Request, rapport: Rapport, entry: AuditRow) -> None:
    """Record a refusal, unless the trail has taken as many from this address as it does."""
    vault, now = rapport.ledger.vault, rapport.clock()
    source = request.client.host if request.client else ""
    try:
        await rapport.ledger.bookkeep(
            partial(
                count_try, vault=vault, what="refusal", source=source, now=now, most=_MOST_FROM_ONE_ADDRESS
            )
        )
        await rapport.ledger.record(entry)
    except TooManyAttempts:
        log.warning("refusals", reason="more than the trail takes from one address")
    except sa.exc.SQLAlchemyError as failed:
        log.error("refusals", error=type(failed).__name__)  # noqa: TRY400 -- a message may hold data


def told_in_trail(request: Request) -> None:
    """Say that a failure of this request stands in the trail already."""
    request.state.in_trail = True
