"""What every handler works with, and who is asking: the dependencies of the routes."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Annotated

import httpx
from fastapi import Depends, Request

from plugin.access import sessions
from plugin.access.desks import Desk, read_desk, read_desks
from plugin.access.known_tokens import KnownTokens
from plugin.access.launches import Launch, gave_way, read_launch
from plugin.access.sessions import Session
from plugin.audit import Actor, Trail, end_of_token
from plugin.audit.trail import Clock
from plugin.auditing.verifying import LedgerVerification
from plugin.cds.caller import CdsCallers
from plugin.collecting import Collector
from plugin.days import day_of
from plugin.delivery.courier import NoteCourier
from plugin.delivery.returning import TokenReturn
from plugin.delivery.send import EhrSender
from plugin.delivery.worker import DeliveryWorker
from plugin.ehr import Ehr
from plugin.errors import Forbidden, Locked, NotSignedIn
from plugin.flow import Intake
from plugin.ledger import Ledger
from plugin.ledger.reading import ReadingLedger
from plugin.metrics import Metrics
from plugin.operating.readiness import Check
from plugin.pages import choose_language
from plugin.pages.words import SOURCE_LANGUAGE
from plugin.roles import Role
from plugin.scheduling import Schedules
from plugin.settings import Settings
from questionnaires import LeftOut
from smart_launch import Scopes, SmartDirectory, Styles

COOKIE = "__Host-rapport"
_OF_A_NETWORK = 64  # bits
UNNAMED = "User of the EHR, not named in the launch"
_LOOK_AGAIN = 0.1  # seconds
_LOOKS = int(sessions.LONGEST_HAND_OVER.total_seconds() / _LOOK_AGAIN)
_SIGN_IN_AGAIN = "Sign in again from Rapport's front page."  # a desk is had without a chart


@dataclass(frozen=True, slots=True)
class Rapport:
    """The running installation."""

    settings: Settings
    ledger: Ledger
    trail: Trail
    intake: Intake
    directory: SmartDirectory
    http: httpx.AsyncClient
    sender: EhrSender
    worker: DeliveryWorker
    courier: NoteCourier
    returning: TokenReturn
    collector: Collector
    schedules: Schedules
    clock: Clock
    reading: ReadingLedger  # by which auditors' pages read
    verification: LedgerVerification
    known_tokens: KnownTokens = field(default_factory=KnownTokens)
    styles: Styles = field(default_factory=Styles)
    left_out: tuple[LeftOut, ...] = ()
    metrics: Metrics = field(default_factory=Metrics)
    cds: Mapping[str, CdsCallers] = field(default_factory=dict)  # by site
    parts: Mapping[str, Check] = field(default_factory=dict)  # what must work for this process to be ready
    ending: asyncio.Event = field(default_factory=asyncio.Event)  # this process answers nobody new any more

    def zone_of(self, site: str) -> tzinfo:
        """Give the time zone by which a site tells days."""
        return self.settings.policies[site].zone

    def day_of(self, site: str, moment: datetime) -> date:
        """Give the day on which a moment falls at a site."""
        return day_of(moment, self.zone_of(site))

    def today(self, site: str) -> date:
        """Give the day that it is at a site."""
        return self.day_of(site, self.clock())

    def close(self) -> None:
        """Commit what is queued and close the ledger."""
        self.reading.close()
        self.ledger.close()


async def installation(request: Request) -> Rapport:
    """Give the installation that `create_app` wired. Like every dependency a coroutine: others wait for a thread."""
    found: Rapport = request.app.state.rapport
    return found


CurrentRapport = Annotated[Rapport, Depends(installation)]


async def browser_session(request: Request, rapport: CurrentRapport) -> Session:
    """Give the browser's session; NotSignedIn if it has none, it has been idle too long, or its row was altered."""
    now = rapport.clock()
    found = await _read_session(request, rapport)
    # A page that is loaded while a hand-over is being saved is for whoever holds the device when it appears.
    if request.method == "GET":
        found = await _settled(request, rapport, found)
    if found is None:
        raise NotSignedIn(
            "You have signed out, perhaps in another tab; or Rapport does not know this browser, it has not been used for "
            "an hour, or the sign-in has come to its end.",
            _SIGN_IN_AGAIN
            if request.url.path.startswith("/desks/")
            else "Open Rapport again from the patient's chart in the EHR. Everything that was sent is safe.",
        )
    if found.is_altered:
        raise sessions.told_altered(NotSignedIn)
    if found.last_seen < now - sessions.TOUCH_EVERY:
        await rapport.ledger.bookkeep(lambda connection: sessions.touch(connection, found.key, now))
    return found


async def _settled(request: Request, rapport: Rapport, found: Session | None) -> Session | None:
    """Wait until no hand-over is being saved any more, by whichever process, for a while at most."""
    for _ in range(_LOOKS):
        if found is None or not found.is_being_handed_over(rapport.clock()):
            break
        await asyncio.sleep(_LOOK_AGAIN)
        found = await _read_session(request, rapport)
    return found


async def _read_session(request: Request, rapport: Rapport) -> Session | None:
    handle, now, vault = request.cookies.get(COOKIE), rapport.clock(), rapport.ledger.vault
    found = await rapport.ledger.read(
        lambda connection: sessions.read_session(connection, vault, handle, now)
    )
    request.state.session = found
    return found


async def known_session(request: Request, rapport: Rapport) -> Session | None:
    """Give the browser's session, read before or not; None if it has none. For errors: it raises nothing of ours."""
    found: Session | None = getattr(request.state, "session", None)
    return found if found is not None else await _read_session(request, rapport)


CurrentSession = Annotated[Session, Depends(browser_session)]


async def own_launch(
    launch: str, request: Request, session: CurrentSession, rapport: CurrentRapport
) -> Launch:
    """Give a launch of this browser, locked or not."""
    now = rapport.clock()
    vault = rapport.ledger.vault
    found = await rapport.ledger.read(
        lambda connection: read_launch(connection, vault, launch, session.key, now)
    )
    if found is None or found.site not in rapport.settings.sites:  # one that is set up no more
        await _check_gave_way(
            rapport, launch, session, "Open Rapport again from the patient's chart in the EHR."
        )
        raise NotSignedIn(
            "This page belongs to a launch that has ended or to another browser.",
            "Open Rapport again from the patient's chart in the EHR.",
        )
    request.state.site = found.site
    return found


async def _check_gave_way(rapport: Rapport, launch: str, session: Session, way_out: str) -> None:
    """NotSignedIn, in words of its own, if a launch ended because another person opened Rapport in this browser."""
    if await rapport.ledger.read(lambda connection: gave_way(connection, launch, session.key)):
        raise NotSignedIn(
            "Somebody else has opened Rapport in this browser since, so what was open before has been closed.",
            way_out,
        )


OwnLaunch = Annotated[Launch, Depends(own_launch)]


async def unlocked_launch(found: OwnLaunch, session: CurrentSession) -> Launch:
    """Give a launch of this browser that the clinician may use now; Locked while the device is handed over."""
    if session.locked is not None:
        raise Locked(
            "This device is with a respondent.", "The clinician's PIN opens it again.", return_to=found.id
        )
    return found


CurrentLaunch = Annotated[Launch, Depends(unlocked_launch)]


async def own_desk(desk: str, request: Request, session: CurrentSession, rapport: CurrentRapport) -> Desk:
    """Give a desk of this browser: for people whom the site gives a role, and not while the device is handed over."""
    now = rapport.clock()
    books = {site: policy.roles for site, policy in rapport.settings.policies.items()}
    vault = rapport.ledger.vault
    found = await rapport.ledger.read(
        lambda connection: read_desk(connection, vault, books, desk, session.key, now)
    )
    if found is None:
        await _check_gave_way(rapport, desk, session, _SIGN_IN_AGAIN)
        raise NotSignedIn(
            "This page belongs to a sign-in that has ended, to another browser, or to a role that you do not have.",
            _SIGN_IN_AGAIN,
        )
    request.state.site = found.site
    if session.locked is not None:
        raise Locked(
            "This device is with a respondent.",
            "The clinician's PIN opens it again.",
            return_to=found.id if found.patient else None,
        )
    language = language_for(rapport, found.site, request.headers.get("accept-language"))
    return replace(found, language=language)


CurrentDesk = Annotated[Desk, Depends(own_desk)]


async def auditors_desks(session: CurrentSession, rapport: CurrentRapport) -> Mapping[str, Desk]:
    """Give the desks at which this browser is signed in as an auditor, by site: the newest of each."""
    now = rapport.clock()
    books = {site: policy.roles for site, policy in rapport.settings.policies.items()}
    vault = rapport.ledger.vault
    found = await rapport.ledger.read(
        lambda connection: read_desks(connection, vault, books, session.key, now)
    )
    return {each.site: each for each in reversed(found) if Role.AUDITOR in each.roles}


OwnAuditorsDesks = Annotated[Mapping[str, Desk], Depends(auditors_desks)]


def desk_for(*roles: Role) -> Callable[[Desk], Awaitable[Desk]]:
    """Make a dependency that gives the desk to people with one of these roles; Forbidden to others."""

    async def check(found: CurrentDesk) -> Desk:
        if not found.roles & set(roles):
            raise Forbidden(
                f"This page is for the role {' or '.join(roles)}, which the site's settings do not give you.",
                "Ask whoever keeps Rapport's settings ([site.roles]).",
            )
        return found

    return check


def csrf_token(rapport: Rapport, launch: Launch | Desk) -> str:
    """Make the token that every form of a launch carries; it outlives a renewed session handle."""
    return rapport.ledger.vault.digest("csrf", launch.id)


def check_csrf(rapport: Rapport, launch: Launch | Desk, given: str) -> None:
    """Forbidden unless a form came from our own page."""
    known = rapport.ledger.vault.digests("csrf", launch.id)
    if not any(hmac.compare_digest(each.encode(), given.encode("utf-8", "replace")) for each in known):
        raise Forbidden(
            "This form did not come from Rapport's own page, or is out of date.",
            "Reload the page and try again.",
        )


async def check_origin(request: Request, rapport: CurrentRapport) -> None:
    """Forbidden for a writing request that another site's page sent; a launch leads to our pages from the EHR's."""
    if request.method in {"GET", "HEAD"}:
        return
    origin = request.headers.get("origin")
    fetch_site = request.headers.get("sec-fetch-site", "same-origin")
    if (origin is not None and origin != rapport.settings.base_url) or fetch_site not in {
        "same-origin",
        "none",
    }:
        raise Forbidden(
            "This request came from another site's page, or from Rapport's under another address.",
            f"Open Rapport at its own address: {rapport.settings.base_url}",
        )


def actor_of(launch: Launch | Desk) -> Actor:
    """Name the person behind a launch for the trail, with the end of the token that the EHR gave for it."""
    display = None if launch.user else UNNAMED
    token = end_of_token(launch.context.tokens.access_token) if isinstance(launch, Launch) else None
    return Actor(launch.user, display, token)


def language_for(rapport: Rapport, site: str, accept_language: str | None) -> str:
    """Choose the language of the page for a site's reader: the browser's, else the site's own."""
    return choose_language(accept_language, rapport.settings.policies[site].language)


def language_of_installation(rapport: Rapport) -> str:
    """Give the language of pages before a site is known: that of all sites, if they agree; else English."""
    languages = {each.language for each in rapport.settings.policies.values()}
    return languages.pop() if len(languages) == 1 else SOURCE_LANGUAGE


def place_of(request: Request) -> str:
    """Give the place that a request came from, by which tries are counted: the network address, as the server tells it.

    Of IPv6 its /64: the rest is each machine's to choose, as often as it likes (RFC 4291 section 2.5.1; RFC 8981).
    """
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:  # a socket of the file system has none
        return host
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), _OF_A_NETWORK), strict=False))


def request_line(request: Request) -> str:
    """Give what was asked for as it was asked, for the trail."""
    raw = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope.get("query_string", b"")
    return (raw.split(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")


async def ehr_for(rapport: Rapport, launch: Launch) -> Ehr:
    """Open the EHR with a launch's token, refreshed if needed; NotSignedIn if it is over."""
    tokens = await rapport.sender.tokens_of(launch)
    if tokens is None:
        raise NotSignedIn(
            "The sign-in to the EHR has ended.", "Open Rapport again from the patient's chart in the EHR."
        )
    return Ehr(
        rapport.settings.sites[launch.site].fhir_base,
        tokens.access_token,
        rapport.http,
        granted=Scopes.parse(tokens.scope),
    )
