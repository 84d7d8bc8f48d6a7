"""Checks a Response against its instrument and patient, and gives its answers; every problem at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from plugin.responses.answers import DATA_ABSENT_REASON, DECLINED, Answers, Given
from plugin.responses.enabling import find_disabled
from plugin.responses.errors import InvalidResponse, Issue
from plugin.responses.resource import Answer, Response, ResponseItem
from plugin.responses.values import find_value_issues, read_choice, to_given
from questionnaires import Instrument, Item, walk
from questionnaires.datatypes import Extension, find_extension

_ROOT = "QuestionnaireResponse"
_FINISHED = {"completed", "amended"}


@dataclass(slots=True)
class _Sheet:
    """What is known while a response is being checked."""

    instrument: Instrument
    disabled: frozenset[str]
    finished: bool
    issues: list[Issue] = field(default_factory=list)
    given: dict[str, tuple[Given, ...]] = field(default_factory=dict)
    declined: set[str] = field(default_factory=set)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, code: str, link_id: str, path: str, message: str, remedy: str) -> None:
        """Note an error."""
        self.issues.append(Issue(code, link_id, path, message, remedy))


def check_response(response: Response, instrument: Instrument, *, patient: str | None) -> Answers:
    """Check that a response fits the instrument and is about `patient` (`Patient/<id>`; None: not compared).

    InvalidResponse holds every error. Differing item texts and weights in the response are warnings: they do not
    change a score, because scores come from the instrument alone. Computed items in the response are ignored.
    """
    sheet = _Sheet(
        instrument=instrument,
        disabled=find_disabled(instrument.items, dict(_collect(response.item))),
        finished=response.status in _FINISHED,
    )
    sheet.issues += _find_frame_issues(response, instrument, patient)
    sheet.issues += _find_modifiers(response)
    _check_items(response.item, instrument.items, _ROOT, sheet)
    if any(issue.severity == "error" for issue in sheet.issues):
        raise InvalidResponse(tuple(sheet.issues))
    order = [item.link_id for item in walk(instrument.items) if item.link_id in sheet.given]
    return Answers(
        given={link_id: sheet.given[link_id] for link_id in order},
        declined=frozenset(sheet.declined),
        warnings=tuple(sheet.issues),
        absent=sheet.absent,
    )


def _find_frame_issues(response: Response, instrument: Instrument, patient: str | None) -> Iterator[Issue]:
    if response.questionnaire != instrument.canonical:
        message = f"The response is to {response.questionnaire}, not to {instrument.canonical}."
        remedy = f"Send it with {instrument.canonical}, or check it against its own form."
        yield Issue("business-rule", None, f"{_ROOT}.questionnaire", message, remedy)
    if response.status == "entered-in-error":
        message = "The response says of itself that it was entered in error."
        yield Issue("business-rule", None, f"{_ROOT}.status", message, "Send a corrected one.")
    if patient is None:
        return
    subject = response.subject_reference
    if subject is None:
        message = "The response does not say whom it is about."
        yield Issue(
            "required", None, f"{_ROOT}.subject", message, f"Add a subject with the reference {patient}."
        )
    elif subject != patient:
        # An absolute address could be the same id on another server, which is somebody else.
        message = "The response is about somebody else than the patient of this record."
        remedy = f"Open the right record, or write the subject as {patient}."
        yield Issue("business-rule", None, f"{_ROOT}.subject", message, remedy)


def _find_modifiers(response: Response) -> Iterator[Issue]:
    """What a modifierExtension does to an answer is not known here; FHIR forbids to read on: R4, 2.4.1 Extensibility."""
    found: list[tuple[str, tuple[Extension, ...], str | None]] = [("", response.modifierExtension, None)]
    found += [("item", each.modifierExtension, each.linkId) for each in _every(response.item)]
    found += [
        ("answer", answer.modifierExtension, each.linkId)
        for each in _every(response.item)
        for answer in each.answer
    ]
    for element, extensions, link_id in found:
        for each in extensions:
            place = f"{_ROOT}.{element}.modifierExtension".replace("..", ".")
            message = f"The modifierExtension {each.url} is not known."
            yield Issue("extension", link_id, place, message, "Send the response without it.")


def _check_items(
    items: tuple[ResponseItem, ...], expected: tuple[Item, ...], path: str, sheet: _Sheet
) -> None:
    known = {item.link_id: item for item in expected}
    seen: set[str] = set()
    for index, each in enumerate(items):
        place = f"{path}.item[{index}]"
        item = known.get(each.linkId)
        if item is None:
            _note_misplaced(each.linkId, place, sheet)
        else:
            if each.linkId in seen and not (item.type == "group" and item.repeats):
                message, remedy = "The item stands here twice.", "Put all its answers into one item."
                sheet.add("structure", item.link_id, place, message, remedy)
            _check_item(each, item, place, sheet)
        seen.add(each.linkId)
    if sheet.finished:
        _check_required(items, expected, path, sheet)


def _note_misplaced(link_id: str, place: str, sheet: _Sheet) -> None:
    parents = dict(_parents(sheet.instrument.items, None))
    if link_id not in parents:
        message, remedy = "The form has no such item.", "Take it out, or name the form that has it."
        sheet.add("not-found", link_id, f"{place}.linkId", message, remedy)
        return
    parent = parents[link_id]
    where = f"inside the item “{parent}”" if parent else "at the top of the form"
    sheet.add("structure", link_id, place, "The item stands in the wrong place.", f"It belongs {where}.")


def _check_item(each: ResponseItem, item: Item, place: str, sheet: _Sheet) -> None:
    wordings = sheet.instrument.wordings.values()
    texts = {wording.items.get(item.link_id) for wording in wordings} if each.text is not None else set()
    if texts - {None} and each.text not in texts:
        message = "The text differs from the form's."
        issue = Issue(
            "business-rule", item.link_id, f"{place}.text", message, "Use the form's text.", "warning"
        )
        sheet.issues.append(issue)
    if item.link_id in sheet.disabled and _has_answer(each):
        message = "It was answered although the form does not ask it after the other answers."
        sheet.add("business-rule", item.link_id, place, message, "Take the answer out.")
    if item.type in {"group", "display"}:
        _check_group(each, item, place, sheet)
    elif not item.read_only:
        _check_question(each, item, place, sheet)


def _check_group(each: ResponseItem, item: Item, place: str, sheet: _Sheet) -> None:
    if each.answer:
        message = f"A {item.type} cannot be answered."
        sheet.add("structure", item.link_id, f"{place}.answer", message, "Put answers into its questions.")
    _check_items(each.item, item.items, place, sheet)


def _check_question(each: ResponseItem, item: Item, place: str, sheet: _Sheet) -> None:
    if each.item:
        message, remedy = "Items stand beside the question's answer.", "Put them inside the answer."
        sheet.add("structure", item.link_id, f"{place}.item", message, remedy)
    if len(each.answer) > 1 and not item.repeats:
        message = f"It has {len(each.answer)} answers and may have one."
        sheet.add("structure", item.link_id, f"{place}.answer", message, "Keep one.")
    given = tuple(
        found
        for index, answer in enumerate(each.answer)
        if (found := _check_answer(answer, item, f"{place}.answer[{index}]", sheet)) is not None
    )
    if given:
        sheet.given[item.link_id] = (*sheet.given.get(item.link_id, ()), *given)
    elif (reason := _absent_reason(each)) == DECLINED:
        sheet.declined.add(item.link_id)
    elif reason is not None:
        sheet.absent[item.link_id] = reason


def _check_answer(answer: Answer, item: Item, where: str, sheet: _Sheet) -> Given | None:
    if item.items or answer.item:
        _check_items(answer.item, item.items, where, sheet)
    if (chosen := read_choice(answer, item)) is not None:
        return chosen
    sheet.issues += find_value_issues(answer, item, f"{where}.value")
    return to_given(answer, item)


def _check_required(
    items: tuple[ResponseItem, ...], expected: tuple[Item, ...], path: str, sheet: _Sheet
) -> None:
    answered = {each.linkId for each in items if _has_answer(each)}
    for item in expected:
        asked = item.required and item.type != "display" and not item.read_only
        # An enableWhenExpression is not evaluated, so whether the item was asked is not known.
        if asked and not item.conditional_expression and item.link_id not in sheet.disabled | answered:
            sheet.add("required", item.link_id, path, "It must be answered and is not.", "Answer it.")


def _has_answer(each: ResponseItem) -> bool:
    return any(answer.kind for answer in each.answer) or any(_has_answer(below) for below in each.item)


def _absent_reason(each: ResponseItem) -> str | None:
    extensions = (each.extension, *(answer.extension for answer in each.answer))
    reasons = (find_extension(found, DATA_ABSENT_REASON) for found in extensions)
    codes = [reason.valueCode for reason in reasons if reason is not None and reason.valueCode]
    return DECLINED if DECLINED in codes else next(iter(codes), None)


def _collect(items: tuple[ResponseItem, ...]) -> Iterator[tuple[str, tuple[Answer, ...]]]:
    for each in items:
        yield each.linkId, each.answer
        yield from _collect(each.item)
        for answer in each.answer:
            yield from _collect(answer.item)


def _every(items: tuple[ResponseItem, ...]) -> Iterator[ResponseItem]:
    for each in items:
        yield each
        yield from _every(each.item)
        for answer in each.answer:
            yield from _every(answer.item)


def _parents(items: tuple[Item, ...], parent: str | None) -> Iterator[tuple[str, str | None]]:
    for item in items:
        yield item.link_id, parent
        yield from _parents(item.items, item.link_id)
