"""EHR launches: opaque, single-use handles for who opened which app in whose chart."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from sandbox_ehr.database import Database
from sandbox_ehr.errors import LaunchRefused
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.oauth.records import Context, digest, new_secret
from sandbox_ehr.settings import Clock, SandboxSettings

LAUNCH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch that can still be used."""

    digest: str
    client_id: str
    practitioner: str
    context: Context
    signed_in: int  # when whoever opened it had signed in, in seconds

    @property
    def user(self) -> str:
        """Who opened the chart, as a reference."""
        return self.practitioner if "/" in self.practitioner else f"Practitioner/{self.practitioner}"


class Launches:
    """Opens launches and finds them again, once."""

    def __init__(self, database: Database, store: Store, settings: SandboxSettings, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._clock = clock
        self._started = self._now()

    def open(
        self,
        client_id: str,
        practitioner: str,
        patient: str | None,
        encounter: str | None = None,
        extra: Mapping[str, object] | None = None,
        signed_in: int | None = None,
    ) -> str:
        """Open a launch for five minutes; LaunchRefused if client, practitioner, patient or encounter is unknown.

        `practitioner` may be a reference to another kind of person (`Person/1`). `extra` is further launch context:
        intent, fhirContext, need_patient_banner. `signed_in`: when the person signed in; None: before the sandbox began.
        """
        if self._settings.client(client_id) is None:
            raise LaunchRefused(f"There is no client {client_id!r}.")
        kind, _, person = practitioner.rpartition("/")
        named = ((kind or "Practitioner", person), ("Patient", patient), ("Encounter", encounter))
        for resource_type, resource_id in named:
            if resource_id is not None and self._store.read(resource_type, resource_id) is None:
                raise LaunchRefused(f"There is no {resource_type}/{resource_id}.")
        self._check_encounter(patient, encounter)
        context: Context = {"need_patient_banner": False, **(extra or {})}
        context.update({k: v for k, v in (("patient", patient), ("encounter", encounter)) if v is not None})
        launch = new_secret()
        text = msgspec.json.encode(context).decode()
        row = (
            digest(launch),
            client_id,
            practitioner,
            patient,
            encounter,
            text,
            self._now() + LAUNCH_SECONDS,
        )
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO launch VALUES (?, ?, ?, ?, ?, ?, ?, 0)", row)
            since = self._started if signed_in is None else signed_in
            connection.execute("INSERT INTO signed_in VALUES (?, ?)", (digest(launch), since))
        return launch

    def find(self, launch: str, client_id: str) -> Launch | None:
        """Find a launch of this client that is neither used nor expired."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT launch.*, at FROM launch JOIN signed_in ON what = digest "
                "WHERE digest = ? AND client_id = ? AND used = 0 AND expires > ?",
                (digest(launch), client_id, self._now()),
            ).fetchone()
        if row is None:
            return None
        context = msgspec.json.decode(row["context"], type=dict[str, object])
        return Launch(row["digest"], client_id, row["practitioner"], context, row["at"])

    def use(self, launch: Launch) -> None:
        """Mark a launch as used."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE launch SET used = 1 WHERE digest = ?", (launch.digest,))

    def _check_encounter(self, patient: str | None, encounter: str | None) -> None:
        stored = self._store.read("Encounter", encounter) if encounter is not None else None
        if stored is None:
            return
        subject = stored.read().get("subject")
        if not isinstance(subject, dict) or subject.get("reference") != f"Patient/{patient}":
            raise LaunchRefused(f"Encounter/{encounter} is not one of Patient/{patient}.")

    def _now(self) -> int:
        return int(self._clock().timestamp())
