"""The launch context: who asks, for whom, on which server, and what the token may do.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from dataclasses import dataclass
from datetime import datetime

import httpx
import msgspec

from smart_launch.identity import FhirUser, Identity
from smart_launch.scopes import Scopes
from smart_launch.site import Site
from smart_launch.style import Style
from smart_launch.token_answer import Hint, TokenAnswer
from smart_launch.tokens import TokenSet
from smart_launch.wire import read_address

USER_UNREAD = "user-unread"
"""The note that somebody signed in whom the EHR names, and nobody knows as what."""


@dataclass(frozen=True, slots=True)
class ContextIdentifier:
    """A business identifier in fhirContext."""

    system: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class ContextItem:
    """One entry of fhirContext: a resource, canonical or identifier that the app is launched about."""

    reference: str | None = None
    canonical: str | None = None
    identifier: ContextIdentifier | None = None
    type: str | None = None
    role: str = "launch"


@dataclass(frozen=True, slots=True)
class Messaging:
    """How to talk to the EHR's window (SMART Web Messaging 1.0): whom to name ourselves, and to which origin alone."""

    handle: str
    origin: str


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """One completed launch. Holds tokens: stored, it must be encrypted.

    `patient` and `encounter` are FHIR ids, None if the EHR named none. `notes` tell what the EHR left out and was
    assumed: scope-assumed, life-assumed, nonce-absent, banner-assumed; and user-unread of a fhirUser that is there and
    is no reference to a person.
    """

    site_id: str
    patient: str | None
    encounter: str | None
    user: FhirUser | None
    granted: Scopes
    need_patient_banner: bool
    intent: str | None
    style_url: str | None
    fhir_context: tuple[ContextItem, ...]
    tenant: str | None
    tokens: TokenSet
    launched_at: datetime
    notes: tuple[str, ...] = ()
    messaging: Messaging | None = None
    authenticated: datetime | None = None  # when the user signed in to the EHR, as its id_token says
    style: Style | None = None  # what stands at `style_url`, where it could be had
    app_context: str | None = None  # what the CDS Hooks link said that was followed, as it said it


def build_context(
    site: Site, answer: TokenAnswer, tokens: TokenSet, identity: Identity | None, *, now: datetime
) -> LaunchContext:
    """Put a checked token answer and identity together. Hints that are malformed are left out; nothing else is."""
    notes = list(tokens.notes)
    if identity is not None and not identity.nonce_confirmed:
        notes.append("nonce-absent")
    if identity is not None and identity.user_unread:
        notes.append(USER_UNREAD)
    banner = _BANNER.get(str(answer.need_patient_banner).lower())
    if banner is None:
        notes.append("banner-assumed")
    return LaunchContext(
        site_id=site.id,
        patient=answer.patient,
        encounter=answer.encounter,
        user=identity.user if identity else None,
        granted=Scopes.parse(tokens.scope),
        need_patient_banner=banner is not False,  # not said: showing whose record this is can do no harm
        intent=_text(answer.intent),
        style_url=_style_url(site, answer.smart_style_url),
        fhir_context=_read_items(answer.fhir_context),
        tenant=_text(answer.tenant),
        tokens=tokens,
        launched_at=now,
        notes=tuple(notes),
        messaging=_messaging(answer, tokens.scope),
        authenticated=identity.authenticated if identity else None,
        app_context=_text(answer.app_context),
    )


_BANNER = {"true": True, "false": False}  # a boolean by the standard, a string on some servers


def _text(value: Hint) -> str | None:
    return value if isinstance(value, str) and value else None


def _messaging(answer: TokenAnswer, scope: str) -> Messaging | None:
    """Read handle and origin where a messaging scope was granted; an origin is scheme and host, nothing more."""
    handle, origin = _text(answer.smart_web_messaging_handle), _text(answer.smart_web_messaging_origin)
    if handle is None or origin is None or "messaging/ui" not in scope.split():
        return None
    url = read_address(origin)
    whole = f"{url.scheme}://{url.netloc.decode()}"
    return Messaging(handle, whole) if url.scheme in {"https", "http"} and origin == whole else None


def _style_url(site: Site, value: Hint) -> str | None:
    """Keep a style address of the EHR: https, or where the site itself is on plain loopback http."""
    url = read_address(value) if isinstance(value, str) else None
    if url is None or not url.host or url.scheme not in {"https", httpx.URL(site.fhir_base).scheme}:
        return None
    return str(url)


def _read_items(value: Hint) -> tuple[ContextItem, ...]:
    items = value if isinstance(value, list) else []
    read = (_convert(item) for item in items)
    return tuple(item for item in read if item is not None)


def _convert(item: object) -> ContextItem | None:
    try:
        found = msgspec.convert(item, ContextItem)
    except msgspec.ValidationError:
        return None
    return found if found.reference or found.canonical or found.identifier else None
