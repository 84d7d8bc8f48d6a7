"""Scores of kept answers by another version of their form: kept beside the first result, never over it, and never delivered."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin import __version__
from plugin.delivery.keep import Record, StoredResults
from plugin.ledger import SealBroken, Vault, note_for_log
from plugin.ledger import tables as t
from plugin.observations import Results, build_results
from plugin.observations.build import Subject
from plugin.responses import as_kept, check_response, read_response
from plugin.responses.labels import labels_of
from plugin.scores import Key, Score, compute
from questionnaires import Instrument

_PURPOSE = "rescoring"


@dataclass(frozen=True, slots=True)
class Why:
    """When, by whom and for which reason answers were scored again."""

    computed: datetime
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """What another version of the form made of a response's answers. `version` is that of the response: 0 the first."""

    id: str
    response: str
    version: int
    instrument: str
    key_hash: str
    why: Why
    software: str
    results: Results


def score_again(
    record: Record, instrument: Instrument, key: Key, computed: datetime
) -> tuple[tuple[Score, ...], Results]:
    """Score a response's answers by another version of its form; InvalidResponse if they do not fit that one. Pure."""
    response = as_kept(read_response(record.body))
    renamed = msgspec.structs.replace(response, questionnaire=instrument.canonical)
    scores = compute(key, check_response(renamed, instrument, patient=record.patient))
    results = build_results(
        record.id,
        instrument,
        scores,
        Subject(
            record.patient, response.encounter_reference, response.source_reference, response.author_reference
        ),
        authored=response.authored_at or record.authored,
        issued=computed,
        organization="",
        labels=labels_of(response.meta),
    )
    return scores, results


def responses_of_other_versions(connection: Connection, site: str, instrument: Instrument) -> Iterator[str]:
    """Give the ids of a site's responses to this form that another version or key of it scored, oldest first."""
    c = t.response.c
    begins = c.instrument.startswith(f"{instrument.url}|", autoescape=True)
    query = (
        sa.select(c.id)
        .where(c.site == site, begins)
        .where(sa.or_(c.instrument != instrument.canonical, c.key_hash != instrument.content_hash))
        .order_by(c.received, c.id)
    )
    yield from connection.execute(query).scalars().all()


def is_kept_again(connection: Connection, record: Record, instrument: Instrument) -> bool:
    """Tell whether this key's result of this version of the response is kept already."""
    c = t.rescoring.c
    same = (c.response == record.id, c.version == record.revision, c.key_hash == instrument.content_hash)
    return connection.execute(sa.select(c.id).where(*same)).first() is not None


def keep_again(
    connection: Connection, vault: Vault, record: Record, instrument: Instrument, results: Results, why: Why
) -> str:
    """Keep a result beside the first one; gives its id. The database refuses a second one of the same key."""
    identity = str(uuid.uuid4())
    connection.execute(
        t.rescoring.insert().values(
            id=identity,
            response=record.id,
            version=record.revision,
            instrument=instrument.canonical,
            key_hash=instrument.content_hash,
            computed=why.computed,
            computed_by=why.who[:200],
            why=why.reason,
            software=__version__,
            sealed_results=vault.seal(_PURPOSE, identity, msgspec.json.encode(StoredResults.of(results))),
        )
    )
    note_for_log(connection, "rescoring", identity)
    return identity


def kept_again(connection: Connection, vault: Vault, response: str) -> tuple[Again, ...]:
    """Give what other versions made of a response, oldest first, without what was altered and does not open."""
    c, found = t.rescoring.c, []
    query = sa.select(t.rescoring).where(c.response == response).order_by(c.computed, c.id)
    for row in connection.execute(query):
        with suppress(SealBroken):  # plugin.auditing.versions names it
            found.append(open_again(row, vault))
    return tuple(found)


def open_again(row: sa.Row[Any], vault: Vault) -> Again:
    """Decrypt one row."""
    stored = msgspec.json.decode(vault.open(_PURPOSE, row.id, row.sealed_results), type=StoredResults)
    why = Why(row.computed, row.computed_by, row.why)
    return Again(
        row.id, row.response, row.version, row.instrument, row.key_hash, why, row.software, stored.results()
    )
