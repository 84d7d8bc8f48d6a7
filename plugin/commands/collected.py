"""`rapport collected`: its options; the work is in `plugin.commands.collecting`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Responses that the EHR collected itself.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
SiteOption = Annotated[str | None, typer.Option(help="Only those of one site.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@app.command()
def poll(
    config: ConfigOption = Path("rapport.toml"), site: SiteOption = None, as_json: JsonOption = False
) -> None:
    """Search the EHR for them once, now, whatever the settings say of when. Exit status 1 if that could not be done."""
    from plugin.commands import collecting

    collecting.poll(config, site, as_json=as_json)


@app.command("list")
def list_all(
    config: ConfigOption = Path("rapport.toml"),
    site: SiteOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were scored, and Rapport's own.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List those that were set aside, and why. Names no person and no answer."""
    from plugin.commands import collecting

    collecting.list_all(config, site, limit, everything=everything, as_json=as_json)


@app.command()
def retry(
    reference: Annotated[str, typer.Argument(help="Its address in the EHR: QuestionnaireResponse/….")],
    site: Annotated[str, typer.Option(help="The site.")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Look again at one that was set aside: its form has been added, for instance."""
    from plugin.commands import collecting

    collecting.retry(config, site, reference)
