"""Accounts for a research export in the trail: before anything is read, for each patient in it, and if it fails."""

import uuid
from collections.abc import Callable

from plugin.audit import Actor, Kind, Trail
from plugin.errors import Invalid
from plugin.exports import Period
from plugin.ledger import Ledger
from plugin.researching.earlier import details_of
from plugin.researching.gathering import Gathered, Gatherer


def check_purpose(why: str) -> None:
    """Invalid without a purpose."""
    if len(why.strip()) < 3:
        raise Invalid("There is no purpose.", "Say in a few words for which study the export is made.")


async def gather_accounted(
    gatherer: Gatherer,
    period: Period,
    ledger: Ledger,
    trail: Trail,
    actor: Actor,
    why: str,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Gathered:
    """Gather a period, with its entries in the trail; Invalid without a purpose."""
    check_purpose(why)
    reason = f"{why.strip()} ({period.first} to {period.last}, {period.zone})"
    details = details_of(str(uuid.uuid4()), gatherer.research, period)

    async def record(patient: str | None = None, failure: str | None = None) -> None:
        entry = trail.entry(
            Kind.RESEARCH_EXPORTED,
            actor,
            site=gatherer.site,
            patient=patient,
            reason=reason,
            failure=failure,
            details=details if patient is None else (),
        )
        await ledger.record(entry)

    await record()
    try:
        gathered = await gatherer.gather(period, tell)
        for patient in gathered.included:
            await record(patient)
    except Exception as error:
        await record(failure=f"It was not finished ({type(error).__name__}); nothing was given")
        raise
    return gathered
