"""`rapport doctor`: examines an EHR from this machine."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from plugin.doctor.examination import Examination
    from plugin.doctor.examine import Registration


def doctor(
    issuer: Annotated[str, typer.Argument(help="The EHR's FHIR R4 base, as in a launch's `iss`.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The TOML file of sites: a site with this base is asked for a token of its own.",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="A further host that may be contacted, if discovery names it.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=300, help="Seconds to wait for an answer.")] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say what works with an EHR, what will be written, what to ask its vendor for; print the site's section.

    Exit status: 0 results can be written, 1 the EHR cannot be used like this, 3 launches work and nothing can be written.
    """
    import msgspec

    from plugin.doctor.examination import EXIT_STATUS, as_text

    examination = asyncio.run(_examine(issuer, config, frozenset(allow or ()), seconds=timeout))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(examination.to_json())).decode())
    else:
        typer.echo(as_text(examination), nl=False)
    raise typer.Exit(EXIT_STATUS[examination.verdict])


async def _examine(
    issuer: str, config: Path | None, allowed: frozenset[str], *, seconds: float
) -> "Examination":
    import httpx

    from plugin.doctor.examine import examine
    from plugin.tls import make_context

    registration = _registration(issuer, config) if config is not None else None
    async with httpx.AsyncClient(verify=make_context(), timeout=seconds, trust_env=True) as http:
        return await examine(issuer, http, datetime.now(UTC), registration=registration, allowed=allowed)


def _registration(issuer: str, config: Path) -> "Registration | None":
    from plugin.doctor.examine import Registration
    from plugin.named_forms import check_names
    from plugin.settings import read_settings
    from plugin.stock import open_stock_of
    from plugin.writing import DEFAULT_WRITING

    settings = read_settings(config)
    stock = open_stock_of(settings)
    check_names(settings, stock.catalogue, stock.left_out)
    typed = issuer.removesuffix("/")
    site = next((each for each in settings.sites.values() if each.base == typed), None)
    if site is None:
        typer.echo(f"{config} has no site with this fhir_base: examined without registration.\n", err=True)
        return None
    policy = settings.policies[site.id]
    writing = settings.writing.get(site.id, DEFAULT_WRITING)
    return Registration(site, writing, policy.collecting, policy.schedule)
