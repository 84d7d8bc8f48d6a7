"""The score ledger: a total unfolded into its items, answers, weights, reversed and skipped ones, its rule and its source. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from plugin.delivery.keep import Record
from plugin.delivery.rescored import Again
from plugin.observations import Results
from plugin.responses import InvalidResponse, UnreadableResponse, take_answers
from plugin.scores import Key, Score, compute, only_together
from questionnaires import Catalogue, Instrument, Item, Wording, walk
from questionnaires.datatypes import read_decimal

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=read_decimal)


@dataclass(frozen=True, slots=True)
class Counted:
    """One item of a score. `answer` and `weight` are None where nothing was answered.

    `words` are those of the option as the respondent read them; None where the answer is none of the form's options.
    """

    link_id: str
    text: str
    answer: str | None
    weight: Decimal | None
    is_reversed: bool
    is_skipped: bool
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Unfolded:
    """One score as it is stored, beside what its answers give now; `recomputed` is None if that cannot be said."""

    link_id: str
    identifier: str
    label: str
    code: str
    unit: str
    stored: Decimal | None
    absent: str | None
    low: Decimal | None
    high: Decimal | None
    rule: str
    items: tuple[Counted, ...]
    recomputed: Score | None

    @property
    def agrees(self) -> bool | None:
        """Whether the stored value is what the answers give; None if it was not computed again."""
        return None if self.recomputed is None else self.recomputed.value == self.stored


@dataclass(frozen=True, slots=True)
class Unfolding:
    """All scores of an administration. `instrument` is None, and `problem` says why, where they cannot be unfolded."""

    scores: tuple[Unfolded, ...]
    instrument: Instrument | None
    problem: str | None = None
    same_key: bool = True

    @property
    def citations(self) -> tuple[tuple[str, str], ...]:
        """Whose the form is and where its key comes from; of a site's own form what the form itself says."""
        if self.instrument is None:
            return ()
        form = self.instrument.questionnaire
        said = (("Description", form.description), ("Holder", form.copyright))
        return self.instrument.citations or tuple((name, text) for name, text in said if text)


def unfold(record: Record, catalogue: Catalogue, keys: Mapping[str, Key]) -> Unfolding:
    """Unfold every stored score with the key that the response names."""
    nearest = catalogue.nearest(record.instrument)
    if nearest is None or nearest.canonical != record.instrument:
        problem = f"{record.instrument} is not installed in this version: its scores are shown as stored."
        return Unfolding(tuple(_stored(record.results)), None, problem)
    key, same = keys[nearest.canonical], nearest.content_hash == record.key_hash
    try:
        _, answers = take_answers(record.body, nearest, patient=record.patient)
    except (UnreadableResponse, InvalidResponse):
        problem = "The stored answers are no response to their form: its scores are shown as stored."
        return Unfolding(tuple(_stored(record.results)), nearest, problem, same)
    made = compute(key, answers)
    computed = {each.link_id: each for each in made}
    told = only_together(made) if record.answers_withheld else made
    again = {each.link_id: each for each in told}
    used = {step.score.link_id: step.used for step in key.steps}
    items = {each.link_id: each for each in walk(nearest.items)}
    wording = _wording(nearest, record.language)
    texts = {} if wording is None else wording.items
    options = {} if wording is None else wording.options
    known = {each.link_id: each for each in nearest.scores}
    turned = _reversed(items)
    unfolded = []
    for stored in _stored(record.results):
        score = computed.get(stored.link_id)
        item = known.get(stored.link_id)
        if score is None or item is None:
            unfolded.append(stored)
            continue
        given: dict[str, list[tuple[str, Decimal | None]]] = {}
        for link_id, answer, weight in score.explanation:
            given.setdefault(link_id, []).append((answer, weight))
        named = [*given, *(each for each in (*used[stored.link_id], *score.missing) if each not in given)]
        lines = []
        for link_id in sorted(set(named), key=list(items).index):
            text, is_turned = texts.get(link_id, link_id), link_id in turned
            if link_id not in given:
                lines.append(Counted(link_id, text, None, None, is_turned, is_skipped=True))
            for answer, weight in given.get(link_id, ()):
                words = options.get((link_id, answer))
                lines.append(Counted(link_id, text, answer, weight, is_turned, is_skipped=False, words=words))
        unfolded.append(
            Unfolded(
                stored.link_id,
                stored.identifier,
                item.display,
                stored.code,
                stored.unit,
                stored.stored,
                stored.absent,
                score.low,
                score.high,
                item.expression,
                tuple(lines),
                again[stored.link_id],
            )
        )
    return Unfolding(tuple(unfolded), nearest, None, same)


@dataclass(frozen=True, slots=True)
class Beside:
    """One score as it was first computed, and as another version of the form computes it; None where there is no value."""

    link_id: str
    label: str
    first: Decimal | None
    again: Decimal | None

    def __str__(self) -> str:
        return f"{self.label}: {plain(self.first) or 'no value'} at first, {plain(self.again) or 'no value'} again"


def beside(first: Results, again: Results) -> tuple[Beside, ...]:
    """Put two results of the same answers beside each other; a score that one version lacks has no value there."""
    before, after = ({each.link_id: each for each in _stored(results)} for results in (first, again))
    return tuple(
        Beside(
            name,
            (after.get(name) or before[name]).label,
            before[name].stored if name in before else None,
            after[name].stored if name in after else None,
        )
        for name in {**before, **after}
    )


def again_as_json(record: Record, again: Again) -> dict[str, object]:
    """Write a result by another version of the form for programs."""
    return {
        "id": again.id,
        "version": again.version,
        "form": again.instrument,
        "key_hash": again.key_hash,
        "software": f"Rapport {again.software}",
        "computed": again.why.computed.isoformat(),
        "by": again.why.who,
        "why": again.why.reason,
        "scores": [
            {"score": each.link_id, "first": plain(each.first), "again": plain(each.again)}
            for each in beside(record.results, again.results)
        ],
    }


def again_as_lines(record: Record, again: Again) -> list[str]:
    """Write a result by another version of the form for people."""
    why = again.why
    head = f"{again.instrument} ({again.key_hash}), {why.computed.isoformat()} by {why.who}: {why.reason}"
    return [head, *(f"    {each}" for each in beside(record.results, again.results))]


def as_json(record: Record, software: str, unfolding: Unfolding) -> dict[str, object]:
    """Write the score ledger of one response for programs; decimals are texts, so that none is rounded."""
    return {
        "response": record.id,
        "version": record.revision,
        "form": record.instrument,
        "key_hash": record.key_hash,
        "installed_key_is_the_same": unfolding.same_key if unfolding.instrument is not None else None,
        "software": software,
        "source": dict(unfolding.citations),
        "problem": unfolding.problem,
        "scores": [_score_json(each) for each in unfolding.scores],
    }


def as_lines(unfolding: Unfolding) -> list[str]:
    """Write the score ledger of one response for people."""
    lines = [] if unfolding.problem is None else [unfolding.problem]
    for score in unfolding.scores:
        value = (score.absent or "no value") if score.stored is None else plain(score.stored)
        lines.append(f"{score.label} ({score.link_id}): {value}{_AGREES[score.agrees]}")
        if score.rule:
            lines.append(f"    rule: {score.rule}")
        lines += [f"    {each.link_id}: {_said(each)}" for each in score.items]
    return [*lines, *(f"{name}: {text}" for name, text in unfolding.citations)]


def plain(value: Decimal | None) -> str | None:
    """Write a number without exponent or needless zeros; None for none."""
    if value is None:
        return None
    return f"{value.normalize():f}" if value else "0"


_AGREES = {
    True: ", computed again just now: the same",
    False: ", computed again just now: ANOTHER",
    None: ", not computed again",
}


def _said(item: Counted) -> str:
    counts = "nothing" if item.weight is None else plain(item.weight)
    said = "skipped" if item.is_skipped else f"{item.answer} counts {counts}"
    return f"{said}, reversed" if item.is_reversed else said


def _score_json(score: Unfolded) -> dict[str, object]:
    again = score.recomputed
    return {
        "score": score.link_id,
        "label": score.label,
        "code": score.code,
        "unit": score.unit,
        "stored": plain(score.stored),
        "absent": score.absent,
        "recomputed": None if again is None else plain(again.value),
        "agrees": score.agrees,
        "range": [plain(score.low), plain(score.high)],
        "rule": score.rule,
        "items": [
            {
                "item": each.link_id,
                "answer": each.answer,
                "weight": plain(each.weight),
                "reversed": each.is_reversed,
                "skipped": each.is_skipped,
            }
            for each in score.items
        ],
    }


def _stored(results: Results) -> list[Unfolded]:
    """Read the scores as they were stored."""
    found = []
    for identifier, body in zip(results.identifiers[1:], results.scores, strict=False):
        observation = _decoder.decode(body)
        quantity = observation.get("valueQuantity") or {}
        coding = observation["code"]["coding"][0]
        value = quantity.get("value")
        found.append(
            Unfolded(
                link_id=identifier.partition("/")[2],
                identifier=identifier,
                label=str(observation["code"].get("text") or coding.get("display") or identifier),
                code=f"{coding.get('system')}|{coding.get('code')}",
                unit=str(quantity.get("unit") or quantity.get("code") or ""),
                stored=None if value is None else Decimal(str(value)),
                absent=(observation.get("dataAbsentReason") or {}).get("text"),
                low=None,
                high=None,
                rule="",
                items=(),
                recomputed=None,
            )
        )
    return found


def _wording(instrument: Instrument, language: str | None) -> Wording | None:
    chosen = language if language in instrument.wordings else next(iter(instrument.wordings), None)
    return None if chosen is None else instrument.wordings[chosen]


def _reversed(items: Mapping[str, Item]) -> frozenset[str]:
    """Tell which items run against the others: their weights fall along their options where most items' rise, or the reverse."""
    slopes = {}
    for link_id, item in items.items():
        weights = [each.weight for each in item.options if each.weight is not None]
        if len(weights) > 1 and weights[0] != weights[-1]:
            slopes[link_id] = weights[0] < weights[-1]
    rising = sum(slopes.values()) * 2 >= len(slopes)
    return frozenset(link_id for link_id, rises in slopes.items() if rises != rising)
