"""Makes the page of the ASVS table out of its data: python -m tests.docs.asvs."""

import tomllib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.docs.smart_conformance import REFERENCE, STATES

DATA, PAGE = REFERENCE / "asvs.toml", REFERENCE / "asvs.md"


@dataclass(frozen=True)
class Requirement:
    """One row of the table."""

    number: str
    level: int
    state: str
    asked: str
    where: str
    tests: tuple[str, ...]


def read_parts() -> dict[str, list[Requirement]]:
    """Give the requirements of each chapter, their tests as `file::name`."""
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {part["title"]: [_requirement(data, *row) for row in part["rows"]] for part in data["part"]}


def requirements() -> list[Requirement]:
    """Give all requirements."""
    return [each for part in read_parts().values() for each in part]


def page() -> str:
    """Write the page."""
    found = Counter(each.state for each in requirements())
    counted = ", ".join(f"{found[state]} {state}" for state in STATES)
    lines = [
        "# OWASP ASVS 5.0, levels 1 and 2",
        "",
        (
            "Chapters V1 to V16 of the [Application Security Verification Standard]"
            "(https://github.com/OWASP/ASVS/tree/master/5.0), every requirement of levels 1 and 2 by its number, in our own words: "
            "met and where, with the test that shows it (or the page, where documentation is asked for), not applicable and why, "
            "or open. WebRTC (V17) is not used. It is our own assessment. The table is made from `asvs.toml`, and tests hold it to it."
        ),
        "",
        f"**{len(requirements())} requirements: {counted}.**",
    ]
    for title, rows in read_parts().items():
        lines += [
            "",
            f"## {title}",
            "",
            "| # | level | what is asked | state | where, or why not | shown by |",
        ]
        lines.append("|---|---|---|---|---|---|")
        for each in rows:
            shown = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in each.tests) or "–"
            lines.append(
                f"| {each.number} | {each.level} | {each.asked} | {each.state} | {each.where} | {shown} |"
            )
    return "\n".join(lines) + "\n"


def _requirement(
    data: dict[str, Any], number: str, level: int, state: str, asked: str, where: str, tests: list[str]
) -> Requirement:
    named = tuple(
        f"{data['files'][file]}::{name}" for file, _, name in (each.partition("::") for each in tests)
    )
    return Requirement(number, level, state, asked, where, named)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
