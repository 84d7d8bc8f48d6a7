"""`rapport deliveries`: its options; the work is in `plugin.commands.delivering`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="What waits to be sent into a record, and why.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
ResponseArgument = Annotated[
    str,
    typer.Argument(
        help="The response's id, as `rapport deliveries list` gives it, or its first 8 characters or more."
    ),
]
SiteOption = Annotated[str | None, typer.Option(help="Only those of one site.")]


@app.command("list")
def list_all(
    config: ConfigOption = Path("rapport.toml"),
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Only those in this state (several times: in one of these). Default: all not delivered."
        ),
    ] = None,
    site: SiteOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the oldest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List deliveries that are not in the record, with what keeps them. Names no person and no answer."""
    from plugin.commands import delivering

    delivering.list_all(config, tuple(state or ()), site, limit, as_json=as_json)


@app.command()
def show(
    response: ResponseArgument, config: ConfigOption = Path("rapport.toml"), as_json: JsonOption = False
) -> None:
    """Show one delivery with all its attempts."""
    from plugin.commands import delivering

    delivering.show(config, response, as_json=as_json)


@app.command()
def retry(response: ResponseArgument, config: ConfigOption = Path("rapport.toml")) -> None:
    """Have one tried again now: refused, set aside, discarded or waiting. The record is searched for it first."""
    from plugin.commands import delivering

    delivering.retry(config, response)


@app.command()
def release(config: ConfigOption = Path("rapport.toml"), site: SiteOption = None) -> None:
    """Have everything that is held for want of a token tried now, in each patient's order."""
    from plugin.commands import delivering

    delivering.release(config, site)


@app.command()
def discard(
    response: ResponseArgument,
    why: Annotated[str, typer.Option(help="The reason, without health data. It is kept with the decision.")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Decide that one is not to be sent. It stays readable in Rapport; `retry` takes the decision back."""
    from plugin.commands import delivering

    delivering.discard(config, response, why)
