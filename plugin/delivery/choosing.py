"""Chooses how to write at one site: by configuration, CapabilityStatement and granted scopes, with the reasons."""

from dataclasses import dataclass
from datetime import UTC, tzinfo

from plugin.delivery.capability import Capability
from plugin.delivery.companion import CompanionWriter, Connect
from plugin.delivery.document import DOCUMENT, DocumentWriter
from plugin.delivery.flowsheet import FlowsheetWriter
from plugin.delivery.pdf import can_render
from plugin.delivery.several import NamedWriter, SeveralWriter
from plugin.delivery.writers import (
    OBSERVATION,
    PROVENANCE,
    RESPONSE,
    Writer,
    can_create,
    can_update,
    choose_writer,
)
from plugin.writing import DocumentForm, DocumentFormat, WriterKind, Writing
from questionnaires import Instrument
from smart_launch import Scopes

_TYPE = {
    WriterKind.RESPONSE: RESPONSE,
    WriterKind.OBSERVATIONS: OBSERVATION,
    WriterKind.FLOWSHEET: OBSERVATION,
    WriterKind.DOCUMENT: DOCUMENT,
}
NAMES = {
    WriterKind.RESPONSE: "QuestionnaireResponse",
    WriterKind.OBSERVATIONS: "Observations (screening assessment)",
    WriterKind.FLOWSHEET: "Flowsheet",
    WriterKind.DOCUMENT: "Document",
    WriterKind.COMPANION: "Companion server",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One way to write at a site: whether it will be used, and if not why (a sentence)."""

    kind: WriterKind
    reason: str | None = None

    @property
    def used(self) -> bool:
        """Whether it will be used."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Origin:
    """What writers need to know of where a record comes from."""

    instrument: Instrument | None
    organization: str
    fhir_base: str
    collected: bool = False  # by the EHR itself: the response stands there already
    zone: tzinfo = UTC  # the site's


def plan(writing: Writing, capability: Capability, granted: Scopes | None) -> tuple[Planned, ...]:
    """Say of every way that the site wants whether it will be used. `granted` None: scopes are not known yet."""
    return tuple(Planned(kind, _obstacle(kind, writing, capability, granted)) for kind in writing.kinds)


def can_write_some(writing: Writing, granted: Scopes, capability: Capability | None = None) -> bool:
    """Tell whether a token may write anything in the EHR that the site wants written; with `capability`, of what that takes."""
    return any(
        _scope_obstacle(kind, writing, granted) is None
        for kind in writing.kinds
        if kind in _TYPE and (capability is None or _TYPE[kind] in capability.creates)
    )


def wanted_there(writing: Writing) -> tuple[str, ...]:
    """Name the types that the site wants written in the EHR itself."""
    return tuple(dict.fromkeys(_TYPE[kind] for kind in writing.kinds if kind in _TYPE))


def needs_ehr(writing: Writing) -> bool:
    """Tell whether anything is written in the EHR itself."""
    return any(kind in _TYPE for kind in writing.kinds)


def build_writer(
    writing: Writing,
    capability: Capability,
    granted: Scopes,
    origin: Origin,
    connect: Connect | None = None,
) -> Writer | None:
    """Build what the plan comes to; None if nothing can be written anywhere."""
    planned = plan(writing, capability, granted)
    if origin.collected:
        planned = tuple(each for each in planned if each.kind is not WriterKind.RESPONSE)
    used = [each.kind for each in planned if each.used]
    parts: list[NamedWriter] = []
    standard = _standard(used, capability, granted, collected=origin.collected)
    if standard is not None:
        parts.append(NamedWriter("Response and Observations", standard))
    if WriterKind.FLOWSHEET in used:
        flowsheet = FlowsheetWriter(
            writing.rows, writing.practitioner_performs, capability, _updates(writing, capability, granted)
        )
        parts.append(NamedWriter(NAMES[WriterKind.FLOWSHEET], flowsheet))
    if WriterKind.DOCUMENT in used:
        form = writing.document or DocumentForm()
        updates = _updates(writing, capability, granted)
        document = DocumentWriter(
            form, origin.instrument, origin.organization, capability, updates, origin.zone
        )
        parts.append(NamedWriter(NAMES[WriterKind.DOCUMENT], document))
    if WriterKind.COMPANION in used and connect is not None:
        companion = CompanionWriter(connect, origin.fhir_base)
        parts.append(NamedWriter(NAMES[WriterKind.COMPANION], companion))
    if not parts:
        return None
    left_out = _left_out(planned, standard)
    return (
        standard
        if standard is not None and len(parts) == 1 and not left_out
        else SeveralWriter(tuple(parts), left_out)
    )


def _standard(
    used: list[WriterKind], capability: Capability, granted: Scopes, *, collected: bool
) -> Writer | None:
    wanted = {_TYPE[kind] for kind in used if kind in {WriterKind.RESPONSE, WriterKind.OBSERVATIONS}}
    if not wanted:
        return None
    return choose_writer(capability, granted, frozenset({*wanted, PROVENANCE}), collected=collected)


def _updates(writing: Writing, capability: Capability, granted: Scopes) -> frozenset[str]:
    """Name the types of which flowsheet rows and documents may be changed."""
    categories = {row.category for row in writing.rows} or {"vital-signs"}
    able = {DOCUMENT} if can_update(DOCUMENT, granted) else set()
    if all(can_update(OBSERVATION, granted, category) for category in categories):
        able.add(OBSERVATION)
    return frozenset(able & capability.updates)


def _left_out(planned: tuple[Planned, ...], standard: Writer | None) -> tuple[str, ...]:
    told = [f"{NAMES[each.kind]}: {each.reason} Kept in Rapport" for each in planned if each.reason]
    if standard is None:
        told.append(f"{PROVENANCE}: kept in Rapport")
    return tuple(told)


def _obstacle(
    kind: WriterKind, writing: Writing, capability: Capability, granted: Scopes | None
) -> str | None:
    """Say what stands in the way of a writer; None if nothing does."""
    if kind is WriterKind.COMPANION:
        return None if writing.companion else "no companion server is set up ([site.companion])."
    resource_type = _TYPE[kind]
    if resource_type not in capability.creates:
        return f"the EHR does not declare creation of {resource_type}."
    if kind is WriterKind.FLOWSHEET and not writing.rows:
        return "no score has a row ([[site.flowsheet]])."
    if kind is WriterKind.DOCUMENT and _wants_pdf(writing) and not can_render():
        return "PDF needs the extra rapport-fhir[pdf], which is not installed."
    return None if granted is None else _scope_obstacle(kind, writing, granted)


def _scope_obstacle(kind: WriterKind, writing: Writing, granted: Scopes) -> str | None:
    resource_type = _TYPE[kind]
    categories = {row.category for row in writing.rows} if kind is WriterKind.FLOWSHEET else {"survey"}
    if all(can_create(resource_type, granted, category) for category in categories):
        return None
    return f"the granted scopes do not allow to create {resource_type}."


def _wants_pdf(writing: Writing) -> bool:
    form = writing.document or DocumentForm()
    return DocumentFormat.PDF in form.formats
