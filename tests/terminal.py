"""Runs `rapport` in a process of its own, as an operator does at a terminal."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.forking import fork

ROOT = Path(__file__).parents[1]


def command_line(*arguments: object, module: tuple[str, ...] = ("plugin",)) -> list[str]:
    """Write the command; `module` is what stands for `rapport`."""
    return [sys.executable, "-m", *module, *(str(each) for each in arguments)]


def run_rapport(
    *arguments: object, environment: Mapping[str, str] | None = None, given: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, in this environment or in that of the tests; `given` stands at its standard input."""
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        tempfile.TemporaryFile() as standing,
    ):
        standing.write(given.encode())
        standing.seek(0)
        module = ["plugin", *(str(each) for each in arguments)]
        process = fork(module, environment or os.environ, output.fileno(), errors.fileno(), standing.fileno())
        process.wait()
        told = []
        for each in (output, errors):
            each.seek(0)
            told.append(each.read().decode())
    return subprocess.CompletedProcess(module, process.wait(), *told)
