"""Whether every response has its delivery, every delivery follows from its attempts, and the trail tells of them all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.audit import Kind
from plugin.audit.subjects import subjects_of
from plugin.delivery.states import DeliveryState
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.verify.findings import Finding, Flaw
from plugin.verify.mentions import Mention, Mentions
from plugin.verify.reading import Row, pieces, rows

# Only the end of an attempt leads to these.
_ENDS = (DeliveryState.DELIVERED, DeliveryState.HELD, DeliveryState.REFUSED, DeliveryState.SET_ASIDE)
_COLUMNS = ("response", "site", "state", "attempts", "detail", "delivered", "locations", "revision")


@dataclass(frozen=True, slots=True)
class _Story:
    """One response, its delivery, its attempts as they began, and what the trail says of it."""

    row: Row
    attempts: Sequence[Row]
    mentions: Sequence[Mention]
    some_outlived: (
        bool  # tries of before may have gone by the site's retention; each one's leaf is accounted for
    )

    @property
    def last(self) -> Row | None:
        """The attempt that was begun last; those of before schema 0003 have no number."""
        return max(self.attempts, key=lambda each: (each.number or 0, each.id), default=None)

    def told(self, kind: Kind) -> list[Mention]:
        """Give the entries of a kind."""
        return [each for each in self.mentions if each.kind == kind]


def check_deliveries(connection: Connection, vault: Vault, mentions: Mentions) -> Iterator[Finding]:
    """Give every delivery that does not follow from what was tried and told."""
    columns = [t.delivery.c[name].label(f"d_{name}") for name in _COLUMNS]
    query = sa.select(t.response.c.id, t.response.c.site, *columns).select_from(
        t.response.outerjoin(t.delivery, t.delivery.c.response == t.response.c.id)
    )
    outlived = _outlived(connection, vault)
    for piece in pieces(connection, query):
        ids = [str(row.id) for row in piece]
        attempts = _attempts_of(connection, ids)
        told = mentions.of(ids)
        versions, again = _many_of(connection, t.revision, ids), _many_of(connection, t.rescoring, ids)
        for row in piece:
            story = _Story(row, attempts[row.id], told[row.id], row.site in outlived)
            for flaw, what in (
                *_told(story),
                *_versions(story, versions.get(row.id, 0)),
                *_again(story, again.get(row.id, 0)),
                *_states(story),
            ):
                yield Finding(flaw, f"response {row.id}", what)
    for table, name in ((t.delivery, "delivery"), (t.attempt, "attempt")):
        known = sa.exists().where(t.response.c.id == table.c.response)
        for row in rows(connection, sa.select(table.c.response).where(~known)):
            yield Finding(Flaw.ORPHAN, f"{name} of response {row.response}", "There is no such response.")


def _outlived(connection: Connection, vault: Vault) -> frozenset[str]:
    """Name the sites whose retention has removed attempts."""
    columns = t.erasure.c.site, t.erasure.c.subject
    removed = sa.select(*columns).where(t.erasure.c.counts.contains('"attempt"'))
    return frozenset(
        row.site for row in rows(connection, removed) if row.subject in subjects_of(vault, row.site)
    )


def _attempts_of(connection: Connection, ids: list[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {each: [] for each in ids}
    for row in connection.execute(sa.select(t.attempt).where(t.attempt.c.response.in_(ids))):
        found[row.response].append(row)
    return found


def _many_of(connection: Connection, table: sa.Table, ids: list[str]) -> dict[str, int]:
    """Count the rows of a table that belong to each of some responses."""
    own = table.c.response
    query = sa.select(own, sa.func.count()).where(own.in_(ids)).group_by(own)
    return {str(response): int(many) for response, many in connection.execute(query)}


def _told(story: _Story) -> Iterator[tuple[Flaw, str]]:
    if not story.told(Kind.RESPONSE_RECEIVED):
        yield Flaw.TRAIL, "The trail does not tell that it was received."
    tries, told = len(story.attempts), len(story.told(Kind.DELIVERY))
    may_be_fewer = story.some_outlived and story.row.d_state == DeliveryState.DELIVERED
    if tries > told or (tries < told and not may_be_fewer):
        yield Flaw.TRAIL, f"Attempts to deliver it: {tries} stored, {told} in the trail."


def _versions(story: _Story, stored: int) -> Iterator[tuple[Flaw, str]]:
    told = len(story.told(Kind.RESPONSE_AMENDED)) + len(story.told(Kind.RESPONSE_VOIDED))
    if stored != told:
        yield Flaw.TRAIL, f"Later versions of it: {stored} stored, {told} in the trail."
    if story.row.d_revision is not None and story.row.d_revision != stored:
        yield (
            Flaw.STATE,
            f"Its delivery counts {story.row.d_revision} later versions, and {stored} are stored.",
        )


def _again(story: _Story, stored: int) -> Iterator[tuple[Flaw, str]]:
    told = len(story.told(Kind.RESPONSE_RESCORED))
    if stored != told:
        yield (
            Flaw.TRAIL,
            f"Scores of it by another version of its form: {stored} stored, {told} in the trail.",
        )


def _states(story: _Story) -> Iterator[tuple[Flaw, str]]:
    row, last = story.row, story.last
    if row.d_response is None:
        yield Flaw.ORPHAN, "It has no delivery: it will never reach the record."
        return
    if row.d_site != row.site:
        yield Flaw.STATE, "Its delivery is for another site."
    try:
        state = DeliveryState(row.d_state)
    except ValueError:
        yield Flaw.STATE, "Its delivery is in a state that there is not."
        return
    led_to = None if last is None else DeliveryState._value2member_map_.get(last.state)
    if state is DeliveryState.DELIVERED:
        yield from _delivered(story)
    elif (
        led_to is DeliveryState.DELIVERED
        and last is not None
        and row.d_attempts <= (last.number or 0)
        and (last.revision or 0) >= row.d_revision
    ):
        yield Flaw.STATE, "An attempt delivered it, and it does not count as delivered."
    elif row.d_delivered is not None:
        yield Flaw.STATE, "It has a time of delivery, and does not count as delivered."
    elif state in _ENDS and led_to is not state:
        yield Flaw.STATE, f"It counts as {state}, and no attempt ended so."
    if state is DeliveryState.DISCARDED and not (
        story.told(Kind.DELIVERY_DISCARDED) or story.told(Kind.RESPONSE_VOIDED)
    ):
        yield Flaw.TRAIL, "It counts as discarded, and the trail does not tell by whom."
    yield from _counted(story, state)
    yield from _places(story)


def _places(story: _Story) -> Iterator[tuple[Flaw, str]]:
    """Compare where it stands with what the trail tells of the last attempt that brought it there."""
    # One that found nothing to bring there names none, and so do entries of before addresses were told.
    told = [each.others for each in story.told(Kind.DELIVERY) if each.others]
    if told and tuple((story.row.d_locations or "").split()) != told[-1]:
        yield Flaw.STATE, "It has other addresses in the EHR than the trail tells."


def _counted(story: _Story, state: DeliveryState) -> Iterator[tuple[Flaw, str]]:
    row, last = story.row, story.last
    begun = 0 if last is None else last.number
    if begun is None:  # before schema 0003
        return
    if row.d_attempts < begun or (state in _ENDS and row.d_attempts != begun):
        yield Flaw.STATE, f"It counts {row.d_attempts} attempts, and {begun} are stored."
    if state in _ENDS and last is not None and row.d_detail != last.detail:
        yield Flaw.STATE, "It says something else than its last attempt."


def _delivered(story: _Story) -> Iterator[tuple[Flaw, str]]:
    row, last = story.row, story.last
    if last is None or last.state != DeliveryState.DELIVERED:
        yield Flaw.STATE, "It counts as delivered, and no attempt delivered it."
        return
    if row.d_delivered != last.finished:
        yield Flaw.STATE, "It has another time of delivery than the attempt that delivered it."
