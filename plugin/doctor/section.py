"""The site's section of rapport.toml, as an examination suggests it. Pure."""

import re
from urllib.parse import urlsplit

from plugin.collected_section import Collecting
from plugin.delivery.capability import Capability
from plugin.delivery.ways import topic_of
from plugin.doctor.signing_in import SignIn
from plugin.doctor.vendors import Vendor
from plugin.writing import WriterKind

_BACKEND = ("QuestionnaireResponse", "Observation", "DocumentReference", "Provenance")
_NEEDS_SECTION = frozenset({WriterKind.FLOWSHEET, WriterKind.COMPANION})
_AND_SUBSCRIPTION = (
    '# and "system/Subscription.crd" where [site.collected] has the EHR tell of what it collected itself'
)
_EXAMPLE_ROW = """\

# One for each score that has a row of its own; `rapport instruments show` lists the codes of the scores.
# [[site.flowsheet]]
# score = "rapport-checkin-child-total"
# system = "http://loinc.org"
# code = "..."
"""


def write_section(
    issuer: str,
    sign_in: SignIn,
    capability: Capability,
    vendor: Vendor | None,
    writers: tuple[WriterKind, ...],
) -> str:
    """Write a [[site]] that can be read as it is, once client_id and organization are filled in."""
    host = urlsplit(issuer).hostname or "ehr"
    name = vendor.name if vendor else host
    lines = [
        "[[site]]",
        f"id = {_quote(_identifier(host))}",
        f"name = {_quote(name)}",
        'organization = "FILL IN: on whose behalf scores are computed"',
        f"fhir_base = {_quote(issuer)}",
        'client_id = "FILL IN: from the registration"',
        f"authentication = {_quote(sign_in.authentication)}",
        f"frame_ancestors = [{_quote(_origin(issuer))}]  # the origin of the EHR's pages",
        '# time_zone = "America/Los_Angeles"  # where the service works; without it a day ends at midnight UTC',
    ]
    if sign_in.other_hosts:
        lines.append(f"extra_hosts = [{', '.join(map(_quote, sign_in.other_hosts))}]")
    scopes = [_backend_scope(kind, capability) for kind in _BACKEND if kind in capability.creates]
    if sign_in.backend and scopes:
        lines.append(
            f"# backend_scopes = [{', '.join(map(_quote, scopes))}]  # once the EHR has registered them"
        )
        if topic_of(Collecting(), capability) is not None:
            lines.append(_AND_SUBSCRIPTION)
    if vendor:
        lines.append(_writers_line(writers))
    return "\n".join(lines) + "\n" + _sections(vendor, writers)


def _backend_scope(kind: str, capability: Capability) -> str:
    """What is written is created, corrected where the EHR takes that, and looked up before it is sent again."""
    if kind == "Provenance":  # never corrected, and has no identifier to be found by
        return f"system/{kind}.c"
    return f"system/{kind}.{'crus' if kind in capability.updates else 'crs'}"


def _writers_line(writers: tuple[WriterKind, ...]) -> str:
    """List what can be written at once; what needs a section filled in first is named in the remark."""
    ready = [each for each in writers if each not in _NEEDS_SECTION]
    waiting = [_quote(each.value) for each in writers if each in _NEEDS_SECTION]
    line = f"writers = [{', '.join(_quote(each.value) for each in ready)}]"
    remark = f"  # add {', '.join(waiting)} once the section below is filled in" if waiting else ""
    return f"{line}{remark}" if ready else f"# {line}{remark}"


def _sections(vendor: Vendor | None, writers: tuple[WriterKind, ...]) -> str:
    parts = []
    if vendor and vendor.performer and WriterKind.FLOWSHEET in writers:
        parts.append(f"flowsheet_performer = {_quote(vendor.performer)}\n")
    if WriterKind.DOCUMENT in writers:
        parts.append('\n[site.document]\nformats = ["text"]\n')
    if WriterKind.FLOWSHEET in writers:
        parts.append(_EXAMPLE_ROW)
    if WriterKind.COMPANION in writers:
        parts.append(
            '\n# [site.companion]\n# fhir_base = "https://fhir.example.org/r4"\n# client_id = "rapport"\n'
        )
    return "".join(parts)


def _identifier(host: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    return plain[:40] if plain[:1].isalpha() else f"ehr-{plain}"[:40]


def _origin(issuer: str) -> str:
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
