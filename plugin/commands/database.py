"""`rapport database`: the schema of the ledger's database."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The schema of the database.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]


@app.command()
def check(config: ConfigOption = Path("rapport.toml")) -> None:
    """Say which schema the database has and which this software needs. Exit status 1 if they differ."""
    from plugin.ledger.schema import HEAD, version_of
    from plugin.ledger.store import open_database
    from plugin.settings import read_settings

    engine = open_database(read_settings(config).database)
    with engine.connect() as connection:
        found = version_of(connection)
    engine.dispose()
    typer.echo(f"The database has schema {found or 'none yet'}; this software needs {HEAD}.")
    if found not in (None, HEAD):
        raise typer.Exit(1)


@app.command()
def upgrade(config: ConfigOption = Path("rapport.toml")) -> None:
    """Bring the database to the schema of this software, in one transaction. Stop Rapport and back it up before."""
    from plugin.ledger.schema import upgrade as run
    from plugin.ledger.store import open_database
    from plugin.settings import read_settings

    engine = open_database(read_settings(config).database)
    before, after = run(engine)
    engine.dispose()
    typer.echo(f"Schema {before or 'none'} before, {after} now.")
