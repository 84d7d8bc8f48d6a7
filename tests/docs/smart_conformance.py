"""Makes the page of the SMART conformance table out of its data: python -m tests.docs.smart_conformance."""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
DATA, PAGE = REFERENCE / "smart-conformance.toml", REFERENCE / "smart-conformance.md"
STATES = ("met", "not applicable", "open")
_STANDARD = "https://hl7.org/fhir/smart-app-launch/STU2.2/"


@dataclass(frozen=True)
class Requirement:
    """One row of the table."""

    number: int
    strength: str
    state: str
    asked: str
    where: str
    tests: tuple[str, ...]


def read_data() -> dict[str, Any]:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def requirements() -> list[Requirement]:
    """Give every requirement, its tests as `file::name`."""
    data = read_data()
    return [
        Requirement(number, strength, state, asked, where, _named(data, tests))
        for part in data["part"]
        for number, strength, state, asked, where, tests in part["rows"]
    ]


def quirks() -> list[tuple[str, str, tuple[str, ...]]]:
    """Give what real EHRs do differently: what, who, tests."""
    data = read_data()
    return [(what, who, _named(data, tests)) for what, who, tests in data["quirks"]["rows"]]


def counts() -> Counter[str]:
    """Count the requirements by state."""
    return Counter(each.state for each in requirements())


def page() -> str:
    """Write the page."""
    data, found = read_data(), counts()
    lines = [
        "# SMART App Launch 2.2: what is asked of an app",
        "",
        (
            "Every requirement that SMART App Launch 2.2.0 puts on apps, by its number in the published list "
            "(`hl7.fhir.uv.smart-app-launch_2.2.0`; what that list marks as deprecated is left out), in our own words: whether it "
            "is met, where, and the test that shows it. The table is made from `smart-conformance.toml`, and tests hold it to it."
        ),
        "",
        f"**{sum(found.values())} requirements: {', '.join(f'{found[state]} {state}' for state in STATES)}.**",
    ]
    for part in data["part"]:
        lines += [
            "",
            f"## {part['title']}",
            f"[In the standard]({_STANDARD}{part['page']})",
            "",
            "| # | strength | what is asked | state | where, or why not | shown by |",
            "|---|---|---|---|---|---|",
        ]
        for number, strength, state, asked, where, tests in part["rows"]:
            shown = "<br>".join(f"`{_short(each)}`" for each in _named(data, tests)) or "–"
            lines.append(f"| {number} | {strength} | {asked} | {state} | {where} | {shown} |")
    lines += [
        "",
        "## What real EHRs do differently",
        "",
        "| what | seen at | shown by |",
        "|---|---|---|",
    ]
    for what, who, tests in quirks():
        lines.append(f"| {what} | {who} | {'<br>'.join(f'`{_short(each)}`' for each in tests)} |")
    return "\n".join(lines) + "\n"


def _named(data: dict[str, Any], tests: list[str]) -> tuple[str, ...]:
    return tuple(
        f"{data['files'][file]}::{name}" for file, _, name in (each.partition("::") for each in tests)
    )


def _short(test: str) -> str:
    return test.removeprefix("tests/")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
