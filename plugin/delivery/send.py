"""Sends one record: finds a token that may write it, learns what the EHR takes, chooses the writer."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx

from plugin.access.launches import Launch, launches_with_token, save_tokens
from plugin.audit.trail import Clock
from plugin.delivery.keep import Record
from plugin.delivery.outbox import Claimed
from plugin.delivery.worker import NoToken, NoWriter
from plugin.delivery.writers import Capability, Written, can_write, choose_writer, read_capability
from plugin.ehr import Ehr, EhrUnavailable
from plugin.ledger import Ledger
from smart_launch import (
    Scopes,
    ServerUnavailable,
    Site,
    Sites,
    SmartDirectory,
    SmartError,
    TokenExpired,
    TokenSet,
    refresh,
    system_token,
)

_EARLY = timedelta(seconds=20)  # a token this near its end is not begun with


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    granted: Scopes


class EhrSender:
    """Writes into the EHRs of the configured sites."""

    def __init__(
        self, sites: Sites, directory: SmartDirectory, ledger: Ledger, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._sites = sites
        self._directory = directory
        self._ledger = ledger
        self._http = http
        self._clock = clock
        self._capabilities: dict[str, Capability] = {}
        self._system_tokens: dict[str, TokenSet] = {}
        self._refreshing: dict[str, asyncio.Lock] = {}

    async def __call__(self, claimed: Claimed, record: Record) -> Written:
        """Write one record; look first whenever an earlier attempt may have left something."""
        site = self._sites[claimed.site]
        token = await self._find_token(site, claimed)
        ehr = Ehr(site.fhir_base, token.value, self._http)
        writer = choose_writer(await self._capability(site, ehr), token.granted)
        if writer is None:
            raise NoWriter(
                "The EHR, or the scopes it granted, accepts neither QuestionnaireResponse nor Observation; "
                "the result stays readable in Rapport"
            )
        return await writer.write(ehr, record, look_first=claimed.attempts > 1)

    async def tokens_of(self, held: Launch) -> TokenSet | None:
        """Give a launch's tokens, refreshed if they are over; None if they cannot be had any more.

        EhrUnavailable if the authorization server does not answer now.
        """
        if self._lives(held.context.tokens):
            return held.context.tokens
        if held.context.tokens.refresh_token is None:
            return None
        lock = self._refreshing.setdefault(held.id, asyncio.Lock())
        async with lock:
            return await self._refresh(held)

    async def _find_token(self, site: Site, claimed: Claimed) -> _Token:
        vault = self._ledger.vault
        launches = await self._ledger.read(
            lambda connection: launches_with_token(
                connection, vault, claimed.site, claimed.patient, claimed.launch
            )
        )
        for held in launches:
            if not can_write(held.context.granted):
                continue
            tokens = await self.tokens_of(held)
            if tokens is not None:
                return _Token(tokens.access_token, Scopes.parse(tokens.scope))
        if site.backend_scopes:
            return await self._system_token(site)
        raise NoToken("The sign-in to the EHR has ended: opening Rapport for this patient again sends it")

    async def _refresh(self, held: Launch) -> TokenSet | None:
        # Another task may have refreshed while this one waited; a used refresh token must never be used again.
        vault = self._ledger.vault
        fresh = await self._ledger.read(
            lambda connection: launches_with_token(connection, vault, held.site, held.patient, held.id)
        )
        current = next((each for each in fresh if each.id == held.id), held)
        if self._lives(current.context.tokens):
            return current.context.tokens
        site = self._sites[held.site]
        try:
            configuration = await self._directory.discover(site, self._http)
            tokens = await refresh(
                site, configuration, current.context.tokens, http=self._http, now=self._clock()
            )
        except TokenExpired:
            return None
        except ServerUnavailable as error:
            raise EhrUnavailable(error.what_happened, error.retry_after) from None
        except SmartError as error:
            raise EhrUnavailable(error.what_happened) from None
        await self._ledger.bookkeep(lambda connection: save_tokens(connection, vault, current, tokens))
        return tokens

    async def _system_token(self, site: Site) -> _Token:
        known = self._system_tokens.get(site.id)
        if known is None or not self._lives(known):
            try:
                configuration = await self._directory.discover(site, self._http)
                known = await system_token(site, configuration, http=self._http, now=self._clock())
            except ServerUnavailable as error:
                raise EhrUnavailable(error.what_happened, error.retry_after) from None
            except SmartError as error:
                raise NoToken(f"The EHR gave Rapport no token of its own: {error.what_happened}") from None
            self._system_tokens[site.id] = known
        return _Token(known.access_token, Scopes.parse(known.scope))

    async def _capability(self, site: Site, ehr: Ehr) -> Capability:
        known = self._capabilities.get(site.id)
        if known is None:
            known = read_capability(await ehr.capability())
            self._capabilities[site.id] = known
        return known

    def _lives(self, tokens: TokenSet) -> bool:
        return tokens.expires_at > self._clock() + _EARLY
