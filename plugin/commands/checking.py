"""What `rapport instruments check` does: loads and compiles one form of a site's own, and says what would be written."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plugin.errors import SettingsInvalid
from plugin.scores import Key, compile_key
from questionnaires import BadInstrument, Instrument, load_instrument, walk

_out = Console()


def check(path: Path, *, as_json: bool) -> bool:
    """Check a folder or a Questionnaire file and print the report; True if it can be used."""
    problems: list[dict[str, str | None]] = []
    report: dict[str, object] = {"usable": False, "problems": problems}
    key = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            key = compile_key(load_instrument(_as_folder(path, Path(folder))))
        except BadInstrument as bad:
            problems += [
                {"place": each.link_id, "found": each.found, "remedy": each.remedy} for each in bad.problems
            ]
    if key is not None:
        report |= {"usable": True, **_describe(key)}
    if as_json:
        sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    elif key is None:
        _print_problems(problems)
    else:
        _print_report(key)
    return key is not None


def _as_folder(path: Path, aside: Path) -> Path:
    """Give a folder with the form in it: the path itself, or a copy of a single file named after its id."""
    if path.is_dir():
        return path
    if not path.is_file():
        raise SettingsInvalid(
            f"There is no file or folder {path}.", "Name a Questionnaire file, or its folder."
        )
    folder = aside / path.stem
    folder.mkdir()
    shutil.copyfile(path, folder / "questionnaire.json")
    definitions = path.with_name("observation-definitions.json")
    if definitions.is_file():
        shutil.copyfile(definitions, folder / definitions.name)
    return folder


def _describe(key: Key) -> dict[str, object]:
    instrument = key.instrument
    return {
        "title": instrument.title,
        "canonical": instrument.canonical,
        "rater": str(instrument.rater),
        "languages": list(instrument.languages),
        "standing": instrument.status_note,
        "scores": [
            {
                "linkId": step.score.link_id,
                "code": f"{step.score.code.system}|{step.score.code.code}",
                "unit": step.score.unit,
                "range": None
                if step.score.low is None
                else [float(step.score.low), float(step.score.high or 0)],
                "way": "compiled" if step.native else "FHIRPath",
                "items": list(step.used),
            }
            for step in key.steps
        ],
        "warnings": _warnings(key),
    }


def _warnings(key: Key) -> list[str]:
    """Say what can be used and should be known: no scores, no range, options without a weight, slow expressions."""
    instrument = key.instrument
    found = [] if key.steps else ["It has no score: answers are kept and delivered, and nothing is computed."]
    used = {link_id for step in key.steps for link_id in step.used}
    for item in walk(instrument.items):
        bare = [option.code for option in item.options if option.weight is None]
        if item.link_id in used and bare:
            found.append(
                f"{item.link_id}: the options {', '.join(bare)} have no weight and add nothing to a score."
            )
    for step in key.steps:
        if step.score.low is None or step.score.high is None:
            found.append(
                f"{step.score.link_id}: no range is known; add observation-definitions.json to draw its plot."
            )
        if not step.native:
            found.append(
                f"{step.score.link_id}: outside the compiled subset, so it takes milliseconds (docs/reference/scoring.md)."
            )
    return found


def _print_report(key: Key) -> None:
    instrument: Instrument = key.instrument
    _out.print(f"[bold]{instrument.title}[/]  {instrument.canonical}", highlight=False)
    _out.print(
        f"answered by the {instrument.rater}; languages: {', '.join(instrument.languages) or 'no wording'}"
    )
    table = Table(
        "score", "code", "range", "way", "computed from", title="What will be written as Observations"
    )
    for step in key.steps:
        score = step.score
        span = "not known" if score.low is None else f"{score.low} to {score.high}"
        way = "compiled" if step.native else "FHIRPath"
        table.add_row(
            score.display, f"{score.code.system}|{score.code.code}", span, way, ", ".join(step.used)
        )
    _out.print(table)
    for warning in _warnings(key):
        _out.print(f"! {warning}", highlight=False, markup=False)
    _out.print("It can be used: put its folder where server.instruments points, and start Rapport again.")


def _print_problems(problems: list[dict[str, str | None]]) -> None:
    for each in problems:
        place = f"{each['place']}: " if each["place"] else ""
        _out.print(f"[red]✗[/] {place}{each['found']}. {each['remedy'] or ''}", highlight=False)
    _out.print(f"It cannot be used: {len(problems)} problem{'s' if len(problems) != 1 else ''}.")
