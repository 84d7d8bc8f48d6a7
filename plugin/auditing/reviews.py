"""Periodic reviews: a sample that anybody can draw again, and what auditors signed of it. Rows are only ever added."""

import hashlib
import heapq
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.errors import Invalid, NotFound
from plugin.exports import Period
from plugin.ledger import Vault, note_for_log
from plugin.ledger import tables as t

MOST_DRAWN = 500
_CHUNK = 1000
_JOINERS = {0x200C: None, 0x200D: None}  # within emoji, and within words of some scripts


class Verdict(StrEnum):
    """What an auditor says of an administration, or of a review as a whole."""

    IN_ORDER = "in-order"
    QUESTION = "question"
    NOT_IN_ORDER = "not-in-order"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample, and what it was drawn from: how many there were, and the digest of their ids."""

    sample: tuple[str, ...]
    population: int
    digest: str


@dataclass(frozen=True, slots=True)
class Review:
    """A review as it was drawn."""

    id: str
    site: str
    period: Period
    seed: str
    asked: int
    drawn_from: Drawn
    why: str
    drawn: datetime
    drawn_by: str


@dataclass(frozen=True, slots=True)
class SignOff:
    """What somebody signed: of one response, or of the review as a whole (None)."""

    id: str
    response: str | None
    verdict: Verdict
    comment: str
    signed: datetime
    signed_by: str


def draw(connection: Connection, site: str, period: Period, seed: str, asked: int) -> Drawn:
    """Draw a sample of what was received in a period: the responses whose SHA-256 of `seed:id` is smallest, in that order.

    The same seed, period and ledger give the same sample. Memory grows with the sample, not with the period.
    """
    digest, many = hashlib.sha256(), 0

    def ranked() -> Iterator[tuple[str, str]]:
        nonlocal many
        for response in _population(connection, site, period):
            many += 1
            digest.update(f"{response}\n".encode())
            yield hashlib.sha256(f"{seed}:{response}".encode()).hexdigest(), response

    sample = tuple(response for _, response in heapq.nsmallest(asked, ranked()))
    return Drawn(sample, many, digest.hexdigest())


def check_asked(seed: str, asked: int) -> None:
    """Invalid unless a seed and a number can be used."""
    if not 1 <= asked <= MOST_DRAWN:
        raise Invalid(f"{asked} cannot be drawn.", f"Ask for 1 to {MOST_DRAWN} administrations.")
    remedy = "Give up to 64 characters: a date, a number that was thrown."
    if not seed:
        raise Invalid("There is no seed.", remedy)
    if len(seed) > 64 or not seed.translate(_JOINERS).isprintable():
        raise Invalid("This seed cannot be used.", remedy)


def save_review(connection: Connection, review: Review) -> None:
    """Store a review, and have it logged."""
    connection.execute(
        t.review.insert().values(
            id=review.id,
            site=review.site,
            first_day=review.period.first.isoformat(),
            last_day=review.period.last.isoformat(),
            seed=review.seed,
            asked=review.asked,
            population=review.drawn_from.population,
            population_digest=review.drawn_from.digest,
            sample="\n".join(review.drawn_from.sample),
            why=review.why,
            drawn=review.drawn,
            drawn_by=review.drawn_by,
        )
    )
    note_for_log(connection, "review", review.id)


def save_sign_off(connection: Connection, vault: Vault, review: str, signed: SignOff) -> None:
    """Store what was signed, and have it logged. Its comment rests sealed: it may name somebody."""
    connection.execute(
        t.sign_off.insert().values(
            id=signed.id,
            review=review,
            response=signed.response,
            verdict=signed.verdict.value,
            sealed_comment=vault.seal("sign-off", signed.id, signed.comment.encode()),
            signed=signed.signed,
            signed_by=signed.signed_by,
        )
    )
    note_for_log(connection, "sign_off", signed.id)


def new_id() -> str:
    """Make an id of a review or a sign-off."""
    return str(uuid.uuid4())


def list_reviews(connection: Connection, site: str) -> tuple[Review, ...]:
    """List the reviews of a site, newest first."""
    rows = connection.execute(
        sa.select(t.review).where(t.review.c.site == site).order_by(t.review.c.drawn.desc(), t.review.c.id)
    )
    return tuple(map(_open, rows))


def read_review(connection: Connection, site: str, review: str) -> Review:
    """Read one; NotFound for another site's, as if it were not there."""
    row = connection.execute(sa.select(t.review).where(t.review.c.id == review)).first()
    if row is None or row.site != site:
        raise NotFound("There is no such review at this site.", "Go back to the list of reviews.")
    return _open(row)


def sign_offs_of(connection: Connection, vault: Vault, review: str) -> tuple[SignOff, ...]:
    """List what was signed in a review, oldest first. SealBroken if a comment was altered."""
    rows = connection.execute(
        sa.select(t.sign_off)
        .where(t.sign_off.c.review == review)
        .order_by(t.sign_off.c.signed, t.sign_off.c.id)
    )
    return tuple(
        SignOff(
            row.id,
            row.response,
            Verdict(row.verdict),
            vault.open("sign-off", row.id, row.sealed_comment).decode(),
            row.signed,
            row.signed_by,
        )
        for row in rows
    )


def latest(signed: tuple[SignOff, ...], response: str | None) -> SignOff | None:
    """Give what counts of one response, or of the whole (None): what was signed last."""
    return next((each for each in reversed(signed) if each.response == response), None)


def lacking(drawn: Drawn, signed: tuple[SignOff, ...]) -> tuple[int, int]:
    """Count the administrations of a sample that were signed last as anything but in order, and those not signed."""
    last = [latest(signed, each) for each in drawn.sample]
    questioned = sum(each is not None and each.verdict is not Verdict.IN_ORDER for each in last)
    return questioned, sum(each is None for each in last)


def said_of_lacking(drawn: Drawn, signed: tuple[SignOff, ...]) -> str:
    """Write what a review lacked when its whole was signed, as it is signed; empty if nothing."""
    questioned, unsigned = lacking(drawn, signed)
    if not questioned and not unsigned:
        return ""
    return (
        f"Signed with {questioned} of {len(drawn.sample)} administrations in question or not in order "
        f"and {unsigned} not signed."
    )


def _population(connection: Connection, site: str, period: Period) -> Iterator[str]:
    query = (
        sa.select(t.response.c.id)
        .where(
            t.response.c.site == site,
            t.response.c.received >= period.begin,
            t.response.c.received < period.end,
        )
        .order_by(
            t.response.c.id.op("||")("")
        )  # sorted by itself: the index of the days has all that is read
    )
    yield from connection.execute(query, execution_options={"yield_per": _CHUNK}).scalars()


def _open(row: sa.Row[tuple[object, ...]]) -> Review:
    found = row._mapping
    sample = tuple(found["sample"].split())
    return Review(
        found["id"],
        found["site"],
        Period.parse(found["first_day"], found["last_day"]),
        found["seed"],
        found["asked"],
        Drawn(sample, found["population"], found["population_digest"]),
        found["why"],
        found["drawn"],
        found["drawn_by"],
    )
