"""The collector: looks at each site when it is due, one at a time among all processes, and remembers how far it is."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from plugin import request_id
from plugin.audit import Kind
from plugin.collected_section import Collecting
from plugin.collecting import book
from plugin.collecting.book import Found, Standing
from plugin.collecting.subscribing import (
    LIFE,
    RENEWED_BEFORE,
    Status,
    ask_events,
    ask_status,
    build_subscription,
    new_secret,
)
from plugin.collecting.take import COLLECTOR, Taker, read_head
from plugin.delivery.capability import Capability
from plugin.delivery.send import EhrSender
from plugin.delivery.ways import RESPONSE, Way, WayKind, choose_way
from plugin.delivery.worker import NoToken
from plugin.ehr import Ehr, EhrError, EhrUnavailable, Elsewhere, NotFound, TokenRefused
from plugin.errors import NotFound as NotSetAside
from plugin.flow import Intake
from plugin.ledger import AuditRow
from plugin.ledger.away import cause_of
from plugin.metrics import Metrics
from smart_launch import Scopes

log = structlog.get_logger()

_IDLE = 1.0  # seconds between two looks at what is due
_STALLED = 60.0  # seconds without a turn of the loop after which it is taken for dead
_LONGEST_PAUSE = timedelta(minutes=15)
_SWEEP = timedelta(hours=6)  # even a Subscription that seems well is checked by a search so often
_SILENT = 2.5  # heartbeats that may be missed before the EHR is asked
_ALL = 1_000_000
_FIRST_STATUS = timedelta(seconds=10)


@dataclass(slots=True)
class Look:
    """What one look at a site came to."""

    way: str = ""
    found: Counter[Found] = field(default_factory=Counter)
    trouble: str | None = None

    def note(self, found: Found) -> None:
        """Count one response."""
        self.found[found] += 1


@dataclass(frozen=True, slots=True)
class _Visit:
    """One look at one site, under way."""

    standing: Standing
    collecting: Collecting
    ehr: Ehr
    taker: Taker
    look: Look
    now: datetime


class _NoWay(Exception):
    """Nothing can be found at this EHR; `args[0]` says why."""


class Collector:
    """Looks for ever, at the sites that are to be searched. Several processes may: each site has one at a time."""

    def __init__(
        self,
        intake: Intake,
        sender: EhrSender,
        sites: Mapping[str, Collecting],
        organizations: Mapping[str, str],
        address: str,
        metrics: Metrics | None = None,
    ) -> None:
        self._intake = intake
        self._sender = sender
        self._sites = sites
        self._organizations = organizations
        self._address = address
        self._metrics = metrics or Metrics()
        self._owner = str(uuid.uuid4())
        self._wake = asyncio.Event()
        self._stopping = False
        self._last_turn = time.monotonic()

    @property
    def lives(self) -> bool:
        """Whether it looks for work, or there is none to look for."""
        return not self._sites or time.monotonic() - self._last_turn < _STALLED

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that are searched."""
        return tuple(self._sites)

    def wake(self) -> None:
        """Say that the EHR told of something."""
        self._wake.set()

    def stop(self) -> None:
        """Ask it to end `run` after the look that is under way."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Look at what is due, until stopped or cancelled."""
        if not self._sites:
            return
        while not self._stopping:
            self._wake.clear()
            self._last_turn = time.monotonic()
            try:
                for standing in await self._due():
                    await self._visit(standing)
            except sa.exc.SQLAlchemyError as error:
                log.error("collecting.database", error=cause_of(error))  # noqa: TRY400 -- a message may hold data
            await self._pause()

    async def look_now(self, site: str) -> Look | None:
        """Look at one site by a search, whether it is due or not; None if somebody looks there just now."""
        await self._begin((site,))
        now = self._intake.clock()
        standing = await self._intake.ledger.bookkeep(
            lambda connection: book.claim_now(connection, self._owner, site, now)
        )
        return None if standing is None else await self._visit(standing, search=True)

    async def take_now(self, site: str, reference: str) -> Found:
        """Look at one response in the EHR; its errors, and NoToken, are raised."""
        ehr, _, _ = await self._sender.as_itself(site)
        return await self._taker(site, ehr).take(ehr, reference)

    async def retry(self, site: str, reference: str, entry: AuditRow) -> Found:
        """Look again at one that was set aside, noted by `entry`; NotFound if there is none, else as `take_now`."""
        known = await self._intake.ledger.read(
            lambda connection: book.list_found(connection, site, Found.SET_ASIDE, _ALL)
        )
        if reference not in {each.reference for each in known}:
            raise NotSetAside(
                f"No {reference} of {site} is set aside.", "`rapport collected list` shows those that are."
            )
        await self._intake.ledger.write(lambda connection: book.reopen(connection, site, reference), entry)
        return await self.take_now(site, reference)

    def _taker(self, site: str, ehr: Ehr) -> Taker:
        return Taker(self._intake, site, ehr.base, self._organizations.get(site, site), self._metrics)

    async def _pause(self) -> None:
        try:
            # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the waking.
            async with asyncio.timeout(_IDLE):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _begin(self, sites: tuple[str, ...]) -> None:
        now = self._intake.clock()
        known = await self._intake.ledger.read(lambda connection: book.standings(connection, sites))
        for site in set(sites) - {each.site for each in known}:
            since = self._sites[site].since or now
            await self._intake.ledger.bookkeep(
                lambda connection, site=site, since=since: book.begin(connection, site, since, now)  # type: ignore[misc]
            )

    async def _due(self) -> tuple[Standing, ...]:
        await self._begin(self.sites)
        now = self._intake.clock()
        return await self._intake.ledger.bookkeep(
            lambda connection: book.claim(connection, self._owner, self.sites, now)
        )

    async def _visit(self, standing: Standing, *, search: bool = False) -> Look:
        """Look at a site that is leased to us, and give the lease back whatever comes."""
        request_id.begin()
        site, look, now = standing.site, Look(), self._intake.clock()
        collecting = self._sites[site]
        try:
            changes, due = await self._look(standing, collecting, look, now, search=search)
        except (EhrError, NoToken, _NoWay) as error:
            await self._failed(standing, error, look)
            return look
        except sa.exc.SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 -- last rim of the collector: one site must not stop the others
            await self._failed(standing, error, look)
            return look
        values = {**changes, "looked": now, "failures": 0, "trouble": None, "way": look.way}
        ended = self._intake.clock()
        await self._intake.ledger.bookkeep(
            lambda connection: book.release(connection, self._owner, site, ended + due, values, now=ended)
        )
        if look.found:
            log.info("collecting", site=site, way=look.way, **{str(k): n for k, n in look.found.items()})
        return look

    async def _failed(self, standing: Standing, error: Exception, look: Look) -> None:
        foreseen = isinstance(error, EhrError | NoToken | _NoWay)
        look.trouble = str(error) if foreseen else f"Rapport could not work on it ({type(error).__name__})."
        if isinstance(error, TokenRefused):
            self._sender.forget_own_token(standing.site)
        failures = standing.failures + 1
        pause = min(self._sites[standing.site].every * 2 ** min(failures, 8), _LONGEST_PAUSE)
        if isinstance(error, EhrUnavailable) and error.retry_after:
            pause = max(pause, timedelta(seconds=error.retry_after))
        due = self._intake.clock() + pause
        values = {"failures": failures, "trouble": look.trouble}
        self._metrics.looks.labels(standing.site, "failed").inc()
        log.warning("collecting.failed", site=standing.site, reason=look.trouble)
        await self._intake.ledger.bookkeep(
            lambda connection: book.release(connection, self._owner, standing.site, due, values)
        )

    async def _look(
        self, standing: Standing, collecting: Collecting, look: Look, now: datetime, *, search: bool
    ) -> tuple[dict[str, object], timedelta]:
        """Look, and give what is to be remembered and how long to pause."""
        site = standing.site
        ehr, capability, granted = await self._sender.as_itself(site)
        way = _way(collecting, capability, granted)
        look.way = way.kind
        visit = _Visit(standing, collecting, ehr, self._taker(site, ehr), look, now)
        changes: dict[str, object] = {}
        due = collecting.every
        if way.kind is WayKind.SUBSCRIPTION:
            changes, search_too = await self._listen(visit, way)
            search = search or search_too or standing.polled is None or now - standing.polled > _SWEEP
            due = collecting.heartbeat if standing.heard_at else _FIRST_STATUS
        else:
            search = True
        if search:
            changes |= await self._search(visit)
        if look.found.keys() - {Found.SEEN}:
            await self._note_search(visit)
        self._metrics.looks.labels(site, str(way.kind)).inc()
        return changes, due

    async def _search(self, visit: _Visit) -> dict[str, object]:
        """Search by `_lastUpdated` from a little before the cursor; gives the new cursor, once all was looked at."""
        standing = visit.standing
        since = max(standing.cursor - visit.collecting.overlap, standing.since)
        newest, waits = standing.cursor, False
        asked = {"_lastUpdated": f"ge{since.isoformat(timespec='seconds').replace('+00:00', 'Z')}"}
        async for page in visit.ehr.pages(RESPONSE, asked):
            for resource in page:
                head = read_head(resource) if resource.get("resourceType") == RESPONSE else None
                if head is None or not head.id or (head.updated or visit.now) <= standing.since:
                    continue
                found = await visit.taker.take(visit.ehr, f"{RESPONSE}/{head.id}", head)
                visit.look.note(found)
                waits = waits or found is Found.WAITS
                newest = max(newest, head.updated or newest)
            await self._keep_lease(standing.site)
        remembered: dict[str, object] = {"polled": visit.now}
        return remembered if waits else {**remembered, "cursor": newest}

    async def _listen(self, visit: _Visit, way: Way) -> tuple[dict[str, object], bool]:
        """See that the Subscription stands, and take what it told of; True if a search must fill a gap."""
        standing = visit.standing
        own = standing.subscription
        if own is None or standing.ends is None or standing.ends - RENEWED_BEFORE <= visit.now:
            return await self._subscribe(visit, way), True
        heard, handled = standing.heard, standing.handled
        silence = visit.now - (standing.heard_at or standing.looked or visit.now)
        changes: dict[str, object] = {}
        if standing.heard_at is None or silence > visit.collecting.heartbeat * _SILENT or standing.failures:
            try:
                status = await ask_status(visit.ehr, own)
            except NotFound:
                status = Status("gone", "", 0)
            if status.status not in {"active", "requested"}:
                log.warning("collecting.subscription-ended", site=standing.site, status=status.status)
                return await self._subscribe(visit, way), True
            heard = max(heard, status.events)
            changes = {"heard_at": visit.now} if status.status == "active" else {}
        if heard <= handled:
            return changes, False
        complete = await self._take_events(visit, own, handled + 1, heard)
        # Counted anew by a Subscription that began anew: handled is what this one told.
        return changes | ({"handled": heard} if complete is not None else {}), complete is not True

    async def _take_events(self, visit: _Visit, own: str, first: int, last: int) -> bool | None:
        """Take what events tell of: True if all, False if a search must fill in, None if one must be looked at again."""
        try:
            told = await ask_events(visit.ehr, own, first, last)
        except EhrUnavailable:
            raise
        except EhrError:
            return False  # $events is optional: a search finds the same
        wanted = dict(told.numbered)
        strays = set()
        for reference in dict.fromkeys(wanted.values()):
            relative = reference.removeprefix(f"{visit.ehr.base}/").partition("/_history/")[0]
            try:
                found = await visit.taker.take(visit.ehr, relative)
            except Elsewhere:
                log.warning("collecting.reference-not-followed", site=visit.standing.site)
                strays.add(reference)
                continue
            visit.look.note(found)
            if found is Found.WAITS:
                return None
        return set(range(first, last + 1)) <= {each for each, at in wanted.items() if at not in strays}

    async def _subscribe(self, visit: _Visit, way: Way) -> dict[str, object]:
        """Make a new Subscription in place of the old one. Its secret is known before the EHR can use it."""
        site, old = visit.standing.site, visit.standing.subscription
        secret, digest = new_secret()
        end = visit.now + LIFE
        fresh: dict[str, object] = {"secret": digest, "handled": 0, "heard": 0, "heard_at": None}
        await self._intake.ledger.bookkeep(
            lambda connection: book.save(connection, self._owner, site, {**fresh, "subscription": None})
        )
        if old is not None:
            try:
                await visit.ehr.delete(old)
            except EhrError:
                log.warning("collecting.subscription-left", site=site)  # its secret is not accepted any more
        endpoint = f"{self._address}/sites/{site}/collected/notifications"
        body = build_subscription(visit.collecting, way.topic, endpoint, secret, end)
        made = await visit.ehr.create(body, "Subscription", if_none_exist=None)
        log.info("collecting.subscribed", site=site)
        return {"subscription": made.location, "ends": end}

    async def _note_search(self, visit: _Visit) -> None:
        """Tell the trail that the record was searched, whenever something came of it."""
        entry = self._intake.trail.entry(
            Kind.RECORD_SEARCHED,
            COLLECTOR,
            site=visit.standing.site,
            server=visit.ehr.base,
            query="QuestionnaireResponse?_lastUpdated=since the last search",
        )
        await self._intake.ledger.record(entry)

    async def _keep_lease(self, site: str) -> None:
        due = self._intake.clock() + book.LEASE
        await self._intake.ledger.bookkeep(
            lambda connection: book.save(connection, self._owner, site, {"due": due})
        )


def _way(collecting: Collecting, capability: Capability, granted: Scopes) -> Way:
    chosen = choose_way(collecting, capability, granted)
    if isinstance(chosen, str):
        raise _NoWay(chosen)
    return chosen
