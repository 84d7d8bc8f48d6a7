"""What LHC-Forms and the Smart Forms renderer make of every instrument and of the conformance kit, filled by hand in Chromium.

Run: python -m benchmarks.renderers [--page]. With --page the results are written into docs/reference/conformance-kit.md.
The instruments are answered as their worked examples, the kit as its responses.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from playwright.sync_api import Browser

from plugin import __version__
from plugin.commands.conformance import score_kit
from questionnaires import load_catalogue
from questionnaires.examples import read_examples, response_to
from questionnaires.kit import TOLERANCE, Case, Finding, find_failures, read_cases
from tests.browser import open_browser
from tests.conformance.peers import score_kit_by_fhirpath_js, score_kit_by_fhirpathpy
from tests.judges import node
from tests.renderers.driving import Desk, Filled, open_desk
from tests.renderers.installing import why_not
from tests.renderers.pages import PAGES

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "conformance-kit.md"
# SDC asks of a renderer that it leaves a computed value alone that a response brings along: nothing to judge.
NOT_FOR_RENDERERS = {"brought-score"}
_START, _END = "<!-- results -->", "<!-- end of results -->"


@dataclass
class Report:
    """What one renderer made of the kit (failures by case, then of its Observations) and of the instruments."""

    title: str
    kit: dict[str, list[str]] = field(default_factory=dict)
    observations: dict[str, list[str]] = field(default_factory=dict)
    instruments: dict[str, list[str]] = field(default_factory=dict)
    compared: int = 0


def judge_case(desk: Desk, case: Case) -> tuple[list[str], list[str]]:
    """Fill a case's responses; give what is wrong with the scores of the response, and of the extracted Observations."""
    shown: list[str] = []
    extracted: list[str] = []
    findings: list[Finding] = []
    for answered in case.responses:
        filled = desk.fill(case.questionnaire, case.files[answered.file])
        shown += [f"{answered.file}: {each}" for each in filled.complaints]
        findings.append(Finding(case.id, answered.file, filled.scores(frozenset(answered.scores))))
        wanted = {f"{case.id}-{name}": score.value for name, score in answered.scores.items()}
        extracted += [f"{answered.file}: {each}" for each in differences(wanted, filled.extracted())]
    return [*shown, *find_failures(case, findings)], extracted


def differences(wanted: dict[str, Decimal | None], found: dict[str, Decimal | None]) -> Iterator[str]:
    """Say which values differ."""
    for name, value in wanted.items():
        given = found.get(name)
        if (value is None) != (given is None) or abs((value or 0) - (given or 0)) > TOLERANCE:
            yield f"{name} is {'without a value' if given is None else given}, not {value}"


def judge_instruments(desk: Desk) -> tuple[dict[str, list[str]], int]:
    """Fill every instrument as its examples; give failures by instrument, and how many scores were compared."""
    failures: dict[str, list[str]] = {}
    compared = 0
    for instrument in load_catalogue().all():
        failures[instrument.id] = []
        for example in read_examples(instrument.id):
            filled: Filled = desk.fill(instrument.resource, response_to(example, instrument.resource))
            found = filled.scores(frozenset(example.scores))
            problems = [*filled.complaints, *differences(example.scores, found)]
            failures[instrument.id] += [f"{example.title}: {each}" for each in problems]
            compared += len(example.scores)
        print(instrument.id, failures[instrument.id] or "same", flush=True)
    return failures, compared


def judge(browser: Browser, name: str) -> Report:
    """Hold one renderer against everything."""
    report = Report(PAGES[name].version)
    print(f"\n{report.title}", flush=True)
    with open_desk(browser, name) as desk:
        for case in read_cases():
            if case.id not in NOT_FOR_RENDERERS:
                report.kit[case.id], report.observations[case.id] = judge_case(desk, case)
                print(case.id, report.kit[case.id] or "passed", flush=True)
        report.instruments, report.compared = judge_instruments(desk)
    return report


def judge_engines() -> Iterator[Report]:
    """Hold engines against the kit: Rapport's, fhirpath.js where it can be had, and fhirpathpy with nothing of ours."""
    yield _engine(f"Rapport {__version__}", score_kit())
    if node.why_not() is None:
        manifest = json.loads((node.folder() / "node_modules" / "fhirpath" / "package.json").read_bytes())
        yield _engine(f"fhirpath.js {manifest['version']}", score_kit_by_fhirpath_js())
    yield _engine(f"fhirpathpy {version('fhirpathpy')}", score_kit_by_fhirpathpy())


def _engine(title: str, findings: Iterable[Finding]) -> Report:
    found = list(findings)
    return Report(title, {case.id: find_failures(case, found) for case in read_cases()})


def write_results(reports: list[Report], today: str) -> str:
    """Write the results as they stand in the documentation."""
    columns = [report.title for report in reports]
    lines = [
        f"Measured {today}, headless Chromium. “Observations”: the scores as the renderer's own extraction writes them; “–”: not asked.",
        "",
        f"| case | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for case in read_cases():
        cells = [_cell(report, case.id) for report in reports]
        lines.append(f"| `{case.id}` | {' | '.join(cells)} |")
    lines += ["", *_told_failures(reports), "", *_told_instruments(reports)]
    return "\n".join(lines)


def _cell(report: Report, case: str) -> str:
    if case not in report.kit:
        return "–"
    told = "**fails**" if report.kit[case] else "passes"
    return f"{told}; Observations **fail**" if report.observations.get(case) else told


def _told_failures(reports: list[Report]) -> Iterator[str]:
    for report in reports:
        failures = [(case, each) for case, found in report.kit.items() for each in found]
        extracted = [(case, each) for case, found in report.observations.items() for each in found]
        if not failures and not extracted:
            continue
        yield f"What failed in {report.title}:"
        yield ""
        yield from _grouped(failures)
        if extracted:
            cases = len(dict(extracted))
            yield f"- as Observations: {len(extracted)} values in {cases} cases, such as {extracted[0][1]}"
        yield ""


def _grouped(failures: list[tuple[str, str]]) -> Iterator[str]:
    """Say each failure once, with the cases that have it."""
    cases: dict[str, list[str]] = {}
    for case, told in failures:
        # The response is left out: the same failure of several is one.
        cases.setdefault(told.partition(": ")[2], []).append(f"`{case}`")
    for told, found in cases.items():
        yield f"- {', '.join(dict.fromkeys(found))}: {told}"


def _told_instruments(reports: list[Report]) -> Iterator[str]:
    for report in reports:
        if not report.instruments:
            continue
        wrong = {name: found for name, found in report.instruments.items() if found}
        yield (
            f"Instruments, answered as their worked examples, in {report.title}: {len(report.instruments)} forms, "
            f"{report.compared} scores, {len(report.instruments) - len(wrong)} forms all the same."
        )
        yield ""
        yield from (f"- `{name}`: {each}" for name, found in wrong.items() for each in found)
        yield ""


def main(arguments: list[str]) -> int:
    """Run everything; print it, or write it into the page."""
    if (reason := why_not()) is not None:
        print(reason)
        return 1
    with open_browser() as browser:
        reports = [judge(browser, name) for name in PAGES]
    reports = [*judge_engines(), *reports]
    results = write_results(reports, datetime.now(UTC).date().isoformat())
    print(f"\n{results}")
    if "--page" in arguments:
        page = PAGE.read_text(encoding="utf-8")
        written = re.sub(f"(?s){_START}.*{_END}", lambda _: f"{_START}\n{results.strip()}\n{_END}", page)
        PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
