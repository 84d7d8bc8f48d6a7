"""Forms in the public domain of use, written as public form libraries write them: PHQ-9 and GAD-7 by their LOINC panels.

LOINC 44249-1 and 69737-5, answer list LL358-3. "Developed by Drs. Robert L. Spitzer, Janet B.W. Williams, Kurt Kroenke and
colleagues, with an educational grant from Pfizer Inc. No permission required to reproduce, translate, display or distribute."
The structures are ours; each way of scoring is one that is met in the wild.
"""

from typing import Any

from tests.questionnaires.forms import CALCULATED, variable

Json = dict[str, Any]

LOINC = "http://loinc.org"
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
ITEM_WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"
FREQUENCY = (
    ("LA6568-5", "Not at all", 0),
    ("LA6569-3", "Several days", 1),
    ("LA6570-1", "More than half the days", 2),
    ("LA6571-9", "Nearly every day", 3),
)
PHQ_9 = {
    "44250-9": "Little interest or pleasure in doing things",
    "44255-8": "Feeling down, depressed, or hopeless",
    "44259-0": "Trouble falling or staying asleep, or sleeping too much",
    "44254-1": "Feeling tired or having little energy",
    "44251-7": "Poor appetite or overeating",
    "44258-2": "Feeling bad about yourself",
    "44252-5": "Trouble concentrating on things",
    "44253-3": "Moving or speaking slowly, or being restless",
    "44260-8": "Thoughts that you would be better off dead",
}
GAD_7 = {
    "69725-0": "Feeling nervous, anxious, or on edge",
    "68509-9": "Not being able to stop or control worrying",
    "69733-4": "Worrying too much about different things",
    "69734-2": "Trouble relaxing",
    "69735-9": "Being so restless that it is hard to sit still",
    "69689-8": "Becoming easily annoyed or irritable",
    "69736-7": "Feeling afraid as if something awful might happen",
}
PHQ_9_TOTAL, GAD_7_TOTAL = "44261-6", "70274-6"


def calculated(expression: str) -> Json:
    return {"url": CALCULATED, "valueExpression": {"language": "text/fhirpath", "expression": expression}}


def options(url: str = ORDINAL) -> list[Json]:
    return [
        {
            "extension": [{"url": url, "valueDecimal": weight}],
            "valueCoding": {"system": LOINC, "code": code, "display": text},
        }
        for code, text, weight in FREQUENCY
    ]


def questions(texts: dict[str, str], **more: Any) -> list[Json]:
    asked = more or {"answerOption": options()}
    return [
        {
            "linkId": f"/{code}",
            "code": [{"system": LOINC, "code": code, "display": text}],
            "text": text,
            "type": "choice",
            "required": False,
            **asked,
        }
        for code, text in texts.items()
    ]


def total(code: str, *extensions: Json, kind: str = "decimal") -> Json:
    return {
        "extension": list(extensions),
        "linkId": f"/{code}",
        "code": [{"system": LOINC, "code": code, "display": "Total score"}],
        "text": "Total score",
        "type": kind,
    }


def form(code: str, title: str, *items: Json, **more: Any) -> Json:
    return {
        "resourceType": "Questionnaire",
        "title": title,
        "status": "draft",
        "code": [{"system": LOINC, "code": code, "display": title}],
        "item": list(items),
    } | more


def by_the_option_of_the_form() -> Json:
    """PHQ-9 as form builders write it: a variable a question looks its option up in the form."""
    names = "abcdefghi"
    looked_up = [
        variable(
            name,
            f"%questionnaire.item.where(linkId = '/{code}').answerOption.where(valueCoding.code="
            f"%resource.item.where(linkId = '/{code}').answer.valueCoding.code)"
            f".extension.where(url='{ORDINAL}').valueDecimal",
        )
        for name, code in zip(names, PHQ_9, strict=True)
    ]
    any_answered = variable("any", " or ".join(f"%{name}.exists()" for name in names))
    added = " + ".join(f"iif(%{name}.exists(), %{name}, 0)" for name in names)
    scored = total(PHQ_9_TOTAL, *looked_up, any_answered, calculated(f"iif(%any, {added}, {{}})"))
    return form("44249-1", "PHQ-9", *questions(PHQ_9), scored)


def by_a_contained_value_set(path: str = "%resource.item.where(linkId='H1').item") -> Json:
    """PHQ-9 as the SDC guide has it: options in a contained value set, a group, a quantity from weight()."""
    concepts = [
        {"extension": [{"url": ITEM_WEIGHT, "valueDecimal": weight}], "code": code, "display": text}
        for code, text, weight in FREQUENCY
    ]
    value_set = {
        "resourceType": "ValueSet",
        "id": "frequency",
        "status": "active",
        "compose": {"include": [{"system": LOINC, "concept": concepts}]},
    }
    group = {
        "linkId": "H1",
        "text": "Over the last two weeks, how often have you been bothered by any of the following problems?",
        "type": "group",
        "item": questions(PHQ_9, answerValueSet="#frequency"),
    }
    scored = total(PHQ_9_TOTAL, calculated(f"{path}.answer.value.weight().sum()"), kind="quantity")
    more = {
        "url": "https://forms.invalid/Questionnaire/phq",
        "version": "4.0.0",
        "language": "en",
        "contained": [value_set],
    }
    return form("44249-1", "PHQ-9", group, scored, **more)


def by_everything_but_the_total() -> Json:
    """PHQ-9 flat, as another example of the SDC guide adds it up: every item whose linkId is not the total's."""
    expression = f"%resource.item.where(linkId!='/{PHQ_9_TOTAL}').answer.value.weight().sum()"
    return form("44249-1", "PHQ-9", *questions(PHQ_9), total(PHQ_9_TOTAL, calculated(expression)))


def by_a_value_set_elsewhere(address: str) -> Json:
    """PHQ-9 whose options stand in a value set on the server, and their weights in its code system."""
    group = {
        "linkId": "H1",
        "text": "Over the last two weeks, how often have you been bothered by any of the following problems?",
        "type": "group",
        "item": questions(PHQ_9, answerValueSet=address),
    }
    path = "%resource.repeat(item).where(linkId='H1').item.answer.value.weight()"
    scored = total(PHQ_9_TOTAL, calculated(f"{path}.aggregate($this + $total, 0)"), kind="integer")
    more = {"url": "https://forms.invalid/Questionnaire/phq", "version": "4.0.0", "language": "en"}
    return form("44249-1", "PHQ-9", group, scored, **more)


def frequency_terms(address: str) -> list[Json]:
    """The value set and the part of the code system with its weights, as a terminology server has them."""
    value_set = {
        "resourceType": "ValueSet",
        "url": address,
        "status": "active",
        "compose": {"include": [{"system": LOINC}]},
    }
    concepts = [
        {"code": code, "display": text, "property": [{"code": "itemWeight", "valueDecimal": weight}]}
        for code, text, weight in FREQUENCY
    ]
    system = {
        "resourceType": "CodeSystem",
        "url": LOINC,
        "status": "active",
        "content": "complete",
        "concept": concepts,
    }
    return [value_set, system]


def by_ordinal() -> Json:
    """GAD-7 with ordinal(), as before weight() was named so."""
    scored = total(GAD_7_TOTAL, calculated("%resource.item.answer.value.ordinal().sum()"))
    return form("69737-5", "GAD-7", *questions(GAD_7), scored)


def by_the_answers_extension() -> Json:
    """GAD-7 with the extension read off the answer itself."""
    expression = f"%resource.item.answer.value.extension('{ORDINAL}').value.sum()"
    return form("69737-5", "GAD-7", *questions(GAD_7), total(GAD_7_TOTAL, calculated(expression)))
