"""Rapport's read-only FHIR interface over HTTP: who is asking, about whom, and what they may see of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from sqlalchemy.engine import Connection

from plugin.access.launches import launch_for_patient
from plugin.audit import Actor, Kind
from plugin.delivery.correcting import with_response_status
from plugin.delivery.revising import read_current
from plugin.delivery.writers import OBSERVATION, RESPONSE
from plugin.errors import Forbidden, Locked, NotFound, NotSignedIn
from plugin.pages import Audience
from plugin.responses.labels import HELD_BACK, Label, labels_of
from plugin.routes.bearer import RESPONDENTS, actor_of_token, ask_about, bearer_of, check_site, kind_of_user
from plugin.routes.fhir import FHIR_JSON
from plugin.routes.form_views import audience_of
from plugin.routes.state import CurrentRapport, Rapport, actor_of, browser_session, request_line
from plugin.served.answers import searchset, statement
from plugin.served.searching import read_search
from plugin.served.shelf import AUDIT, TYPES, Among, Kept, read_shelf

router = APIRouter(prefix="/sites/{site_id}/fhir")
_encoder = msgspec.json.Encoder(decimal_format="number")
Chosen = TypeVar("Chosen")
_NOT_STORED = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads about which patient. `own`: only what this person answered; `answers`: item answers of others too."""

    site: str
    patient: str
    actor: Actor
    own: str | None = None
    answers: bool = True
    scores_for: frozenset[str] = frozenset()  # raters who may see their own score

    def may_see(self, kept: Kept) -> bool:
        """Whether this person may see a resource at all."""
        if self.own is None:
            return True
        if kept.source != self.own or kept.kind == AUDIT:
            return False
        return kept.kind != OBSERVATION or (
            kept.rater in self.scores_for
            and Label.SCORE_NOT_FOR_RESPONDENT not in labels_of(kept.resource.get("meta"))
        )

    def is_held_back(self, kept: Kept) -> bool:
        """Whether the site's policy, of now or as the form told it, or whoever answered keeps these answers from others."""
        if kept.kind != RESPONSE or self.own is not None:
            return False
        withheld = not HELD_BACK.isdisjoint(labels_of(kept.resource.get("meta")))
        return withheld or (not self.answers and kept.rater != "therapist")


async def reader(
    site_id: str,
    request: Request,
    rapport: CurrentRapport,
    authorization: Annotated[str, Header()] = "",
) -> Reader:
    """Find out who asks: the holder of an EHR's token, or the clinician of this browser session."""
    check_site(rapport, site_id)
    kind = _kind_of(request)
    token = bearer_of(authorization)
    if token is not None:
        interaction = "r" if request.path_params.get("resource_id") else "s"
        return await _of_token(request, rapport, site_id, token, kind, interaction)
    return await _of_session(rapport, site_id, request)


CurrentReader = Annotated[Reader, Depends(reader)]


@router.get("/metadata")
async def metadata(site_id: str, rapport: CurrentRapport) -> Response:
    """Say what is offered here."""
    check_site(rapport, site_id)
    return _answer(statement(_base(rapport, site_id)))


@router.get("/{kind}")
async def search(kind: str, request: Request, asking: CurrentReader, rapport: CurrentRapport) -> Response:
    """Search one type of resource about the patient of the sign-in."""
    home = rapport.settings.sites[asking.site].base
    asked = read_search(kind, request.query_params.multi_items(), asking.patient, home)
    page = await _look(
        rapport,
        asking,
        kind,
        lambda kept: asked.turn_to(kept, asking.is_held_back),
        asked.among,
        ahead=bool(asked.tests),
    )
    await _note(rapport, asking, Kind.RECORD_SEARCHED, page.shown, query=request_line(request))
    return _answer(searchset(_base(rapport, asking.site), kind, asked, page))


@router.get("/{kind}/{resource_id}")
async def read(kind: str, resource_id: str, asking: CurrentReader, rapport: CurrentRapport) -> Response:
    """Read one resource about the patient of the sign-in; a response byte for byte as it came."""
    found = await _look(
        rapport,
        asking,
        kind,
        lambda kept: next((each for each in kept if each.id == resource_id), None),
        (Among("event", (resource_id,)),),
    )
    if found is None:
        raise NotFound(
            f"There is no {kind}/{resource_id} here.", "Search for it: another patient's is not shown."
        )
    if asking.is_held_back(found):
        raise Forbidden(
            "These single answers are not shown: by this site's policy, or because whoever gave them did not agree.",
            "Read the Observations derived from it; an administrator may set show_item_answers.",
        )
    await _note(rapport, asking, Kind.RESPONSE_VIEWED, [found])
    if found.kind != RESPONSE:
        return _answer(found.resource)
    vault = rapport.ledger.vault
    record = await rapport.ledger.read(lambda connection: read_current(connection, vault, found.id))
    return Response(with_response_status(record.body, record), media_type=FHIR_JSON, headers=_NOT_STORED)


async def _of_token(
    request: Request, rapport: Rapport, site_id: str, token: str, kind: str, interaction: str
) -> Reader:
    found = await ask_about(request, rapport, site_id, token, kind, interaction)
    own = _respondent_of(found.fhir_user)
    seen = rapport.settings.policies[site_id].respondents.show_score_to
    who = actor_of_token(found, token)
    # What the form said before it was answered holds for every app, too.
    answers = audience_of(rapport, site_id) is not Audience.SCORES
    return Reader(site_id, f"Patient/{found.patient}", who, own=own, answers=answers, scores_for=seen)


def _respondent_of(user: str | None) -> str | None:
    """Tell which respondent a token's user is, None for those who treat; Forbidden for anybody else, and for nobody."""
    kind = kind_of_user(user)
    if kind in {"Practitioner", "PractitionerRole"}:
        return None
    if kind in RESPONDENTS:
        return user
    raise Forbidden(
        "The EHR does not say that this token is a practitioner's, the patient's or a relative's.",
        "Launch the app with the scopes openid and fhirUser; a Person is not enough, it may be anybody.",
    )


async def _of_session(rapport: Rapport, site_id: str, request: Request) -> Reader:
    session = await browser_session(request, rapport)
    named = request.query_params.get("patient") or request.query_params.get("subject")
    home = rapport.settings.sites[site_id].base
    patient = None if named is None else f"Patient/{named.removeprefix(f'{home}/').removeprefix('Patient/')}"
    now, vault = rapport.clock(), rapport.ledger.vault
    held = await rapport.ledger.read(
        lambda connection: launch_for_patient(connection, vault, session.key, site_id, patient, now)
    )
    if held is None:
        raise NotSignedIn(
            "Rapport has not been opened for this patient in this browser.",
            "Open it from the patient's chart, or send the EHR's token: Authorization: Bearer …",
        )
    if session.locked is not None:
        raise Locked(
            "This device is with a respondent.", "The clinician's PIN opens it again.", return_to=held.id
        )
    policy = rapport.settings.policies[site_id]
    return Reader(site_id, held.patient, actor_of(held), answers=policy.show_item_answers)


async def _look(
    rapport: Rapport,
    asking: Reader,
    kind: str,
    choose: Callable[[Iterator[Kept]], Chosen],
    among: tuple[Among, ...] = (),
    *,
    ahead: bool = True,
) -> Chosen:
    vault, home = rapport.ledger.vault, rapport.settings.sites[asking.site].base

    def look(connection: Connection) -> Chosen:
        kept = read_shelf(connection, vault, asking.site, asking.patient, kind, home, among, ahead=ahead)
        return choose(each for each in kept if asking.may_see(each))

    return await rapport.ledger.read(look)


async def _note(
    rapport: Rapport, asking: Reader, kind: Kind, shown: Sequence[Kept], query: str | None = None
) -> None:
    about = tuple(f"{each.kind}/{each.id}" for each in shown if each.kind != AUDIT)
    await rapport.ledger.record(
        rapport.trail.entry(
            kind, asking.actor, site=asking.site, patient=asking.patient, about=about, query=query
        )
    )


def _kind_of(request: Request) -> str:
    kind = str(request.path_params.get("kind", ""))
    if kind not in TYPES:
        there = (
            "Forms are at /fhir/Questionnaire."
            if kind == "Questionnaire"
            else f"There are {', '.join(TYPES)}."
        )
        raise NotFound("Nothing of this type is kept here.", there)
    return kind


def _base(rapport: Rapport, site_id: str) -> str:
    return f"{rapport.settings.base_url}/sites/{site_id}/fhir"


def _answer(resource: dict[str, object]) -> Response:
    return Response(_encoder.encode(resource), media_type=FHIR_JSON, headers=_NOT_STORED)
