"""What may be told of a response whose single answers may not be read: the one score of all its questions. Pure.

A score of a part is withheld, however many questions it has: what the respondent agreed to is the result of all of them
together, and the parts of a total narrow down what it is made of.
"""

import msgspec

from plugin.responses import Answers
from plugin.scores.compute import NO_SCORE, Score, compute
from plugin.scores.key import Key, extremes

FEWEST_TOGETHER = 3
"""Answers that a score must be made of to be told. Two are read off many of their sums: 8 of 8 is twice 4, 7 is 3 and 4."""
WITHHELD = "Withheld: the respondent did not agree that single answers are read"
INCOMPLETE = "Not computed: not every question was answered"
"""Which ones were not is withheld as well."""


def tells_together(key: Key) -> bool:
    """Tell whether a form has a score of all its questions, which may be told when its parts may not."""
    read: dict[str, frozenset[str]] = {}
    for step in key.steps:  # each after those that it needs
        read[step.score.link_id] = frozenset(step.used).union(*(read[needed] for needed in step.needs))
    every: frozenset[str] = frozenset().union(*read.values())
    return len(every) >= FEWEST_TOGETHER and every in read.values()


def needed_together(key: Key) -> frozenset[str]:
    """Name the questions each of which has to be answered for that score to be told: without it there is none.

    A form whose key does with some answers missing needs none of them.
    """
    _, *whole = extremes(key)
    if not all(_tells(key, answers) for answers in whole):
        return frozenset()  # the key's own affair: nothing is known of single questions
    return frozenset(
        link_id
        for link_id in whole[0].given
        if not any(_tells(key, _without(answers, link_id)) for answers in whole)
    )


def _tells(key: Key, answers: Answers) -> bool:
    return any(each.value is not None for each in only_together(compute(key, answers)))


def _without(answers: Answers, link_id: str) -> Answers:
    return Answers({each: given for each, given in answers.given.items() if each != link_id})


def only_together(scores: tuple[Score, ...]) -> tuple[Score, ...]:
    """Leave of a response's scores the first that takes in every question; the others have no value, and say why.

    Where too few questions are made into one for it ever to be told, nor is it told that one of them was left out.
    What a score was computed from, and which answers were missing, is taken out of all of them.
    """
    every = {link_id for each in scores for link_id in _read_by(each)}
    whole = (each.link_id for each in scores if _read_by(each) == every)
    told = next(whole, None) if len(every) >= FEWEST_TOGETHER else None
    return tuple(_withheld(each, is_told=each.link_id == told) for each in scores)


def _withheld(score: Score, *, is_told: bool) -> Score:
    bare = msgspec.structs.replace(score, missing=(), explanation=())
    answered = len({link_id for link_id, _, _ in score.explanation})
    if not is_told or (score.value is not None and answered < FEWEST_TOGETHER):
        return msgspec.structs.replace(bare, value=None, absent_reason=WITHHELD)
    if score.value is None:
        return msgspec.structs.replace(bare, absent_reason=INCOMPLETE if score.missing else NO_SCORE)
    return bare


def _read_by(score: Score) -> set[str]:
    return {*score.missing, *(link_id for link_id, _, _ in score.explanation)}
