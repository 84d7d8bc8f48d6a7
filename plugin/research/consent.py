"""Reads what a patient, or who decides for them, has said about research out of FHIR R4 Consent resources. Pure."""

from collections.abc import Iterable
from datetime import date, tzinfo
from enum import StrEnum

import msgspec

from plugin.days import day_written

JsonObject = dict[str, object]

RESEARCH = ("http://terminology.hl7.org/CodeSystem/consentscope", "research")
_V3 = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_POLICIES = {(_V3, "OPTIN"): "permit", (_V3, "OPTOUT"): "deny"}
_LIMITED = "permit with limits"
_ACTIONS = "http://terminology.hl7.org/CodeSystem/consentaction"
_GIVING = {(_ACTIONS, "use"), (_ACTIONS, "disclose")}
_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_FOR_RESEARCH = {
    (_REASONS, "HRESCH"),
    (_REASONS, "BIORCH"),
    (_REASONS, "CLINTRCH"),
    (_REASONS, "CLINTRCHNPC"),
    (_REASONS, "CLINTRCHPC"),
    (_REASONS, "PRECLINTRCH"),
    (_REASONS, "DSRCH"),
    (_REASONS, "POARCH"),
    (_REASONS, "TRANSRCH"),
}
"""v3-ActReason: healthcare research and what is below it."""


class Rule(StrEnum):
    """Whose administrations a site gives to research: of those who agreed, or of all who did not refuse."""

    AGREED = "agreed"
    NOT_REFUSED = "not-refused"


class Consents(msgspec.Struct, frozen=True):
    """What stands in the record today; a refusal outweighs an agreement, and what cannot be read counts as a refusal."""

    agreed: bool = False
    refused: bool = False

    def allow(self, rule: Rule) -> bool:
        """Tell whether the patient's administrations may be given."""
        return not self.refused and (self.agreed or rule is Rule.NOT_REFUSED)


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct):
    coding: tuple[_Coding, ...] = ()

    def names(self) -> set[tuple[str, str]]:
        return {(each.system, each.code) for each in self.coding}


class _Period(msgspec.Struct):
    start: str | None = None
    end: str | None = None


_FHIR = {
    "security_label": "securityLabel",
    "kind": "class",
    "data_period": "dataPeriod",
    "modifier_extension": "modifierExtension",
}


class _Provision(msgspec.Struct, rename={**_FHIR, "inner": "provision"}):
    type: str | None = None
    period: _Period = msgspec.field(default_factory=_Period)
    inner: tuple[JsonObject, ...] = ()
    action: tuple[_Concept, ...] = ()
    purpose: tuple[_Coding, ...] = ()
    actor: tuple[JsonObject, ...] = ()
    security_label: tuple[JsonObject, ...] = ()
    kind: tuple[JsonObject, ...] = ()
    code: tuple[JsonObject, ...] = ()
    data_period: JsonObject | None = None
    data: tuple[JsonObject, ...] = ()
    modifier_extension: tuple[JsonObject, ...] = ()

    def is_limited(self) -> bool:
        """Tell whether it speaks of certain data, receivers, actions or purposes only, or of what is not understood."""
        actions = {name for each in self.action for name in each.names()}
        purposes = {(each.system, each.code) for each in self.purpose}
        limits = (self.actor, self.security_label, self.kind, self.code, self.data, self.modifier_extension)
        return (
            any(limits)
            or self.data_period is not None
            or bool(actions and not actions & _GIVING)
            or bool(purposes and not purposes & _FOR_RESEARCH)
        )


class _Reference(msgspec.Struct):
    reference: str = ""

    def is_to_another(self, patient: str) -> bool:
        """Tell whether it names somebody else than `Patient/1`; a whole address and a version may be around that."""
        named = self.reference.partition("/_history/")[0]
        return bool(named) and named != patient and not named.endswith(f"/{patient}")


class _Consent(msgspec.Struct, rename="camel"):
    status: str = ""
    patient: _Reference = msgspec.field(default_factory=_Reference)
    scope: _Concept = msgspec.field(default_factory=_Concept)
    policy_rule: _Concept = msgspec.field(default_factory=_Concept)
    provision: _Provision | None = None
    modifier_extension: tuple[JsonObject, ...] = ()


def read_consents(resources: Iterable[JsonObject], patient: str, today: date, zone: tzinfo) -> Consents:
    """Read the active Consents of scope `research` that are in force on a day of the site's zone.

    They were searched for by the patient. An EHR that passes over what it does not know in a search gives everybody's: an
    agreement of somebody else is none. `verification` is of treatment instructions, and no modifier: it is not looked at.

    An exception inside an agreement (a provision of a provision) cannot be applied to a row: it counts as a refusal. So does
    an agreement to certain data, receivers, actions or purposes, where none without such limits stands beside it.
    """
    said = {_says(raw, patient, today, zone) for raw in resources}
    agreed = "permit" in said
    return Consents(agreed, "deny" in said or (_LIMITED in said and not agreed))


def _says(raw: JsonObject, patient: str, today: date, zone: tzinfo) -> str | None:
    try:
        found = msgspec.convert(raw, _Consent)
    except msgspec.ValidationError:
        return "deny"
    if found.status != "active" or RESEARCH not in found.scope.names():
        return None
    provision = found.provision or _Provision()
    if not _in_force(provision.period, today, zone):
        return None
    policy = next((says for code, says in _POLICIES.items() if code in found.policy_rule.names()), None)
    said = {each for each in (provision.type, policy) if each is not None}
    if provision.inner or "deny" in said:
        return "deny"
    if said != {"permit"} or found.patient.is_to_another(patient):
        return None
    return _LIMITED if provision.is_limited() or found.modifier_extension else "permit"


def _in_force(period: _Period, today: date, zone: tzinfo) -> bool:
    """Compare as texts, to the precision that is given: 2026-05 ends with May."""
    day = today.isoformat()
    start, end = (text and str(day_written(text, zone) or text) for text in (period.start, period.end))
    begun = start is None or start[: len(day)] <= day[: len(start)]
    return begun and (end is None or end[: len(day)] >= day[: len(end)])
