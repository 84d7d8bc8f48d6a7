"""What a worker may claim: due, in each patient's order, and nothing for which another one waits for ever."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from plugin.delivery import outbox
from plugin.delivery.outbox import LEASE, Room
from plugin.delivery.states import FINAL, OPEN, TRIED, DeliveryState
from plugin.ledger import Vault
from plugin.ledger import tables as t
from tests.delivery.outboxes import LATER, NEVER, NOW, claimed, put, receive


@pytest.fixture(params=["sqlite", "postgresql"])
def connection(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Connection]:
    sqlite = f"sqlite:///{tmp_path}/outbox.sqlite3"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url).execution_options(vault=Vault((bytes(32),)))
    t.metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def test_every_state_is_either_open_or_final() -> None:
    assert sorted((*OPEN, *FINAL)) == sorted(DeliveryState)


def test_a_patients_second_response_waits_for_the_first(connection: Connection) -> None:
    receive(connection, "second", minute=1)
    receive(connection, "first", minute=0)
    assert claimed(connection) == ["first"]


def test_patients_do_not_wait_for_one_another(connection: Connection) -> None:
    receive(connection, "a", "p1", minute=0)
    receive(connection, "b", "p2", minute=1)
    assert claimed(connection) == ["a", "b"]


def test_patients_of_the_same_id_at_two_sites_are_two(connection: Connection) -> None:
    receive(connection, "a", minute=0)
    receive(connection, "b", minute=1, site="hospital")
    assert claimed(connection, site="hospital") == ["b"]


@pytest.mark.parametrize("state", list(DeliveryState))
def test_the_next_waits_only_while_the_first_is_being_tried(
    connection: Connection, state: DeliveryState
) -> None:
    receive(connection, "first", minute=0)
    receive(connection, "second", minute=1)
    put(connection, "first", state)
    assert claimed(connection) == ([] if state in TRIED else ["second"])


def test_held_ones_keep_their_order_when_a_launch_releases_them(connection: Connection) -> None:
    for minute, name in enumerate(("first", "second")):
        receive(connection, name, minute=minute)
        put(connection, name, DeliveryState.HELD)
    assert claimed(connection) == []
    outbox.release_held(connection, "clinic", "p1", LATER)
    assert claimed(connection) == ["first"]


def test_one_that_is_tried_in_vain_lets_the_next_go_after_the_time_that_the_site_sets(
    connection: Connection,
) -> None:
    receive(connection, "first", minute=0)
    receive(connection, "second", minute=1)
    put(connection, "first", DeliveryState.UNKNOWN)
    assert claimed(connection, room=Room(8, NOW - timedelta(seconds=1))) == []
    assert claimed(connection, room=Room(8, NOW)) == ["second"]


def test_no_more_are_claimed_than_there_is_room_for(connection: Connection) -> None:
    for number in range(5):
        receive(connection, f"r{number}", f"p{number}", minute=number)
    assert claimed(connection, room=Room(2, NOW)) == ["r0", "r1"]


def test_a_worker_does_not_begin_its_own_again_when_its_lease_has_run_out(connection: Connection) -> None:
    receive(connection, "a")
    assert claimed(connection) == ["a"]
    later = LATER + 2 * outbox.LEASE
    assert claimed(connection, now=later, room=Room(8, NOW, under_way=("a",))) == []
    assert claimed(connection, now=later) == ["a"]


def test_what_is_claimed_is_nobody_elses_until_its_lease_ends(connection: Connection) -> None:
    receive(connection, "a")
    assert claimed(connection) == ["a"]
    assert claimed(connection, owner="other", now=LATER + LEASE - timedelta(seconds=1)) == []
    assert claimed(connection, owner="other", now=LATER + LEASE) == ["a"]


def test_a_renewed_lease_lasts_longer(connection: Connection) -> None:
    receive(connection, "a")
    claimed(connection)
    assert outbox.renew(connection, "worker", ("a",), LATER + timedelta(seconds=60)) == 1
    assert claimed(connection, owner="other", now=LATER + LEASE) == []


def test_a_lease_that_passed_to_another_worker_is_not_renewed(connection: Connection) -> None:
    receive(connection, "a")
    claimed(connection)
    claimed(connection, owner="other", now=LATER + LEASE)
    assert outbox.renew(connection, "worker", ("a",), LATER + LEASE) == 0


def test_what_a_stopping_worker_hands_back_is_due_at_once_and_counts_as_unknown(
    connection: Connection,
) -> None:
    receive(connection, "a")
    claimed(connection)
    assert outbox.hand_back(connection, "worker", LATER) == 1
    row = connection.execute(sa.select(t.delivery)).one()
    assert (row.state, row.failures, row.due) == (DeliveryState.UNKNOWN, 0, LATER)


def test_attempts_of_an_older_version_are_still_read() -> None:
    assert DeliveryState("saved") is DeliveryState.SCORED


def test_the_next_due_is_known_without_the_final_ones(connection: Connection) -> None:
    receive(connection, "a", "p1")
    receive(connection, "b", "p2")
    put(connection, "a", DeliveryState.REFUSED, NOW)
    put(connection, "b", DeliveryState.HELD, NEVER)
    assert outbox.next_due(connection) == NEVER
