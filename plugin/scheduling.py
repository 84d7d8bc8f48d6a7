"""The schedules that sites go by: as the settings write them, or a PlanDefinition read from the EHR, with a copy in the ledger.

It is read with Rapport's own token where the site's `backend_scopes` allow it, else with a launch's when a patient page opens.
What cannot be read, or not be gone by, changes nothing: the copy of before is followed, and the page says so.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from plugin.audit.trail import Clock
from plugin.delivery.send import EhrSender
from plugin.delivery.worker import NoToken
from plugin.ehr import Ehr, EhrError, EhrRefused, NotFound, NotPermitted, TokenRefused
from plugin.ledger import Ledger, save_row
from plugin.ledger import tables as t
from plugin.ledger.away import cause_of
from plugin.plan import Plan, PlanInEhr, read_plan
from plugin.schedule import EVERY_SESSION, SiteSchedule
from plugin.settings import PLAN, Settings
from smart_launch import Scopes

log = structlog.get_logger()

JsonObject = dict[str, object]

LIFE = timedelta(hours=1)  # a copy is read again after this
AGAIN = timedelta(minutes=5)  # and after this, if that failed
_LOOK = 30.0  # seconds between two looks at what another process has read
_MOST = 20  # versions of one plan


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a site's plan could not be read; `followed` is when the copy was read that is gone by meanwhile, if there is one."""

    place: str
    why: str
    followed: datetime | None


@dataclass(frozen=True, slots=True)
class _Copy:
    plan: Plan
    read: datetime
    content: str


class Schedules:
    """Gives each site's schedule at once, from memory, and keeps those of EHRs fresh."""

    def __init__(self, settings: Settings, sender: EhrSender, ledger: Ledger, clock: Clock) -> None:
        self._written = {site: policy.schedule for site, policy in settings.policies.items()}
        self._wanted = {site: each for site, each in self._written.items() if isinstance(each, PlanInEhr)}
        self._by_itself = {site for site in self._wanted if _may_by_itself(settings, site)}
        self._sender, self._ledger, self._clock = sender, ledger, clock
        self._copies: dict[str, _Copy] = {}
        self._failed: dict[str, tuple[datetime, str]] = {}
        self._reading: dict[str, asyncio.Lock] = {}
        self._told: Callable[[], Awaitable[object]] | None = None

    def of(self, site: str) -> SiteSchedule:
        """Give what a site goes by now; every session, until its plan in the EHR was read once."""
        written = self._written[site]
        if not isinstance(written, PlanInEhr):
            return written
        copy = self._copies.get(site)
        return copy.plan if copy else EVERY_SESSION

    def trouble(self, site: str) -> Trouble | None:
        """Say why a site's plan could not be read last time; None if it could, or was not tried."""
        failed = self._failed.get(site)
        copy = self._copies.get(site)
        return Trouble(self._wanted[site].written, failed[1], copy.read if copy else None) if failed else None

    def sections(self) -> Mapping[str, str]:
        """Give the plans that are followed, as sections of the configuration."""
        return {f"schedule {site}": copy.content for site, copy in self._copies.items()}

    async def open(self, told: Callable[[], Awaitable[object]]) -> None:
        """Take the copies of the ledger; `told` is called whenever another plan is followed than before."""
        self._told = told
        await self._look()

    async def run(self) -> None:
        """Read again what is due by Rapport's own token, and see what others have read, until cancelled."""
        while self._wanted:
            try:
                await self._look()
                for site in self._by_itself:
                    await self.refresh(site)
            except sa.exc.SQLAlchemyError as error:
                log.error("schedule.database", error=cause_of(error))  # noqa: TRY400 -- a message may hold data
            await asyncio.sleep(_LOOK)

    async def refresh(
        self, site: str, launched: Callable[[], Awaitable[Ehr]] | None = None, patience: float | None = None
    ) -> None:
        """Read a site's plan again if that is due; with a launch's EHR where Rapport has no token of its own for it."""
        wanted = self._wanted.get(site)
        if wanted is None or (launched is not None) == (site in self._by_itself):
            return
        async with self._reading.setdefault(site, asyncio.Lock()):
            now = self._clock()
            if not self._is_due(site, now):
                return
            try:
                async with asyncio.timeout(patience):
                    ehr = await launched() if launched else (await self._sender.as_itself(site))[0]
                    resource = await _ask(ehr, wanted)
                plan = read_plan(resource)
            except TimeoutError:
                self._note_failure(site, now, "it did not answer in time")
            except TokenRefused as error:
                self._sender.forget_own_token(site)
                self._note_failure(site, now, _told_of(error))
            except (EhrError, NoToken, ValueError) as error:
                self._note_failure(site, now, _told_of(error))
            else:
                await self._keep(site, _Copy(plan, now, json.dumps(resource, sort_keys=True)))

    def _is_due(self, site: str, now: datetime) -> bool:
        failed, copy = self._failed.get(site), self._copies.get(site)
        if failed is not None:
            return failed[0] + AGAIN <= now
        return copy is None or copy.read + LIFE <= now

    def _note_failure(self, site: str, now: datetime, why: str) -> None:
        self._failed[site] = (now, why)
        log.warning("schedule not read", site=site, place=self._wanted[site].written, reason=why)

    async def _keep(self, site: str, copy: _Copy) -> None:
        before = self._copies.get(site)
        self._copies[site] = copy
        self._failed.pop(site, None)
        row = {
            "site": site,
            "address": self._wanted[site].written,
            "read": copy.read,
            "content": copy.content,
        }
        await self._ledger.bookkeep(lambda connection: _save(connection, row))
        if self._told is not None and (before is None or before.content != copy.content):
            await self._told()

    async def _look(self) -> None:
        """Take what is newer in the ledger; a copy of another plan than the settings now name is none."""
        for row in await self._ledger.read(
            lambda connection: connection.execute(sa.select(t.plan_copy)).all()
        ):
            wanted, known = self._wanted.get(row.site), self._copies.get(row.site)
            if wanted is None or wanted.written != row.address or (known and known.read >= row.read):
                continue
            try:
                self._copies[row.site] = _Copy(read_plan(json.loads(row.content)), row.read, row.content)
            except (ValueError, RecursionError) as error:
                log.warning("schedule copy left out", site=row.site, reason=type(error).__name__)
            else:
                self._failed.pop(row.site, None)


def _may_by_itself(settings: Settings, site: str) -> bool:
    registered = settings.sites.get(site)
    return registered is not None and Scopes.parse(" ".join(registered.backend_scopes)).may(PLAN, "r")


async def _ask(ehr: Ehr, wanted: PlanInEhr) -> JsonObject:
    """Read a plan; ValueError if there is none to go by, or more than one."""
    if wanted.id is not None:
        found = [await ehr.read(f"{PLAN}/{wanted.id}")]
    else:
        asked = {"url": wanted.url} | ({"version": wanted.version} if wanted.version else {})
        found = [
            each
            for each in await ehr.search(PLAN, asked, limit=_MOST)
            if each.get("url") == wanted.url and wanted.version in {"", each.get("version")}
        ]
        if not found:
            raise ValueError("the EHR has no PlanDefinition of this address")
    active = [each for each in found if each.get("status") == "active"]
    if not active:
        states = ", ".join(sorted({str(each.get("status")) for each in found}))
        raise ValueError(f"its status is {states}: a schedule must be active")
    if len(active) > 1:
        raise ValueError(f"{len(active)} active ones have this address: name a version (address|version)")
    return active[0]


def _told_of(error: Exception) -> str:
    """Say what went wrong, and what mends it where that is known."""
    why = str(error).rstrip(".")
    if isinstance(error, NotPermitted):
        return f"{why}: grant user/{PLAN}.rs, or system/{PLAN}.rs to Rapport itself"
    if isinstance(error, NotFound | EhrRefused):
        return f"{why}: look whether the EHR keeps {PLAN} at all, else save the plan beside the settings"
    return why


def _save(connection: Connection, row: Mapping[str, object]) -> None:
    save_row(connection, t.plan_copy, row)
