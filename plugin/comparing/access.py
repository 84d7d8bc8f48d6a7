"""Reads an EHR with a token of the app's own (SMART Backend Services), patiently: renews it, waits where the EHR is busy."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

import httpx

from plugin.delivery.capability import Capability, read_capability
from plugin.ehr import Ehr, EhrError, EhrUnavailable, JsonObject, NotFound, TokenRefused
from plugin.errors import RapportError
from smart_launch import Scopes, ServerUnavailable, Site, SmartDirectory, SmartError, TokenSet, system_token

_EARLY = 30.0  # seconds before its end a token is no longer used
_MOST_FAILURES = 5  # in a row
_LONGEST_PAUSE = 60.0  # seconds
_MOST_OF_A_PATIENT = 10_000  # results of one kind
_MOST_PAGES = 1_000_000

Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")


class RecordUnreadable(RapportError):
    """The EHR gives no token, does not answer, or does not let its record be read: what it said and what to do."""

    status = 502
    title = "The EHR's record"
    code = "transient"


class RecordReader(Protocol):
    """Reads one EHR's record: as the app itself, or with somebody's token."""

    async def capability(self) -> Capability:
        """Read what the EHR declares."""

    async def search(self, kind: str, params: Mapping[str, str]) -> tuple[JsonObject, ...]:
        """Search; an EhrError that waiting does not mend is raised as it is."""

    async def read(self, reference: str) -> JsonObject:
        """Read one resource; an EhrError that waiting does not mend is raised as it is."""

    def pages(self, kind: str, params: Mapping[str, str]) -> AsyncIterator[tuple[JsonObject, ...]]:
        """Search page by page, without an end to their number."""


class TokenReader:
    """One patient's record, read with the token of somebody who signed in. It waits for nothing: somebody looks on."""

    def __init__(self, ehr: Ehr) -> None:
        self._ehr = ehr

    async def capability(self) -> Capability:
        """Read what the EHR declares."""
        return read_capability(await self._ehr.capability())

    async def search(self, kind: str, params: Mapping[str, str]) -> tuple[JsonObject, ...]:
        """Search; an EhrError is raised as it is."""
        return await self._ehr.search(kind, params, limit=_MOST_OF_A_PATIENT)

    async def read(self, reference: str) -> JsonObject:
        """Read one resource; an EhrError is raised as it is."""
        return await self._ehr.read(reference)

    async def pages(self, kind: str, params: Mapping[str, str]) -> AsyncIterator[tuple[JsonObject, ...]]:
        """Search page by page."""
        async for page in self._ehr.pages(kind, params, most=_MOST_PAGES):
            yield page


class SystemReader:
    """One EHR's record, read as the app itself."""

    def __init__(
        self,
        site: Site,
        http: httpx.AsyncClient,
        clock: Callable[[], datetime],
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._site, self._http, self._clock, self._sleep = site, http, clock, sleep
        self._directory = SmartDirectory(clock=clock)
        self._token: TokenSet | None = None

    @property
    def base(self) -> str:
        """The FHIR base, without a final slash."""
        return self._site.base

    def asks_for(self, kind: str) -> bool:
        """Tell whether the settings ask the EHR for the right to search a kind of resource."""
        return Scopes.parse(" ".join(self._site.backend_scopes)).may(kind, "s")

    async def capability(self) -> Capability:
        """Read what the EHR declares."""
        return read_capability(await self._patiently(lambda ehr: ehr.capability()))

    async def search(self, kind: str, params: Mapping[str, str]) -> tuple[JsonObject, ...]:
        """Search; an EhrError that waiting does not mend is raised as it is."""
        return await self._patiently(lambda ehr: ehr.search(kind, params, limit=_MOST_OF_A_PATIENT))

    async def read(self, reference: str) -> JsonObject:
        """Read one resource; an EhrError that waiting does not mend is raised as it is."""
        return await self._patiently(lambda ehr: ehr.read(reference))

    async def pages(self, kind: str, params: Mapping[str, str]) -> AsyncIterator[tuple[JsonObject, ...]]:
        """Search page by page, without an end to their number."""
        ehr = await self._ehr()
        async for page in ehr.pages(kind, params, most=_MOST_PAGES):
            yield page

    async def _patiently(self, ask: Callable[[Ehr], Awaitable[T]]) -> T:
        failures, renewed = 0, False
        while True:
            ehr = await self._ehr()
            try:
                return await ask(ehr)
            except TokenRefused:
                if renewed:
                    raise
                self._token, renewed = None, True
            except EhrUnavailable as error:
                failures += 1
                if failures == _MOST_FAILURES:
                    raise RecordUnreadable(
                        f"{error} It was asked {failures} times.", "Try again later."
                    ) from None
                await self._sleep(min(error.retry_after or 2.0**failures, _LONGEST_PAUSE))

    async def _ehr(self) -> Ehr:
        now = self._clock()
        if self._token is None or (self._token.expires_at - now).total_seconds() < _EARLY:
            try:
                configuration = await self._directory.discover(self._site, self._http)
                self._token = await system_token(self._site, configuration, http=self._http, now=now)
            except ServerUnavailable as error:
                raise RecordUnreadable(error.what_happened, "Try again later.") from None
            except SmartError as error:
                raise RecordUnreadable(error.what_happened, error.what_to_do) from None
        granted = Scopes.parse(self._token.scope)
        return Ehr(self._site.base, self._token.access_token, self._http, granted=granted)


def explain_refusal(kind: str, error: EhrError, *, was_asked_for: bool = False) -> RecordUnreadable:
    """Say what to ask for if the EHR does not let a kind of resource be read, though its scope may have been asked for."""
    if isinstance(error, NotFound) or was_asked_for:
        return RecordUnreadable(
            f"{kind}: {error}", f"Ask whoever runs the EHR whether apps can search {kind} there."
        )
    return RecordUnreadable(
        f"{kind}: {error}",
        f"Ask the EHR for the scope system/{kind}.rs, and name it in the site's backend_scopes.",
    )
