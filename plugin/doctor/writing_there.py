"""What there is to know and to ask about writing into an EHR. Pure."""

from plugin.delivery.capability import Capability
from plugin.delivery.choosing import Planned
from plugin.delivery.document import DOCUMENT
from plugin.delivery.writers import OBSERVATION, PROVENANCE, RESPONSE
from plugin.doctor.examination import Finding, Level
from plugin.doctor.signing_in import SignIn
from plugin.doctor.vendors import Vendor
from plugin.writing import WriterKind

_TOPIC = "Writing"
_REGISTRATION = (
    "Registration of Rapport: launch URL <base_url>/launch, redirect URL <base_url>/callback, "
    "JWKS URL <base_url>/.well-known/jwks.json."
)
_TYPES = {
    WriterKind.RESPONSE: RESPONSE,
    WriterKind.OBSERVATIONS: OBSERVATION,
    WriterKind.FLOWSHEET: OBSERVATION,
    WriterKind.DOCUMENT: DOCUMENT,
}


def findings_of_writing(
    capability: Capability, planned: tuple[Planned, ...], vendor: Vendor | None
) -> tuple[Finding, ...]:
    """Say what is declared, and what Rapport makes of it."""
    creatable = [each for each in (RESPONSE, OBSERVATION, DOCUMENT, PROVENANCE) if each in capability.creates]
    named = ", ".join(creatable) or "nothing that Rapport writes"
    found = [Finding(_TOPIC, Level.WORKS if creatable else Level.LOOK, f"Declared to be created: {named}.")]
    if creatable:
        found.append(_together(capability))
    found += _finding_again(capability, planned)
    if vendor is not None:
        remedy = f"See {vendor.page}." if vendor.page else ""
        found.append(Finding(_TOPIC, Level.LOOK, f"{vendor.name}: {vendor.note}", remedy))
    return tuple(found)


def questions_for(sign_in: SignIn, capability: Capability, vendor: Vendor | None) -> tuple[str, ...]:
    """Collect what only the vendor or the administrator can answer."""
    if not sign_in.works:
        return ("The address of the SMART App Launch 2 endpoint for this FHIR server.",)
    asked = [_REGISTRATION]
    if RESPONSE not in capability.creates:
        asked.append("Can creation of QuestionnaireResponse be enabled for this app?")
    elif vendor is None:
        asked.append("Are answers taken to questionnaires that are not the EHR's own?")
    if OBSERVATION in capability.creates and vendor is None:
        asked.append(
            "Which categories and codes are accepted for Observation? The CapabilityStatement does not say."
        )
    if OBSERVATION not in capability.creates and DOCUMENT not in capability.creates:
        asked.append(
            "Is there any other way to store scores, or may a companion FHIR server stand beside the EHR?"
        )
    return (*asked, *(vendor.questions if vendor else ()))


def _together(capability: Capability) -> Finding:
    if capability.transaction:
        return Finding(_TOPIC, Level.WORKS, "All of it in one transaction.")
    return Finding(_TOPIC, Level.WORKS, "One after another: transactions are not offered, and not needed.")


def _finding_again(capability: Capability, planned: tuple[Planned, ...]) -> list[Finding]:
    """Say how Rapport finds out after a lost answer whether a resource stands in the record."""
    types = dict.fromkeys(_TYPES[each.kind] for each in planned if each.used and each.kind in _TYPES)
    blind = [each for each in types if each not in capability.searches]
    by_day = [each for each in types if each not in blind and not capability.searches_by(each, "identifier")]
    found = []
    if by_day:
        text = f"{', '.join(by_day)}: not searchable by identifier; after a lost answer it is found by patient and day."
        found.append(Finding(_TOPIC, Level.LOOK, text))
    if blind:
        text = f"{', '.join(blind)}: not searchable; after a lost answer a person has to look into the chart."
        found.append(
            Finding(_TOPIC, Level.LOOK, text, "Ask the vendor for search of what the app may create.")
        )
    return found
