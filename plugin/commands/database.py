"""`rapport database`: the schema of the ledger's database, its backup and restore."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The schema of the database; backup and restore.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
]


@app.command()
def check(config: ConfigOption = Path("rapport.toml")) -> None:
    """Say which schema the database has, which this software needs, and what auditors may not read. Exit status 1 if not all is well."""
    from plugin.ledger.schema import HEAD, version_of
    from plugin.ledger.store import open_database
    from plugin.settings import read_settings

    settings = read_settings(config)
    engine = open_database(settings.database)
    try:
        with engine.connect() as connection:
            found = version_of(connection)
    finally:
        engine.dispose()
    typer.echo(f"The database has schema {found or 'none yet'}; this software needs {HEAD}.")
    if found not in (None, HEAD) or _lacks_grants(settings.audit_database if found == HEAD else None):
        raise typer.Exit(1)


@app.command()
def upgrade(config: ConfigOption = Path("rapport.toml")) -> None:
    """Bring the database to the schema of this software, in one transaction. Stop Rapport and back it up before."""
    from plugin.ledger import Vault
    from plugin.ledger.known_key import check_key
    from plugin.ledger.schema import upgrade as run
    from plugin.ledger.store import open_database
    from plugin.settings import read_settings

    settings = read_settings(config)
    engine = open_database(settings.database)
    vault = Vault(settings.vault_keys)
    try:
        check_key(engine, vault)
        before, after = run(engine, vault)
    finally:
        engine.dispose()
    typer.echo(f"Schema {before or 'none'} before, {after} now.")
    _lacks_grants(settings.audit_database)


def _lacks_grants(audit_database: str | None) -> bool:
    """Say what the auditors' role may not read yet, and how it gets that."""
    from plugin.ledger.reading import missing_grants

    missing = missing_grants(audit_database) if audit_database else ()
    if missing:
        typer.echo(
            f"The role of server.audit_database may not read {', '.join(missing)}: run the SQL of "
            "rapport database auditor-role NAME --grants as the owner of the database."
        )
    return bool(missing)


@app.command("auditor-role")
def auditor_role(
    name: Annotated[str, typer.Argument(help="The role's name: lower-case letters, digits, underscores.")],
    grants: Annotated[
        bool,
        typer.Option(
            "--grants", help="Of a role that exists already, after an upgrade: without CREATE ROLE."
        ),
    ] = False,
) -> None:
    """Print the SQL that makes a PostgreSQL role which may only read, for server.audit_database. It changes nothing itself."""
    from plugin.ledger.reading import write_grants

    typer.echo(write_grants(name, exists=grants), nl=False)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for this backup.", metavar="FOLDER")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Back up an SQLite database and its transparency log, while Rapport runs. Keys are not in it: keep them elsewhere."""
    from plugin.audit.trail import utc_now
    from plugin.backup import make_backup
    from plugin.settings import read_settings

    settings = read_settings(config)
    made = make_backup(settings.database, settings.log_folder, folder, utc_now())
    typer.echo(
        f"{folder}: {made.responses} responses, schema {made.schema}, {len(made.files)} files, all checked."
    )
    typer.echo("Not in it, and needed to read it: RAPPORT_SECRET_KEY, the signing keys, rapport.toml.")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of a backup.", metavar="FOLDER")],
    config: ConfigOption = Path("rapport.toml"),
) -> None:
    """Put a backup where the configuration says, if nothing is there. Rapport must be stopped."""
    from plugin.backup import restore_backup
    from plugin.settings import read_settings

    settings = read_settings(config)
    found = restore_backup(folder, settings.database, settings.log_folder)
    typer.echo(
        f"{found.responses} responses of {found.made:%Y-%m-%d %H:%M} UTC, schema {found.schema}, are in place."
    )
    typer.echo("Now: rapport database check, rapport audit verify, then start Rapport.")
