"""Wires the sandbox EHR together: store, authorization server, FHIR API, pages."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime

import httpx
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox_ehr.cards import Cards
from sandbox_ehr.database import Database
from sandbox_ehr.directory import Directory
from sandbox_ehr.faults import FaultBook
from sandbox_ehr.faults.injector import FaultInjector
from sandbox_ehr.fhir.export import Exports
from sandbox_ehr.fhir.http import create_fhir_app
from sandbox_ehr.fhir.server import FhirServer
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.fhir.subscriptions import Subscriptions
from sandbox_ehr.notifying import Notifier
from sandbox_ehr.oauth.authorize import AuthorizationEndpoint
from sandbox_ehr.oauth.clients import ClientKeys
from sandbox_ehr.oauth.launches import Launches
from sandbox_ehr.oauth.records import Records
from sandbox_ehr.oauth.routes import create_auth_app, discovery_routes
from sandbox_ehr.oauth.server import SmartAuthorizationServer
from sandbox_ehr.oauth.sign_in import SignIns
from sandbox_ehr.pages.engine import Pages
from sandbox_ehr.pages.faults import Control, add_fault_pages
from sandbox_ehr.pages.routes import Parts, add_pages
from sandbox_ehr.people import populate
from sandbox_ehr.personalities import Personality, load_personality
from sandbox_ehr.request_log import RequestLog
from sandbox_ehr.settings import Clock, SandboxSettings


class SandboxApp(FastAPI):
    """The sandbox as an application: faults happen outside of everything else, next to the wire."""

    injector: FaultInjector | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, faults first."""
        await (self.injector or self.serve)(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request as if nothing could go wrong."""
        await super().__call__(scope, receive, send)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: SandboxSettings,
    *,
    clock: Clock = _utc_now,
    http: Callable[[], httpx.AsyncClient] | None = None,
) -> SandboxApp:
    """Make a sandbox EHR, filled with synthetic people if it is empty and the settings say so.

    `http` makes the client that fetches an asymmetric client's keys from its jwks_uri; tests pass one that reaches
    the app in the same process.

    The database is closed when the app's lifespan ends; who runs none closes `app.state.store.database`.
    """
    faults = FaultBook(settings.faults)
    clock = faults.skewed(clock)
    database = Database(settings.database)
    store = Store(database, settings.fhir_base, clock)
    if settings.seed:
        populate(store, clock)
    directory = Directory(store, clock)
    records = Records(database, clock)
    launches = Launches(database, store, settings, clock)
    keys = ClientKeys(settings, clock, http)
    server = SmartAuthorizationServer(settings, records, launches, keys)
    endpoint = AuthorizationEndpoint(settings, server, launches, SignIns(database, clock), directory)
    pages = Pages()
    log = RequestLog(clock)

    def personality() -> Personality:
        changed = faults.personality()
        return load_personality(changed) if changed else settings.behaviour

    subscriptions = Subscriptions(database, settings.fhir_base, clock, personality)
    store.on_saved = subscriptions.on_saved
    notifier = Notifier(subscriptions, faults, clock, http)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing(database):
            async with notifier.running():
                yield

    fhir_server = FhirServer(store, settings.base_url, clock, personality)
    fhir = create_fhir_app(
        fhir_server,
        Exports(store, clock, personality),
        subscriptions,
        server.find_access,
        log.add,
        *discovery_routes(settings),
    )
    app = SandboxApp(title="Sandbox EHR", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.injector = FaultInjector(app.serve, faults, server.end_token)
    app.state.store, app.state.launches = store, launches
    auth = create_auth_app(server, endpoint, keys, pages)
    # Routes rather than mounts: the FHIR base itself, without a final slash, takes transactions.
    app.router.routes += [
        Route("/r4", fhir),
        Route("/r4/{path:path}", fhir),
        Route("/auth/{path:path}", auth),
    ]
    cards = Cards(settings, records, fhir_server.searcher, clock, http)
    add_pages(app, Parts(settings, directory, launches, pages, log, cards, clock))
    add_fault_pages(app, Control(settings, pages, faults, personality))
    return app
