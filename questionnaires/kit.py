"""The conformance kit: forms, responses and expected scores that any renderer or engine can be held against. Pure.

The data stand in `conformance/`, one folder a case; docs/reference/conformance-kit.md describes the files.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

import msgspec

from questionnaires.loader import load_instrument
from questionnaires.model import Instrument

TOLERANCE = Decimal("1e-8")  # FHIRPath asks of a decimal at least 8 digits behind the point: N1, "Decimal"
_FORM, _EXPECTED = "questionnaire.json", "expected.json"


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a score must be: a value, or no value and the reason that an Observation of it names."""

    value: Decimal | None = None
    dataAbsentReason: str | None = None  # noqa: N815 -- FHIR's name

    def __post_init__(self) -> None:
        if (self.value is None) == (self.dataAbsentReason is None):
            raise ValueError("either a value or a dataAbsentReason is expected")


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A response of a case and its scores by linkId."""

    file: str
    scores: dict[str, Expected]


class Submissions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Responses in the order in which they arrive, how many of them a record holds then, and which was given last."""

    order: tuple[str, ...]
    kept: int
    latest: str


class _Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    why: str
    responses: tuple[Answered, ...]
    submissions: Submissions | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its form and responses as they stand in the files, and what is expected."""

    id: str
    title: str
    why: str
    files: Mapping[str, bytes]
    responses: tuple[Answered, ...]
    submissions: Submissions | None

    @property
    def questionnaire(self) -> bytes:
        """The form."""
        return self.files[_FORM]


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an engine made of one response: value by linkId of the score, None where it gives none.

    `kept` and `latest` are told by engines that store: how many responses of the case's submissions, which is the newest.
    """

    case: str
    response: str | None = None
    scores: dict[str, Decimal | None] = {}
    kept: int | None = None
    latest: str | None = None
    error: str | None = None


def read_cases() -> tuple[Case, ...]:
    """Read the cases of this package, sorted by id."""
    places = (place for place in _kit().iterdir() if place.is_dir())
    return tuple(_read_case(place) for place in sorted(places, key=lambda place: place.name))


def load_kit() -> dict[str, Instrument]:
    """Load the form of every case, by the id of the case."""
    with as_file(_kit()) as place:
        return {each.name: load_instrument(each) for each in sorted(place.iterdir()) if each.is_dir()}


def read_kit_files() -> dict[str, bytes]:
    """Give every file of the kit by its path inside it: `zero-weight/expected.json`."""
    return {f"{case.id}/{name}": data for case in read_cases() for name, data in sorted(case.files.items())}


def read_findings(lines: Iterable[bytes]) -> Iterator[Finding]:
    """Read what an engine found, one JSON object a line; ValueError names the line that cannot be read."""
    decoder = msgspec.json.Decoder(Finding)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise ValueError(f"Line {number}: {error}. See docs/reference/conformance-kit.md.") from None


def find_failures(case: Case, findings: Iterable[Finding]) -> list[str]:
    """Say where findings of a case differ from what is expected, in a sentence each; empty if it is passed.

    A response without a finding is a failure. What is stored is judged only where a finding tells it.
    """
    own = [each for each in findings if each.case == case.id]
    by_response = {each.response: each for each in own if each.response is not None}
    failures = [
        f"{name}: the kit has no such response" for name in sorted(by_response.keys() - case.files.keys())
    ]
    for answered in case.responses:
        found = by_response.get(answered.file)
        if found is None:
            failures.append(f"{answered.file}: no result")
        elif found.error is not None:
            failures.append(f"{answered.file}: {found.error}")
        else:
            failures += _differences(answered, found.scores)
    for each in own:
        failures += _stored_otherwise(case.submissions, each)
    return failures


def _differences(answered: Answered, found: Mapping[str, Decimal | None]) -> Iterator[str]:
    for link_id, expected in answered.scores.items():
        value = found.get(link_id)
        same = (
            value is None
            if expected.value is None
            else value is not None and abs(value - expected.value) <= TOLERANCE
        )
        if not same:
            yield f"{answered.file}: {link_id} is {_told(value)}, not {_told(expected.value)}"


def _stored_otherwise(expected: Submissions | None, found: Finding) -> Iterator[str]:
    if expected is None:
        return
    if found.kept is not None and found.kept != expected.kept:
        yield f"{found.kept} responses are stored, not {expected.kept}"
    if found.latest is not None and found.latest != expected.latest:
        yield f"{found.latest} is taken for the latest, not {expected.latest}"


def _told(value: Decimal | None) -> str:
    return "without a value" if value is None else f"{value:f}"


def _kit() -> Traversable:
    return files("questionnaires") / "conformance"


def _read_case(place: Traversable) -> Case:
    held = {file.name: file.read_bytes() for file in place.iterdir() if file.name.endswith(".json")}
    told = msgspec.json.decode(held[_EXPECTED], type=_Told)
    return Case(place.name, told.title, told.why, held, told.responses, told.submissions)
