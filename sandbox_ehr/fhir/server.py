"""The FHIR interactions: one request in, one answer out, each within the rights of its token.

https://hl7.org/fhir/R4/http.html
"""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from sandbox_ehr.errors import FhirRefused, Issue, refuse
from sandbox_ehr.fhir.bundles import Bundles
from sandbox_ehr.fhir.capability import build_capability_statement
from sandbox_ehr.fhir.exchange import FhirAnswer, FhirRequest, answer_refusal, answer_resource
from sandbox_ehr.fhir.json_text import JsonObject, decode, encode
from sandbox_ehr.fhir.preconditions import check_if_match
from sandbox_ehr.fhir.rules import check_rules
from sandbox_ehr.fhir.search import PAGE_PARAMETER, Searcher
from sandbox_ehr.fhir.store import Store, Stored
from sandbox_ehr.fhir.validate import check_resource
from sandbox_ehr.personalities import Personality
from sandbox_ehr.settings import Clock


class FhirServer:
    """The FHIR API over one store. `answer` never raises a FhirRefused: it answers it.

    `personality` is asked at every request, so that the server can change while it runs.
    """

    def __init__(
        self, store: Store, base_url: str, clock: Clock, personality: Callable[[], Personality]
    ) -> None:
        self.store = store
        self.searcher = Searcher(store, personality)
        self._personality = personality
        self._started = clock()
        self._base_url = base_url

    def capability(self) -> FhirAnswer:
        """Say what this server can do; needs no token."""
        statement = build_capability_statement(self._base_url, self._started, self._personality())
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
        self._check_held(resource_type)
        match (request.method, rest):
            case ("GET", []):
                self._check_declared(resource_type, "search-type")
                return self._search(request, resource_type)
            case ("POST", ["_search"]):
                self._check_declared(resource_type, "search-type")
                return self._search(request.with_form(), resource_type)
            case ("POST", []):
                return self._create(request, resource_type)
            case ("GET", [resource_id]):
                self._check_declared(resource_type, "read")
                return self._read(request, self._find(request, resource_type, resource_id, "r"))
            case ("PUT", [resource_id]):
                return self._update(request, resource_type, resource_id)
            case ("GET", [resource_id, "_history"]):
                self._check_declared(resource_type, "history-instance")
                return self._history(request, resource_type, resource_id)
            case ("GET", [resource_id, "_history", version]):
                self._check_declared(resource_type, "vread")
                return self._vread(request, resource_type, resource_id, version)
        text = f"{request.method} {request.path} is not an interaction of this server."
        raise refuse(405, "not-supported", text)

    def _check_held(self, resource_type: str) -> None:
        if resource_type in {"metadata", ".well-known"}:
            raise refuse(405, "not-supported", "What the server says of itself can only be read.")
        personality = self._personality()
        if resource_type not in personality.interactions:
            text = f"This server does not hold {resource_type} resources."
            silent = personality.undeclared.body == "empty"
            status = personality.undeclared.status if silent else 404
            raise FhirRefused(status, Issue("not-supported", text), silent=silent)

    def _check_declared(self, resource_type: str, interaction: str) -> None:
        personality = self._personality()
        if not personality.offers(resource_type, interaction):
            raise self._not_offered(f"This server does not offer {interaction} of {resource_type}.")

    def _not_offered(self, text: str) -> FhirRefused:
        way = self._personality().undeclared
        return FhirRefused(way.status, Issue("not-supported", text), silent=way.body == "empty")

    def create(self, resource: JsonObject, request: FhirRequest, resource_id: str | None = None) -> Stored:
        """Create a resource, already checked; FhirRefused 403 if the token may not."""
        resource_type = str(resource["resourceType"])
        self._check_declared(resource_type, "create")
        allowed = request.access.condition(resource_type, "c", self.store.base)
        check_rules(self._personality(), resource, self.store)
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
        self._check_declared(resource_type, "update")
        allowed = request.access.condition(resource_type, "u", self.store.base)
        check_rules(self._personality(), resource, self.store, is_change=True)
        with self.store.database.transaction():
            current = self._find(request, resource_type, resource_id, "u")
            check_if_match(request.headers.get("if-match"), current.version)
            stored = self.store.update(resource, current)
            if not self.store.meets(stored, allowed):
                raise refuse(
                    403, "forbidden", f"The granted scopes do not allow this change of {resource_type}."
                )
            return stored

    def _answer_system(self, request: FhirRequest) -> FhirAnswer:
        if request.method == "POST":
            return self._process_bundle(request)
        parameters = dict(request.parameters)
        if request.method == "GET" and PAGE_PARAMETER in parameters:
            page = self.searcher.continue_search(parameters[PAGE_PARAMETER], request.access)
            return FhirAnswer(200, {}, encode(page))
        raise refuse(405, "not-supported", "Of the base, only POST of a transaction or batch is supported.")

    def _process_bundle(self, request: FhirRequest) -> FhirAnswer:
        kind = decode(request.body).get("type")
        if kind in ("transaction", "batch") and kind not in self._personality().system:
            raise self._not_offered(f"This server does not offer {kind}.")
        return Bundles(self).process(request)

    def _search(self, request: FhirRequest, resource_type: str) -> FhirAnswer:
        strict = request.prefers("handling") == "strict"
        bundle = self.searcher.search(resource_type, request.parameters, request.access, strict=strict)
        return FhirAnswer(200, {}, encode(bundle))

    def _create(self, request: FhirRequest, resource_type: str) -> FhirAnswer:
        self._check_declared(resource_type, "create")
        resource = decode(request.body)
        if not request.access.can(resource_type, "c"):
            raise refuse(
                403, "forbidden", f"The granted scopes do not allow to create {resource_type} resources."
            )
        check_resource(resource, resource_type)
        with self.store.database.transaction():
            condition = (
                request.headers.get("if-none-exist") if self._personality().conditional_create else None
            )
            found = self.find_one(resource_type, condition, request) if condition is not None else None
            stored = found or self.create(resource, request)
            if found is None:
                self.store.check_references(resource)
        return self._answer_created(stored, 200 if found else 201, request.prefers("return"))

    def _answer_created(self, stored: Stored, status: int, prefer: str | None) -> FhirAnswer:
        way = self._personality().creation
        wanted = "minimal" if way.body == "empty" and prefer is None else prefer
        answer = answer_resource(stored, status, base=self.store.base, prefer=wanted)
        headers = dict(answer.headers)
        if way.location == "relative":
            headers["Location"] = stored.reference
        if not way.etag:
            del headers["ETag"]
        return replace(answer, headers=headers)

    def _update(self, request: FhirRequest, resource_type: str, resource_id: str) -> FhirAnswer:
        self._check_declared(resource_type, "update")
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
