"""The later versions of a response: amended by its author, or marked as entered in error; when, by whom, why, and what changed."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.auditing.unfolding import Beside, beside, plain
from plugin.delivery.keep import read_what_opens
from plugin.delivery.revising import RevisionKind, open_revision
from plugin.ledger import SealBroken, Vault
from plugin.ledger import tables as t

WORDS = {
    RevisionKind.AMENDED: "amended by its author",
    RevisionKind.ENTERED_IN_ERROR: "marked as entered in error",
}


@dataclass(frozen=True, slots=True)
class Later:
    """One later version; `scores` beside those of the version before it. `digest_fits`: its answers are those stored with it."""

    id: str
    number: int
    kind: RevisionKind
    made: datetime
    who: str
    why: str
    digest: str
    digest_fits: bool
    key_hash: str
    software: str
    scores: tuple[Beside, ...]

    @property
    def words(self) -> str:
        """What became of the response."""
        return WORDS[self.kind]


def read_later(connection: Connection, vault: Vault, response: str) -> tuple[Later, ...]:
    """Read the later versions of a response in their order, without those that were altered and do not open."""
    first = before = read_what_opens(connection, vault, response)
    query = sa.select(t.revision).where(t.revision.c.response == response).order_by(t.revision.c.number)
    found = []
    for row in connection.execute(query):
        try:
            record, kind = open_revision(first, dict(row._mapping), vault), RevisionKind(row.kind)
        except (SealBroken, ValueError):
            continue  # `altered_of` names it
        found.append(
            Later(
                id=row.id,
                number=row.number,
                kind=kind,
                made=row.made,
                who=row.made_by,
                why=row.why,
                digest=record.digest,
                digest_fits=record.digest == row.body_digest,
                key_hash=row.key_hash,
                software=row.software,
                scores=beside(before.results, record.results),
            )
        )
        before = record
    return tuple(found)


def altered_of(connection: Connection, vault: Vault, response: str) -> tuple[str, ...]:
    """Say what does not open of a response's later versions, and of what scored it again."""
    found = []
    for row in connection.execute(sa.select(t.revision).where(t.revision.c.response == response)):
        for purpose, sealed in (("response", row.sealed_body), ("results", row.sealed_results)):
            found += _problem(vault, purpose, row.id, sealed)
        if row.kind not in set(RevisionKind):
            found.append(f"The kind of version {row.number} is none that there is.")
    for row in connection.execute(sa.select(t.rescoring).where(t.rescoring.c.response == response)):
        found += _problem(vault, "rescoring", row.id, row.sealed_results)
    return tuple(found)


def _problem(vault: Vault, purpose: str, own_id: str, sealed: bytes) -> list[str]:
    try:
        vault.open(purpose, own_id, sealed)
    except SealBroken as broken:
        return [f"{broken}."]
    return []


def later_as_json(later: Later) -> dict[str, object]:
    """Write a later version for programs; decimals are texts, so that none is rounded."""
    return {
        "id": later.id,
        "version": later.number,
        "kind": str(later.kind),
        "made": later.made.isoformat(),
        "by": later.who,
        "why": later.why,
        "answers_digest": later.digest,
        "digest_is_the_stored_one": later.digest_fits,
        "key_hash": later.key_hash,
        "software": f"Rapport {later.software}",
        "scores": [
            {"score": each.link_id, "before": plain(each.first), "then": plain(each.again)}
            for each in later.scores
        ],
    }


def later_as_lines(later: Later) -> list[str]:
    """Write a later version for people."""
    head = f"version {later.number}, {later.words}, {later.made.isoformat()} by {later.who}: {later.why}"
    return [
        head,
        *(
            f"    {each.label}: {plain(each.first) or 'no value'} before, {plain(each.again) or 'no value'} then"
            for each in later.scores
        ),
    ]
