"""A command that the tests fork says and ends as one that is started from a shell."""

import os
import signal
import subprocess
import tempfile

import pytest

from tests.forking import fork
from tests.terminal import ROOT, command_line, run_rapport


@pytest.mark.parametrize(
    "words", ["instruments list", "instruments show nothing", "no-such-command", "--version"]
)
def test_output_errors_and_exit_status_are_those_of_a_started_one(words: str) -> None:
    environment = {**os.environ, "COLUMNS": "90"}
    started = subprocess.run(
        command_line(*words.split()), env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    forked = run_rapport(*words.split(), environment=environment)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_one_that_is_killed_says_by_what() -> None:
    with tempfile.TemporaryFile() as output:
        process = fork(("plugin", "sandbox", "--port", "0"), os.environ, output.fileno(), output.fileno())
        process.kill()
        assert process.wait(20) == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL
