"""The sandbox's own pages over HTTP: clinician, patients, chart, apps; and the sandbox-only launch endpoint."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Cookie, Depends, FastAPI, Form, HTTPException, Query, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from sandbox_ehr.cards import Cards
from sandbox_ehr.directory import Clinician, Directory, Person
from sandbox_ehr.errors import LaunchRefused, SandboxError
from sandbox_ehr.oauth.launches import Launches
from sandbox_ehr.oauth.records import new_secret
from sandbox_ehr.pages.charts import Charts
from sandbox_ehr.pages.engine import Pages
from sandbox_ehr.request_log import RequestLog
from sandbox_ehr.settings import Clock, RegisteredClient, SandboxSettings

_CLINICIAN_COOKIE = "sandbox_clinician"
_SINCE_COOKIE = "sandbox_since"  # when they signed in, in seconds
_WORDS = {
    404: ("Not found", "There is nothing at this address."),
    405: ("Not possible", "This address is not opened like that."),
}
_SIGNED_IN = Annotated[str | None, Cookie(alias=_CLINICIAN_COOKIE)]
_SINCE = Annotated[int | None, Cookie(alias=_SINCE_COOKIE)]


class NotSignedIn(SandboxError):
    """Nobody has chosen a clinician yet: the first page asks."""


class NotThere(SandboxError):
    """The address names a patient or an app that does not exist; the message says which."""


class Wish(BaseModel):
    """What the chart's address may ask for beside the app: how it is framed, and further launch context."""

    frame: Literal["usual", "sandboxed"] = "usual"
    intent: str | None = None
    questionnaire: str | None = None
    response: str | None = None
    appContext: str | None = None  # noqa: N815 -- CDS Hooks' name

    def context(self) -> dict[str, object]:
        """Give the launch context: intent, fhirContext with the form or the response that is to be opened, a card's appContext."""
        items = [
            *([{"canonical": self.questionnaire, "type": "Questionnaire"}] if self.questionnaire else []),
            *([{"reference": self.response}] if self.response else []),
        ]
        return {
            **({"intent": self.intent} if self.intent else {}),
            **({"fhirContext": items} if items else {}),
            **({"appContext": self.appContext} if self.appContext else {}),
        }


class LaunchRequest(BaseModel):
    """What POST /sandbox/launch takes: ids, and further launch context."""

    client_id: str
    practitioner: str
    patient: str | None = None
    encounter: str | None = None
    intent: str | None = None
    need_patient_banner: bool | None = None
    fhirContext: list[dict[str, object]] | None = None  # noqa: N815 -- SMART's name


async def check_text(request: Request) -> None:
    """HTTPException 400 for JSON with half a character (a lone surrogate), which Python takes and fails to write out."""
    body = await request.body()
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return  # no JSON at all: FastAPI says so
    try:
        json.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise HTTPException(400, "The body is not JSON made of whole characters.") from None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages work with; the application keeps it in `state.parts`."""

    settings: SandboxSettings
    directory: Directory
    launches: Launches
    pages: Pages
    log: RequestLog
    cards: Cards
    clock: Clock


async def _parts(request: Request) -> Parts:
    return cast("Parts", request.app.state.parts)


TheParts = Annotated[Parts, Depends(_parts)]


async def _clinician(parts: TheParts, signed_in: _SIGNED_IN = None) -> Clinician:
    clinician = parts.directory.clinician(signed_in or "")
    if clinician is None:
        raise NotSignedIn
    return clinician


async def _person(parts: TheParts, patient: str) -> Person:
    person = parts.directory.person(patient)
    if person is None:
        raise NotThere("There is no such patient.")
    return person


CurrentClinician = Annotated[Clinician, Depends(_clinician)]
CurrentPerson = Annotated[Person, Depends(_person)]
# The routes are made once, and each application is given them: FastAPI takes long to find out what each depends on.
router = APIRouter()


def add_pages(app: FastAPI, parts: Parts) -> None:
    """Add the pages to the application."""
    app.state.parts = parts
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    _add_failures(app, parts.pages)
    app.router.routes.extend(router.routes)


def launch_address(client: RegisteredClient, settings: SandboxSettings, launch: str) -> str:
    """Give the address that opens an app with a launch."""
    address = client.launch_url or ""
    query = urlencode({"iss": settings.fhir_base, "launch": launch})
    return f"{address}{'&' if '?' in address else '?'}{query}"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Shows an app inside our page, launched."""

    parts: Parts

    def show(
        self, clinician: Clinician, client_id: str, person: Person | None, wish: Wish, since: int | None
    ) -> Response:
        """Open a launch in somebody's chart, or (None) without a patient; `since`: when the clinician signed in."""
        shown = next((each for each in self.parts.settings.apps if each.client_id == client_id), None)
        client = self.parts.settings.client(client_id)
        if shown is None or client is None:
            raise NotThere("There is no such app.")
        encounter = person.visit.id if person and person.visit else None
        handle = new_secret()
        extra = {**wish.context(), **self._messaging(handle)}
        patient = person.id if person else None
        launch = self.parts.launches.open(client_id, clinician.id, patient, encounter, extra, since)
        addresses = (client.launch_url or "", *client.redirect_uris)
        return self.parts.pages.render(
            "app.html",
            frames=sorted({_origin(each) for each in addresses if each}),
            clinician=clinician,
            person=person,
            apps=self.parts.settings.apps,
            tab=client_id,
            shown=shown,
            address=launch_address(client, self.parts.settings, launch),
            sandbox=_SANDBOXES[wish.frame],
            messaging=handle,
            messaging_origin=_origin(client.launch_url or ""),
        )

    def _messaging(self, handle: str) -> dict[str, object]:
        """Give what an app needs to talk to this page (SMART Web Messaging 1.0)."""
        return {
            "smart_web_messaging_handle": handle,
            "smart_web_messaging_origin": _origin(self.parts.settings.base_url),
        }


_SANDBOXES = {
    "usual": "allow-scripts allow-same-origin allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox "
    "allow-downloads allow-storage-access-by-user-activation",
    "sandboxed": "allow-scripts allow-forms",
}
"""What the frame lets an app do, by the name that the chart's address gives it; `sandboxed` has an origin of its own."""


@router.get("/")
async def choose_clinician(parts: TheParts) -> Response:
    """Ask who is at the desk."""
    return parts.pages.render("clinicians.html", clinicians=parts.directory.clinicians())


@router.post("/sign-in")
async def sign_in(parts: TheParts, practitioner: Annotated[str, Form()]) -> Response:
    """Sign a clinician in."""
    if parts.directory.clinician(practitioner) is None:
        raise NotThere("There is no such clinician.")
    response = RedirectResponse("/patients", 303)
    secure = parts.settings.base_url.startswith("https:")
    for name, value in (
        (_CLINICIAN_COOKIE, practitioner),
        (_SINCE_COOKIE, str(int(parts.clock().timestamp()))),
    ):
        response.set_cookie(name, value, httponly=True, samesite="lax", secure=secure)
    return response


@router.get("/patients")
async def patients(parts: TheParts, signed_in: _SIGNED_IN = None, q: str = "") -> Response:
    """List the patients, or those that are searched for."""
    clinician = parts.directory.clinician(signed_in or "")
    if clinician is None:
        return RedirectResponse("/", 303)
    wanted = q.strip().casefold()
    people = [
        each
        for each in parts.directory.people()
        if wanted in f"{each.name} {each.also} {each.number}".casefold()
    ]
    people.sort(key=lambda person: person.visit.start if person.visit else "~")
    return parts.pages.render(
        "patients.html", clinician=clinician, people=people, q=q, apps=parts.settings.apps
    )


@router.get("/chart/{patient}")
async def chart(parts: TheParts, clinician: CurrentClinician, person: CurrentPerson) -> Response:
    """Show a patient's chart."""
    charts = Charts(parts.directory)
    return parts.pages.render(
        "chart.html",
        clinician=clinician,
        person=person,
        apps=parts.settings.apps,
        tab="summary",
        chart=charts.chart(person),
        rows=charts.observations(person.id),
        cards=await parts.cards.of(clinician, person),
    )


@router.get("/chart/{patient}/observations")
async def observations(parts: TheParts, _: CurrentClinician, person: CurrentPerson) -> Response:
    """Show the table of observations alone, as the chart asks for it again."""
    return parts.pages.render("observations.html", rows=Charts(parts.directory).observations(person.id))


@router.get("/chart/{patient}/app/{client_id}")
async def embedded(
    parts: TheParts,
    clinician: CurrentClinician,
    person: CurrentPerson,
    client_id: str,
    wish: Annotated[Wish, Query()],
    since: _SINCE = None,
) -> Response:
    """Show an app in a patient's chart, launched."""
    return _Frame(parts).show(clinician, client_id, person, wish, since)


@router.get("/apps/{client_id}")
async def embedded_without_patient(
    parts: TheParts, clinician: CurrentClinician, client_id: str, since: _SINCE = None
) -> Response:
    """Show an app beside no chart, launched."""
    return _Frame(parts).show(clinician, client_id, None, Wish(), since)


@router.post("/chart/{patient}/cards")
async def answer_card(
    parts: TheParts,
    patient: str,
    service: Annotated[str, Form()],
    card: Annotated[str, Form()],
    summary: Annotated[str, Form()],
    signed_in: _SIGNED_IN = None,
) -> Response:
    """Put a card aside, and tell its service."""
    clinician, person = parts.directory.clinician(signed_in or ""), parts.directory.person(patient)
    if clinician is None:
        raise NotSignedIn
    if person is None:
        raise NotThere("There is no such patient.")
    parts.cards.put_aside(clinician, person, service, summary)
    await parts.cards.answer(service, card, "overridden")
    return RedirectResponse(f"/chart/{patient}", 303)


@router.post("/sandbox/launch", dependencies=[Depends(check_text)])
async def launch(parts: TheParts, asked: LaunchRequest) -> JSONResponse:
    """Sandbox only: open an EHR launch as if the practitioner had pressed the app's tab in the chart."""
    extra = asked.model_dump(include={"intent", "need_patient_banner", "fhirContext"}, exclude_none=True)
    client = parts.settings.client(asked.client_id)
    try:
        opened = parts.launches.open(
            asked.client_id, asked.practitioner, asked.patient, asked.encounter, extra
        )
    except LaunchRefused as refused:
        return JSONResponse({"error": str(refused)}, 422)
    address = launch_address(client, parts.settings, opened) if client and client.launch_url else None
    return JSONResponse({"launch": opened, "launch_url": address, "iss": parts.settings.fhir_base}, 201)


@router.get("/sandbox/requests")
async def requests(parts: TheParts) -> list[dict[str, object]]:
    """Sandbox only: the FHIR requests made so far, without bodies."""
    return [asdict(each) for each in parts.log.all()]


def _add_failures(app: FastAPI, pages: Pages) -> None:
    @app.exception_handler(NotSignedIn)
    async def choose_first(_: Request, __: NotSignedIn) -> Response:
        return RedirectResponse("/", 303)

    @app.exception_handler(NotThere)
    async def say_so(_: Request, missing: NotThere) -> Response:
        return pages.render("not_found.html", status=404, title="Not found", message=str(missing))

    @app.exception_handler(StarletteHTTPException)
    async def say_where(request: Request, refused: StarletteHTTPException) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return await http_exception_handler(request, refused)
        title, message = _WORDS.get(refused.status_code, ("Not possible", f"{refused.detail}"))
        return pages.render("not_found.html", status=refused.status_code, title=title, message=message)

    @app.exception_handler(RequestValidationError)
    async def name_places(request: Request, invalid: RequestValidationError) -> Response:
        # Without what was sent: FastAPI's own answer repeats it, and fails where it is no text.
        if "text/html" in request.headers.get("accept", ""):
            return pages.render(
                "not_found.html",
                status=422,
                title="Not possible",
                message=f"Missing or wrong: {', '.join(str(each['loc'][-1]) for each in invalid.errors())}.",
            )
        problems = [
            {"loc": [str(part) for part in each["loc"]], "msg": each["msg"]} for each in invalid.errors()
        ]
        return JSONResponse({"detail": problems}, status_code=422)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
