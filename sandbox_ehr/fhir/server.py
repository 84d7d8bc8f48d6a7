"""The FHIR interactions: one request in, one answer out, each within the rights of its token.

https://hl7.org/fhir/R4/http.html
"""

from dataclasses import replace

import msgspec

from sandbox_ehr.errors import FhirRefused, refuse
from sandbox_ehr.fhir.bundles import Bundles
from sandbox_ehr.fhir.capability import build_capability_statement
from sandbox_ehr.fhir.exchange import FhirAnswer, FhirRequest, answer_refusal, answer_resource
from sandbox_ehr.fhir.json_text import JsonObject, decode, encode
from sandbox_ehr.fhir.parameters import TYPES
from sandbox_ehr.fhir.search import PAGE_PARAMETER, Searcher
from sandbox_ehr.fhir.store import Store, Stored
from sandbox_ehr.fhir.validate import check_resource
from sandbox_ehr.settings import Clock


class FhirServer:
    """The FHIR API over one store. `answer` never raises a FhirRefused: it answers it."""

    def __init__(self, store: Store, base_url: str, clock: Clock) -> None:
        self.store = store
        self.searcher = Searcher(store)
        self._started = clock()
        self._base_url = base_url

    def capability(self) -> FhirAnswer:
        """Say what this server can do; needs no token."""
        statement = build_capability_statement(self._base_url, self._started)
        return FhirAnswer(200, {}, encode(statement))

    def answer(self, request: FhirRequest) -> FhirAnswer:
        """Carry out a request, or answer with the OperationOutcome that says why not."""
        try:
            if request.path == "":
                return self._answer_system(request)
            return self.interact(request)
        except FhirRefused as refused:
            return answer_refusal(refused)

    def interact(self, request: FhirRequest) -> FhirAnswer:
        """Carry out one interaction on a type or an instance; FhirRefused if it may not or cannot be done."""
        resource_type, *rest = request.path.split("/")
        if resource_type not in TYPES:
            raise refuse(404, "not-supported", f"This server does not hold {resource_type} resources.")
        match (request.method, rest):
            case ("GET", []):
                return self._search(request, resource_type)
            case ("POST", ["_search"]):
                return self._search(request.with_form(), resource_type)
            case ("POST", []):
                return self._create(request, resource_type)
            case ("GET", [resource_id]):
                return self._read(request, self._find(request, resource_type, resource_id, "r"))
            case ("PUT", [resource_id]):
                return self._update(request, resource_type, resource_id)
            case ("GET", [resource_id, "_history"]):
                return self._history(request, resource_type, resource_id)
            case ("GET", [resource_id, "_history", version]):
                return self._vread(request, resource_type, resource_id, version)
        text = f"{request.method} {request.path} is not an interaction of this server."
        raise refuse(405, "not-supported", text)

    def create(self, resource: JsonObject, request: FhirRequest, resource_id: str | None = None) -> Stored:
        """Create a resource, already checked; FhirRefused 403 if the token may not."""
        resource_type = str(resource["resourceType"])
        allowed = request.access.condition(resource_type, "c", self.store.base)
        with self.store.database.transaction():
            stored = self.store.create(resource, resource_id=resource_id)
            if not self.store.meets(stored, allowed):
                raise refuse(
                    403, "forbidden", f"The granted scopes do not allow to create this {resource_type}."
                )
            return stored

    def update(self, resource: JsonObject, resource_id: str, request: FhirRequest) -> Stored:
        """Replace a resource; FhirRefused 412 if it has changed since the version in If-Match."""
        resource_type = str(resource["resourceType"])
        if resource.get("id") != resource_id:
            raise refuse(
                400, "invalid", "The id in the resource is not the id in the address.", "Resource.id"
            )
        allowed = request.access.condition(resource_type, "u", self.store.base)
        if_match = request.headers.get("if-match")
        with self.store.database.transaction():
            current = self._find(request, resource_type, resource_id, "u")
            if if_match is not None and if_match.removeprefix("W/").strip('"') != str(current.version):
                text = f"The resource is at version {current.version}, not {if_match}: read it again."
                raise refuse(412, "conflict", text)
            stored = self.store.update(resource, current)
            if not self.store.meets(stored, allowed):
                raise refuse(
                    403, "forbidden", f"The granted scopes do not allow this change of {resource_type}."
                )
            return stored

    def _answer_system(self, request: FhirRequest) -> FhirAnswer:
        if request.method == "POST":
            return Bundles(self).process(request)
        parameters = dict(request.parameters)
        if request.method == "GET" and PAGE_PARAMETER in parameters:
            page = self.searcher.continue_search(parameters[PAGE_PARAMETER], request.access)
            return FhirAnswer(200, {}, encode(page))
        raise refuse(405, "not-supported", "Of the base, only POST of a transaction or batch is supported.")

    def _search(self, request: FhirRequest, resource_type: str) -> FhirAnswer:
        strict = request.prefers("handling") == "strict"
        bundle = self.searcher.search(resource_type, request.parameters, request.access, strict=strict)
        return FhirAnswer(200, {}, encode(bundle))

    def _create(self, request: FhirRequest, resource_type: str) -> FhirAnswer:
        resource = decode(request.body)
        if not request.access.can(resource_type, "c"):
            raise refuse(
                403, "forbidden", f"The granted scopes do not allow to create {resource_type} resources."
            )
        check_resource(resource, resource_type)
        with self.store.database.transaction():
            condition = request.headers.get("if-none-exist")
            found = self.find_one(resource_type, condition, request) if condition is not None else None
            stored = found or self.create(resource, request)
            if found is None:
                self.store.check_references(resource)
        prefer = request.prefers("return")
        return answer_resource(stored, 200 if found else 201, base=self.store.base, prefer=prefer)

    def _update(self, request: FhirRequest, resource_type: str, resource_id: str) -> FhirAnswer:
        resource = decode(request.body)
        if not request.access.can(resource_type, "u"):
            raise refuse(
                403, "forbidden", f"The granted scopes do not allow to update {resource_type} resources."
            )
        check_resource(resource, resource_type)
        with self.store.database.transaction():
            stored = self.update(resource, resource_id, request)
            self.store.check_references(resource)
        return answer_resource(stored, base=self.store.base, prefer=request.prefers("return"))

    def _read(self, request: FhirRequest, stored: Stored) -> FhirAnswer:
        answer = answer_resource(stored)
        if stored.etag in request.headers.get("if-none-match", ""):
            return replace(answer, status=304, body=b"")
        return answer

    def _vread(self, request: FhirRequest, resource_type: str, resource_id: str, version: str) -> FhirAnswer:
        self._find(request, resource_type, resource_id, "r")
        versions = self.store.versions(resource_type, resource_id)
        found = next((each for each in versions if str(each.version) == version), None)
        if found is None:
            raise refuse(404, "not-found", f"{resource_type}/{resource_id} has no version {version}.")
        return answer_resource(found)

    def _history(self, request: FhirRequest, resource_type: str, resource_id: str) -> FhirAnswer:
        self._find(request, resource_type, resource_id, "r")
        versions = self.store.versions(resource_type, resource_id)
        base = self.store.base
        entries = [
            {
                "fullUrl": f"{base}/{each.reference}",
                "resource": msgspec.Raw(each.body),
                "request": {"method": "POST", "url": each.type}
                if each.version == 1
                else {"method": "PUT", "url": each.reference},
                "response": {"status": "201" if each.version == 1 else "200", "etag": each.etag},
            }
            for each in versions
        ]
        bundle: JsonObject = {
            "resourceType": "Bundle",
            "type": "history",
            "total": len(entries),
            "entry": entries,
        }
        return FhirAnswer(200, {}, encode(bundle))

    def _find(self, request: FhirRequest, resource_type: str, resource_id: str, action: str) -> Stored:
        """Find a resource that the token may reach; 404 if there is none, 403 if it is out of its reach."""
        allowed = request.access.condition(resource_type, action, self.store.base)
        stored = self.store.read(resource_type, resource_id)
        if stored is None:
            raise refuse(404, "not-found", f"{resource_type}/{resource_id} does not exist.")
        if not self.store.meets(stored, allowed):
            raise refuse(403, "forbidden", f"{resource_type}/{resource_id} is outside what was granted.")
        return stored

    def find_one(self, resource_type: str, condition: str, request: FhirRequest) -> Stored | None:
        """Find the resource that a condition names, among those the token could have created; 412 if several."""
        visible = request.access.condition(resource_type, "c", self.store.base)
        found = self.searcher.match(resource_type, condition, visible)
        if len(found) > 1:
            text = f"{len(found)} {resource_type} resources meet {condition}: the condition must name one."
            raise refuse(412, "multiple-matches", text)
        return self.store.read(resource_type, found[0]) if found else None
