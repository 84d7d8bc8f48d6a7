"""The token endpoint's answer, read strictly: tokens and the launch context that comes with them."""

import math
import re
from datetime import timedelta

import httpx
import msgspec

from smart_launch.errors import AnswerUnusable, TokenRefused, clean
from smart_launch.site import Site
from smart_launch.wire import check_available

_TOKEN = re.compile(r"[\x21-\x7e]+")  # what an Authorization header can carry
_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_LONGEST_SECONDS = 366 * 86_400
_VENDOR = "Tell the EHR's vendor: the answer of its token endpoint breaks the standard."

Hint = str | int | float | bool | dict[str, object] | list[object] | None  # user-interface hints may be wrong


class TokenAnswer(msgspec.Struct, frozen=True):
    """What a token endpoint answers (SMART App Launch 2.2, 'Obtain access token'), checked by `read_token_answer`."""

    access_token: str
    token_type: str
    scope: str | None = None
    expires_in: int | float | str | None = None
    refresh_token: str | None = None
    id_token: str | None = None
    patient: str | None = None
    encounter: str | None = None
    need_patient_banner: Hint = None
    intent: Hint = None
    smart_style_url: Hint = None
    tenant: Hint = None
    fhir_context: Hint = msgspec.field(default=None, name="fhirContext")
    app_context: Hint = msgspec.field(
        default=None, name="appContext"
    )  # of the CDS Hooks link that was followed
    smart_web_messaging_handle: Hint = None
    smart_web_messaging_origin: Hint = None

    @property
    def life(self) -> timedelta | None:
        """How long the access token lives; None if the server did not say."""
        return None if self.expires_in is None else timedelta(seconds=float(self.expires_in))


class _Refusal(msgspec.Struct):
    error: str = ""
    error_description: str | None = None


def read_token_answer(site: Site, response: httpx.Response) -> TokenAnswer:
    """Read the answer; ServerUnavailable, TokenRefused or AnswerUnusable (which say nothing of its content)."""
    check_available(site, response)
    if response.status_code != httpx.codes.OK:
        raise _read_refusal(site, response)
    try:
        answer = msgspec.json.decode(response.content, type=TokenAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Some servers answer errors with status 200.
        refusal = _read_refusal(site, response)
        if refusal.reason != TokenRefused.default_reason:
            raise refusal from None
        raise _unusable(site, "is not a token response", "token-answer-malformed") from None
    _check(site, answer)
    return answer


def is_fhir_id(value: str) -> bool:
    """Tell whether a string has the form of a FHIR id."""
    return _FHIR_ID.fullmatch(value) is not None


def _check(site: Site, answer: TokenAnswer) -> None:
    if answer.token_type.lower() != "bearer":
        raise _unusable(site, "is of another type than Bearer", "token-type")
    for token in (answer.access_token, answer.refresh_token):
        if token is not None and not _TOKEN.fullmatch(token):
            raise _unusable(site, "holds a token that cannot be sent", "token-syntax")
    if answer.expires_in is not None and not _is_life(answer.expires_in):
        raise _unusable(site, "has an expires_in that is no number of seconds", "expires-in")
    for name, value in (("patient", answer.patient), ("encounter", answer.encounter)):
        if value is not None and not is_fhir_id(value):
            raise _unusable(site, f"names a {name} that is not a FHIR id", f"{name}-id")


def _is_life(value: float | str) -> bool:
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return False
    return math.isfinite(seconds) and 0 < seconds <= _LONGEST_SECONDS


# RFC 6749 section 5.2.
_REMEDIES = {
    "invalid_grant": "Open the app again from the EHR: a sign-in can be used once, and for a short time.",
    "invalid_client": "Ask the administrator to check client id and keys (or secret) of this site with the EHR.",
    "unauthorized_client": "Ask the administrator to have the EHR allow this kind of access for the app.",
    "invalid_scope": "Ask the administrator to compare this site's scopes with the registration in the EHR.",
    "unsupported_grant_type": "Ask the administrator whether the EHR offers this kind of access.",
    "invalid_request": "Open the app again; if it stays, ask the administrator.",
}


def _read_refusal(site: Site, response: httpx.Response) -> TokenRefused:
    try:
        said = msgspec.json.decode(response.content, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = _Refusal()
    if said.error not in _REMEDIES and response.status_code == httpx.codes.UNAUTHORIZED:
        said.error = "invalid_client"
    known = said.error in _REMEDIES
    return TokenRefused(
        f"{site.name} gave no access token ({said.error if known else f'HTTP {response.status_code}'}).",
        _REMEDIES.get(said.error, "Open the app again; if it stays, ask the administrator."),
        reason=said.error if known else None,
        server_said=clean(said.error_description),
    )


def _unusable(site: Site, what: str, reason: str) -> AnswerUnusable:
    return AnswerUnusable(f"The token answer of {site.name} {what}.", _VENDOR, reason=reason)
