"""Errors that reach a person or a client: one class per reaction.

RapportError
├── SettingsInvalid      refuse to start: the message says what to set
├── NotSignedIn          401  open Rapport again from the EHR
│   └── TokenInvalid          get another access token
├── Locked               423  the device is with a respondent: the clinician's PIN comes first
├── Forbidden            403  somebody else must act, or act differently
├── NotFound             404
├── Conflict             409  the same identifier with other content
│   └── TooLate               look at what stands there now
├── AnsweredElsewhere    409  load the form again, look over the answers, send
├── InvitationUnusable   410  ask for a new form
├── TooLarge             413
├── WrongMediaType       415
├── Invalid              422  correct the named places and send again
│   └── TooCostly             ask for less
├── TooManyAttempts      429
└── Unavailable          503  try again; nothing was lost

`plugin.app` turns each into an OperationOutcome or a page, once, for every route.
Messages never hold answers, names, tokens or secrets.
"""

from dataclasses import dataclass
from typing import ClassVar

_SHORTEST_REASON = 3  # characters


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem: a FHIR issue type, a sentence, and where (FHIRPath expression, linkId)."""

    code: str
    message: str
    expression: str | None = None
    link_id: str | None = None
    severity: str = "error"


class RapportError(Exception):
    """Something that a person or a client must be told, with what to do about it."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    code: ClassVar[str] = "exception"

    def __init__(self, what_happened: str, what_to_do: str, *, issues: tuple[Issue, ...] = ()) -> None:
        super().__init__(f"{what_happened} {what_to_do}")
        self.what_happened = what_happened
        self.what_to_do = what_to_do
        self.issues = issues or (Issue(self.code, str(self)),)


class SettingsInvalid(RapportError):
    """The configuration cannot be used; the process must not start."""

    title = "Configuration"
    code = "invalid"


class NotSignedIn(RapportError):
    """No launch, or an expired one, stands behind the request."""

    status = 401
    title = "Your session has ended"
    code = "login"
    challenge: ClassVar[str] = (
        "Bearer"  # WWW-Authenticate: without an error where no token came (RFC 6750 section 3.1)
    )


class TokenInvalid(NotSignedIn):
    """The access token that was brought does not count here."""

    challenge = 'Bearer error="invalid_token"'


class Forbidden(RapportError):
    """The caller is known and may not do this."""

    status = 403
    title = "Not allowed"
    code = "forbidden"


class NotFound(RapportError):
    """Nothing stands at this address for this caller."""

    status = 404
    title = "Not found"
    code = "not-found"


class Conflict(RapportError):
    """The same identifier came with other content."""

    status = 409
    title = "Already recorded differently"
    code = "conflict"


class TooLate(Conflict):
    """What is to be changed has gone on meanwhile, or was changed already."""

    title = "Not possible"


class AnsweredElsewhere(RapportError):
    """A form is sent without answers that another page of it has given."""

    status = 409
    title = "There are more answers"
    code = "conflict"


class InvitationUnusable(RapportError):
    """The invitation has been used, withdrawn or has expired."""

    status = 410
    title = "This form can no longer be opened"
    code = "expired"


class TooLarge(RapportError):
    """The body is larger than any form can be."""

    status = 413
    title = "Too large"
    code = "too-long"


class WrongMediaType(RapportError):
    """The body is of a kind that this address does not take."""

    status = 415
    title = "Unsupported content"
    code = "not-supported"


class Invalid(RapportError):
    """The content breaks rules; every problem is in `issues`."""

    status = 422
    title = "Please correct"
    code = "invalid"


def stated_reason(why: str, remedy: str) -> str:
    """Give a reason without the blanks around it; Invalid if there is none, or none that says anything."""
    stated = why.strip()
    if not stated:
        raise Invalid("There is no reason.", remedy)
    if len(stated) < _SHORTEST_REASON:
        raise Invalid("The reason is too short.", remedy)
    return stated


class TooCostly(Invalid):
    """What is asked would take too long to find; the remedy names what makes it quick."""

    code = "too-costly"


class Locked(RapportError):
    """The device has been handed to a respondent."""

    status = 423
    title = "This device is handed over"
    code = "suppressed"

    def __init__(self, what_happened: str, what_to_do: str, *, return_to: str | None) -> None:
        super().__init__(what_happened, what_to_do)
        self.return_to = return_to  # the launch whose lock page asks for the PIN; None if another one has it


class TooManyAttempts(RapportError):
    """A guess limit is reached."""

    status = 429
    title = "Too many attempts"
    code = "throttled"

    def __init__(self, what_happened: str, what_to_do: str, *, seconds: int) -> None:
        super().__init__(what_happened, what_to_do)
        self.seconds = seconds  # until the next try is looked at


class Unavailable(RapportError):
    """A server that is needed does not answer now."""

    status = 503
    title = "Not available just now"
    code = "transient"
