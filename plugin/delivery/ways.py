"""Which way responses are found at an EHR: by a Subscription where it offers one, else by asking again and again. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from plugin.collected_section import Collecting
from plugin.delivery.capability import Capability
from smart_launch import Scopes

RESPONSE = "QuestionnaireResponse"


class WayKind(StrEnum):
    """How responses are found."""

    SUBSCRIPTION = "subscription"
    POLLING = "polling"


@dataclass(frozen=True, slots=True)
class Way:
    """The way, the topic that is subscribed to, and why it is not the better one (a sentence)."""

    kind: WayKind
    topic: str = ""
    reason: str = ""


def topic_of(collecting: Collecting, capability: Capability) -> str | None:
    """Name the EHR's topic of finished responses; None if it offers none that is known to be one."""
    if collecting.topic is not None:
        return collecting.topic if collecting.topic in capability.topics else None
    plain = ((each, each.lower().replace("-", "")) for each in capability.topics)
    return next((each for each, small in plain if "questionnaireresponse" in small), None)


def choose_way(collecting: Collecting, capability: Capability, granted: Scopes | None) -> Way | str:
    """Choose the way; a sentence that says why there is none. `granted` None: scopes are not known yet."""
    reason = ""
    if collecting.way != "polling":
        topic = topic_of(collecting, capability)
        if topic is None:
            reason = "the EHR declares no Subscription with a topic of QuestionnaireResponses"
        elif granted is not None and not granted.allows("Subscription", "crd"):
            reason = "the granted scopes do not allow Subscriptions (system/Subscription.crd)"
        else:
            return Way(WayKind.SUBSCRIPTION, topic)
        if collecting.way == "subscription":
            return f"No way to find responses: {reason}, and the settings allow nothing else."
    if RESPONSE not in capability.searches or RESPONSE not in capability.reads:
        return f"No way to find responses: the EHR does not declare that {RESPONSE} can be searched and read."
    if not capability.searches_by(RESPONSE, "_lastUpdated"):
        return f"No way to find responses: the EHR does not declare a search of {RESPONSE} by _lastUpdated."
    if granted is not None and not granted.allows(RESPONSE, "rs"):
        return f"No way to find responses: the granted scopes do not allow to search {RESPONSE}."
    return Way(WayKind.POLLING, reason=reason)
