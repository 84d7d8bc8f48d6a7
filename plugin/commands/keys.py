"""`rapport keys`: the secret keys that seal what rests in the ledger, and how one is replaced by another."""

import base64
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="The keys that encrypt what rests in the ledger.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]
_out = Console(soft_wrap=True)


@app.command()
def new() -> None:
    """Print a new key for RAPPORT_SECRET_KEY. It is stored nowhere."""
    typer.echo(secrets.token_urlsafe(32))


@app.command("list")
def list_keys(config: ConfigOption = Path("rapport.toml")) -> None:
    """Say by which keys how much is sealed: by their ids, which tell nothing of the keys."""
    from plugin.ledger import Vault
    from plugin.ledger.store import open_database
    from plugin.rotation import count_by_key
    from plugin.settings import read_settings

    settings = read_settings(config)
    vault = Vault(settings.vault_keys)
    engine = open_database(settings.database)
    try:
        with engine.connect() as connection:
            counts = count_by_key(connection)
    finally:
        engine.dispose()
    for key_id in vault.key_ids:
        role = "seals" if key_id == vault.key_ids[0] else "opens"
        _out.print(f"{key_id}  {role}  {counts.pop(key_id, 0)} values", highlight=False)
    for key_id, many in sorted(counts.items()):
        _out.print(f"{key_id}  [bold red]is not configured[/]  {many} values cannot be read", highlight=False)
    if counts:
        raise typer.Exit(1)


@app.command()
def rotate(config: ConfigOption = Path("rapport.toml")) -> None:
    """Seal everything under the first key of RAPPORT_SECRET_KEY, while Rapport runs. Exit status 1 if a value is broken."""
    from plugin.ledger import Vault
    from plugin.ledger.known_key import check_key
    from plugin.ledger.store import open_database
    from plugin.rotation import rotate as run
    from plugin.settings import read_settings

    settings = read_settings(config)
    vault = Vault(settings.vault_keys)
    engine = open_database(settings.database)
    try:
        check_key(engine, vault)
        with Console(stderr=True).status("sealing anew") as status:
            rotated = run(engine, vault, lambda many: status.update(f"sealing anew: {many} values"))
    finally:
        engine.dispose()
    for place in rotated.broken:
        _out.print(f"[bold red]Cannot be opened:[/] {place}", highlight=False)
    _out.print(f"{rotated.values} values were sealed anew under key {vault.key_ids[0]}.", highlight=False)
    if rotated.broken:
        raise typer.Exit(1)


@app.command("log-key")
def log_key() -> None:
    """Print what RAPPORT_LOG_KEY has to be so that the log goes on, where it was not set so far. Keep it secret."""
    from plugin.errors import Conflict
    from plugin.secret_keys import LOG_KEY, derive_log_key, read_secret, read_vault_keys

    if read_secret(os.environ, LOG_KEY):
        raise Conflict(f"{LOG_KEY} is set: nothing is derived.", "Keep it as it is.")
    raw = derive_log_key(read_vault_keys(os.environ))
    typer.echo(base64.urlsafe_b64encode(raw).decode().rstrip("="))
