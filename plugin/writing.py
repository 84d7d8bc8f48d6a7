"""What a site sets about writing into records: which ways, in which order, and what each needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from plugin.pace import DEFAULT_PACE, Pace
from smart_launch import Site


class WriterKind(StrEnum):
    """The ways to put results into a record."""

    RESPONSE = "response"  # QuestionnaireResponse
    OBSERVATIONS = "observations"  # US Core screening assessment Observations
    FLOWSHEET = "flowsheet"  # Observations under the site's own codes
    DOCUMENT = "document"  # DocumentReference: a summary to read
    COMPANION = "companion"  # a second FHIR server, which takes all of it


class DocumentFormat(StrEnum):
    """How a summary is attached, as a MIME type."""

    TEXT = "text/plain"
    PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class FlowsheetRow:
    """Where one score goes: the code of the score, and the row of the EHR (a LOINC code or one of its own)."""

    score: str
    system: str
    code: str
    display: str | None = None
    category: str = "vital-signs"
    unit: str | None = None  # UCUM; None writes the number alone


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a code system."""

    system: str
    code: str
    display: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentForm:
    """How the summary document looks to the EHR; `formats` in the order in which they are attached."""

    formats: tuple[DocumentFormat, ...] = (DocumentFormat.TEXT,)
    type: Coding | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """How one site writes. `writers` None: what the rest of this makes possible.

    `practitioner_performs` names the clinician as performer of flowsheet Observations, which some EHRs demand.
    """

    writers: tuple[WriterKind, ...] | None = None
    rows: tuple[FlowsheetRow, ...] = ()
    practitioner_performs: bool = False
    document: DocumentForm | None = None
    companion: Site | None = None
    pace: Pace = DEFAULT_PACE

    @property
    def kinds(self) -> tuple[WriterKind, ...]:
        """The writers in force, in order."""
        if self.writers is not None:
            return self.writers
        given: Mapping[WriterKind, object] = {
            WriterKind.RESPONSE: True,
            WriterKind.OBSERVATIONS: True,
            WriterKind.FLOWSHEET: self.rows,
            WriterKind.DOCUMENT: self.document,
            WriterKind.COMPANION: self.companion,
        }
        return tuple(kind for kind, present in given.items() if present)


DEFAULT_WRITING = Writing()
