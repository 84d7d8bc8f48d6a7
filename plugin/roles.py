"""Who may do what: roles, and how a site says who has them. Nobody has one that is not given here.

A clinician is whoever the EHR lets open Rapport in a patient's chart, and a respondent whoever holds an invitation;
the others look beyond one patient, and are named by the site.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

Code = tuple[str, str]  # system and code


class Role(StrEnum):
    """What somebody is to Rapport."""

    CLINICIAN = "clinician"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    RESEARCHER = "researcher"
    RESPONDENT = "respondent"


STAFF = (Role.ADMINISTRATOR, Role.AUDITOR, Role.SUPERVISOR, Role.RESEARCHER)
"""The roles that a site gives by name; in the order in which pages show them."""


@dataclass(frozen=True, slots=True)
class RoleBook:
    """A site's own list: references of people (`Practitioner/1`) and codes of PractitionerRole, with their roles."""

    people: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    codes: Mapping[Code, frozenset[Role]] = field(default_factory=dict)
    teams: tuple["Team", ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is given any role."""
        return not self.people and not self.codes

    def roles_of(self, user: str | None, codes: Iterable[Code] = ()) -> frozenset[Role]:
        """Give the roles of somebody who signed in as `user` and whom the EHR gives these codes."""
        if user is None:
            return frozenset()
        found = set(self.people.get(user, ()))
        for code in codes:
            found |= self.codes.get(code, frozenset())
        return frozenset(found)

    def team_of(self, user: str) -> tuple[str, ...] | None:
        """Give the clinicians that somebody supervises; None: every clinician of the site."""
        own = [each for each in self.teams if user in each.supervisors]
        if any(EVERYBODY in each.clinicians for each in own):
            return None
        return tuple(dict.fromkeys(clinician for each in own for clinician in each.clinicians))


@dataclass(frozen=True, slots=True)
class Team:
    """Who supervises whom: references of people, or `*` for every clinician of the site."""

    supervisors: tuple[str, ...]
    clinicians: tuple[str, ...]


EVERYBODY = "*"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Named = Literal["administrator", "auditor", "supervisor", "researcher"]
_Reference = Annotated[str, Field(pattern=r"^(Practitioner|PractitionerRole|Person)/[A-Za-z0-9\-.]{1,64}$")]


class _CodeRow(_Strict):
    role: _Named
    system: Annotated[str, Field(min_length=1)]
    code: Annotated[str, Field(min_length=1)]


class _TeamRow(_Strict):
    supervisor: Annotated[tuple[_Reference, ...], Field(min_length=1)]
    clinicians: Annotated[tuple[_Reference | Literal["*"], ...], Field(min_length=1)]


class RolesSection(_Strict):
    """`[site.roles]` of the TOML file."""

    administrator: tuple[_Reference, ...] = ()
    auditor: tuple[_Reference, ...] = ()
    supervisor: tuple[_Reference, ...] = ()
    researcher: tuple[_Reference, ...] = ()
    code: tuple[_CodeRow, ...] = ()
    team: tuple[_TeamRow, ...] = ()


def build_roles(section: RolesSection) -> RoleBook:
    """Turn the section into values."""
    people: dict[str, set[Role]] = {}
    for role in STAFF:
        for reference in getattr(section, role.value):
            people.setdefault(reference, set()).add(role)
    codes: dict[Code, set[Role]] = {}
    for row in section.code:
        codes.setdefault((row.system, row.code), set()).add(Role(row.role))
    return RoleBook(
        {each: frozenset(roles) for each, roles in people.items()},
        {each: frozenset(roles) for each, roles in codes.items()},
        tuple(Team(each.supervisor, each.clinicians) for each in section.team),
    )


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct):
    coding: tuple[_Coding, ...] = ()


class _Link(msgspec.Struct):
    reference: str = ""


class _PractitionerRole(msgspec.Struct):
    active: bool = True
    practitioner: _Link = msgspec.field(default_factory=_Link)
    code: tuple[_Concept, ...] = ()


def read_role_codes(resource: Mapping[str, object], user: str) -> tuple[Code, ...]:
    """Read the codes of a PractitionerRole; none if it is ended, malformed or somebody else's than `user`."""
    try:
        role = msgspec.convert(resource, _PractitionerRole)
    except msgspec.ValidationError:
        return ()
    own = user in {role.practitioner.reference, f"PractitionerRole/{resource.get('id')}"}
    if not role.active or not own:
        return ()
    return tuple((each.system, each.code) for concept in role.code for each in concept.coding if each.code)
