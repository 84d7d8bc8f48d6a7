"""How an installation is configured, in digests by section: kept whenever one differs from before, with an audit entry.

Digests are keyed and say nothing; settings and secrets are not kept. That something changed, when, and which section, is.
"""

import dataclasses
import getpass
import json
import uuid
from collections.abc import Mapping, Set

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin import __version__
from plugin.audit import Actor, Kind, Trail
from plugin.audit.trail import Clock
from plugin.ledger import Ledger, Vault, note_for_log
from plugin.ledger import tables as t
from plugin.ledger.schema import HEAD, lock
from plugin.settings import Settings
from questionnaires import Catalogue

_PURPOSE = "configuration"


class _Unchanged(Exception):
    """Somebody else kept the same configuration meanwhile."""


def describe(settings: Settings, catalogue: Catalogue) -> dict[str, str]:
    """Write down each section of a configuration, secrets included: for digests only."""
    forms = sorted((each.canonical, each.content_hash) for each in catalogue.versions())
    sections = {
        "software": __version__,
        "schema": HEAD,
        "instruments": json.dumps(forms),
        "server": _text([settings.base_url, settings.database, settings.log_name, settings.log_folder]),
        "keys": _text([settings.log_key.private_bytes_raw(), *settings.signing_keys]),
    }
    for site, policy in settings.policies.items():
        registration = settings.sites.get(site)
        sections[f"site {site}"] = _text([registration, policy, settings.writing.get(site)])
    return sections


async def note_configuration(
    ledger: Ledger, trail: Trail, clock: Clock, sections: Mapping[str, str]
) -> tuple[str, ...]:
    """Keep a configuration if it differs from the one kept last; gives the sections that differ, none if nothing does."""
    known = await ledger.read(_latest)
    before = {} if known is None else dict(json.loads(known.sections))
    changed = tuple(sorted(_differences(ledger.vault, before, sections)))
    if not changed:
        return ()
    identity = str(uuid.uuid4())
    row = {
        "id": identity,
        "recorded": clock(),
        "software": __version__,
        "changed": json.dumps(changed),
        "sections": json.dumps(
            {name: ledger.vault.digest(_PURPOSE, text) for name, text in sections.items()}
        ),
    }

    def store(connection: Connection) -> None:
        lock(connection, "configuration")
        latest = _latest(connection)
        if (latest and latest.id) != (known and known.id):
            raise _Unchanged
        connection.execute(t.configuration.insert().values(**row))
        note_for_log(connection, "configuration", identity)

    entry = trail.entry(
        Kind.CONFIGURATION_CHANGED,
        Actor(display=f"{getpass.getuser()}, who started Rapport"),
        about=(f"urn:uuid:{identity}",),
        reason=f"{'First start' if known is None else 'Changed'}: {', '.join(changed)}",
    )
    try:
        await ledger.write(store, entry)
    except _Unchanged:
        return ()
    return changed


def _latest(connection: Connection) -> sa.Row[tuple[object, ...]] | None:
    query = sa.select(t.configuration).order_by(t.configuration.c.recorded.desc(), t.configuration.c.id)
    return connection.execute(query.limit(1)).first()


def _differences(vault: Vault, before: Mapping[str, str], now: Mapping[str, str]) -> Set[str]:
    # An older key of the vault may have made the digest: rotation of it is no change of the settings.
    changed = {name for name, text in now.items() if before.get(name) not in vault.digests(_PURPOSE, text)}
    return changed | (before.keys() - now.keys())


def _text(value: object) -> str:
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: object) -> object:
    """Write a setting as JSON, whatever it is made of, the same for the same."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        return {"": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(json.dumps(_plain(each), sort_keys=True) for each in value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | float) else str(value)
