"""The way back: from the callback to a launch context. Read this with `authorization.begin` for the whole story."""

from datetime import datetime

import httpx

from smart_launch.authorization import PendingLaunch, check_callback
from smart_launch.context import LaunchContext, build_context
from smart_launch.discovery import SmartConfiguration
from smart_launch.identity import check_id_token
from smart_launch.site import Site
from smart_launch.tokens import exchange, token_set


async def finish(
    site: Site,
    configuration: SmartConfiguration,
    pending: PendingLaunch,
    *,
    code: str | None,
    state: str,
    error: str | None = None,
    error_description: str | None = None,
    iss: str | None = None,
    http: httpx.AsyncClient,
    now: datetime,
) -> LaunchContext:
    """Check the callback, exchange its code, check who signed in; gives the launch's context.

    Any SmartError but UnknownIssuer and TokenExpired. `pending` must have been taken out of store: it is for one
    use, and the code is spent whatever comes of it.
    """
    valid_code = check_callback(
        site,
        configuration,
        pending,
        code=code,
        state=state,
        error=error,
        error_description=error_description,
        iss=iss,
        now=now,
    )
    answer = await exchange(
        site,
        configuration,
        code=valid_code,
        verifier=pending.verifier,
        redirect_uri=pending.redirect_uri,
        http=http,
        now=now,
    )
    identity = None
    if answer.id_token is not None:
        identity = await check_id_token(
            site, configuration, answer.id_token, nonce=pending.nonce, http=http, now=now
        )
    tokens = token_set(answer, requested=pending.scope, now=now)
    return build_context(site, answer, tokens, identity, now=now)
