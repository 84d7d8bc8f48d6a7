"""Search: parameters in, a searchset Bundle out, page by page from a frozen list of results."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import msgspec

from sandbox_ehr.errors import Issue, refuse
from sandbox_ehr.fhir.access import Access
from sandbox_ehr.fhir.exchange import outcome
from sandbox_ehr.fhir.json_text import JsonObject
from sandbox_ehr.fhir.parameters import PARAMETERS
from sandbox_ehr.fhir.query import Condition, both, compile_condition, either, is_known
from sandbox_ehr.fhir.store import Store, Stored
from sandbox_ehr.personalities import Personality

_PAGE = 50
_LARGEST_PAGE = 250
_KEPT_SEARCHES = 1000
_MOST_VALUES = 500  # of all parameters of a search together
_CONTROLS = {"_count", "_sort", "_include", "_revinclude", "_summary"}
_WITHOUT_EFFECT = {"_format", "_pretty", "_total"}
PAGE_PARAMETER = "_page"


@dataclass(frozen=True, slots=True)
class _Include:
    source: str
    param: str
    target: str | None
    reverse: bool


@dataclass(frozen=True, slots=True)
class _Query:
    """A search that was understood."""

    type: str
    condition: Condition
    sort: tuple[tuple[str, bool], ...]
    count: int
    includes: tuple[_Include, ...]
    used: tuple[tuple[str, str], ...]
    warnings: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class _Continuation:
    """Where the next page of a search goes on, and for whom."""

    query: _Query
    ids: tuple[str, ...]
    total: int
    access: Access


class Searcher:
    """Answers searches. A page's address is opaque, lives while it is among the last thousand, and is one client's."""

    def __init__(self, store: Store, personality: Callable[[], Personality]) -> None:
        self._store = store
        self._personality = personality
        self._continuations: OrderedDict[str, _Continuation] = OrderedDict()

    def search(
        self, resource_type: str, parameters: Iterable[tuple[str, str]], access: Access, *, strict: bool
    ) -> JsonObject:
        """Find resources; FhirRefused 403 without the scope, 400 for what is not understood (unknown names: if strict)."""
        allowed = access.condition(resource_type, "s", self._store.base)
        query = self._parse(resource_type, tuple(parameters), strict=strict)
        ids = self._store.find(resource_type, both(query.condition, allowed), sort=query.sort)
        return self._page(_Continuation(query, ids, len(ids), access))

    def continue_search(self, key: str, access: Access) -> JsonObject:
        """Give the page behind a `next` link; FhirRefused 410 if it has gone, or is another token's."""
        found = self._continuations.get(key)
        if found is None or found.access != access:
            raise refuse(410, "expired", "This page of results is no longer kept: search again.")
        return self._page(found)

    def match(
        self, resource_type: str, query: str | Sequence[tuple[str, str]], condition: Condition
    ) -> tuple[str, ...]:
        """Find the ids that meet the criteria of a conditional interaction; every criterion must be understood."""
        pairs = _split_query(query) if isinstance(query, str) else tuple(query)
        if not pairs:
            raise refuse(412, "invalid", "The condition of the conditional create has no criterion.")
        parsed = self._parse(resource_type, pairs, strict=True)
        return self._store.find(resource_type, both(parsed.condition, condition))

    def _parse(self, resource_type: str, parameters: tuple[tuple[str, str], ...], *, strict: bool) -> _Query:
        conditions, includes, warnings, used = [], [], [], []
        sort: tuple[tuple[str, bool], ...] = ()
        count = _PAGE
        if sum(1 + value.count(",") for _, value in parameters) > _MOST_VALUES:
            raise refuse(400, "too-costly", f"A search takes {_MOST_VALUES} values: ask in several.")
        for name, value in parameters:
            if name in _WITHOUT_EFFECT or not value:
                continue
            if name == "_sort":
                sort = _parse_sort(resource_type, value)
            elif name == "_count" or (name, value) == ("_summary", "count"):
                count = _parse_count("0" if name == "_summary" else value)
            elif name in {"_include", "_revinclude"}:
                includes.append(_parse_include(value, reverse=name == "_revinclude"))
            elif is_known(resource_type, name) and self._is_declared(resource_type, name):
                conditions.append(compile_condition(resource_type, name, value, self._store.base))
            else:
                warnings.append(_unknown(resource_type, name, strict=strict))
                continue
            used.append((name, value))
        condition = both(*conditions)
        return _Query(resource_type, condition, sort, count, tuple(includes), tuple(used), tuple(warnings))

    def _is_declared(self, resource_type: str, name: str) -> bool:
        plain = name.partition(":")[0]
        return plain.startswith("_") or plain in self._personality().search[resource_type]

    def _page(self, at: _Continuation) -> JsonObject:
        query, base = at.query, self._store.base
        shown, rest = at.ids[: query.count], at.ids[query.count :]
        matches = [found for each in shown if (found := self._store.read(query.type, each)) is not None]
        included = self._included(matches, at)
        link = [{"relation": "self", "url": f"{base}/{query.type}?{urlencode(query.used)}"}]
        if rest and query.count:
            key = self._keep(_Continuation(query, rest, at.total, at.access))
            link.append({"relation": "next", "url": f"{base}?{PAGE_PARAMETER}={key}"})
        entry = [_entry(each, base, "match") for each in matches] + [
            _entry(each, base, "include") for each in included
        ]
        if query.warnings:
            entry.append({"resource": outcome(*query.warnings), "search": {"mode": "outcome"}})
        bundle: JsonObject = {"resourceType": "Bundle", "type": "searchset", "total": at.total, "link": link}
        return {**bundle, "entry": entry} if entry else bundle

    def _included(self, matches: list[Stored], at: _Continuation) -> list[Stored]:
        """Fetch what the page's resources refer to, or what refers to them, as far as the token may see it."""
        found: dict[tuple[str, str], None] = {}
        for include in at.query.includes:
            follow = self._referring if include.reverse else self._referred
            found.update(dict.fromkeys(follow(matches, include)))
        have = {(match.type, match.id) for match in matches}
        visible = (self._visible(*pair, at.access) for pair in found if pair not in have)
        return [each for each in visible if each is not None]

    def _referred(self, matches: list[Stored], include: _Include) -> list[tuple[str, str]]:
        sources = [each for each in matches if each.type == include.source]
        pairs = self._store.referenced(sources, include.param)
        return [pair for pair in pairs if include.target in {None, pair[0]}]

    def _referring(self, matches: list[Stored], include: _Include) -> list[tuple[str, str]]:
        conditions = [
            compile_condition(include.source, include.param, each.reference, self._store.base)
            for each in matches
        ]
        ids = self._store.find(include.source, either(*conditions)) if conditions else ()
        return [(include.source, each) for each in ids]

    def _visible(self, resource_type: str, resource_id: str, access: Access) -> Stored | None:
        stored = self._store.read(resource_type, resource_id)
        if stored is None or not access.can(resource_type, "r"):
            return None
        return (
            stored
            if self._store.meets(stored, access.condition(resource_type, "r", self._store.base))
            else None
        )

    def _keep(self, continuation: _Continuation) -> str:
        key = secrets.token_urlsafe(24)
        self._continuations[key] = continuation
        while len(self._continuations) > _KEPT_SEARCHES:
            self._continuations.popitem(last=False)
        return key


def _entry(stored: Stored, base: str, mode: str) -> JsonObject:
    return {
        "fullUrl": f"{base}/{stored.reference}",
        "resource": msgspec.Raw(stored.body),
        "search": {"mode": mode},
    }


def _split_query(query: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(query.partition("?")[2] if "?" in query else query))


def _parse_sort(resource_type: str, value: str) -> tuple[tuple[str, bool], ...]:
    rules = []
    for each in value.split(","):
        name = each.removeprefix("-")
        if ":" in name or not (name in {"_id", "_lastUpdated"} or name in PARAMETERS[resource_type]):
            raise refuse(400, "not-supported", f"_sort={each} is not supported for {resource_type}.")
        rules.append((name, each.startswith("-")))
    return tuple(rules)


def _parse_count(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise refuse(400, "value", f"_count={value[:20]} is not a whole number.")
    return min(int(value[:9]), _LARGEST_PAGE)  # nobody needs to know the tenth digit


def _parse_include(value: str, *, reverse: bool) -> _Include:
    source, _, rest = value.partition(":")
    param, _, target = rest.partition(":")
    parameter = PARAMETERS.get(source, {}).get(param)
    if parameter is None or parameter.kind != "reference":
        name = "_revinclude" if reverse else "_include"
        raise refuse(
            400, "not-supported", f"{name}={value} is not supported: expected Type:reference-parameter."
        )
    return _Include(source, param, target or None, reverse)


def _unknown(resource_type: str, name: str, *, strict: bool) -> Issue:
    text = f"{resource_type} cannot be searched by {name} here."
    if strict:
        raise refuse(400, "not-supported", text)
    return Issue("not-supported", f"{text} It was ignored.", severity="warning")
