"""Each control of the threat model names its test, and each test is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/threat-model.md").read_text(encoding="utf-8")


def test_every_test_that_the_threat_model_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 50
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).is_file() or f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_every_threat_has_a_control_and_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| [STRIDE, ]+ \|", line)]
    assert len(rows) > 30
    assert [row for row in rows if len(row.split(" | ")) != 4 or "`tests/" not in row] == []
