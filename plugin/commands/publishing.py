"""What `rapport instruments publish --site` does before it writes: gets a token of Rapport's own for definitions alone."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import httpx

from plugin.errors import NotFound
from plugin.packaging.publish import TYPES, PublishingFailed
from plugin.settings import Settings
from plugin.tls import make_context
from smart_launch import Site, SmartDirectory, SmartError, system_token

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


def find_site(settings: Settings, name: str) -> Site:
    """Give a configured site; NotFound names those that there are."""
    if name not in settings.sites:
        raise NotFound(f"There is no site {name}.", f"The file names: {', '.join(settings.sites)}.")
    return settings.sites[name]


def get_token(site: Site) -> str:
    """Get a token by SMART Backend Services for the types of the package and nothing else; PublishingFailed if there is none."""
    narrow = replace(site, backend_scopes=tuple(f"system/{kind}.crus" for kind in TYPES))

    async def ask() -> str:
        def now() -> datetime:
            return datetime.now(UTC)

        async with httpx.AsyncClient(verify=make_context(), timeout=_TIMEOUT) as http:
            configuration = await SmartDirectory(clock=now).discover(site, http)
            return (await system_token(narrow, configuration, http=http, now=now())).access_token

    try:
        return asyncio.run(ask())
    except SmartError as error:
        raise PublishingFailed(error.what_happened, error.what_to_do) from None
