"""The answers of the read-only interface: searchset Bundles and its CapabilityStatement. Pure."""

from urllib.parse import urlencode

from plugin import __version__
from plugin.served.searching import PARAMETERS, Page, Search
from plugin.served.shelf import TYPES

JsonObject = dict[str, object]


def searchset(base: str, kind: str, search: Search, page: Page) -> JsonObject:
    """Build one page of results with the addresses of its neighbours."""
    entry: list[JsonObject] = [
        {
            "fullUrl": f"{base}/{kind}/{each.id}",
            "resource": each.resource,
            "search": {"mode": "match"},
        }
        for each in page.shown
    ]
    if page.held_back:
        entry.append({"resource": _held_back(page.held_back), "search": {"mode": "outcome"}})
    if page.altered:
        entry.append({"resource": _altered(page.altered), "search": {"mode": "outcome"}})
    link = [_link("self", base, kind, search, search.page)]
    if search.count and search.page * search.count < page.total:
        link.append(_link("next", base, kind, search, search.page + 1))
    if search.page > 1:
        link.append(_link("previous", base, kind, search, search.page - 1))
    bundle: JsonObject = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": page.total,
        "link": link,
    }
    return {**bundle, "entry": entry} if entry else bundle


def statement(base: str) -> JsonObject:
    """Say what the interface of one site offers."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-23",
        "kind": "instance",
        "software": {"name": "Rapport", "version": __version__},
        "implementation": {"description": "What Rapport keeps of the patients of one site", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {"mode": "server", "documentation": _ACCESS, "resource": [_describe(each) for each in TYPES]}
        ],
    }


_ACCESS = (
    "For one patient at a time: with the EHR's access token of an app that was launched for the patient "
    "(Authorization: Bearer), or in a clinician's browser session."
)


def _describe(kind: str) -> JsonObject:
    names = [
        {"name": "patient", "type": "reference"},
        {"name": "_id", "type": "token"},
        *({"name": name, "type": how} for name, (how, _) in PARAMETERS[kind].items()),
    ]
    interactions = ["read", "search-type"]
    if kind == "QuestionnaireResponse":
        interactions.append("create")
    return {"type": kind, "interaction": [{"code": each} for each in interactions], "searchParam": names}


def _link(relation: str, base: str, kind: str, search: Search, page: int) -> JsonObject:
    query = [*search.used, ("_count", str(search.count))]
    if page > 1:
        query.append(("_page", str(page)))
    return {"relation": relation, "url": f"{base}/{kind}?{urlencode(query)}"}


def _altered(count: int) -> JsonObject:
    text = f"Of {count} rows what is kept does not open: somebody altered them in the database. rapport audit verify names them."
    issue = {"severity": "error", "code": "exception", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _held_back(count: int) -> JsonObject:
    text = f"{count} responses are not shown: here clinicians see scores, not single answers, or whoever answered did not agree."
    issue = {"severity": "information", "code": "suppressed", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
