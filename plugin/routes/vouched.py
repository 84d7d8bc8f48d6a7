"""With which tokens the EHR is asked whose it is what another app's response names."""

from collections.abc import AsyncIterator
from functools import partial

from plugin.access.launches import launches_with_token
from plugin.delivery.worker import NoToken
from plugin.ehr import Ehr
from plugin.routes.bearer import RESPONDENTS, kind_of_user
from plugin.routes.state import Rapport
from plugin.vouching import Vouching
from smart_launch import Introspection, Scopes


def vouching_of(rapport: Rapport, site_id: str, found: Introspection, token: str | None) -> Vouching:
    """Ask about the patient of a token. Its own contact and user were named with the patient, and need no asking."""
    known = {f"Encounter/{found.encounter}"} if found.encounter else set()
    if found.fhir_user is not None and kind_of_user(found.fhir_user) in RESPONDENTS:
        known.add(found.fhir_user)
    sights = partial(_sights, rapport, site_id, found, token)
    return Vouching(rapport.settings.sites[site_id].fhir_base, sights, frozenset(known))


async def _sights(
    rapport: Rapport, site_id: str, found: Introspection, token: str | None
) -> AsyncIterator[Ehr]:
    """See the EHR with the app's own token, then with those of the patient's launches of Rapport, then as Rapport itself."""
    site, sender, vault = rapport.settings.sites[site_id], rapport.sender, rapport.ledger.vault

    def seen(value: str | None, scope: str | None) -> Ehr:
        return Ehr(site.fhir_base, value, rapport.http, granted=Scopes.parse(scope or ""))

    yield seen(token, found.scope)
    launches = await rapport.ledger.read(
        lambda connection: launches_with_token(connection, vault, site_id, f"Patient/{found.patient}", None)
    )
    for held in launches:
        tokens = await sender.tokens_of(held)
        if tokens is not None and tokens.access_token != token:
            yield seen(tokens.access_token, tokens.scope)
    if site.backend_scopes:
        try:
            ehr, _, _ = await sender.as_itself(site_id)
        except NoToken:
            return
        yield ehr
