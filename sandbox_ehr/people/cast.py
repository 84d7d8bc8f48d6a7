"""Who is in the sandbox: invented people, with ages relative to today."""

from dataclasses import dataclass

CLINIC = "1"
SCHOOL_SERVICE = "2"


@dataclass(frozen=True, slots=True)
class Colleague:
    """A practitioner and the one role they have."""

    id: str
    prefix: str
    given: str
    family: str
    gender: str
    role: str
    organization: str


@dataclass(frozen=True, slots=True)
class Carer:
    """Somebody who looks after a child; `code` is from v3-RoleCode."""

    given: str
    family: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Child:
    """A patient. `age` in years and `days` since the last birthday give the birth date; `hour` is today's visit."""

    id: str
    given: str
    family: str
    gender: str
    age: int
    days: int
    language: tuple[str, str]  # BCP 47, name
    organization: str
    clinician: str
    hour: str
    mode: str  # VR or AMB, as in v3-ActCode
    carers: tuple[Carer, ...]
    reason: str
    medication: str | None = None
    also: str | None = None  # the name in Latin letters
    sessions: int = 3
    research: str | None = None  # permit or deny, where the family was asked


@dataclass(frozen=True, slots=True)
class Medicine:
    """A medicine with its ATC code and a dose in words."""

    code: str
    display: str
    dose: str


MEDICINES = {
    "methylphenidate": Medicine(
        "N06BA04", "Methylphenidate 18 mg prolonged-release tablet", "One tablet in the morning"
    ),
    "atomoxetine": Medicine("N06BA09", "Atomoxetine 25 mg capsule", "One capsule in the morning"),
    "fluoxetine": Medicine("N06AB03", "Fluoxetine 20 mg capsule", "One capsule in the morning"),
    "sertraline": Medicine("N06AB06", "Sertraline 50 mg tablet", "One tablet a day"),
    "melatonin": Medicine(
        "N05CH01", "Melatonin 2 mg prolonged-release tablet", "One tablet an hour before bed"
    ),
}

COLLEAGUES = (
    Colleague("201", "Dr", "Hannah", "Lindgren", "female", "Child and adolescent psychiatrist", CLINIC),
    Colleague("202", "", "Samuel", "Adeyemi", "male", "Clinical psychologist", CLINIC),
    Colleague("203", "", "Marisol", "Vega Prieto", "female", "School counsellor", SCHOOL_SERVICE),
    Colleague("204", "", "Daniel", "Novák", "male", "Family therapist", CLINIC),
    Colleague("205", "", "Ingrid", "Solberg", "female", "Information governance officer", CLINIC),
    Colleague("206", "", "Tomasz", "Zieliński", "male", "Clinical systems administrator", CLINIC),
)


def _mother(given: str, family: str) -> Carer:
    return Carer(given, family, "MTH", "mother")


def _father(given: str, family: str) -> Carer:
    return Carer(given, family, "FTH", "father")


CHILDREN = (
    Child("1001", "Amara", "Okafor", "female", 9, 120, ("en", "English"), CLINIC, "202", "09:00", "AMB",
          (_mother("Ngozi", "Okafor"), _father("Chidi", "Okafor")), "Worry and school refusal", sessions=8, research="permit"),
    Child("1002", "Mateo", "Ríos Delgado", "male", 8, 33, ("es", "Spanish"), CLINIC, "204", "09:30", "AMB",
          (_mother("Lucía", "Delgado Fuentes"),), "Restlessness and conflict at home", "methylphenidate", sessions=6, research="permit"),
    Child("1003", "نور", "الحداد", "female", 13, 201, ("ar", "Arabic"), CLINIC, "201", "10:00", "AMB",
          (_father("Samir", "Al-Haddad"), _mother("Rania", "Al-Haddad")), "Low mood after a move",
          "fluoxetine", also="Nour Al-Haddad", sessions=9, research="permit"),
    Child("1004", "Wei-Ling", "Chen", "female", 15, 77, ("zh", "Chinese"), SCHOOL_SERVICE, "203", "10:30", "VR",
          (_mother("Mei", "Chen"),), "Exam stress and sleep", "melatonin", sessions=7, research="permit"),
    Child("1005", "Oliver", "Bennett", "male", 11, 300, ("en", "English"), SCHOOL_SERVICE, "203", "11:00", "VR",
          (Carer("Margaret", "Bennett", "GRMTH", "grandmother"),), "Bereavement"),
    Child("1006", "Aisha", "Rahmani", "female", 12, 14, ("fa-AF", "Dari"), CLINIC, "202", "11:30", "AMB",
          (_mother("Parwin", "Rahmani"),), "Nightmares after flight"),
    Child("1007", "Tomasz", "Kowalczyk", "male", 16, 150, ("pl", "Polish"), CLINIC, "201", "12:00", "VR",
          (_mother("Agnieszka", "Kowalczyk"), _father("Piotr", "Kowalczyk")), "Obsessive thoughts",
          "sertraline", sessions=5, research="permit"),
    Child("1008", "Freya", "Lindqvist", "female", 7, 250, ("sv", "Swedish"), CLINIC, "204", "13:00", "AMB",
          (_mother("Karin", "Lindqvist"),), "Separation anxiety"),
    Child("1009", "Kofi", "Mensah", "male", 14, 9, ("en", "English"), SCHOOL_SERVICE, "203", "13:30", "VR",
          (_father("Kwame", "Mensah"),), "Bullying"),
    Child("1010", "Priya", "Raghunathan", "female", 10, 180, ("ta", "Tamil"), CLINIC, "202", "14:00", "AMB",
          (_mother("Lakshmi", "Raghunathan"),), "Selective mutism"),
    Child("1011", "Jayden", "Whitehorse-Cole", "male", 17, 60, ("en", "English"), CLINIC, "201", "14:30", "AMB",
          (Carer("Denise", "Marlowe", "PRNFOST", "foster carer"),), "Self-harm, placement change",
          "atomoxetine", sessions=10, research="deny"),
    Child("1012", "Zsófia", "Szabó", "female", 13, 320, ("hu", "Hungarian"), SCHOOL_SERVICE, "203", "15:00", "VR",
          (_mother("Ildikó", "Szabó"),), "Panic attacks at school"),
    Child("1013", "Elif", "Yıldırım", "female", 6, 210, ("tr", "Turkish"), CLINIC, "204", "15:30", "AMB",
          (_mother("Zeynep", "Yıldırım"), Carer("Fatma", "Yıldırım", "GRMTH", "grandmother")), "Tantrums and sleep"),
    Child("1014", "Noah", "O'Sullivan-Park", "male", 12, 95, ("en", "English"), SCHOOL_SERVICE, "203", "16:00", "VR",
          (_father("Ji-ho", "Park"), _mother("Aoife", "O'Sullivan")), "Attention and friendship"),
)  # fmt: skip
