"""Asks a FHIR server for a Questionnaire, and for the value sets and code systems that it names; they come back inside it."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec

from plugin.errors import RapportError
from plugin.instrument_sections import Pinned
from questionnaires.datatypes import read_decimal
from questionnaires.resources import WEIGHTS

JsonObject = dict[str, object]

_LARGEST = 5_000_000  # bytes of an answer
_SECONDS = 20
_ACCEPT = "application/fhir+json"
# Decimals keep the digits with which they came.
_decoder = msgspec.json.Decoder(JsonObject, float_hook=read_decimal)
_sorted = msgspec.json.Encoder(decimal_format="number", order="deterministic")
# What a server adds or may change without the form being another.
_OF_THE_SERVER = ("id", "meta", "text")
_AGAIN = "Correct the server or the address, then run `rapport instruments fetch`"


class FetchFailed(RapportError):
    """A form could not be fetched, or is not what was pinned."""

    title = "Instruments"
    code = "not-found"


@dataclass(frozen=True, slots=True)
class _Server:
    form: Pinned
    http: httpx.AsyncClient
    headers: dict[str, str]


async def ask_form(form: Pinned, http: httpx.AsyncClient) -> JsonObject:
    """Ask for a form by url and version; value sets and code systems that it names and does not contain are put into it.

    FetchFailed if the server has none, or several that differ. A value set or code system that the server does not have is
    left out: whether the form can do without it is found when it is loaded.
    """
    server = _Server(form, http, _headers(form))
    url, _, version = form.canonical.partition("|")
    found = [
        each
        for each in await _search(server, "Questionnaire", url, version)
        if each.get("version") == version
    ]
    if not found:
        raise FetchFailed(f"{form.server} has no Questionnaire {form.canonical}.", f"{_AGAIN}.")
    tree = _only(server, found, f"Questionnaires {form.canonical}")
    fetched = [await _fetch_named(server, "ValueSet", name) for name in _named_value_sets(tree)]
    value_sets = [each for each in fetched if each is not None]
    systems = sorted(
        {*_unweighed_systems(tree), *(name for each in value_sets for name in _listed_systems(each))}
    )
    fetched = [await _fetch_named(server, "CodeSystem", name) for name in systems]
    more = [*value_sets, *(each for each in fetched if each is not None)]
    if not more:
        return tree
    # A form is fetched whole: without these, its options or their weights would be another server's matter.
    return {**tree, "contained": [*_dicts(tree.get("contained")), *more]}


def content_hash(tree: JsonObject) -> str:
    """Give the SHA-256 (hex) of a form without what its server adds: id, meta and narrative."""
    content = {name: value for name, value in tree.items() if name not in _OF_THE_SERVER}
    return hashlib.sha256(_sorted.encode(content)).hexdigest()


def read_tree(data: bytes) -> JsonObject:
    """Decode a JSON object; FetchFailed if it is none."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise FetchFailed("What was fetched is no JSON object.", f"{_AGAIN}.") from None


def _headers(form: Pinned) -> dict[str, str]:
    headers = {"Accept": _ACCEPT}
    if form.token is not None:
        token = os.environ.get(form.token, "").strip()
        if not token:
            raise FetchFailed(
                f"The environment variable {form.token} is empty.", "Put the access token into it."
            )
        headers["Authorization"] = f"Bearer {token}"
    return headers


async def _fetch_named(server: _Server, kind: str, canonical: str) -> JsonObject | None:
    url, _, version = canonical.partition("|")
    try:
        found = await _search(server, kind, url, version)
    except FetchFailed:
        # Many servers keep questionnaires only.
        return None
    return _only(server, found, f"{kind}s {canonical}") if found else None


def _only(server: _Server, found: list[JsonObject], what: str) -> JsonObject:
    if len({content_hash(each) for each in found}) > 1:
        raise FetchFailed(
            f"{server.form.server} has {len(found)} different {what}.",
            "Let its publisher keep one of them.",
        )
    return found[0]


async def _search(server: _Server, kind: str, url: str, version: str) -> list[JsonObject]:
    parameters = {"url": url} | ({"version": version} if version else {})
    bundle = read_tree(await _get(server, kind, parameters))
    resources = (each.get("resource") for each in _dicts(bundle.get("entry")))
    return [
        each
        for each in resources
        if isinstance(each, dict) and each.get("resourceType") == kind and each.get("url") == url
    ]


async def _get(server: _Server, kind: str, parameters: dict[str, str]) -> bytes:
    form = server.form
    host = urlsplit(form.server).netloc
    try:
        answer = await server.http.get(
            f"{form.server}/{kind}",
            params=parameters,
            headers=server.headers,
            timeout=_SECONDS,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise FetchFailed(
            f"{host} could not be reached for {form.canonical} ({type(error).__name__}).", f"{_AGAIN}."
        ) from None
    if answer.status_code != 200:
        raise FetchFailed(f"{host} answered {answer.status_code} for {form.canonical}.", f"{_AGAIN}.")
    if len(answer.content) > _LARGEST:
        raise FetchFailed(f"{host} answered more than {_LARGEST} bytes.", f"{_AGAIN}.")
    return answer.content


def _named_value_sets(tree: JsonObject) -> list[str]:
    """Give the value sets that are named by address and not contained."""
    contained = {each.get("url") for each in _dicts(tree.get("contained"))}
    names = [str(item["answerValueSet"]) for item in _items(tree) if "answerValueSet" in item]
    return [
        name
        for name in dict.fromkeys(names)
        if not name.startswith("#") and name.partition("|")[0] not in contained
    ]


def _unweighed_systems(tree: JsonObject) -> set[str]:
    """Give the code systems of options that have no weight of their own, in the form and in what it contains."""
    found: set[str] = set()
    for item in _items(tree):
        for option in _dicts(item.get("answerOption")):
            coding = option.get("valueCoding")
            if isinstance(coding, dict) and not _has_weight(option) and not _has_weight(coding):
                found.add(str(coding.get("system")))
    contained = _dicts(tree.get("contained"))
    for each in contained:
        found |= _listed_systems(each)
    return found - {str(each.get("url")) for each in contained} - {"None"}


def _listed_systems(value_set: JsonObject) -> set[str]:
    """Give the code systems of which a value set takes all codes, or codes without their weight."""
    compose = value_set.get("compose")
    includes = _dicts(compose.get("include")) if isinstance(compose, dict) else []
    return {
        str(each["system"])
        for each in includes
        if "system" in each and not all(map(_has_weight, _dicts(each.get("concept")) or [{}]))
    }


def _has_weight(element: JsonObject) -> bool:
    return any(each.get("url") in WEIGHTS for each in _dicts(element.get("extension")))


def _items(tree: JsonObject) -> Iterator[JsonObject]:
    for item in _dicts(tree.get("item")):
        yield item
        yield from _items(item)


def _dicts(value: object) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
