"""What somebody is to the patient, in the reader's language where the record codes it, else in the record's own words."""

from collections.abc import Iterable

from plugin.pages.words import LANGUAGES, N_, SOURCE_LANGUAGE, translations

# HL7's tables, as the value set relatedperson-relationshiptype of FHIR R4 takes from them.
SYSTEMS = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
        "http://hl7.org/fhir/v3/RoleCode",  # DSTU2 and STU3
        "http://terminology.hl7.org/CodeSystem/v2-0131",
        "http://terminology.hl7.org/CodeSystem/v2-0063",
    }
)
KINSHIPS = {
    "PRN": N_("parent"),
    "MTH": N_("mother"),
    "FTH": N_("father"),
    "NPRN": N_("natural parent"),
    "NMTH": N_("natural mother"),
    "NFTH": N_("natural father"),
    "ADOPTP": N_("adoptive parent"),
    "ADOPTM": N_("adoptive mother"),
    "ADOPTF": N_("adoptive father"),
    "STPPRN": N_("step parent"),
    "STPMTH": N_("stepmother"),
    "STPFTH": N_("stepfather"),
    "PRNFOST": N_("foster parent"),
    "MTHFOST": N_("foster mother"),
    "FTHFOST": N_("foster father"),
    "GRPRN": N_("grandparent"),
    "GRMTH": N_("grandmother"),
    "GRFTH": N_("grandfather"),
    "MGRMTH": N_("maternal grandmother"),
    "MGRFTH": N_("maternal grandfather"),
    "PGRMTH": N_("paternal grandmother"),
    "PGRFTH": N_("paternal grandfather"),
    "SIB": N_("sibling"),
    "SIS": N_("sister"),
    "BRO": N_("brother"),
    "AUNT": N_("aunt"),
    "UNCLE": N_("uncle"),
    "FAMMEMB": N_("family member"),
    "GUARD": N_("guardian"),
    "GRD": N_("guardian"),  # v2-0063
    "PAR": N_("parent"),  # v2-0063
    "N": N_("next of kin"),  # v2-0131
    "C": N_("emergency contact"),  # v2-0131
}
"""The word for each code that is told in the reader's language."""


def code_of(codings: Iterable[tuple[str | None, str]]) -> str:
    """Give the first code that is known here, of (system, code); empty if there is none."""
    return next((code for system, code in codings if system in SYSTEMS and code in KINSHIPS), "")


def told_relationship(words: str, code: str, language: str) -> str:
    """Tell a relationship; what the record says beyond its code ("stepmother, weekends") stays as it is."""
    if not code:
        return words
    known = KINSHIPS[code]
    plain = {translations(each).gettext(known).casefold() for each in LANGUAGES}
    if words and words.casefold() not in plain:
        return words
    if words.casefold() == known and language == SOURCE_LANGUAGE:
        return words
    told = translations(language).gettext(known)
    return told[0].upper() + told[1:] if words[:1].isupper() else told
