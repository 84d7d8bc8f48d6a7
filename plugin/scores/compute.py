"""Computes the scores of one response: pure, microseconds, decimals throughout."""

from decimal import Decimal
from itertools import chain

import msgspec

from plugin.responses import Answers
from plugin.scores.arithmetic import TOO_LARGE
from plugin.scores.errors import EvaluationError
from plugin.scores.key import Key, Step
from plugin.scores.sheet import Sheet
from questionnaires import Code

NO_SCORE = "Not computed: the form gives no score for these answers"


class Score(msgspec.Struct, frozen=True):
    """One computed score.

    `value` is None where the form's expression gives none; then `absent_reason` is a sentence that says why. `missing`
    are the linkIds that the score reads and nobody answered. `explanation` is what it was computed from: linkId, answer
    and weight (the number itself for numeric questions, None for others). `low` and `high` are what can be reached.
    """

    link_id: str
    code: Code
    value: Decimal | None
    unit: str
    low: Decimal | None
    high: Decimal | None
    missing: tuple[str, ...]
    absent_reason: str | None
    explanation: tuple[tuple[str, str, Decimal | None], ...]


def compute(key: Key, answers: Answers) -> tuple[Score, ...]:
    """Compute every score of a form, in the order of the form.

    A score that the response brought along is not read. A missing answer never lowers a score in silence: what the
    form's expression does with it, and which answers were missing, is in the result.
    """
    sheet = Sheet.of(key.layout, answers)
    found: dict[str, Score] = {}
    for step in key.steps:
        problem = None
        try:
            value = step.read(sheet)
        except EvaluationError as error:
            value, problem = None, str(error)
        except ArithmeticError:
            value, problem = None, TOO_LARGE
        link_id = step.score.link_id
        if value is not None and link_id in key.kept:
            sheet.keep(link_id, value)
        found[link_id] = _score(step, value, problem, sheet, found)
    return tuple([found[link_id] for link_id in key.order])


def _score(
    step: Step, value: Decimal | None, problem: str | None, sheet: Sheet, before: dict[str, Score]
) -> Score:
    score = step.score
    missing: tuple[str, ...] = ()
    if sheet.whole and step.weighted:
        explanation = tuple(step.pick(sheet.one_line))
    else:
        missing = tuple([link_id for link_id in step.used if link_id not in sheet.given])
        explanation = tuple(chain.from_iterable(step.pick(sheet.lines)))
    for needed in step.needs:
        missing = tuple(dict.fromkeys(missing + before[needed].missing))
        explanation = tuple(dict.fromkeys(explanation + before[needed].explanation))
    return Score(
        score.link_id,
        score.code,
        value,
        score.unit,
        score.low,
        score.high,
        missing,
        _reason(missing, problem) if value is None else None,
        explanation,
    )


def _reason(missing: tuple[str, ...], problem: str | None) -> str:
    if problem is not None:
        return f"Not computed: {problem}"
    if missing:
        return f"Not computed: no answer to {', '.join(missing)}"
    return NO_SCORE
