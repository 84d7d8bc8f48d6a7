"""Nothing lost, nothing twice, in order: whenever Rapport is killed, whatever the EHR does."""

from pathlib import Path

from tests.product.crashing import crash, free_port, open_place


def test_a_serving_process_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with open_place(tmp_path, free_port()) as place:
        tally = crash(place, submissions=40, kills=2, life=(0.3, 1.0))
    assert (tally.saved, tally.not_delivered) == (40, {})
    assert (tally.lost, tally.doubled, tally.out_of_order) == ([], [], [])
    assert tally.attempts > 40, "no fault happened: this proved nothing"
