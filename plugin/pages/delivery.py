"""How far a response is on its way into the record, in words and signs."""

from enum import StrEnum

from plugin.pages.words import N_, translations


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
    DeliveryMark.SCORED: N_("Saved"),
    DeliveryMark.SENDING: N_("Sending"),
    DeliveryMark.DELIVERED: N_("In the record"),
    DeliveryMark.HELD: N_("Waiting for sign-in"),
    DeliveryMark.UNKNOWN: N_("Outcome unknown, checking"),
    DeliveryMark.REFUSED: N_("Refused by the EHR"),
    DeliveryMark.SET_ASIDE: N_("Set aside, needs a person"),
    DeliveryMark.DISCARDED: N_("Not sent, by decision"),
}


def delivery_label(state: str, language: str = "en") -> str:
    """Word a state for the clinician, as the page and `responses.json` show it; ValueError for an unknown one."""
    return translations(language).gettext(_LABELS[DeliveryMark(state)])
