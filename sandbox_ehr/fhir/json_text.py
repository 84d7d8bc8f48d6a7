"""FHIR JSON in and out without losing a digit: 1.50 stays 1.50."""

import re
from decimal import Decimal, InvalidOperation

import msgspec

from sandbox_ehr.errors import refuse

JsonObject = dict[str, object]

DEEPEST = 100  # objects and arrays within each other; the deepest Questionnaires have about twenty
_LONGEST_QUOTE = 60  # characters
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("a number has an exponent beyond any use") from None


_decoder = msgspec.json.Decoder(float_hook=_decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(body: bytes) -> JsonObject:
    """Read a JSON object; FhirRefused 400 if it is anything else."""
    try:
        value = _decoder.decode(body)
    except (ValueError, RecursionError) as error:  # DecodeError and UnicodeDecodeError are ValueErrors
        raise refuse(400, "structure", f"The body is not valid JSON: {_explain(error, body)}.") from None
    if not isinstance(value, dict):
        raise refuse(400, "structure", "The body is not a JSON object; a FHIR resource is expected.")
    if not _is_shallow(value):
        raise refuse(400, "too-costly", f"The body is nested more than {DEEPEST} levels deep.")
    return value


def _explain(error: Exception, body: bytes) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if _SURROGATE.search(body):
        return "it has half a character (a surrogate such as \\ud800 without its other half)"
    return str(error).rstrip(".")


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return True
    return False


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def quote(value: object) -> str:
    """Write a value into a message as the client sent it, cut where it is long."""
    text = _encoder.encode(value).decode()
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def encode(value: JsonObject) -> bytes:
    """Write JSON, decimals with the digits they came with."""
    return _encoder.encode(value)


def children(value: object, *keys: str) -> list[object]:
    """Follow keys down through objects and arrays; every value found there, arrays opened."""
    found = [value]
    for key in keys:
        found = [
            inner for each in found if isinstance(each, dict) and key in each for inner in _opened(each[key])
        ]
    return found


def first_text(value: object, *keys: str) -> str | None:
    """Give the first string under these keys."""
    return next((each for each in children(value, *keys) if isinstance(each, str)), None)


def _opened(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
