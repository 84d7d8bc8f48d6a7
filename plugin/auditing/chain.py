"""The chain behind one number: launch, invitation, response, key, score, Observation, delivery, and what came after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.auditing.entries import Account as Told
from plugin.auditing.entries import read_entries
from plugin.auditing.origins import Invited, Opened, read_invitation, read_launch
from plugin.auditing.proving import Proof, Prover
from plugin.auditing.unfolding import Beside, Unfolding, beside, unfold
from plugin.auditing.versions import Later, altered_of, read_later
from plugin.delivery.account import Account, Attempt, attempts_of, read_account
from plugin.delivery.rescored import Again, kept_again
from plugin.delivery.revising import read_version_as_it_opens
from plugin.delivery.states import DeliveryState
from plugin.errors import NotFound
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.scores import Key
from questionnaires import Catalogue


@dataclass(frozen=True, slots=True)
class Chain:
    """All that is known of one administration. `altered` says what of it does not open, or is not as Rapport wrote it."""

    account: Account
    digest_fits: bool
    launch: Opened | None
    invitation: Invited | None
    attempts: tuple[Attempt, ...]
    unfolding: Unfolding
    later: tuple[Later, ...]  # versions after the first
    again: tuple[tuple[Again, tuple[Beside, ...]], ...]  # by other versions of the form, never delivered
    told: Told
    proofs: tuple[Proof, ...]
    altered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainReader:
    """What chains are read with."""

    vault: Vault
    catalogue: Catalogue
    keys: Mapping[str, Key]
    prover: Prover

    def read(self, connection: Connection, site: str, response: str) -> Chain:
        """Read the chain of a response of this site; NotFound for another's. What was altered is named."""
        row = connection.execute(
            sa.select(t.response.c.site, t.response.c.body_digest).where(t.response.c.id == response)
        ).first()
        if row is None:
            check_not_removed(connection, response, site)
        if row is None or row.site != site:
            raise NotFound("There is no such administration at this site.", "Go back to the search.")
        account = read_account(connection, self.vault, response)
        record = account.record
        attempts = attempts_of(connection, response)
        first = read_version_as_it_opens(connection, self.vault, response, 0)
        later = read_later(connection, self.vault, response)
        again = kept_again(connection, self.vault, response)
        return Chain(
            account,
            first.digest == row.body_digest and all(each.digest_fits for each in later),
            read_launch(connection, self.vault, record.launch),
            read_invitation(connection, record.invitation),
            attempts,
            unfold(record, self.catalogue, self.keys),
            later,
            tuple((each, self._beside(connection, each)) for each in again),
            read_entries(connection, self.vault, record),
            prove_rows(connection, self.vault, self.prover, response),
            tuple(
                dict.fromkeys(
                    (
                        *first.altered,
                        *record.altered,
                        *altered_of(connection, self.vault, response),
                        *lacks_attempt(account, attempts),
                    )
                )
            ),
        )

    def _beside(self, connection: Connection, again: Again) -> tuple[Beside, ...]:
        first = read_version_as_it_opens(connection, self.vault, again.response, again.version)
        return beside(first.results, again.results)


def check_not_removed(connection: Connection, response: str, site: str | None = None) -> None:
    """NotFound that says so, if the log has this response of the site, or of any, and its row is gone without an erasure."""
    leaf = connection.execute(
        sa.select(t.log_leaf.c.place).where(
            t.log_leaf.c.kind == "response",
            t.log_leaf.c.row == response,
            t.log_leaf.c.salt.is_not(None),
            t.log_leaf.c.erased.is_(None),
        )
    ).first()
    left = connection.execute(sa.select(t.delivery.c.site).where(t.delivery.c.response == response)).scalar()
    if leaf is not None and (site is None or left in (None, site)):
        raise NotFound(
            f"This administration was logged at place {leaf.place}, and its row is gone from the database.",
            "Run rapport audit verify: it names the row.",
        )


def lacks_attempt(account: Account, attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Say whether a response counts as delivered without an attempt that delivered it."""
    delivered = DeliveryState.DELIVERED
    if account.state is not delivered or any(each.state is delivered for each in attempts):
        return ()
    return ("It counts as delivered, and no attempt delivered it.",)


def prove_rows(connection: Connection, vault: Vault, prover: Prover, response: str) -> tuple[Proof, ...]:
    """Hold every row of an administration that is logged against the log: itself, attempts, versions, scores by other forms."""
    attempts = sa.select(t.attempt.c.id, t.attempt.c.number).where(t.attempt.c.response == response)
    numbers = {str(row.id): row.number for row in connection.execute(attempts.order_by(t.attempt.c.id))}
    logged = [
        ("response", response),
        *(("attempt", each) for each in numbers),
        *(("revision", each) for each in _ids(connection, t.revision, response)),
        *(("rescoring", each) for each in _ids(connection, t.rescoring, response)),
    ]
    proofs = (prover.prove(connection, vault, kind, key) for kind, key in logged)
    return tuple(
        replace(each, number=numbers.get(each.row)) if each.kind == "attempt" else each for each in proofs
    )


def _ids(connection: Connection, table: sa.Table, response: str) -> list[str]:
    query = sa.select(table.c.id).where(table.c.response == response).order_by(table.c.id)
    return [str(each) for each in connection.execute(query).scalars()]
