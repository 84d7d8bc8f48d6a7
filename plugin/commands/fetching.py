"""What `rapport instruments fetch` does: asks the FHIR servers again for every form that the settings name."""

import httpx
import typer

from plugin.asking import FetchFailed
from plugin.errors import SettingsInvalid
from plugin.fetching import fetch
from plugin.instrument_sections import OwnForms
from plugin.tls import make_context


async def fetch_all(forms: OwnForms, http: httpx.AsyncClient | None = None) -> bool:
    """Fetch and print what became of each; True if all are as they were pinned."""
    if not forms.pinned:
        raise SettingsInvalid(
            "The settings name no form on a FHIR server.", "Add [[instruments.canonical]] sections."
        )
    good = True
    async with http or httpx.AsyncClient(verify=make_context()) as client:
        for each in forms.pinned:
            try:
                digest = await fetch(forms.store, each, client)
            except FetchFailed as error:
                good = False
                typer.echo(f"✗ {each.id}: {error.what_happened} {error.what_to_do}")
            else:
                typer.echo(f"{each.id}  {each.canonical}  sha256:{digest}")
    return good
