"""The resources of an instrument, decoded strictly: Questionnaire, and ObservationDefinitions in a Bundle."""
# ruff: noqa: N815 -- FHIR names its elements so

from collections.abc import Iterator
from typing import Literal

import msgspec

from questionnaires.datatypes import (
    CodeableConcept,
    Coding,
    Date,
    DateTime,
    Element,
    Expression,
    Extension,
    FhirDecimal,
    Id,
    Identifier,
    Integer,
    JsonObject,
    Period,
    PositiveInt,
    Quantity,
    Range,
    Reference,
    String,
    Time,
    Uri,
    check_day,
    find_extension,
)

STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
CALCULATED = SDC + "sdc-questionnaire-calculatedExpression"
FHIRPATH = "text/fhirpath"
NUMERIC = frozenset({"decimal", "integer", "quantity"})  # the types of items that may hold a score

ItemType = Literal[
    "group",
    "display",
    "boolean",
    "decimal",
    "integer",
    "date",
    "dateTime",
    "time",
    "string",
    "text",
    "url",
    "choice",
    "open-choice",
    "attachment",
    "reference",
    "quantity",
]
EnableOperator = Literal["exists", "=", "!=", ">", "<", ">=", "<="]


class _Backbone(Element, frozen=True, kw_only=True):
    modifierExtension: tuple[Extension, ...] = ()


class AnswerOption(_Backbone, frozen=True, kw_only=True):
    """One answer that may be chosen."""

    valueInteger: Integer | None = None
    valueDate: Date | None = None
    valueTime: Time | None = None
    valueString: String | None = None
    valueString_: Element | None = msgspec.field(name="_valueString", default=None)
    valueCoding: Coding | None = None
    valueReference: Reference | None = None
    initialSelected: bool | None = None

    def __post_init__(self) -> None:
        values = (
            self.valueInteger,
            self.valueDate,
            self.valueTime,
            self.valueString,
            self.valueCoding,
            self.valueReference,
        )
        if sum(value is not None for value in values) != 1:
            raise ValueError("An answerOption needs exactly one value")


class EnableWhen(_Backbone, frozen=True, kw_only=True):
    """A condition under which an item is asked."""

    question: String
    operator: EnableOperator
    answerBoolean: bool | None = None
    answerDecimal: FhirDecimal | None = None
    answerInteger: Integer | None = None
    answerDate: Date | None = None
    answerDateTime: DateTime | None = None
    answerTime: Time | None = None
    answerString: String | None = None
    answerCoding: Coding | None = None
    answerQuantity: Quantity | None = None
    answerReference: Reference | None = None


class QuestionnaireItem(_Backbone, frozen=True, kw_only=True):
    """A question, group or text of a Questionnaire."""

    linkId: String
    definition: Uri | None = None
    code: tuple[Coding, ...] = ()
    prefix: String | None = None
    prefix_: Element | None = msgspec.field(name="_prefix", default=None)
    text: String | None = None
    text_: Element | None = msgspec.field(name="_text", default=None)
    type: ItemType
    enableWhen: tuple[EnableWhen, ...] = ()
    enableBehavior: Literal["all", "any"] | None = None
    required: bool = False
    repeats: bool = False
    readOnly: bool = False
    maxLength: Integer | None = None
    answerValueSet: Uri | None = None
    answerOption: tuple[AnswerOption, ...] = ()
    initial: tuple[JsonObject, ...] = ()
    item: tuple["QuestionnaireItem", ...] = ()


class UsageContext(Element, frozen=True, kw_only=True):
    """For whom something is meant."""

    code: Coding
    valueCodeableConcept: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    valueRange: Range | None = None
    valueReference: Reference | None = None


class Questionnaire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An R4 Questionnaire: https://hl7.org/fhir/R4/questionnaire.html."""

    resourceType: Literal["Questionnaire"]
    id: Id | None = None
    meta: JsonObject | None = None
    implicitRules: Uri | None = None
    language: String | None = None
    text: JsonObject | None = None
    contained: tuple[JsonObject, ...] = ()
    extension: tuple[Extension, ...] = ()
    modifierExtension: tuple[Extension, ...] = ()
    url: Uri
    identifier: tuple[Identifier, ...] = ()
    version: String
    name: String | None = None
    title: String | None = None
    title_: Element | None = msgspec.field(name="_title", default=None)
    derivedFrom: tuple[Uri, ...] = ()
    status: Literal["draft", "active", "retired", "unknown"]
    experimental: bool = False
    subjectType: tuple[String, ...] = ()
    date: DateTime | None = None
    publisher: String | None = None
    contact: tuple[JsonObject, ...] = ()
    description: String | None = None
    description_: Element | None = msgspec.field(name="_description", default=None)
    useContext: tuple[UsageContext, ...] = ()
    jurisdiction: tuple[CodeableConcept, ...] = ()
    purpose: String | None = None
    copyright: String | None = None
    copyright_: Element | None = msgspec.field(name="_copyright", default=None)
    approvalDate: Date | None = None
    lastReviewDate: Date | None = None
    effectivePeriod: Period | None = None
    code: tuple[Coding, ...] = ()
    item: tuple[QuestionnaireItem, ...] = ()

    def __post_init__(self) -> None:
        check_day(self.date)


class QuantitativeDetails(_Backbone, frozen=True, kw_only=True):
    """Unit and precision of a score."""

    customaryUnit: CodeableConcept | None = None
    unit: CodeableConcept | None = None
    conversionFactor: FhirDecimal | None = None
    decimalPrecision: Integer | None = None


class QualifiedInterval(_Backbone, frozen=True, kw_only=True):
    """A range of a score: `absolute` is what can be reached."""

    category: Literal["reference", "critical", "absolute"] | None = None
    range: Range | None = None
    context: CodeableConcept | None = None
    appliesTo: tuple[CodeableConcept, ...] = ()
    gender: String | None = None
    age: Range | None = None
    gestationalAge: Range | None = None
    condition: String | None = None


class ObservationDefinition(_Backbone, frozen=True, kw_only=True):
    """What one score is: range, direction, precision. https://hl7.org/fhir/R4/observationdefinition.html."""

    resourceType: Literal["ObservationDefinition"]
    meta: JsonObject | None = None
    language: String | None = None
    text: JsonObject | None = None
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept
    identifier: tuple[Identifier, ...] = ()
    permittedDataType: tuple[String, ...] = ()
    multipleResultsAllowed: bool | None = None
    method: CodeableConcept | None = None
    preferredReportName: String | None = None
    quantitativeDetails: QuantitativeDetails | None = None
    qualifiedInterval: tuple[QualifiedInterval, ...] = ()


class DefinitionEntry(_Backbone, frozen=True, kw_only=True):
    """An entry of the Bundle of definitions."""

    fullUrl: Uri | None = None
    resource: ObservationDefinition


class DefinitionBundle(_Backbone, frozen=True, kw_only=True):
    """The ObservationDefinitions of an instrument."""

    resourceType: Literal["Bundle"]
    type: Literal["collection"]
    total: PositiveInt | None = None
    entry: tuple[DefinitionEntry, ...] = ()


WEIGHTS = frozenset(STRUCTURE + name for name in ("itemWeight", "ordinalValue"))


def every_item(items: tuple[QuestionnaireItem, ...]) -> Iterator[QuestionnaireItem]:
    """Give the items at every depth, in the order of the form."""
    for item in items:
        yield item
        yield from every_item(item.item)


def read_weight(extensions: tuple[Extension, ...]) -> FhirDecimal | None:
    """Give the weight that an answer option or its coding carries."""
    for name in ("itemWeight", "ordinalValue"):
        found = find_extension(extensions, STRUCTURE + name)
        if found is not None:
            return found.valueDecimal
    return None


def read_variables(extensions: tuple[Extension, ...]) -> dict[str, str]:
    """Give the FHIRPath variables of a Questionnaire or item: name -> expression, in their order."""
    found = (each.valueExpression for each in extensions if each.url == STRUCTURE + "variable")
    return {
        each.name: each.expression
        for each in found
        if each and each.name and each.expression and each.language == FHIRPATH
    }


def read_calculation(item: QuestionnaireItem) -> Expression | None:
    """Give the calculatedExpression of an item."""
    found = find_extension(item.extension, CALCULATED)
    return found.valueExpression if found else None


def read_translations(element: Element | None) -> dict[str, str]:
    """Give the translations that stand beside a text: language -> text."""
    translations: dict[str, str] = {}
    for each in element.extension if element else ():
        if each.url != STRUCTURE + "translation":
            continue
        language = find_extension(each.extension, "lang")
        content = find_extension(each.extension, "content")
        if language and language.valueCode and content:
            translations[language.valueCode] = content.valueString or content.valueMarkdown or ""
    return translations
