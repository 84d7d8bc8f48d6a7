"""The demonstration: a sandbox EHR and a Rapport registered in it, as two processes on this machine."""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import platformdirs
from rich.console import Console
from rich.panel import Panel

from plugin.errors import SettingsInvalid
from plugin.initial import write_keys
from plugin.ledger import Vault
from plugin.ledger.schema import upgrade
from plugin.ledger.store import open_database
from plugin.research_settings import BACKEND_SCOPES, Research
from plugin.secret_keys import read_vault_keys
from sandbox_ehr import EmbeddedApp, RegisteredClient, SandboxSettings
from sandbox_ehr.personalities import load_personality

CLIENT_ID = "rapport"
SITE_ID = "sandbox"
_START_SECONDS = 120  # a busy machine takes its time
_ENDING_SECONDS = 15  # what both have at most to end by themselves
_out = Console()


def sandbox_settings(port: int, rapport: str, database: str, personality: str = "full") -> SandboxSettings:
    """Describe the sandbox EHR with Rapport registered: its keys are read from Rapport's JWKS address."""
    client = RegisteredClient(
        client_id=CLIENT_ID,
        name="Rapport",
        kind="asymmetric",
        redirect_uris=(f"{rapport}/callback",),
        launch_url=f"{rapport}/launch",
        jwks_uri=f"{rapport}/.well-known/jwks.json",
        scopes=(
            "launch",
            "launch/patient",
            "openid",
            "fhirUser",
            "offline_access",
            "online_access",
            "messaging/ui",
            "patient/*.crus",
            "user/*.crus",
            "system/*.crus",
        ),
    )
    return SandboxSettings(
        base_url=f"http://localhost:{port}",
        database=database,
        clients=(client,),
        apps=(EmbeddedApp(name="Rapport", client_id=CLIENT_ID),),
        personality=personality,
        cds_services=(f"{rapport}/sites/{SITE_ID}/cds-services/alliance-patient-view",),
    )


_ROWS = "".join(
    f"""
[[site.flowsheet]]
score = "rapport-checkin-{rater}-{scale}"
system = "urn:x-sandbox:flowsheet-row"
code = "{rater}-{scale}"
display = "Alliance, {rater}: {scale}"
"""
    for rater in ("child", "adolescent", "caregiver", "therapist")
    for scale in ("total", "goal", "task", "bond")
)
_NOTES = '\n[site.document]\nformats = ["text"]\n'
_WRITING = {
    "epic": f'writers = ["flowsheet", "document"]\n{_NOTES}{_ROWS}',
    "oracle": f'writers = ["flowsheet", "document"]\nflowsheet_performer = "practitioner"\n{_NOTES}{_ROWS}',
    "veradigm": _NOTES,
}
"""What the demonstration's site sets for personalities that do not take the standard resources."""

_INTERPRETATION = """
[site.interpretation]
accepted_by = "The demonstration"
accepted_on = 2026-01-01
instruments = [
  "rapport-checkin-child", "rapport-checkin-adolescent", "rapport-checkin-caregiver", "rapport-checkin-therapist",
]
rupture = "gumz-1sd"
sessions_before = 3
"""


_ROLES = """
[site.roles]
administrator = ["Practitioner/206"]
auditor = ["Practitioner/205"]
supervisor = ["Practitioner/201"]
researcher = ["Practitioner/205"]

[[site.roles.team]]
supervisor = ["Practitioner/201"]
clinicians = ["*"]
"""

_RESEARCH = """
[site.research]
salt = "research.salt"
smallest_cell = 5
"""
_BACKEND = (
    *("system/QuestionnaireResponse.crus", "system/Observation.crus", "system/Provenance.crs"),
    *BACKEND_SCOPES,
)


def configuration(port: int, personality: str = "full") -> str:
    """Write the demonstration's rapport.toml."""
    ehr = f"http://localhost:{port - 1}"
    issuer = sandbox_settings(port - 1, f"http://127.0.0.1:{port}", ":memory:", personality).issuer
    documents = '"patient/DocumentReference.crus", ' if personality in ("full", *_WRITING) else ""
    return f"""\
[server]
base_url = "http://127.0.0.1:{port}"
database = "sqlite:///{{folder}}/rapport.sqlite3"

[[site]]
id = "{SITE_ID}"
name = "Sandbox EHR"
organization = "Sandbox Child and Adolescent Service"
fhir_base = "{ehr}/r4"
client_id = "{CLIENT_ID}"
authentication = "private_key_jwt"
frame_ancestors = ["{ehr}"]
time_zone = "UTC"  # by which the sandbox has its sessions
scopes = [
  "launch", "openid", "fhirUser", "online_access",
  "patient/Patient.r", "patient/RelatedPerson.rs", "patient/Encounter.rs",
  "patient/QuestionnaireResponse.crus", "patient/Observation.crus", "patient/Provenance.c",
  "patient/MedicationStatement.rs", "patient/MedicationRequest.rs", "patient/Medication.r", {documents}"user/Patient.rs", "user/Practitioner.rs", "messaging/ui",
]
show_medication = true
auditors_see_answers = true
backend_scopes = {json.dumps(_BACKEND)}
{_WRITING.get(personality, "")}{_INTERPRETATION}{_ROLES}{_RESEARCH}
[site.cds]
issuer = "{issuer}"
jwks_url = "{ehr}/auth/jwks"
algorithms = ["RS256"]
"""


def run_demo(port: int, *, fresh: bool, personality: str = "full") -> None:
    """Start both servers on two free ports, print where to go, and stop them together."""
    load_personality(personality)
    ehr = f"http://localhost:{port - 1}"
    rapport = f"http://127.0.0.1:{port}"
    folder = platformdirs.user_state_path("rapport-demo") / str(port)
    environment = _prepare(folder, port, personality, fresh=fresh)
    command = [sys.executable, "-m", "plugin"]
    servers = [
        subprocess.Popen(  # noqa: S603 -- our own module, fixed arguments
            [
                *command,
                "sandbox",
                "--port",
                str(port - 1),
                "--rapport",
                rapport,
                "--database",
                str(folder / "ehr.sqlite3"),
                "--personality",
                personality,
            ]
        ),
        subprocess.Popen(  # noqa: S603 -- our own module, fixed arguments
            [*command, "serve", "--port", str(port), "--config", str(folder / "rapport.toml")],
            env=environment,
        ),
    ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for address, server in ((f"{ehr}/r4/metadata", servers[0]), (f"{rapport}/health", servers[1])):
            _wait_for(address, server)
        _out.print(_welcome(ehr, rapport, folder))
        _out.print(_for_auditors(folder), soft_wrap=True, highlight=False, markup=False)
        while all(server.poll() is None for server in servers):
            time.sleep(0.5)
        raise SettingsInvalid("One of the two servers has stopped.", "Its last lines above say why.")
    except KeyboardInterrupt:
        _out.print("Stopping.")
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            try:
                server.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def _prepare(folder: Path, port: int, personality: str, *, fresh: bool) -> dict[str, str]:
    """Make the demonstration's folder with its secrets, or keep the one there is."""
    if fresh and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys, secret = folder / "keys", folder / "secret.json"
    if not keys.exists():
        write_keys(keys)
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(json.dumps(secrets.token_urlsafe(32)), encoding="utf-8")
    salt = Research(folder / "research.salt")
    if not salt.salt_file.exists():
        salt.make_salt()
    (folder / "rapport.toml").write_text(
        configuration(port, personality).replace("{folder}", str(folder)), encoding="utf-8"
    )
    own = {
        "RAPPORT_SECRET_KEY": json.loads(secret.read_text(encoding="utf-8")),
        "RAPPORT_SIGNING_KEYS": str(keys),
    }
    environment = folder / "rapport.env"
    environment.touch(mode=0o600)
    named = {**own, "RAPPORT_CONFIG": str(folder / "rapport.toml")}
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in named.items())
    environment.write_text("".join(lines), encoding="utf-8")
    database = folder / "rapport.sqlite3"
    if database.exists():  # of an earlier version, perhaps
        engine = open_database(f"sqlite:///{database}")
        try:
            upgrade(engine, Vault(read_vault_keys(own)))
        finally:
            engine.dispose()
    return {**os.environ, **own}


def _wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SettingsInvalid(
                f"The server of {address} stopped while starting.", "Its lines above say why."
            )
        try:
            if httpx.get(address, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SettingsInvalid(
        f"{address} did not answer within {_START_SECONDS} seconds.", "See its lines above."
    )


def _welcome(ehr: str, rapport: str, folder: Path) -> Panel:
    return Panel.fit(
        f"Open  [bold]{ehr}[/bold]  in a browser\n\n"
        "1  Choose a clinician, then a patient (Amara Okafor has a history).\n"
        "2  In the chart, press [bold]Rapport[/bold].\n"
        "3  Choose who answers and the form, think of a PIN, press [bold]Hand over[/bold].\n"
        "4  Answer as the child would, send, give the tablet back with the PIN.\n"
        "5  The scores stand in the chart's Observations within two seconds.\n\n"
        f"Synthetic people only. Rapport: {rapport}   kept in: {folder}\n"
        "Ctrl-C stops both; `rapport demo --fresh` begins anew.",
        title="Rapport demonstration",
    )


def _for_auditors(folder: Path) -> str:
    """Write the line that verifies the demonstration's ledger from another terminal."""
    command = "rapport" if shutil.which("rapport") else f"{shlex.quote(sys.executable)} -m plugin"
    secrets_file = shlex.quote(str(folder / "rapport.env"))
    return (
        "As an auditor (Practitioner/205 on the pages), in another terminal; likewise audit trace and audit export:\n"
        f"(set -a; . {secrets_file}; {command} audit verify --ehr {SITE_ID})"
    )
