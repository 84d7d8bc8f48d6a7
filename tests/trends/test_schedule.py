"""At which sessions a form is due."""

import pytest

from plugin.schedule import Schedule


def due(text: str, until: int = 17) -> list[int]:
    schedule = Schedule.parse(text)
    return [session for session in range(1, until) if schedule.is_due(session)]


def test_every_session() -> None:
    assert due("every", 5) == [1, 2, 3, 4]


def test_early_and_then_every_fourth() -> None:
    assert due("1,3,4,+4") == [1, 3, 4, 8, 12, 16]


def test_some_sessions_and_no_more() -> None:
    assert due("3, 12") == [3, 12]


def test_the_next_one_is_told() -> None:
    schedule = Schedule.parse("1,3,4,+4")
    assert [schedule.next_after(session) for session in (1, 2, 3, 4, 5, 8)] == [3, 3, 4, 8, 8, 12]
    assert Schedule.parse("3,12").next_after(12) is None
    assert Schedule.parse("every").next_after(7) == 8


def test_some_are_due_at_every_session_however_they_are_written() -> None:
    written = ("every", "1,2,+1", "1,2", "2,+1", "1,+2")
    assert [Schedule.parse(each).is_every for each in written] == [True, True, False, False, False]


@pytest.mark.parametrize("text", ["", "often", "0", "3,1", "1,1", "+4", "1,+0", "1,2,+4,5", "-1"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no schedule"):
        Schedule.parse(text)
