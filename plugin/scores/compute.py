"""Computes the scores of one response: pure, microseconds, decimals throughout."""

from dataclasses import dataclass
from decimal import Decimal

from plugin.responses import Answers
from plugin.scores.errors import EvaluationError
from plugin.scores.key import Key, Step
from plugin.scores.sheet import Sheet
from questionnaires import Code


@dataclass(frozen=True, slots=True)
class Score:
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
        value, problem = _evaluate(step, sheet)
        if value is not None:
            sheet.keep(step.score.link_id, value)
        found[step.score.link_id] = _score(step, value, problem, answers, found)
    return tuple(found[score.link_id] for score in key.instrument.scores)


def _evaluate(step: Step, sheet: Sheet) -> tuple[Decimal | None, str | None]:
    try:
        return step.read(sheet), None
    except EvaluationError as error:
        return None, str(error)


def _score(
    step: Step, value: Decimal | None, problem: str | None, answers: Answers, before: dict[str, Score]
) -> Score:
    given = answers.given
    missing = tuple([link_id for link_id in step.used if link_id not in given])
    explanation = tuple(
        [
            (link_id, each.code, each.number if each.weight is None else each.weight)
            for link_id in step.used
            for each in given.get(link_id, ())
        ]
    )
    for needed in step.needs:
        missing = tuple(dict.fromkeys(missing + before[needed].missing))
        explanation = tuple(dict.fromkeys(explanation + before[needed].explanation))
    score = step.score
    return Score(
        link_id=score.link_id,
        code=score.code,
        value=value,
        unit=score.unit,
        low=score.low,
        high=score.high,
        missing=missing,
        absent_reason=_reason(missing, problem) if value is None else None,
        explanation=explanation,
    )


def _reason(missing: tuple[str, ...], problem: str | None) -> str:
    if problem is not None:
        return f"Not computed: {problem}"
    if missing:
        return f"Not computed: no answer to {', '.join(missing)}"
    return "Not computed: the form gives no score for these answers"
