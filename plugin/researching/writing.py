"""Writes a research export: one row an administration as CSV and Parquet, the codebook for people and for programs."""

import csv
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

import msgspec

from plugin import __version__
from plugin.exports import Period
from plugin.exports.sheets import disarm
from plugin.norms.administrations import bands_of
from plugin.research import COLUMNS, Administration, bands_told
from plugin.research.deidentify import QUASI_IDENTIFIERS, order_of
from plugin.research.medicines import ATC_NAMES, ATC_SOURCE
from plugin.research_settings import Research
from plugin.researching.gathering import Gathered, LeftOut

TABLE, CODEBOOK = "administrations", "codebook"
_LIMITS = (
    "These rows are pseudonymous, not anonymous: whoever knows a person's course of scores, or holds the site's salt and "
    "its ledger, could find the person. Give them under an agreement, and keep the salt where the ledger is kept."
)


def can_write_parquet() -> bool:
    """Tell whether pyarrow is installed: the extra `bulk`."""
    return importlib.util.find_spec("pyarrow") is not None


def write_export(folder: Path, gathered: Gathered, research: Research, period: Period) -> tuple[Path, ...]:
    """Write the files into a folder; Parquet where pyarrow is installed. Gives their paths."""
    score_names = list(dict.fromkeys(column.name for column in gathered.columns))
    files = {
        f"{TABLE}.csv": _csv(gathered, score_names),
        f"{CODEBOOK}.json": _codebook_json(gathered, research, period, score_names),
        f"{CODEBOOK}.md": _codebook_text(gathered, research, period),
    }
    if can_write_parquet():
        files[f"{TABLE}.parquet"] = _parquet(gathered, research, score_names)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name in sorted(files))


def zip_export(files: tuple[Path, ...]) -> bytes:
    """Put the files of an export into one archive."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return whole.getvalue()


def _plain(row: Administration, score_names: list[str]) -> dict[str, object]:
    plain: dict[str, object] = {name: getattr(row, name) for name in COLUMNS}
    return plain | {name: row.scores.get(name) for name in score_names}


def _csv(gathered: Gathered, score_names: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*COLUMNS, *score_names])
    for row in gathered.rows:
        writer.writerow([_cell(value) for value in _plain(row, score_names).values()])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):  # as exactly as Parquet has it
        return str(int(value)) if value.is_integer() else repr(value)
    return disarm(str(value))


def _meanings(gathered: Gathered, research: Research) -> dict[str, str]:
    """Say what each column means, with what the site decided of it, and which numbers of sessions a number stands for."""
    ages, sessions = ", ".join(bands_of(research.ages)), ", ".join(bands_told(gathered.rows))
    return {
        **COLUMNS,
        "age_band": f"{COLUMNS['age_band']} Bands: {ages}.",
        "session": f"{COLUMNS['session']} Bands: {sessions or 'none'}.",
    }


def _parquet(gathered: Gathered, research: Research, score_names: list[str]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"date": pa.date32(), "session": pa.int32(), "carer_present": pa.bool_(), "complete": pa.bool_()}
    described = [
        pa.field(name, kinds.get(name, pa.string()), metadata={"description": meaning})
        for name, meaning in _meanings(gathered, research).items()
    ]
    described += [
        pa.field(name, pa.float64(), metadata={"description": _labels(gathered, name)})
        for name in score_names
    ]
    schema = pa.schema(described)
    table = pa.Table.from_pylist([_plain(row, score_names) for row in gathered.rows], schema=schema)
    whole = io.BytesIO()
    parquet.write_table(table, whole, compression="zstd")
    return whole.getvalue()


def _labels(gathered: Gathered, name: str) -> str:
    """Say what a column of scores holds: of several forms, one after the other."""
    return "; ".join(
        f"{column.label} ({column.instrument})" for column in gathered.columns if column.name == name
    )


def told_people(many: int, smallest: int) -> int | str:
    """Say how many people were left out: a count too small to be told is told as such."""
    return many if many == 0 or many >= smallest else f"fewer than {smallest}"


def told_forms(left_out: LeftOut, smallest: int) -> int | str:
    """Say how many forms were left out; of too few people it is not told: one may have filled many."""
    people = len(left_out.people)
    return left_out.forms if people == 0 or people >= smallest else f"of fewer than {smallest} people"


def _facts(gathered: Gathered, research: Research, period: Period) -> dict[str, object]:
    smallest = research.smallest_cell
    return {
        "software": f"Rapport {__version__}",
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
        "time_zone": str(period.zone),
        "rows": len(gathered.rows),
        "people": len({row.person for row in gathered.rows}),
        "consent": research.consent,
        "smallest_cell": smallest,
        "quasi_identifiers": list(QUASI_IDENTIFIERS),
        "emptied_in_this_order": list(order_of(gathered.keep)),
        "kept_longest": gathered.keep,
        "session_bands": list(bands_told(gathered.rows)),
        "shift_days": research.shift_days,
        "age_bands": list(bands_of(research.ages)),
        "left_out": {
            "people_without_consent": told_people(gathered.without_consent, smallest),
            "forms_that_cannot_be_scored": told_forms(gathered.unusable, smallest),
            "forms_of_too_few_people": told_forms(gathered.too_rare, smallest),
        },
        "not_read_from_the_ehr": gathered.not_read,
        "read_in_part_from_the_ehr": gathered.read_in_part,
        "malformed_in_the_ehr": gathered.malformed,
        "failed_in_the_ehr": gathered.failed,
    }


def _codebook_json(gathered: Gathered, research: Research, period: Period, score_names: list[str]) -> bytes:
    scores = {
        name: [
            {
                "instrument": column.instrument,
                "label": column.label,
                "low": column.low,
                "high": column.high,
                "direction": column.direction,
            }
            for column in gathered.columns
            if column.name == name
        ]
        for name in score_names
    }
    book = {
        **_facts(gathered, research, period),
        "limits": _LIMITS,
        "columns": _meanings(gathered, research),
        "scores": scores,
        "medication_classes": {"names": ATC_NAMES, "source": ATC_SOURCE, "site": _own_names(research)},
    }
    return msgspec.json.format(msgspec.json.encode(book), indent=2) + b"\n"


def as_cell(text: str) -> str:
    """Write what a form says into a table of Markdown: as text, in one cell."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def _own_names(research: Research) -> dict[str, str]:
    return {f"{system}|{code}": name for (system, code), name in research.medicines.items()}


def _codebook_text(gathered: Gathered, research: Research, period: Period) -> bytes:
    return ("\n".join(_lines(gathered, research, period)) + "\n").encode()


def _lines(gathered: Gathered, research: Research, period: Period) -> Iterator[str]:
    facts = _facts(gathered, research, period)
    yield "# Codebook"
    yield ""
    yield (
        f"{facts['rows']} administrations of {facts['people']} young people, {facts['first_day']} to {facts['last_day']} "
        f"(days in {facts['time_zone']}, before they were shifted). Written by {facts['software']}."
    )
    yield ""
    yield _LIMITS
    yield ""
    yield "## How people were taken out"
    yield ""
    whose = "who agreed to research" if research.consent == "agreed" else "who did not refuse research"
    yield f"- Only of people {whose} (FHIR Consent, read on the day of the export)."
    yield "- Pseudonyms are HMAC-SHA-256 with the project's salt; days are shifted by one distance a person, up to "
    yield f"  {research.shift_days} days."
    yield (
        f"- A combination of {', '.join(QUASI_IDENTIFIERS)} (by instrument, its version, and rater) is told only if "
        f"{research.smallest_cell} people or more share it; else columns are emptied, named in `suppressed`, or the row is left "
        "out."
    )
    chosen = f", as whoever made the export chose to keep `{gathered.keep}` longest" if gathered.keep else ""
    yield f"- Columns are emptied in this order{chosen}: {', '.join(order_of(gathered.keep))}."
    left_out = facts["left_out"]
    if isinstance(left_out, dict):
        for what, many in left_out.items():
            yield f"- {what.replace('_', ' ').capitalize()}: {many}."
    yield from _of_the_record(gathered)
    yield ""
    yield "## Columns"
    yield ""
    yield "| column | meaning |"
    yield "|---|---|"
    for name, meaning in _meanings(gathered, research).items():
        yield f"| `{name}` | {meaning} |"
    for column in gathered.columns:
        span = "range not said" if column.low is None else f"{column.low:g} to {column.high:g}"
        label, instrument = as_cell(column.label), as_cell(column.instrument)
        yield f"| `{column.name}` | {label}, {span} ({instrument}). Empty: could not be computed, or single answers are not shared. |"
    yield ""
    yield "## Classes of medicines"
    yield ""
    yield f"Third level of ATC ({ATC_SOURCE}):"
    yield ""
    for code, name in ATC_NAMES.items():
        yield f"- {code}: {name}"
    for code, name in _own_names(research).items():
        yield f"- {name}: the site's own class of {code}"


def _of_the_record(gathered: Gathered) -> Iterator[str]:
    """Say what the EHR did not give as it should."""
    if gathered.not_read:
        yield f"- The EHR lets no {' or '.join(gathered.not_read)} be read: what comes of it is empty, a medicine's class unclassified."
    if gathered.read_in_part:
        yield (
            f"- Of some people the EHR lets no {' or '.join(gathered.read_in_part)} be read: what comes of it is empty in "
            "their rows, a medicine's class unclassified."
        )
    if gathered.malformed:
        yield (
            f"- Of some people the EHR gave a {' or '.join(gathered.malformed)} that is no FHIR: what comes of it is empty in "
            "their rows, a medicine's class unclassified; a Consent that is none counts as a refusal."
        )
    if gathered.failed:
        yield (
            f"- Of some people the EHR failed to give {' or '.join(gathered.failed)}, each time it was asked: what comes of it "
            "is empty in their rows, a medicine's class unclassified."
        )
