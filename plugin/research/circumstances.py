"""What the record says about the session in which a form was filled: number, kind, carer present, medicines, age. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, tzinfo

import msgspec

from plugin.days import Born, born_written
from plugin.research.medicines import NONE, UNKNOWN, MedicineClasses
from plugin.trends.contacts import Contacts, read_contacts
from plugin.trends.medication import Course, read_courses

JsonObject = dict[str, object]


class _Patient(msgspec.Struct, rename="camel"):
    birth_date: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """One patient's record as research needs it. `medication` is None where the EHR does not let it be read.

    `is_part`: of MedicationRequest and MedicationStatement one alone could be read.
    """

    born: Born | None
    contacts: Contacts
    medication: tuple[Course, ...] | None
    is_part: bool = False

    def session_of(self, encounter: str | None, day: date) -> int | None:
        """Give the number of the session of a form, counted from 1; None where the record does not tell one."""
        return self.contacts.number_in(encounter, day)

    def modality_of(self, encounter: str | None, day: date) -> str | None:
        """Give `virtual` or `in-person`."""
        virtual = self.contacts.was_virtual(encounter, day)
        return None if virtual is None else "virtual" if virtual else "in-person"

    def medicines_on(self, day: date, classes: MedicineClasses) -> str | None:
        """Give the classes of medicines taken on a day; `unknown` where what could not be read may name one."""
        if self.medication is None:
            return None
        told = classes.on(self.medication, day)
        return UNKNOWN if told == NONE and self.is_part else told


def read_circumstances(
    patient: JsonObject,
    encounters: Iterable[JsonObject],
    medication: Iterable[JsonObject] | None,
    zone: tzinfo,
    medicines: Mapping[str, JsonObject],
    *,
    base: str = "",
    is_part: bool = False,
) -> Circumstances:
    """Read a patient's record, leniently: it is others' data.

    `zone` is the site's; `medicines` are Medications of the server at `base`, by reference.
    """
    return Circumstances(
        _born(patient),
        read_contacts(encounters, zone),
        None if medication is None else read_courses(medication, zone, medicines, base),
        is_part,
    )


def _born(patient: JsonObject) -> Born | None:
    try:
        return born_written(msgspec.convert(patient, _Patient).birth_date)
    except msgspec.ValidationError:
        return None
