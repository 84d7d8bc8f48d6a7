"""What a personality asks of a resource before it takes it, beyond what FHIR asks."""

from collections.abc import Callable

from sandbox_ehr.errors import FhirRefused, Issue
from sandbox_ehr.fhir.index import split_reference
from sandbox_ehr.fhir.json_text import JsonObject, children, first_text
from sandbox_ehr.fhir.query import both, compile_condition
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.personalities import Personality, Rule

_Check = Callable[[Rule, JsonObject, Store], bool]


def check_rules(
    personality: Personality, resource: JsonObject, store: Store, *, is_change: bool = False
) -> None:
    """FhirRefused with the status and code of the first rule that a new resource, or a change of one, breaks."""
    for rule in personality.rules:
        if is_change and not rule.also_changed:
            continue
        if rule.type == resource["resourceType"] and not _CHECKS[rule.kind](rule, resource, store):
            place = f"{rule.type}.{rule.path}" if rule.path else rule.type
            raise FhirRefused(rule.status, Issue("business-rule", rule.text, place, detail=rule.code))


def _values(rule: Rule, resource: JsonObject) -> list[object]:
    return list(children(resource, *rule.path.split(".")))


def _one_of(rule: Rule, resource: JsonObject, _: Store) -> bool:
    found = _values(rule, resource)
    return bool(found) and all(each in rule.values for each in found)


def _first_of(rule: Rule, resource: JsonObject, _: Store) -> bool:
    found = _values(rule, resource)
    return bool(found) and found[0] in rule.values


def _exactly(rule: Rule, resource: JsonObject, _: Store) -> bool:
    return len(_values(rule, resource)) == int(rule.values[0])


def _present(rule: Rule, resource: JsonObject, _: Store) -> bool:
    return bool(_values(rule, resource))


def _refers_to(rule: Rule, resource: JsonObject, store: Store) -> bool:
    targets = [split_reference(str(each), store.base) for each in _values(rule, resource)]
    return bool(targets) and all(target is not None and target[0] in rule.values for target in targets)


def _known_questionnaire(rule: Rule, resource: JsonObject, store: Store) -> bool:
    url, _, version = (first_text(resource, rule.path or "questionnaire") or "").partition("|")
    if not url:
        return False
    conditions = [compile_condition("Questionnaire", "url", url, store.base)]
    if version:
        conditions.append(compile_condition("Questionnaire", "version", version, store.base))
    return bool(store.find("Questionnaire", both(*conditions)))


def _open_encounter(rule: Rule, resource: JsonObject, store: Store) -> bool:
    target = split_reference(first_text(resource, *rule.path.split(".")) or "", store.base)
    stored = store.read(*target) if target and target[0] == "Encounter" else None
    return stored is not None and stored.read().get("status") == "in-progress"


def _not_replayed(_: Rule, resource: JsonObject, store: Store) -> bool:
    patient = (first_text(resource, "subject", "reference") or "").rpartition("/")[2]
    code = first_text(resource, "code", "coding", "code") or ""
    earlier = store.find(
        "Observation",
        both(
            compile_condition("Observation", "patient", patient, store.base),
            compile_condition("Observation", "code", code, store.base),
        ),
    )
    time = resource.get("effectiveDateTime")
    return not any(
        found is not None and found.read().get("effectiveDateTime") == time
        for found in (store.read("Observation", each) for each in earlier)
    )


_CHECKS: dict[str, _Check] = {
    "one-of": _one_of,
    "first-of": _first_of,
    "exactly": _exactly,
    "present": _present,
    "refers-to": _refers_to,
    "known-questionnaire": _known_questionnaire,
    "open-encounter": _open_encounter,
    "not-replayed": _not_replayed,
}
