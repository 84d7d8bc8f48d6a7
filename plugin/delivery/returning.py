"""Gives tokens back to the EHR once their launch was ended and nothing waits for them any more.

What is still on its way into a patient's record, and a form that has not come back, may need the token of a launch that is
over: until then it is kept. The EHR is told (RFC 7009) where it has an address for that; nobody waits for its answer.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

import httpx
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin.access.invitations import FILLABLE
from plugin.access.launches import Launch, open_launch, save_tokens
from plugin.audit.trail import Clock
from plugin.delivery.states import DeliveryState
from plugin.ledger import Ledger, SealBroken, Vault
from plugin.ledger import tables as t
from smart_launch import ServerUnavailable, Sites, SmartDirectory, SmartError, TokenSet, revoke

log = structlog.get_logger()

SETTLED = (DeliveryState.DELIVERED, DeliveryState.DISCARDED)
"""States after which no token is needed any more."""
_TRIED_FOR = timedelta(days=1)  # after that most tokens have ended by themselves
_MOST_AT_ONCE = 200


def waits_for_token(site: sa.ColumnElement[str], patient: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Tell in a query whether a response or a note of a patient is not in the record yet."""
    response = sa.exists().where(
        t.response.c.site == site,
        t.response.c.patient == patient,
        t.delivery.c.response == t.response.c.id,
        t.delivery.c.state.not_in(SETTLED),
    )
    note = sa.exists().where(
        t.note.c.site == site,
        t.note.c.patient == patient,
        t.note_delivery.c.note == t.note.c.id,
        t.note_delivery.c.state.not_in(SETTLED),
    )
    return sa.or_(response, note)


def needless(
    connection: Connection, vault: Vault, now: datetime, among: Collection[str] | None = None
) -> tuple[Launch, ...]:
    """List ended launches that hold tokens which nothing waits for, of all or of those named, the newest first."""
    c = t.launch.c
    is_out = sa.exists().where(
        t.invitation.c.site == c.site,
        t.invitation.c.patient == c.patient,
        t.invitation.c.state.in_(FILLABLE),
        t.invitation.c.expires > now,
    )
    wanted = [
        c.ended > now - _TRIED_FOR,
        sa.func.length(c.sealed_context) > 0,
        ~waits_for_token(c.site, c.patient),
        ~is_out,
    ]
    if among is not None:
        wanted.append(c.id.in_(among))
    rows = connection.execute(sa.select(t.launch).where(*wanted).order_by(c.ended.desc())).all()
    found = []
    for row in rows:
        with suppress(SealBroken):  # altered: `rapport audit verify` tells it
            found.append(open_launch(vault, row))
    return tuple(each for each in found if each.context.tokens.access_token)[:_MOST_AT_ONCE]


class TokenReturn:
    """Tells the EHRs, and forgets the tokens."""

    def __init__(
        self, sites: Sites, directory: SmartDirectory, ledger: Ledger, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._sites = sites
        self._directory = directory
        self._ledger = ledger
        self._http = http
        self._clock = clock

    async def sweep(self, among: Collection[str] | None = None) -> int:
        """Give back what is needed no more, of all ended launches or of those named; gives how many it was."""
        vault, now = self._ledger.vault, self._clock()
        found = await self._ledger.read(lambda connection: needless(connection, vault, now, among))
        return sum(await asyncio.gather(*(self._give_back(each) for each in found)))

    async def _give_back(self, held: Launch) -> bool:
        tokens = held.context.tokens
        if held.site in self._sites:
            site = self._sites[held.site]
            try:
                configuration = await self._directory.discover(site, self._http)
                await revoke(site, configuration, tokens, http=self._http, now=self._clock())
            except ServerUnavailable:
                return False  # the next sweep tries again
            except SmartError as refusal:
                log.info("token.kept_by_ehr", site=site.id, reason=refusal.reason)
        vault = self._ledger.vault
        none = TokenSet(access_token="", expires_at=self._clock(), scope=tokens.scope)
        await self._ledger.bookkeep(lambda connection: save_tokens(connection, vault, held, none))
        return True
