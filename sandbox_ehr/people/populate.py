"""Puts the synthetic people into an empty store, and gives everybody today's visit on a later day."""

from datetime import UTC, datetime, time, timedelta

from sandbox_ehr.fhir.query import NOTHING_MORE, both, compile_condition
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.people.alliance import COURSES, build_observations, build_plan, build_response, ratings
from sandbox_ehr.people.cast import CHILDREN, COLLEAGUES, Child
from sandbox_ehr.people.resources import (
    ORGANIZATIONS,
    build_carer,
    build_consent,
    build_encounter,
    build_episode,
    build_group,
    build_letter,
    build_medication_request,
    build_medication_statement,
    build_organization,
    build_patient,
    build_practitioner,
    build_role,
)
from sandbox_ehr.settings import Clock

_WEEK = timedelta(days=7)


def populate(store: Store, clock: Clock) -> None:
    """Fill an empty store; in one that has people, see that each has a visit today."""
    today = datetime.combine(clock().date(), time(), UTC)
    with store.database.transaction():
        if not store.find("Organization", NOTHING_MORE):
            _add_colleagues(store)
            for child in CHILDREN:
                _add_child(store, child, today)
            store.create(build_group(CHILDREN), resource_id="everybody")
            store.create(build_plan(), resource_id="alliance")
        for child in CHILDREN:
            _see_today(store, child, today)


def _add_colleagues(store: Store) -> None:
    for organization in ORGANIZATIONS:
        store.create(build_organization(organization), resource_id=organization)
    for colleague in COLLEAGUES:
        store.create(build_practitioner(colleague), resource_id=colleague.id)
        store.create(build_role(colleague), resource_id=f"{colleague.id}-r")


def _add_child(store: Store, child: Child, today: datetime) -> None:
    sessions = {
        f"{child.id}-{number}": _at(today - _WEEK * (child.sessions - number + 1), child.hour)
        for number in range(1, child.sessions + 1)
    }
    first = min(sessions.values())
    store.create(build_patient(child, today.date()), resource_id=child.id)
    for number, carer in enumerate(child.carers, 1):
        store.create(build_carer(child, carer), resource_id=f"{child.id}-{number}")
    store.create(build_episode(child, first.date()), resource_id=f"{child.id}-e")
    store.create(build_letter(child, first - _WEEK * 2), resource_id=f"{child.id}-l")
    if child.research:
        store.create(build_consent(child, first.date()), resource_id=f"{child.id}-r")
    if child.medication:
        since = (first + _WEEK * 2).date()
        store.create(build_medication_request(child, since), resource_id=f"{child.id}-p")
        store.create(build_medication_statement(child, since), resource_id=f"{child.id}-m")
    for encounter, start in sessions.items():
        virtual = child.mode == "VR" or start.isocalendar().week % 4 == 0
        came = 1 if _comes_along(child, int(encounter.rpartition("-")[2])) else None
        visit = build_encounter(child, start, virtual=virtual, finished=True, carer=came)
        store.create(visit, resource_id=encounter)
    if child.id in COURSES:
        for rating in ratings(child, sessions):
            store.create(build_response(rating), resource_id=rating.id)
            for observation_id, observation in build_observations(rating):
                store.create(observation, resource_id=observation_id)


def _comes_along(child: Child, session: int) -> bool:
    """Tell whether a carer takes part: in the first session and then every third, with the young every second."""
    return session == 1 or session % (2 if child.age < 10 else 3) == 0


def _see_today(store: Store, child: Child, today: datetime) -> None:
    """Close visits of earlier days that are still open, and open one today if there is none."""
    if store.read("Patient", child.id) is None:
        return
    of_patient = compile_condition("Encounter", "patient", child.id, store.base)
    is_open = compile_condition("Encounter", "status", "in-progress", store.base)
    for each in store.find("Encounter", both(of_patient, is_open)):
        stored = store.read("Encounter", each)
        period = stored.read().get("period") if stored else None
        start = datetime.fromisoformat(str(period["start"])) if isinstance(period, dict) else today
        if start.date() == today.date():
            return
        if stored:
            store.update(build_encounter(child, start, virtual=child.mode == "VR", finished=True), stored)
    begin = _at(today, child.hour)
    visit = build_encounter(child, begin, virtual=child.mode == "VR", finished=False)
    store.create(visit, resource_id=f"{child.id}-{today:%Y%m%d}")


def _at(day: datetime, hour: str) -> datetime:
    return datetime.combine(day.date(), time.fromisoformat(hour), UTC)
