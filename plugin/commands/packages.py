"""`rapport instruments build` and `publish`: the instruments as a FHIR package."""

import hashlib
import os
from pathlib import Path
from typing import Annotated

import typer

FoldersOption = Annotated[
    list[Path] | None, typer.Option("--instruments", help="Folder of further instruments.", exists=True)
]

WordingOption = Annotated[
    Path | None,
    typer.Option(
        "--wording", help="Folder of wording packs for licensed instruments.", exists=True, file_okay=False
    ),
]

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The TOML file of sites: its section “instruments” counts."),
]


def check(
    path: Annotated[Path, typer.Argument(help="A Questionnaire file, its folder, or a folder of either.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    config: ConfigOption = None,
) -> None:
    """Check a form of your own: what will be written of it, or what must be mended first. Exit status 1 if it cannot be used."""
    from plugin.commands import checking
    from plugin.settings import read_settings
    from questionnaires import Manner

    manner = read_settings(config).own_forms.manner if config else Manner()
    if not checking.check(path, manner, as_json=as_json):
        raise typer.Exit(1)


def fetch(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
    ] = Path("rapport.toml"),
) -> None:
    """Fetch the forms that the settings name on FHIR servers, and pin them. Exit status 1 if one cannot be had or has changed."""
    import asyncio

    from plugin.commands import fetching
    from plugin.settings import read_settings

    if not asyncio.run(fetching.fetch_all(read_settings(config).own_forms)):
        raise typer.Exit(1)


def build(
    out: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("dist"),
    instruments: FoldersOption = None,
) -> None:
    """Build the FHIR NPM package and its catalogue page; the same instruments give the same bytes.

    Exit status 1 if an instrument may not be published, naming every file and item.
    """
    from plugin.packaging.build import build_package

    package = build_package(tuple(instruments or ()))
    out.mkdir(parents=True, exist_ok=True)
    archive, page = out / package.filename, out / "catalogue.html"
    archive.write_bytes(package.archive)
    page.write_bytes(package.page)
    typer.echo(f"{archive}  sha256:{hashlib.sha256(package.archive).hexdigest()}")
    typer.echo(f"{page}  {len(package.resources)} resources, {len(package.examples)} examples")


def publish(
    to: Annotated[str | None, typer.Option("--to", help="The FHIR R4 base of the server.")] = None,
    site: Annotated[
        str | None,
        typer.Option("--site", help="A configured site: its EHR, with a token of Rapport's own."),
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The TOML file of sites.", envvar="RAPPORT_CONFIG")
    ] = Path("rapport.toml"),
    token_env: Annotated[
        str | None, typer.Option("--token-env", help="Environment variable that holds the access token.")
    ] = None,
    instruments: FoldersOption = None,
) -> None:
    """Put the package's definitions into a FHIR server; what stands there already is left alone."""
    from collections import Counter

    import httpx

    from plugin.packaging.build import build_package
    from plugin.packaging.publish import PublishingFailed
    from plugin.packaging.publish import publish as put
    from plugin.tls import make_context

    if (to is None) == (site is None) or (site is not None and token_env is not None):
        raise PublishingFailed(
            "It is not clear where to publish.", "Name either --to (with --token-env), or --site alone."
        )
    headers = {}
    if site is not None:
        from plugin.commands.publishing import find_site, get_token
        from plugin.settings import read_settings

        found = find_site(read_settings(config), site)
        to, headers["Authorization"] = found.fhir_base, f"Bearer {get_token(found)}"
    elif token_env is not None:
        token = os.environ.get(token_env, "").strip()
        if not token:
            raise PublishingFailed(
                f"The environment variable {token_env} is empty.", "Put the access token into it."
            )
        headers["Authorization"] = f"Bearer {token}"
    package = build_package(tuple(instruments or ()))
    outcomes: Counter[str] = Counter()
    with httpx.Client(verify=make_context(), headers=headers, timeout=30) as http:
        for number, each in enumerate(put(package.resources, to or "", http), start=1):
            typer.echo(f"[{number}/{len(package.resources)}] {each.outcome:<9} {each.reference}")
            outcomes[each.outcome] += 1
    typer.echo(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    if outcomes.total() == outcomes["not held"]:
        raise PublishingFailed(
            "The server holds none of these types.", "Use a server that takes Questionnaires."
        )
