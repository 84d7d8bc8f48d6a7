"""Tokens are given back when they are needed no more: the authorization server is told (RFC 7009)."""

from datetime import datetime

import httpx

from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import NotOffered, TokenRefused
from smart_launch.site import Site
from smart_launch.tokens import TokenSet, oauth_client
from smart_launch.wire import check_available


async def revoke(
    site: Site, configuration: SmartConfiguration, tokens: TokenSet, *, http: httpx.AsyncClient, now: datetime
) -> None:
    """Have the tokens of one authorization end: the refresh token first, which takes the others along where servers do so.

    NotOffered if the server has no such endpoint; TokenRefused if it does not let us; ServerUnavailable, AddressRefused.
    """
    if configuration.revocation_endpoint is None:
        raise NotOffered(
            f"{site.name} revokes no tokens.", "They end by their own time.", reason="no-revocation"
        )
    held = (("refresh_token", tokens.refresh_token), ("access_token", tokens.access_token))
    for hint, token in held:
        if not token:
            continue
        # A client for each: an assertion is used once.
        async with oauth_client(site, configuration, http, "revocation endpoint", now) as client:
            response = await client.revoke_token(
                configuration.revocation_endpoint,
                token=token,
                token_type_hint=hint,
                auth=client.client_auth(
                    client.token_endpoint_auth_method
                ),  # Authlib's default here is the secret
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        check_available(site, response)
        if response.status_code != httpx.codes.OK:  # which is also the answer for a token that has ended
            raise TokenRefused(
                f"{site.name} does not let the app end its tokens (HTTP {response.status_code}).",
                "They end by their own time.",
                reason="revocation-refused",
            )
