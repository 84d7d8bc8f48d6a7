"""The demonstration's configuration: readable for every personality, and its rows are scores that exist."""

import subprocess
from pathlib import Path

import httpx
import pytest

from plugin.demo import configuration
from plugin.initial import write_keys
from plugin.settings import read_settings
from questionnaires import load_catalogue
from sandbox_ehr.personalities import personality_ids
from tests.ports import free_port
from tests.terminal import command_line


@pytest.mark.parametrize("personality", personality_ids())
def test_the_demonstration_is_configured_for_each_personality(tmp_path: Path, personality: str) -> None:
    write_keys(tmp_path / "keys")
    file = tmp_path / "rapport.toml"
    file.write_text(configuration(8701, personality).replace("{folder}", str(tmp_path)), encoding="utf-8")
    environment = {
        "RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc",
        "RAPPORT_SIGNING_KEYS": str(tmp_path / "keys"),
    }
    rows = read_settings(file, environment).writing["sandbox"].rows
    scores = {score.code.code for each in load_catalogue().all() for score in each.scores}
    assert {row.score for row in rows} <= scores
    assert bool(rows) is (personality in {"epic", "oracle"})


def test_the_sandbox_alone_prints_its_fhir_base() -> None:
    port = free_port()
    sandbox = subprocess.Popen(
        command_line("sandbox", "--port", str(port)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert sandbox.stdout is not None
        told = sandbox.stdout.readline().decode()
        base = f"http://localhost:{port}/r4"  # as its launches name it
        assert f"FHIR base: {base} " in told
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport) as client:
            assert client.get(f"{base}/metadata").json()["resourceType"] == "CapabilityStatement"
    finally:
        sandbox.terminate()
        sandbox.wait(20)
        sandbox.stdout.close()  # type: ignore[union-attr]  # it is a pipe
