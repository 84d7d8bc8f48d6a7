"""Ends launches, each with its entry in the trail, and gives their tokens back."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from plugin.access import sessions
from plugin.access.desks import Desk
from plugin.access.launches import Launch, Open, end_launch, open_to_another
from plugin.audit import Kind
from plugin.audit.facts import written
from plugin.routes.state import Rapport, actor_of

_PATIENCE = 3  # seconds that the EHR is given to take the tokens back; housekeeping tries again
_SOMEBODY_ELSE = "Somebody else opened Rapport in this browser"


async def end_launches(
    rapport: Rapport, by: Launch | Desk, ending: Sequence[Open], why: str, *, session: str | None
) -> None:
    """End launches, each with its entry, and forget the browser session with the first; then their tokens go back."""
    for number, each in enumerate(ending):
        now = rapport.clock()
        entry = rapport.trail.entry(
            Kind.LAUNCH_ENDED,
            actor_of(by),
            site=by.site,
            patient=each.patient,
            about=(f"urn:uuid:{each.id}",),
            reason=why,
            details=written({"ended": now}),
        )
        if number == 0 and session is not None:
            end = partial(sessions.end_session, key=session, launches=(each.id,), now=now)
        else:
            end = partial(end_launch, launch_id=each.id, now=now)
        await rapport.ledger.write(end, entry)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            await rapport.returning.sweep([each.id for each in ending])


async def end_those_of_another(rapport: Rapport, new: Launch, session: str) -> None:
    """End what another person of a new launch's site has open in its browser session, before the launch is kept there.

    The session itself stays, and a lock with it. Of two launches that come back at once one alone finds the session: the
    other renews a handle that is gone, so nothing opens by it.
    """
    ending = await rapport.ledger.read(lambda connection: open_to_another(connection, session, new))
    if ending:
        await end_launches(rapport, new, ending, _SOMEBODY_ELSE, session=None)
