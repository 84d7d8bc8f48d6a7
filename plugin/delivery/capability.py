"""What an EHR declares in its CapabilityStatement, as far as writing goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

JsonObject = dict[str, object]
_TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    "capabilitystatement-subscriptiontopic-canonical"
)


@dataclass(frozen=True, slots=True)
class Capability:
    """Transactions; and per resource type creation, conditional creation, and search with its parameters."""

    transaction: bool
    creates: frozenset[str]
    conditional: frozenset[str]
    searches: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    updates: frozenset[str] = frozenset()
    versioned: frozenset[str] = (
        frozenset()
    )  # types that are changed only if they still are what was read (If-Match)
    fhir_version: str = ""
    software: str = ""
    publisher: str = ""
    topics: tuple[str, ...] = ()  # of topic-based Subscriptions (R4 backport)

    def searches_by(self, resource_type: str, parameter: str) -> bool:
        """Whether a type is declared to be searchable by a parameter."""
        return parameter in self.searches.get(resource_type, frozenset())


class _Interaction(msgspec.Struct):
    code: str = ""


class _Parameter(msgspec.Struct):
    name: str = ""


class _Extension(msgspec.Struct):
    url: str = ""
    valueCanonical: str = ""  # noqa: N815 -- FHIR's element name


class _Resource(msgspec.Struct):
    type: str = ""
    extension: tuple[_Extension, ...] = ()
    interaction: tuple[_Interaction, ...] = ()
    versioning: str = ""
    conditionalCreate: bool = False  # noqa: N815 -- FHIR's element name
    searchParam: tuple[_Parameter, ...] = ()  # noqa: N815 -- FHIR's element name

    def offers(self, interaction: str) -> bool:
        return any(each.code == interaction for each in self.interaction)


class _Rest(msgspec.Struct):
    mode: str = "server"
    resource: tuple[_Resource, ...] = ()
    interaction: tuple[_Interaction, ...] = ()


class _Software(msgspec.Struct):
    name: str = ""


class _Statement(msgspec.Struct):
    rest: tuple[_Rest, ...] = ()
    software: _Software = msgspec.field(default_factory=_Software)
    publisher: str = ""
    fhirVersion: str = ""  # noqa: N815 -- FHIR's element name


def read_capability(statement: JsonObject) -> Capability:
    """Read a CapabilityStatement; what it does not say is taken as not offered."""
    try:
        read = msgspec.convert(statement, _Statement)
    except msgspec.ValidationError:
        read = _Statement()
    rests = [rest for rest in read.rest if rest.mode == "server"]
    resources = [resource for rest in rests for resource in rest.resource]
    return Capability(
        transaction=any(each.code == "transaction" for rest in rests for each in rest.interaction),
        creates=frozenset(each.type for each in resources if each.offers("create")),
        conditional=frozenset(each.type for each in resources if each.conditionalCreate),
        searches={
            each.type: frozenset(parameter.name for parameter in each.searchParam)
            for each in resources
            if each.offers("search-type")
        },
        updates=frozenset(each.type for each in resources if each.offers("update")),
        versioned=frozenset(each.type for each in resources if each.versioning == "versioned-update"),
        reads=frozenset(each.type for each in resources if each.offers("read")),
        fhir_version=read.fhirVersion,
        software=read.software.name,
        publisher=read.publisher,
        topics=tuple(
            each.valueCanonical
            for resource in resources
            if resource.type == "Subscription" and resource.offers("create")
            for each in resource.extension
            if each.url == _TOPIC and each.valueCanonical
        ),
    )
