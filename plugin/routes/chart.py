"""What the EHR's chart says that our pages show: the person, who can answer, the session, past scores.

Everything here is somebody else's data: what is missing or odd is left out, never guessed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, tzinfo
from typing import TypeVar

import msgspec

from plugin.access.launches import Launch
from plugin.days import Age, Born, age_on, born_written, day_written
from plugin.delivery.capability import Capability
from plugin.ehr import (
    BadAnswer,
    Ehr,
    EhrError,
    EhrRefused,
    EhrUnavailable,
    NotFound,
    NotPermitted,
    TokenRefused,
)
from plugin.routes.medicines import read_medicines
from plugin.routes.relationships import code_of
from plugin.trends.contacts import Contacts, read_contacts
from plugin.trends.history import (
    Point,
    Unplaced,
    read_raters,
    read_scores,
    read_withdrawn,
)
from plugin.trends.medication import Course, read_courses, referred
from questionnaires import Catalogue, Rater

JsonObject = dict[str, object]
PATIENT = "the patient"
HISTORY = "earlier scores"
SESSION = "this session"
SESSIONS = "the sessions"
CAREGIVERS = "the caregivers"
MEDICINES = "the names of some medicines"
T = TypeVar("T")
Struct = TypeVar("Struct", bound=msgspec.Struct)

_HISTORY_LIMIT = 10_000  # a panel has five Observations, and other surveys may have one for each question
_HISTORY_PAGE = (
    200  # a history takes as many round trips as it has pages: twice the usual, as the CDS prefetch asks
)
_MOST_MEDICINES = 200  # Medications that are read for one page
_MOST_IDS = 100  # in one search, so that its address stays short
_MOST_COLLEAGUES = 12  # whose names are asked for, one by one: not every EHR searches them
_CLINICIANS = ("Practitioner/", "PractitionerRole/")
_TURNING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Unicode's embeddings, overrides and isolates: one left open in a name would turn the words after it round."""

LONG_PATIENCE = 25.0  # seconds that the parts which came late are waited for while that page is read


@dataclass(frozen=True, slots=True)
class Respondent:
    """Somebody who may answer a form: `relationship` as the EHR words it, `kinship` its code, `spoken` their languages there.

    The language that they prefer comes first.
    """

    reference: str
    name: str
    rater: Rater
    relationship: str
    spoken: tuple[str, ...] = ()
    kinship: str = ""
    is_active: bool = True  # False for a caregiver whom the record has no longer


@dataclass(frozen=True, slots=True)
class Unread:
    """A part that the EHR did not give, and why: both in words for the clinician."""

    part: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What could be read; `unread` tells what could not, `late` names what did not come in time, `lacking` what is not kept."""

    name: str
    born: Born | None
    respondents: tuple[Respondent, ...]
    contact: date | None  # the day of the session
    virtual: bool | None
    session: int | None  # which of the patient's contacts this one is, counted from 1
    points: tuple[Point, ...]
    unread: tuple[Unread, ...]
    contacts: Contacts = field(default_factory=Contacts)
    courses: tuple[Course, ...] | None = None  # None where the site does not show medication, or it is unread
    late: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()  # the EHR declares that it has no such thing
    is_part: bool = False  # the record has earlier scores, perhaps, that another reading may bring
    is_sign_in_refused: bool = False  # not even the patient is given with this token
    has_died: bool = False  # as the record says
    of_session: date | None = None  # the day of a session that was on one day alone
    unplaced: tuple[Unplaced, ...] = ()  # scores that have no day among `points`
    is_of_scores_alone: bool = False  # the responses behind the record's scores may not be read
    others: tuple[
        Respondent, ...
    ] = ()  # who has rated, and is not asked now: colleagues, caregivers of before

    @property
    def people(self) -> Mapping[str, Respondent]:
        """Everybody whom it names, by reference: who may answer, and who has rated before."""
        return {each.reference: each for each in (*self.respondents, *self.others)}

    @property
    def has_sessions(self) -> bool:
        """Whether the record's sessions were read, if the EHR gives them at all."""
        return self._has(SESSIONS)

    @property
    def has_history(self) -> bool:
        """Whether the record's own scores were read."""
        return self._has(HISTORY)

    def _has(self, part: str) -> bool:
        return part not in self.late and all(each.part != part for each in self.unread)


class _Name(msgspec.Struct):
    use: str = ""
    text: str | None = None
    given: tuple[str, ...] = ()
    family: str | None = None


class _Coding(msgspec.Struct):
    code: str = ""
    display: str | None = None
    system: str | None = None


class _Concept(msgspec.Struct):
    text: str | None = None
    coding: tuple[_Coding, ...] = ()


class _Period(msgspec.Struct):
    start: str | None = None
    end: str | None = None


class _Communication(msgspec.Struct):
    language: _Concept = msgspec.field(default_factory=_Concept)
    preferred: bool = False


class _Identifier(msgspec.Struct):
    value: str = ""
    use: str = ""
    type: _Concept = msgspec.field(default_factory=_Concept)


class _Person(msgspec.Struct):
    id: str = ""
    identifier: object = None  # lenient: the rest is read whatever it is
    name: tuple[_Name, ...] = ()
    birthDate: str | None = None  # noqa: N815 -- FHIR's element name
    relationship: tuple[_Concept, ...] = ()
    active: bool = True
    communication: tuple[_Communication, ...] = ()
    deceasedBoolean: object = None  # noqa: N815 -- FHIR's element name; lenient: the rest is read whatever it is
    deceasedDateTime: object = None  # noqa: N815 -- FHIR's element name


class _Reference(msgspec.Struct):
    reference: str = ""


class _Role(msgspec.Struct):
    practitioner: _Reference = msgspec.field(default_factory=_Reference)


class _Encounter(msgspec.Struct, rename={"contact_class": "class"}):
    contact_class: _Coding = msgspec.field(default_factory=_Coding)
    period: _Period = msgspec.field(default_factory=_Period)
    id: str = ""
    status: str = ""


async def read_chart(
    ehr: Ehr,
    launch: Launch,
    catalogue: Catalogue,
    *,
    zone: tzinfo,
    medication: bool = False,
    patience: float = LONG_PATIENCE,
    history: bool = True,
    declared: Callable[[], Awaitable[Capability]] | None = None,
    raters: Iterable[str] = (),
) -> Chart:
    """Read the chart's parts side by side, for so many seconds; a part that fails or is late is named, the rest shown.

    `zone` is the site's. Medication is asked for only where the site shows it. Without `history` earlier scores count as late.
    `declared` reads what the EHR says that it keeps; without it whatever is refused counts as not read. `raters` are those of
    the ledger, the latest first: colleagues among them are named where the EHR lets practitioners be read.
    """
    left = [] if history else [HISTORY]
    reading = _Reading(patience, late=left, passing=[*left])
    until = asyncio.get_running_loop().time() + patience
    (patient, people), colleagues, encounter, scores, contacts, courses = await asyncio.gather(
        _read_people(ehr, launch, reading, declared),
        _read_colleagues(ehr, launch, raters, until),
        reading.part(_read(ehr, launch.encounter, _Encounter), SESSION) if launch.encounter else _nothing(),
        reading.part(_read_history(ehr, launch, catalogue, zone), HISTORY) if history else _nothing(),
        reading.part(_read_contacts(ehr, launch, zone), SESSIONS),
        _read_medication(ehr, launch, zone, reading) if medication else _nothing(),
    )
    contact = encounter.contact_class if encounter else None
    contacts = contacts or Contacts()
    points, unplaced, is_of_scores_alone = scores or ((), (), False)
    # Of earlier colleagues the ledger may know nothing.
    known = {each.reference for each in (*people, *colleagues)}
    later = dict.fromkeys(each.respondent or "" for each in reversed(points))
    colleagues += await _read_colleagues(ehr, launch, (each for each in later if each not in known), until)
    return Chart(
        name=_name(patient.name) if patient else "",
        born=born_written(patient.birthDate) if patient else None,
        respondents=tuple(each for each in people if each.is_active),
        contact=day_written(encounter.period.start, zone) if encounter else None,
        virtual=(contact.code == "VR") if contact and contact.code else None,
        of_session=_only_day(encounter, zone) if encounter else None,
        session=contacts.number_of(launch.encounter) if launch.encounter else None,
        points=points,
        unread=tuple(reading.unread),
        contacts=contacts,
        courses=courses,
        late=tuple(reading.late),
        lacking=tuple(reading.lacking),
        is_part=HISTORY in reading.passing,
        is_sign_in_refused=await _is_sign_in_refused(ehr, launch, reading),
        has_died=patient is not None and tells_death(patient.deceasedBoolean, patient.deceasedDateTime),
        unplaced=unplaced,
        is_of_scores_alone=is_of_scores_alone,
        others=(*(each for each in people if not each.is_active), *colleagues),
    )


def tells_death(boolean: object, moment: object) -> bool:
    """Tell whether Patient.deceased[x] says that somebody has died."""
    return boolean is True or bool(moment)


def closed_chart(reason: str) -> Chart:
    """Stand in for a chart of which nothing can be read; `reason` is told to the clinician."""
    return Chart("", None, (), None, None, None, (), unread=(Unread(HISTORY, reason),), is_part=True)


async def read_age(ehr: Ehr, launch: Launch, today: date) -> Age | None:
    """Read the patient's age; None if the EHR tells nothing of the birth."""
    return age_on(await read_born(ehr, launch), today)


_GOES_ON = frozenset(
    {"arrived", "triaged", "in-progress", "onleave"}
)  # statuses of an Encounter that has begun


async def read_born(ehr: Ehr, launch: Launch) -> Born | None:
    """Read when the patient was born; None if the EHR does not tell."""
    return born_written((await _read(ehr, launch.patient, _Person)).birthDate)


def _days_of(encounter: _Encounter, zone: tzinfo) -> tuple[date | None, date | None]:
    """Give the first and the last day of a session, as far as they are told; what goes on has no last one."""
    first, last = day_written(encounter.period.start, zone), day_written(encounter.period.end, zone)
    return first, last or (None if encounter.status in _GOES_ON else first)


def _only_day(encounter: _Encounter, zone: tzinfo) -> date | None:
    """Give the day of a session that was on one; None for a stay, and for what goes on."""
    first, last = _days_of(encounter, zone)
    return first if first == last else None


async def is_of_session(ehr: Ehr, launch: Launch, day: date, zone: tzinfo) -> bool | None:
    """Tell whether the Encounter of a launch took place on a day, or goes on over it; None where the EHR does not tell.

    EhrUnavailable if it does not answer now.
    """
    if launch.encounter is None:
        return None
    try:
        found = await _read(ehr, launch.encounter, _Encounter)
    except EhrUnavailable:
        raise
    except EhrError:
        return None
    first, last = _days_of(found, zone)
    return None if first is None else first <= day and (last is None or day <= last)


async def read_respondent(ehr: Ehr, launch: Launch, reference: str) -> Respondent | None:
    """Read one of those who may answer: the young person, a caregiver of the record, the clinician of this launch.

    None if it is none of them. Caregivers are asked for only where one of them is meant: not every EHR keeps them.
    """
    is_caregiver = reference.startswith("RelatedPerson/")
    patient, others = await asyncio.gather(
        _read(ehr, launch.patient, _Person),
        _caregivers(ehr, launch) if is_caregiver else _clinician(ehr, launch, LONG_PATIENCE),
    )
    asked = (each for each in (_young(launch, patient), *others) if each.is_active)
    return next((each for each in asked if each.reference == reference), None)


def as_observer(who: Respondent) -> tuple[Respondent, ...]:
    """Give the clinician of a launch as who watches or hears a session and rates it; nobody else can."""
    return (replace(who, rater=Rater.OBSERVER),) if who.rater == Rater.THERAPIST else ()


OWN_HISTORY = Chart("", None, (), None, None, None, (), unread=(Unread(HISTORY),))
"""The chart of somebody whose scores are taken from the ledger alone."""


@dataclass(frozen=True, slots=True)
class Called:
    """Somebody's name, and of a patient when they were born, whether the record says that they have died, and their number."""

    name: str
    born: Born | None = None
    has_died: bool = False
    number: str = (
        ""  # by which the EHR's users know a patient; nothing where it is not plain which one that is
    )


async def people_of(ehr: Ehr, kind: str, references: Iterable[str]) -> dict[str, Called]:
    """Ask for patients or practitioners by their ids; who is not found is not named."""
    ids = [each.removeprefix(f"{kind}/") for each in references if each.startswith(f"{kind}/")]
    if not ids:
        return {}
    asked = [ids[start : start + _MOST_IDS] for start in range(0, len(ids), _MOST_IDS)]
    answers = await asyncio.gather(
        *(ehr.search(kind, {"_id": ",".join(each)}, limit=len(each)) for each in asked)
    )
    found, wanted = [each for answer in answers for each in answer], set(ids)
    return {
        f"{kind}/{each.id}": Called(
            _name(each.name),
            born_written(each.birthDate),
            tells_death(each.deceasedBoolean, each.deceasedDateTime),
            _number_of(each.identifier),
        )
        for each in _convert_all(found, _Person)
        if each.id in wanted
    }


def _number_of(identifiers: object) -> str:
    """Choose the medical record number; else what is in usual or official use, or the only one there is."""
    try:
        found = msgspec.convert(identifiers or (), tuple[_Identifier, ...])
    except msgspec.ValidationError:
        return ""
    valid = [each for each in found if each.value and each.use != "old"]
    ranks = (
        [each for each in valid if any(coding.code == "MR" for coding in each.type.coding)],
        [each for each in valid if each.use == "usual"],
        [each for each in valid if each.use == "official"],
        valid if len(valid) == 1 else [],
    )
    return next((rank[0].value for rank in ranks if rank), "")


async def _read_people(
    ehr: Ehr,
    launch: Launch,
    reading: "_Reading",
    declared: Callable[[], Awaitable[Capability]] | None,
) -> tuple[_Person | None, tuple[Respondent, ...]]:
    """Read the patient and who may answer, or might; without its list of caregivers a record still has the young person."""
    patient, caregivers, clinician = await asyncio.gather(
        reading.part(_read(ehr, launch.patient, _Person), PATIENT),
        reading.part(_caregivers_if_kept(ehr, launch, reading, declared), CAREGIVERS),
        _clinician(ehr, launch, reading.patience),
    )
    return patient, (_young(launch, patient), *(caregivers or ()), *clinician) if patient else ()


def _young(launch: Launch, patient: _Person) -> Respondent:
    return Respondent(launch.patient, _name(patient.name), Rater.CHILD, "", _spoken(patient))


async def _caregivers(ehr: Ehr, launch: Launch) -> tuple[Respondent, ...]:
    found = await ehr.search("RelatedPerson", {"patient": launch.patient.removeprefix("Patient/")})
    return tuple(_caregiver(each) for each in _convert_all(found, _Person) if each.id)


async def _caregivers_if_kept(
    ehr: Ehr, launch: Launch, reading: "_Reading", declared: Callable[[], Awaitable[Capability]] | None
) -> tuple[Respondent, ...]:
    """Read the caregivers; none, and that is noted, where the EHR refuses and declares that it keeps no RelatedPerson."""
    try:
        return await _caregivers(ehr, launch)
    except (NotPermitted, NotFound, EhrRefused):
        if declared is None or await _is_searched(declared, "RelatedPerson"):
            raise
        reading.lacking.append(CAREGIVERS)
        return ()


async def _is_searched(declared: Callable[[], Awaitable[Capability]], kind: str) -> bool:
    """Tell whether a type can be searched, or may be: an EHR that declares nothing has not said that it cannot."""
    try:
        capability = await declared()
    except EhrError:
        return True
    return kind in capability.searches or not capability.searches


def _caregiver(person: _Person) -> Respondent:
    words, code = _relationship(person)
    return Respondent(
        f"RelatedPerson/{person.id}",
        _name(person.name),
        Rater.CAREGIVER,
        words,
        _spoken(person),
        code,
        is_active=person.active,
    )


async def _clinician(ehr: Ehr, launch: Launch, patience: float) -> tuple[Respondent, ...]:
    """Give the clinician of this launch, if it has one; without a name where that does not come within so many seconds."""
    user, name = launch.user or "", ""
    try:
        async with asyncio.timeout(patience):
            if user.startswith("PractitionerRole/"):
                user = await _in_role(ehr, user)
            if user.startswith(_CLINICIANS):
                name = _name((await _read(ehr, user, _Person)).name)
    except (EhrError, TimeoutError):
        # Reading Practitioner is not among the scopes that every EHR grants; the role is enough.
        pass
    return (Respondent(user, name, Rater.THERAPIST, ""),) if user.startswith(_CLINICIANS) else ()


async def _read_colleagues(
    ehr: Ehr, launch: Launch, raters: Iterable[str], until: float
) -> tuple[Respondent, ...]:
    """Name clinicians who have rated, where the EHR lets practitioners be read; whoever is not named goes by the role."""
    colleagues = [
        each for each in dict.fromkeys(raters) if each.startswith("Practitioner/") and each != launch.user
    ]
    if not colleagues or not launch.context.granted.may("Practitioner", "r"):
        return ()
    named = await asyncio.gather(*(_name_of(ehr, each, until) for each in colleagues[:_MOST_COLLEAGUES]))
    return tuple(
        Respondent(who, name, Rater.THERAPIST, "")
        for who, name in zip(colleagues, named, strict=False)
        if name
    )


async def _name_of(ehr: Ehr, reference: str, until: float) -> str:
    try:
        async with asyncio.timeout_at(until):
            return _name((await _read(ehr, reference, _Person)).name)
    except (EhrError, TimeoutError):
        return ""


async def _in_role(ehr: Ehr, role: str) -> str:
    """Name who has a role: the practitioner, or the role itself where it cannot be read."""
    try:
        held = await _read(ehr, role, _Role)
    except EhrError:
        return role
    return held.practitioner.reference.removeprefix(f"{ehr.base}/") or role


async def _read_contacts(ehr: Ehr, launch: Launch, zone: tzinfo) -> Contacts:
    """Read the patient's sessions; none where the EHR does not let us, or has no search for them."""
    patient_id = launch.patient.removeprefix("Patient/")
    try:
        found = await _search_all(ehr, "Encounter", {"patient": patient_id})
    except (NotPermitted, NotFound, EhrRefused):
        return Contacts()
    return read_contacts(found, zone)


async def _read_medication(
    ehr: Ehr, launch: Launch, zone: tzinfo, reading: "_Reading"
) -> tuple[Course, ...] | None:
    """Read when which medicines were taken; those whose names do not come are there without.

    It is noted where the EHR is late or refuses: what refers to nothing, or to another server, stays without a name.
    """
    until = asyncio.get_running_loop().time() + reading.patience
    told = await reading.part(_search_medication(ehr, launch), "the medication")
    if told is None:
        return None
    medicines = await read_medicines(ehr, referred(told, ehr.base)[:_MOST_MEDICINES], until)
    courses = read_courses(told, zone, medicines.found, ehr.base)
    if (medicines.is_late or medicines.failure) and any(not each.name for each in courses):
        reading.note(MEDICINES, is_late=medicines.is_late, failure=medicines.failure)
    return courses


async def _search_medication(ehr: Ehr, launch: Launch) -> tuple[JsonObject, ...]:
    """Find what is taken and what was ordered; an EHR that has only one of the two is enough."""
    patient_id = launch.patient.removeprefix("Patient/")
    kinds = ("MedicationStatement", "MedicationRequest")
    answers = await asyncio.gather(
        *(_search_all(ehr, kind, {"patient": patient_id}) for kind in kinds),
        return_exceptions=True,
    )
    failed = [each for each in answers if isinstance(each, BaseException)]
    lacking = [each for each in failed if isinstance(each, NotPermitted | NotFound | EhrRefused)]
    if len(failed) == len(kinds) or len(lacking) < len(failed):
        raise next((each for each in failed if each not in lacking), failed[0])
    return tuple(raw for each in answers if not isinstance(each, BaseException) for raw in each)


async def _is_sign_in_refused(ehr: Ehr, launch: Launch, reading: "_Reading") -> bool:
    """Tell whether the token is over: while a page was read it may have ended between two of its parts.

    An EHR may refuse one kind of resource alone with 401; then it still gives the patient.
    """
    if not reading.not_signed_in or PATIENT in reading.not_signed_in:
        return PATIENT in reading.not_signed_in
    try:
        async with asyncio.timeout(reading.patience):
            await _read(ehr, launch.patient, _Person)
    except TokenRefused:
        return True
    except (EhrError, TimeoutError):
        pass
    return False


async def _read_history(
    ehr: Ehr, launch: Launch, catalogue: Catalogue, zone: tzinfo
) -> tuple[tuple[Point, ...], tuple[Unplaced, ...], bool]:
    """Read the record's scores; without their responses, which tell of those entered in error, where these may not be read."""
    patient_id = launch.patient.removeprefix("Patient/")
    observations, responses = await asyncio.gather(
        _search_all(ehr, "Observation", {"patient": patient_id, "category": "survey"}),
        _if_permitted(_search_all(ehr, "QuestionnaireResponse", {"patient": patient_id})),
    )
    raters = read_raters(observations, responses)
    points, unplaced = read_scores(observations, raters, catalogue, zone)
    withdrawn = read_withdrawn(responses or ())
    return (
        tuple(each for each in points if each.response not in withdrawn),
        tuple(each for each in unplaced if each.response not in withdrawn),
        responses is None,
    )


async def _if_permitted(work: Awaitable[T]) -> T | None:
    try:
        return await work
    except NotPermitted:
        return None


async def _search_all(ehr: Ehr, kind: str, asked: Mapping[str, str]) -> tuple[JsonObject, ...]:
    """Search for everything there is of a kind; BadAnswer rather than a part of it, in whatever order the EHR gives."""
    found = await ehr.search(kind, asked, limit=_HISTORY_LIMIT + 1, size=_HISTORY_PAGE)
    if len(found) > _HISTORY_LIMIT:
        raise BadAnswer(f"The EHR has more than {_HISTORY_LIMIT} of them.")
    return found


async def _read(ehr: Ehr, reference: str, kind: type[Struct]) -> Struct:
    found = await ehr.read(reference)
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError:
        return kind()


@dataclass(slots=True)
class _Reading:
    """One reading of a chart: how long a part may take, and which parts did not come."""

    patience: float
    unread: list[Unread] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    passing: list[str] = field(default_factory=list)  # late, or failed for now
    not_signed_in: list[str] = field(default_factory=list)  # refused with 401

    async def part(self, work: Awaitable[T], name: str) -> T | None:
        """Wait for a part; None, and its name is noted, if it fails or is late."""
        try:
            async with asyncio.timeout(self.patience):
                return await work
        except TimeoutError:
            self.note(name, is_late=True)
        except EhrError as error:
            self.note(name, failure=error)
        return None

    def note(self, name: str, *, is_late: bool = False, failure: EhrError | None = None) -> None:
        """Note that a part, or some of it, is late, or did not come, with the reason if there is one."""
        if is_late:
            self.late.append(name)
        else:
            self.unread.append(Unread(name, str(failure) if failure else ""))
        if is_late or isinstance(failure, EhrUnavailable | TokenRefused | BadAnswer):
            self.passing.append(name)
        if isinstance(failure, TokenRefused):
            self.not_signed_in.append(name)


async def _nothing() -> None:
    return None


def _convert_all(resources: Iterable[JsonObject], kind: type[Struct]) -> list[Struct]:
    found = []
    for resource in resources:
        try:
            found.append(msgspec.convert(resource, kind))
        except msgspec.ValidationError:
            continue
    return found


def _name(names: tuple[_Name, ...]) -> str:
    """Write a person's name: the usual or official one, as text if the EHR gives it."""
    if not names:
        return ""
    chosen = next((each for use in ("usual", "official") for each in names if each.use == use), names[0])
    written = chosen.text or " ".join([*chosen.given, chosen.family or ""])
    return " ".join(written.translate(_TURNING).split())


def _relationship(person: _Person) -> tuple[str, str]:
    """Give the record's own words for what somebody is to the patient, and the code where it is a common one.

    Without a text of its own the record has no more to say than the code.
    """
    for concept in person.relationship:
        code = code_of((coding.system, coding.code) for coding in concept.coding)
        if concept.text:
            return concept.text, code
        display = next((coding.display for coding in concept.coding if coding.display), "")
        if display or code:
            return display, code
    return "", ""


def _spoken(person: _Person) -> tuple[str, ...]:
    """List the languages that the record names for somebody, the preferred first."""
    ranked = sorted(person.communication, key=lambda each: not each.preferred)
    return tuple(coding.code for each in ranked for coding in each.language.coding if coding.code)
