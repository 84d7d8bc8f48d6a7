"""A small server for the browser tests: the real pages and files, and a /fill that remembers what it was sent.

It sends the product's content security policy, so that a page which breaks it fails here.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugin import pages
from plugin.pages import FormMode, FormView
from plugin.pages.caseload import render_caseload
from plugin.pages.look import write_look
from plugin.pages.parting import render_parting, render_sessions, render_signed_out
from plugin.pages.responses import render_responses
from plugin.pages.staff import (
    render_deliveries,
    render_delivery,
    render_desk,
    render_examination,
    render_installation,
    render_norms,
    render_research,
)
from tests.pages import desks, samples

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; object-src 'none'"
)
STATIC = Path(pages.__file__).parent.parent / "static"


@dataclass
class Desk:
    """What the server is told to do, and what it was sent. Forms by their secrets."""

    forms: dict[str, FormView]
    drafts: list[dict[str, str | list[str] | dict[str, str] | None]] = field(default_factory=list)
    submissions: list[dict[str, str | list[str] | dict[str, str] | None]] = field(default_factory=list)
    refusals: list[Response] = field(
        default_factory=list
    )  # given to the next submissions, first in first out
    gates: dict[str, str] = field(
        default_factory=lambda: {
            "gated": "consent",
            "together": "both",
            "beside": "together",
            "held-gated": "consent",
        }
    )
    said: list[tuple[str, bool]] = field(default_factory=list)
    refused_meanwhile: bool = False  # another caregiver has, on another page
    stated: list[list[str]] = field(default_factory=list)  # with each of them
    shared: list[bool | None] = field(default_factory=list)  # of each submission
    tried: list[dict[str, list[str | None]]] = field(default_factory=list)
    changed: list[list[str]] = field(default_factory=list)  # of each submission: what no draft had
    locked: bool = False  # the device is handed over: every page of a patient leads to the lock
    sent: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)  # by a caregiver
    delay: float = 0.0  # seconds before a submission or a code is answered
    return_url: str | None = "/launches/0b8e/return"
    states: list[dict[str, str]] = field(default_factory=list)
    handed_over: list[dict[str, str]] = field(default_factory=list)
    polls: int = 0
    codes_used: int = 0

    @property
    def mark(self) -> str:
        """What tells the answers that are kept from those that were."""
        return f"mark-{len(self.drafts)}"


class _Policy:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self._app(scope, receive, with_policy)


@dataclass(frozen=True)
class _Fill:
    """The respondent's routes."""

    desk: Desk

    async def form(self, request: Request) -> Response:
        secret = _secret(request)
        if secret in self.desk.sent or secret not in self.desk.forms:
            return _gone()
        held = self.desk.forms[secret].back
        if secret in self.desk.refused:
            gate = pages.GatePage("consent", back=held, is_refused=True)
            return HTMLResponse(pages.render_gate(gate), 410, {"X-Rapport-Refused": "true"})
        if secret in self.desk.gates:
            return HTMLResponse(pages.render_gate(pages.GatePage(self.desk.gates[secret], back=held)))
        return HTMLResponse(pages.render_form(replace(self.desk.forms[secret], mark=self.desk.mark)))

    async def consent(self, request: Request) -> Response:
        sent = await request.json()
        if self.desk.refusals:
            return self.desk.refusals.pop(0)
        agreed = sent["agreed"]
        self.desk.stated.append(sent["stated"])
        asked = self.desk.gates.pop(_secret(request))
        self.desk.said.append((asked, agreed))
        counts = "agreed" if agreed and not self.desk.refused_meanwhile else "refused"
        if counts == "refused":
            self.desk.refused.add(_secret(request))
        return JSONResponse({"state": counts, "return_url": self.desk.return_url})

    async def answers(self, request: Request) -> Response:
        if _secret(request) in self.desk.sent:
            return _gone()
        if _secret(request) in self.desk.refused:
            return _gone({"X-Rapport-Refused": "true"})
        sent = await request.json()
        if sent.get("after") not in (None, self.desk.mark):
            last = self.desk.drafts[-1]
            own = {**dict.fromkeys(sent["removed"], "none"), **sent["answers"]}
            others = {each: last[each] for each in own if last.get(each, own[each]) != own[each]}
            return JSONResponse({"state": "moved", "mark": self.desk.mark, "others": others}, 412)
        before = self.desk.drafts[-1] if self.desk.drafts else self.desk.forms[_secret(request)].kept
        kept = {**before, **sent["answers"]}
        self.desk.drafts.append({each: kept[each] for each in kept if each not in sent["removed"]})
        return JSONResponse({"state": "kept", "answered": list(self.desk.drafts[-1]), "mark": self.desk.mark})

    async def code(self, _: Request) -> Response:
        """Use the one code there is, and let the answer be on its way for a while."""
        self.desk.codes_used += 1
        is_first = self.desk.codes_used == 1
        await asyncio.sleep(self.desk.delay)
        return RedirectResponse("/fill#one" if is_first else "/code?wrong=true", 303)

    async def submit(self, request: Request) -> Response:
        secret, body = _secret(request), await request.json()
        only_asks = body == {"answers": {}}
        late = secret in self.desk.sent and not only_asks and body["answers"] not in self.desk.submissions
        if secret not in self.desk.sent:
            if secret not in self.desk.forms:
                return _gone()
            self.desk.submissions.append(body["answers"])
            self.desk.shared.append(body.get("share"))
            self.desk.changed.append(body.get("changed", []))
            self.desk.tried += [body["tried"]] if "tried" in body else []
            await asyncio.sleep(self.desk.delay)
            if self.desk.refusals:
                return self.desk.refusals.pop(0)
            self.desk.sent.add(secret)
        scores = ["Total: 16 (0–24)"] if secret == "told" else []
        return JSONResponse(
            {"state": "saved", "return_url": self.desk.return_url, "scores": scores, "late": late}
        )


@dataclass(frozen=True)
class _Chart:
    """The clinician's routes."""

    desk: Desk

    async def invite(self, request: Request) -> Response:
        form = await request.form()
        self.desk.handed_over.append({name: str(value) for name, value in form.items()})
        return RedirectResponse("/fill#one", 303)

    async def states(self, _: Request) -> Response:
        self.desk.polls += 1
        return JSONResponse(self.desk.states)


def site(desk: Desk) -> Starlette:
    """Make the application around a desk."""
    fill, chart = _Fill(desk), _Chart(desk)
    fixed = {
        "/": lambda: pages.render_home(samples.HOME),
        "/probe": lambda: pages.render_probe(samples.PROBE),
        "/departure": lambda: pages.render_departure(samples.DEPARTURE),
        "/arrival": lambda: pages.render_arrival(samples.FAILURE),
        "/failure": lambda: pages.render_failure(samples.FAILURE),
        "/patient": lambda: pages.render_patient(samples.patient()),
        "/observed": lambda: pages.render_patient(samples.observed()),
        "/due": lambda: pages.render_patient(samples.due_patient()),
        "/uncounted": lambda: pages.render_patient(samples.due_patient(is_uncounted=True)),
        "/due-again": lambda: pages.render_patient(samples.due_patient(has_pin=True, desk="/desks/0b8e")),
        "/marked": lambda: pages.render_patient(
            samples.patient(trend=samples.marked_trend(), tips=samples.TIPS)
        ),
        "/paused": lambda: pages.render_patient(samples.patient(trend=samples.paused_trend())),
        "/long": lambda: pages.render_patient(samples.patient(trend=samples.long_trend())),
        "/dressed": lambda: pages.render_patient(samples.dressed_patient()),
        "/slow": lambda: pages.render_patient(samples.slow_patient()),
        "/unread": lambda: pages.render_patient(samples.unread_patient()),
        "/reading": lambda: pages.render_patient(samples.unread_patient(late=True)),
        "/no-form": lambda: pages.render_patient(samples.formless_patient(installed=False)),
        "/no-form-to-fill": lambda: pages.render_patient(samples.formless_patient(installed=True)),
        "/caseload": lambda: render_caseload(samples.caseload(), "en"),
        "/caseload-plots": lambda: render_caseload(samples.caseload(plots=True), "en"),
        "/caseload-plots-german": lambda: render_caseload(samples.caseload(plots=True), "de"),
        "/caseload-of-a-need": lambda: render_caseload(desks.CASELOAD_OF_A_NEED, "en"),
        "/caseload-without-team": lambda: render_caseload(desks.CASELOAD_WITHOUT_TEAM, "en"),
        "/caseload-without-patients": lambda: render_caseload(desks.CASELOAD_WITHOUT_PATIENTS, "en"),
        "/caseload-without-names": lambda: render_caseload(desks.CASELOAD_WITHOUT_NAMES, "en"),
        "/caseload-nobody-fits": lambda: render_caseload(desks.CASELOAD_NOBODY_FITS, "en"),
        "/caseload-stranger": lambda: render_caseload(desks.CASELOAD_STRANGER, "en"),
        "/deliveries": lambda: render_deliveries(desks.DELIVERIES),
        "/deliveries-aside": lambda: render_deliveries(desks.DELIVERIES_ASIDE),
        "/delivery": lambda: render_delivery(desks.DELIVERY),
        "/delivery-sent": lambda: render_delivery(desks.DELIVERY_SENT),
        "/installation": lambda: render_installation(desks.INSTALLATION),
        "/examination": lambda: render_examination(
            desks.DESK, "Clinic", desks.EXAMINATION, "https://rapport.invalid"
        ),
        "/examination-to-be-asked": lambda: render_examination(desks.DESK, "Clinic", None, ""),
        "/norms": lambda: render_norms(desks.NORMS),
        "/norms-none": lambda: render_norms(desks.NORMS_NONE),
        "/norms-too-few": lambda: render_norms(desks.NORMS_TOO_FEW),
        "/research": lambda: render_research(desks.RESEARCH),
        "/research-overlapping": lambda: render_research(desks.RESEARCH_OVERLAPPING),
        "/research-refused": lambda: render_research(desks.RESEARCH_REFUSED),
        "/research-not-decided": lambda: render_research(desks.RESEARCH_NOT_DECIDED),
        "/draft": lambda: pages.render_draft(samples.draft()),
        "/note": lambda: pages.render_note(samples.note()),
        "/sign-ins": lambda: render_sessions(samples.SIGN_INS),
        "/sign-ins-here": lambda: render_sessions(samples.SIGN_INS_HERE),
        "/link": lambda: pages.render_link(samples.LINK),
        "/link-without-code": lambda: pages.render_link(samples.LINK_WITHOUT_CODE),
        "/preview": lambda: pages.render_preview(samples.preview(FormMode.ONE)),
        "/preview-all": lambda: pages.render_preview(samples.preview(FormMode.ALL)),
        "/preview-asked": lambda: pages.render_preview(samples.preview(FormMode.ONE, asks_sharing=True)),
        "/preview-kinds": lambda: pages.render_preview(
            samples.preview(FormMode.ALL, questions=samples.KINDS)
        ),
        "/preview-german": lambda: pages.render_preview(
            samples.preview(FormMode.ONE, language="de", shows_score=True)
        ),
        "/preview-arabic": lambda: pages.render_preview(
            samples.preview(FormMode.ONE, language="ar", **samples.ARABIC)
        ),
        "/withdraw": lambda: pages.render_withdraw(samples.WITHDRAW),
        "/parting": lambda: render_parting(samples.PARTING),
        "/parting-note": lambda: render_parting(samples.PARTING_NOTE),
        "/parting-notes": lambda: render_parting(samples.PARTING_NOTES),
        "/signed-out": lambda: render_signed_out("en"),
        "/desk": lambda: render_desk(samples.DESK, ("auditor",)),
        "/noted": lambda: pages.render_patient(samples.patient(notes=samples.NOTES)),
        "/device-locked": lambda: pages.render_patient(samples.patient(locked=samples.LOCKED)),
        "/empty": lambda: pages.render_patient(samples.empty_patient()),
        "/response": lambda: pages.render_response(samples.RESPONSE),
        "/responses": lambda: render_responses(samples.all_responses()),
        "/response-written": lambda: pages.render_response(samples.WRITTEN),
        "/voided": lambda: pages.render_response(samples.VOIDED),
        "/wrong-pin": lambda: pages.render_lock(samples.LOCK_WRONG),
        "/signed-in-at-the-lock": lambda: pages.render_lock(samples.LOCK_SIGNED_IN),
        "/locked-out": lambda: pages.render_lock(samples.LOCK_BARRED),
        "/launches/0b8e/return": lambda: pages.render_lock(samples.LOCK),
    }
    routes = [
        *(Route(path, _shows(render, desk)) for path, render in fixed.items()),
        Route("/launches/0b8e/responses.json", chart.states),
        Route("/launches/0b8e/invitations", chart.invite, methods=["POST"]),
        Route("/fill", lambda _: HTMLResponse(pages.render_fill())),
        Route("/code", lambda asked: HTMLResponse(pages.render_code(wrong="wrong" in asked.query_params))),
        Route("/wrong-code", lambda _: HTMLResponse(pages.render_code(wrong=True))),
        Route("/code", fill.code, methods=["POST"]),
        Route("/fill/form", fill.form),
        Route("/fill/consent", fill.consent, methods=["POST"]),
        Route("/fill/answers", fill.answers, methods=["PUT"]),
        Route("/fill/submit", fill.submit, methods=["POST"]),
        Route(
            "/look.css", lambda asked: Response(write_look(dict(asked.query_params)), media_type="text/css")
        ),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Policy)])


def _shows(render: Callable[[], str], desk: Desk) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        if desk.locked and not request.url.path.endswith("/return"):
            return RedirectResponse("/launches/0b8e/return", 303)
        kept = "private, max-age=600" if request.url.path.startswith("/preview") else "no-store"
        return HTMLResponse(render(), headers={"Cache-Control": kept})

    return show


def _secret(request: Request) -> str:
    return request.headers.get("x-rapport-invitation", "")


def _gone(headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 410, headers)


def new_desk() -> Desk:
    """Give a desk with a form of each kind: `one` question at a time, `all` at once, `german` and `arabic` around it."""
    return Desk(
        forms={
            "one": samples.form(FormMode.ONE),
            "all": samples.form(FormMode.ALL),
            "held": samples.form(FormMode.ONE, back="/launches/0b8e/return"),
            "held-german": samples.form(FormMode.ALL, language="de", back="/launches/0b8e/return"),
            "german": samples.form(FormMode.ONE, language="de"),
            "arabic": samples.form(FormMode.ONE, language="ar", **samples.ARABIC),
            "resumed": samples.form(FormMode.ONE, answers={"goal-1": "mostly", "goal-2": None}),
            "lines": samples.form(FormMode.ONE, questions=samples.LINES),
            "lines-kept": samples.form(FormMode.ALL, questions=samples.LINES, answers={"line": "62"}),
            "arabic-all": samples.form(FormMode.ALL, language="ar", **samples.ARABIC),
            "long": samples.form(FormMode.ONE, questions=samples.LONG_QUESTIONS),
            "kinds": samples.form(FormMode.ALL, questions=samples.KINDS),
            "kinds-one": samples.form(FormMode.ONE, questions=samples.KINDS),
            "kinds-kept": samples.form(FormMode.ALL, questions=samples.KINDS, answers=samples.KEPT),
            "gated": samples.form(FormMode.ONE),
            "held-gated": samples.form(FormMode.ONE, back="/launches/0b8e/return"),
            "beside": samples.form(FormMode.ONE),
            "together": samples.form(FormMode.ONE),
            "asked": samples.form(FormMode.ONE, asks_sharing=True),
            "asked-all": samples.form(
                FormMode.ALL, asks_sharing=True, needed_together=frozenset({"goal-1", "goal-2"})
            ),
            "told": samples.form(FormMode.ONE, shows_score=True, questions=samples.QUESTIONS[:1]),
            "why": samples.form(
                FormMode.ONE, asks_why=True, answers={"goal-1": None}, reasons={"goal-1": "not-applicable"}
            ),
            "arabic-why": samples.form(FormMode.ONE, language="ar", asks_why=True, **samples.ARABIC),
            "needed": samples.form(FormMode.ALL, questions=samples.NEEDED_QUESTIONS),
        }
    )


@contextmanager
def serve(desk: Desk) -> Iterator[str]:
    """Serve on a free port of loopback until the block ends; gives the address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(site(desk), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
