"""What follows from the way an attempt ended: the next state, when to try again, and whether a person must act."""

import random
import re
from dataclasses import replace
from datetime import datetime, timedelta

from plugin.delivery.correcting import NotShown, NotWhole
from plugin.delivery.outbox import Claimed, Outcome
from plugin.delivery.states import DeliveryState
from plugin.ehr import (
    BadAnswer,
    EhrError,
    EhrRefused,
    EhrUnavailable,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    TokenRefused,
)
from plugin.pace import Pace

HELD_PAUSE = timedelta(minutes=15)
MOST_UNSHOWN = 10  # changes in a row that the EHR said it made and does not show: some minutes
MOST_CONFLICTS = 10  # refusals in a row because of something else: some minutes
_BY_HAND = (
    "If the chart does not show it either, correct it there by hand. Rapport itself shows it corrected."
)
MOST_UNFINISHED = 20  # attempts in a row that no worker lived to see end
WITHOUT_ENCOUNTER = (
    "The EHR wants an encounter, and Rapport was opened without one: open it from within an encounter for the "
    "forms that follow. This one stays readable in Rapport."
)
_AT_ENCOUNTER = re.compile(
    r"\bat [\w.\[\]]*encounter\b", re.IGNORECASE
)  # as an OperationOutcome names the place
_SHORTEST_PAUSE = 0.5  # seconds


def held(reason: str, now: datetime, status: int | None = None) -> Outcome:
    """Wait for a token; looked at again every quarter of an hour, and at once after a launch."""
    return Outcome(DeliveryState.HELD, reason, now + HELD_PAUSE, status=status)


def react(error: EhrError, claimed: Claimed, pace: Pace, now: datetime) -> Outcome:
    """Decide by what the EHR answered."""
    pause = back_off(claimed.attempts, pace)
    detail, status = str(error), error.status
    match error:
        case TokenRefused():
            return held("The EHR did not accept the sign-in", now, status)
        case NotShown(locations=stands):
            if claimed.failures >= MOST_UNSHOWN:
                return Outcome(DeliveryState.REFUSED, f"{detail} {_BY_HAND}", now, stands, status=status)
            return Outcome(DeliveryState.UNKNOWN, detail, now + pause, status=status, understood=False)
        case OutcomeUnknown() | BadAnswer():
            return Outcome(DeliveryState.UNKNOWN, detail, now + max(pause, pace.settling), status=status)
        case EhrUnavailable(retry_after=seconds):
            asked = timedelta(seconds=seconds or 0)
            return Outcome(DeliveryState.SCORED, detail, now + max(pause, asked), status=status)
        case EhrError(is_conflict=True) if claimed.failures < MOST_CONFLICTS:
            stands = error.locations if isinstance(error, NotWhole) else ()
            return Outcome(DeliveryState.SCORED, detail, now + pause, stands, status=status, understood=False)
        case NotWhole(locations=stands):
            return Outcome(DeliveryState.REFUSED, detail, now, stands, status=status)
        case NotPermitted() | EhrRefused() | NotFound():
            return Outcome(DeliveryState.REFUSED, detail, now, status=status)
        case _:
            return Outcome(DeliveryState.SCORED, detail, now + pause, status=status)


def with_remedy(refused: Outcome, *, had_encounter: bool) -> Outcome:
    """Say what helps where an EHR (Epic's is one) refuses what belongs to no encounter: sending it again does not."""
    wants_one = refused.state is DeliveryState.REFUSED and _AT_ENCOUNTER.search(refused.detail)
    if had_encounter or not wants_one:
        return refused
    return replace(refused, detail=f"{refused.detail} {WITHOUT_ENCOUNTER}")


def puzzle(error: Exception, claimed: Claimed, pace: Pace, now: datetime) -> Outcome:
    """Try again later what failed in a way that nobody foresaw; set it aside when that goes on.

    The error's text may hold health data: its name alone is told.
    """
    what = f"Rapport could not work on it ({type(error).__name__})"
    if claimed.failures < pace.set_aside_after:
        due = now + back_off(claimed.attempts, pace)
        return Outcome(DeliveryState.UNKNOWN, what, due, understood=False)
    return _set_aside(f"{what}, {claimed.failures} times in a row.", now)


def exhausted(claimed: Claimed, now: datetime) -> Outcome | None:
    """Set aside what was begun again and again while no worker lived to see it end; None if it was not."""
    if claimed.failures <= MOST_UNFINISHED:
        return None
    return _set_aside(f"{MOST_UNFINISHED} attempts in a row were begun and none ended.", now)


def _set_aside(detail: str, now: datetime) -> Outcome:
    remedy = "Later ones go on; `rapport deliveries retry` tries it again."
    return Outcome(DeliveryState.SET_ASIDE, f"{detail} {remedy}", now, understood=False)


def back_off(attempts: int, pace: Pace) -> timedelta:
    """Give a random pause of up to the first, twice that, four times that ... (full jitter), at least half a second."""
    first, longest = pace.first_pause.total_seconds(), pace.longest_pause.total_seconds()
    ceiling = min(first * 2.0 ** min(attempts - 1, 30), longest)
    return timedelta(seconds=random.uniform(_SHORTEST_PAUSE, max(ceiling, _SHORTEST_PAUSE)))  # noqa: S311 -- spreads retries, guards nothing
