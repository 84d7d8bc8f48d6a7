"""Sample pages of desks: what administrators, researchers and supervisors see, in every state."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from plugin.collecting.book import Found, Remembered
from plugin.delivery.account import Attempt
from plugin.delivery.changes import Listed
from plugin.delivery.choosing import Planned
from plugin.delivery.states import DeliveryState
from plugin.doctor import Examination, Finding, Level
from plugin.norming import Coefficient, Figures, Group, Norm
from plugin.pages.caseload import Chosen
from plugin.pages.staff import (
    DeliveriesPage,
    DeliveryPage,
    DeskFrame,
    InstallationPage,
    NormLine,
    NormsPage,
    PeopleLine,
    PeriodForm,
    ResearchPage,
    Wish,
)
from plugin.research_settings import Research
from plugin.researching import Doubt, Earlier
from plugin.writing import WriterKind
from tests.pages import samples

NOW = datetime(2026, 5, 20, 9, 30, tzinfo=UTC)
TODAY = date(2026, 5, 20)
PLACES = (
    ("/desks/d", "Your desk", False),
    ("/desks/d/deliveries", "Deliveries", True),
    ("/desks/d/installation", "Installation", False),
    ("/desks/d/norms", "Norms", False),
    ("/desks/d/research", "Research export", False),
)
DESK = DeskFrame(id="d", site="Clinic", csrf="c", places=PLACES, patient=None)

# Deliveries

_REASONS = (
    "It does not fit its form: goal-1 (code-invalid), task-2 (required).",
    "Rapport wrote it, and it was marked as entered in error in the EHR: its scores stand. If it is one, mark it so.",
)
_ASIDE = tuple(
    Remembered(
        "clinic",
        f"QuestionnaireResponse/4a2f8f3e-9d4c-4a51-8a51-25f3c6a0b11{number}",
        "2",
        Found.SET_ASIDE,
        reason,
        None,
        NOW,
    )
    for number, reason in enumerate(_REASONS)
)
_REFUSED = Listed(
    "4a2f8f3e-9d4c-4a51-8a51-25f3c6a0b111",
    "clinic",
    "1001",
    DeliveryState.REFUSED,
    2,
    NOW,
    NOW,
    "The EHR refused it (HTTP 422: business-rule at Observation.component[2].valueQuantity).",
)
_ATTEMPTS = (
    Attempt(NOW, DeliveryState.UNKNOWN, "No answer within 10 seconds", 1, "Observations"),
    Attempt(
        NOW + timedelta(minutes=1),
        DeliveryState.REFUSED,
        _REFUSED.detail,
        2,
        "QuestionnaireResponse",
        422,
        answers=("POST QuestionnaireResponse 201", "POST Observation 422 business-rule"),
    ),
)
DELIVERIES_ASIDE = DeliveriesPage(DESK, {}, None, (), aside=_ASIDE)
DELIVERIES = DeliveriesPage(
    DESK,
    {DeliveryState.DELIVERED: 214, DeliveryState.HELD: 1, DeliveryState.REFUSED: 1},
    None,
    (_REFUSED, replace(_REFUSED, state=DeliveryState.HELD, detail="Open Rapport from the chart again.")),
    told="All that waited for a sign-in are due now.",
)
DELIVERY = DeliveryPage(
    DESK,
    _REFUSED,
    _ATTEMPTS,
    fixed=False,
    problem="There is no reason. Say in a few words why it is not to be sent.",
)
DELIVERY_SENT = DeliveryPage(
    DESK,
    replace(_REFUSED, state=DeliveryState.DELIVERED, detail="5 resources"),
    (),
    fixed=True,
    told="It is due now. Load this page again in a moment to see what came of it.",
)

# The installation, and what the EHR takes

INSTALLATION = InstallationPage(
    DESK,
    version="0.1.0",
    schema="0042",
    database="PostgreSQL 17.2",
    parts={"database": True, "schema": True, "instruments": True, "worker": False, "log": True},
    usable=12,
    left_out=("tasc-r-child: its wording pack is of another version.",),
    oldest=NOW,
    waiting=2,
    unlogged=0,
    log_size=4183,
)
EXAMINATION = Examination(
    "https://ehr.invalid/r4",
    (
        Finding("Server", Level.WORKS, "Sandbox, FHIR 4.0.1."),
        Finding("Signing in", Level.LOOK, "No token of Rapport's own.", "Ask the vendor for backend scopes."),
        Finding("Writing", Level.FAILS, "Declared to be created: nothing.", "Ask the vendor."),
    ),
    planned=(
        Planned(WriterKind.RESPONSE),
        Planned(WriterKind.OBSERVATIONS, "The EHR does not declare that Observation can be created."),
    ),
    questions=("Which of these scopes will you grant? The address is <base_url>/callback.",),
    section=(
        '[[site]]\nid = "clinic"\nfhir_base = "https://ehr.invalid/r4"\n'
        'scopes = ["launch", "openid", "fhirUser", "patient/Patient.rs", "patient/QuestionnaireResponse.cud"]\n'
    ),
    scopes=("system/Patient.rs", "system/Observation.crus"),
)

# Norms

_FIGURES = Figures(14.02, 4.51, 161, Coefficient.ALPHA, 0.84, 0.79, 0.88, 152, "the ledger")
_NORM = Norm(
    "4a2f8f3e-9d4c-4a51-8a51-25f3c6a0b111",
    Group("clinic", "https://site.invalid/Questionnaire/x|1.0.0", "score-total", "child", "unknown"),
    _FIGURES,
    NOW,
    "operator at the command line",
    "own data of the first year",
)
_NORM_LINES = tuple(
    NormLine("rapport-checkin-child 0.1.0", "Check-in, child: total", "child", ages, _NORM, "adopted")
    for ages in ("", "7–11")
)
_PEOPLE = (
    PeopleLine("rapport-checkin-child 0.1.0", "child", 161, 402, 0, 0),
    PeopleLine("rapport-checkin-caregiver 0.1.0", "caregiver", 29, 31, 1, 71),
)
NORMS_NONE = NormsPage(DESK, "clinic", (), (), ())
NORMS_TOO_FEW = NormsPage(DESK, "clinic", (), _PEOPLE[1:], ())
NORMS = NormsPage(DESK, "clinic", _NORM_LINES, _PEOPLE, _NORM_LINES)

# Research

_DECIDED = Research(Path("salt"))
_EARLIER = Earlier(datetime(2026, 5, 1, 9, tzinfo=UTC), date(2025, 5, 1), date(2026, 4, 30), 182, True)
RESEARCH = ResearchPage(DESK, _DECIDED, TODAY)
RESEARCH_OVERLAPPING = replace(
    RESEARCH,
    wish=Wish(
        PeriodForm("2026-03-01", "2026-03-07", "A study"),
        Doubt((date(2026, 3, 2), date(2026, 3, 6)), (_EARLIER,)),
    ),
)
RESEARCH_REFUSED = replace(
    RESEARCH,
    wish=Wish(
        PeriodForm("soon", "", "A study"), problem="First day: soon is no date. Write it as 2026-10-01."
    ),
)
RESEARCH_NOT_DECIDED = ResearchPage(DESK, None, TODAY)

# The caseload, where there is little to show

CASELOAD_WITHOUT_TEAM = replace(samples.caseload(), has_team=False)
CASELOAD_OF_A_NEED = replace(
    samples.caseload(),
    chosen=Chosen("Practitioner/1", "Rapport Check-in", "rupture", 90, page=2),
)
CASELOAD_WITHOUT_PATIENTS = replace(samples.caseload(), rows=(), found=0, all=0, pages=0, clinicians=())
CASELOAD_NOBODY_FITS = replace(
    samples.caseload(),
    rows=(),
    found=0,
    pages=0,
    chosen=Chosen(need="drop", is_misread=True),
    altered=1,
)
CASELOAD_STRANGER = replace(
    CASELOAD_NOBODY_FITS, chosen=Chosen(clinician="Practitioner/9"), is_stranger=True, reads_scores=False
)
CASELOAD_WITHOUT_NAMES = replace(
    samples.caseload(),
    rows=tuple(replace(each, name="") for each in samples.caseload().rows),
    names_missing="the EHR does not answer",
)
