"""Where an EHR rings: notifications of the Subscription that Rapport made there. Who, when and that is all that counts."""

import hmac
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from plugin.collecting import book
from plugin.collecting.subscribing import digest_of, read_status
from plugin.errors import Invalid, NotFound, NotSignedIn
from plugin.routes.bearer import bearer_of, check_site
from plugin.routes.state import CurrentRapport

router = APIRouter(prefix="/sites/{site_id}/collected")


@router.post("/notifications")
async def notified(
    site_id: str, request: Request, rapport: CurrentRapport, authorization: Annotated[str, Header()] = ""
) -> Response:
    """Take a handshake, a heartbeat or a notification: nothing in it is believed but that there were so many events."""
    check_site(rapport, site_id)
    if site_id not in rapport.collector.sites:
        raise NotFound("There is nothing at this address.", "Open Rapport from the patient's chart.")
    given = digest_of(bearer_of(authorization) or "")
    known = await rapport.ledger.read(lambda connection: book.secret_of(connection, site_id))
    if known is None or not hmac.compare_digest(given, known):
        raise NotSignedIn(
            "The notification does not carry the secret of a Subscription that Rapport made.",
            "Switch the Subscription off; Rapport makes its own.",
        )
    try:
        status = read_status(msgspec.json.decode(await request.body(), type=dict[str, object]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        status = None
    if status is None:
        raise Invalid("The body is not a notification.", "Send the Bundle of the R4 Subscriptions backport.")
    now = rapport.clock()
    await rapport.ledger.bookkeep(lambda connection: book.hear(connection, site_id, status.events, now))
    rapport.collector.wake()
    return Response(status_code=200)
