"""`rapport conformance`: the kit for other renderers and engines: written out, scored by this one, and results judged."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from plugin.errors import RapportError
from plugin.responses import check_response, read_response
from plugin.scores import compile_key, compute
from questionnaires.kit import (
    Case,
    Finding,
    find_failures,
    load_kit,
    read_cases,
    read_findings,
    read_kit_files,
)

app = typer.Typer(
    help="The conformance kit: does a renderer or an engine give the scores that it must?",
    no_args_is_help=True,
)
_out = Console(soft_wrap=True)


class UnreadableResults(RapportError):
    """The results are not in the format of the kit: which line, and where the format is described."""


@app.command()
def write(
    out: Annotated[Path, typer.Option("--out", help="Where to write; one folder a case.")] = Path(
        "conformance"
    ),
) -> None:
    """Write the kit: for each case questionnaire.json, its responses and expected.json."""
    files = read_kit_files()
    for name, data in files.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    typer.echo(f"{out}  {len(read_cases())} cases, {len(files)} files")


@app.command()
def score() -> None:
    """Score every response of the kit by this engine: one JSON object a line, as `rapport conformance judge` reads them."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    for finding in score_kit():
        sys.stdout.buffer.write(encoder.encode(finding) + b"\n")


@app.command()
def judge(
    results: Annotated[Path, typer.Argument(help="Results, one JSON object a line; - reads standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Hold an engine's results against the kit. Exit status 1 if a case is not passed."""
    body = sys.stdin.buffer.read() if str(results) == "-" else results.read_bytes()
    try:
        findings = list(read_findings(body.splitlines()))
    except ValueError as error:
        raise UnreadableResults(
            f"{results} cannot be read. {error}", "Write one JSON object a line."
        ) from None
    cases = read_cases()
    failures = {case.id: find_failures(case, findings) for case in cases}
    unknown = sorted({each.case for each in findings} - failures.keys())
    failures |= {name: ["The kit has no such case."] for name in unknown}
    if as_json:
        typer.echo(msgspec.json.encode(failures).decode())
    else:
        _print(cases, failures)
    if any(failures.values()):
        raise typer.Exit(1)


def score_kit() -> Iterator[Finding]:
    """Score every response of every case as `submit` does: read, check, compute."""
    forms = load_kit()
    for case in read_cases():
        key = compile_key(forms[case.id])
        for answered in case.responses:
            response = read_response(case.files[answered.file])
            scores = compute(key, check_response(response, key.instrument, patient=None))
            yield Finding(case.id, answered.file, {score.link_id: score.value for score in scores})


def _print(cases: tuple[Case, ...], failures: dict[str, list[str]]) -> None:
    for name, found in failures.items():
        _out.print(f"{'✗' if found else '✓'} {name}", highlight=False, markup=False)
        for each in found:
            _out.print(f"    {each}", highlight=False, markup=False)
    passed = sum(not failures[case.id] for case in cases)
    _out.print(f"{passed} of {len(cases)} cases passed.", highlight=False)
