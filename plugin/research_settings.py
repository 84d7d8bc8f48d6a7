"""`[site.research]`: whose administrations may be given to research, and how people are taken out of them."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from plugin.days import AGES
from plugin.errors import Conflict, SettingsInvalid

_SALT_BYTES = 32
_TELLS_ANOTHER_THING = frozenset(
    {"none", "unknown"}
)  # medication_class of who takes nothing, or may take something
_READ = ("Consent", "Patient", "Encounter", "MedicationStatement", "MedicationRequest", "Medication")
BACKEND_SCOPES = tuple(f"system/{kind}.rs" for kind in _READ)
"""What an export reads with a token of Rapport's own, for a site's `backend_scopes`."""


@dataclass(frozen=True, slots=True)
class Research:
    """What a site has decided about research. `consent` is `agreed` or `not-refused`."""

    salt_file: Path
    consent: str = "agreed"
    smallest_cell: int = 11
    shift_days: int = 182
    ages: tuple[int, ...] = AGES
    medicines: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def read_salt(self) -> bytes:
        """Read the salt; SettingsInvalid if there is none, or one that cannot be read, or that others could read."""
        try:
            salt = self.salt_file.read_bytes()
        except FileNotFoundError:
            raise SettingsInvalid(
                f"There is no salt for research at {self.salt_file}.",
                "Make one with `rapport research salt`, and keep it: it makes the pseudonyms of this project.",
            ) from None
        except OSError as error:
            raise SettingsInvalid(
                f"The salt for research at {self.salt_file} cannot be read: {error.strerror}.",
                "Name in [site.research] a file that Rapport may read, made with `rapport research salt`.",
            ) from None
        if len(salt) != _SALT_BYTES:
            raise SettingsInvalid(
                f"{self.salt_file} is no salt of {_SALT_BYTES} bytes.",
                "Make one with `rapport research salt`.",
            )
        if self.salt_file.stat().st_mode & 0o077:
            raise SettingsInvalid(
                f"{self.salt_file} can be read by others on this machine.", "Run: chmod 600 on it."
            )
        return salt

    def fingerprint(self) -> str:
        """Tell salts apart without telling them: 16 hex digits that only a salt's holder can compute; as `read_salt`."""
        return hmac.digest(self.read_salt(), b"fingerprint of the salt", hashlib.sha256).hex()[:16]

    def make_salt(self) -> None:
        """Write a new salt that only its owner can read; Conflict if there is one: another makes other pseudonyms."""
        try:
            self.salt_file.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise Conflict(
                f"There is a salt at {self.salt_file} already.",
                "Keep it as long as the project lasts; for another project name another file.",
            ) from None
        self.salt_file.write_bytes(secrets.token_bytes(_SALT_BYTES))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Medicine(_Strict):
    system: Annotated[str, Field(min_length=1)]
    code: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,()/-]{0,60}$")]

    @field_validator("name")
    @classmethod
    def _is_class(cls, value: str) -> str:
        if value.casefold() in _TELLS_ANOTHER_THING:
            raise ValueError(f"“{value}” is what an export says where no class is told, choose another name")
        return value


class ResearchSection(_Strict):
    """`[site.research]` of the TOML file."""

    salt: Annotated[str, Field(min_length=1)]
    consent: Literal["agreed", "not-refused"] = "agreed"
    smallest_cell: Annotated[int, Field(ge=5, le=1000)] = 11
    shift_days: Annotated[int, Field(ge=30, le=365)] = 182
    age_bands: Annotated[
        tuple[Annotated[int, Field(ge=1, le=25)], ...], Field(min_length=1, max_length=6)
    ] = AGES
    medicine: tuple[_Medicine, ...] = ()

    @field_validator("age_bands")
    @classmethod
    def _ascend(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("the ages at which bands begin must ascend, each once, as in [7, 11, 15, 18]")
        return value

    @field_validator("medicine")
    @classmethod
    def _are_different(cls, value: tuple[_Medicine, ...]) -> tuple[_Medicine, ...]:
        codes = [f"{each.system}|{each.code}" for each in value]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands there more than once, keep one name for it")
        return value


def build_research(section: ResearchSection | None, base: Path) -> Research | None:
    """Turn the section into values; None where the site gives nothing to research."""
    if section is None:
        return None
    return Research(
        salt_file=base / section.salt,
        consent=section.consent,
        smallest_cell=section.smallest_cell,
        shift_days=section.shift_days,
        ages=section.age_bands,
        medicines={(each.system, each.code): each.name for each in section.medicine},
    )
