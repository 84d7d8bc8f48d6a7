"""Keys of a site's own forms: scores that need one another, stored scores, and expressions that cannot be."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plugin.responses import Answers, Given, check_response, read_response
from plugin.scores import BadExpression, Key, compile_key, compute, needed_together, only_together
from plugin.scores.errors import BadSyntax
from plugin.scores.syntax import Binary, Call, Empty, Literal, Member, Negative, Number, Text, Variable, parse
from plugin.scores.together import WITHHELD
from questionnaires import BadInstrument
from tests.questionnaires import forms

SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
ABC = forms.variable("abc", "%resource.repeat(item).where(linkId in ('a' | 'b')).answer.value.weight()")
QUESTIONS = (forms.question("a"), forms.question("b"))


def key_of(folder: Path, *items: dict[str, Any], variables: tuple[dict[str, Any], ...] = (ABC,)) -> Key:
    return compile_key(forms.load(folder / "made-up", forms.form(*QUESTIONS, *items, variables=variables)))


def answer(**weights: int) -> Answers:
    return Answers(
        {
            link_id: (Given(f"s{weight}", Decimal(weight), None, forms.STEPS),)
            for link_id, weight in weights.items()
        }
    )


def stored(name: str) -> str:
    return f"%resource.repeat(item).where(linkId = '{name}').answer.value"


def test_scores_may_need_other_scores_in_any_order(tmp_path: Path) -> None:
    key = key_of(
        tmp_path,
        forms.score("third", f"{stored('second')} + 1"),
        forms.score("second", f"{stored('first')} * 10"),
        forms.score("first", "iif(%abc.count() = 2, %abc.sum(), {})"),
    )
    assert key.native
    third, second, first = compute(key, answer(a=1, b=2))
    assert [first.value, second.value, third.value] == [3, 30, 31]
    third, second, first = compute(key, answer(a=1))
    assert (first.value, second.value, third.value) == (None, None, None)
    assert third.missing == second.missing == first.missing == ("b",)
    assert third.absent_reason == "Not computed: no answer to b"
    assert third.explanation == (("a", "s1", Decimal(1)),)


@pytest.mark.parametrize(
    ("rule", "needed"),
    [
        ("iif(%abcd.count() = 4, %abcd.sum(), {})", {"a", "b", "c", "d"}),
        ("iif(%abcd.count() >= 3, %abcd.sum(), {})", set()),
    ],
)
def test_a_result_of_all_needs_the_answers_that_its_rule_needs(
    tmp_path: Path, rule: str, needed: set[str]
) -> None:
    read = "%resource.repeat(item).where(linkId in ('a' | 'b' | 'c' | 'd')).answer.value.weight()"
    key = key_of(
        tmp_path,
        forms.question("c"),
        forms.question("d"),
        forms.question("e"),
        forms.score("total", rule),
        variables=(forms.variable("abcd", read),),
    )
    assert needed_together(key) == needed


def test_of_two_questions_no_result_is_told_nor_that_one_was_left_out(tmp_path: Path) -> None:
    """Its form says that a *no* gives nobody anything but that there was an answer."""
    key = key_of(tmp_path, forms.score("total", "iif(%abc.count() = 2, %abc.sum(), {})"))
    for given in (answer(a=1, b=2), answer(a=1)):
        (told,) = only_together(compute(key, given))
        assert (told.value, told.absent_reason, told.missing) == (None, WITHHELD, ())


def test_a_fallback_may_need_a_compiled_score_and_the_other_way_round(tmp_path: Path) -> None:
    key = key_of(
        tmp_path,
        forms.score("last", f"{stored('middle')} + 1"),
        forms.score("middle", f"{stored('first')}.power(2)"),
        forms.score("first", "%abc.sum()"),
    )
    assert [step.native for step in key.steps] == [True, False, True]
    assert [score.value for score in compute(key, answer(a=1, b=2))] == [10, 9, 3]


def test_a_score_stored_in_the_response_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "made-up"
    form = forms.form(
        *QUESTIONS,
        forms.score("total", "%abc.sum()"),
        forms.score("twice", f"{stored('total')} * 2"),
        variables=(ABC,),
    )
    site = forms.load(folder, form)
    body = b"""{"resourceType":"QuestionnaireResponse","status":"completed",
        "questionnaire":"https://site.invalid/Questionnaire/made-up|2.0.0","item":[
        {"linkId":"a","answer":[{"valueCoding":{"system":"https://site.invalid/CodeSystem/steps","code":"s1",
            "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":99}]}}]},
        {"linkId":"total","answer":[{"valueDecimal":42}]}]}"""
    total, twice = compute(compile_key(site), check_response(read_response(body), site, patient=None))
    assert [total.value, twice.value] == [1, 2]


def test_a_computed_item_among_the_answers_is_not_read(tmp_path: Path) -> None:
    key = key_of(tmp_path, forms.score("twice", f"{stored('total')} * 2"), forms.score("total", "%abc.sum()"))
    smuggled = Answers({"total": (Given("42", None, Decimal(42)),)})
    assert [score.value for score in compute(key, smuggled)] == [None, None]


@pytest.mark.parametrize("function", ["sum", "avg", "min", "max"])
def test_no_answer_is_no_score_rather_than_zero(tmp_path: Path, function: str) -> None:
    (score,) = compute(key_of(tmp_path, forms.score("s", f"%abc.{function}()")), Answers({}))
    assert (score.value, score.absent_reason) == (None, "Not computed: no answer to a, b")


def test_variables_of_a_group_are_seen_below_it_and_hide_those_of_the_root(tmp_path: Path) -> None:
    group = {
        "extension": [forms.variable("which", "%resource.item.where(linkId = 'b')")],
        "linkId": "g",
        "type": "group",
        "text": "G",
        "item": [forms.score("inner", "%which.answer.value.weight().sum()")],
    }
    which = forms.variable("which", "%resource.item.where(linkId = 'a')")
    key = key_of(
        tmp_path, group, forms.score("outer", "%which.answer.value.weight().sum()"), variables=(which,)
    )
    inner, outer = compute(key, answer(a=1, b=2))
    assert [inner.value, outer.value] == [2, 1]


def test_an_unused_variable_outside_the_subset_does_no_harm(tmp_path: Path) -> None:
    odd = forms.variable("odd", "%resource.item.ofType(Coding)[0]")
    assert key_of(tmp_path, forms.score("s", "%abc.sum()"), variables=(ABC, odd)).native


def test_proration_is_the_forms_choice_and_the_missing_answer_is_still_named(tmp_path: Path) -> None:
    prorated = "iif(%abc.count() >= 1, %abc.sum() * 2 / %abc.count(), {})"
    (score,) = compute(key_of(tmp_path, forms.score("s", prorated)), answer(a=3))
    assert score.value == 6
    assert (score.missing, score.absent_reason) == (("b",), None)


def test_divisions_are_exact_decimals(tmp_path: Path) -> None:
    key = key_of(
        tmp_path, forms.score("third", "%abc.sum() / 3"), forms.score("tenth", "%abc.sum() * 0.1 + 0.2")
    )
    third, tenth = compute(key, answer(a=1, b=0))
    assert str(third.value) == "0.3333333333333333333333333333"
    assert tenth.value == Decimal("0.3")


def test_several_values_give_no_score_and_the_reason(tmp_path: Path) -> None:
    many = "%resource.item.where(linkId = 'many').answer.value.weight() + 1"
    key = key_of(tmp_path, forms.question("many", repeats=True), forms.score("s", many))
    (score,) = compute(key, Answers({"many": answer(a=1).given["a"] * 2}))
    assert score.value is None
    assert score.absent_reason == "Not computed: it meets 2 values where one is allowed"


NUMBER = {"linkId": "x", "type": "decimal", "text": "X"}


@pytest.mark.parametrize(
    ("expression", "number"),
    [("x * x", "9e600000"), ("x / 0.1 + x", "9e999999"), ("x div 0.001", "1e40"), ("x mod 0.001", "1e40")],
)
def test_numbers_too_large_to_compute_with_give_no_score_and_the_reason(
    tmp_path: Path, expression: str, number: str
) -> None:
    key = key_of(tmp_path, NUMBER, forms.score("s", expression.replace("x", stored("x"))))
    (score,) = compute(key, Answers({"x": (Given(number, None, Decimal(number)),)}))
    assert (score.value, score.absent_reason) == (
        None,
        "Not computed: the numbers are too large to compute with",
    )


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (
            "%resource.item.where(linkId in ('a' | 'q9')).answer.value.weight().sum()",
            "the form has no item q9",
        ),
        ("%nothing.sum()", "undefined environment variable: nothing"),
        ("%abc.total()", "there is no function total()"),
        ("iif(%abc.count() > 99, %abc.total(), %abc.sum())", "there is no function total()"),
        ("%abc.sum(", "it ends too early"),
        ("%abc.sum() +", "it ends too early"),
        ("%abc.exists()", "not a number"),
        ("'three'", "not a number"),
        (stored("s"), "it depends on itself"),
        ("%loop.sum()", "the variable %loop refers to itself"),
        ("(%abc | 9).count()", "a union (|) drops equal values"),
        ("%resource.item.answer.value", "where one is allowed"),
        ("%abc + 1", "it meets 2 values where one is allowed"),
        ("%abc.sum().round(29)", "round() takes 0 to 28 places, not 29"),
        ("%abc.sum().round(0 - 1)", "round() takes 0 to 28 places, not -1"),
        ("%abc.avg().round(1.5)", "round() takes 0 to 28 places, not 1.5"),
        (f"%abc.sum() * {'9' * 999_999} * 10", "the numbers are too large to compute with"),
        ("(" * 900 + "%abc.sum()" + ")" * 900, "it is nested too deeply"),
        ("%abc.sum()" + " + 1" * 3000, "it is nested too deeply"),
        ("%abc.trace('x').sum()", "trace() is not for scores: it writes answers"),
        ("%abc.count() + today().toString().length()", "today() is not for scores: a score must be the same"),
        (
            "%abc.select(iif('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(a+)+$'), 1, 0)).sum()",
            "matches() is not",
        ),
        ("%abc.sum() + %resource.repeat($this).count()", "repeat() of anything but a path may never end"),
        ("%abc.sum() + 1.repeat($this + 1).count()", "repeat() of anything but a path may never end"),
        ("%abc.aggregate($total * $total, 10)", "may grow without end"),
        ("%abc.aggregate($total & $total, 'a').length()", "may grow without end"),
    ],
)
def test_an_expression_that_cannot_be_evaluated_is_an_error_when_loading(
    tmp_path: Path, expression: str, says: str
) -> None:
    loop = (forms.variable("loop", "%loop.answer.value.weight()"),) if "%loop" in expression else ()
    with pytest.raises(BadExpression) as caught:
        key_of(tmp_path, forms.score("s", expression), variables=(ABC, *loop))
    said = str(caught.value)
    assert "made-up/questionnaire.json: linkId s: " in said
    assert expression[:300] in said
    assert len(said) < 1000
    assert says in said
    assert isinstance(caught.value, BadInstrument)


BROKEN = [
    ("%resource.item.where(", "it ends too early"),
    ("%resource.repeat(item).where(linkId in ('a' | 'q9')).answer", "the form has no item q9"),
    ("%odd + 1", "the variable %odd refers to itself"),
    ("%nothing.sum()", "undefined environment variable: nothing"),
    ("iif(%abc.count() > 99, %abc.total(), 1)", "there is no function total()"),
    ("%abc + 1", "it meets 2 values where one is allowed"),
    ("%patient.birthDate.total()", "there is no function total()"),
    ("(" * 900 + "%abc.sum()" + ")" * 900, "it is nested too deeply"),
    (f"%abc.sum() * {'9' * 999_999} * 10", "the numbers are too large to compute with"),
]
PATIENT = {
    "url": f"{SDC}sdc-questionnaire-launchContext",
    "extension": [
        {"url": "name", "valueCoding": {"system": f"{SDC}launchContext", "code": "patient"}},
        {"url": "type", "valueCode": "Patient"},
    ],
}


@pytest.mark.parametrize(("expression", "says"), BROKEN)
def test_a_variable_of_the_root_that_cannot_be_evaluated_is_an_error_although_no_score_uses_it(
    tmp_path: Path, expression: str, says: str
) -> None:
    odd = forms.variable("odd", expression)
    with pytest.raises(BadExpression) as caught:
        key_of(tmp_path, forms.score("s", "%abc.sum()"), variables=(ABC, PATIENT, odd))
    said = str(caught.value)
    assert said.startswith("made-up/questionnaire.json: The expression “")
    assert f"{expression[:300]}" in said
    assert "of the variable %odd cannot be evaluated: " in said
    assert says in said


@pytest.mark.parametrize(("expression", "says"), BROKEN)
def test_a_variable_of_an_item_that_cannot_be_evaluated_is_an_error_although_no_score_uses_it(
    tmp_path: Path, expression: str, says: str
) -> None:
    mood = forms.question("mood", extension=[forms.variable("odd", expression)])
    with pytest.raises(BadExpression) as caught:
        key_of(tmp_path, mood, forms.score("s", "%abc.sum()"), variables=(ABC, PATIENT))
    said = str(caught.value)
    assert said.startswith("made-up/questionnaire.json: linkId mood: The expression “")
    assert says in said


def test_the_variable_that_makes_a_score_fail_is_named_rather_than_the_score(tmp_path: Path) -> None:
    odd = forms.variable("odd", "%resource.item.where(")
    with pytest.raises(BadExpression, match=r"of the variable %odd cannot be evaluated: it ends too early"):
        key_of(tmp_path, forms.score("s", "%odd.answer.value.weight().sum()"), variables=(odd,))


@pytest.mark.parametrize(
    "expression",
    [
        "%patient.birthDate",
        "today() - 7 days",
        "(1 | 2 | 3)",
        "%resource.item.where(linkId = 'a').answer.value.code",
        "%resource.item.where(linkId = 'a')",
        "'a text'",
    ],
)
def test_a_variable_that_no_score_could_use_does_no_harm(tmp_path: Path, expression: str) -> None:
    odd = forms.variable("odd", expression)
    assert key_of(tmp_path, forms.score("s", "%abc.sum()"), variables=(ABC, PATIENT, odd)).native


WEEK = {
    "linkId": "week",
    "type": "group",
    "text": "W",
    "repeats": True,
    "item": [
        forms.question("mood"),
        {"linkId": "day", "type": "group", "text": "D", "item": [forms.question("sleep")]},
    ],
}
SPREAD = [
    "%resource.repeat(item).where(linkId = 'mood').answer.value.weight().sum()",
    "%resource.repeat(item).answer.value.weight().sum()",
    "%resource.descendants().where(linkId in ('a' | 'sleep')).answer.value.ordinal().sum()",
    "%resource.repeat(item).where(linkId = 'mood').answer.count()",
    "%resource.repeat(item).where(linkId = 'week').item.where(linkId = 'mood').answer.value.weight().avg()",
    "%resource.repeat(item).where(linkId = 'week').count()",
    "%resource.repeat(item).where(linkId = 'mood').answer.value.weight().sum().power(2)",
    "%resource.descendants().answer.value.weight().sum().power(2)",
]


@pytest.mark.parametrize("expression", SPREAD)
def test_repetitions_reached_where_engines_drop_equal_ones_are_an_error_when_loading(
    tmp_path: Path, expression: str
) -> None:
    with pytest.raises(BadExpression, match=r"drop equal repetitions .* reach .* by path") as caught:
        key_of(tmp_path, WEEK, forms.score("s", expression), variables=())
    assert "linkId s" in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        "%resource.item.where(linkId = 'week').item.where(linkId = 'mood').answer.value.weight().sum()",
        "%resource.item.where(linkId = 'week').item.where(linkId = 'mood').answer.value.weight().sum().power(1)",
    ],
)
def test_repetitions_reached_by_path_all_count(tmp_path: Path, expression: str) -> None:
    twice = Answers({"mood": answer(mood=2).given["mood"] * 2})
    (score,) = compute(key_of(tmp_path, WEEK, forms.score("s", expression), variables=()), twice)
    assert score.value == 4


def test_other_items_of_a_form_with_repeating_groups_are_still_found_by_repeat(tmp_path: Path) -> None:
    (score,) = compute(key_of(tmp_path, WEEK, forms.score("s", "%abc.sum()")), answer(a=1, b=2))
    assert score.value == 3


def test_scores_in_a_circle_are_an_error_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(BadExpression, match="by way of one, two"):
        key_of(tmp_path, forms.score("one", stored("two")), forms.score("two", stored("one")))


def test_scoring_shipped_instruments_loads_neither_web_nor_database_nor_slow_engine() -> None:
    program = (
        "import sys, questionnaires, plugin.scores as s\n"
        "keys = [s.compile_key(each) for each in questionnaires.load_catalogue().all()]\n"
        "heavy = {'fhirpathpy', 'fhir', 'pydantic', 'fastapi', 'starlette', 'httpx', 'sqlalchemy'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1 + 2 * 3", Binary("+", Number(Decimal(1)), Binary("*", Number(Decimal(2)), Number(Decimal(3))))),
        ("(1 + 2) * 3", Binary("*", Binary("+", Number(Decimal(1)), Number(Decimal(2))), Number(Decimal(3)))),
        ("1 - 2 - 3", Binary("-", Binary("-", Number(Decimal(1)), Number(Decimal(2))), Number(Decimal(3)))),
        ("-a.abs()", Negative(Call(Member(None, "a"), "abs", ()))),
        ("a = b | c", Binary("=", Member(None, "a"), Binary("|", Member(None, "b"), Member(None, "c")))),
        (
            "a or b and c",
            Binary("or", Member(None, "a"), Binary("and", Member(None, "b"), Member(None, "c"))),
        ),
        ("iif(a, {}, %`b c`)", Call(None, "iif", (Member(None, "a"), Empty(), Variable("b c")))),
        ("'it\\'s \\u0041'", Text("it's A")),
        ("a[0].b", Member(Call(Member(None, "a"), "[]", (Number(Decimal(0)),)), "b")),
        (
            "a + b is Integer",
            Binary("is", Binary("+", Member(None, "a"), Member(None, "b")), Member(None, "Integer")),
        ),
        ("2 days", Literal("2 days")),
        ("4 'mg'", Literal("4 'mg'")),
        ("@2026-11-23T10:00:00Z", Literal("@2026-11-23T10:00:00Z")),
        ("`a`.`b`", Member(Member(None, "a"), "b")),
        ("/* it's */ 'a' // the 'a'", Text("a")),
        ("'/* no */ comment'", Text("/* no */ comment")),
    ],
)
def test_operators_bind_as_fhirpath_says(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("text", ["", "1 +", "a[0", "a is", "f(1", "1 2", "a.1", "{1}", "'open", "#", "a..b"])
def test_what_is_not_in_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(BadSyntax):
        parse(text)


def test_choices_within_choices_may_go_as_deep_as_a_table_of_norms(tmp_path: Path) -> None:
    deep = "0"
    for number in range(100):
        deep = f"iif(%abc.sum() = {number}, {number * 10}, {deep})"
    key = key_of(tmp_path, forms.score("s", deep))
    assert key.native
    assert compute(key, answer(a=2, b=3))[0].value == 50
