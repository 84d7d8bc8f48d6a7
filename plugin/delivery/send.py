"""Sends one record: finds a token that may write it, learns what the EHR takes, chooses the writer."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from weakref import WeakValueDictionary

import httpx

from plugin.access.launches import Launch, launches_with_token, save_tokens
from plugin.audit.trail import Clock
from plugin.delivery.capability import Capability, read_capability
from plugin.delivery.choosing import Origin, build_writer, can_write_some, needs_ehr
from plugin.delivery.companion import Companion
from plugin.delivery.document import DOCUMENT
from plugin.delivery.keep import Record
from plugin.delivery.lookup import Lookup
from plugin.delivery.notes import Note, build_note, note_identifier
from plugin.delivery.outbox import Claimed
from plugin.delivery.worker import NoToken, NoWriter
from plugin.delivery.writers import Writer, Written, can_create
from plugin.ehr import Ehr, EhrError, EhrRefused, EhrUnavailable, Heard, NotFound, NotPermitted, TokenRefused
from plugin.ledger import Ledger
from plugin.observations.build import identifier_query
from plugin.writing import DEFAULT_WRITING, WriterKind, Writing
from questionnaires import Catalogue
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
from smart_launch import TokenRefused as RefreshRefused

_EARLY = timedelta(seconds=20)  # a token this near its end is not begun with
MOST_ENDED = 1000  # of more the oldest is forgotten: if it comes again, the EHR refuses it once more
_CAPABILITY_LIFE = timedelta(hours=1)  # an EHR's upgrade is noticed within this time, or at its first refusal
_NOTHING_TAKEN = (
    "The EHR, or the scopes it granted, accepts nothing of what this site would write there; "
    "the result stays readable in Rapport"
)
_ENDED = "The sign-in to the EHR has ended: opening Rapport for this patient again sends it"
_NOTHING = Capability(transaction=False, creates=frozenset(), conditional=frozenset())


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    granted: Scopes

    @property
    def digest(self) -> str:
        """What is remembered of it: enough to recognise it, not to use it."""
        return digest_of(self.value)


def digest_of(token: str) -> str:
    """Give the SHA-256 of a token, hex."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Manner:
    """How the sites write: what each sets, on whose behalf, in which time zone; documents take their words from the catalogue."""

    writing: Mapping[str, Writing] = field(default_factory=dict)
    organizations: Mapping[str, str] = field(default_factory=dict)
    catalogue: Catalogue | None = None
    zones: Mapping[str, tzinfo] = field(default_factory=dict)

    def of(self, site: str) -> Writing:
        """Give what a site sets."""
        return self.writing.get(site, DEFAULT_WRITING)


class _RefreshRefused(EhrUnavailable):
    """The authorization server answers, and gives no token for what one launch holds."""


class EhrSender:
    """Writes into the EHRs of the configured sites, and into their companion servers."""

    def __init__(
        self,
        sites: Sites,
        directory: SmartDirectory,
        ledger: Ledger,
        http: httpx.AsyncClient,
        clock: Clock,
        manner: Manner | None = None,
    ) -> None:
        self._manner = manner or Manner()
        self._sites = sites
        self._directory = directory
        self._ledger = ledger
        self._http = http
        self._clock = clock
        self._capabilities: dict[str, tuple[datetime, Capability]] = {}
        self._system_tokens: dict[str, TokenSet] = {}
        self._ended: deque[str] = deque(maxlen=MOST_ENDED)  # digests of tokens refused before their time
        self._companions: dict[str, asyncio.Lock] = {}
        self._learning: dict[str, asyncio.Task[None]] = {}  # what the EHRs declare, by site
        self._refreshing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # while one is held

    async def __call__(self, claimed: Claimed, record: Record, heard: Heard) -> Written:
        """Write one record; look first whenever an earlier attempt may have left something."""
        site = self._sites[claimed.site]
        writing = self._manner.of(site.id)
        token = await self._find_token(site, claimed) if needs_ehr(writing) else None
        try:
            return await self._write(site, record, token, heard, look_first=claimed.attempts > 1)
        except TokenRefused:
            # Ended before its time: once more with another one, if there is a refresh token or a launch that has it.
            if token is None:
                raise
            self._ended.append(token.digest)
            another = await self._find_token(site, claimed)
            return await self._write(site, record, another, heard, look_first=True)

    async def _write(
        self, site: Site, record: Record, token: _Token | None, heard: Heard, *, look_first: bool
    ) -> Written:
        ehr, writer = await self._prepare(site, record, token, heard)
        if writer is None:
            raise NoWriter(_NOTHING_TAKEN)
        try:
            return await writer.write(ehr, record, look_first=look_first)
        except (EhrRefused, NotPermitted, NotFound):
            self._capabilities.pop(site.id, None)  # it may not be any more what it declared
            raise

    async def _prepare(
        self, site: Site, record: Record, token: _Token | None, heard: Heard
    ) -> tuple[Ehr, Writer | None]:
        writing = self._manner.of(site.id)
        granted = token.granted if token else Scopes()
        ehr = Ehr(site.fhir_base, token.value if token else None, self._http, granted=granted, heard=heard)
        capability = await self.capability_of(site, ehr) if needs_ehr(writing) else _NOTHING
        catalogue = self._manner.catalogue
        known = {each.canonical: each for each in catalogue.versions()} if catalogue else {}
        origin = Origin(
            known.get(record.instrument),
            self._manner.organizations.get(site.id, site.name),
            ehr.base,
            collected=record.collected is not None,
            zone=self._manner.zones.get(site.id, UTC),
        )
        companion = writing.companion
        connect = partial(self._connect, companion, heard) if companion else None
        return ehr, build_writer(writing, capability, granted, origin, connect)

    async def _connect(self, companion: Site, heard: Heard) -> Companion:
        try:
            token = await self._system_token(companion)
        except NoToken as error:
            raise EhrUnavailable(str(error)) from None
        beside = heard.beside("companion")
        ehr = Ehr(companion.fhir_base, token.value, self._http, granted=token.granted, heard=beside)
        lock = self._companions.setdefault(companion.id, asyncio.Lock())
        return Companion(ehr, await self.capability_of(companion, ehr), token.granted, lock)

    async def as_itself(self, site_id: str) -> tuple[Ehr, Capability, Scopes]:
        """Open an EHR with Rapport's own token; NoToken if it gives none, EhrUnavailable if it does not answer now."""
        site = self._sites[site_id]
        token = await self._system_token(site)
        ehr = Ehr(site.fhir_base, token.value, self._http, granted=token.granted)
        return ehr, await self.capability_of(site, ehr), token.granted

    def forget_own_token(self, site_id: str) -> None:
        """Get another token next time: this one was refused before its end."""
        self._system_tokens.pop(site_id, None)

    async def tokens_of(self, held: Launch) -> TokenSet | None:
        """Give a launch's tokens, refreshed if they are over; None if they cannot be had any more.

        EhrUnavailable if the authorization server does not answer now.
        """
        if self._lives(held.context.tokens):
            return held.context.tokens
        if held.context.tokens.refresh_token is None:
            return None
        lock = self._refreshing.setdefault(held.id, asyncio.Lock())
        async with lock, self._ledger.alone(f"refresh {held.id}"):
            return await self._refresh(held)

    def take_for_ended(self, access_token: str) -> None:
        """Use a launch's token no more: the EHR refused it before its time. The refresh token, if there is one, gets another."""
        self._ended.append(digest_of(access_token))

    async def note(self, note: Note, look_first: bool) -> str:  # noqa: FBT001 -- the courier's signature
        """Write a note into its record; NoToken or NoWriter besides the EHR's errors. Gives its reference there."""
        site = self._sites[note.site]
        token = await self._note_token(site, note)
        try:
            return await self._send_note(site, note, token, look_first=look_first)
        except TokenRefused:  # as of a response
            self._ended.append(token.digest)
            another = await self._note_token(site, note)
            return await self._send_note(site, note, another, look_first=True)

    async def _send_note(self, site: Site, note: Note, token: _Token, *, look_first: bool) -> str:
        ehr = Ehr(site.fhir_base, token.value, self._http, granted=token.granted)
        capability = await self.capability_of(site, ehr)
        if DOCUMENT not in capability.creates:
            raise NoWriter("The EHR takes no documents from apps")
        identifier = note_identifier(note.id)
        if look_first:
            lookup = Lookup(ehr, capability.searches, note.patient, note.written)
            if (found := await lookup.by_identifier(DOCUMENT, identifier)) is not None:
                return found
        condition = identifier_query(identifier) if DOCUMENT in capability.conditional else None
        return (await ehr.create(build_note(note), DOCUMENT, if_none_exist=condition)).location

    async def _note_token(self, site: Site, note: Note) -> _Token:
        """Find a token that may create documents: the launch's it was written in, another's, the site's own."""
        vault = self._ledger.vault
        launches = await self._ledger.read(
            lambda connection: launches_with_token(connection, vault, site.id, note.patient, note.launch)
        )
        may = partial(can_create, DOCUMENT)
        able = [each for each in launches if may(each.context.granted)]
        if not able and not site.backend_scopes:
            raise NoWriter("The EHR did not grant Rapport to write documents")
        return await self._token_of_one(site, able, may)

    async def _find_token(self, site: Site, claimed: Claimed) -> _Token | None:
        """Find a token that may write; None if none may and the companion server still can."""
        vault = self._ledger.vault
        launches = await self._ledger.read(
            lambda connection: launches_with_token(
                connection, vault, claimed.site, claimed.patient, claimed.launch
            )
        )
        writing = self._manner.of(site.id)
        may = partial(can_write_some, writing)
        able = [each for each in launches if may(each.context.granted)]
        if launches and not able and not site.backend_scopes:
            if WriterKind.COMPANION in writing.kinds:
                return None
            raise NoWriter(_NOTHING_TAKEN)
        return await self._token_of_one(site, able, may)

    async def _token_of_one(
        self, site: Site, launches: list[Launch], may: Callable[[Scopes], bool]
    ) -> _Token:
        """Give the first token that is to be had: of a launch, in their order, then the site's own.

        The site's own counts beside launches only if it `may` write: else a sign-in that is over is what is missing.
        NoToken if the sign-ins are over or refused; EhrUnavailable if one of them could not be asked for now.
        """
        failed: EhrUnavailable | None = None
        for held in launches:
            try:
                tokens = await self.tokens_of(held)
            except EhrUnavailable as error:  # another sign-in may have a token that lives
                if failed is None or isinstance(failed, _RefreshRefused):
                    failed = error
                continue
            if tokens is not None:
                return _Token(tokens.access_token, Scopes.parse(tokens.scope))
        if site.backend_scopes:
            own = await self._system_token(site)
            if not launches or may(own.granted):
                return own
        if isinstance(failed, _RefreshRefused):
            raise NoToken(
                f"The EHR renews no sign-in; opening Rapport for this patient again sends it. {failed}"
            )
        if failed is not None:
            raise failed
        raise NoToken(_ENDED)

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
        except RefreshRefused as error:
            raise _RefreshRefused(error.what_happened) from None
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

    async def capability_of(self, site: Site, ehr: Ehr) -> Capability:
        """Read what an EHR declares, once an hour; EhrError if it does not say."""
        known = self._capabilities.get(site.id)
        if known is None or known[0] + _CAPABILITY_LIFE <= self._clock():
            try:
                declared = await ehr.capability()
            except (EhrRefused, NotPermitted, NotFound) as error:
                # Who keeps back what everybody may read, a gateway most likely, has refused no result by that.
                raise EhrUnavailable(
                    f"The EHR failed (HTTP {error.status}) while it was answering."
                ) from None
            known = (self._clock(), read_capability(declared))
            self._capabilities[site.id] = known
        return known[1]

    def known_capability(self, site_id: str) -> Capability | None:
        """Give what an EHR declared when it was read last; None if it was not yet."""
        known = self._capabilities.get(site_id)
        return known[1] if known else None

    def learn(self, site: Site, ehr: Ehr) -> None:
        """Have what an EHR declares read meanwhile, if the site writes there and it is not known: nobody waits for it."""
        if (
            site.id in self._capabilities
            or site.id in self._learning
            or not needs_ehr(self._manner.of(site.id))
        ):
            return
        self._learning[site.id] = task = asyncio.create_task(self._learn(site, ehr))
        task.add_done_callback(lambda _: self._learning.pop(site.id, None))

    async def _learn(self, site: Site, ehr: Ehr) -> None:
        with suppress(EhrError):  # whoever sends something is told
            await self.capability_of(site, ehr)

    async def close(self) -> None:
        """Read no more of what EHRs declare."""
        if tasks := tuple(self._learning.values()):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def own_scopes(self, site: Site) -> Scopes:
        """Give what the EHR granted Rapport itself; until it was asked, what the site says that it grants."""
        known = self._system_tokens.get(site.id)
        return Scopes.parse(known.scope if known else " ".join(site.backend_scopes))

    def _lives(self, tokens: TokenSet) -> bool:
        ended = digest_of(tokens.access_token) in self._ended
        return not ended and tokens.expires_at > self._clock() + _EARLY
