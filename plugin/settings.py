"""What an installation sets: one TOML file of sites, and the environment for secrets.

Nothing has an insecure default: a missing secret stops the start with a sentence that says what to set.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Literal

import httpx
import msgspec
import pydantic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field

from plugin.cds.settings import CdsClient, CdsSection, build_cds
from plugin.collected_section import CollectedSection, Collecting, build_collecting
from plugin.database_address import beside, hosts_unchecked
from plugin.days import Age, read_zone
from plugin.errors import SettingsInvalid
from plugin.instrument_sections import InstrumentsSection, OwnForms, build_own_forms
from plugin.interpretation import Interpretation, InterpretationSection, build_interpretation
from plugin.plan import Plan, PlanInEhr, read_plan
from plugin.research_settings import Research, ResearchSection, build_research
from plugin.respondents import RespondentPolicy, RespondentsSection, build_respondents
from plugin.retention_settings import Retention, RetentionSection, build_retention
from plugin.roles import RoleBook, RolesSection, build_roles
from plugin.schedule import EVERY_SESSION, Schedule, SiteSchedule
from plugin.scope_words import check_scopes
from plugin.secret_keys import read_log_key, read_metrics_token, read_secret, read_vault_keys
from plugin.settings_problems import describe_problems
from plugin.signing_folder import read_folder
from plugin.site_sections import DOCUMENT_SCOPE, WritingSection, build_writing
from plugin.writing import Writing
from smart_launch import (
    AddressRefused,
    ClientSecret,
    PrivateKeyJwt,
    PublicClient,
    Scopes,
    SigningKey,
    Site,
    Sites,
)
from smart_launch.wire import check_address

# Requested at launch: read the patient and the alliance history, write one form's results.
# v2 scopes; an EHR that grants v1 spellings instead is understood (standards: SMART App Launch 2.2).
_DEFAULT_SECRETS = {"changeme", "change-me", "secret", "password", "default", "example", "test"}
DEFAULT_SCOPES = (
    "launch",
    "openid",
    "fhirUser",
    "patient/Patient.r",
    "patient/RelatedPerson.rs",
    "patient/Encounter.rs",
    "patient/QuestionnaireResponse.crus",
    "patient/Observation.crus",
    "patient/Provenance.c",
)
_PLAN = ".json"  # how the name of a PlanDefinition ends
PLAN = "PlanDefinition"
PLAN_SCOPE = "user/PlanDefinition.rs"
MEDICATION_SCOPES = (
    "patient/MedicationStatement.rs",
    "patient/MedicationRequest.rs",
    "patient/Medication.r",
)


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who says that the site holds a licence for entering an instrument's scores; `threshold` is the site's own, if any."""

    reference: str
    attested_by: str
    attested_on: date
    threshold: float | None


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """What one site decides: whose name stands for it, and what its clinicians may see."""

    organization: str
    frame_ancestors: tuple[str, ...]
    show_item_answers: bool
    invitation_hours: int
    session_hours: int
    code_life: timedelta = timedelta(minutes=10)  # of a code that is read out
    link_from_age: int = 12
    schedule: SiteSchedule | PlanInEhr = EVERY_SESSION  # `Schedules` gives what is gone by
    zone: tzinfo = UTC  # tells which day a moment falls on
    language: str = "en"  # of pages for whoever's browser asks for none that Rapport has
    ehr_patience: float = (
        2.5  # seconds that the patient page waits for the EHR before it opens from the ledger
    )
    attested: Mapping[str, Attestation] = field(default_factory=dict)
    instruments: tuple[Path, ...] = ()  # places of forms that this site alone is offered
    show_medication: bool = False
    interpretation: Interpretation | None = None  # None: scores are shown, never interpreted
    roles: RoleBook = field(default_factory=RoleBook)
    respondents: RespondentPolicy = field(default_factory=RespondentPolicy)
    cds: CdsClient | None = None  # None: the EHR calls no CDS service of ours
    research: Research | None = None  # None: nothing is given to research
    auditors_see_answers: bool = False
    collecting: Collecting | None = None  # None: nothing is looked for in the EHR
    retention: Retention = field(default_factory=Retention)

    def allows_link(self, age: Age | None) -> bool:
        """Tell whether a young person of this age may be sent a link; of an age that is not certain, the lower end counts."""
        if self.link_from_age == 0 or self.respondents.link_with_caregiver:
            return True
        return age is not None and age.low >= self.link_from_age


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of one installation."""

    base_url: str
    database: str
    vault_keys: tuple[bytes, ...]
    signing_keys: tuple[SigningKey, ...]
    sites: Sites
    policies: Mapping[str, SitePolicy]
    wording: Path | None
    instrument_folders: tuple[Path, ...]
    log_folder: Path
    log_key: Ed25519PrivateKey
    writing: Mapping[str, Writing] = field(default_factory=dict)
    own_forms: OwnForms = field(default_factory=OwnForms)
    metrics_token: str | None = None
    hsts_subdomains: bool = True  # browsers are told that what stands below base_url's host is https, too
    audit_database: str | None = None  # by which auditors' pages read; None: the database, read-only

    @property
    def log_name(self) -> str:
        """The transparency log's name, which its checkpoints carry."""
        return f"{self.base_url.partition('://')[2]}/log"

    def __repr__(self) -> str:
        """Name the installation, never its secrets."""
        return f"Settings({self.base_url}, sites={sorted(self.policies)})"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Server(_Strict):
    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+$")]
    database: str
    audit_database: str | None = None
    database_in_clear: bool = False
    hsts_subdomains: bool = True
    wording: str | None = None
    instruments: tuple[str, ...] = ()
    log: str = "log"


class _Licence(_Strict):
    instrument: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    reference: Annotated[str, Field(min_length=3)]
    attested_by: Annotated[str, Field(min_length=2)]
    attested_on: date
    threshold: float | None = None


class _Site(WritingSection):
    licence: tuple[_Licence, ...] = ()
    instruments: tuple[str, ...] = ()
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    name: str
    organization: str
    fhir_base: Annotated[str, Field(pattern=r"^https?://[^?#]+$")]
    client_id: str
    authentication: Literal["public", "client_secret", "private_key_jwt"]
    scopes: tuple[str, ...] | None = None
    backend_scopes: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    id_token_issuer: str | None = None
    frame_ancestors: tuple[str, ...] = ()
    allow_private_addresses: bool = False
    show_item_answers: bool = False
    auditors_see_answers: bool = False
    invitation_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24
    session_hours: Annotated[int, Field(ge=1, le=24)] = 8
    code_minutes: Annotated[int, Field(ge=2, le=30)] = 10
    link_from_age: Annotated[int, Field(ge=0, le=18)] = 12
    schedule: str = "every"
    time_zone: str = "UTC"
    language: Literal["en", "es", "fr", "de", "pt"] = "en"
    ehr_patience_seconds: Annotated[float, Field(ge=0.1, le=20)] = 2.5
    show_medication: bool = False
    notes: bool = False
    interpretation: InterpretationSection | None = None
    roles: RolesSection = RolesSection()
    respondents: RespondentsSection = RespondentsSection()
    cds: CdsSection | None = None
    research: ResearchSection | None = None
    collected: CollectedSection | None = None
    retention: RetentionSection = RetentionSection()

    @pydantic.field_validator("schedule")
    @classmethod
    def _is_schedule(cls, value: str) -> str:
        if PlanInEhr.parse(value) is None and not value.endswith(_PLAN):
            Schedule.parse(value)
        return value

    @pydantic.field_validator("scopes", "backend_scopes")
    @classmethod
    def _are_scopes(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        check_scopes(value)
        return value

    @pydantic.field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        read_zone(value)
        return value


class _File(_Strict):
    server: _Server
    instruments: InstrumentsSection = InstrumentsSection()
    site: tuple[_Site, ...]


def read_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the TOML file and the environment; SettingsInvalid names every place and the remedy."""
    environment = os.environ if environment is None else environment
    file = _read_file(path)
    _check_addresses(path, file)
    _check_databases(path, file.server, environment)
    keys = _signing_keys(environment, needed=any(_needs_keys(site) for site in file.site))
    base = path.parent
    return Settings(
        base_url=file.server.base_url,
        database=beside(file.server.database, base),
        audit_database=beside(file.server.audit_database, base) if file.server.audit_database else None,
        vault_keys=read_vault_keys(environment),
        signing_keys=keys,
        sites=_build_sites(path, file, keys, environment),
        policies={
            site.id: SitePolicy(
                organization=site.organization,
                frame_ancestors=site.frame_ancestors,
                show_item_answers=site.show_item_answers,
                invitation_hours=site.invitation_hours,
                session_hours=site.session_hours,
                code_life=timedelta(minutes=site.code_minutes),
                link_from_age=site.link_from_age,
                schedule=_schedule(path, site),
                zone=read_zone(site.time_zone),
                language=site.language,
                ehr_patience=site.ehr_patience_seconds,
                attested={
                    each.instrument: Attestation(
                        each.reference, each.attested_by, each.attested_on, each.threshold
                    )
                    for each in site.licence
                },
                instruments=tuple(base / place for place in site.instruments),
                show_medication=site.show_medication,
                interpretation=_interpretation(path, site),
                roles=build_roles(site.roles),
                respondents=build_respondents(site.respondents),
                cds=build_cds(site.cds),
                research=build_research(site.research, base),
                auditors_see_answers=site.auditors_see_answers,
                collecting=_collecting(path, site),
                retention=build_retention(site.retention),
            )
            for site in file.site
        },
        wording=base / file.server.wording if file.server.wording else None,
        instrument_folders=_places(base, file),
        log_folder=base / file.server.log,
        log_key=read_log_key(environment, read_vault_keys(environment)),
        writing=_build_writing(path, file, keys, environment),
        own_forms=_own_forms(path, file),
        metrics_token=read_metrics_token(environment),
        hsts_subdomains=file.server.hsts_subdomains,
    )


def _schedule(path: Path, site: _Site) -> Schedule | Plan | PlanInEhr:
    """Read a schedule as it is written, or the PlanDefinition that it names beside the file; the EHR is not asked here."""
    if (in_ehr := PlanInEhr.parse(site.schedule)) is not None:
        return in_ehr
    if not site.schedule.endswith(_PLAN):
        return Schedule.parse(site.schedule)
    place = path.parent / site.schedule
    try:
        return read_plan(json.loads(place.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as error:
        raise SettingsInvalid(
            f"The schedule of {site.id} in {path} cannot be used: {place.name}: {error}.",
            "Name a FHIR R4 PlanDefinition as JSON, or write the sessions, such as 1,3,4,+4.",
        ) from None


def _interpretation(path: Path, site: _Site) -> Interpretation | None:
    try:
        return build_interpretation(site.interpretation, path.parent)
    except ValueError as error:
        raise SettingsInvalid(
            f"[site.interpretation] of {site.id} in {path} cannot be used: {error}",
            "Correct the file of tips, or remove the setting to use those that come with Rapport.",
        ) from None


def _collecting(path: Path, site: _Site) -> Collecting | None:
    try:
        return build_collecting(site.collected, site.backend_scopes)
    except ValueError as error:
        raise SettingsInvalid(
            f"Site {site.id} in {path} cannot be used: {error}",
            "Add the scope, once the EHR has registered it, or take the section out.",
        ) from None


def _places(base: Path, file: _File) -> tuple[Path, ...]:
    """Give the places of the site's own forms, each once."""
    named = (*file.server.instruments, *(place for site in file.site for place in site.instruments))
    return tuple(dict.fromkeys(base / place for place in named))


def _own_forms(path: Path, file: _File) -> OwnForms:
    for each in file.instruments.canonical:
        if each.server.startswith("http://") and not is_loopback(each.server):
            raise SettingsInvalid(
                f"instruments.canonical in {path} names a server by plain http: {each.server}.",
                "Use https; plain http is accepted for 127.0.0.1 and localhost only.",
            )
    try:
        return build_own_forms(file.instruments, path.parent)
    except ValueError as error:
        raise SettingsInvalid(f"{path} cannot be used: {error}", "Give each form its own id.") from None


def secret_variable(site_id: str) -> str:
    """Name the environment variable that holds a site's client secret."""
    return f"RAPPORT_SITE_{site_id.upper().replace('-', '_')}_SECRET"


def _read_file(path: Path) -> _File:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsInvalid(
            f"There is no configuration file {path}.",
            "Run `rapport init` to write a commented one, or name another with --config.",
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsInvalid(
            f"{path} is not UTF-8 text (byte {error.start}).",
            "Save it as UTF-8, or name another with --config.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{path} is not valid TOML: {error}.", "Correct that line.") from None
    try:
        return _File.model_validate_json(msgspec.json.encode(content), strict=True)
    except pydantic.ValidationError as error:
        problems = describe_problems(content, _File, error.errors())
        raise SettingsInvalid(
            f"{path} has settings that cannot be used: {problems}.",
            "`rapport init --print` shows every setting with an explanation.",
        ) from None


def _check_addresses(path: Path, file: _File) -> None:
    if not file.site:
        raise SettingsInvalid(f"{path} names no site.", "Add a [[site]] section for each EHR.")
    ids = [site.id for site in file.site]
    if len(set(ids)) != len(ids):
        raise SettingsInvalid(f"{path} names a site id twice: {ids}.", "Give each [[site]] its own id.")
    if file.server.base_url.startswith("http://") and not is_loopback(file.server.base_url):
        raise SettingsInvalid(
            f"server.base_url in {path} is plain http: {file.server.base_url}.",
            "Use https; plain http is accepted for 127.0.0.1 and localhost only.",
        )


def _check_databases(path: Path, server: _Server, environment: Mapping[str, str]) -> None:
    if server.database_in_clear:
        return
    for name, address in (("database", server.database), ("audit_database", server.audit_database or "")):
        hosts = hosts_unchecked(address, environment)
        if hosts:
            raise SettingsInvalid(
                f"server.{name} in {path} reaches {', '.join(hosts)} without TLS that checks who answers.",
                "Add ?sslmode=verify-full to the address (sslmode=require does not check who answers); in a network that "
                "nobody else can listen to, set server.database_in_clear = true.",
            )


def is_loopback(address: str) -> bool:
    """Tell whether an address is on this machine's loopback interface."""
    host = address.split("://", 1)[-1].split("/", 1)[0]
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name in {"127.0.0.1", "localhost", "[::1]"}


def _signing_keys(environment: Mapping[str, str], *, needed: bool) -> tuple[SigningKey, ...]:
    folder = environment.get("RAPPORT_SIGNING_KEYS", "").strip()
    if not folder:
        if needed:
            raise SettingsInvalid(
                "RAPPORT_SIGNING_KEYS is not set, and a site uses private_key_jwt.",
                "Set it to the folder of private keys that `rapport init` made (one JWK file a key).",
            )
        return ()
    return tuple(each.key for each in read_folder(Path(folder)))


def _build_sites(
    path: Path, file: _File, keys: tuple[SigningKey, ...], environment: Mapping[str, str]
) -> Sites:
    try:
        sites = Sites([_build_site(site, file.server.base_url, keys, environment) for site in file.site])
    except ValueError as error:
        raise SettingsInvalid(f"A site in {path} cannot be used: {error}", "Correct its section.") from None
    for site in file.site:
        if site.cds is not None:
            _check_keys_address(path, sites[site.id], site.cds.jwks_url)
    return sites


def _check_keys_address(path: Path, site: Site, address: str) -> None:
    """SettingsInvalid for an address that would be asked for no keys, so that every call of the EHR would be refused."""
    try:
        check_address(site, address, "jwks_url")
    except AddressRefused as error:
        place = httpx.URL(address).netloc.decode()
        told, remedy = f"{address} is not an https address", "Write it as https://host/path."
        if error.reason == "host-not-pinned":
            told = f"{place} is neither fhir_base's host and port nor one of extra_hosts"
            remedy = (
                f'If the EHR\'s keys stand there, add "{place}" to extra_hosts of the site, just as it is.'
            )
        raise SettingsInvalid(
            f"{path} cannot be used: site {site.id}, cds.jwks_url: {told}.", remedy
        ) from None


def _build_site(
    site: _Site, base_url: str, keys: tuple[SigningKey, ...], environment: Mapping[str, str]
) -> Site:
    return Site(
        id=site.id,
        name=site.name,
        fhir_base=site.fhir_base,
        client_id=site.client_id,
        authentication=PublicClient()
        if site.authentication == "public"
        else _authenticate(site.authentication, site.id, keys, environment),
        redirect_uri=f"{base_url}/callback",
        launch_url=f"{base_url}/launch",
        scopes=_scopes(site),
        backend_scopes=site.backend_scopes,
        extra_hosts=site.extra_hosts,
        allow_http_loopback=is_loopback(site.fhir_base),
        allow_private_addresses=site.allow_private_addresses or is_loopback(site.fhir_base),
        id_token_issuer=site.id_token_issuer,
    )


def _needs_keys(site: _Site) -> bool:
    companion = site.companion
    return "private_key_jwt" in {site.authentication, companion.authentication if companion else None}


def _scopes(site: _Site) -> tuple[str, ...]:
    if site.scopes is not None:
        return site.scopes
    documents = (DOCUMENT_SCOPE,) if site.wants_document or site.notes else ()
    is_asked_for = PlanInEhr.parse(site.schedule) and not Scopes.parse(" ".join(site.backend_scopes)).may(
        PLAN, "r"
    )
    plan = (PLAN_SCOPE,) if is_asked_for else ()
    return (*DEFAULT_SCOPES, *documents, *(MEDICATION_SCOPES if site.show_medication else ()), *plan)


def _authenticate(
    how: str, name: str, keys: tuple[SigningKey, ...], environment: Mapping[str, str]
) -> ClientSecret | PrivateKeyJwt:
    if how == "private_key_jwt":
        return PrivateKeyJwt(keys)
    variable = secret_variable(name)
    secret = read_secret(environment, variable)
    if secret.lower() in _DEFAULT_SECRETS:
        raise SettingsInvalid(
            f"{variable} is a default that everybody knows.", "Set it to the secret that the EHR issued."
        )
    if not secret:
        raise SettingsInvalid(
            f"{variable} is not set, and site {name} uses client_secret.",
            "Set it to the secret that the EHR issued.",
        )
    return ClientSecret(secret)


def _build_writing(
    path: Path, file: _File, keys: tuple[SigningKey, ...], environment: Mapping[str, str]
) -> dict[str, Writing]:
    def authenticate(how: str, name: str) -> ClientSecret | PrivateKeyJwt:
        return _authenticate(how, name, keys, environment)

    built = {}
    for site in file.site:
        try:
            built[site.id] = build_writing(site, site.id, authenticate, is_loopback)
        except ValueError as error:
            raise SettingsInvalid(
                f"Site {site.id} in {path} cannot be used: {error}", "Correct its section."
            ) from None
    return built
