"""The R4 QuestionnaireResponse as strict structs: https://hl7.org/fhir/R4/questionnaireresponse.html."""
# ruff: noqa: N815 -- FHIR names its elements so

from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Literal

import msgspec

from questionnaires.datatypes import (
    Coding,
    Date,
    DateTime,
    Element,
    Extension,
    FhirDecimal,
    Id,
    Identifier,
    Integer,
    JsonObject,
    Quantity,
    Reference,
    String,
    Time,
    Uri,
    check_day,
    to_moment,
)

Status = Literal["in-progress", "completed", "amended", "entered-in-error", "stopped"]
Value = bool | Decimal | int | str | Coding | Quantity | Reference | JsonObject


class Answer(Element, frozen=True, kw_only=True):
    """One answer: one value, or an extension that says why there is none."""

    modifierExtension: tuple[Extension, ...] = ()
    valueBoolean: bool | None = None
    valueDecimal: FhirDecimal | None = None
    valueInteger: Integer | None = None
    valueDate: Date | None = None
    valueDateTime: DateTime | None = None
    valueTime: Time | None = None
    valueString: String | None = None
    valueUri: Uri | None = None
    valueAttachment: JsonObject | None = None
    valueCoding: Coding | None = None
    valueQuantity: Quantity | None = None
    valueReference: Reference | None = None
    valueBoolean_: Element | None = msgspec.field(name="_valueBoolean", default=None)
    valueDecimal_: Element | None = msgspec.field(name="_valueDecimal", default=None)
    valueInteger_: Element | None = msgspec.field(name="_valueInteger", default=None)
    valueDate_: Element | None = msgspec.field(name="_valueDate", default=None)
    valueDateTime_: Element | None = msgspec.field(name="_valueDateTime", default=None)
    valueTime_: Element | None = msgspec.field(name="_valueTime", default=None)
    valueString_: Element | None = msgspec.field(name="_valueString", default=None)
    valueUri_: Element | None = msgspec.field(name="_valueUri", default=None)
    item: tuple["ResponseItem", ...] = ()

    def __post_init__(self) -> None:
        values = len(_VALUES) - _read_values(self).count(None)
        if values > 1:
            raise ValueError("An answer has one value; several stand here")
        # A primitive's sibling alone (data-absent-reason) stands for the value.
        if not values and not self.extension and not any(getattr(self, name) for name in _SIBLINGS):
            raise ValueError("An answer needs a value, or an extension that says why there is none")
        check_day(self.valueDate)
        check_day(self.valueDateTime)

    @property
    def kind(self) -> str | None:
        """The type of the value as FHIR writes it behind `value`: Coding, Integer ...; None if there is no value."""
        if self.valueCoding is not None:  # nearly always
            return "Coding"
        for kind, value in zip(_KINDS, _read_values(self), strict=True):
            if value is not None:
                return kind
        return None

    @property
    def value(self) -> Value | None:
        """The value, whatever its type."""
        if self.valueCoding is not None:
            return self.valueCoding
        found: Value | None = next((value for value in _read_values(self) if value is not None), None)
        return found


_VALUES = tuple(
    name for name in Answer.__struct_fields__ if name.startswith("value") and not name.endswith("_")
)
_KINDS = tuple(name.removeprefix("value") for name in _VALUES)
_read_values = attrgetter(*_VALUES)
_SIBLINGS = tuple(
    name for name in Answer.__struct_fields__ if name.startswith("value") and name.endswith("_")
)


class ResponseItem(Element, frozen=True, kw_only=True):
    """What was answered to one item."""

    modifierExtension: tuple[Extension, ...] = ()
    linkId: String
    linkId_: Element | None = msgspec.field(name="_linkId", default=None)
    definition: Uri | None = None
    text: String | None = None
    text_: Element | None = msgspec.field(name="_text", default=None)
    answer: tuple[Answer, ...] = ()
    item: tuple["ResponseItem", ...] = ()

    def __post_init__(self) -> None:
        if self.answer and self.item:  # qrs-1
            raise ValueError("An item has answers or items, not both; items below an answer stand inside it")


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A QuestionnaireResponse but for its items; `questionnaire` is required, as SDC requires it."""

    resourceType: Literal["QuestionnaireResponse"]
    id: Id | None = None
    meta: JsonObject | None = None
    implicitRules: Uri | None = None
    language: String | None = None
    text: JsonObject | None = None
    contained: tuple[JsonObject, ...] = ()
    extension: tuple[Extension, ...] = ()
    modifierExtension: tuple[Extension, ...] = ()
    identifier: Identifier | None = None
    basedOn: tuple[Reference, ...] = ()
    partOf: tuple[Reference, ...] = ()
    questionnaire: Uri
    questionnaire_: Element | None = msgspec.field(name="_questionnaire", default=None)
    status: Status
    status_: Element | None = msgspec.field(name="_status", default=None)
    subject: Reference | None = None
    encounter: Reference | None = None
    authored: DateTime | None = None
    authored_: Element | None = msgspec.field(name="_authored", default=None)
    author: Reference | None = None
    source: Reference | None = None

    def __post_init__(self) -> None:
        check_day(self.authored)

    @property
    def authored_at(self) -> datetime | None:
        """When it was answered; noon UTC if only the day is known, None if less is."""
        return to_moment(self.authored) if self.authored else None

    @property
    def subject_reference(self) -> str | None:
        """Whom it is about."""
        return self.subject.reference if self.subject else None

    @property
    def encounter_reference(self) -> str | None:
        """During which contact it was answered."""
        return self.encounter.reference if self.encounter else None

    @property
    def source_reference(self) -> str | None:
        """Who answered."""
        return self.source.reference if self.source else None

    @property
    def author_reference(self) -> str | None:
        """On whose account it was entered."""
        return self.author.reference if self.author else None


class Response(Head, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A QuestionnaireResponse, whole."""

    item: tuple[ResponseItem, ...] = ()
