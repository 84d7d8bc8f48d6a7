"""Whether the words in a site's `scopes` can be scopes: one that is misspelt would be refused, or granted as nothing."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from smart_launch import Scopes

# https://hl7.org/fhir/R4/resourcelist.html, and what R4 has of topics for Subscriptions (R4B).
_TYPES = frozenset(
    [
        "Account",
        "ActivityDefinition",
        "AdverseEvent",
        "AllergyIntolerance",
        "Appointment",
        "AppointmentResponse",
        "AuditEvent",
        "Basic",
        "Binary",
        "BiologicallyDerivedProduct",
        "BodyStructure",
        "Bundle",
        "CapabilityStatement",
        "CarePlan",
        "CareTeam",
        "CatalogEntry",
        "ChargeItem",
        "ChargeItemDefinition",
        "Claim",
        "ClaimResponse",
        "ClinicalImpression",
        "CodeSystem",
        "Communication",
        "CommunicationRequest",
        "CompartmentDefinition",
        "Composition",
        "ConceptMap",
        "Condition",
        "Consent",
        "Contract",
        "Coverage",
        "CoverageEligibilityRequest",
        "CoverageEligibilityResponse",
        "DetectedIssue",
        "Device",
        "DeviceDefinition",
        "DeviceMetric",
        "DeviceRequest",
        "DeviceUseStatement",
        "DiagnosticReport",
        "DocumentManifest",
        "DocumentReference",
        "EffectEvidenceSynthesis",
        "Encounter",
        "Endpoint",
        "EnrollmentRequest",
        "EnrollmentResponse",
        "EpisodeOfCare",
        "EventDefinition",
        "Evidence",
        "EvidenceVariable",
        "ExampleScenario",
        "ExplanationOfBenefit",
        "FamilyMemberHistory",
        "Flag",
        "Goal",
        "GraphDefinition",
        "Group",
        "GuidanceResponse",
        "HealthcareService",
        "ImagingStudy",
        "Immunization",
        "ImmunizationEvaluation",
        "ImmunizationRecommendation",
        "ImplementationGuide",
        "InsurancePlan",
        "Invoice",
        "Library",
        "Linkage",
        "List",
        "Location",
        "Measure",
        "MeasureReport",
        "Media",
        "Medication",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationKnowledge",
        "MedicationRequest",
        "MedicationStatement",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "MessageDefinition",
        "MessageHeader",
        "MolecularSequence",
        "NamingSystem",
        "NutritionOrder",
        "Observation",
        "ObservationDefinition",
        "OperationDefinition",
        "OperationOutcome",
        "Organization",
        "OrganizationAffiliation",
        "Parameters",
        "Patient",
        "PaymentNotice",
        "PaymentReconciliation",
        "Person",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Procedure",
        "Provenance",
        "Questionnaire",
        "QuestionnaireResponse",
        "RelatedPerson",
        "RequestGroup",
        "ResearchDefinition",
        "ResearchElementDefinition",
        "ResearchStudy",
        "ResearchSubject",
        "RiskAssessment",
        "RiskEvidenceSynthesis",
        "Schedule",
        "SearchParameter",
        "ServiceRequest",
        "Slot",
        "Specimen",
        "SpecimenDefinition",
        "StructureDefinition",
        "StructureMap",
        "Subscription",
        "SubscriptionStatus",
        "SubscriptionTopic",
        "Substance",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
        "SupplyDelivery",
        "SupplyRequest",
        "Task",
        "TerminologyCapabilities",
        "TestReport",
        "TestScript",
        "ValueSet",
        "VerificationResult",
        "VisionPrescription",
    ]
)
_LEVELS = ("patient", "user", "system")
_WORDS = (
    "launch",
    "launch/patient",
    "launch/encounter",
    "openid",
    "fhirUser",
    "profile",
    "online_access",
    "offline_access",
)
_ON_RESOURCES = re.compile(r"(?P<level>[A-Za-z]+)/(?P<type>\*|[A-Za-z]+)\.(?P<interactions>[^?]+)")
_LIKE = 0.8


def check_scopes(scopes: Iterable[str] | None) -> None:
    """ValueError that names every word that is no scope, and the nearest that is; an EHR's own words pass."""
    problems = [problem for word in scopes or () if (problem := _problem(word))]
    if problems:
        raise ValueError("; ".join(problems))


def _problem(word: str) -> str:
    if word != word.strip() or len(word.split()) != 1:
        return f"“{word}” is not one scope: write each as a text of its own"
    found = _ON_RESOURCES.fullmatch(word.partition("?")[0])
    if found is None or not _nearest(found["level"], _LEVELS):
        known = word in _WORDS or word.partition("/")[0] == "launch"
        near = "" if known else _nearest(word, _WORDS)
        return f"“{word}” is no scope: {near} is meant, perhaps" if near else ""
    if found["level"] not in _LEVELS:
        return f"“{word}” begins with none of {', '.join(_LEVELS)}"
    if found["type"] != "*" and found["type"] not in _TYPES:
        near = _nearest(found["type"], _TYPES)
        meant = f": {near} is meant, perhaps" if near else ""
        return f"“{word}” names {found['type']}, which is no resource of FHIR R4{meant}"
    if not Scopes.parse(word).resources:
        return f"“{word}” does not end as a scope does: letters of cruds in that order (.rs, .crus), or .read, .write, .*"
    return ""


def _nearest(word: str, known: Iterable[str]) -> str:
    by_small = {each.lower(): each for each in known}
    found = get_close_matches(word.lower(), by_small, n=1, cutoff=_LIKE)
    return by_small[found[0]] if found else ""
