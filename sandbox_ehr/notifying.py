"""Sends notifications of Subscriptions: the handshake, events, heartbeats. Beside the requests, as EHRs do it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from sandbox_ehr.faults import FaultBook, FaultKind
from sandbox_ehr.fhir.subscriptions import Event, Subscribed, Subscriptions, is_over, needs_heartbeat
from sandbox_ehr.settings import Clock

_PERIOD = 0.1  # seconds between two looks
_TRIES = 3
_FHIR_JSON = "application/fhir+json"


class Notifier:
    """Tells subscribers what they asked to be told. Faults of the book may lose a notification or end a Subscription."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        book: FaultBook,
        clock: Clock,
        http: Callable[[], httpx.AsyncClient] | None = None,
    ) -> None:
        self._subscriptions = subscriptions
        self._book = book
        self._clock = clock
        self._http = http or (lambda: httpx.AsyncClient(timeout=5))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send until the block ends."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            for each in self._subscriptions.all():
                await self._serve(each)
            await asyncio.sleep(_PERIOD)

    async def _serve(self, subscribed: Subscribed) -> None:
        now = self._clock()
        if subscribed.status == "requested":
            await self._begin(subscribed)
        elif subscribed.status != "active":
            return
        elif is_over(subscribed, now) or self._book.take_event(FaultKind.SUBSCRIPTION_ENDED):
            self._subscriptions.change(subscribed.id, "off")
        elif events := self._subscriptions.unsent(subscribed.id):
            await self._tell(subscribed, events)
        elif needs_heartbeat(subscribed, now) and await self._send(subscribed, "heartbeat"):
            self._subscriptions.note_sent(subscribed.id)

    async def _begin(self, subscribed: Subscribed) -> None:
        if await self._send(subscribed, "handshake"):
            self._subscriptions.change(subscribed.id, "active")
            self._subscriptions.note_sent(subscribed.id)
        else:
            self._subscriptions.change(subscribed.id, "error", "The endpoint did not take the handshake.")

    async def _tell(self, subscribed: Subscribed, events: tuple[Event, ...]) -> None:
        if self._book.take_event(FaultKind.NOTIFICATION_LOST):
            self._subscriptions.note_sent(subscribed.id, *events)
            return
        for _ in range(_TRIES):
            if await self._send(subscribed, "event-notification", *events):
                self._subscriptions.note_sent(subscribed.id, *events)
                return
        self._subscriptions.change(subscribed.id, "error", "The endpoint did not take notifications.")

    async def _send(self, subscribed: Subscribed, kind: str, *events: Event) -> bool:
        body = self._subscriptions.notification(subscribed, kind, *events)
        headers = {**subscribed.headers, "Content-Type": _FHIR_JSON}
        try:
            async with self._http() as http:
                answer = await http.post(subscribed.endpoint, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.is_success
