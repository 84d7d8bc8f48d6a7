"""Names in the Provenance of a later version who made that version, beside who gave the answers. Pure."""

from datetime import datetime

JsonObject = dict[str, object]

PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_AUTHOR, _ASSEMBLER = "author", "assembler"
# Who acts on behalf of somebody, where who acts is named (provenance-1 of US Core).
_ON_BEHALF = ("Practitioner", "PractitionerRole")


def marked_by(provenance: JsonObject, made_by: str, made: datetime) -> JsonObject:
    """Give what changes by marking answers as entered in error: when, by whom; who gave them stands with them, as the source.

    `made_by` is a reference, or words where no person is known. The reason stays out: it is free text.
    """
    agents, sources = _objects(provenance, "agent"), _objects(provenance, "entity")
    authors = [each for each in agents if _acts_as(each, _AUTHOR)]
    software = [each for each in agents if _acts_as(each, _ASSEMBLER)]
    if authors and sources:
        sources[0] = {**sources[0], "agent": authors}
    performer = (_write("performer", "Performer", made_by, software),) if made_by else ()
    return {
        "recorded": made.isoformat(timespec="milliseconds"),
        "agent": [*performer, *software],
        "entity": sources,
    }


def with_sender(provenance: JsonObject, made_by: str) -> list[JsonObject]:
    """Give the agents with who sent the answers anew, unless that is who gave them."""
    agents = _objects(provenance, "agent")
    authors = [each.get("who") for each in agents if _acts_as(each, _AUTHOR)]
    references = [each.get("reference") for each in authors if isinstance(each, dict)]
    # An EHR may name its user by an absolute address.
    if any(f"/{made_by}".endswith(f"/{each}") for each in references):
        return agents
    return [*agents, _write("enterer", "Enterer", made_by, agents)]


def _write(code: str, display: str, who: str, others: list[JsonObject]) -> JsonObject:
    coding = {"system": PARTICIPANT, "code": code, "display": display}
    is_reference = "/" in who and " " not in who
    agent: JsonObject = {
        "type": {"coding": [coding]},
        "who": {"reference": who} if is_reference else {"display": who},
    }
    organizations = [each["onBehalfOf"] for each in others if "onBehalfOf" in each]
    if is_reference and organizations and who.split("/")[-2] in _ON_BEHALF:
        agent["onBehalfOf"] = organizations[0]
    return agent


def _acts_as(agent: JsonObject, code: str) -> bool:
    kind = agent.get("type")
    codings = kind.get("coding") if isinstance(kind, dict) else None
    return isinstance(codings, list) and any(
        isinstance(each, dict) and each.get("code") == code for each in codings
    )


def _objects(resource: JsonObject, name: str) -> list[JsonObject]:
    value = resource.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
