"""`rapport rescore`: its options; the work is in `plugin.commands.rescoring`."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def rescore(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="NDJSON files of QuestionnaireResponses (.ndjson, .ndjson.gz), or folders."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; the same one again goes on.")],
    engine: Annotated[
        Literal["processes", "spark"], typer.Option(help="All cores of this machine, or Apache Spark.")
    ] = "processes",
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one for each core.")] = 0,
    wording: Annotated[Path | None, typer.Option("--wording", help="Folder of wording packs.")] = None,
    instruments: Annotated[
        list[Path] | None, typer.Option("--instruments", help="Folder of further instruments.")
    ] = None,
) -> None:
    """Score a Bulk Data export again: Observations as NDJSON, scores as Parquet.

    Lines that cannot be scored are set aside with their number and the reason. Exit status 1 if there are any.
    """
    from plugin.commands.rescoring import Job, run, run_on_spark

    job = Job(tuple(inputs), out, workers, wording, tuple(instruments or ()))
    if (run if engine == "processes" else run_on_spark)(job):
        raise typer.Exit(1)
