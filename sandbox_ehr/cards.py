"""The sandbox as a CDS client (CDS Hooks 2.0): asks decision support when a chart is opened, shows the cards, sends feedback.

https://cds-hooks.org/specification/2.0/
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import msgspec
from joserfc import jwt

from sandbox_ehr.directory import Clinician, Directory, Person
from sandbox_ehr.fhir.json_text import JsonObject
from sandbox_ehr.oauth.records import Records
from sandbox_ehr.settings import Clock, SandboxSettings

_LIFE = 120  # seconds of a token
_MOST_ENCOUNTERS = 200


@dataclass(frozen=True, slots=True)
class CardRow:
    """One card as the chart shows it; `service` is where feedback goes."""

    uuid: str
    service: str
    summary: str
    detail: str
    indicator: str
    source: str
    link: str | None


class Cards:
    """Calls the services that the settings name."""

    def __init__(
        self,
        settings: SandboxSettings,
        records: Records,
        directory: Directory,
        clock: Clock,
        http: Callable[[], httpx.AsyncClient] | None = None,
    ) -> None:
        self._settings = settings
        self._records = records
        self._directory = directory
        self._clock = clock
        self._http = http or (lambda: httpx.AsyncClient(timeout=2))

    async def of(self, clinician: Clinician, person: Person) -> tuple[CardRow, ...]:
        """Ask every service about a chart; one that fails is left out, as in any EHR."""
        found: list[CardRow] = []
        for service in self._settings.cds_services:
            body = self._call(clinician, person)
            answer = await self._post(service, body)
            found += [_row(each, service) for each in _objects((answer or {}).get("cards"))]
        return tuple(found)

    async def answer(self, service: str, card: str, outcome: str) -> None:
        """Tell a service what somebody did with its card."""
        if service in self._settings.cds_services:
            stamp = self._clock().isoformat()
            told: JsonObject = {"feedback": [{"card": card, "outcome": outcome, "outcomeTimestamp": stamp}]}
            await self._post(f"{service}/feedback", told)

    def _call(self, clinician: Clinician, person: Person) -> JsonObject:
        visits = self._directory.of_patient("Encounter", person.id, "date", _MOST_ENCOUNTERS)
        context: JsonObject = {"userId": f"Practitioner/{clinician.id}", "patientId": person.id}
        if person.visit:
            context["encounterId"] = person.visit.id
        return {
            "hook": "patient-view",
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": self._settings.fhir_base,
            "context": context,
            "prefetch": {
                "patient": self._directory.read("Patient", person.id),
                "encounters": {
                    "resourceType": "Bundle",
                    "type": "searchset",
                    "entry": [{"resource": each} for each in visits],
                },
            },
        }

    async def _post(self, address: str, body: JsonObject) -> JsonObject | None:
        headers = {"Authorization": f"Bearer {self._token(address)}", "Content-Type": "application/json"}
        try:
            async with self._http() as http:
                answer = await http.post(address, content=msgspec.json.encode(body), headers=headers)
            return msgspec.json.decode(answer.content, type=dict[str, object]) if answer.is_success else None
        except (httpx.HTTPError, msgspec.DecodeError):
            return None

    def _token(self, address: str) -> str:
        key = self._records.signing_key()
        now = int(self._clock().timestamp())
        claims = {
            "iss": self._settings.issuer,
            "aud": address,
            "iat": now,
            "exp": now + _LIFE,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(
            {"alg": "RS256", "typ": "JWT", "kid": key.kid or ""}, claims, key, algorithms=["RS256"]
        )


def _row(card: JsonObject, service: str) -> CardRow:
    links = [each for each in _objects(card.get("links")) if each.get("type") == "smart"]
    source = card.get("source")
    return CardRow(
        uuid=str(card.get("uuid", "")),
        service=service,
        summary=str(card.get("summary", "")),
        detail=str(card.get("detail", "")),
        indicator=str(card.get("indicator", "info")),
        source=str(source.get("label", "")) if isinstance(source, dict) else "",
        link=str(links[0].get("label")) if links else None,
    )


def _objects(given: object) -> list[JsonObject]:
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
