"""`rapport rescore`: its options; the work is in `plugin.commands.rescoring`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from plugin.commands.packages import ConfigOption, FoldersOption, WordingOption


def rescore(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="NDJSON files of QuestionnaireResponses (.ndjson, .ndjson.gz), or folders."),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", help="Folder for the results; the same one again goes on.")
    ] = "rescored",
    export: Annotated[
        str | None,
        typer.Option(
            help="Fetch them first, by Bulk Data export, from the EHR of this site of the configuration."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="With --export: the id of the Group whose patients are exported.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="With --export: only what changed after this instant, with its time zone."),
    ] = None,
    config: ConfigOption = None,
    engine: Annotated[
        Literal["processes", "spark"], typer.Option(help="All cores of this machine, or Apache Spark.")
    ] = "processes",
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one for each core.", min=0)] = 0,
    wording: WordingOption = None,
    instruments: FoldersOption = None,
) -> None:
    """Score a Bulk Data export again, from files or fetched from the EHR: Observations as NDJSON, scores as Parquet.

    Lines that cannot be scored are set aside with their number and the reason. Exit status 1 if there are any. Resources
    that are no responses are counted and left out.
    """
    from plugin.commands.exporting import export_responses, read_for_export
    from plugin.commands.rescoring import Job, run, run_on_spark

    if bool(inputs) == bool(export):
        raise typer.BadParameter("Name files, or a site with --export: one of the two.")
    if (group or since) and not export:
        raise typer.BadParameter("--group and --since are for --export.")
    places, folders = [*(inputs or ())], tuple(instruments or ())
    if config is not None or export:
        settings = read_for_export(config)
        wording, folders = wording or settings.wording, (*settings.instrument_folders, *folders)
        if export:
            fetched = export_responses(settings, export, Path(out) / "export", group, since)
            places = [str(each) for each in fetched]
    if engine == "spark":
        aside = run_on_spark(places, out, wording, folders)
    else:
        aside = run(Job(tuple(map(Path, places)), Path(out), workers, wording, folders))
    if aside:
        raise typer.Exit(1)
