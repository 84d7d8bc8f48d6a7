"""What a response names beside its patient: what the response itself shows to be wrong, and what an EHR has to be asked about."""

from collections.abc import Iterator
from dataclasses import dataclass

from plugin.responses.at_home import is_own, own_reference
from plugin.responses.errors import InvalidResponse, Issue
from plugin.responses.resource import Head
from questionnaires.datatypes import Reference

_ROOT = "QuestionnaireResponse"
# What R4 lets each element name: https://hl7.org/fhir/R4/questionnaireresponse.html.
_MAY_NAME = {
    "encounter": ("Encounter",),
    "source": ("Patient", "RelatedPerson", "Practitioner", "PractitionerRole"),
    "author": ("Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Device", "Organization"),
    "basedOn": ("CarePlan", "ServiceRequest"),
    "partOf": ("Observation", "Procedure"),
}
OWNER = {
    "Encounter": "subject",
    "RelatedPerson": "patient",
    "CarePlan": "subject",
    "ServiceRequest": "subject",
    "Observation": "subject",
    "Procedure": "subject",
}
"""By which element a resource says whose it is; people who treat, their roles, devices and organizations are nobody's."""


@dataclass(frozen=True, slots=True)
class Named:
    """A resource of some patient that a response names: where, and which (`Type/id`)."""

    element: str  # `encounter`, `basedOn[0]`
    reference: str

    @property
    def kind(self) -> str:
        """Its type."""
        return self.reference.partition("/")[0]

    def refuse(self, message: str, remedy: str) -> Issue:
        """Say what is wrong with it."""
        return Issue("business-rule", None, f"{_ROOT}.{self.element}.reference", message, remedy)


def read_named(head: Head, *, patient: str, home: str) -> tuple[Named, ...]:
    """Give what a response about `patient` names that must be that patient's, as the EHR with the base `home` knows.

    InvalidResponse, with every issue, if it names another server's resource, none at all, one of a type that does not
    belong there, or another patient.
    """
    named, issues = [], []
    for element, reference in _references(head):
        each = Named(element, own_reference(reference, home))
        issue = _find_issue(each, patient)
        if issue is not None:
            issues.append(issue)
        elif each.kind in OWNER:
            named.append(each)
    if issues:
        raise InvalidResponse(tuple(issues))
    return tuple(named)


def _find_issue(each: Named, patient: str) -> Issue | None:
    may_name = _MAY_NAME[each.element.partition("[")[0]]
    if not is_own(each.reference):
        message = "It refers to nothing on this site's EHR."
        return each.refuse(message, f"Write it as {may_name[0]}/<id> of this EHR, or leave it out.")
    if each.kind not in may_name:
        message = f"It names a {each.kind}."
        return each.refuse(message, f"Name one of these, or leave it out: {', '.join(may_name)}.")
    if each.kind == "Patient" and each.reference != patient:
        message = "It names another patient than the one whom the response is about."
        return each.refuse(message, f"Write {patient}, or leave it out.")
    return None


def _references(head: Head) -> Iterator[tuple[str, str]]:
    """Give every reference beside the subject's, with its element; one by identifier alone leads nowhere."""
    single = (("encounter", head.encounter), ("source", head.source), ("author", head.author))
    several = (("basedOn", head.basedOn), ("partOf", head.partOf))
    found: list[tuple[str, Reference | None]] = [
        *single,
        *((f"{name}[{index}]", each) for name, listed in several for index, each in enumerate(listed)),
    ]
    yield from ((name, each.reference) for name, each in found if each is not None and each.reference)
