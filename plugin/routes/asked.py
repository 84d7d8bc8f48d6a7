"""What the EHR launches us about: a form, or a response that was begun there (fhirContext of SMART App Launch 2.2)."""

from dataclasses import dataclass, field

import msgspec
import structlog

from plugin.access.invitations import Draft
from plugin.access.launches import Launch
from plugin.ehr import Ehr, EhrError
from questionnaires import Catalogue, Instrument, walk

log = structlog.get_logger()

_OPEN = "in-progress"
_MOST_READ = 20  # things that are read of one launch to find its form: a page waits for each
_NAMED = ("QuestionnaireResponse/", "Questionnaire/")


@dataclass(frozen=True, slots=True)
class AskedFor:
    """A form that the EHR asks for: its id here, None if it is not installed; whom, and what was begun, if it says so."""

    canonical: str
    instrument: str | None
    respondent: str | None = None
    response: str | None = None
    answers: Draft = field(default_factory=dict)


class _Coding(msgspec.Struct):
    code: str = ""


class _Answer(msgspec.Struct):
    valueCoding: _Coding | None = None  # noqa: N815 -- FHIR's element names
    valueString: str | None = None  # noqa: N815
    item: "tuple[_Item, ...]" = ()


class _Item(msgspec.Struct):
    linkId: str = ""  # noqa: N815
    answer: tuple[_Answer, ...] = ()
    item: "tuple[_Item, ...]" = ()


class _Reference(msgspec.Struct):
    reference: str = ""


class _Response(msgspec.Struct):
    questionnaire: str = ""
    status: str = ""
    subject: _Reference = msgspec.field(default_factory=_Reference)
    source: _Reference = msgspec.field(default_factory=_Reference)
    item: tuple[_Item, ...] = ()


class _Form(msgspec.Struct):
    url: str = ""
    version: str = ""


async def read_asked_for(ehr: Ehr, launch: Launch, catalogue: Catalogue) -> AskedFor | None:
    """Find the first form that the launch names; None if it names none, or none that can be read among the first 20."""
    tried: set[str] = set()
    left_out = 0
    for item in launch.context.fhir_context:
        reference = item.reference or ""
        if item.canonical and item.type in {None, "Questionnaire"}:
            return AskedFor(item.canonical, _installed(catalogue, item.canonical))
        if not reference.startswith(_NAMED) or reference in tried:
            continue
        if len(tried) == _MOST_READ:
            left_out += 1
            continue
        tried.add(reference)
        try:
            return await _read_named(ehr, launch, reference, catalogue)
        except (EhrError, msgspec.ValidationError):
            continue
    if left_out:
        log.warning("fhirContext names too much to be read", site=launch.site, left_out=left_out)
    return None


async def _read_named(ehr: Ehr, launch: Launch, reference: str, catalogue: Catalogue) -> AskedFor | None:
    if reference.startswith("QuestionnaireResponse/"):
        return await read_begun(ehr, launch, reference, catalogue)
    form = msgspec.convert(await ehr.read(reference), _Form)
    canonical = f"{form.url}|{form.version}" if form.version else form.url
    return AskedFor(canonical, _installed(catalogue, canonical))


async def read_begun(ehr: Ehr, launch: Launch, reference: str, catalogue: Catalogue) -> AskedFor | None:
    """Read a response that is open in the EHR; None if it is another patient's, finished, or not named by the launch."""
    if reference not in {item.reference for item in launch.context.fhir_context}:
        return None
    found = msgspec.convert(await ehr.read(reference), _Response)
    if found.status != _OPEN or found.subject.reference.removeprefix(f"{ehr.base}/") != launch.patient:
        return None
    installed = _installed(catalogue, found.questionnaire)
    answers = _answers(found.item, catalogue.by_id(installed)) if installed else {}
    source = found.source.reference.removeprefix(f"{ehr.base}/") or None
    return AskedFor(found.questionnaire, installed, source, reference, answers)


def _installed(catalogue: Catalogue, canonical: str) -> str | None:
    """Find a form by its canonical; with a version it must be that one."""
    nearest = catalogue.nearest(canonical)
    if nearest is None or ("|" in canonical and nearest.canonical != canonical):
        return None
    return nearest.id


def _answers(items: tuple[_Item, ...], instrument: Instrument) -> Draft:
    """Take the answers that the form has as options; what is written in words is asked again."""
    options = {
        each.link_id: {option.code for option in each.options}
        for each in walk(instrument.items)
        if each.options
    }
    taken: Draft = {}
    for item in items:
        codes = [each.valueCoding.code for each in item.answer if each.valueCoding]
        if len(codes) == 1 and codes[0] in options.get(item.linkId, ()):
            taken[item.linkId] = codes[0]
        below = (*item.item, *(inner for each in item.answer for inner in each.item))
        taken.update(_answers(below, instrument))
    return taken
