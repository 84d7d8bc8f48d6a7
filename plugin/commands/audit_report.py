"""The report of `rapport audit verify` for people: one page of HTML that needs nothing else, or the same as PDF."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from plugin import __version__
from plugin.delivery.pdf import can_render, pdf_of
from plugin.errors import SettingsInvalid
from plugin.verify import MEANING, Finding

_STYLE = """
@page { size: A4; margin: 18mm }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #c9d1da }
td { overflow-wrap: anywhere } td:first-child { white-space: nowrap }
thead { background: #eef2f6 } th[scope=row] { width: 28%; font-weight: 500; overflow-wrap: break-word; hyphens: auto }
.sign { display: none; margin-top: 14mm }
h2 { break-after: avoid } tr { break-inside: avoid }
@media print { body { font-size: 11px; margin: 0; max-width: none; padding: 0 } .sign { display: block } }
.good, .bad { padding: .6rem .9rem; border-left: .4rem solid; font-weight: 600 }
.good { border-color: #1a7f4b; background: #eaf6ef } .bad { border-color: #b3261e; background: #fbecea }
"""
_DARK = """
@media screen and (prefers-color-scheme: dark) {
  body { background: #14181d; color: #e6e9ed } thead { background: #232a32 } .good { background: #12301f } .bad { background: #3a1917 }
}
"""


@dataclass(frozen=True)
class Report:
    """What was verified (facts: name and value), what was found, and what must be known to judge it."""

    what: str
    facts: Sequence[tuple[str, str]]
    findings: Sequence[Finding]
    notes: Sequence[str] = ()
    good: str = "Nothing was altered."


def write_report(report: Report, html: Path | None, pdf: Path | None) -> None:
    """Write the report as HTML, PDF or both. It names responses, never people or answers."""
    page = as_html(report, datetime.now(UTC))
    if html is not None:
        html.write_text(page, encoding="utf-8")
    if pdf is not None:
        pdf.write_bytes(pdf_of(page.replace(_DARK, "")))  # paper is white


def check_pdf(pdf: Path | None) -> None:
    """SettingsInvalid if a PDF is wanted and cannot be made here."""
    if pdf is not None and not can_render():
        raise SettingsInvalid(
            "PDF needs the extra rapport-fhir[pdf], which is not installed.",
            "Install it, or write --html and print that.",
        )


def as_html(report: Report, made: datetime) -> str:
    """Write the page."""
    many = len(report.findings)
    verdict = (
        f"<p class='bad'>{many} {'flaw was' if many == 1 else 'flaws were'} found.</p>"
        if many
        else f"<p class='good'>{escape(report.good)}</p>"
    )
    facts = [
        ("Made", made.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("Software", f"Rapport {__version__}"),
        *report.facts,
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Audit: {escape(report.what)}</title><style>{_STYLE}{_DARK}</style></head><body><main>"
        f"<h1>Audit: {escape(report.what)}</h1>{verdict}"
        f"{_facts(facts)}{_notes(report.notes)}{_findings(report.findings)}"
        "<p class='sign'>Read by ______________________________ on ______________</p></main></body></html>"
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts
    )
    return f"<h2>What was verified</h2><table>{rows}</table>"


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    counts = Counter(each.flaw for each in findings)
    kinds = [(str(flaw), str(many), MEANING[flaw]) for flaw, many in counts.most_common()]
    rows = [(str(each.flaw), each.where, each.what) for each in findings]
    return (
        f"<h2>Flaws by kind</h2>{_table(('flaw', 'how many', 'what it means'), kinds)}"
        f"<h2>Every flaw</h2>{_table(('flaw', 'where', 'what was found'), rows)}"
    )


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return "<h2>To be known</h2><ul>" + "".join(f"<li>{escape(each)}</li>" for each in notes) + "</ul>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th scope='col'>{escape(each)}</th>" for each in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
