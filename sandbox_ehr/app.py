"""Wires the sandbox EHR together: store, authorization server, FHIR API, pages."""

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
from fastapi import FastAPI
from starlette.routing import Route

from sandbox_ehr.database import Database
from sandbox_ehr.directory import Directory
from sandbox_ehr.fhir.http import create_fhir_app
from sandbox_ehr.fhir.server import FhirServer
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.oauth.authorize import AuthorizationEndpoint
from sandbox_ehr.oauth.clients import ClientKeys
from sandbox_ehr.oauth.launches import Launches
from sandbox_ehr.oauth.records import Records
from sandbox_ehr.oauth.routes import create_auth_app, discovery_routes
from sandbox_ehr.oauth.server import SmartAuthorizationServer
from sandbox_ehr.oauth.sign_in import SignIns
from sandbox_ehr.pages.engine import Pages
from sandbox_ehr.pages.routes import add_pages
from sandbox_ehr.people import populate
from sandbox_ehr.request_log import RequestLog
from sandbox_ehr.settings import Clock, SandboxSettings


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: SandboxSettings,
    *,
    clock: Clock = _utc_now,
    http: Callable[[], httpx.AsyncClient] | None = None,
) -> FastAPI:
    """Make a sandbox EHR, filled with synthetic people if it is empty and the settings say so.

    `http` makes the client that fetches an asymmetric client's keys from its jwks_uri; tests pass one that reaches
    the app in the same process.
    """
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
    fhir = create_fhir_app(
        FhirServer(store, settings.base_url, clock), server.find_access, log.add, *discovery_routes(settings)
    )
    app = FastAPI(title="Sandbox EHR", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.store, app.state.launches = store, launches
    auth = create_auth_app(server, endpoint, keys, pages)
    # Routes rather than mounts: the FHIR base itself, without a final slash, takes transactions.
    app.router.routes += [
        Route("/r4", fhir),
        Route("/r4/{path:path}", fhir),
        Route("/auth/{path:path}", auth),
    ]
    add_pages(app, settings, directory, launches, pages, log)
    return app
