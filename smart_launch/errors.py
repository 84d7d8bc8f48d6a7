"""What can go wrong in a launch: one class per reaction.

SmartError
├── UnknownIssuer      403  refuse; an administrator may add the site. Nothing was contacted
├── AddressRefused     502  refuse; an administrator must allow the address, or the server is not what it claims
├── ServerUnavailable  503  try again in a moment (`retry_after` seconds, if the server said so)
├── DiscoveryFailed    502  the server's description of itself cannot be used: tell the vendor
├── NotOffered         501  the server or this registration does not offer it: do without
├── StateMismatch      400  the answer does not belong to this launch: begin again, use nothing of it
├── LaunchExpired      400  begin again
├── LaunchRefused      403  the EHR or its user said no, or the launch lacks something
├── TokenRefused       502  the token endpoint said no: begin again; if it stays, the registration is wrong
├── TokenExpired       401  the authorization is over: sign in again
├── AnswerUnusable     502  the server's answer breaks the standard: tell the vendor
└── IdTokenInvalid     502  the statement of who signed in cannot be trusted: refuse

Messages and reprs never hold a token, code, state or secret.
"""

import re
from typing import ClassVar

_TOKEN_LIKE = re.compile(r"\S{16,}")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")


class SmartError(Exception):
    """A launch, or a use of its tokens, could not go on.

    `what_happened` and `what_to_do` are sentences for people; `reason` is a short code for programs and audit.
    `status` is the HTTP status that fits an answer about it.
    """

    status: ClassVar[int] = 500
    default_reason: ClassVar[str] = "smart"

    def __init__(self, what_happened: str, what_to_do: str, *, reason: str | None = None) -> None:
        super().__init__(f"{what_happened} {what_to_do}")
        self.what_happened = what_happened
        self.what_to_do = what_to_do
        self.reason = reason or self.default_reason


class UnknownIssuer(SmartError):
    """The launch names a FHIR server that is not configured; it was not contacted."""

    status = 403
    default_reason = "unknown-issuer"


class AddressRefused(SmartError):
    """An address that must not be contacted: not pinned, private, plain http, or a redirect."""

    status = 502
    default_reason = "address-refused"


class ServerUnavailable(SmartError):
    """The authorization server did not answer, or said that it cannot now."""

    status = 503
    default_reason = "unavailable"

    def __init__(
        self,
        what_happened: str,
        what_to_do: str,
        *,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what_happened, what_to_do, reason=reason)
        self.retry_after = retry_after


class DiscoveryFailed(SmartError):
    """The SMART configuration or the issuer's keys are missing or unusable."""

    status = 502
    default_reason = "discovery"


class NotOffered(SmartError):
    """The server, or this registration of it, does not offer what was asked for."""

    status = 501
    default_reason = "not-offered"


class StateMismatch(SmartError):
    """The callback does not belong to the pending launch, or comes from another authorization server."""

    status = 400
    default_reason = "state-mismatch"


class LaunchExpired(SmartError):
    """The pending launch is over or unknown."""

    status = 400
    default_reason = "launch-expired"


class LaunchRefused(SmartError):
    """The authorization server answered with an error, or without what a launch needs.

    `server_said` is the server's own description, cleaned of whatever could be a secret; show it escaped.
    """

    status = 403
    default_reason = "launch-refused"

    def __init__(
        self, what_happened: str, what_to_do: str, *, reason: str | None = None, server_said: str = ""
    ) -> None:
        super().__init__(what_happened, what_to_do, reason=reason)
        self.server_said = server_said


class TokenRefused(SmartError):
    """The token endpoint refused; `reason` is its OAuth error code. `server_said` as in LaunchRefused."""

    status = 502
    default_reason = "token-refused"

    def __init__(
        self, what_happened: str, what_to_do: str, *, reason: str | None = None, server_said: str = ""
    ) -> None:
        super().__init__(what_happened, what_to_do, reason=reason)
        self.server_said = server_said


class TokenExpired(SmartError):
    """The authorization has ended and cannot be renewed."""

    status = 401
    default_reason = "token-expired"


class AnswerUnusable(SmartError):
    """A token or introspection response lacks what the standard requires, or has it wrong."""

    status = 502
    default_reason = "answer-unusable"


class IdTokenInvalid(SmartError):
    """The id_token's signature or a claim is wrong; `reason` names which."""

    status = 502
    default_reason = "id-token"


def clean(text: str | None) -> str:
    """Cut a server's free text to one short printable line, long words (tokens, codes, addresses) left out."""
    shown = _NOT_PRINTABLE.sub(" ", text or "")[:400]
    return _TOKEN_LIKE.sub("...", shown)[:200].strip()
