"""What `rapport instruments check` does: loads and compiles forms of a site's own, and says what would be written."""

import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plugin.errors import SettingsInvalid
from plugin.plan import problems_of, read_plan
from plugin.responses import Answers, Given
from plugin.routes.views import why_not_fillable
from plugin.schedule import EVERY_SESSION, Schedule
from plugin.scores import Key, compute
from plugin.scores.key import Step, highest_answers
from plugin.stock import compile_own
from questionnaires import (
    BadInstrument,
    BadWordingPack,
    Instrument,
    Item,
    LeftOut,
    Manner,
    Problem,
    find_forms,
    load_catalogue,
    load_earlier,
    load_instrument,
    walk,
)

_out = Console()


def check(path: Path, manner: Manner, *, as_json: bool) -> bool:
    """Check a form, every form of a folder, or a schedule, and print the report; True if all can be used as written."""
    plan = _read_plan(path)
    if plan is not None:
        return _check_plan(path, plan, as_json=as_json)
    forms = _forms(path)
    reports = [_examine(form, manner) for form in forms]
    if as_json:
        said = [report.as_json() for report in reports]
        whole = said[0] if len(said) == 1 else {"usable": all(each["usable"] for each in said), "forms": said}
        sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    else:
        for report in reports:
            report.print()
    return all(report.key and not report.left_out for report in reports)


def _read_plan(path: Path) -> object:
    """Give a PlanDefinition; None if the file is none, or is no file."""
    try:
        found: object = json.loads(path.read_bytes()) if path.is_file() else None
    except (ValueError, RecursionError):
        return None  # as a form it is told where it breaks
    is_plan = isinstance(found, dict) and found.get("resourceType") == "PlanDefinition"
    return found if is_plan else None


def _check_plan(path: Path, resource: object, *, as_json: bool) -> bool:
    """Say at which sessions each form of a schedule is due, and what of it is not understood or not among the forms that ship."""
    try:
        plan = read_plan(resource)
    except ValueError as error:
        rules, problems = [], [str(error)]
    else:
        rules = [(each.canonical, _sessions(each.schedule)) for each in plan.rules]
        problems = list(problems_of(plan, load_catalogue()))
    if as_json:
        forms = [{"form": canonical, "sessions": sessions} for canonical, sessions in rules]
        said = {"file": path.name, "usable": not problems, "forms": forms, "problems": problems}
        sys.stdout.write(json.dumps(said, indent=2, ensure_ascii=False) + "\n")
        return not problems
    _out.print(f"[bold]{path.name}[/]", highlight=False)
    for canonical, sessions in rules:
        _out.print(f"  {canonical}: {sessions}", highlight=False, markup=False, soft_wrap=True)
    for each in problems:
        _out.print(f"✗ {each}.", highlight=False, markup=False, soft_wrap=True)
    return not problems


def _sessions(schedule: Schedule) -> str:
    if schedule == EVERY_SESSION:
        return "every session"
    first = ", ".join(map(str, schedule.first))
    return f"sessions {first}" + (f", then every {schedule.every} sessions" if schedule.every else "")


@dataclass(frozen=True, slots=True)
class _Report:
    """What became of one form: its key, or its problems."""

    file: str
    key: Key | None
    problems: tuple[Problem, ...] = ()
    earlier: tuple[Instrument, ...] = ()
    left_out: tuple[LeftOut, ...] = ()  # of what is kept as earlier versions

    def as_json(self) -> dict[str, object]:
        problems = [
            {"place": each.link_id, "found": each.found, "remedy": each.remedy} for each in self.problems
        ]
        report: dict[str, object] = {"file": self.file, "usable": self.key is not None, "problems": problems}
        if self.earlier or self.left_out:
            report["earlier"] = [each.version for each in self.earlier]
            problems += [
                {"file": each.file, "place": one.link_id, "found": one.found, "remedy": one.remedy}
                for each in self.left_out
                for one in each.problems
            ]
        return report | (_describe(self.key) if self.key else {})

    def print(self) -> None:
        if self.key is not None:
            _print_report(self.key, self.earlier)
            for line in self.left_out:
                _out.print(f"✗ {line}", highlight=False, markup=False, soft_wrap=True)
            return
        _out.print(f"[bold]{self.file}[/]", highlight=False)
        for each in self.problems:
            place = f"{each.link_id}: " if each.link_id else ""
            _out.print(
                f"✗ {place}{each.found}. {each.remedy}.", highlight=False, markup=False, soft_wrap=True
            )
        count = len(self.problems)
        _out.print(f"It cannot be used: {count} problem{'s' if count != 1 else ''}.")


def _forms(path: Path) -> list[Path]:
    if not path.exists():
        raise SettingsInvalid(
            f"There is no file or folder {path}.", "Name a Questionnaire file, or its folder."
        )
    forms = find_forms(path)
    if not forms:
        raise SettingsInvalid(f"There is no Questionnaire in {path}.", "Put *.json files there, one a form.")
    return forms


def _examine(form: Path, manner: Manner) -> _Report:
    try:
        instrument = load_instrument(form, manner=manner)
        key = compile_own(instrument)
        earlier, left_out = load_earlier(form, instrument, manner=manner)
        left_out += [bad for each in earlier if (bad := _left_out(each)) is not None]
        return _Report(form.name, key, (), tuple(earlier), tuple(left_out))
    except (BadInstrument, BadWordingPack) as bad:
        return _Report(form.name, None, bad.problems)


def _left_out(earlier: Instrument) -> LeftOut | None:
    try:
        compile_own(earlier)
    except BadInstrument as bad:
        return LeftOut(bad.file, bad.problems)
    return None


def _describe(key: Key) -> dict[str, object]:
    instrument = key.instrument
    return {
        "title": instrument.title,
        "canonical": instrument.canonical,
        "rater": str(instrument.rater),
        "languages": list(instrument.languages),
        "standing": instrument.status_note,
        "panel": f"{instrument.code.system}|{instrument.code.code}",
        "filled here": why_not_fillable(instrument) or "yes",
        "scores": [
            {
                "linkId": step.score.link_id,
                "code": f"{step.score.code.system}|{step.score.code.code}",
                "unit": step.score.unit,
                "range": None
                if step.score.low is None
                else [float(step.score.low), float(step.score.high or 0)],
                "way": "compiled" if step.native else "FHIRPath",
                "items": list(_rests_on(key, step)),
            }
            for step in key.steps
        ],
        "warnings": _warnings(key),
    }


def _warnings(key: Key) -> list[str]:
    """Say what can be used and should be known: no scores, no range, options without a weight, slow expressions."""
    instrument = key.instrument
    found = [*instrument.notes]
    if not key.steps:
        found.append("It has no score: answers are kept and delivered, and nothing is computed.")
    used = {link_id for step in key.steps for link_id in step.used}
    for item in walk(instrument.items):
        bare = [option.code for option in item.options if option.weight is None]
        if item.link_id in used and bare and not _counts_by_value(key, item):
            found.append(
                f"{item.link_id}: the options {', '.join(bare)} have no weight and add nothing to a score."
            )
    for step in key.steps:
        if step.score.low is None or step.score.high is None:
            found.append(
                f"{step.score.link_id}: no range is known; add observation-definitions.json to draw its plot."
            )
        if _counts_partly(key, step):
            found.append(
                f"{step.score.link_id}: it is computed even if answers are missing, from those that are given."
            )
        if not step.native:
            found.append(
                f"{step.score.link_id}: outside the compiled subset, so it takes milliseconds (docs/reference/scoring.md)."
            )
    idle = [
        item.link_id
        for item in walk(instrument.items)
        if key.steps and item.is_question and item.options and item.link_id not in used
    ]
    if idle:
        found.append(f"No score counts the answers to {', '.join(idle)}.")
    return found


def _rests_on(key: Key, step: Step) -> tuple[str, ...]:
    """Give the questions that a score reads, itself or by way of other scores, in the order of the form."""
    steps = {each.score.link_id: each for each in key.steps}
    waiting, reached = [step.score.link_id], dict[str, Step]()
    while waiting:
        link_id = waiting.pop()
        if link_id in steps and link_id not in reached:
            reached[link_id] = steps[link_id]
            waiting += steps[link_id].needs
    used = {link_id for each in reached.values() for link_id in each.used}
    return tuple(item.link_id for item in key.layout.items if item.link_id in used)


def _counts_by_value(key: Key, item: Item) -> bool:
    """Tell whether a score changes with the options' own numbers, on the highest answers to all else."""
    if any(option.kind != "Integer" for option in item.options):
        return False
    numbers = [Decimal(option.code) for option in item.options]
    given = highest_answers(key).given
    least, most = (
        compute(key, Answers({**given, item.link_id: (Given(str(number), None, number),)}))
        for number in (min(numbers), max(numbers))
    )
    return [each.value for each in least] != [each.value for each in most]


def _counts_partly(key: Key, step: Step) -> bool:
    """Tell whether a score has a value without the first of the answers that it rests on, on the highest answers."""
    given = highest_answers(key).given
    used = _rests_on(key, step)
    missing = next((link_id for link_id in used if link_id in given), None)
    if missing is None or len(used) < 2:
        return False
    fewer = {link_id: answers for link_id, answers in given.items() if link_id != missing}
    scores = compute(key, Answers(fewer))
    return any(each.link_id == step.score.link_id and each.value is not None for each in scores)


def _print_report(key: Key, earlier: tuple[Instrument, ...]) -> None:
    instrument: Instrument = key.instrument
    _out.print(f"[bold]{instrument.title}[/]  {instrument.canonical}", highlight=False)
    _out.print(
        f"answered by the {instrument.rater}; languages: {', '.join(instrument.languages) or 'no wording'}"
    )
    if earlier:
        _out.print(
            f"earlier versions, which go on: {', '.join(each.version for each in earlier)}", highlight=False
        )
    table = Table(
        "score", "code", "range", "way", "computed from", title="What will be written as Observations"
    )
    for step in key.steps:
        score = step.score
        span = "not known" if score.low is None else f"{score.low} to {score.high}"
        way = "compiled" if step.native else "FHIRPath"
        table.add_row(
            score.display,
            f"{score.code.system}|{score.code.code}",
            span,
            way,
            ", ".join(_rests_on(key, step)),
        )
    _out.print(table)
    _out.print(f"The panel of them: {instrument.code.system}|{instrument.code.code}", highlight=False)
    for warning in _warnings(key):
        _out.print(f"! {warning}", highlight=False, markup=False, soft_wrap=True)
    reason = why_not_fillable(instrument)
    if reason:
        _out.print(
            f"! It cannot be filled here, but its responses are scored: {reason}",
            highlight=False,
            markup=False,
        )
    _out.print("It can be used: name its place in server.instruments, and start Rapport again.")
