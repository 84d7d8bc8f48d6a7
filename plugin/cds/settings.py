"""`[site.cds]`: the EHR as caller of the CDS Hooks service."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Algorithm = Literal["ES256", "ES384", "RS256", "RS384"]


@dataclass(frozen=True, slots=True)
class CdsClient:
    """Whose calls are answered: the `iss` of their tokens, where the keys stand, which algorithms may sign."""

    issuer: str
    jwks_url: str
    algorithms: tuple[str, ...]


class CdsSection(BaseModel):
    """The section as it is written. The host of `jwks_url` is one of the site's own (`fhir_base`, `extra_hosts`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Annotated[str, Field(min_length=1)]
    jwks_url: Annotated[str, Field(pattern=r"^https?://[^?#]+$")]
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("ES384", "RS384")


def build_cds(section: CdsSection | None) -> CdsClient | None:
    """Turn the section into values; None where the EHR calls no CDS service of ours."""
    return CdsClient(section.issuer, section.jwks_url, section.algorithms) if section else None
