"""The documentation says what the product does: commands, addresses, instruments, pictures, links."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from plugin.app import PARTS
from plugin.command_line import app
from plugin.initial import write_keys
from plugin.served.searching import PARAMETERS
from plugin.settings import read_settings
from plugin.tables import catalogue_markdown
from questionnaires import load_catalogue
from sandbox_ehr.faults import FaultKind
from sandbox_ehr.personalities import personality_ids

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def commands() -> list[str]:
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    return _below("rapport", root.commands)


def _below(path: str, group: Mapping[str, Any]) -> list[str]:
    found = []
    for name, command in group.items():
        below = getattr(command, "commands", None)
        found += _below(f"{path} {name}", below) if below else [f"{path} {name}"]
    return found


def test_every_command_is_documented() -> None:
    page = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    assert [each for each in commands() if f"`{each}" not in page] == []


def test_every_address_is_documented_and_no_other() -> None:
    page = (DOCS / "reference/addresses.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(?:GET|POST|PUT)(?:`, `POST)? (/[^`]*)`", page))
    served = {route.path for module in PARTS for route in module.router.routes}
    assert served == documented


def test_the_page_of_instruments_is_up_to_date() -> None:
    page = (DOCS / "reference/instruments.md").read_text(encoding="utf-8")
    assert page == catalogue_markdown(load_catalogue()), (
        "write it again: rapport instruments list --format markdown > docs/reference/instruments.md"
    )


@pytest.mark.parametrize(
    "page", sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")]), ids=lambda path: path.name
)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", text) + re.findall(r'src="(?!https?:)([^"]+)"', text)
    assert [each for each in targets if not (page.parent / each).exists()] == []


def test_every_personality_and_fault_of_the_sandbox_is_documented() -> None:
    page = (DOCS / "reference/sandbox.md").read_text(encoding="utf-8")
    wanted = [*personality_ids(), *FaultKind]
    assert [each for each in wanted if f"| `{each}` |" not in page] == []


@pytest.mark.parametrize("vendor", ["epic", "oracle-health", "athenahealth", "meditech", "medplum", "hapi"])
def test_the_configuration_of_each_vendor_page_can_be_read(vendor: str, tmp_path: Path) -> None:
    page = (DOCS / f"how-to/{vendor}.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    server = '[server]\nbase_url = "https://rapport.invalid"\ndatabase = "sqlite:///r.sqlite3"\n\n'
    write_keys(tmp_path / "keys")
    (tmp_path / "rapport.toml").write_text(server + section, encoding="utf-8")
    environment = {
        "RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc",
        "RAPPORT_SIGNING_KEYS": str(tmp_path / "keys"),
        "RAPPORT_SITE_CLINIC_SECRET": "s3cret",
    }
    assert read_settings(tmp_path / "rapport.toml", environment).writing["clinic"].kinds


def test_every_search_parameter_of_the_read_interface_is_documented() -> None:
    page = (DOCS / "reference/fhir-interface.md").read_text(encoding="utf-8")
    for kind, parameters in PARAMETERS.items():
        listed = ", ".join(f"`{name}`" for name in parameters)
        assert f"| {kind} | {listed} |" in page
