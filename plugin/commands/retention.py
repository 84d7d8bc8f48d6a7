"""`rapport retention`: removing what a site keeps no longer; the serving process does it by itself once a day."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="How long what is kept: what the sites keep no longer is removed.", no_args_is_help=True
)


@app.callback()
def retention() -> None:
    """Keep `run` a word of its own, though it is the only one."""


@app.command()
def run(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
    ] = Path("rapport.toml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only, and remove nothing.")] = False,
) -> None:
    """Remove now what the sites keep no longer. Nothing that is still to be delivered goes."""
    from plugin.commands import retaining

    retaining.run(config, dry_run=dry_run)
