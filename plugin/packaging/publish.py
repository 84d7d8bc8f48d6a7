"""Puts the package's definitions into a FHIR server; a second run finds them there and writes nothing.

Examples stay out: they are about nobody, and an EHR's record is no place for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import httpx

from plugin.errors import RapportError
from plugin.packaging.archive import JsonObject, read_json, write_json

Outcome = Literal["created", "updated", "unchanged", "not held"]
_FHIR_JSON = "application/fhir+json"
_ORDER = ("CodeSystem", "ValueSet", "StructureDefinition", "ObservationDefinition", "Questionnaire")
TYPES = (*_ORDER, "PlanDefinition", "ImplementationGuide")


class PublishingFailed(RapportError):
    """The server cannot be reached, or refuses: what it said and what to do. What was written before stays there."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one resource."""

    reference: str
    outcome: Outcome


def publish(resources: dict[str, JsonObject], base: str, http: httpx.Client) -> Iterator[Published]:
    """Put each resource into the server at `base`, what others refer to first; gives each result as it comes.

    The server's CapabilityStatement decides how: by our id where a PUT may create, else found by `url` and created or
    updated. A type that the server does not hold is told as "not held". PublishingFailed stops it.
    """
    server = _Server(base.removesuffix("/"), http)
    held = server.read_capability()
    trees = sorted(resources.values(), key=lambda tree: (_place(tree), str(tree["id"])))
    for tree in trees:
        kind = str(tree["resourceType"])
        outcome: Outcome = "not held"
        if kind in held:
            outcome = server.put_by_id(tree) if held[kind] else server.put_by_url(tree)
        yield Published(f"{kind}/{tree['id']}", outcome)


def _place(tree: JsonObject) -> int:
    kind = tree["resourceType"]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


@dataclass(frozen=True, slots=True)
class _Server:
    base: str
    http: httpx.Client

    def read_capability(self) -> dict[str, bool]:
        """Give the types that can be created or updated, each with whether an update may create."""
        statement = self._send("GET", "metadata")
        if statement is None or statement.get("resourceType") != "CapabilityStatement":
            raise PublishingFailed(
                f"{self.base} is no FHIR server: it has no CapabilityStatement.",
                "Give the server's FHIR base address, the one that /metadata is read from.",
            )
        types: dict[str, bool] = {}
        for rest in statement.get("rest", ()):
            for each in rest.get("resource", ()):
                codes = {interaction["code"] for interaction in each.get("interaction", ())}
                if codes & {"create", "update"}:
                    types[each["type"]] = bool(each.get("updateCreate")) and "update" in codes
        return types

    def put_by_id(self, tree: JsonObject) -> Outcome:
        place = f"{tree['resourceType']}/{tree['id']}"
        return self._put(tree, self._send("GET", place), place)

    def put_by_url(self, tree: JsonObject) -> Outcome:
        kind = str(tree["resourceType"])
        if "url" not in tree:
            return "not held"
        answer = self._send("GET", kind, query={"url": str(tree["url"])}) or {}
        found = [entry["resource"] for entry in answer.get("entry", ()) if "resource" in entry]
        same = [
            each
            for each in found
            if each.get("url") == tree["url"] and each.get("version") == tree["version"]
        ]
        if same:
            identity = same[0]["id"]
            return self._put({**tree, "id": identity}, same[0], f"{kind}/{identity}")
        self._send("POST", kind, tree)
        return "created"

    def _put(self, tree: JsonObject, current: JsonObject | None, place: str) -> Outcome:
        if current is not None and _content(current) == _content(tree):
            return "unchanged"
        self._send("PUT", place, tree)
        return "created" if current is None else "updated"

    def _send(
        self, method: str, place: str, tree: JsonObject | None = None, query: dict[str, str] | None = None
    ) -> JsonObject | None:
        headers = {"Accept": _FHIR_JSON, **({"Content-Type": _FHIR_JSON} if tree else {})}
        body = write_json(tree) if tree else None
        try:
            answer = self.http.request(
                method, f"{self.base}/{place}", content=body, headers=headers, params=query
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PublishingFailed(
                f"{self.base} cannot be reached ({type(error).__name__}).",
                "Check the address and the network; a second run writes only what is missing.",
            ) from None
        if method == "GET" and tree is None and answer.status_code in {404, 410}:
            return None
        if not answer.is_success:
            raise PublishingFailed(
                f"The server refused {method} {place} (HTTP {answer.status_code}). {_reason(answer)}".strip(),
                _REMEDIES.get(answer.status_code, "Correct what the server names, then run it again."),
            )
        if not answer.content:
            return None
        return _read(answer, place)


_REMEDIES = {
    401: "Give a token: --token-env NAME names the environment variable that holds it.",
    403: "Use a token that may read and write definitions (for example system/Questionnaire.cruds).",
}


def _read(answer: httpx.Response, place: str) -> JsonObject:
    try:
        return read_json(answer.content)
    except ValueError:
        raise PublishingFailed(
            f"The answer to {place} is not FHIR JSON.", "Give the server's FHIR base address."
        ) from None


def _reason(answer: httpx.Response) -> str:
    """Give what the server's OperationOutcome says, if it is one."""
    try:
        issues = read_json(answer.content).get("issue", ())
    except ValueError:
        return ""
    texts = []
    for issue in issues:
        details = issue.get("details", {}).get("text") or issue.get("diagnostics") or issue.get("code", "")
        where = ", ".join(issue.get("expression", ()))
        texts.append(f"{details} (at {where})" if where else details)
    return " ".join(texts)


def _content(tree: JsonObject) -> JsonObject:
    """Give a resource without what a server adds: its version, its time, its narrative."""
    meta = {
        key: value for key, value in tree.get("meta", {}).items() if key in {"profile", "tag", "security"}
    }
    rest = {key: value for key, value in tree.items() if key not in {"meta", "text"}}
    return {**rest, "meta": meta}
