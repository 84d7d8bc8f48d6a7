"""What a site writes: configuration, CapabilityStatement and scopes together, with the reason for what is not used."""

from dataclasses import replace

import pytest

from plugin.delivery.capability import Capability, read_capability
from plugin.delivery.choosing import NAMES, Origin, build_writer, can_write_some, needs_ehr, plan
from plugin.delivery.several import SeveralWriter
from plugin.delivery.writers import SequenceWriter
from plugin.writing import DocumentForm, FlowsheetRow, WriterKind, Writing
from smart_launch import Scopes

R, OBS, D = "QuestionnaireResponse", "Observation", "DocumentReference"
ROWS = (FlowsheetRow("total", "http://loinc.org", "x"),)
ALL = Scopes.parse("patient/QuestionnaireResponse.crs patient/Observation.crs patient/DocumentReference.crs")
ORIGIN = Origin(None, "Clinic", "https://ehr.invalid/r4")


def capability(*creates: str) -> Capability:
    return Capability(transaction=False, creates=frozenset(creates), conditional=frozenset())


def used(writing: Writing, declared: Capability, granted: Scopes | None) -> list[str]:
    return [each.kind.value for each in plan(writing, declared, granted) if each.used]


@pytest.mark.parametrize(
    ("writing", "creates", "expected"),
    [
        (Writing(), (R, OBS), ["response", "observations"]),
        (Writing(), (R,), ["response"]),
        (Writing(rows=ROWS), (OBS,), ["observations", "flowsheet"]),
        (Writing(writers=(WriterKind.FLOWSHEET,), rows=ROWS), (R, OBS), ["flowsheet"]),
        (Writing(document=DocumentForm()), (R, D), ["response", "document"]),
        (Writing(writers=(WriterKind.DOCUMENT,)), (D,), ["document"]),
        (Writing(), (), []),
        (Writing(writers=(WriterKind.COMPANION,)), (R, OBS), []),
    ],
)
def test_what_is_used_follows_what_is_set_and_declared(
    writing: Writing, creates: tuple[str, ...], expected: list[str]
) -> None:
    assert used(writing, capability(*creates), ALL) == expected


def test_what_is_not_granted_is_not_used_and_says_so() -> None:
    granted = Scopes.parse("patient/QuestionnaireResponse.crs patient/Observation.rs")
    response, observations = plan(Writing(), capability(R, OBS), granted)
    assert response.used
    assert observations.reason == "the granted scopes do not allow to create Observation."


def test_before_scopes_are_known_the_statement_alone_decides() -> None:
    assert used(Writing(), capability(R, OBS), None) == ["response", "observations"]


def test_a_flowsheet_needs_the_scope_of_its_own_category() -> None:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    survey = Scopes.parse(f"patient/Observation.cs?category={system}|survey")
    vital = Scopes.parse(f"patient/Observation.cs?category={system}|vital-signs")
    writing = Writing(writers=(WriterKind.FLOWSHEET,), rows=ROWS)
    assert not can_write_some(writing, survey)
    assert can_write_some(writing, vital)


def test_the_reasons_come_with_the_writer() -> None:
    writer = build_writer(Writing(rows=ROWS), capability(R), ALL, ORIGIN)
    assert isinstance(writer, SeveralWriter)
    assert len(writer.parts) == 1
    assert [each.partition(":")[0] for each in writer.left_out] == [
        "Observations (screening assessment)",
        "Flowsheet",
    ]


def test_where_all_is_used_the_standard_writer_stands_alone() -> None:
    assert isinstance(build_writer(Writing(), capability(R, OBS), ALL, ORIGIN), SequenceWriter)


def test_with_nothing_to_use_there_is_no_writer() -> None:
    assert build_writer(Writing(), capability(), ALL, ORIGIN) is None


def test_only_the_companion_needs_nothing_of_the_ehr() -> None:
    assert not needs_ehr(Writing(writers=(WriterKind.COMPANION,)))
    assert needs_ehr(replace(Writing(), rows=ROWS))


def test_every_kind_has_a_name() -> None:
    assert set(NAMES) == set(WriterKind)


def test_a_statement_is_read_with_what_can_be_searched_by() -> None:
    parameters = [{"name": "patient"}, {"name": "authored"}]
    interaction = [{"code": "create"}, {"code": "search-type"}]
    resource = {"type": R, "interaction": interaction, "searchParam": parameters}
    found = read_capability(
        {"rest": [{"resource": [resource]}], "fhirVersion": "4.0.1", "software": {"name": "X"}}
    )
    assert found.searches == {R: frozenset({"patient", "authored"})}
    assert not found.searches_by(R, "identifier")
    assert (found.fhir_version, found.software) == ("4.0.1", "X")
