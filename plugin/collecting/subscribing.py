"""The Subscription in the EHR (R4 backport of topic-based subscriptions): made, renewed, asked how it stands.

http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/ A notification is a doorbell: what happened is asked of the EHR.
"""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from plugin.collected_section import Collecting
from plugin.ehr import BadAnswer, Ehr, JsonObject

LIFE = timedelta(days=7)
RENEWED_BEFORE = timedelta(days=1)
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_FOCUS_TYPE = "QuestionnaireResponse/"
_COUNT = "events-since-subscription-start"


@dataclass(frozen=True, slots=True)
class Status:
    """What the EHR says of a Subscription: requested, active, error, off; how many events there were."""

    status: str
    kind: str
    events: int
    numbered: tuple[tuple[int, str], ...] = ()  # number and reference of the events that it names


def new_secret() -> tuple[str, str]:
    """Make what notifications are to carry, and the digest that is remembered of it."""
    secret = secrets.token_urlsafe(32)
    return secret, digest_of(secret)


def digest_of(secret: str) -> str:
    """Give the SHA-256 of a secret, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def build_subscription(
    collecting: Collecting, topic: str, endpoint: str, secret: str, end: datetime
) -> bytes:
    """Write the Subscription: id-only notifications to `endpoint`, with the secret in a header."""
    extensions = [
        {
            "url": f"{_BACKPORT}/backport-heartbeat-period",
            "valueUnsignedInt": int(collecting.heartbeat.total_seconds()),
        },
        {"url": f"{_BACKPORT}/backport-timeout", "valueUnsignedInt": 10},
    ]
    return msgspec.json.encode(
        {
            "resourceType": "Subscription",
            "meta": {"profile": [f"{_BACKPORT}/backport-subscription"]},
            "status": "requested",
            "end": end.isoformat(timespec="seconds"),
            "reason": "Rapport scores questionnaires that are answered in this record",
            "criteria": topic,
            "channel": {
                "extension": extensions,
                "type": "rest-hook",
                "endpoint": endpoint,
                "payload": "application/fhir+json",
                "_payload": {
                    "extension": [{"url": f"{_BACKPORT}/backport-payload-content", "valueCode": "id-only"}]
                },
                "header": [f"Authorization: Bearer {secret}"],
            },
        }
    )


async def ask_status(ehr: Ehr, subscription: str) -> Status:
    """Ask how a Subscription stands; the EHR's errors are raised."""
    return _required(await ehr.ask(subscription, "$status"))


async def ask_events(ehr: Ehr, subscription: str, since: int, until: int) -> Status:
    """Ask what happened, from one event's number to another's."""
    asked = {"eventsSinceNumber": str(since), "eventsUntilNumber": str(until)}
    return _required(await ehr.ask(subscription, "$events", asked))


def read_status(bundle: JsonObject) -> Status | None:
    """Read the status that leads a notification, or the answer to a query; None if there is none."""
    parameters = next(_statuses(bundle), None)
    if parameters is None:
        return None
    values: dict[str, str] = {}
    numbered: list[tuple[int, str]] = []
    for each in _objects(parameters.get("parameter")):
        name = str(each.get("name", ""))
        if name == "notification-event":
            numbered += _event(each)
        else:
            values[name] = next((str(value) for key, value in each.items() if key.startswith("value")), "")
    count = values.get(_COUNT, "")
    return Status(
        status=values.get("status", ""),
        kind=values.get("type", ""),
        events=int(count) if count.isascii() and count.isdecimal() and len(count) < 16 else 0,
        numbered=tuple(numbered),
    )


def _required(bundle: JsonObject) -> Status:
    found = read_status(bundle)
    if found is None:
        raise BadAnswer("The EHR's answer does not say how the Subscription stands.")
    return found


def _statuses(bundle: JsonObject) -> Iterator[JsonObject]:
    for entry in _objects(bundle.get("entry")):
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") == "Parameters":
            yield resource


def _event(parameter: JsonObject) -> Iterator[tuple[int, str]]:
    parts = {str(each.get("name", "")): each for each in _objects(parameter.get("part"))}
    number = str(next((v for k, v in parts.get("event-number", {}).items() if k.startswith("value")), ""))
    focus = parts.get("focus", {}).get("valueReference")
    reference = str(focus.get("reference", "")) if isinstance(focus, dict) else ""
    if number.isascii() and number.isdecimal() and len(number) < 16 and _FOCUS_TYPE in reference:
        yield int(number), reference


def _objects(given: object) -> list[JsonObject]:
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
