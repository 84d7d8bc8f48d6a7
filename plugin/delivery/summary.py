"""The summary of one scored response for people to read in a record: plain text, and the HTML a PDF is made of. Pure.

It holds scores, never answers: what the clinician may see of a child's answers is decided elsewhere. It names no
patient: the record that it stands in does.
"""

import textwrap
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from html import escape

import msgspec

from plugin import __version__
from plugin.days import in_zone
from plugin.delivery.keep import Record
from questionnaires import Instrument

_WHO = {
    "child": "the child or young person",
    "caregiver": "a caregiver",
    "therapist": "the therapist",
    "observer": "an observer",
}
_WIDTH = 72


class _Quantity(msgspec.Struct):
    value: Decimal
    unit: str = ""


class _Bound(msgspec.Struct):
    value: Decimal


class _Range(msgspec.Struct):
    low: _Bound | None = None
    high: _Bound | None = None


class _Text(msgspec.Struct):
    text: str = ""


class _Score(msgspec.Struct):
    code: _Text
    valueQuantity: _Quantity | None = None  # noqa: N815 -- FHIR's element name
    dataAbsentReason: _Text | None = None  # noqa: N815 -- FHIR's element name
    referenceRange: tuple[_Range, ...] = ()  # noqa: N815 -- FHIR's element name


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One score in words: its name, its value (or why there is none), and what is possible."""

    label: str
    value: str
    possible: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What the document says."""

    title: str
    version: str
    note: str
    answered_by: str
    answered_at: datetime
    organization: str
    scores: tuple[ScoreLine, ...]
    response: str

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What stands above the scores: name and value."""
        return (
            ("Form", f"{self.title}, version {self.version}"),
            ("Answered by", self.answered_by),
            ("Answered", self.answered_at.strftime("%Y-%m-%d %H:%M %Z").strip()),
            ("Service", self.organization),
        )

    @property
    def origin(self) -> str:
        """What stands below: where it comes from and where the rest is."""
        return f"Scores computed by Rapport {__version__}. The answers are kept in Rapport under {self.response}."


def summarize(record: Record, instrument: Instrument | None, organization: str, zone: tzinfo) -> Summary:
    """Build the summary of a record, its time in a zone; without its instrument (withdrawn since) the form's address stands for its title."""
    address, _, version = record.instrument.partition("|")
    title = instrument.title if instrument else address
    return Summary(
        title=title,
        version=version,
        note=instrument.status_note if instrument else "",
        answered_by=_WHO.get(record.rater, record.rater),
        answered_at=in_zone(record.authored, zone),
        organization=organization,
        scores=tuple(_line(msgspec.json.decode(each, type=_Score), title) for each in record.results.scores),
        response=record.id,
    )


def as_text(summary: Summary) -> str:
    """Write it as plain text, scores in a column."""
    width = max((len(each.label) for each in summary.scores), default=0)
    figures = max((len(each.value) for each in summary.scores if each.possible), default=0)
    heading = "Therapeutic alliance: summary"
    lines = [heading, "=" * len(heading), ""]
    lines += [f"{name + ':':<13}{value}" for name, value in summary.facts]
    lines += ["", "Scores", "------"]
    lines += [
        f"{each.label:<{width}}  {each.value:>{figures}}{f'  (possible {each.possible})' if each.possible else ''}"
        for each in summary.scores
    ]
    for paragraph in (summary.note, summary.origin):
        lines += ["", *textwrap.wrap(paragraph, _WIDTH)] if paragraph else []
    return "\n".join(lines) + "\n"


def as_html(summary: Summary) -> str:
    """Write it as one page of HTML without anything to fetch."""
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in summary.facts)
    rows = "".join(
        f"<tr><th scope='row'>{escape(each.label)}</th><td class='value'>{escape(each.value)}</td>"
        f"<td>{escape(each.possible)}</td></tr>"
        for each in summary.scores
    )
    note = f"<p class='note'>{escape(summary.note)}</p>" if summary.note else ""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Therapeutic alliance: summary</title>"
        f"<style>{_STYLE}</style></head><body><h1>Therapeutic alliance: summary</h1><dl>{facts}</dl>"
        "<table><thead><tr><th scope='col'>Score</th><th scope='col'>Value</th><th scope='col'>Possible</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{note}<footer>{escape(summary.origin)}</footer></body></html>"
    )


def _line(score: _Score, title: str) -> ScoreLine:
    # Names of scores begin with the form's, which stands above.
    label = score.code.text.removeprefix(f"{title}: ")
    label = label[:1].upper() + label[1:]
    if score.valueQuantity is None:
        reason = score.dataAbsentReason.text if score.dataAbsentReason else ""
        return ScoreLine(label, f"no value: {reason}" if reason else "no value", "")
    low, high = next(((each.low, each.high) for each in score.referenceRange), (None, None))
    possible = f"{low.value} to {high.value}" if low and high else ""
    return ScoreLine(label, str(score.valueQuantity.value), possible)


_STYLE = """
@page { size: A4; margin: 22mm 20mm; }
body { font: 11pt/1.45 "DejaVu Sans", "Liberation Sans", sans-serif; color: #1b2a33; }
h1 { font-size: 18pt; margin: 0 0 6mm; }
dl { display: grid; grid-template-columns: 32mm 1fr; margin: 0 0 8mm; }
dt { color: #51636e; } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 2mm 3mm; border-bottom: 0.3mm solid #d5dee3; font-weight: normal; }
thead th { color: #51636e; font-size: 9pt; }
td.value { font-weight: bold; }
p.note { margin-top: 8mm; padding: 3mm 4mm; background: #f4f7f9; border-left: 1mm solid #0b6e77; }
footer { margin-top: 10mm; font-size: 8.5pt; color: #51636e; }
"""
