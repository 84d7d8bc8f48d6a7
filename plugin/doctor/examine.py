"""Examines one EHR: asks its two public documents, and its token endpoint where a site is set up; nothing else."""

from dataclasses import dataclass, replace
from datetime import datetime

import httpx
import msgspec

from plugin.collected_section import Collecting
from plugin.delivery.capability import Capability, JsonObject, read_capability
from plugin.delivery.choosing import Planned, plan
from plugin.delivery.ways import WayKind, choose_way
from plugin.doctor.asking import SLOW, Answer, NoAnswer, ask, check_issuer
from plugin.doctor.examination import Examination, Finding, Level
from plugin.doctor.section import write_section
from plugin.doctor.signing_in import SignIn, read_sign_in
from plugin.doctor.vendors import Vendor, recognise
from plugin.doctor.writing_there import findings_of_writing, questions_for
from plugin.plan import PlanInEhr
from plugin.settings import PLAN, PLAN_SCOPE
from plugin.writing import DocumentForm, WriterKind, Writing
from smart_launch import ClientSecret, Scopes, Site, SmartError, discover, system_token

_BY_SECRET = Finding(
    "Signing in",
    Level.LOOK,
    "Rapport's own token is given for a secret; SMART Backend Services ask for a signed assertion.",
    "Set private_key_jwt for this site, if the EHR takes that for tokens of the app's own.",
)
_READ = ("Patient", "RelatedPerson", "Encounter", "Practitioner")


@dataclass(frozen=True, slots=True)
class Registration:
    """A site that is set up for this EHR, and how it writes."""

    site: Site
    writing: Writing
    collecting: Collecting | None = None
    schedule: object = None


async def examine(
    typed: str,
    http: httpx.AsyncClient,
    now: datetime,
    *,
    registration: Registration | None = None,
    allowed: frozenset[str] = frozenset(),
    slow_after: float = SLOW,
) -> Examination:
    """Examine the EHR at an address. Contacts that host alone, and the hosts in `allowed` (and the site's own).

    An answer that takes longer than `slow_after` seconds is told as slow.
    """
    try:
        issuer = check_issuer(typed)
        statement = await ask(http, f"{issuer}/metadata", "application/fhir+json")
        smart = await ask(http, f"{issuer}/.well-known/smart-configuration", "application/json")
    except NoAnswer as reason:
        return Examination(typed, (reason.finding,))
    server, capability = _read_statement(statement)
    if capability is None:
        return Examination(issuer, server)
    known = frozenset(registration.site.extra_hosts) if registration else frozenset()
    sign_in = read_sign_in(issuer, smart, allowed | known)
    findings = [*server, *_pace(slow_after, statement, smart), *sign_in.findings, *_reading(capability)]
    scopes, granted = await _granted(registration, sign_in, allowed, http, now)
    vendor = recognise(issuer, capability)
    writing = registration.writing if registration else _suggested(vendor)
    planned = plan(writing, capability, scopes)
    return Examination(
        issuer=issuer,
        findings=(
            *findings,
            *granted,
            *findings_of_writing(capability, planned, vendor),
            _collecting(registration, capability, scopes),
            *_schedule(registration, capability, scopes),
        ),
        planned=planned if sign_in.works else (),
        once=vendor.once if vendor else None,
        questions=questions_for(sign_in, capability, vendor),
        section=""
        if registration or not sign_in.works
        else write_section(issuer, sign_in, capability, vendor, _wanted(writing, planned)),
        scopes=None if scopes is None else scopes.describe(),
    )


def _read_statement(answer: Answer) -> tuple[tuple[Finding, ...], Capability | None]:
    try:
        document = msgspec.json.decode(answer.body, type=JsonObject)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = {}
    if answer.status != httpx.codes.OK or document.get("resourceType") != "CapabilityStatement":
        came = answer.media_type or "no media type"
        text = f"No FHIR server answers here: metadata gave HTTP {answer.status}, {came}, and no CapabilityStatement."
        remedy = "Give the FHIR R4 base; vendors list it beside the registration of the app."
        return (Finding("Server", Level.FAILS, text, remedy),), None
    found = read_capability(document)
    if not found.fhir_version.startswith("4.0"):
        text = f"The server speaks FHIR {found.fhir_version or 'of an unnamed version'}; Rapport needs R4 (4.0.1)."
        return (Finding("Server", Level.FAILS, text, "Ask the vendor for the address of the R4 API."),), None
    name = found.software or found.publisher or "A FHIR server"
    return (Finding("Server", Level.WORKS, f"{name}, FHIR {found.fhir_version}."),), found


def _pace(slow_after: float, *answers: Answer) -> list[Finding]:
    slowest = max(each.seconds for each in answers)
    if slowest < slow_after:
        return []
    text = f"It answers slowly ({slowest:.1f} s for one document)."
    remedy = "Launches wait for such answers: tell the EHR's administrator if it stays."
    return [Finding("Server", Level.LOOK, text, remedy)]


def _reading(capability: Capability) -> list[Finding]:
    missing = [each for each in _READ if each not in capability.reads]
    if not missing:
        return [Finding("Reading", Level.WORKS, "Patient, caregivers, encounter and clinician can be read.")]
    text = f"Not declared to be readable: {', '.join(missing)}."
    remedy = "Rapport then shows less of who is who; a missing Patient keeps it from working."
    level = Level.FAILS if "Patient" in missing else Level.LOOK
    return [Finding("Reading", level, text, remedy)]


async def _granted(
    registration: Registration | None,
    sign_in: SignIn,
    allowed: frozenset[str],
    http: httpx.AsyncClient,
    now: datetime,
) -> tuple[Scopes | None, tuple[Finding, ...]]:
    """Ask for a token of Rapport's own, if the site is set up for one and it stays on the allowed hosts."""
    if registration is None or not registration.site.backend_scopes or not sign_in.works:
        return None, ()
    site = registration.site
    foreign = set(sign_in.other_hosts) - allowed - set(site.extra_hosts)
    if foreign:
        return None, ()
    site = replace(site, extra_hosts=(*site.extra_hosts, *allowed))
    try:
        configuration = await discover(site, http)
        tokens = await system_token(site, configuration, http=http, now=now)
    except SmartError as error:
        text = f"Rapport got no token of its own: {error.what_happened}"
        return None, (Finding("Signing in", Level.LOOK, text, error.what_to_do),)
    scopes = Scopes.parse(tokens.scope)
    told = "; ".join(scopes.describe()) or "nothing"
    works = Finding("Signing in", Level.WORKS, f"Rapport's own token may: {told}.")
    return scopes, ((works, _BY_SECRET) if isinstance(site.authentication, ClientSecret) else (works,))


def _collecting(registration: Registration | None, capability: Capability, scopes: Scopes | None) -> Finding:
    """Say how responses would be found that the EHR collects itself."""
    set_up = registration.collecting if registration else None
    way = choose_way(set_up or Collecting(), capability, scopes)
    if isinstance(way, str):
        remedy = "What the EHR's own forms collect is scored where its integrator calls $score."
        return Finding("Collected by the EHR", Level.LOOK, way, remedy)
    how = (
        f"Found by a Subscription (topic {way.topic})."
        if way.kind is WayKind.SUBSCRIPTION
        else "Found by asking again and again (_lastUpdated)" + (f": {way.reason}." if way.reason else ".")
    )
    remedy = "" if set_up else "Off: [site.collected] turns it on."
    return Finding("Collected by the EHR", Level.WORKS, how, remedy)


def _schedule(
    registration: Registration | None, capability: Capability, scopes: Scopes | None
) -> tuple[Finding, ...]:
    """Say whether the schedule that a site keeps in the EHR can be read there."""
    place = registration.schedule if registration else None
    if not isinstance(place, PlanInEhr):
        return ()
    offered = PLAN in capability.reads if place.id else capability.searches_by(PLAN, "url")
    if not offered:
        text = f"{place.written} is the site's schedule, and {PLAN} is not declared to be {'read' if place.id else 'searched by url'}."
        return (Finding("Schedule", Level.LOOK, text, "Save the plan beside the settings: plan.json."),)
    if scopes is not None and scopes.may(PLAN, "r" if place.id else "s"):
        return (Finding("Schedule", Level.WORKS, f"{place.written} is read with Rapport's own token."),)
    remedy = f"Have the EHR grant {PLAN_SCOPE}; system/{PLAN}.rs in backend_scopes reads it without a launch."
    return (Finding("Schedule", Level.WORKS, f"{place.written} is read with the token of a launch.", remedy),)


def _suggested(vendor: Vendor | None) -> Writing:
    if vendor is None:
        return Writing()
    document = DocumentForm() if WriterKind.DOCUMENT in vendor.writers else None
    return Writing(writers=vendor.writers, document=document)


def _wanted(writing: Writing, planned: tuple[Planned, ...]) -> tuple[WriterKind, ...]:
    declared = {each.kind for each in planned if each.used or "does not declare" not in (each.reason or "")}
    return tuple(kind for kind in writing.kinds if kind in declared)
