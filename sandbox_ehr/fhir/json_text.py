"""FHIR JSON in and out without losing a digit: 1.50 stays 1.50."""

from decimal import Decimal

import msgspec

from sandbox_ehr.errors import refuse

JsonObject = dict[str, object]

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(body: bytes) -> JsonObject:
    """Read a JSON object; FhirRefused 400 if it is anything else."""
    try:
        value = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise refuse(400, "structure", f"The body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise refuse(400, "structure", "The body is not a JSON object; a FHIR resource is expected.")
    return value


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
