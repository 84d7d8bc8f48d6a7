"""The files for containers, held against the product: what they copy is there, what they call exists."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped] # its stubs are another package
from typer.main import get_command

from plugin.app import PARTS
from plugin.command_line import app
from plugin.commands.serving import read_proxies

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def _is_command(words: list[str]) -> bool:
    """Whether `rapport` takes these words, options included."""
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    command = root.commands[words[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    return {word for word in words[1:] if word.startswith("--")} <= known


def test_everything_that_the_image_copies_is_there_and_let_through() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    let_through = set(
        re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(copied) == let_through
    assert [each for each in copied if not (ROOT / each).exists()] == []


def test_the_image_installs_with_the_makefile_s_version_of_uv_and_with_extras_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (version,) = re.findall(r"^UV_VERSION := (.+)$", makefile, re.MULTILINE)
    assert f"uv=={version}" in DOCKERFILE
    extras = re.findall(r"--extra (\S+)", DOCKERFILE)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert [each for each in extras if not re.search(rf"^{each} = \[", project, re.MULTILINE)] == []


def test_what_fonts_are_known_can_be_written_down_in_the_container() -> None:
    (cache,) = re.findall(r"XDG_CACHE_HOME=(\S+)", DOCKERFILE)
    for name in ("web", "worker"):
        places = COMPOSE["services"][name]["tmpfs"]
        assert any(cache.startswith(f"{place}/") for place in places)


def test_the_image_and_the_services_start_commands_that_exist() -> None:
    (served,) = re.findall(r"^CMD \[(.+)\]$", DOCKERFILE, re.MULTILINE)
    assert _is_command([each.strip('" ') for each in served.split(",")])
    assert _is_command([str(each) for each in COMPOSE["services"]["worker"]["command"]])


def test_health_is_asked_at_addresses_that_exist() -> None:
    served = {route.path for module in PARTS for route in module.router.routes}
    asked = re.findall(r"http://127\.0\.0\.1:\d+(/[a-z/]+)", DOCKERFILE + str(COMPOSE))
    assert len(asked) == 2
    assert set(asked) <= served


def test_the_serving_processes_believe_the_network_of_the_proxy_and_nobody_else() -> None:
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    named = COMPOSE["services"]["web"]["environment"]["RAPPORT_PROXY"]
    assert named == network["subnet"]
    assert read_proxies(re.sub(r"^\$\{\w+:-(.+)\}$", r"\1", named), {})
    # What a client claims is dropped by Caddy, unless it is told to trust whoever is before it.
    assert "trusted_proxies" not in (DEPLOY / "Caddyfile").read_text(encoding="utf-8")


def test_no_service_but_the_proxy_is_open_to_the_outside_and_none_has_a_secret_of_its_own() -> None:
    services = COMPOSE["services"]
    assert [name for name, each in services.items() if "ports" in each] == ["proxy"]
    secrets = [
        value
        for each in services.values()
        for name, value in each.get("environment", {}).items()
        if "PASSWORD" in name
    ]
    assert secrets
    assert all(value.startswith("${POSTGRES_PASSWORD:?") for value in secrets)


@pytest.mark.skipif(shutil.which("caddy") is None, reason="the proxy's own checker, caddy, is not installed")
def test_the_proxy_can_read_its_file() -> None:
    command = shlex.split(f"caddy validate --adapter caddyfile --config {DEPLOY / 'Caddyfile'}")
    environment = {"RAPPORT_HOST": "rapport.invalid", "PATH": "/usr/bin:/usr/local/bin", "HOME": "/tmp"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
