"""`rapport audit`: its options; the work is in `plugin.commands.auditing`, loaded when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Whether anything stored was altered, and where a number comes from.", no_args_is_help=True
)
log_app = typer.Typer(help="The transparency log.", no_args_is_help=True)
app.add_typer(log_app, name="log")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@app.command()
def verify(
    config: ConfigOption = Path("rapport.toml"),
    against: Annotated[
        Path | None, typer.Option(help="A checkpoint that was kept outside: the log must continue it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every score, and hold every row against the log and its signature. Exit status 1 if anything is wrong."""
    from plugin.commands import auditing

    if not auditing.verify(config, against, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def trace(
    observation: Annotated[
        str, typer.Argument(help="Its address in the EHR (Observation/17), or its identifier at Rapport.")
    ],
    config: ConfigOption = Path("rapport.toml"),
    as_json: JsonOption = False,
) -> None:
    """Follow a stored number back to answers, key, people, times, software and deliveries."""
    from plugin.commands import auditing

    auditing.trace(observation, config, as_json=as_json)


@log_app.command("checkpoint")
def checkpoint(config: ConfigOption = Path("rapport.toml")) -> None:
    """Print the signed checkpoint, and on standard error the key that verifies it. Keep it outside: it anchors the log."""
    from plugin.commands import auditing

    auditing.checkpoint(config)


@log_app.command("prove")
def prove(
    row: Annotated[str, typer.Argument(help="A response's id, an audit entry's id, or an attempt's number.")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Print a proof that a row is in the log (C2SP tlog-proof): anybody can check it offline with the verifier key."""
    from plugin.commands import auditing

    auditing.prove(row, config)
