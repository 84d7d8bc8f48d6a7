"""How far a response is on its way into the record, in words and signs."""

from enum import StrEnum


class DeliveryMark(StrEnum):
    """Where a response stands; the values are those of `plugin.delivery.states.DeliveryState`."""

    SCORED = "scored"
    SENDING = "sending"
    DELIVERED = "delivered"
    HELD = "held"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    SET_ASIDE = "set-aside"
    DISCARDED = "discarded"


# Nothing changes any more without a person.
FINAL = frozenset(
    {DeliveryMark.DELIVERED, DeliveryMark.REFUSED, DeliveryMark.SET_ASIDE, DeliveryMark.DISCARDED}
)

_LABELS = {
    DeliveryMark.SCORED: "Saved",
    DeliveryMark.SENDING: "Sending",
    DeliveryMark.DELIVERED: "In the record",
    DeliveryMark.HELD: "Waiting for sign-in",
    DeliveryMark.UNKNOWN: "Outcome unknown, checking",
    DeliveryMark.REFUSED: "Refused by the EHR",
    DeliveryMark.SET_ASIDE: "Set aside, needs a person",
    DeliveryMark.DISCARDED: "Not sent, by decision",
}


def delivery_label(state: str) -> str:
    """Word a state for the clinician, as the page and `responses.json` show it; ValueError for an unknown one."""
    return _LABELS[DeliveryMark(state)]
