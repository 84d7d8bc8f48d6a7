"""`rapport research`: its options; the work is in `plugin.commands.researching`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="De-identified administrations for research.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
SiteArgument = Annotated[str, typer.Argument(help="The site, by its id.")]


@app.command()
def export(
    site: SiteArgument,
    first: Annotated[str, typer.Option("--from", help="First day on which forms were filled, 2026-07-01.")],
    last: Annotated[str, typer.Option("--to", help="Last day.")],
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet.")],
    why: Annotated[str, typer.Option(help="The study or purpose. It is kept in the trail.")],
    keep: Annotated[
        str | None,
        typer.Option(
            help="The column to be emptied last where few people share a combination, medication_class."
        ),
    ] = None,
    despite: Annotated[
        bool, typer.Option("--despite", help="Make it though it is of few days, or beside an earlier one.")
    ] = False,
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Write one row for each filled form, with a codebook: of people whose consent stands in the EHR, pseudonymous."""
    from plugin.commands import researching

    researching.export(config, site, (first, last), out, why, keep, despite=despite)


@app.command()
def salt(site: SiteArgument, config: ConfigOption = Path("rapport.toml")) -> None:
    """Make the salt of a project's pseudonyms. Whoever has it and the ledger can tell who is who."""
    from plugin.commands import researching

    researching.make_salt(config, site)
