"""CDS Hooks 2.0: cards for a chart that is opened (patient-view) or a session that begins (encounter-start).

Everything is answered from Rapport's own ledger and from what the EHR sent along; nothing is asked of the EHR meanwhile.
"""

import re
import uuid
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, TypeVar

import msgspec
import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from plugin.access.openings import was_opened
from plugin.access.throttle import count_try
from plugin.audit import Actor, Kind
from plugin.cds.caller import CdsCallers, NotTrusted
from plugin.cds.cards import Attention, cards_of
from plugin.cds.ids import is_card_of, new_ids
from plugin.cds.prefetched import Prefetch, Prefetched, read_prefetch
from plugin.days import Born, age_on, is_within
from plugin.delivery.account import Account, read_all_of, whole
from plugin.delivery.states import DeliveryState
from plugin.errors import Invalid, NotFound, TooManyAttempts
from plugin.norming import in_use
from plugin.pages.figures import day
from plugin.pages.words import N_, translations
from plugin.plan import addresses_of
from plugin.routes.answered import answered_of
from plugin.routes.chart import HISTORY, Chart, Unread, tells_death
from plugin.routes.refusals import record_refusal
from plugin.routes.state import CurrentRapport, Rapport, language_for
from plugin.routes.trend_views import read_trend
from plugin.schedule import EVERY_SESSION
from plugin.settings import SitePolicy
from plugin.stock import is_offered
from plugin.trends.contacts import Contacts, ThisSession, read_contacts
from plugin.trends.history import Point, read_points, read_raters
from questionnaires import Rater

router = APIRouter(prefix="/sites/{site_id}/cds-services")
_log = structlog.get_logger()

_HOOKS = {
    "alliance-patient-view": ("patient-view", N_("Therapeutic alliance: when a chart is opened")),
    "alliance-encounter-start": ("encounter-start", N_("Therapeutic alliance: when a session begins")),
}
_PURPOSE = N_("Says when a form is due, a rating has fallen, or a response did not reach the record.")
_PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "encounters": "Encounter?patient={{context.patientId}}&_sort=-date&_count=200",
    "scores": "Observation?patient={{context.patientId}}&category=survey&_sort=-date&_count=200",
}
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}")
_WORKED_ON = (DeliveryState.REFUSED, DeliveryState.SET_ASIDE)
_ORDER = (Rater.CHILD, Rater.CAREGIVER, Rater.THERAPIST)  # whose form may be due
_LATELY = timedelta(days=90)
Body = TypeVar("Body", bound=msgspec.Struct)
_OUTCOMES = frozenset({"accepted", "overridden"})
_CARD = "cds-card"  # the purpose of the digests in cards' ids
_MOST_ANSWERED = 50  # cards in one feedback: each takes an entry of the trail, and a call gives a handful


class _Context(msgspec.Struct):
    userId: str = ""  # noqa: N815 -- CDS Hooks' name
    patientId: str = ""  # noqa: N815 -- CDS Hooks' name
    encounterId: str | None = None  # noqa: N815 -- CDS Hooks' name


class _Call(msgspec.Struct):
    hook: str = ""
    hookInstance: str = ""  # noqa: N815 -- CDS Hooks' name
    context: _Context = msgspec.field(default_factory=_Context)
    fhirServer: str | None = None  # noqa: N815 -- CDS Hooks' name
    prefetch: Prefetch | None = None


class _Reason(msgspec.Struct):
    reason: dict[str, object] | None = None


class _One(msgspec.Struct):
    card: str = ""
    outcome: str = ""
    outcomeTimestamp: str = ""  # noqa: N815 -- CDS Hooks' name
    overrideReason: _Reason | None = None  # noqa: N815 -- CDS Hooks' name


class _Feedback(msgspec.Struct):
    feedback: Annotated[tuple[_One, ...], msgspec.Meta(max_length=_MOST_ANSWERED)] = ()


_NEEDED = ("card", "outcome", "outcomeTimestamp")  # https://cds-hooks.org/specification/2.0/#feedback


@router.get("")
async def services(
    site_id: str, rapport: CurrentRapport, accept_language: Annotated[str | None, Header()] = None
) -> JSONResponse:
    """Say which services there are, in the language that the EHR asks for, else in the site's."""
    _client(rapport, site_id)
    words = translations(language_for(rapport, site_id, accept_language))
    return JSONResponse(
        {
            "services": [
                {
                    "id": name,
                    "hook": hook,
                    "title": words.gettext(title),
                    "description": words.gettext(_PURPOSE),
                    "prefetch": _PREFETCH,
                }
                for name, (hook, title) in _HOOKS.items()
            ]
        }
    )


@router.post("/{service}")
async def call(
    site_id: str,
    service: str,
    request: Request,
    rapport: CurrentRapport,
    authorization: Annotated[str, Header()] = "",
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """Give the cards for a chart; an empty list if nothing needs attention."""
    if (refused := await _refuse(request, rapport, service, "", authorization)) is not None:
        return refused
    asked = _read(await request.body(), _Call)
    _check(rapport, site_id, service, asked)
    patient = f"Patient/{asked.context.patientId}"
    sent = _sent_along(rapport, site_id, asked)
    policy = rapport.settings.policies[site_id]
    vault = rapport.ledger.vault
    accounts = whole(
        await rapport.ledger.read(lambda connection: read_all_of(connection, vault, site_id, patient))
    )
    points = _points(rapport, site_id, sent)
    is_measured = bool(accounts or points) or (
        # Without a session no first form is due either.
        asked.context.encounterId is not None and await _is_begun(rapport, site_id, patient)
    )
    language = language_for(rapport, site_id, accept_language)
    cards = (
        cards_of(
            await _attention(rapport, site_id, policy, asked, (sent, accounts, points)),
            new_ids(partial(vault.digest, _CARD), f"{site_id}/{service}"),
            translations(language),
            partial(day, language=language),
        )
        if is_measured
        else ()
    )
    await rapport.ledger.record(
        rapport.trail.entry(
            Kind.CARDS_GIVEN,
            Actor(asked.context.userId),
            site=site_id,
            patient=patient,
            about=tuple(f"urn:uuid:{card.uuid}" for card in cards),
        )
    )
    launch_url = rapport.settings.sites[site_id].launch_url
    return JSONResponse({"cards": [card.to_json(launch_url) for card in cards]})


@router.post("/{service}/feedback")
async def feedback(
    site_id: str,
    service: str,
    request: Request,
    rapport: CurrentRapport,
    authorization: Annotated[str, Header()] = "",
) -> Response:
    """Keep in the trail what somebody did with a card; what they wrote about it is not kept."""
    if (refused := await _refuse(request, rapport, service, "/feedback", authorization)) is not None:
        return refused
    told = _read(await request.body(), _Feedback).feedback
    _check_whole(told)
    if any(
        each.outcome not in _OUTCOMES or not _is_uuid(each.card) or not _is_moment(each.outcomeTimestamp)
        for each in told
    ):
        raise Invalid(
            "A feedback names a card by no uuid, an outcome that there is not, or a time that is none.",
            "card is the card's uuid; outcome is accepted or overridden; outcomeTimestamp is an ISO 8601 time in UTC.",
        )
    digests = partial(rapport.ledger.vault.digests, _CARD)
    if not all(is_card_of(each.card, digests, f"{site_id}/{service}") for each in told):
        raise Invalid(
            "A feedback names a card that this service never gave.",
            "card is the uuid of a card in an answer of this service, at whose address feedback is sent.",
        )
    for each in told:
        await rapport.ledger.record(
            rapport.trail.entry(
                Kind.CARD_ANSWERED,
                Actor(None, "Somebody at the EHR"),
                site=site_id,
                about=(f"urn:uuid:{each.card.lower()}",),
                reason=_said(each),
            )
        )
    return Response(status_code=200)


def _check_whole(told: tuple[_One, ...]) -> None:
    """Invalid for feedback that lacks something that CDS Hooks requires."""
    lacking = [
        f"feedback {number}: {name}"
        for number, each in enumerate(told, 1)
        for name in _NEEDED
        if not getattr(each, name).strip()
    ]
    if not told or lacking:
        raise Invalid(
            f"The feedback is not whole. Missing: {', '.join(lacking) or 'feedback'}.",
            "Send feedback, a list of entries, each with card, outcome and outcomeTimestamp.",
        )


async def _refuse(
    request: Request, rapport: Rapport, service: str, under: str, authorization: str
) -> Response | None:
    """Give a bare 401 for a call that is not the EHR's, or was made before; NotFound for a service that there is not."""
    site_id = str(request.path_params["site_id"])
    callers = _client(rapport, site_id)
    if service not in _HOOKS:
        raise NotFound("There is no such service.", "GET the list above this address.")
    address = f"{rapport.settings.base_url}/sites/{site_id}/cds-services/{service}{under}"
    now, vault = rapport.clock(), rapport.ledger.vault
    try:
        jti = await callers.check(authorization, address, rapport.http, now)
        await rapport.ledger.bookkeep(
            partial(count_try, vault=vault, what=f"cds {site_id}", source=jti, now=now, most=1)
        )
    except NotTrusted as error:
        _log.info("cds.refused", site=site_id, reason=error.reason)
    except TooManyAttempts:
        _log.info("cds.refused", site=site_id, reason="replayed")
    else:
        return None
    failed = rapport.trail.entry(
        Kind.CARDS_GIVEN, Actor(None, "Unknown"), site=site_id, failure="not the EHR's call"
    )
    await record_refusal(request, rapport, failed)
    return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})


def _client(rapport: Rapport, site_id: str) -> CdsCallers:
    found = rapport.cds.get(site_id)
    if found is None:
        raise NotFound("This site has no CDS service.", "Add [site.cds] to its settings.")
    return found


def _read(body: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The body cannot be read: {error}", "Send what CDS Hooks 2.0 describes.") from None


def _check(rapport: Rapport, site_id: str, service: str, asked: _Call) -> None:
    """Invalid unless the call is one of this hook, about this site's EHR, and names patient and user."""
    hook, _ = _HOOKS[service]
    site = rapport.settings.sites[site_id]
    wrong = [
        name
        for name, right in (
            ("hook", asked.hook == hook),
            ("context.patientId", bool(_ID.fullmatch(asked.context.patientId))),
            ("context.userId", bool(_USER.fullmatch(asked.context.userId))),
            ("context.encounterId", _ID.fullmatch(asked.context.encounterId or "none") is not None),
            ("fhirServer", asked.fhirServer is None or asked.fhirServer.rstrip("/") == site.base),
        )
        if not right
    ]
    if hook == "encounter-start" and asked.context.encounterId is None:
        wrong.append("context.encounterId")
    if wrong:
        raise Invalid(
            f"The call is not understood: {', '.join(wrong)}.",
            f"Send the hook {hook} of {site.base} with patientId and userId as FHIR ids.",
        )


def _sent_along(rapport: Rapport, site_id: str, asked: _Call) -> Prefetched:
    """Read what the EHR sent along of this patient; of what is another's the log says how much there was."""
    sent = read_prefetch(asked.prefetch, asked.context.patientId, rapport.settings.sites[site_id].base)
    if sent.others:
        _log.warning("cds.of-another-patient", site=site_id, left_out=sent.others)
    return sent


def _points(rapport: Rapport, site_id: str, sent: Prefetched) -> tuple[Point, ...]:
    """Read the scores that the EHR sent along; each with who gave it, where the record tells."""
    raters = read_raters(sent.scores, None)
    return read_points(sent.scores, raters, rapport.intake.catalogue, rapport.zone_of(site_id))


async def _attention(
    rapport: Rapport,
    site_id: str,
    policy: SitePolicy,
    asked: _Call,
    known: tuple[Prefetched, tuple[Account, ...], tuple[Point, ...]],
) -> Attention:
    zone = rapport.zone_of(site_id)
    sent, accounts, points = known
    contacts = read_contacts(sent.encounters, zone)
    norms = await rapport.ledger.read(lambda connection: in_use(connection, site_id))
    chart = Chart(
        name="",
        born=sent.born,
        respondents=(),
        contact=None,
        virtual=None,
        session=None,
        # Two caregivers in one line would look like a fall: only what has its rater is read.
        points=tuple(each for each in points if each.respondent),
        unread=(Unread(HISTORY),),  # so that all of the ledger's are taken, too
        contacts=contacts,
    )
    fell: dict[str, set[date]] = {}
    if policy.interpretation is not None:
        trend = read_trend(
            rapport.intake.catalogue,
            chart,
            accounts,
            {},
            norms,
            zone,
            policy.interpretation,
            today=rapport.today(site_id),
        )
        for series in trend.series:
            if series.down_since is not None:  # the day that the page tells of this person
                fell.setdefault(series.rater, set()).add(series.down_since)
    due = () if tells_death(*sent.deceased) else _due(rapport, site_id, contacts, asked, known)
    not_taken = [account for account in accounts if account.state in _WORKED_ON and account.lacks]
    uncorrected = sum(bool(account.locations and account.record.revision) for account in not_taken)
    return Attention(
        not_delivered=len(not_taken) - uncorrected,
        not_corrected=uncorrected,
        fell=tuple((each.value, tuple(sorted(fell[each]))) for each in Rater if each in fell),
        due_from=tuple(each.value for each in due),
        by_link=tuple(
            each.value
            for each in due
            if not each.is_signed_in
            and (each is not Rater.CHILD or policy.allows_link(age_on(chart.born, rapport.today(site_id))))
        ),
    )


def _due(
    rapport: Rapport,
    site_id: str,
    contacts: Contacts,
    asked: _Call,
    known: tuple[Prefetched, tuple[Account, ...], tuple[Point, ...]],
) -> tuple[Rater, ...]:
    """Name the raters who answered before and have not in this session, if a form is due in it.

    Where nobody has ever answered, the young person, if there is a form for their age. Nobody if it cannot be known: by a
    schedule of certain sessions it takes the EHR's own count of them.
    """
    encounter_id = asked.context.encounterId
    if encounter_id is None:
        return ()
    sent, accounts, points = known
    schedule, catalogue = rapport.schedules.of(site_id), rapport.intake.catalogue
    encounter = f"Encounter/{encounter_id}"
    session = contacts.number_of(encounter)
    if session is None and schedule != EVERY_SESSION:
        return ()
    answered = answered_of(accounts, points, catalogue)
    this = ThisSession(contacts, encounter, rapport.today(site_id), rapport.zone_of(site_id))
    now = {each.rater for each in answered if this.has(each.encounter, each.when)}
    before = {each.rater for each in answered} - now
    if not (accounts or points) and _can_begin(rapport, site_id, sent.born):
        before = {Rater.CHILD}
    age = age_on(sent.born, rapport.today(site_id))
    return tuple(
        each
        for each in _ORDER
        if each in before
        and (session is None or schedule.of(addresses_of(catalogue, each, age)).is_due(session))
    )


async def _is_begun(rapport: Rapport, site_id: str, patient: str) -> bool:
    """Tell whether somebody meant to ask this patient, of whom nothing is known yet: Rapport was opened in the chart lately."""
    since = rapport.clock() - _LATELY
    return await rapport.ledger.read(lambda connection: was_opened(connection, site_id, patient, since))


def _can_begin(rapport: Rapport, site_id: str, born: Born | None) -> bool:
    """Tell whether the site has a form that a young person of this age can fill."""
    age = age_on(born, rapport.today(site_id))
    return any(
        each.fillable
        and each.rater == Rater.CHILD
        and is_offered(each, site_id, rapport.settings)
        and is_within(age, *each.age_years)
        for each in rapport.intake.catalogue.all()
    )


def _said(each: _One) -> str:
    """Word an answer: the outcome and the code of a reason, never its free text."""
    reason = each.overrideReason.reason if each.overrideReason else None
    code = reason.get("code") if reason else None
    known = isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9._\-]{1,64}", code)
    return f"{each.outcome}: {code}" if known else each.outcome


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
