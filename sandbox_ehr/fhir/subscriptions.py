"""Topic-based Subscriptions after the R4 backport: their resources, their events, and the answers to `$status` and `$events`.

http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/ Notifications are sent by `sandbox_ehr.notifying`.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sandbox_ehr.database import Database
from sandbox_ehr.errors import FhirRefused, Issue, refuse
from sandbox_ehr.fhir.dates import from_milliseconds, to_instant, to_milliseconds
from sandbox_ehr.fhir.exchange import FhirAnswer, FhirRequest, answer_refusal
from sandbox_ehr.fhir.json_text import JsonObject, children, decode, encode, first_text
from sandbox_ehr.fhir.store import Stored
from sandbox_ehr.personalities import Personality
from sandbox_ehr.settings import Clock

SUBSCRIPTION = "Subscription"
WATCHED = "QuestionnaireResponse"
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_STATUS_PROFILE = f"{_BACKPORT}/backport-subscription-status-r4"
_PAYLOAD = f"{_BACKPORT}/backport-payload-content"
_HEARTBEAT = f"{_BACKPORT}/backport-heartbeat-period"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a watched resource: its number within the subscription, when, what."""

    number: int
    at: int
    focus: str
    created: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One Subscription as it stands."""

    id: str
    client_id: str
    status: str
    resource: JsonObject
    error: str
    last_sent: int  # milliseconds

    @property
    def endpoint(self) -> str:
        """Where notifications go."""
        return first_text(self.resource, "channel", "endpoint") or ""

    @property
    def headers(self) -> dict[str, str]:
        """What the subscriber wants sent with them."""
        lines = (str(each) for each in children(self.resource, "channel", "header"))
        pairs = (line.partition(":") for line in lines)
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def topic(self) -> str:
        """What it watches."""
        return first_text(self.resource, "criteria") or ""

    @property
    def heartbeat(self) -> int | None:
        """After how many silent seconds a heartbeat is due."""
        return next((each for each in self._extension(_HEARTBEAT) if isinstance(each, int)), None)

    @property
    def end(self) -> datetime | None:
        """When it ends of itself."""
        text = first_text(self.resource, "end")
        return datetime.fromisoformat(text) if text else None

    def _extension(self, url: str) -> Iterator[object]:
        for each in children(self.resource, "channel", "extension"):
            if isinstance(each, dict) and each.get("url") == url:
                yield from (value for name, value in each.items() if name.startswith("value"))


class Subscriptions:
    """The Subscriptions of one sandbox; `on_saved` is told of every resource that is written."""

    def __init__(
        self, database: Database, base: str, clock: Clock, personality: Callable[[], Personality]
    ) -> None:
        self._database = database
        self._base = base
        self._clock = clock
        self._personality = personality

    def on_saved(self, stored: Stored) -> None:
        """Note an event for everybody who watches, in the transaction that writes the resource."""
        if stored.type != WATCHED:
            return
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO subscription_event SELECT s.id,"
                " (SELECT count(*) FROM subscription_event e WHERE e.subscription = s.id) + 1, ?, ?, ?, 0"
                " FROM subscription s WHERE s.status IN ('requested', 'active')",
                (stored.updated, stored.reference, stored.version == 1),
            )

    def answer(self, request: FhirRequest) -> FhirAnswer:
        """Carry out an interaction on Subscriptions."""
        try:
            return self._interact(request)
        except FhirRefused as refused:
            return answer_refusal(refused)

    def all(self) -> tuple[Subscribed, ...]:
        """Give every Subscription."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM subscription ORDER BY rowid").fetchall()
        return tuple(
            Subscribed(
                row["id"],
                row["client_id"],
                row["status"],
                decode(row["body"]),
                row["error"],
                row["last_sent"],
            )
            for row in rows
        )

    def unsent(self, subscription: str) -> tuple[Event, ...]:
        """Give the events that nobody was told of."""
        return self._events(subscription, "sent = 0")

    def note_sent(self, subscription: str, *events: Event) -> None:
        """Note that the subscriber was told just now (of these events, if any)."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE subscription_event SET sent = 1 WHERE subscription = ? AND number = ?",
                [(subscription, each.number) for each in events],
            )
            now = to_milliseconds(self._clock())
            connection.execute("UPDATE subscription SET last_sent = ? WHERE id = ?", (now, subscription))

    def change(self, subscription: str, status: str, error: str = "") -> None:
        """Set the status of a Subscription."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE subscription SET status = ?, error = ? WHERE id = ?", (status, error, subscription)
            )

    def notification(self, subscribed: Subscribed, kind: str, *events: Event) -> bytes:
        """Write a notification, id-only: what happened to which resource, and nothing of what is in it."""
        entries: list[JsonObject] = [self._status_entry(subscribed, kind, *events)]
        entries += [
            {
                "fullUrl": f"{self._base}/{each.focus}",
                "request": {
                    "method": "POST" if each.created else "PUT",
                    "url": WATCHED if each.created else each.focus,
                },
                "response": {"status": "201" if each.created else "200"},
            }
            for each in events
        ]
        return encode(self._bundle("history", entries))

    def count(self, subscription: str) -> int:
        """Count the events since the Subscription began."""
        return len(self._events(subscription, "1"))

    def _interact(self, request: FhirRequest) -> FhirAnswer:
        if not self._personality().topics:
            raise refuse(404, "not-supported", f"This server does not hold {SUBSCRIPTION} resources.")
        match (request.method, request.path.split("/")[1:]):
            case ("POST", []):
                return self._create(request)
            case ("GET", [own]):
                return self._shown(self._find(request, own, "r"), 200)
            case ("PUT", [own]):
                return self._update(request, self._find(request, own, "u"))
            case ("DELETE", [own]):
                self._delete(self._find(request, own, "d"))
                return FhirAnswer(204)
            case ("GET" | "POST", [own, "$status"]):
                found = self._find(request, own, "r")
                entry = self._status_entry(found, "query-status")
                return FhirAnswer(200, {}, encode(self._bundle("searchset", [entry])))
            case ("GET", [own, "$events"]):
                return self._answer_events(request, self._find(request, own, "r"))
        raise refuse(
            405, "not-supported", f"{request.method} {request.path} is not an interaction of this server."
        )

    def _create(self, request: FhirRequest) -> FhirAnswer:
        self._check_scope(request, "c")
        resource = self._read(request.body)
        made = Subscribed(str(uuid.uuid4()), request.access.client_id, "requested", resource, "", 0)
        with self._database.transaction() as connection:
            row = (made.id, made.client_id, made.status, encode(resource), "", 0)
            connection.execute("INSERT INTO subscription VALUES (?, ?, ?, ?, ?, ?)", row)
        location = {"Location": f"{self._base}/{SUBSCRIPTION}/{made.id}/_history/1"}
        return self._shown(made, 201, location)

    def _update(self, request: FhirRequest, found: Subscribed) -> FhirAnswer:
        resource = self._read(request.body)
        status = "off" if resource.get("status") == "off" else "requested"
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE subscription SET body = ?, status = ?, error = '' WHERE id = ?",
                (encode(resource), status, found.id),
            )
        return self._shown(next(each for each in self.all() if each.id == found.id), 200)

    def _delete(self, found: Subscribed) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM subscription_event WHERE subscription = ?", (found.id,))
            connection.execute("DELETE FROM subscription WHERE id = ?", (found.id,))

    def _answer_events(self, request: FhirRequest, found: Subscribed) -> FhirAnswer:
        asked = dict(request.parameters)
        try:
            since = int(asked.get("eventsSinceNumber", "1"))
            until = int(asked.get("eventsUntilNumber", str(2**31)))
        except ValueError:
            raise refuse(400, "invalid", "An event number is not a number.") from None
        events = [each for each in self._events(found.id, "1") if since <= each.number <= until]
        return FhirAnswer(200, {}, self.notification(found, "query-event", *events))

    def _read(self, body: bytes) -> JsonObject:
        """Check what a subscriber asks for; FhirRefused 422 for what this server cannot do."""
        resource = decode(body)
        problems = []
        if resource.get("resourceType") != SUBSCRIPTION:
            raise refuse(400, "invalid", f"The body is not a {SUBSCRIPTION}.")
        if resource.get("criteria") not in self._personality().topics:
            problems.append(Issue("not-supported", "There is no such topic here.", "Subscription.criteria"))
        if first_text(resource, "channel", "type") != "rest-hook":
            problems.append(Issue("not-supported", "Only rest-hook is offered.", "Subscription.channel.type"))
        if not (first_text(resource, "channel", "endpoint") or "").startswith(("http://", "https://")):
            problems.append(Issue("invalid", "It needs an endpoint.", "Subscription.channel.endpoint"))
        payload = children(resource, "channel", "_payload", "extension")
        if {"url": _PAYLOAD, "valueCode": "id-only"} not in payload:
            problems.append(
                Issue("not-supported", "Only id-only notifications are sent.", "Subscription.channel.payload")
            )
        if problems:
            raise FhirRefused(422, *problems)
        return {key: value for key, value in resource.items() if key not in {"id", "status", "error"}}

    def _check_scope(self, request: FhirRequest, action: str) -> None:
        if not any(each.covers(SUBSCRIPTION, action) for each in request.access.scopes):
            raise refuse(403, "forbidden", f"The granted scopes do not allow this with {SUBSCRIPTION}.")

    def _find(self, request: FhirRequest, own: str, action: str) -> Subscribed:
        self._check_scope(request, action)
        for each in self.all():
            if each.id == own and each.client_id == request.access.client_id:
                return each
        raise refuse(404, "not-found", f"{SUBSCRIPTION}/{own} does not exist.")

    def _shown(
        self, subscribed: Subscribed, status: int, headers: dict[str, str] | None = None
    ) -> FhirAnswer:
        shown: JsonObject = {
            "resourceType": SUBSCRIPTION,
            "id": subscribed.id,
            **subscribed.resource,
            "status": subscribed.status,
            **({"error": subscribed.error} if subscribed.error else {}),
        }
        return FhirAnswer(status, headers or {}, encode(shown))

    def _events(self, subscription: str, condition: str) -> tuple[Event, ...]:
        with self._database.transaction() as connection:
            rows = connection.execute(
                f"SELECT * FROM subscription_event WHERE subscription = ? AND {condition} ORDER BY number",  # noqa: S608 -- our own words
                (subscription,),
            ).fetchall()
        return tuple(Event(row["number"], row["at"], row["focus"], bool(row["created"])) for row in rows)

    def _bundle(self, kind: str, entries: list[JsonObject]) -> JsonObject:
        return {
            "resourceType": "Bundle",
            "id": str(uuid.uuid4()),
            "type": kind,
            "timestamp": self._clock().isoformat(timespec="milliseconds"),
            **({"total": 1} if kind == "searchset" else {}),
            "entry": entries,
        }

    def _status_entry(self, subscribed: Subscribed, kind: str, *events: Event) -> JsonObject:
        address = f"{self._base}/{SUBSCRIPTION}/{subscribed.id}"
        parameters: list[JsonObject] = [
            {"name": "subscription", "valueReference": {"reference": address}},
            {"name": "topic", "valueCanonical": subscribed.topic},
            {"name": "status", "valueCode": subscribed.status},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(self.count(subscribed.id))},
        ]
        parameters += [
            {
                "name": "notification-event",
                "part": [
                    {"name": "event-number", "valueString": str(each.number)},
                    {"name": "timestamp", "valueInstant": to_instant(each.at)},
                    {"name": "focus", "valueReference": {"reference": f"{self._base}/{each.focus}"}},
                ],
            }
            for each in events
        ]
        entry: JsonObject = {
            "fullUrl": f"urn:uuid:{uuid.uuid4()}",
            "resource": {
                "resourceType": "Parameters",
                "meta": {"profile": [_STATUS_PROFILE]},
                "parameter": parameters,
            },
        }
        if kind == "query-status":
            return entry | {"search": {"mode": "match"}}
        return entry | {
            "request": {"method": "GET", "url": f"{address}/$status"},
            "response": {"status": "200"},
        }


def is_over(subscribed: Subscribed, now: datetime) -> bool:
    """Tell whether its end has come."""
    return subscribed.end is not None and subscribed.end <= now


def needs_heartbeat(subscribed: Subscribed, now: datetime) -> bool:
    """Tell whether it has been silent for as long as the subscriber wants to hear something."""
    period = subscribed.heartbeat
    silent = now - from_milliseconds(subscribed.last_sent)
    return period is not None and silent.total_seconds() >= period
