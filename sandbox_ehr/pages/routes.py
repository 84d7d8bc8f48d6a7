"""The sandbox's own pages over HTTP: clinician, patients, chart, apps; and the sandbox-only launch endpoint."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import Cookie, Depends, FastAPI, Form, HTTPException, Query, Request
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


def add_pages(
    app: FastAPI,
    settings: SandboxSettings,
    directory: Directory,
    launches: Launches,
    pages: Pages,
    log: RequestLog,
    cards: Cards,
    clock: Clock,
) -> None:
    """Add the pages to the application."""
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    _add_failures(app, pages)
    _add_people(app, directory, pages, settings, clock)
    _add_charts(app, settings, directory, launches, pages, cards)
    _add_cards(app, directory, cards)
    _add_sandbox(app, settings, launches, log)


def launch_address(client: RegisteredClient, settings: SandboxSettings, launch: str) -> str:
    """Give the address that opens an app with a launch."""
    address = client.launch_url or ""
    query = urlencode({"iss": settings.fhir_base, "launch": launch})
    return f"{address}{'&' if '?' in address else '?'}{query}"


def _add_people(
    app: FastAPI, directory: Directory, pages: Pages, settings: SandboxSettings, clock: Clock
) -> None:
    @app.get("/")
    async def choose_clinician() -> Response:
        return pages.render("clinicians.html", clinicians=directory.clinicians())

    @app.post("/sign-in")
    async def sign_in(practitioner: Annotated[str, Form()]) -> Response:
        if directory.clinician(practitioner) is None:
            raise NotThere("There is no such clinician.")
        response = RedirectResponse("/patients", 303)
        secure = settings.base_url.startswith("https:")
        for name, value in (
            (_CLINICIAN_COOKIE, practitioner),
            (_SINCE_COOKIE, str(int(clock().timestamp()))),
        ):
            response.set_cookie(name, value, httponly=True, samesite="lax", secure=secure)
        return response

    @app.get("/patients")
    async def patients(signed_in: _SIGNED_IN = None, q: str = "") -> Response:
        clinician = directory.clinician(signed_in or "")
        if clinician is None:
            return RedirectResponse("/", 303)
        wanted = q.strip().casefold()
        people = [
            each
            for each in directory.people()
            if wanted in f"{each.name} {each.also} {each.number}".casefold()
        ]
        people.sort(key=lambda person: person.visit.start if person.visit else "~")
        return pages.render("patients.html", clinician=clinician, people=people, q=q, apps=settings.apps)


def _add_charts(
    app: FastAPI,
    settings: SandboxSettings,
    directory: Directory,
    launches: Launches,
    pages: Pages,
    cards: Cards,
) -> None:
    charts = Charts(directory)
    frame = _Frame(settings, launches, pages)

    def current_clinician(signed_in: _SIGNED_IN = None) -> Clinician:
        clinician = directory.clinician(signed_in or "")
        if clinician is None:
            raise NotSignedIn
        return clinician

    def current_person(patient: str) -> Person:
        person = directory.person(patient)
        if person is None:
            raise NotThere("There is no such patient.")
        return person

    CurrentClinician = Annotated[Clinician, Depends(current_clinician)]  # noqa: N806 -- a type
    CurrentPerson = Annotated[Person, Depends(current_person)]  # noqa: N806 -- a type

    @app.get("/chart/{patient}")
    async def chart(clinician: CurrentClinician, person: CurrentPerson) -> Response:
        return pages.render(
            "chart.html",
            clinician=clinician,
            person=person,
            apps=settings.apps,
            tab="summary",
            chart=charts.chart(person),
            rows=charts.observations(person.id),
            cards=await cards.of(clinician, person),
        )

    @app.get("/chart/{patient}/observations")
    async def observations(_: CurrentClinician, person: CurrentPerson) -> Response:
        return pages.render("observations.html", rows=charts.observations(person.id))

    @app.get("/chart/{patient}/app/{client_id}")
    async def embedded(
        clinician: CurrentClinician,
        person: CurrentPerson,
        client_id: str,
        wish: Annotated[Wish, Query()],
        since: _SINCE = None,
    ) -> Response:
        return frame.show(clinician, client_id, person, wish, since)

    @app.get("/apps/{client_id}")
    async def embedded_without_patient(
        clinician: CurrentClinician, client_id: str, since: _SINCE = None
    ) -> Response:
        return frame.show(clinician, client_id, None, Wish(), since)


def _add_cards(app: FastAPI, directory: Directory, cards: Cards) -> None:
    @app.post("/chart/{patient}/cards")
    async def answer_card(
        patient: str,
        service: Annotated[str, Form()],
        card: Annotated[str, Form()],
        summary: Annotated[str, Form()],
        signed_in: _SIGNED_IN = None,
    ) -> Response:
        clinician, person = directory.clinician(signed_in or ""), directory.person(patient)
        if clinician is None:
            raise NotSignedIn
        if person is None:
            raise NotThere("There is no such patient.")
        cards.put_aside(clinician, person, service, summary)
        await cards.answer(service, card, "overridden")
        return RedirectResponse(f"/chart/{patient}", 303)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Shows an app inside our page, launched."""

    settings: SandboxSettings
    launches: Launches
    pages: Pages

    def show(
        self, clinician: Clinician, client_id: str, person: Person | None, wish: Wish, since: int | None
    ) -> Response:
        """Open a launch in somebody's chart, or (None) without a patient; `since`: when the clinician signed in."""
        shown = next((each for each in self.settings.apps if each.client_id == client_id), None)
        client = self.settings.client(client_id)
        if shown is None or client is None:
            raise NotThere("There is no such app.")
        encounter = person.visit.id if person and person.visit else None
        handle = new_secret()
        extra = {**wish.context(), **self._messaging(handle)}
        patient = person.id if person else None
        launch = self.launches.open(client_id, clinician.id, patient, encounter, extra, since)
        addresses = (client.launch_url or "", *client.redirect_uris)
        return self.pages.render(
            "app.html",
            frames=sorted({_origin(each) for each in addresses if each}),
            clinician=clinician,
            person=person,
            apps=self.settings.apps,
            tab=client_id,
            shown=shown,
            address=launch_address(client, self.settings, launch),
            sandbox=_SANDBOXES[wish.frame],
            messaging=handle,
            messaging_origin=_origin(client.launch_url or ""),
        )

    def _messaging(self, handle: str) -> dict[str, object]:
        """Give what an app needs to talk to this page (SMART Web Messaging 1.0)."""
        return {
            "smart_web_messaging_handle": handle,
            "smart_web_messaging_origin": _origin(self.settings.base_url),
        }


_SANDBOXES = {
    "usual": "allow-scripts allow-same-origin allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox "
    "allow-downloads allow-storage-access-by-user-activation",
    "sandboxed": "allow-scripts allow-forms",
}
"""What the frame lets an app do, by the name that the chart's address gives it; `sandboxed` has an origin of its own."""


def _add_sandbox(app: FastAPI, settings: SandboxSettings, launches: Launches, log: RequestLog) -> None:
    @app.post("/sandbox/launch", dependencies=[Depends(check_text)])
    async def launch(asked: LaunchRequest) -> JSONResponse:
        """Sandbox only: open an EHR launch as if the practitioner had pressed the app's tab in the chart."""
        extra = asked.model_dump(include={"intent", "need_patient_banner", "fhirContext"}, exclude_none=True)
        client = settings.client(asked.client_id)
        try:
            opened = launches.open(asked.client_id, asked.practitioner, asked.patient, asked.encounter, extra)
        except LaunchRefused as refused:
            return JSONResponse({"error": str(refused)}, 422)
        address = launch_address(client, settings, opened) if client and client.launch_url else None
        return JSONResponse({"launch": opened, "launch_url": address, "iss": settings.fhir_base}, 201)

    @app.get("/sandbox/requests")
    async def requests() -> list[dict[str, object]]:
        """Sandbox only: the FHIR requests made so far, without bodies."""
        return [asdict(each) for each in log.all()]


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
