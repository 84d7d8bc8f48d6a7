"""`rapport collected` as an operator uses it: a search now, what was set aside, and another look at it."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox_ehr import RegisteredClient, SandboxSettings
from smart_launch import generate_key, public_jwks
from tests.product.forms import question, response_of
from tests.product.world import READER_SCOPES, READER_SECRET
from tests.sandbox_ehr.serving import serving
from tests.terminal import run_rapport

SECRET = "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc"
CONFIGURATION = """
[server]
base_url = "http://127.0.0.1:8080"
database = "sqlite:///{folder}/rapport.sqlite3"

[[site]]
id = "clinic"
name = "Clinic"
organization = "Clinic"
fhir_base = "{ehr}/r4"
client_id = "rapport"
authentication = "private_key_jwt"
scopes = ["launch", "openid", "fhirUser", "patient/Patient.r"]
backend_scopes = ["system/QuestionnaireResponse.crus", "system/Observation.crus", "system/Provenance.c"]

[site.collected]
way = "polling"
since = {since}
"""


@dataclass
class Clinic:
    """A served sandbox EHR in which the portal writes, and Rapport's configuration for it."""

    folder: Path
    ehr: str

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command in a process of its own, as an operator does."""
        environment = {
            **os.environ,
            "RAPPORT_SECRET_KEY": SECRET,
            "RAPPORT_SIGNING_KEYS": str(self.folder / "keys"),
        }
        command = ["collected", *arguments, "--config", str(self.folder / "rapport.toml")]
        return run_rapport(*command, environment=environment)

    def aside(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(self.run("list", "--json").stdout)
        return listed

    def write(
        self, item: list[dict[str, Any]] | None = None, reference: str = "QuestionnaireResponse"
    ) -> str:
        """Write a response as the portal does; gives its address."""
        with httpx.Client(timeout=30) as http:
            asked = {"grant_type": "client_credentials", "scope": " ".join(PORTAL_SCOPES)}
            token = http.post(f"{self.ehr}/auth/token", data=asked, auth=("portal", READER_SECRET)).json()
            headers = {"Authorization": f"Bearer {token['access_token']}"}
            patient = http.get(f"{self.ehr}/r4/Patient", headers=headers).json()["entry"][0]["resource"]["id"]
            body = response_of(patient, **({"item": item} if item else {}))
            if "/" in reference:
                body["id"] = reference.partition("/")[2]
            way = "PUT" if "/" in reference else "POST"
            answer = http.request(way, f"{self.ehr}/r4/{reference}", json=body, headers=headers)
            assert answer.status_code in {200, 201}, answer.text
            return reference if "/" in reference else f"QuestionnaireResponse/{answer.json()['id']}"


PORTAL_SCOPES = (*READER_SCOPES, "system/QuestionnaireResponse.cu")


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    key = generate_key("ES384")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "es384.jwk.json").write_text(key.to_jwk(), encoding="utf-8")
    clients = (
        RegisteredClient(
            client_id="rapport",
            name="Rapport",
            kind="asymmetric",
            redirect_uris=("http://127.0.0.1:8080/callback",),
            launch_url="",
            jwks=public_jwks((key,)),
            scopes=("system/*.crus",),
        ),
        RegisteredClient(
            client_id="portal",
            name="Portal",
            kind="symmetric",
            secret=READER_SECRET,
            redirect_uris=(),
            launch_url="",
            scopes=PORTAL_SCOPES,
        ),
    )
    settings = SandboxSettings(base_url="http://localhost", clients=clients)
    with serving(settings, lambda: datetime.now(UTC)) as ehr:
        configuration = CONFIGURATION.format(folder=tmp_path, ehr=ehr, since=datetime.now(UTC).isoformat())
        (tmp_path / "rapport.toml").write_text(configuration, encoding="utf-8")
        yield Clinic(tmp_path, ehr)


def test_poll_says_how_many_were_scored_and_how_many_were_set_aside(clinic: Clinic) -> None:
    clinic.write()
    clinic.write([question("goal-1", "nonsense")])
    told = clinic.run("poll", "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)["clinic"]["found"]
    assert (found["kept"], found["set-aside"]) == (1, 1)


def test_poll_of_an_ehr_that_is_away_exits_with_1_and_says_so(clinic: Clinic) -> None:
    path = clinic.folder / "rapport.toml"
    path.write_text(
        re.sub(r'fhir_base = ".*"', 'fhir_base = "http://127.0.0.1:9/r4"', path.read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    told = clinic.run("poll")
    assert told.returncode == 1
    assert told.stdout.startswith("clinic: ")


def test_list_names_the_place_in_the_ehr_and_the_reason_and_no_answer(clinic: Clinic) -> None:
    reference = clinic.write([question("goal-1", "nonsense")])
    clinic.run("poll")
    (listed,) = clinic.aside()
    assert (listed["reference"], listed["state"]) == (reference, "set-aside")
    assert "goal-1" in listed["reason"]
    assert "nonsense" not in clinic.run("list").stdout


def test_retry_scores_one_that_was_corrected(clinic: Clinic) -> None:
    reference = clinic.write([question("goal-1", "nonsense")])
    clinic.run("poll")
    clinic.write(reference=reference)
    told = clinic.run("retry", reference, "--site", "clinic")
    assert told.stdout.strip().endswith(f"{reference}: kept.")
    assert clinic.aside() == []


def test_retry_of_one_that_cannot_be_read_just_now_leaves_it_listed(clinic: Clinic) -> None:
    reference = clinic.write([question("goal-1", "nonsense")])
    clinic.run("poll")
    asked = {"kind": "unavailable", "method": "GET", "path": "/r4/QuestionnaireResponse*"}
    httpx.post(f"{clinic.ehr}/sandbox/faults", json=asked).raise_for_status()
    assert clinic.run("retry", reference, "--site", "clinic").returncode != 0
    assert [each["reference"] for each in clinic.aside()] == [reference]


def test_retry_of_one_that_is_not_set_aside_says_so(clinic: Clinic) -> None:
    told = clinic.run("retry", "QuestionnaireResponse/none", "--site", "clinic")
    assert told.returncode != 0
    assert "No QuestionnaireResponse/none of clinic is set aside" in told.stderr
