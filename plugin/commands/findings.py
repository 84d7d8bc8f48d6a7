"""How findings are told: a bar while they are looked for, a table, a verdict, JSON."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table

from plugin.verify import Finding, Progress

_out = Console()


@contextmanager
def counting(what: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that work goes on; gives what tells how far."""
    text = "{task.description}  {task.fields[counts]}"
    columns = (SpinnerColumn(), TextColumn(text), TimeElapsedColumn())
    with Bar(*columns, disable=quiet, transient=True) as bar:
        task = bar.add_task(what, counts="", total=None)
        yield lambda counts: bar.update(task, counts=counts)


def shown(
    findings: Iterator[Finding], progress: Progress, *, quiet: bool, console: Console | None = None
) -> Iterator[Finding]:
    """Show a bar while verifying, on a terminal: how far of how much, and how much longer."""
    text = "{task.description}  {task.fields[counts]}"
    columns = (
        TextColumn(text),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bar(*columns, disable=quiet, transient=True, console=console) as bar:
        task = bar.add_task("verifying", counts="", total=None)

        def tell() -> None:
            counts = f"{progress.responses:,} responses, {progress.leaves:,} leaves"
            bar.update(task, completed=progress.done, total=progress.total or None, counts=counts)

        progress.told = tell
        yield from findings


def print_findings(findings: list[Finding]) -> None:
    """Print what is wrong as a table; nothing if nothing is."""
    if findings:
        table = Table("flaw", "where", "what was found")
        for each in findings:
            table.add_row(each.flaw, escape(each.where), escape(each.what))
        _out.print(table)


def print_verdict(
    findings: list[Finding],
    progress: Progress,
    kind: str = "leaves of the log",
    *,
    good: str = "nothing was altered",
) -> None:
    """Print how much was looked at, and whether anything is wrong."""
    erased = f", {progress.erased} of them erased" if progress.erased else ""
    _out.print(
        f"{progress.responses} responses recomputed, {progress.audit_entries} audit entries read, "
        f"{progress.leaves} {kind} checked{erased}: "
        + (
            f"[bold red]{len(findings)} {'flaw' if len(findings) == 1 else 'flaws'}[/]"
            if findings
            else f"[bold green]{good}[/]"
        ),
        highlight=False,
    )
    for each in progress.not_looked_at:
        _out.print(f"Not looked at: {each}", highlight=False, markup=False)


def print_json(value: object) -> None:
    """Print a value for programs."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())
