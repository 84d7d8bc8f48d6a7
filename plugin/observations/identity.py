"""Under which id a response is known: the same for the same response, wherever it comes from. Pure."""

import hashlib
import uuid

from plugin.observations.build import IDENTIFIER_SYSTEM, derive

# Namespace of the ids that we derive for responses which bring a foreign identifier or none.
_DERIVED = "6f0c6c0e-7c0b-5a43-9d0e-1b8b4f6f9a11"


def identify(site: str, patient: str, system: str | None, value: str | None, body: bytes) -> tuple[str, str]:
    """Give the id and the `system|value` identifier under which a response is kept.

    Our own identifier is the id. A foreign one, or the bytes themselves where there is none, always derive the same id,
    so that a response sent twice is one response. One without a system names nothing beyond its patient: it gets a system of
    this patient's.
    """
    if value is None:
        derived = derive(_DERIVED, f"{site}\n{hashlib.sha256(body).hexdigest()}")
        return derived, f"{IDENTIFIER_SYSTEM}|{derived}"
    identifier = f"{system or _system_of(site, patient)}|{value}"
    if system == IDENTIFIER_SYSTEM and _is_uuid(value):
        return value, identifier
    return derive(_DERIVED, f"{site}\n{identifier}"), identifier


def _system_of(site: str, patient: str) -> str:
    own = derive(_DERIVED, f"{site}\n{patient}")
    return f"urn:uuid:{own}"


def identify_collected(site: str, reference: str) -> tuple[str, str]:
    """Give the id and identifier of a response that the EHR collected without one: by where it stands there."""
    derived = derive(_DERIVED, f"{site}\ncollected {reference}")
    return derived, f"{IDENTIFIER_SYSTEM}|{derived}"


def _is_uuid(value: str) -> bool:
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False
