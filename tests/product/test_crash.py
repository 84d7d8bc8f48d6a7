"""Nothing lost, nothing twice, in order: whenever Rapport is killed, whatever the EHR does."""

from pathlib import Path

import pytest

from tests.ports import free_port
from tests.product.crashing import crash, die_at, open_place
from tests.product.dying import MOMENTS


def test_a_serving_process_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with open_place(tmp_path, free_port()) as place:
        tally = crash(place, submissions=40, kills=2, life=(0.3, 1.0))
    assert (tally.saved, tally.not_delivered) == (40, {})
    assert (tally.lost, tally.doubled, tally.out_of_order) == ([], [], [])
    assert tally.attempts > 40, "no fault happened: this proved nothing"


# What the first write is answered with, and so the state that is noted after it.
LEADS_TO = {
    "delivered": None,
    "unknown": {"kind": "reset-after-commit"},
    "scored": {"kind": "unavailable"},
    "held": {"kind": "token-revoked"},
    "refused": {"kind": "forbidden"},
}
CASES = [(moment, "delivered") for moment in MOMENTS] + [
    (moment, state)
    for moment in ("written, not noted", "noted, not committed", "noted")
    for state in LEADS_TO
    # What was refused and noted stays so: a person decides.
    if state != "delivered" and (moment, state) != ("noted", "refused")
]


@pytest.mark.parametrize(("moment", "state"), CASES, ids=[f"{moment}: {state}" for moment, state in CASES])
def test_killed_at_each_change_of_state_nothing_is_lost_or_doubled(
    moment: str, state: str, tmp_path: Path
) -> None:
    with open_place(tmp_path, free_port()) as place:
        tally = die_at(place, moment, LEADS_TO[state])
    assert (tally.saved, tally.not_delivered) == (3, {})
    assert (tally.lost, tally.doubled, tally.out_of_order) == ([], [], [])
