"""What the command line prints about instruments and scores."""

import sys
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from plugin.scores import Score
from plugin.stateless import observations_bundle, score_response
from questionnaires import Catalogue, Instrument, walk
from questionnaires.examples import read_examples, read_unavailable


def catalogue_table(catalogue: Catalogue) -> Table:
    """List the instruments for a terminal of 80 columns."""
    table = Table(title="Instruments", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("id", no_wrap=True)
    for column in ("rater", "ages", "filled here", "validated", "status"):
        table.add_column(column)
    for each in catalogue.all():
        validated = "yes" if each.validated else "no"
        table.add_row(each.id, each.rater, _ages(each), _filled(each), validated, each.status)
    return table


def earlier_line(catalogue: Catalogue) -> str:
    """Name the earlier versions that go on; nothing where there are none."""
    now = {each.canonical for each in catalogue.all()}
    earlier = [f"{each.id}|{each.version}" for each in catalogue.versions() if each.canonical not in now]
    return f"Earlier versions, of which what was begun goes on: {', '.join(earlier)}" if earlier else ""


def _filled(instrument: Instrument) -> str:
    if instrument.licence_kind == "score-entry":
        return "from paper"
    return " ".join(instrument.languages) if instrument.fillable else "wording pack"


def unavailable_table() -> Table:
    """List what is known and not offered, with the reasons."""
    table = Table("instrument", "rights", "why it is not available", title="Known and not available")
    for each in read_unavailable():
        table.add_row(each.title, each.rights, each.reason)
    return table


def catalogue_markdown(catalogue: Catalogue) -> str:
    """Write the page of the documentation about the instruments."""
    lines = [
        "# Instruments",
        "",
        "Written by `rapport instruments list --format markdown`. Sources, licences and how sure each key is stand in the",
        "`SOURCE.md` of each folder under `questionnaires/instruments/`.",
    ]
    for each in catalogue.all():
        languages = ", ".join(each.languages) or "none: the wording comes from the site's licence"
        lines += [
            "",
            f"## {each.title}",
            "",
            f"`{each.canonical}`",
            "",
            f"Answered by: {each.rater}, patients of {_ages(each)} years. Licence: {each.licence_kind}. Languages: {languages}.",
            "",
            f"{each.status_note}",
            "",
            *(f"- {warning}" for warning in each.warnings),
            *([""] if each.warnings else []),
            "| score | code | possible | computed by |",
            "|---|---|---|---|",
            *(
                f"| {score.display} | `{score.code.code}` | {_span(score.low, score.high)} | `{score.expression.replace('|', chr(92) + '|')}` |"
                for score in each.scores
            ),
            *_examples_markdown(each),
        ]
    lines += ["", "## Known and not available", "", "| instrument | rights | why |", "|---|---|---|"]
    lines += [f"| {each.title} | {each.rights} | {each.reason} |" for each in read_unavailable()]
    return "\n".join(lines) + "\n"


def _examples_markdown(instrument: Instrument) -> list[str]:
    """Write the worked examples as a table: the answers in the order of the form, and each score with its working."""
    examples = read_examples(instrument.id)
    if not examples:
        return []
    lines = ["", "| worked example | answers | scores |", "|---|---|---|"]
    for each in examples:
        answers = " ".join(
            each.answers.get(item.link_id, "declined" if item.link_id in each.declined else "–")
            for item in walk(instrument.items)
            if item.is_question
        )
        scores = "<br>".join(
            f"{name.removeprefix('score-')}: {each.working[name]}{'' if value is None else f' = {value}'}"
            for name, value in each.scores.items()
        )
        lines.append(f"| {each.title} | {answers} | {scores} |")
    return lines


def _ages(instrument: Instrument) -> str:
    low, high = instrument.age_years
    return "any" if low is None and high is None else f"{low or 0}–{'' if high is None else high}"


def print_instrument(out: Console, instrument: Instrument, language: str) -> None:
    """Print an instrument's standing, questions with weights, and scores with their ranges."""
    out.print(f"[bold]{instrument.title}[/] {instrument.version}  ({instrument.canonical})", highlight=False)
    out.print(instrument.status_note)
    for warning in instrument.warnings:
        out.print(f"! {warning}", highlight=False)
    out.print(
        f"answered by the {instrument.rater}; licence: {instrument.licence_kind}; {instrument.content_hash}",
        highlight=False,
    )
    wording = instrument.wording(language) if language in instrument.languages else None
    if wording is None:
        out.print(f"No wording in “{language}”; available: {', '.join(instrument.languages) or 'none'}")
    questions = Table("linkId", "question", "options (weight)")
    for item in (each for each in walk(instrument.items) if each.is_question):
        options = ", ".join(f"{option.code} ({option.weight})" for option in item.options)
        text = wording.items.get(item.link_id, "") if wording else ""
        questions.add_row(item.link_id, text, options)
    out.print(questions)
    scores = Table("score", "code", "range")
    scores.add_column("expression", overflow="fold")
    for each in instrument.scores:
        scores.add_row(each.display, each.code.code, _span(each.low, each.high), each.expression)
    out.print(scores)


def print_scores(out: Console, body: bytes, catalogue: Catalogue, *, as_json: bool) -> None:
    """Score a response and print the result; the errors of reading and checking pass through."""
    scored = score_response(body, catalogue, now=datetime.now(UTC))
    if as_json:
        bundle = observations_bundle(scored, "collection")
        sys.stdout.write(msgspec.json.format(bundle, indent=2).decode() + "\n")
    else:
        out.print(_score_table(scored.instrument, scored.scores))
        for warning in scored.warnings:
            place = f"{warning.link_id or warning.expression}: "
            out.print(
                place + f"{warning.message} {warning.remedy}", highlight=False, markup=False, soft_wrap=True
            )


def _score_table(instrument: Instrument, scores: tuple[Score, ...]) -> Table:
    table = Table("score", "value", "possible", title=f"{instrument.title} {instrument.version}")
    for score in scores:
        value = score.absent_reason if score.value is None else _rounded(score.value)
        table.add_row(score.code.display, value, _span(score.low, score.high))
    return table


def _rounded(value: Decimal) -> str:
    """Write a score with two decimals at most, a half rounded up, as for a reader; its Observation has all of them."""
    with localcontext(rounding=ROUND_HALF_UP):
        text = f"{value:.2f}"
    return text.rstrip("0").removesuffix(".")


def _span(low: Decimal | None, high: Decimal | None) -> str:
    return "not known" if low is None or high is None else f"{low} to {high}"
