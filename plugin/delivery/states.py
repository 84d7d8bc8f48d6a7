"""Where a delivery can stand, and which states are at rest. The picture is in docs/reference/delivery.md."""

from enum import StrEnum
from typing import Any


class DeliveryState(StrEnum):
    """Where a delivery stands. A response is received and scored in one transaction: none ever rests unscored."""

    SCORED = "scored"  # received, scored and durable here; waits to be sent
    SENDING = "sending"  # a worker holds its lease
    UNKNOWN = "unknown"  # sent, no answer: looked up before it is sent again
    HELD = "held"  # no valid token: waits for the next launch
    DELIVERED = "delivered"  # in the record
    REFUSED = "refused"  # the EHR said no; a person must act
    SET_ASIDE = "set-aside"  # could not be worked on several times in a row; a person must act
    DISCARDED = "discarded"  # a person decided that it is not to be sent; it stays readable here

    @classmethod
    def _missing_(cls, value: object) -> "DeliveryState | None":
        # Attempts that were logged before schema 0003 keep the word of their time.
        return cls.SCORED if value == "saved" else None


TRIED = (DeliveryState.SCORED, DeliveryState.SENDING, DeliveryState.UNKNOWN)
"""Something is, or will soon be, under way: later ones of the same patient wait for these."""
OPEN = (*TRIED, DeliveryState.HELD)
"""A worker takes these up when they are due."""
FINAL = tuple(state for state in DeliveryState if state not in OPEN)
"""Nothing happens any more without a person."""


def state_of(stored: Any) -> DeliveryState:
    """Read a stored state; one that there is none of, or of a delivery that is gone, stands as set aside.

    Where it stands so, the seal of its row says that it was altered: the response's chain and `audit verify` name it.
    """
    try:
        return DeliveryState(stored)
    except ValueError:
        return DeliveryState.SET_ASIDE
