"""Topic-based Subscriptions of the sandbox: what a subscriber is told, can ask for, and is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sandbox_ehr import create_app
from tests.sandbox_ehr.conftest import BASE, Ehr, Now, settings

TOPIC = "http://example.org/sandbox-ehr/SubscriptionTopic/questionnaire-response"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
SCOPE = "system/Subscription.crud system/QuestionnaireResponse.crus"


@dataclass
class Subscriber:
    """A client of the sandbox, and the endpoint that it gives."""

    ehr: Ehr
    api: httpx.AsyncClient
    told: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)
    accepts: bool = True

    def take(self, request: httpx.Request) -> httpx.Response:
        if not self.accepts:
            return httpx.Response(500)
        self.headers.append(request.headers.get("x-secret"))
        self.told.append(json.loads(request.content))
        return httpx.Response(200)

    async def subscribe(self, **changes: Any) -> dict[str, Any]:
        channel = {
            "type": "rest-hook",
            "endpoint": "https://app.invalid/told",
            "header": ["X-Secret: s3cret"],
            "payload": "application/fhir+json",
            "_payload": {
                "extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}]
            },
            "extension": [{"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": 60}],
        }
        made = {"resourceType": "Subscription", "status": "requested", "criteria": TOPIC, "channel": channel}
        answer = await self.api.post("/Subscription", content=json.dumps(made | changes))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def respond(self) -> str:
        made = {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "subject": {"reference": "Patient/1001"},
        }
        answer = await self.api.post("/QuestionnaireResponse", content=json.dumps(made))
        assert answer.status_code == 201, answer.text
        return f"QuestionnaireResponse/{answer.json()['id']}"

    async def wait(self, kind: str, many: int = 1) -> list[dict[str, Any]]:
        for _ in range(3000):
            found = [each for each in map(read, self.told) if each["type"] == kind]
            if len(found) >= many:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"no {kind} came: {[read(each)['type'] for each in self.told]}")

    async def until(self, own: str, status: str) -> None:
        """Wait until a Subscription has this status."""
        for _ in range(3000):
            found = await self.status(own)
            if found["status"] == status:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(found)

    async def until_befallen(self) -> None:
        """Wait until the one fault in the book has befallen something."""
        for _ in range(3000):
            (fault,) = (await self.ehr.http.get("/sandbox/faults")).json()
            if fault["hits"]:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(fault)

    async def status(self, own: str) -> dict[str, Any]:
        return read((await self.api.get(f"/Subscription/{own}/$status")).json())


def read(bundle: dict[str, Any]) -> dict[str, Any]:
    """Read the status of a notification into a flat form."""
    found: dict[str, Any] = {"events": [], "bundle": bundle}
    for each in bundle["entry"][0]["resource"]["parameter"]:
        if each["name"] == "notification-event":
            part = {
                one["name"]: next(value for name, value in one.items() if name != "name")
                for one in each["part"]
            }
            found["events"].append((int(part["event-number"]), part["focus"]["reference"]))
        else:
            found[each["name"]] = next(value for name, value in each.items() if name != "name")
    return found


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    now = Now()
    found: list[Subscriber] = []

    def made() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(lambda request: found[0].take(request)))

    app = create_app(settings(), clock=now, http=made)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http,
    ):
        ehr = Ehr(http, app, now)
        async with ehr.with_token(await ehr.system_token(SCOPE)) as api:
            found.append(Subscriber(ehr, api))
            yield found[0]


async def test_a_new_subscription_is_active_after_its_handshake(subscriber: Subscriber) -> None:
    made = await subscriber.subscribe()
    assert made["status"] == "requested"
    await subscriber.wait("handshake")
    assert subscriber.headers == ["s3cret"]
    await subscriber.until(made["id"], "active")


async def test_an_endpoint_that_refuses_the_handshake_ends_in_error(subscriber: Subscriber) -> None:
    subscriber.accepts = False
    made = await subscriber.subscribe()
    await subscriber.until(made["id"], "error")


async def test_a_notification_names_the_resource_and_holds_nothing_of_it(subscriber: Subscriber) -> None:
    await subscriber.subscribe()
    await subscriber.wait("handshake")
    reference = await subscriber.respond()
    (told,) = await subscriber.wait("event-notification")
    assert told["events"] == [(1, f"{BASE}/r4/{reference}")]
    assert told["events-since-subscription-start"] == "1"
    assert "resource" not in told["bundle"]["entry"][1]


async def test_a_silent_subscription_sends_heartbeats(subscriber: Subscriber) -> None:
    await subscriber.subscribe()
    await subscriber.wait("handshake")
    subscriber.ehr.now.advance(seconds=61)
    await subscriber.wait("heartbeat")


async def test_a_lost_notification_is_among_the_events_that_can_be_asked_for(subscriber: Subscriber) -> None:
    made = await subscriber.subscribe()
    await subscriber.wait("handshake")
    await subscriber.ehr.http.post("/sandbox/faults", json={"kind": "notification-lost", "count": 1})
    lost = await subscriber.respond()
    await subscriber.until_befallen()
    seen = await subscriber.respond()
    (told,) = await subscriber.wait("event-notification")
    assert told["events"] == [(2, f"{BASE}/r4/{seen}")]
    asked = await subscriber.api.get(f"/Subscription/{made['id']}/$events", params={"eventsSinceNumber": "1"})
    assert read(asked.json())["events"] == [(1, f"{BASE}/r4/{lost}"), (2, f"{BASE}/r4/{seen}")]


async def test_a_subscription_can_be_switched_off_without_a_word(subscriber: Subscriber) -> None:
    made = await subscriber.subscribe()
    await subscriber.wait("handshake")
    await subscriber.ehr.http.post("/sandbox/faults", json={"kind": "subscription-ended", "count": 1})
    await subscriber.until(made["id"], "off")


async def test_a_subscription_ends_at_its_end(subscriber: Subscriber) -> None:
    made = await subscriber.subscribe(end="2026-11-23T10:00:00Z")
    await subscriber.wait("handshake")
    subscriber.ehr.now.advance(hours=1)
    token = await subscriber.ehr.system_token(SCOPE)
    async with subscriber.ehr.with_token(token) as subscriber.api:
        await subscriber.until(made["id"], "off")


async def test_an_unknown_topic_is_refused(subscriber: Subscriber) -> None:
    made = {
        "resourceType": "Subscription",
        "criteria": "http://example.org/other",
        "channel": {"type": "rest-hook"},
    }
    answer = await subscriber.api.post("/Subscription", content=json.dumps(made))
    assert answer.status_code == 422
    places = {each["expression"][0] for each in answer.json()["issue"]}
    assert "Subscription.criteria" in places


async def test_a_token_without_the_scope_cannot_subscribe(subscriber: Subscriber) -> None:
    token = await subscriber.ehr.system_token("system/QuestionnaireResponse.rs")
    async with subscriber.ehr.with_token(token) as api:
        assert (await api.post("/Subscription", content="{}")).status_code == 403


async def test_only_the_full_personality_offers_subscriptions(subscriber: Subscriber) -> None:
    statement = (await subscriber.ehr.http.get("/r4/metadata")).json()
    offered = {each["type"]: each for each in statement["rest"][0]["resource"]}
    assert offered["Subscription"]["extension"][0]["valueCanonical"] == TOPIC
    await subscriber.ehr.http.post("/sandbox/faults", json={"kind": "capability", "personality": "athena"})
    statement = (await subscriber.ehr.http.get("/r4/metadata")).json()
    assert "Subscription" not in {each["type"] for each in statement["rest"][0]["resource"]}
    assert (await subscriber.api.post("/Subscription", content="{}")).status_code == 404
