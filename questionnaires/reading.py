"""Reads an Instrument out of its decoded files."""

from collections.abc import Iterator, Set
from dataclasses import replace
from datetime import date
from decimal import Decimal

from questionnaires.datatypes import Element, Extension, FhirDecimal, count_places, days_of, find_extension
from questionnaires.errors import Problem
from questionnaires.model import (
    HELP,
    Code,
    Condition,
    Direction,
    Item,
    LicenceKind,
    Option,
    Rater,
    ScoreItem,
    Wording,
)
from questionnaires.resources import (
    NUMERIC,
    SDC,
    STRUCTURE,
    AnswerOption,
    EnableWhen,
    ObservationDefinition,
    Questionnaire,
    QuestionnaireItem,
    every_item,
    read_calculation,
    read_translations,
    read_weight,
)

BASE = "https://w3id.org/rapport-fhir"
SCORES = f"{BASE}/CodeSystem/score"
RATER = f"{BASE}/StructureDefinition/rater"
STANDING = f"{BASE}/StructureDefinition/instrument-standing"
DIRECTION = f"{BASE}/StructureDefinition/score-direction"

BareOption = tuple[str, str | None, str]  # linkId, the system that it was given, code

_UNIT = "{score}"
_LICENCES: dict[str, LicenceKind] = {"open": "open", "licensed": "licensed", "score-entry": "score-entry"}
_DIRECTIONS: dict[str, Direction] = {"increase": "increase", "decrease": "decrease"}


def read_rater(questionnaire: Questionnaire) -> Rater | Problem:
    """Give whose view the form takes, or what is wrong with saying so."""
    found = find_extension(questionnaire.extension, RATER)
    code = found.valueCode if found else None
    known = ", ".join(Rater)
    if code in set(Rater):
        return Rater(code)
    says = f"The rater is “{code}”" if code else "Nothing says who rates"
    return Problem(says, f"Add the extension {RATER} with one of {known}")


def read_standing(questionnaire: Questionnaire) -> tuple[LicenceKind, bool, str]:
    """Give licence kind, whether validated, and the note on it."""
    standing = find_extension(questionnaire.extension, STANDING)
    parts = {each.url: each for each in standing.extension} if standing else {}
    licence = parts["licence"].valueCode if "licence" in parts else None
    validated = bool(parts["validated"].valueBoolean) if "validated" in parts else False
    note = parts["note"].valueString if "note" in parts else None
    return (
        _LICENCES.get(licence or "", "not stated"),
        validated,
        note or "Nothing is stated about validation.",
    )


def read_warnings(questionnaire: Questionnaire) -> tuple[str, ...]:
    """Give what the literature warns of, to be shown wherever the instrument is chosen or its score is read."""
    standing = find_extension(questionnaire.extension, STANDING)
    parts = standing.extension if standing else ()
    return tuple(each.valueString for each in parts if each.url == "warning" and each.valueString)


def read_ages(questionnaire: Questionnaire) -> tuple[int | None, int | None]:
    """Give the ages in years for which the form is meant."""
    for context in questionnaire.useContext:
        if context.code.code == "age" and context.valueRange is not None:
            low, high = context.valueRange.low, context.valueRange.high
            return (_years(low.value if low else None), _years(high.value if high else None))
    return (None, None)


def _years(value: FhirDecimal | None) -> int | None:
    return None if value is None else int(value)


def read_items(items: tuple[QuestionnaireItem, ...], bare: Set[BareOption] = frozenset()) -> tuple[Item, ...]:
    """Give the items of the form as values; `bare` are its options that came without a system."""
    return tuple(
        Item(
            link_id=item.linkId,
            type=item.type,
            required=item.required,
            repeats=item.repeats,
            read_only=item.readOnly or read_calculation(item) is not None or _is_hidden(item),
            options=tuple(_read_options(item, bare)),
            conditions=tuple(_read_condition(each) for each in item.enableWhen),
            any_condition=item.enableBehavior == "any",
            conditional_expression=find_extension(
                item.extension, SDC + "sdc-questionnaire-enableWhenExpression"
            )
            is not None,
            items=read_items(item.item, bare),
            low=_bound(item, "minValue"),
            high=_bound(item, "maxValue"),
            max_length=item.maxLength,
            control=_read_control(item),
            step=_read_step(item),
            places=_read_places(item),
            first=_day_bound(item, "minValue"),
            last=_day_bound(item, "maxValue"),
        )
        for item in items
    )


def _is_hidden(item: QuestionnaireItem) -> bool:
    found = find_extension(item.extension, STRUCTURE + "questionnaire-hidden")
    return item.type not in {"group", "display"} and found is not None and bool(found.valueBoolean)


def _read_control(item: QuestionnaireItem) -> str | None:
    found = find_extension(item.extension, STRUCTURE + "questionnaire-itemControl")
    concept = found.valueCodeableConcept if found else None
    return next((each.code for each in concept.coding if each.code), None) if concept else None


def _read_step(item: QuestionnaireItem) -> int | None:
    found = find_extension(item.extension, STRUCTURE + "questionnaire-sliderStepValue")
    return found.valueInteger if found else None


def _read_places(item: QuestionnaireItem) -> int | None:
    """Give maxDecimalPlaces, but no fewer than the least number has: from there a line is divided."""
    found = find_extension(item.extension, STRUCTURE + "maxDecimalPlaces")
    if found is None or found.valueInteger is None or found.valueInteger < 0:
        return None
    low = _bound(item, "minValue")
    return max(found.valueInteger, count_places(low) if low is not None else 0)


def _bound(item: QuestionnaireItem, name: str) -> Decimal | None:
    found = find_extension(item.extension, STRUCTURE + name)
    if found is None:
        return None
    return Decimal(found.valueInteger) if found.valueInteger is not None else _plain(found.valueDecimal)


def _day_bound(item: QuestionnaireItem, name: str) -> date | None:
    found = find_extension(item.extension, STRUCTURE + name)
    if item.type != "date" or found is None or found.valueDate is None:
        return None
    first, last = days_of(found.valueDate) or (None, None)
    return last if name == "maxValue" else first


def _read_options(item: QuestionnaireItem, bare: Set[BareOption]) -> Iterator[Option]:
    for each in item.answerOption:
        option = read_option(each)
        yield replace(option, bare=(item.linkId, option.system, option.code) in bare)


def read_option(option: AnswerOption) -> Option:
    """Give an answer option with its weight, wherever that stands."""
    weight = read_weight(option.extension)
    coding = option.valueCoding
    if coding is not None:
        weight = read_weight(coding.extension) if weight is None else weight
        return Option("Coding", coding.system, coding.code or "", _plain(weight), coding.display or "")
    values = {
        "Integer": option.valueInteger,
        "Date": option.valueDate,
        "Time": option.valueTime,
        "String": option.valueString,
        "Reference": option.valueReference.reference if option.valueReference else None,
    }
    kind, value = next(
        ((kind, value) for kind, value in values.items() if value is not None), ("Reference", "")
    )
    return Option(kind, None, str(value), _plain(weight), str(value))


def _plain(value: FhirDecimal | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _read_condition(condition: EnableWhen) -> Condition:
    coding, quantity = condition.answerCoding, condition.answerQuantity
    number = condition.answerDecimal if condition.answerDecimal is not None else condition.answerInteger
    if number is None and quantity is not None:
        number = quantity.value
    answer: tuple[str | None, str] | Decimal | bool | str
    if coding is not None:
        answer = (coding.system, coding.code or "")
    elif number is not None:
        answer = Decimal(number)
    elif condition.answerBoolean is not None:
        answer = condition.answerBoolean
    else:
        reference = condition.answerReference.reference if condition.answerReference else None
        texts = (condition.answerDate, condition.answerDateTime, condition.answerTime, condition.answerString)
        answer = next((text for text in (*texts, reference) if text is not None), "")
    return Condition(condition.question, condition.operator, answer)


def read_scores(
    questionnaire: Questionnaire, definitions: tuple[ObservationDefinition, ...]
) -> tuple[ScoreItem, ...]:
    """Give the scores: numeric items with a calculatedExpression, ranges from the definition of the same code."""
    known = {(coding.system, coding.code): each for each in definitions for coding in each.code.coding}
    return tuple(
        _read_score(item, expression, known.get((coding.system, coding.code)), coding.system)
        for item in every_item(questionnaire.item)
        if item.type in NUMERIC and (expression := _expression(item)) is not None
        for coding in item.code[:1]
    )


def _read_score(
    item: QuestionnaireItem, expression: str, definition: ObservationDefinition | None, system: str | None
) -> ScoreItem:
    coding = item.code[0]
    low, high = _reach(definition)
    details = definition.quantitativeDetails if definition else None
    unit = find_extension(item.extension, STRUCTURE + "questionnaire-unit")
    display = coding.display or item.text or item.linkId
    return ScoreItem(
        link_id=item.linkId,
        code=Code(system or "", coding.code or "", display),
        display=item.text or display,
        expression=expression,
        unit=(unit.valueCoding.code if unit and unit.valueCoding else None) or _UNIT,
        low=low,
        high=high,
        decimals=details.decimalPrecision if details else None,
        direction=_read_direction(definition.extension if definition else ()),
        also=tuple(
            Code(each.system, each.code, each.display or display)
            for each in item.code[1:]
            if each.system and each.code
        ),
    )


def _reach(definition: ObservationDefinition | None) -> tuple[Decimal | None, Decimal | None]:
    for interval in definition.qualifiedInterval if definition else ():
        if interval.category == "absolute" and interval.range is not None:
            low, high = interval.range.low, interval.range.high
            return (_plain(low.value if low else None), _plain(high.value if high else None))
    return (None, None)


def _read_direction(extensions: tuple[Extension, ...]) -> Direction | None:
    found = find_extension(extensions, DIRECTION)
    concept = found.valueCodeableConcept if found else None
    return (
        next((_DIRECTIONS[each.code] for each in concept.coding if each.code in _DIRECTIONS), None)
        if concept
        else None
    )


def _expression(item: QuestionnaireItem) -> str | None:
    found = read_calculation(item)
    return found.expression if found else None


def read_wordings(questionnaire: Questionnaire) -> dict[str, Wording]:
    """Give the complete wordings, the form's own language first; a language with a text missing is left out."""
    own = questionnaire.language or "en"
    titles = _texts(questionnaire.title, questionnaire.title_, own)
    items = {item.linkId: _texts(item.text, item.text_, own) for item in every_item(questionnaire.item)}
    options = {
        (item.linkId, shown.code): _option_texts(option, shown, own)
        for item in every_item(questionnaire.item)
        for option in item.answerOption
        for shown in [read_option(option)]
    }
    needed = [
        titles,
        *options.values(),
        *(items[item.linkId] for item in every_item(questionnaire.item) if _must_have_text(item)),
    ]
    languages = [language for language in titles if all(language in each for each in needed)]
    framing = _framing(questionnaire)
    return {
        language: Wording(
            language=language,
            title=titles[language],
            intro="\n".join(items[each][language] for each in framing[0] if language in items[each]),
            notes="\n".join(items[each][language] for each in framing[1] if language in items[each]),
            items={link_id: texts[language] for link_id, texts in items.items() if language in texts},
            options={place: texts[language] for place, texts in options.items()},
        )
        for language in languages
    }


def _must_have_text(item: QuestionnaireItem) -> bool:
    if item.type == "display":
        # Help may be there in one language and not in another: the manual decides.
        return _read_control(item) not in HELP
    return item.type != "group" and not item.readOnly


def _framing(questionnaire: Questionnaire) -> tuple[list[str], list[str]]:
    """Split the form's own texts: `notes` and what stands after the first question close it, the rest opens it."""
    before: list[str] = []
    after: list[str] = []
    asked = False
    for item in questionnaire.item:
        asked = asked or item.type != "display"
        if item.type == "display":
            (after if asked or item.linkId == "notes" else before).append(item.linkId)
    return before, after


def _texts(text: str | None, sibling: Element | None, language: str) -> dict[str, str]:
    return ({language: text} if text is not None else {}) | read_translations(sibling)


def _option_texts(option: AnswerOption, shown: Option, language: str) -> dict[str, str]:
    coding = option.valueCoding
    if coding is not None:
        return _texts(coding.display, coding.display_, language)
    return _texts(shown.display, option.valueString_, language)
