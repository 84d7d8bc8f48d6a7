"""`rapport signing-keys`: changes the keys that Rapport signs its assertions with, while everything goes on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from plugin.signing_folder import KeyFile

app = typer.Typer(help="The keys that Rapport signs its assertions with.", no_args_is_help=True)

FolderOption = Annotated[
    Path, typer.Option("--keys", help="The folder of signing keys.", envvar="RAPPORT_SIGNING_KEYS")
]
KidArgument = Annotated[str, typer.Argument(help="The key's id, as `rapport signing-keys list` shows it.")]
_RESTART = "Start the serving and delivering processes again, one after another."


@app.command("list")
def list_keys(keys: FolderOption) -> None:
    """Show each key: its id, its algorithm, and whether it signs or is only published."""
    from plugin.signing_folder import read_folder

    for each in read_folder(keys):
        _show(each)


@app.command()
def add(
    keys: FolderOption,
    algorithm: Annotated[Literal["ES384", "RS384"], typer.Option(help="What it signs with.")] = "ES384",
) -> None:
    """Make a key that is published and does not sign yet: EHRs must have fetched it before it is used."""
    from plugin.signing_folder import add_key

    _show(add_key(keys, algorithm))
    typer.echo(f"{_RESTART} Use the key once every EHR has fetched it (docs: how-to/rotate-signing-keys.md).")


@app.command(context_settings={"ignore_unknown_options": True})
def use(kid: KidArgument, keys: FolderOption) -> None:
    """Sign with a published key; the one that signed with its algorithm until now stays published."""
    from plugin.signing_folder import use_key

    for each in use_key(keys, kid):
        _show(each)
    typer.echo(f"{_RESTART} Ten minutes after that the old key can be retired.")


# One key name in 64 begins with a hyphen, as options do.
@app.command(context_settings={"ignore_unknown_options": True})
def retire(kid: KidArgument, keys: FolderOption) -> None:
    """Delete a key that does not sign."""
    from plugin.signing_folder import retire_key

    retire_key(keys, kid)
    typer.echo(f"Deleted {kid}. {_RESTART}")


def _show(each: "KeyFile") -> None:
    typer.echo(f"{each.key.kid}  {each.key.alg}  {each.state}  {each.path.name}")
