"""If-Match: which version of a resource a change was made from. Pure.

https://www.rfc-editor.org/rfc/rfc9110.html#name-if-match and https://hl7.org/fhir/R4/http.html#concurrency
"""

import re

from sandbox_ehr.errors import refuse
from sandbox_ehr.fhir.json_text import quote

_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_TAGS = re.compile(rf"{_TAG}(?:\s*,\s*{_TAG})*")


def check_if_match(if_match: str | None, version: int) -> None:
    """FhirRefused 400 if the header is malformed, 412 if it names other versions; `*` is any version."""
    if if_match is None or if_match.strip() == "*":
        return
    if _TAGS.fullmatch(if_match.strip()) is None:
        text = f'If-Match is {quote(if_match)}: expected a version such as W/"3", as in the ETag of a read.'
        raise refuse(400, "invalid", text)
    if f'"{version}"' not in re.findall(r'"[^"]*"', if_match):
        text = f"The resource is at version {version}, not {if_match}: read it again."
        raise refuse(412, "conflict", text)
