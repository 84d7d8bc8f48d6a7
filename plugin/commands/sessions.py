"""`rapport sessions`: its options; the work is in `plugin.commands.ending`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Who is signed in, and how that is ended.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
SiteArgument = Annotated[str, typer.Argument(help="The site whose EHR they signed in to.")]


@app.command("list")
def list_sessions(site: SiteArgument, config: ConfigOption = Path("rapport.toml")) -> None:
    """List who is signed in: the person's reference, with how many charts or desks, since when and until when at most.

    Then the devices that are handed over: by whom, locked since when, after how many wrong PINs.
    """
    from plugin.commands import ending

    ending.list_people(config, site)


@app.command()
def end(
    site: SiteArgument,
    why: Annotated[str, typer.Option(help="The reason, without health data. It is kept.")],
    user: Annotated[
        str | None, typer.Option(help="Whose: the reference as `list` shows it, Practitioner/123.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Of everybody at the site.")] = False,
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """End a person's sessions, or everybody's, at once and on all devices; forms that respondents hold stay open."""
    from plugin.commands import ending

    ending.end_sessions(config, ending.Wish(site, user, why.strip(), everybody=everybody))


@app.command()
def unlock(
    site: SiteArgument,
    why: Annotated[str, typer.Option(help="The reason, without health data. It is kept.")],
    user: Annotated[
        str | None, typer.Option(help="Who handed over: the reference as `list` shows it, Practitioner/123.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every locked device of the site.")] = False,
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Open devices that were handed over and whose PIN is lost: they show the chart again at once."""
    from plugin.commands import unlocking

    unlocking.unlock(config, unlocking.Wish(site, user, why.strip(), everybody=everybody))
