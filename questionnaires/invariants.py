"""What a Questionnaire must keep to: faults stop it from being loaded, flaws stop it from being published here."""

from collections import Counter
from collections.abc import Iterator

from questionnaires.datatypes import Extension, FhirDecimal, find_extension
from questionnaires.errors import Problem
from questionnaires.model import Instrument
from questionnaires.reading import read_option
from questionnaires.resources import (
    CALCULATED,
    FHIRPATH,
    NUMERIC,
    SDC,
    STRUCTURE,
    WEIGHTS,
    AnswerOption,
    Questionnaire,
    QuestionnaireItem,
    every_item,
    read_calculation,
)

_LONGEST_LINK_ID = 255  # SDC 4.0, https://hl7.org/fhir/uv/sdc/STU4/, invariant on linkId
_WEIGHTS = ("itemWeight", "ordinalValue")


def find_faults(questionnaire: Questionnaire) -> list[Problem]:
    """Find what makes answers ambiguous or scores wrong."""
    items = [*every_item(questionnaire.item)]
    problems = [
        Problem("The linkId stands twice", "Give every item its own", link_id)
        for link_id, count in Counter(item.linkId for item in items).items()
        if count > 1
    ]
    known = {item.linkId for item in items}
    problems += _find_variable_faults(questionnaire.extension, None)
    for item in items:
        problems += _find_item_faults(item, known)
        problems += _find_variable_faults(item.extension, item.linkId)
    if not any(item.type not in {"group", "display"} for item in items):
        problems.append(Problem("Nothing is asked", "Add an item that can be answered"))
    if "|" in questionnaire.url or "#" in questionnaire.url:
        problems.append(
            Problem(f"The url {questionnaire.url} has | or # in it", "Keep the version in “version”")
        )
    return problems


def _find_item_faults(item: QuestionnaireItem, known: set[str]) -> Iterator[Problem]:
    place = item.linkId
    if len(place) > _LONGEST_LINK_ID:
        yield Problem(
            f"The linkId has {len(place)} characters", f"Use {_LONGEST_LINK_ID} at most", place[:40]
        )
    if item.type == "group" and not item.item:
        yield Problem("The group is empty", "Add items, or make it a display item", place)
    if item.type == "display" and (item.item or item.answerOption or item.readOnly):
        yield Problem(
            "A display item cannot have items, options or readOnly", "Make it a group or question", place
        )
    if item.answerValueSet:
        yield Problem(
            "It takes its options from a value set", "List the options: a key needs their weights", place
        )
    for condition in item.enableWhen:
        if condition.question not in known:
            yield Problem(f"enableWhen names “{condition.question}”", "Name an item of this form", place)
    if len(item.enableWhen) > 1 and item.enableBehavior is None:
        yield Problem("It has several conditions and no enableBehavior", "Say “all” or “any”", place)
    if read_calculation(item) is not None and item.initial:
        yield Problem("A calculated item has an initial value", "Take one of them out", place)
    yield from _find_expression_faults(item)
    yield from _find_option_faults(item)


def _find_variable_faults(extensions: tuple[Extension, ...], link_id: str | None) -> Iterator[Problem]:
    """A variable that would be passed over in silence, or that hides another of the same place."""
    found = [each.valueExpression for each in extensions if each.url == STRUCTURE + "variable"]
    for each in found:
        if each is None or not each.name:
            yield Problem("A variable has no name", "Give it one in valueExpression.name", link_id)
        elif each.language == FHIRPATH and not each.expression:
            remedy = "Write it as valueExpression.expression, or take the variable out"
            yield Problem(f"The variable %{each.name} has no expression", remedy, link_id)
    for name, count in Counter(each.name for each in found if each and each.name).items():
        if count > 1:
            yield Problem(f"The variable %{name} stands there {count} times", "Keep one", link_id)


def _find_expression_faults(item: QuestionnaireItem) -> Iterator[Problem]:
    """A score that would be left out in silence, or read in another language than it is written in."""
    if item.type not in NUMERIC or find_extension(item.extension, CALCULATED) is None:
        return
    calculation = read_calculation(item)
    if calculation is None or not calculation.expression:
        remedy = "Write it as valueExpression.expression, or take the extension out"
        yield Problem("Its calculatedExpression has no expression", remedy, item.linkId)
    elif calculation.language != FHIRPATH:
        yield Problem(f"Its expression is {calculation.language}", f"Write it as {FHIRPATH}", item.linkId)


def _find_option_faults(item: QuestionnaireItem) -> Iterator[Problem]:
    seen: set[tuple[str | None, str | None]] = set()
    for option in item.answerOption:
        coding = option.valueCoding
        if coding is not None:
            name = f"The option “{coding.code or coding.display}”"
            if coding.system is None or coding.code is None:
                yield Problem(f"{name} has no system or no code", "Give it both", item.linkId)
            if (coding.system, coding.code) in seen:
                yield Problem(f"{name} stands twice", "Keep one", item.linkId)
            seen.add((coding.system, coding.code))
        stated = [*_stated_weights(option)]
        for name in dict.fromkeys(_last(each.url) for each in stated if each.valueDecimal is None):
            yield Problem(
                f"{_name(option)} has a weight that is not read: {name} is a valueDecimal",
                "Write it as valueDecimal",
                item.linkId,
            )
        given = {each.valueDecimal for each in stated if each.valueDecimal is not None}
        if len(given) > 1:
            values = ", ".join(str(value) for value in sorted(given))
            yield Problem(
                f"{_name(option)} carries different weights: {values}", "Use one everywhere", item.linkId
            )


def find_flaws(instrument: Instrument) -> list[Problem]:
    """Find what is missing from an instrument that others are to use: portability, ranges, translations."""
    questionnaire = instrument.questionnaire
    problems = [*_find_root_flaws(questionnaire)]
    for item in every_item(questionnaire.item):
        problems += _find_weight_flaws(item)
        problems += _find_score_flaws(item)
    for score in instrument.scores:
        if score.low is None or score.high is None or score.direction is None or score.decimals is None:
            found = "Its ObservationDefinition lacks range, direction or precision"
            problems.append(Problem(found, "Complete it", score.link_id))
    problems += _find_translation_flaws(instrument)
    return problems


def _find_root_flaws(questionnaire: Questionnaire) -> Iterator[Problem]:
    algorithm = find_extension(questionnaire.extension, STRUCTURE + "artifact-versionAlgorithm")
    # sdc-2: a version without its algorithm cannot be ordered.
    if algorithm is None or algorithm.valueCoding is None or algorithm.valueCoding.code != "semver":
        yield Problem("Nothing says how versions are ordered", "Add artifact-versionAlgorithm with semver")
    if questionnaire.subjectType != ("Patient",):
        yield Problem("It is not about a Patient", "Set subjectType to Patient")
    wanted = ("title", "publisher", "description", "copyright", "date", "code", "useContext")
    for name in wanted:
        if not getattr(questionnaire, name):
            yield Problem(f"“{name}” is missing", "Add it")


def _find_weight_flaws(item: QuestionnaireItem) -> Iterator[Problem]:
    """LHC-Forms reads weights on the answerOption, Smart Forms on its coding: four places, or none."""
    for option in item.answerOption:
        missing = [place for place, weight in _weights(option) if weight is None]
        if missing and len(missing) < len([*_weights(option)]):
            yield Problem(
                f"{_name(option)} has no weight at {', '.join(missing)}", "Repeat the weight", item.linkId
            )


def _find_score_flaws(item: QuestionnaireItem) -> Iterator[Problem]:
    calculation = read_calculation(item)
    if calculation is None:
        return
    if not item.readOnly:
        yield Problem("A computed item can be typed into", "Set readOnly", item.linkId)
    if not item.code:
        yield Problem("A score has no code", "Add its code", item.linkId)
    for name in (SDC + "sdc-questionnaire-observationExtract", STRUCTURE + "questionnaire-unit"):
        if find_extension(item.extension, name) is None:
            yield Problem(f"{name} is missing", "Add the extension", item.linkId)


def _find_translation_flaws(instrument: Instrument) -> Iterator[Problem]:
    """A language that is begun must be complete: half a translation shows two languages to a child."""
    begun = {language for text in _languages(instrument.questionnaire) for language in text}
    for language in sorted(begun - set(instrument.languages)):
        yield Problem(f"The wording in “{language}” is not complete", "Translate every text and option")
    for link_id in sorted(_untranslated(instrument)):
        yield Problem("Its text is not there in every language", "Translate it", link_id)


def _languages(questionnaire: Questionnaire) -> Iterator[set[str]]:
    for element in (questionnaire.title_, *(item.text_ for item in every_item(questionnaire.item))):
        for each in element.extension if element else ():
            language = find_extension(each.extension, "lang")
            if language and language.valueCode:
                yield {language.valueCode}


def _untranslated(instrument: Instrument) -> set[str]:
    wordings = [*instrument.wordings.values()]
    every = {link_id for wording in wordings for link_id in wording.items}
    return {link_id for link_id in every for wording in wordings if link_id not in wording.items}


def _weights(option: AnswerOption) -> Iterator[tuple[str, FhirDecimal | None]]:
    for name in _WEIGHTS:
        yield f"answerOption ({name})", _weight(option.extension, name)
    if option.valueCoding is not None:
        for name in _WEIGHTS:
            yield f"valueCoding ({name})", _weight(option.valueCoding.extension, name)


def _stated_weights(option: AnswerOption) -> Iterator[Extension]:
    """Give every weight that an option states, however often."""
    coding = option.valueCoding.extension if option.valueCoding is not None else ()
    yield from (each for each in (*option.extension, *coding) if each.url in WEIGHTS)


def _last(url: str) -> str:
    return url.rpartition("/")[2]


def _weight(extensions: tuple[Extension, ...], name: str) -> FhirDecimal | None:
    found = find_extension(extensions, STRUCTURE + name)
    return found.valueDecimal if found else None


def _name(option: AnswerOption) -> str:
    coding = option.valueCoding
    return f"The option “{coding.code if coding else read_option(option).code}”"
