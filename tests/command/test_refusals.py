"""What cannot work is told in a sentence with its remedy, for every command: no traceback, no bare number of the system."""

import os
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin import __version__
from plugin.command_line import main
from tests.terminal import run_rapport

CONFIGURED = (
    "serve",
    "worker",
    "audit verify",
    "database check",
    "deliveries list",
    "instruments list",
)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give what runs the command line in this process: words in, exit status and all output out."""

    def go(*words: str) -> tuple[int, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["rapport", *words])
        with pytest.raises(SystemExit) as end, warnings.catch_warnings():
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), " ".join((said.out + said.err).split())

    return go


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dir").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "half.json").write_text('{"resourceType": ')
    return tmp_path


@pytest.mark.parametrize("command", CONFIGURED)
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("none.toml", "no configuration file none.toml"),
        ("dir", "dir is a folder; a file is wanted."),
        ("binary", "binary is not UTF-8 text (byte 0)."),
    ],
)
def test_a_configuration_that_cannot_be_read(run: Run, command: str, config: str, told: str) -> None:
    status, output = run(*command.split(), "--config", config)
    assert status == 1
    assert told in output
    assert "Traceback" not in output
    assert "Errno" not in output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("score none.json", "There is no file none.json."),
        ("score dir", "dir is a folder; a file is wanted."),
        ("score empty", "The JSON is broken"),
        ("score binary", "Byte 0 is not UTF-8"),
        ("score half.json", "The JSON is broken"),
        ("rescore none.ndjson --out out", "nothing to rescore: none.ndjson"),
        ("rescore dir --out out", "no .ndjson file"),
        ("rescore binary --out empty", "empty/observations cannot be a folder: a file stands there."),
        ("instruments check none", "no file or folder none"),
        ("instruments check binary", "Byte 0 is not UTF-8"),
        ("instruments build --out empty", "empty cannot be a folder: a file stands there."),
        ("instruments publish --to x", "x cannot be reached"),
        ("instruments show none", "none"),
        ("doctor x", "Give its FHIR R4 base"),
        ("demo --port 99999", "65535"),
        ("demo --port 0", "--port"),
        ("serve --port 99999", "65535"),
        ("sandbox --port 0", "--port"),
        ("sandbox --personality none", "none"),
    ],
)
def test_an_argument_that_cannot_be_used(run: Run, words: str, told: str) -> None:
    status, output = run(*words.split())
    assert status in {1, 2}
    assert told in output
    assert "Traceback" not in output
    assert "Errno" not in output


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_a_port_that_is_taken_is_named(run: Run, command: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, output = run(command, "--port", str(port))
    assert status == 1
    assert f"Port {port} is taken." in output
    assert "--port" in output


@pytest.mark.parametrize("width", ["80", "200"])
def test_the_list_of_instruments_is_whole_on_a_narrow_terminal(width: str) -> None:
    listed = run_rapport("instruments", "list", environment={**os.environ, "COLUMNS": width})
    output = listed.stdout
    (line,) = [each for each in output.splitlines() if each.strip().startswith("tasc-r-child")]
    assert line.split() == ["tasc-r-child", "child", "7–18", "wording", "pack", "yes", "draft"]
    assert "…" not in output


def test_the_version_is_told_by_the_option_as_by_the_command(run: Run) -> None:
    assert run("--version") == run("version") == (0, __version__)
