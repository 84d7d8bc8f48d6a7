"""Transactions (all or nothing, references rewritten) and batches (each entry for itself).

https://hl7.org/fhir/R4/http.html#transaction
"""

import uuid
from http import HTTPStatus
from typing import Protocol

import msgspec

from sandbox_ehr.errors import FhirRefused, Issue, refuse
from sandbox_ehr.fhir.bundle_entries import BundleEntry, read_entry
from sandbox_ehr.fhir.exchange import FhirAnswer, FhirRequest, answer_refusal
from sandbox_ehr.fhir.json_text import JsonObject, decode, encode
from sandbox_ehr.fhir.parameters import TYPES
from sandbox_ehr.fhir.store import Store, Stored
from sandbox_ehr.fhir.validate import check_resource


class Interactions(Protocol):
    """What a bundle needs of the FHIR server."""

    store: Store

    def interact(self, request: FhirRequest) -> FhirAnswer:
        """Carry out one interaction."""

    def find_one(self, resource_type: str, condition: str, request: FhirRequest) -> Stored | None:
        """Find what a condition names."""

    def create(self, resource: JsonObject, request: FhirRequest, resource_id: str) -> Stored:
        """Create a resource."""

    def update(self, resource: JsonObject, resource_id: str, request: FhirRequest) -> Stored:
        """Replace a resource."""


class Bundles:
    """Processes the Bundles that are posted to the base."""

    def __init__(self, server: Interactions) -> None:
        self._server = server

    def process(self, request: FhirRequest) -> FhirAnswer:
        """Process a transaction or batch; FhirRefused if it is neither, or if a transaction fails in any entry."""
        bundle = decode(request.body)
        kind = bundle.get("type")
        if bundle.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
            text = "Only a Bundle of type transaction or batch can be posted to the base."
            raise refuse(400, "invalid", text, "Bundle.type")
        raw = bundle.get("entry", [])
        if not isinstance(raw, list):
            raise refuse(400, "structure", "entry is a list of entries.", "Bundle.entry")
        if kind == "batch":
            results = [self._alone(each, index, request) for index, each in enumerate(raw)]
        else:
            entries = [read_entry(each, index, request) for index, each in enumerate(raw)]
            results = self._transact(entries)
            if request.prefers("return") != "representation":
                results = [_shorten(each, entry) for each, entry in zip(results, entries, strict=True)]
        answer: JsonObject = {"resourceType": "Bundle", "type": f"{kind}-response"}
        return FhirAnswer(200, {}, encode({**answer, "entry": results} if results else answer))

    def _alone(self, raw: object, index: int, whole: FhirRequest) -> JsonObject:
        try:
            answer = self._server.interact(read_entry(raw, index, whole).request)
        except FhirRefused as refused:
            answer = answer_refusal(refused)
        return _to_entry(answer)

    def _transact(self, entries: list[BundleEntry]) -> list[JsonObject]:
        results: dict[int, JsonObject] = {}
        with self._server.store.database.transaction():
            present, addresses = self._plan(entries)
            for entry in sorted(entries, key=lambda each: each.rank):
                try:
                    results[entry.index] = self._carry_out(entry, present, addresses)
                except FhirRefused as refused:
                    raise _at(entry, refused) from None
            for entry in entries:
                self._check_references(entry, present, addresses)
        return [results[index] for index in range(len(entries))]

    def _plan(self, entries: list[BundleEntry]) -> tuple[dict[int, Stored], dict[str, str]]:
        """Find what conditional creates find, and decide every address before anything is written."""
        present: dict[int, Stored] = {}
        addresses: dict[str, str] = {}
        conditions: set[tuple[str, str]] = set()
        replaced: set[str] = set()
        for entry in entries:
            try:
                _check_once(entry, replaced)
                found = self._find_present(entry, conditions)
            except FhirRefused as refused:
                raise _at(entry, refused) from None
            if found is not None:
                present[entry.index] = found
            if entry.full_url is None:
                continue
            if entry.full_url in addresses:
                raise _at(entry, refuse(400, "duplicate", f"fullUrl {entry.full_url} stands twice."))
            path = entry.request.path
            new = path if entry.request.method != "POST" else f"{path}/{uuid.uuid4()}"
            addresses[entry.full_url] = found.reference if found else new
        return present, addresses

    def _find_present(self, entry: BundleEntry, conditions: set[tuple[str, str]]) -> Stored | None:
        request = entry.request
        condition = request.headers.get("if-none-exist")
        if request.method in {"POST", "PUT"}:
            resource_type = request.path.partition("/")[0]
            if resource_type not in TYPES:
                raise refuse(404, "not-supported", f"This server does not hold {resource_type} resources.")
            if request.method == "POST" and request.path != resource_type:
                raise refuse(400, "invalid", f"A resource is created by POST to {resource_type}.")
            if entry.resource is None:
                raise refuse(400, "required", "The entry has no resource.")
            action = "c" if request.method == "POST" else "u"
            request.access.condition(resource_type, action, self._server.store.base)
            check_resource(entry.resource, resource_type)
        if condition is None or request.method != "POST":
            return None
        if (request.path, condition) in conditions:
            raise refuse(400, "duplicate", f"Two entries are conditional on the same {condition}.")
        conditions.add((request.path, condition))
        return self._server.find_one(request.path, condition, request)

    def _carry_out(
        self, entry: BundleEntry, present: dict[int, Stored], addresses: dict[str, str]
    ) -> JsonObject:
        request, base = entry.request, self._server.store.base
        if entry.index in present:
            return _stored_entry(present[entry.index], 200, base)
        if request.method == "GET" or entry.resource is None:
            return _to_entry(self._server.interact(request))
        resource = _rewrite(entry.resource, addresses)
        if request.method == "PUT":
            return _stored_entry(
                self._server.update(resource, request.path.partition("/")[2], request), 200, base
            )
        address = addresses.get(entry.full_url or "", f"/{uuid.uuid4()}")
        return _stored_entry(self._server.create(resource, request, address.partition("/")[2]), 201, base)

    def _check_references(
        self, entry: BundleEntry, present: dict[int, Stored], addresses: dict[str, str]
    ) -> None:
        if entry.resource is None or entry.index in present:
            return
        try:
            self._server.store.check_references(_rewrite(entry.resource, addresses))
        except FhirRefused as refused:
            raise _at(entry, refused) from None


def _check_once(entry: BundleEntry, replaced: set[str]) -> None:
    """FhirRefused 400 if two entries write the same resource (R4 http.html#trules)."""
    if entry.request.method != "PUT":
        return
    if entry.request.path in replaced:
        raise refuse(400, "duplicate", f"Two entries write {entry.request.path}: a transaction may once.")
    replaced.add(entry.request.path)


def _rewrite(value: JsonObject, addresses: dict[str, str]) -> JsonObject:
    """Replace the addresses of this Bundle wherever they are referred to: references, uris, links in narrative."""
    rewritten = _rewrite_value(value, addresses)
    if not isinstance(rewritten, dict):
        raise TypeError
    return rewritten


def _rewrite_value(value: object, addresses: dict[str, str], key: str = "") -> object:
    if isinstance(value, dict):
        return {name: _rewrite_value(inner, addresses, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_rewrite_value(inner, addresses, key) for inner in value]
    if not isinstance(value, str) or key == "value":  # an Identifier's value is not an address
        return value
    if key == "div":
        for address, place in addresses.items():
            value = value.replace(f'"{address}"', f'"{place}"')
        return value
    return addresses.get(value, value)


def _at(entry: BundleEntry, refused: FhirRefused) -> FhirRefused:
    """Say in which entry it failed."""
    place = f"Bundle.entry[{entry.index}]"
    issues = (
        Issue(each.code, each.text, f"{place}.resource ({each.expression})" if each.expression else place)
        for each in refused.issues
    )
    return FhirRefused(refused.status, *issues)


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"


def _stored_entry(stored: Stored, status: int, base: str) -> JsonObject:
    return {
        "fullUrl": f"{base}/{stored.reference}",
        "resource": msgspec.Raw(stored.body),
        "response": {
            "status": _status(status),
            "location": f"{base}/{stored.reference}/_history/{stored.version}",
            "etag": stored.etag,
        },
    }


def _to_entry(answer: FhirAnswer) -> JsonObject:
    response: JsonObject = {"status": _status(answer.status)}
    if "Location" in answer.headers:
        response["location"] = answer.headers["Location"]
    if "ETag" in answer.headers:
        response["etag"] = answer.headers["ETag"]
    if answer.status >= HTTPStatus.BAD_REQUEST:
        outcome: JsonObject = {"outcome": msgspec.Raw(answer.body)} if answer.body else {}
        return {"response": {**response, **outcome}}
    return (
        {"resource": msgspec.Raw(answer.body), "response": response}
        if answer.body
        else {"response": response}
    )


def _shorten(result: JsonObject, entry: BundleEntry) -> JsonObject:
    """Leave out the resource that the client itself has just sent."""
    return result if entry.request.method == "GET" else {k: v for k, v in result.items() if k != "resource"}
