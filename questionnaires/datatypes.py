"""FHIR R4 datatypes, decoded strictly: wrong JSON types, unknown properties and malformed primitives are refused."""
# ruff: noqa: N815 -- FHIR names its elements so

import re
from calendar import monthrange
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

JsonObject = dict[str, object]
Struct = TypeVar("Struct", bound=msgspec.Struct)

_CODE = r"^[^\s]+(\s[^\s]+)*$"
_URI = r"^\S+$"
_DATE = r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
_ZONE = r"(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))"
_DATE_TIME = rf"^\d{{4}}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T{_TIME}{_ZONE})?)?)?$"

# Formats of the primitives: https://hl7.org/fhir/R4/datatypes.html
String = Annotated[str, Meta(min_length=1, pattern=r"\S", description="text that is not blank")]
Code = Annotated[str, Meta(pattern=_CODE, description="a code: no blanks at the ends or in a row")]
Uri = Annotated[str, Meta(pattern=_URI, description="an address without blanks")]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$", description="1 to 64 letters, digits, - or .")]
Date = Annotated[str, Meta(pattern=_DATE, description="a date: YYYY, YYYY-MM or YYYY-MM-DD")]
DateTime = Annotated[str, Meta(pattern=_DATE_TIME, description="a dateTime; one with a time needs its zone")]
Instant = Annotated[
    str, Meta(pattern=rf"^\d{{4}}-\d\d-\d\dT{_TIME}{_ZONE}$", description="an instant with its zone")
]
Time = Annotated[str, Meta(pattern=rf"^{_TIME}$", description="a time: hh:mm:ss")]
Base64 = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/=\s]+$", description="base64")]
Integer = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1, description="a whole number of 32 bits")]
UnsignedInt = Annotated[int, Meta(ge=0, le=2**31 - 1, description="a whole number from 0")]
PositiveInt = Annotated[int, Meta(ge=1, le=2**31 - 1, description="a whole number from 1")]


# Beyond, time zones lead out of the calendar that Python and databases know.
FIRST_DAY, LAST_DAY = date(1800, 1, 1), date(2200, 12, 31)
_PARTIAL = re.compile(r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2}))?)?")
_MOST = 10**308  # about what a double holds, which is what others read JSON numbers into


class FhirDecimal(Decimal):
    """A decimal that came as a JSON number, with the digits that it came with."""


def read_decimal(text: str) -> Decimal:
    """Read a JSON number, its digits kept; ValueError if its exponent is beyond what decimals can hold."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("The number is larger than any that is kept") from None


def count_places(number: Decimal) -> int:
    """Count the digits after the point, zeros at the end left out."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def read_custom(kind: type, value: object) -> object:
    """Decode what msgspec has no type for: decimals, which FHIR writes as numbers and never as text, and any value."""
    if kind is object:
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("Expected a number, got something else")  # noqa: TRY004 -- msgspec adds the place to ValueError
    if isinstance(value, int) and not -_MOST < value < _MOST:
        # Written with a point or an exponent it is refused by the JSON reader.
        raise ValueError("The number is larger than any that is kept")
    return FhirDecimal(value)


@cache
def decoder(kind: type[Struct]) -> msgspec.json.Decoder[Struct]:
    """Give the strict decoder of a type, decimals exact."""
    return msgspec.json.Decoder(kind, dec_hook=read_custom, float_hook=read_decimal)


def day_limits(first: date | None, last: date | None) -> tuple[date, date]:
    """Give the first and the last day that may be given: of a form's own, if it has bounds, and of all that are kept."""
    return max(first or FIRST_DAY, FIRST_DAY), min(last or LAST_DAY, LAST_DAY)


def days_of(text: str) -> tuple[date, date] | None:
    """Give the first and the last day of a FHIR date, which may be a year alone, or a year and a month; None for what is none."""
    found = _PARTIAL.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(found[part]) if found[part] else None for part in ("year", "month", "day"))
    try:
        first = date(year or 0, month or 1, day or 1)
    except ValueError:
        return None
    end = month or 12
    return first, date(first.year, end, day or monthrange(first.year, end)[1])


def check_day(text: str | None) -> None:
    """Refuse a day that no calendar has, such as 30 February; the format has been checked."""
    if text is None or len(text) < len("2000-01-01"):
        return
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError("The calendar has no such day") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"The year is not between {FIRST_DAY.year} and {LAST_DAY.year}")


def to_moment(text: str) -> datetime | None:
    """Read a dateTime with its zone; a day alone counts as noon UTC, less than a day as None."""
    if len(text) < len("2000-01-01"):
        return None
    whole = text if "T" in text else f"{text}T12:00:00+00:00"
    # Python 3.11 knows neither leap seconds nor more than six digits of a second.
    if ":60" in whole:
        whole = re.sub(r":60(?=[.Z+-])", ":59", whole)
    if "." in whole:
        whole = re.sub(r"(\.\d{6})\d+", r"\1", whole)
    return datetime.fromisoformat(whole)


class Element(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every element may have."""

    id: String | None = None
    extension: tuple["Extension", ...] = ()


class Coding(Element, frozen=True, kw_only=True):
    """A code of a system."""

    system: Uri | None = None
    version: String | None = None
    code: Code | None = None
    display: String | None = None
    display_: Element | None = msgspec.field(name="_display", default=None)
    userSelected: bool | None = None


class CodeableConcept(Element, frozen=True, kw_only=True):
    """A concept: codings, or text, or both."""

    coding: tuple[Coding, ...] = ()
    text: String | None = None
    text_: Element | None = msgspec.field(name="_text", default=None)


class Quantity(Element, frozen=True, kw_only=True):
    """A number with a unit."""

    value: FhirDecimal | None = None
    comparator: Code | None = None
    unit: String | None = None
    system: Uri | None = None
    code: Code | None = None


class Period(Element, frozen=True, kw_only=True):
    """From when until when."""

    start: DateTime | None = None
    end: DateTime | None = None


class Range(Element, frozen=True, kw_only=True):
    """From how much to how much."""

    low: Quantity | None = None
    high: Quantity | None = None


class Identifier(Element, frozen=True, kw_only=True):
    """A business identifier."""

    use: Code | None = None
    type: CodeableConcept | None = None
    system: Uri | None = None
    value: String | None = None
    period: Period | None = None
    assigner: "Reference | None" = None


class Reference(Element, frozen=True, kw_only=True):
    """A reference to another resource."""

    reference: String | None = None
    type: Uri | None = None
    identifier: Identifier | None = None
    display: String | None = None


class Expression(Element, frozen=True, kw_only=True):
    """An expression, and the name by which others refer to it."""

    description: String | None = None
    name: Id | None = None
    language: Code
    expression: String | None = None
    reference: Uri | None = None


class Extension(Element, frozen=True, kw_only=True):
    """An extension with whatever value it carries; kinds that no instrument needs are kept as they came."""

    url: Uri
    valueBase64Binary: Base64 | None = None
    valueBoolean: bool | None = None
    valueCanonical: Uri | None = None
    valueCode: Code | None = None
    valueDate: Date | None = None
    valueDateTime: DateTime | None = None
    valueDecimal: FhirDecimal | None = None
    valueId: Id | None = None
    valueInstant: Instant | None = None
    valueInteger: Integer | None = None
    valueMarkdown: String | None = None
    valueOid: Uri | None = None
    valuePositiveInt: PositiveInt | None = None
    valueString: String | None = None
    valueTime: Time | None = None
    valueUnsignedInt: UnsignedInt | None = None
    valueUri: Uri | None = None
    valueUrl: Uri | None = None
    valueUuid: Uri | None = None
    valueAddress: JsonObject | None = None
    valueAge: Quantity | None = None
    valueAnnotation: JsonObject | None = None
    valueAttachment: JsonObject | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueCoding: Coding | None = None
    valueContactPoint: JsonObject | None = None
    valueCount: Quantity | None = None
    valueDistance: Quantity | None = None
    valueDuration: Quantity | None = None
    valueHumanName: JsonObject | None = None
    valueIdentifier: Identifier | None = None
    valueMoney: JsonObject | None = None
    valuePeriod: Period | None = None
    valueQuantity: Quantity | None = None
    valueRange: Range | None = None
    valueRatio: JsonObject | None = None
    valueReference: Reference | None = None
    valueSampledData: JsonObject | None = None
    valueSignature: JsonObject | None = None
    valueTiming: JsonObject | None = None
    valueContactDetail: JsonObject | None = None
    valueContributor: JsonObject | None = None
    valueDataRequirement: JsonObject | None = None
    valueExpression: Expression | None = None
    valueParameterDefinition: JsonObject | None = None
    valueRelatedArtifact: JsonObject | None = None
    valueTriggerDefinition: JsonObject | None = None
    valueUsageContext: JsonObject | None = None
    valueDosage: JsonObject | None = None
    valueMeta: JsonObject | None = None

    def __post_init__(self) -> None:
        # Counted in one call: an answer sheet has dozens of extensions, and each has 51 places for a value.
        values = _PLACES - astuple(self).count(None) - (self.id is not None)
        if values + bool(self.extension) > 1:
            raise ValueError(f"Extension {self.url} has more than one value")


_PLACES = len(Extension.__struct_fields__) - 2  # but for `url` and `extension`, which are never None


def find_extension(extensions: tuple[Extension, ...], url: str) -> Extension | None:
    """Give the first extension with this address."""
    return next((each for each in extensions if each.url == url), None)
