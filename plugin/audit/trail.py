"""Audit entries as FHIR AuditEvents after IHE Basic Audit Log Patterns (https://profiles.ihe.net/ITI/BALP).

An entry says what was done with which resource, never what was in it.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from plugin import __version__
from plugin.audit import shape
from plugin.audit.kinds import TYPE, Kind, action_of, does, subtypes_of
from plugin.ledger import AuditRow

Clock = Callable[[], datetime]
JsonObject = dict[str, object]

_MOST_OF_A_TOKEN = 32


def utc_now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: a FHIR reference (`Practitioner/1`), or only a role where no person is known.

    `token` is the end of the access token that it was done with (`end_of_token`), never the token.
    """

    reference: str | None = None
    display: str | None = None
    token: str | None = None


def end_of_token(token: str) -> str | None:
    """Give what the trail may hold of an access token: its last 32 characters, and never more than its half.

    BALP's pattern for opaque tokens; the half keeps a short token from standing there whole.
    """
    return token[-min(_MOST_OF_A_TOKEN, len(token) // 2) :] if len(token) > 1 else None


class Trail:
    """Writes the entries of one installation. `address` is Rapport's own base URL."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._address = address
        self._clock = clock

    def entry(
        self,
        kind: Kind,
        actor: Actor,
        *,
        site: str | None = None,
        patient: str | None = None,
        about: tuple[str, ...] = (),
        server: str | None = None,
        failure: str | None = None,
        reason: str | None = None,
        query: str | None = None,
        details: tuple[tuple[str, str], ...] = (),
        when: datetime | None = None,
    ) -> AuditRow:
        """Build an entry: `about` names resources, `server` who was asked by Rapport, `failure` why it did not succeed.

        Without `server` Rapport was asked. `reason` is what the actor gave as the purpose; `query` what was searched for,
        `details` pairs of what was found, without health data. `when` is now if it is not known already.
        """
        event = str(uuid.uuid4())
        recorded = when or self._clock()
        outcome = "0" if failure is None else "4"
        what = does(kind)
        entities = [*shape.entities(what, patient, about, query), *shape.details(details)]
        profiles = shape.profiles(what, patient, actor.token, entities) if failure is None else []
        resource: JsonObject = {
            "resourceType": "AuditEvent",
            "id": event,
            **({"meta": {"profile": profiles}} if profiles else {}),
            "type": TYPE[what],
            "subtype": subtypes_of(kind),
            "action": action_of(kind),
            "recorded": recorded.isoformat(timespec="milliseconds"),
            "outcome": outcome,
            **({"outcomeDesc": failure} if failure else {}),
            **({"purposeOfEvent": [{"text": reason}]} if reason else {}),
            "agent": [
                *shape.machines(what, self._address, server),
                *shape.people(what, actor.reference, actor.display, actor.token),
            ],
            "source": {"observer": {"display": f"Rapport {__version__}"}, "site": self._address},
            **({"entity": entities} if entities else {}),
        }
        body = msgspec.json.encode(resource)
        digest = hashlib.sha256(body).hexdigest()
        return AuditRow(event, recorded, kind.value, outcome, site, patient, body, digest)
