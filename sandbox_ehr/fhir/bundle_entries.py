"""Reads the entries of a posted Bundle, naming the place of what is malformed. Pure."""

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote

from sandbox_ehr.errors import FhirRefused, refuse
from sandbox_ehr.fhir.exchange import FhirRequest
from sandbox_ehr.fhir.json_text import JsonObject, encode, quote
from sandbox_ehr.fhir.parameters import FOLLOWS_TARGETS

_ORDER = ("POST", "PUT", "GET")  # in which a transaction is processed
_HEADERS = {"ifNoneExist": "if-none-exist", "ifMatch": "if-match", "ifNoneMatch": "if-none-match"}


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """One entry: what it asks, and the address that the others refer to it by."""

    index: int
    full_url: str | None
    resource: JsonObject | None
    request: FhirRequest

    @property
    def rank(self) -> tuple[int, bool]:
        """Creates first, and what speaks of other resources after them."""
        return _ORDER.index(self.request.method), self.request.path in FOLLOWS_TARGETS


def read_entry(raw: object, index: int, whole: FhirRequest) -> BundleEntry:
    """Read an entry; FhirRefused 400 with the place of what it lacks or what is of the wrong JSON type."""
    place = f"Bundle.entry[{index}]"
    if not isinstance(raw, dict):
        raise _wrong("An entry is a JSON object", raw, place)
    asked = raw.get("request")
    if asked is None:
        raise refuse(400, "required", "Every entry needs a request.", f"{place}.request")
    if not isinstance(asked, dict):
        raise _wrong("A request is a JSON object", asked, f"{place}.request")
    resource = raw.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise _wrong("A resource is a JSON object", resource, f"{place}.resource")
    request = _read_request(asked, f"{place}.request", whole)
    body = encode(resource) if resource is not None else b""
    full_url = _text(raw, "fullUrl", place)
    return BundleEntry(index, full_url, resource, replace(request, body=body))


def _read_request(asked: JsonObject, place: str, whole: FhirRequest) -> FhirRequest:
    method, url = _text(asked, "method", place), _text(asked, "url", place)
    if method is None or url is None:
        raise refuse(400, "required", "A request needs a method and a url.", place)
    if method not in _ORDER:
        text = f"{quote(method)} is not supported in a Bundle, only {', '.join(_ORDER)}."
        raise refuse(400, "not-supported", text, f"{place}.method")
    headers = {
        header: value for name, header in _HEADERS.items() if (value := _text(asked, name, place)) is not None
    }
    path, _, query = url.partition("?")
    return FhirRequest(
        method=method,
        path=unquote(path).strip("/"),
        access=whole.access,
        parameters=tuple(parse_qsl(query, keep_blank_values=True)),
        headers={**headers, "prefer": whole.headers.get("prefer", "")},
    )


def _text(holder: JsonObject, name: str, place: str) -> str | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong(f"{name} is a string", value, f"{place}.{name}")
    return value


def _wrong(expected: str, found: object, place: str) -> FhirRefused:
    return refuse(400, "structure", f"{expected}; here it is {quote(found)}.", place)
