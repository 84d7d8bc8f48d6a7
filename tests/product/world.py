"""The whole of it in one process: a sandbox EHR, Rapport, and somebody's browser between them.

Nothing is patched: Rapport reaches the EHR through an ASGI transport, and the browser keeps cookies and follows redirects.
"""

import json
import random
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from plugin.app import create_app
from plugin.audit import Kind
from plugin.instrument_sections import OwnForms
from plugin.ledger import tables as t
from plugin.settings import Settings, SitePolicy
from plugin.writing import DEFAULT_WRITING, Writing
from sandbox_ehr import EmbeddedApp, RegisteredClient, SandboxSettings
from sandbox_ehr import create_app as create_ehr
from sandbox_ehr.oauth.records import Records
from smart_launch import PrivateKeyJwt, Site, Sites, generate_key, public_jwks

EHR = "https://ehr.invalid"
RAPPORT = "https://rapport.invalid"
PIN = "4711"
CDS = f"{RAPPORT}/sites/sandbox/cds-services/alliance-patient-view"
SCOPES = [
    "launch",
    "openid",
    "fhirUser",
    "online_access",
    "patient/Patient.r",
    "patient/RelatedPerson.rs",
    "patient/Encounter.rs",
    "patient/QuestionnaireResponse.crs",
    "patient/Observation.crs",
    "patient/Provenance.c",
    "patient/MedicationStatement.rs",
    "patient/MedicationRequest.rs",
    "patient/Medication.r",
    "user/Practitioner.r",
]
SIGNING_KEY = generate_key("ES384")
READ_TYPES = (
    "Patient RelatedPerson Practitioner Encounter Questionnaire QuestionnaireResponse Observation DocumentReference "
    "Provenance"
)
READER_SCOPES = tuple(
    f"system/{each}.rs" for each in READ_TYPES.split()
)  # wildcards are not granted everywhere
COLLECTING_SCOPES = (
    "system/QuestionnaireResponse.crus",
    "system/Observation.crus",
    "system/DocumentReference.crus",
    "system/Provenance.c",
    "system/Subscription.crd",
)
FORMS_SECRET = "forms-secret-of-the-tests"
READER_SECRET = "reader-secret-of-the-tests"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **length: float) -> None:
        self.now += timedelta(**length)


class Hosts(httpx.AsyncBaseTransport):
    """Reaches applications of this process by host; anything else is not on the network. `cut` hosts are not
    reached, `silent` ones take the question and do not answer.
    """

    def __init__(self) -> None:
        self.apps: dict[str, httpx.ASGITransport] = {}
        self.cut: set[str] = set()
        self.silent: set[str] = set()
        self.seen: list[httpx.Request] = []

    def add(self, address: str, app: FastAPI) -> None:
        self.apps[urlsplit(address).netloc] = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.netloc.decode()
        self.seen.append(request)
        if host not in self.apps or host in self.cut:
            raise httpx.ConnectError("no such host", request=request)
        if host in self.silent:
            raise httpx.ReadTimeout("no answer", request=request)
        return await self.apps[host].handle_async_request(request)


@dataclass
class World:
    """Two servers, a clock, and ways to act as the people who use them."""

    hosts: Hosts
    clock: Clock
    settings: Settings
    ehr: FastAPI
    rapport: FastAPI
    browser: httpx.AsyncClient = field(init=False)
    _token: tuple[datetime, str] | None = None  # the reading client's, and when it ends

    def __post_init__(self) -> None:
        self.browser = self.new_browser()

    def new_browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.hosts, base_url=RAPPORT, headers={"Accept": "text/html"})

    async def follow(
        self, response: httpx.Response, browser: httpx.AsyncClient | None = None
    ) -> httpx.Response:
        """Follow redirects as a browser does; the fragment of the last address is kept in `response.url`."""
        for _ in range(10):
            if response.status_code not in {302, 303, 307}:
                return response
            response = await (browser or self.browser).get(
                urljoin(str(response.url), response.headers["location"])
            )
        raise AssertionError("redirects go in a circle")

    async def new_launch(self, patient: str = "amara", practitioner: str | None = None, **more: Any) -> str:
        """Press "Rapport" in the chart: gives the address that the EHR opens."""
        people = await self.people()
        asked = {
            "client_id": "rapport",
            "patient": people[patient],
            "practitioner": practitioner or people["practitioner"],
            **more,
        }
        answer = await self.browser.post(f"{EHR}/sandbox/launch", json=asked)
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["launch_url"])

    async def launch(
        self, patient: str = "amara", browser: httpx.AsyncClient | None = None, **more: Any
    ) -> httpx.Response:
        """Launch from the chart, to the patient page."""
        address = await self.new_launch(patient, **more)
        return await self.follow(await (browser or self.browser).get(address), browser)

    async def depart(self, address: str | None = None) -> httpx.Response:
        """Launch as far as the redirect to the EHR's sign-in: from a chart, or from this address of ours."""
        asked = await self.browser.get(address or await self.new_launch())
        return await self.browser.get(urljoin(RAPPORT, asked.headers["location"]))

    async def hand_over(
        self,
        page: httpx.Response,
        respondent: str,
        instrument: str = "rapport-checkin-child",
        language: str = "en",
        pin: str = PIN,
        day: str | None = None,
    ) -> str:
        """Fill the start form of the patient page, its day too if it asks for one; gives the invitation's secret."""
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf, page.text[:2000]
        data = {
            "csrf": csrf[1],
            "respondent": respondent,
            "instrument": instrument,
            "language": language,
            "pin": pin,
        }
        if asked := re.search(r'name="day"[^>]* value="([^"]*)"', page.text):
            data["day"] = day or asked[1]
        answer = await self.browser.post(f"{page.url}/invitations", data=data)
        assert answer.status_code == 303, answer.text
        path, _, secret = answer.headers["location"].partition("#")
        assert path == "/fill"
        return str(secret)

    async def fill(
        self, secret: str, answers: Mapping[str, str | None], browser: httpx.AsyncClient | None = None
    ) -> httpx.Response:
        """Open the form and send it."""
        acting = browser or self.browser
        headers = {"X-Rapport-Invitation": secret}
        form = await acting.get("/fill/form", headers=headers)
        assert form.status_code == 200, form.text
        return await acting.post("/fill/submit", headers=headers, json={"answers": answers})

    async def people(self) -> dict[str, str]:
        """Find Amara (who has a history), her caregiver, and a practitioner, by reading the EHR."""
        found = {}
        for each in await self.search("Patient"):
            given = each["name"][0].get("given", [each["name"][0].get("text", "")])[0].lower()
            found[given] = each["id"]
        found["practitioner"] = (await self.search("Practitioner"))[0]["id"]
        return found

    async def search(self, kind: str, **parameters: str) -> list[dict[str, Any]]:
        """Read the record as any FHIR client does."""
        token = await self._reader_token()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}
        address: str | None = str(httpx.URL(f"{EHR}/r4/{kind}", params={"_count": "100", **parameters}))
        found: list[dict[str, Any]] = []
        while address is not None:
            page = await self.browser.get(address, headers=headers)
            assert page.status_code == 200, page.text
            found += [
                each["resource"] for each in page.json().get("entry", []) if each["search"]["mode"] == "match"
            ]
            address = next((each["url"] for each in page.json()["link"] if each["relation"] == "next"), None)
        return found

    async def collect(self, body: Mapping[str, Any], reference: str | None = None) -> str:
        """Have a response come into the record without Rapport, or change one that stands there; gives its reference."""
        asked = {"grant_type": "client_credentials", "scope": "system/QuestionnaireResponse.crus"}
        answer = await self.browser.post(f"{EHR}/auth/token", data=asked, auth=("forms", FORMS_SECRET))
        headers = {
            "Authorization": f"Bearer {answer.json()['access_token']}",
            "Content-Type": "application/fhir+json",
            "Accept": "application/fhir+json",
        }
        if reference is not None:
            body = {**body, "id": reference.rpartition("/")[2]}
            changed = await self.browser.put(
                f"{EHR}/r4/{reference}", content=json.dumps(body), headers=headers
            )
            assert changed.status_code == 200, changed.text
            return reference
        address = f"{EHR}/r4/QuestionnaireResponse"
        created = await self.browser.post(address, content=json.dumps(body), headers=headers)
        assert created.status_code == 201, created.text
        return "/".join(created.headers["location"].split("/_history")[0].split("/")[-2:])

    async def delivered(
        self, kind: str = "Observation", *, tries: int = 2000, **parameters: str
    ) -> list[dict[str, Any]]:
        """Wait for the delivery worker; the clock of the tests stands still meanwhile."""
        import asyncio

        for _ in range(tries):
            if found := await self.search(kind, **parameters):
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"no {kind} with {parameters} arrived in the record")

    async def _reader_token(self) -> str:
        now = self.clock()
        if self._token is not None and now < self._token[0]:
            return self._token[1]
        answer = await self.browser.post(
            f"{EHR}/auth/token",
            data={"grant_type": "client_credentials", "scope": " ".join(READER_SCOPES)},
            auth=("reader", READER_SECRET),
        )
        assert answer.status_code == 200, answer.text
        granted = answer.json()
        self._token = (now + timedelta(seconds=granted["expires_in"] / 2), str(granted["access_token"]))
        return self._token[1]


def rapport_settings(folder: Path, writing: Writing = DEFAULT_WRITING, **policy: Any) -> Settings:
    """Settings of a Rapport with one site: the sandbox EHR."""
    site = Site(
        id="sandbox",
        name="Sandbox EHR",
        fhir_base=f"{EHR}/r4",
        client_id="rapport",
        authentication=PrivateKeyJwt((SIGNING_KEY,)),
        redirect_uri=f"{RAPPORT}/callback",
        launch_url=f"{RAPPORT}/launch",
        scopes=(*SCOPES, "patient/DocumentReference.crs") if writing.document else tuple(SCOPES),
        allow_private_addresses=True,
    )
    defaults = SitePolicy(
        organization="Sandbox service",
        frame_ancestors=(EHR,),
        show_item_answers=False,
        invitation_hours=24,
        session_hours=8,
        ehr_patience=60,  # a machine under load is not a slow EHR; tests of one set less
    )
    return Settings(
        base_url=RAPPORT,
        database=f"sqlite:///{folder}/rapport.sqlite3",
        vault_keys=(random.Random(1).randbytes(32),),
        signing_keys=(SIGNING_KEY,),
        sites=Sites([site]),
        policies={"sandbox": replace(defaults, **policy)},
        wording=None,
        instrument_folders=(),
        log_folder=folder / "log",
        log_key=Ed25519PrivateKey.from_private_bytes(random.Random(2).randbytes(32)),
        writing={"sandbox": writing},
    )


def sandbox_settings(folder: Path, personality: str = "full") -> SandboxSettings:
    """A sandbox EHR with Rapport and a reading client registered."""
    rapport = RegisteredClient(
        client_id="rapport",
        name="Rapport",
        kind="asymmetric",
        redirect_uris=(f"{RAPPORT}/callback",),
        launch_url=f"{RAPPORT}/launch",
        jwks=public_jwks((SIGNING_KEY,)),
        scopes=(
            *SCOPES,
            "patient/DocumentReference.crs",
            "launch/patient",
            "offline_access",
            "system/*.crus",
            "system/Subscription.crud",
        ),
    )
    forms = RegisteredClient(
        client_id="forms",
        name="The EHR's own forms",
        kind="symmetric",
        secret=FORMS_SECRET,
        scopes=("system/QuestionnaireResponse.crus", "system/PlanDefinition.crus"),
    )
    reader = RegisteredClient(
        client_id="reader",
        name="Reader of the tests",
        kind="symmetric",
        secret=READER_SECRET,
        redirect_uris=(),
        launch_url="",
        scopes=READER_SCOPES,
    )
    return SandboxSettings(
        base_url=EHR,
        database=str(folder / "ehr.sqlite3"),
        clients=(rapport, reader, forms),
        apps=(EmbeddedApp(name="Rapport", client_id="rapport"),),
        personality=personality,
        cds_services=(CDS,),
    )


_peopled: dict[datetime, bytes] = {}


def _people_an_ehr(settings: SandboxSettings, clock: Clock) -> None:
    """Give a new EHR the database that another one of the same time began with: filling it takes longer than most tests."""
    place = Path(settings.database)
    if place.exists() or not settings.seed:
        return
    now = clock()
    if now in _peopled:
        place.write_bytes(_peopled[now])
        return
    with closing(create_ehr(settings, clock=clock).state.store.database) as filled:
        Records(filled, clock).signing_key()  # of 2048 bits, made when it is first needed
    with closing(sqlite3.connect(place)) as database:
        _peopled[now] = database.serialize()


@asynccontextmanager
async def run_world(
    folder: Path,
    clock: Clock | None = None,
    *,
    personality: str = "full",
    writing: Writing = DEFAULT_WRITING,
    wording: Path | None = None,
    instrument_folders: tuple[Path, ...] = (),
    own_forms: OwnForms | None = None,
    only_elsewhere: tuple[Path, ...] = (),
    more_scopes: tuple[str, ...] = (),
    granted_scopes: tuple[str, ...] = (),
    backend_scopes: tuple[str, ...] = (),
    vault_keys: tuple[bytes, ...] = (),
    stored: Mapping[str, Any] | None = None,
    database: str | None = None,
    **policy: Any,
) -> AsyncIterator[World]:
    """Start both servers; stop them at the end. The same folder again is a restart."""
    clock = clock or Clock()
    hosts = Hosts()
    settings = replace(
        rapport_settings(folder, writing, **policy),
        wording=wording,
        instrument_folders=instrument_folders,
        own_forms=own_forms or OwnForms(),
    )
    if database is not None:
        settings = replace(settings, database=database)
    if only_elsewhere:
        elsewhere = replace(settings.policies["sandbox"], instruments=only_elsewhere)
        settings = replace(settings, policies={**settings.policies, "elsewhere": elsewhere})
    if vault_keys:
        settings = replace(settings, vault_keys=vault_keys)
    settings = replace(settings, **(stored or {}))
    of_ehr = sandbox_settings(folder, personality)
    if backend_scopes:
        site = replace(settings.sites["sandbox"], backend_scopes=backend_scopes)
        settings = replace(settings, sites=Sites([site]))
    if more_scopes:
        site = replace(settings.sites["sandbox"], scopes=(*settings.sites["sandbox"].scopes, *more_scopes))
        settings = replace(settings, sites=Sites([site]))
        app, *others = of_ehr.clients
        of_ehr = replace(of_ehr, clients=(replace(app, scopes=(*app.scopes, *more_scopes)), *others))
    if granted_scopes:  # the most that the EHR grants, whatever is asked for
        app, *others = of_ehr.clients
        of_ehr = replace(of_ehr, clients=(replace(app, scopes=granted_scopes), *others))
    _people_an_ehr(of_ehr, clock)
    ehr = create_ehr(of_ehr, clock=clock, http=lambda: httpx.AsyncClient(transport=hosts))
    hosts.add(EHR, ehr)
    async with httpx.AsyncClient(transport=hosts) as http:
        rapport = create_app(settings, http=http, clock=clock)
        hosts.add(RAPPORT, rapport)
        async with ehr.router.lifespan_context(ehr), rapport.router.lifespan_context(rapport):
            world = World(hosts, clock, settings, ehr, rapport)
            yield world
            await world.browser.aclose()


@asynccontextmanager
async def another_worker(world: World) -> AsyncIterator[None]:
    """Have another worker on the same ledger answer what is asked of Rapport."""
    async with httpx.AsyncClient(transport=world.hosts) as http:
        second = create_app(world.settings, http=http, clock=world.clock)
        async with second.router.lifespan_context(second):
            world.hosts.add(RAPPORT, second)
            yield
            world.hosts.add(RAPPORT, world.rapport)


async def entries(world: World, kind: Kind) -> list[dict[str, object]]:
    """Read the entries of one kind in the trail, oldest first."""
    ledger = world.rapport.state.rapport.ledger
    query = sa.select(t.audit.c.event, t.audit.c.sealed_resource).where(t.audit.c.kind == kind)
    rows = await ledger.read(lambda c: c.execute(query.order_by(t.audit.c.id)).all())
    return [msgspec.json.decode(ledger.vault.open("audit", row[0], row[1])) for row in rows]


def body_of(response: httpx.Response) -> Any:
    """Read a JSON answer."""
    return json.loads(response.content)


def order_by_reference(
    world: World, patient: str, name: str = "Sertraline", written: str = "Medication/{id}"
) -> None:
    """Put an order of sertraline since 5 January 2026 into the record, which names it in a Medication of its own.

    `written` is how the order refers to it.
    """
    store = world.ehr.state.store
    sertraline = {"system": "http://www.whocc.no/atc", "code": "N06AB06", "display": name}
    medicine = store.create({"resourceType": "Medication", "code": {"coding": [sertraline]}})
    store.create(
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "authoredOn": "2026-01-05",
            "medicationReference": {"reference": written.format(id=medicine.id)},
            "subject": {"reference": patient},
        }
    )
