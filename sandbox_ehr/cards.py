"""The sandbox as a CDS client (CDS Hooks 2.0): asks decision support when a chart is opened, shows the cards, sends feedback.

https://cds-hooks.org/specification/2.0/
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

import httpx
import msgspec
from joserfc import jwt

from sandbox_ehr.directory import Clinician, Person
from sandbox_ehr.errors import SandboxError
from sandbox_ehr.fhir.access import Access
from sandbox_ehr.fhir.json_text import JsonObject
from sandbox_ehr.fhir.parameters import PARAMETERS
from sandbox_ehr.fhir.search import Searcher
from sandbox_ehr.oauth.records import Records
from sandbox_ehr.scopes import parse_scopes
from sandbox_ehr.settings import Clock, SandboxSettings

_LIFE = 120  # seconds of a token
_TOKEN = re.compile(r"\{\{context\.(\w+)\}\}")


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
    app_context: str | None = None  # handed on to the app that the link launches


class Cards:
    """Calls the services that the settings name."""

    def __init__(
        self,
        settings: SandboxSettings,
        records: Records,
        searcher: Searcher,
        clock: Clock,
        http: Callable[[], httpx.AsyncClient] | None = None,
    ) -> None:
        self._settings = settings
        self._records = records
        self._searcher = searcher
        self._templates: dict[str, dict[str, str]] = {}
        self._clock = clock
        self._http = http or (lambda: httpx.AsyncClient(timeout=2))
        self._put_aside: set[tuple[str, ...]] = set()

    async def of(self, clinician: Clinician, person: Person) -> tuple[CardRow, ...]:
        """Ask every service about a chart; one that fails is left out, as in any EHR, and so is what was put aside today."""
        found: list[CardRow] = []
        for service in self._settings.cds_services:
            body = await self._call(clinician, person, service)
            answer = await self._post(service, body)
            found += [_row(each, service) for each in _objects((answer or {}).get("cards"))]
        aside = self._put_aside
        return tuple(
            each for each in found if self._matter(clinician, person, each.service, each.summary) not in aside
        )

    def put_aside(self, clinician: Clinician, person: Person, service: str, summary: str) -> None:
        """Show this clinician no card that says the same in this chart, until tomorrow; each call makes a card anew."""
        today = self._today()
        self._put_aside = {each for each in self._put_aside if each[0] == today}
        self._put_aside.add(self._matter(clinician, person, service, summary))

    def _matter(self, clinician: Clinician, person: Person, service: str, summary: str) -> tuple[str, ...]:
        return (self._today(), clinician.id, person.id, service, summary)

    def _today(self) -> str:
        return self._clock().date().isoformat()

    async def answer(self, service: str, card: str, outcome: str) -> None:
        """Tell a service what somebody did with its card."""
        if service in self._settings.cds_services:
            stamp = self._clock().isoformat()
            told: JsonObject = {"feedback": [{"card": card, "outcome": outcome, "outcomeTimestamp": stamp}]}
            await self._post(f"{service}/feedback", told)

    async def _call(self, clinician: Clinician, person: Person, service: str) -> JsonObject:
        context: JsonObject = {"userId": f"Practitioner/{clinician.id}", "patientId": person.id}
        if person.visit:
            context["encounterId"] = person.visit.id
        return {
            "hook": "patient-view",
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": self._settings.fhir_base,
            "context": context,
            "prefetch": await self._prefetch(service, context),
        }

    async def _prefetch(self, service: str, context: JsonObject) -> JsonObject:
        """Read what a service's list asks for beforehand; what cannot be read is left out."""
        if service not in self._templates:
            asked = await self._ask_templates(service)
            if asked is None:  # asked again at the next chart
                return {}
            self._templates[service] = asked
        of_patient = Access(parse_scopes("patient/*.rs"), str(context["patientId"]), "decision support")
        found: JsonObject = {}
        for name, template in self._templates[service].items():
            query = _TOKEN.sub(lambda token: str(context.get(token[1], "")), template)
            path, _, parameters = query.partition("?")
            kind, _, wanted = path.partition("/")
            pairs = parse_qsl(parameters) if parameters else [("_id", wanted)]
            if kind not in PARAMETERS:
                continue
            try:
                bundle = self._searcher.search(kind, pairs, of_patient, strict=False)
            except SandboxError:
                continue
            entries = _objects(bundle.get("entry"))
            found[name] = bundle if parameters else entries[0]["resource"] if entries else None
        return found

    async def _ask_templates(self, service: str) -> dict[str, str] | None:
        address, _, name = service.rpartition("/")
        try:
            async with self._http() as http:
                answer = await http.get(address)
            if not answer.is_success:
                return None
            listed = msgspec.json.decode(answer.content, type=dict[str, object])
        except (httpx.HTTPError, msgspec.DecodeError):
            return None
        asked = next((each for each in _objects(listed.get("services")) if each.get("id") == name), {})
        templates = asked.get("prefetch")
        return {key: str(each) for key, each in templates.items()} if isinstance(templates, dict) else {}

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
        app_context=str(links[0]["appContext"]) if links and "appContext" in links[0] else None,
    )


def _objects(given: object) -> list[JsonObject]:
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
