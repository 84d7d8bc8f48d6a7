"""The way out: the authorization request, and what must be remembered until the answer comes back.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import LaunchExpired, LaunchRefused, NotOffered, StateMismatch, clean
from smart_launch.issuer_keys import same_issuer
from smart_launch.site import Site

PENDING_LIFE = timedelta(minutes=10)
_SECRET_BYTES = 32  # 256 bits; SMART asks for 122 of state (requirement 2), RFC 7636 for 256 of the verifier

_AGAIN = "Open the app again from the EHR."
_ANEW = (("prompt", "login"), ("max_age", "0"))


@dataclass(frozen=True, slots=True)
class PendingLaunch:
    """What the callback needs. Keep it on the server, bound to the browser session, and use it once."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    nonce: str | None = field(repr=False)
    site_id: str
    redirect_uri: str
    created: datetime
    launch: str | None = field(repr=False)
    scope: str  # as requested
    purpose: str | None = None  # the app's own word, which it has back with the answer


@dataclass(frozen=True, slots=True)
class Authorization:
    """The authorization request: redirect to `url`, or post `form` to `endpoint` where that is offered."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    pending: PendingLaunch
    endpoint: str
    form: tuple[tuple[str, str], ...] = field(repr=False)
    by_post: bool  # the server takes the form post


def begin(
    site: Site,
    configuration: SmartConfiguration,
    *,
    launch: str | None,
    now: datetime,
    scopes: tuple[str, ...] | None = None,
    anew: bool = False,
    purpose: str | None = None,
) -> Authorization:
    """Prepare the authorization request of an EHR launch, or (launch None) of a standalone one; no I/O.

    `scopes` are asked for instead of the site's, as they are: somebody signs in without a patient.
    With `anew` the server is asked to have the person sign in again whatever it remembers of them (OpenID Connect Core
    3.1.2.1); whether it has, the context's `authenticated` tells.

    NotOffered if the server authorizes no launches.
    """
    endpoint = configuration.authorization_endpoint
    if endpoint is None:
        raise NotOffered(
            f"{site.name} offers no sign-in for apps.",
            "Ask the EHR's vendor to enable SMART App Launch.",
            reason="no-authorization-endpoint",
        )
    scopes = scopes or _scopes(site, ehr_launch=launch is not None)
    pending = PendingLaunch(
        state=secrets.token_urlsafe(_SECRET_BYTES),
        verifier=secrets.token_urlsafe(_SECRET_BYTES),
        nonce=secrets.token_urlsafe(_SECRET_BYTES) if "openid" in scopes else None,
        site_id=site.id,
        redirect_uri=site.redirect_uri,
        created=now,
        launch=launch,
        scope=" ".join(scopes),
        purpose=purpose,
    )
    form = (*_form(site, pending), *(_ANEW if anew else ()))
    return Authorization(
        url=add_params_to_uri(endpoint, list(form)),
        state=pending.state,
        pending=pending,
        endpoint=endpoint,
        form=form,
        by_post=configuration.authorize_by_post,
    )


def check_callback(
    site: Site,
    configuration: SmartConfiguration,
    pending: PendingLaunch,
    *,
    code: str | None,
    state: str,
    error: str | None,
    error_description: str | None,
    iss: str | None,
    now: datetime,
) -> str:
    """Check what came back against what was sent; gives the code.

    StateMismatch, LaunchExpired or LaunchRefused. `iss` here is the authorization server's (RFC 9207), not
    SMART's; it is compared where discovery names an issuer, and required where discovery promises it.
    """
    if pending.site_id != site.id or not compare_digest(pending.state.encode(), state.encode()):
        raise StateMismatch("This answer does not belong to the launch that was begun here.", _AGAIN)
    _check_sender(configuration, iss)
    if now >= pending.created + PENDING_LIFE:
        raise LaunchExpired("The sign-in took longer than ten minutes.", _AGAIN)
    if error is not None:
        raise _refusal(site, error, error_description)
    if not code:
        raise LaunchRefused(f"{site.name} sent no authorization code.", _AGAIN, reason="no-code")
    return code


def _scopes(site: Site, *, ehr_launch: bool) -> tuple[str, ...]:
    """Ask for context the way the launch gives it: `launch` from the EHR, `launch/patient` standing alone."""
    if ehr_launch:
        return site.scopes if "launch" in site.scopes else ("launch", *site.scopes)
    others = tuple(scope for scope in site.scopes if scope != "launch")
    if any(scope.startswith("launch/") for scope in others):
        return others
    return ("launch/patient", *others)


def _form(site: Site, pending: PendingLaunch) -> tuple[tuple[str, str], ...]:
    fields = {
        "response_type": "code",
        "client_id": site.client_id,
        "redirect_uri": pending.redirect_uri,
        "scope": pending.scope,
        "state": pending.state,
        "aud": site.fhir_base,
        "code_challenge": create_s256_code_challenge(pending.verifier),
        "code_challenge_method": "S256",
        "launch": pending.launch,
        "nonce": pending.nonce,
    }
    return tuple((name, value) for name, value in fields.items() if value is not None)


def _check_sender(configuration: SmartConfiguration, iss: str | None) -> None:
    if iss is None:
        wrong = configuration.names_itself_on_callback
    else:
        wrong = configuration.issuer is not None and not same_issuer(iss, configuration.issuer)
    if wrong:
        raise StateMismatch(
            "This answer comes from another sign-in server than the one that was asked.",
            _AGAIN,
            reason="callback-issuer-mismatch",
        )


# RFC 6749 section 4.1.2.1 and OpenID Connect Core 3.1.2.6: what the reader can do about each.
_REFUSALS = {
    "access_denied": ("Access was denied in the EHR.", "If that was a mistake, open the app again."),
    "invalid_scope": (
        "The EHR does not give the app the rights it asked for.",
        "Ask the administrator to compare the scopes of this site with the app's registration in the EHR.",
    ),
    "login_required": ("The EHR wants you to sign in first.", _AGAIN),
    "temporarily_unavailable": ("The EHR's sign-in server is busy.", "Try again in a moment."),
    "server_error": ("The EHR's sign-in server met an error.", "Try again in a moment."),
    "invalid_request": (
        "The EHR did not accept the launch request.",
        "Open the app again; if it stays, ask the administrator to check redirect address and FHIR base.",
    ),
    "unauthorized_client": (
        "The EHR does not know this app as one that may sign in.",
        "Ask the administrator to check the app's registration in the EHR.",
    ),
}


def _refusal(site: Site, error: str, description: str | None) -> LaunchRefused:
    happened, remedy = _REFUSALS.get(
        error, (f"{site.name} refused the launch.", "Open the app again; if it stays, ask the administrator.")
    )
    reason = error if error in _REFUSALS else "launch-refused"
    return LaunchRefused(happened, remedy, reason=reason, server_said=clean(description))
