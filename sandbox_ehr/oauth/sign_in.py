"""Standalone launch: an authorization request waits here while somebody signs in, picks a patient and consents."""

from dataclasses import dataclass

import msgspec

from sandbox_ehr.database import Database
from sandbox_ehr.oauth.records import digest, new_secret
from sandbox_ehr.oauth.requests import Pairs
from sandbox_ehr.settings import Clock

SIGN_IN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class SignIn:
    """How far somebody has come: the request, and who and whose chart they have chosen (ids)."""

    key: str
    request: tuple[tuple[str, str], ...]
    practitioner: str | None
    patient: str | None

    @property
    def wants_patient(self) -> bool:
        """Whether the app's scopes need a patient in context."""
        scopes = dict(self.request).get("scope", "").split()
        return any(
            each in {"launch/patient", "launch/encounter"} or each.startswith("patient/") for each in scopes
        )

    @property
    def wants_encounter(self) -> bool:
        """Whether the app asks for an encounter as well."""
        return "launch/encounter" in dict(self.request).get("scope", "").split()


class SignIns:
    """Keeps waiting requests for ten minutes. The key is in the page's form: no cookie, it may run in a frame."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, request: Pairs) -> SignIn:
        """Keep a request that was found valid."""
        key = new_secret()
        text = msgspec.json.encode(list(request)).decode()
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO sign_in VALUES (?, ?, NULL, NULL, ?)",
                (digest(key), text, self._now() + SIGN_IN_SECONDS),
            )
        return SignIn(key, tuple(request), None, None)

    def find(self, key: str) -> SignIn | None:
        """Find a waiting request; None if it is over or unknown."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM sign_in WHERE digest = ? AND expires > ?", (digest(key), self._now())
            ).fetchone()
        if row is None:
            return None
        request = msgspec.json.decode(row["request"], type=tuple[tuple[str, str], ...])
        return SignIn(key, request, row["practitioner"], row["patient"])

    def choose(self, sign_in: SignIn, *, practitioner: str | None, patient: str | None) -> SignIn:
        """Keep what was chosen."""
        chosen = (practitioner or sign_in.practitioner, patient or sign_in.patient)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE sign_in SET practitioner = ?, patient = ? WHERE digest = ?",
                (*chosen, digest(sign_in.key)),
            )
        return SignIn(sign_in.key, sign_in.request, *chosen)

    def end(self, sign_in: SignIn) -> None:
        """Forget a request that has been decided."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sign_in WHERE digest = ?", (digest(sign_in.key),))

    def _now(self) -> int:
        return int(self._clock().timestamp())
