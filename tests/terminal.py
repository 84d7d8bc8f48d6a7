"""Runs `rapport` in a process of its own, as an operator does at a terminal."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def command_line(*arguments: object, module: tuple[str, ...] = ("plugin",)) -> list[str]:
    """Write the command; `module` is what stands for `rapport`."""
    return [sys.executable, "-m", *module, *(str(each) for each in arguments)]


def run_rapport(
    *arguments: object, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, in this environment or in that of the tests."""
    return subprocess.run(
        command_line(*arguments), env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
