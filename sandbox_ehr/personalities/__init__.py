"""Personalities: how the sandbox behaves, one TOML file each, with the source of every trait.

A personality narrows what the sandbox can do to what a kind of EHR declares, and refuses as that EHR refuses.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from sandbox_ehr.errors import SettingsInvalid
from sandbox_ehr.fhir.parameters import PARAMETERS, TYPES
from sandbox_ehr.scopes import ResourceScope, parse_scope

DEFAULT = "full"
RuleKind = Literal[
    "one-of",  # every value at the path is among `values`, and there is one
    "first-of",  # the first value at the path is
    "exactly",  # there are exactly so many values at the path
    "present",  # there is a value at the path
    "refers-to",  # every reference at the path is to one of these types, and there is one
    "known-questionnaire",  # the record holds the Questionnaire that is answered
    "open-encounter",  # the reference at the path is to an Encounter in progress
    "not-replayed",  # the record has no Observation of the same patient, code and time
]
_ALL = ("create", "read", "vread", "history-instance", "search-type", "update")
_LETTERS = {"create": "c", "read": "r", "update": "u", "search-type": "s"}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a resource must meet to be created; otherwise `status`, with `code` in the outcome's details.

    `also_changed` says that it holds for a change as well.
    """

    type: str
    kind: RuleKind
    status: int
    text: str
    source: str
    path: str = ""
    values: tuple[str, ...] = ()
    code: str | None = None
    also_changed: bool = False


class Undeclared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an interaction that is not declared is answered."""

    status: int = 405
    body: Literal["outcome", "empty"] = "outcome"


class Creation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a create is answered: the resource unless the client prefers less, or nothing unless it prefers more."""

    body: Literal["preferred", "empty"] = "preferred"
    location: Literal["absolute", "relative"] = "absolute"
    etag: bool = True


class OAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the authorization server says and grants differently."""

    issuer: Literal["own", "trailing-slash", "other-host"] = "own"
    scope_syntax: Literal["v1", "v2"] = "v2"
    wildcards: bool = True
    echoes_offline_access: bool = True
    scopes_supported: tuple[str, ...] = ()
    extra_grant_types: tuple[str, ...] = ()
    response_types: tuple[str, ...] = ("code",)
    auth_methods_key: str = "token_endpoint_auth_methods_supported"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    about: str
    sources: tuple[str, ...]
    conditional_create: bool
    system: tuple[Literal["transaction", "batch"], ...]
    bulk: tuple[Literal["system", "patient", "group"], ...] = ()
    topics: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    undeclared: Undeclared = Undeclared()
    creation: Creation = Creation()
    oauth: OAuth = OAuth()
    interactions: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    search: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    rule: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Personality:
    """One way to behave. `interactions` and `search` cover every type that it holds, and no other."""

    id: str
    name: str
    about: str
    sources: tuple[str, ...]
    assumptions: tuple[str, ...]
    system: frozenset[str]
    bulk: frozenset[str]
    topics: tuple[str, ...]
    conditional_create: bool
    undeclared: Undeclared
    creation: Creation
    oauth: OAuth
    interactions: Mapping[str, tuple[str, ...]] = field(repr=False)
    search: Mapping[str, tuple[str, ...]] = field(repr=False)
    rules: tuple[Rule, ...] = field(repr=False)

    def offers(self, resource_type: str, interaction: str) -> bool:
        """Whether this interaction is declared for the type."""
        return interaction in self.interactions.get(resource_type, ())

    def grant(self, scope: str) -> str:
        """Narrow granted scopes to what is declared; wildcards go where they are not supported."""
        kept: list[str] = []
        for text in scope.split():
            parsed = parse_scope(text)
            if parsed is None:
                kept.append(text)
            elif parsed.resource == "Subscription":
                kept += [text] if self.topics else []
            elif parsed.resource != "*":
                kept += self._declared(text, parsed)
            elif self.oauth.wildcards:
                letters = {each for name in self.interactions for each in self._letters(name)}
                kept += _narrowed(text, parsed, letters)
        return " ".join(kept)

    def spell(self, scope: str) -> str:
        """Write granted scopes as the token response shows them."""
        words = scope.split()
        if not self.oauth.echoes_offline_access:
            words = [word for word in words if word != "offline_access"]
        if self.oauth.scope_syntax == "v1":
            words = [each for word in words for each in _version_1(word)]
        return " ".join(dict.fromkeys(words))

    def _declared(self, text: str, scope: ResourceScope) -> list[str]:
        return _narrowed(text, scope, self._letters(scope.resource))

    def _letters(self, resource_type: str) -> set[str]:
        return {_LETTERS[each] for each in self.interactions.get(resource_type, ()) if each in _LETTERS}


def personality_ids() -> tuple[str, ...]:
    """Name the personalities there are, the default first."""
    found = [
        each.name.removesuffix(".toml") for each in files(__name__).iterdir() if each.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda each: (each != DEFAULT, each)))


@cache
def load_personality(personality_id: str) -> Personality:
    """Read a personality; SettingsInvalid if there is none of this name or its file breaks a rule."""
    if personality_id not in personality_ids():
        known = ", ".join(personality_ids())
        raise SettingsInvalid(f"There is no personality {personality_id!r}: choose one of {known}.")
    text = (files(__name__) / f"{personality_id}.toml").read_text(encoding="utf-8")
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"The personality {personality_id} cannot be used: {error}.") from None
    interactions = file.interactions or dict.fromkeys(TYPES, _ALL)
    search = {each: file.search.get(each, tuple(PARAMETERS[each])) for each in interactions}
    return Personality(
        id=personality_id,
        name=file.name,
        about=file.about,
        sources=file.sources,
        assumptions=file.assumptions,
        system=frozenset(file.system),
        bulk=frozenset(file.bulk),
        topics=file.topics,
        conditional_create=file.conditional_create,
        undeclared=file.undeclared,
        creation=file.creation,
        oauth=file.oauth,
        interactions=interactions,
        search=search,
        rules=file.rule,
    )


def _narrowed(text: str, scope: ResourceScope, letters: set[str]) -> list[str]:
    actions = scope.actions & letters
    if not actions:
        return []
    # Deletion is granted where it was registered and never possible: it says nothing of what is declared.
    if actions == scope.actions - {"d"}:
        return [text]
    return [str(ResourceScope(scope.level, scope.resource, actions, scope.filters))]


def _version_1(word: str) -> list[str]:
    scope = parse_scope(word)
    if scope is None:
        return [word]
    head = f"{scope.level}/{scope.resource}"
    spelt = [f"{head}.read"] if scope.actions & {"r", "s"} else []
    return [*spelt, f"{head}.write"] if scope.actions & {"c", "u", "d"} else spelt
