"""What every shipped score is, as tables: lowest, highest, reversed, each answer missing, no answer at all."""

from decimal import Decimal

import pytest

from plugin.responses import Answers, Given
from plugin.scores import Key, Score, compile_key, compute
from plugin.scores.key import highest_answers, lowest_answers
from questionnaires import Instrument, load_catalogue, walk

CATALOGUE = load_catalogue()
KEYS = {instrument.id: compile_key(instrument) for instrument in CATALOGUE.all()}
CHECK_INS = [instrument_id for instrument_id in KEYS if instrument_id.startswith("rapport-checkin")]
CHECK_IN_ITEMS = ("goal-1", "goal-2", "task-1", "task-2", "bond-1", "bond-2")
CHECK_IN_OPTIONS = ("not-at-all", "a-little", "somewhat", "mostly", "completely")


def answer(instrument: Instrument, **choices: str) -> Answers:
    given = {}
    for item in walk(instrument.items):
        code = choices.get(item.link_id.replace("-", "_"))
        if code is not None:
            (option,) = [option for option in item.options if option.code == code]
            given[item.link_id] = (Given(option.code, option.weight, None, option.system),)
    return Answers(given)


def by_position(key: Key, codes: str | tuple[str, ...]) -> Answers:
    """Answer the questions in the order of the form; `-` leaves one out."""
    questions = [item.link_id for item in walk(key.instrument.items) if item.is_question]
    choices = {
        link_id.replace("-", "_"): code for link_id, code in zip(questions, codes, strict=True) if code != "-"
    }
    return answer(key.instrument, **choices)


def values(scores: tuple[Score, ...]) -> dict[str, Decimal | None]:
    return {score.link_id.removeprefix("score-"): score.value for score in scores}


def drop(answers: Answers, link_id: str) -> Answers:
    return Answers({each: given for each, given in answers.given.items() if each != link_id})


@pytest.mark.parametrize("instrument_id", KEYS)
def test_every_score_is_compiled(instrument_id: str) -> None:
    assert KEYS[instrument_id].native


@pytest.mark.parametrize("instrument_id", KEYS)
def test_declared_ranges_are_what_the_weights_reach(instrument_id: str) -> None:
    key = KEYS[instrument_id]
    for lowest, highest in zip(
        compute(key, lowest_answers(key)), compute(key, highest_answers(key)), strict=True
    ):
        assert (lowest.value, highest.value) == (lowest.low, highest.high)


# Options 0-4 of goal-1 goal-2 task-1 task-2 bond-1 bond-2, then total, goal, task, bond.
CHECK_IN_TABLE = [
    ("000000", 0, 0, 0, 0),
    ("444444", 24, 8, 8, 8),
    ("222222", 12, 4, 4, 4),
    ("123401", 11, 3, 7, 1),
    ("400000", 4, 4, 0, 0),
    ("000004", 4, 0, 0, 4),
    ("-44444", None, None, 8, 8),
    ("4-4444", None, None, 8, 8),
    ("44-444", None, 8, None, 8),
    ("444-44", None, 8, None, 8),
    ("4444-4", None, 8, 8, None),
    ("44444-", None, 8, 8, None),
    ("-0-0-0", None, None, None, None),
    ("00----", None, 0, None, None),
    ("------", None, None, None, None),
]


@pytest.mark.parametrize("instrument_id", CHECK_INS)
@pytest.mark.parametrize(("steps", "total", "goal", "task", "bond"), CHECK_IN_TABLE)
def test_check_in(
    instrument_id: str, steps: str, total: int | None, goal: int | None, task: int | None, bond: int | None
) -> None:
    key = KEYS[instrument_id]
    codes = tuple("-" if step == "-" else CHECK_IN_OPTIONS[int(step)] for step in steps)
    found = values(compute(key, by_position(key, codes)))
    assert found == {"total": total, "goal": goal, "task": task, "bond": bond}


# Answers 1-4 to items 1 to 12; items 2, 5, 7, 8 and 11 count backwards.
TASC_LOWEST, TASC_HIGHEST = "141141441141", "414414114414"


@pytest.mark.parametrize(
    ("steps", "total"),
    [
        ("111111111111", 27),
        ("444444444444", 33),
        ("222222222222", 29),
        ("333333333333", 31),
        (TASC_LOWEST, 12),
        (TASC_HIGHEST, 48),
        ("211111111111", 28),
        ("121111111111", 26),
        ("111121111111", 26),
        ("111111211111", 26),
        ("111111121111", 26),
        ("111111111121", 26),
        ("111111111112", 28),
        *((TASC_HIGHEST[:place] + "-" + TASC_HIGHEST[place + 1 :], None) for place in range(12)),
        ("------------", None),
    ],
)
def test_tasc_r(steps: str, total: int | None) -> None:
    key = KEYS["tasc-r-child"]
    assert values(compute(key, by_position(key, steps))) == {"total": total}


EXTENT = {
    "1": "not-at-all",
    "2": "small-extent",
    "3": "moderate-extent",
    "4": "large-extent",
    "5": "very-large-extent",
}


@pytest.mark.parametrize(
    ("steps", "relationship", "information"),
    [
        ("111111111111", "1", "1"),
        ("555555555555", "5", "5"),
        ("123451231234", "2.625", "2.5"),
        ("111111121115", "1.125", "2"),
        ("-55555551234", None, "2.5"),
        ("5555555-1234", None, "2.5"),
        ("55555555-234", "5", None),
        ("55555555123-", "5", None),
        ("------------", None, None),
    ],
)
def test_peq_camhs(steps: str, relationship: str | None, information: str | None) -> None:
    key = KEYS["peq-camhs-caregiver"]
    codes = tuple(EXTENT.get(step, "-") for step in steps)
    found = values(compute(key, by_position(key, codes)))
    expected = {"relationship": relationship, "information": information}
    assert found == {name: None if value is None else Decimal(value) for name, value in expected.items()}


def test_a_missing_answer_is_named_and_explained() -> None:
    key = KEYS["rapport-checkin-child"]
    full = by_position(key, ("mostly",) * 6)
    total, goal, task, _ = compute(key, drop(full, "goal-2"))
    assert goal.value is None
    assert goal.missing == ("goal-2",)
    assert goal.absent_reason == "Not computed: no answer to goal-2"
    assert goal.explanation == (("goal-1", "mostly", Decimal(3)),)
    assert (total.value, total.missing) == (None, ("goal-2",))
    assert (task.value, task.missing, task.absent_reason) == (Decimal(6), (), None)


def test_several_missing_answers_are_all_named() -> None:
    key = KEYS["rapport-checkin-child"]
    total = compute(key, Answers({}))[0]
    assert total.absent_reason == "Not computed: no answer to " + ", ".join(CHECK_IN_ITEMS)


def test_zero_is_a_score_and_not_a_missing_one() -> None:
    key = KEYS["rapport-checkin-child"]
    scores = compute(key, by_position(key, ("not-at-all",) * 6))
    assert [score.value for score in scores] == [0, 0, 0, 0]
    assert all(score.absent_reason is None and score.missing == () for score in scores)


def test_a_score_carries_code_unit_and_range() -> None:
    key = KEYS["rapport-checkin-child"]
    total = compute(key, lowest_answers(key))[0]
    assert total.code.code == "rapport-checkin-child-total"
    assert total.code.system == "https://w3id.org/rapport-fhir/CodeSystem/score"
    assert (total.unit, total.low, total.high) == ("{score}", Decimal(0), Decimal(24))


@pytest.mark.parametrize("instrument_id", KEYS)
def test_values_are_decimals(instrument_id: str) -> None:
    key = KEYS[instrument_id]
    assert all(type(score.value) is Decimal for score in compute(key, highest_answers(key)))
