"""The parts of a site's TOML section that set how it writes, and what they come to."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from plugin.pace import Pace
from plugin.scope_words import check_scopes
from plugin.writing import Coding, DocumentForm, DocumentFormat, FlowsheetRow, WriterKind, Writing
from smart_launch import ClientSecret, PrivateKeyJwt, Site

_Address = Annotated[str, Field(pattern=r"^https?://[^?#]+$")]
_FORMATS = {"text": DocumentFormat.TEXT, "pdf": DocumentFormat.PDF}
Authentication = Literal["client_secret", "private_key_jwt"]
Authenticate = Callable[[Authentication, str], ClientSecret | PrivateKeyJwt]
"""Makes the authentication of a client: how, and under which name its secret stands in the environment."""

COMPANION_SCOPES = (
    "system/Patient.crs",
    "system/QuestionnaireResponse.crus",
    "system/Observation.crus",
    "system/Provenance.c",
)
DOCUMENT_SCOPE = "patient/DocumentReference.crus"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Row(_Strict):
    score: str
    system: str
    code: str
    display: str | None = None
    category: str = "vital-signs"
    unit: str | None = None


class _Coding(_Strict):
    system: str
    code: str
    display: str | None = None


class _Document(_Strict):
    formats: Annotated[tuple[Literal["text", "pdf"], ...], Field(min_length=1)] = ("text",)
    type: _Coding | None = None


class _Companion(_Strict):
    fhir_base: _Address
    client_id: str
    authentication: Authentication = "private_key_jwt"
    scopes: tuple[str, ...] = COMPANION_SCOPES
    extra_hosts: tuple[str, ...] = ()
    allow_private_addresses: bool = False

    @pydantic.field_validator("scopes")
    @classmethod
    def _are_scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_scopes(value)
        return value


class _Pace(_Strict):
    at_once: Annotated[int, Field(ge=1, le=16)] = 4
    per_second: Annotated[float, Field(gt=0, le=1000)] = 10.0
    first_pause_seconds: Annotated[float, Field(ge=0.5, le=600)] = 2.0
    longest_pause_seconds: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    settling_seconds: Annotated[float, Field(ge=0, le=3600)] = 10.0
    failures_to_rest: Annotated[int, Field(ge=1, le=1000)] = 5
    rest_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    set_aside_after: Annotated[int, Field(ge=1, le=100)] = 5
    order_hours: Annotated[float, Field(ge=0, le=24 * 365)] = 24.0


class WritingSection(_Strict):
    """What a site may set about writing."""

    writers: Annotated[tuple[WriterKind, ...] | None, Field(min_length=1)] = None
    flowsheet: tuple[_Row, ...] = ()
    flowsheet_performer: Literal["none", "practitioner"] = "none"
    document: _Document | None = None
    companion: _Companion | None = None
    delivery: _Pace = _Pace()

    @property
    def wants_document(self) -> bool:
        """Whether documents are written, so that their scope is asked for."""
        return WriterKind.DOCUMENT in (self.writers or ()) or (
            self.writers is None and self.document is not None
        )


def build_writing(
    section: WritingSection,
    site_id: str,
    authenticate: Authenticate,
    is_loopback: Callable[[str], bool],
) -> Writing:
    """Turn the section into values; ValueError for what contradicts itself."""
    scores = [row.score for row in section.flowsheet]
    if len(set(scores)) != len(scores):
        raise ValueError(f"flowsheet names a score twice: {scores}.")
    for kind, given in ((WriterKind.FLOWSHEET, section.flowsheet), (WriterKind.COMPANION, section.companion)):
        if kind in (section.writers or ()) and not given:
            raise ValueError(f"writers names {kind}, but there is no {kind} section.")
    document = section.document
    return Writing(
        writers=section.writers,
        rows=tuple(FlowsheetRow(**row.model_dump()) for row in section.flowsheet),
        practitioner_performs=section.flowsheet_performer == "practitioner",
        document=None
        if document is None
        else DocumentForm(
            formats=tuple(_FORMATS[each] for each in document.formats),
            type=Coding(**document.type.model_dump()) if document.type else None,
        ),
        companion=None
        if section.companion is None
        else _build_companion(section.companion, site_id, authenticate, is_loopback),
        pace=_build_pace(section.delivery),
    )


def _build_pace(pace: _Pace) -> Pace:
    return Pace(
        at_once=pace.at_once,
        per_second=pace.per_second,
        first_pause=timedelta(seconds=pace.first_pause_seconds),
        longest_pause=timedelta(seconds=pace.longest_pause_seconds),
        settling=timedelta(seconds=pace.settling_seconds),
        failures_to_rest=pace.failures_to_rest,
        rest=timedelta(seconds=pace.rest_seconds),
        set_aside_after=pace.set_aside_after,
        order_kept_for=timedelta(hours=pace.order_hours),
    )


def _build_companion(
    companion: _Companion, site_id: str, authenticate: Authenticate, is_loopback: Callable[[str], bool]
) -> Site:
    local = is_loopback(companion.fhir_base)
    return Site(
        id=f"{site_id}-companion",
        name=f"Companion server of {site_id}",
        fhir_base=companion.fhir_base,
        client_id=companion.client_id,
        authentication=authenticate(companion.authentication, f"{site_id}-companion"),
        redirect_uri="",
        scopes=(),
        backend_scopes=companion.scopes,
        extra_hosts=companion.extra_hosts,
        allow_http_loopback=local,
        allow_private_addresses=companion.allow_private_addresses or local,
    )
