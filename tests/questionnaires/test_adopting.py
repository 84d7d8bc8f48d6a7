"""Plain Questionnaires of a site's own: what they leave unsaid is assumed and noted; each kind of fault names its place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from questionnaires import BadInstrument, Instrument, Manner, Rater, load_instrument, load_stock
from tests.questionnaires import forms

Json = dict[str, Any]
SITE = "https://w3id.org/rapport-fhir/site"


def plain(*items: Json, **more: Any) -> Json:
    tree = forms.form(*(items or (forms.question("a"),)), **more)
    for name in ("extension", "url", "version", "title", "language"):
        if name not in more:
            del tree[name]
    return tree


def save(folder: Path, tree: Json, name: str = "PHQ 9.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(tree), encoding="utf-8")
    return file


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Instrument]:
    return lambda tree, manner=None: load_instrument(save(tmp_path, tree), manner=manner or Manner())


Load = Callable[..., Instrument]


def test_what_a_plain_form_leaves_unsaid_is_assumed_and_noted(load: Load) -> None:
    found = load(plain())
    assert (found.id, found.url, found.title) == ("phq-9", f"{SITE}/Questionnaire/phq-9", "phq-9")
    assert found.version == f"sha256-{found.content_hash.removeprefix('sha256:')[:12]}"
    assert (found.rater, found.fillable, found.own) == (Rater.CHILD, True, True)
    notes = " ".join(found.notes)
    for word in ("no url", "no version", "no title", "its language", "Nothing says who answers"):
        assert word in notes


def test_a_bound_that_is_not_followed_is_noted(load: Load) -> None:
    followed: Json = {"n": ("integer", {"valueInteger": 1}), "day": ("date", {"valueDate": "2020-02"})}
    aside: Json = {
        "clock": ("time", {"valueTime": "09:00:00"}),
        "moment": ("date", {"valueDateTime": "2020-02-02"}),
        "none": ("date", {"valueDate": "2020-02-31"}),
    }
    url = "http://hl7.org/fhir/StructureDefinition/minValue"
    items = [
        {"linkId": name, "type": kind, "text": name, "extension": [{"url": url, **value}]}
        for name, (kind, value) in (followed | aside).items()
    ]
    noted = [
        each.partition(":")[0] for each in load(plain(*items)).notes if "minValue is not followed" in each
    ]
    assert noted == [*aside]


def test_the_settings_decide_who_answers_and_then_nothing_is_noted(load: Load) -> None:
    of_all, of_one = Manner(rater=Rater.THERAPIST), Manner(raters={"phq-9": Rater.CAREGIVER})
    assert load(plain(), of_all).rater is Rater.THERAPIST
    assert load(plain(), of_one).rater is Rater.CAREGIVER
    assert "who answers" not in " ".join(load(plain(), of_one).notes)


def test_what_the_form_says_itself_counts_before_the_settings(load: Load) -> None:
    assert load(forms.form(forms.question("a")), Manner(rater=Rater.THERAPIST)).rater is Rater.CHILD


def test_the_base_of_made_addresses_is_the_sites(load: Load) -> None:
    found = load(plain(), Manner(base="https://clinic.invalid/fhir"))
    assert found.url == "https://clinic.invalid/fhir/Questionnaire/phq-9"
    assert found.code.system == "https://clinic.invalid/fhir/CodeSystem/phq-9"


def test_a_score_without_code_gets_the_sites(load: Load) -> None:
    scored = forms.score("total", "%resource.item.answer.value.weight().sum()")
    del scored["code"]
    (score,) = load(plain(forms.question("a"), scored)).scores
    assert (score.code.system, score.code.code) == (f"{SITE}/CodeSystem/phq-9", "total")


def test_an_option_without_system_or_code_gets_the_sites(load: Load) -> None:
    options = [{"valueCoding": {"display": "Not at all"}}, {"valueCoding": {"code": "b", "display": "B"}}]
    (item,) = load(plain(forms.question("a", answerOption=options))).items
    assert [(each.system, each.code) for each in item.options] == [
        (f"{SITE}/CodeSystem/phq-9", "not-at-all"),
        (f"{SITE}/CodeSystem/phq-9", "b"),
    ]


def value_set(**more: Any) -> Json:
    return {"resourceType": "ValueSet", "id": "vs", "status": "active", **more}


WEIGHED = {"extension": [{"url": forms.WEIGHT, "valueDecimal": 2}], "code": "x", "display": "X"}


@pytest.mark.parametrize(
    "contained",
    [
        value_set(compose={"include": [{"system": forms.STEPS, "concept": [WEIGHED]}]}),
        value_set(expansion={"timestamp": "2026-01-01", "contains": [{"system": forms.STEPS, **WEIGHED}]}),
        value_set(
            expansion={
                "timestamp": "2026-01-01",
                "contains": [
                    {"abstract": True, "display": "All", "contains": [{"system": forms.STEPS, **WEIGHED}]}
                ],
            }
        ),
    ],
)
def test_a_contained_value_set_becomes_options_with_their_weights(load: Load, contained: Json) -> None:
    asked = {"linkId": "a", "text": "A", "type": "choice", "answerValueSet": "#vs"}
    (item,) = load(plain(asked, contained=[contained])).items
    (option,) = item.options
    assert (option.system, option.code, option.display) == (forms.STEPS, "x", "X")
    assert option.weight == 2


def asks_value_set(name: str, *contained: Json) -> Json:
    asked = {"linkId": "a", "text": "A", "type": "choice", "answerValueSet": name}
    return plain(asked, **({"contained": [*contained]} if contained else {}))


def code_system(content: str = "complete", **more: Any) -> Json:
    concepts = [
        {"code": "x", "display": "X", "property": [{"code": "itemWeight", "valueDecimal": 2}]},
        {
            "code": "group",
            "display": "G",
            "concept": [{"code": "y", "property": [{"code": "w", "valueInteger": 3}]}],
        },
        {"code": "z", "extension": [{"url": forms.WEIGHT, "valueDecimal": 4}]},
    ]
    weighs = {"code": "w", "uri": "http://hl7.org/fhir/concept-properties#itemWeight", "type": "integer"}
    return {
        "resourceType": "CodeSystem",
        "id": "cs",
        "url": forms.STEPS,
        "status": "active",
        "content": content,
        "property": [weighs],
        "concept": concepts,
    } | more


def test_all_codes_of_a_contained_code_system_become_options_with_its_weights(load: Load) -> None:
    (item,) = load(asks_value_set("#vs", RULE, code_system())).items
    found = [(option.code, option.weight) for option in item.options]
    assert found == [("x", 2), ("group", None), ("y", 3), ("z", 4)]


def test_a_weight_is_taken_from_the_option_before_the_value_set_before_the_code_system(load: Load) -> None:
    listed = value_set(
        compose={
            "include": [
                {
                    "system": forms.STEPS,
                    "concept": [
                        {"extension": [{"url": forms.WEIGHT, "valueDecimal": 7}], "code": "x"},
                        {"code": "z"},
                    ],
                }
            ]
        }
    )
    own = [{"valueCoding": {"system": forms.STEPS, "code": "z"}}, forms.option("x", 9)]
    asked: list[Json] = [
        {"linkId": "a", "text": "A", "type": "choice", "answerValueSet": "#vs"},
        {"linkId": "b", "text": "B", "type": "choice", "answerOption": own},
    ]
    loaded = load(plain(*asked, contained=[listed, code_system()]))
    weights = [[f"{option.code} {option.weight}" for option in item.options] for item in loaded.items]
    assert weights == [["x 7", "z 4"], ["z 4", "x 9"]]
    assert "contained" not in json.loads(loaded.resource)


RULE = value_set(compose={"include": [{"system": forms.STEPS}]})
FILTERED = value_set(
    compose={"include": [{"system": forms.STEPS, "filter": [{"property": "p", "op": "=", "value": "v"}]}]}
)
EXCLUDING = value_set(
    compose={"include": [{"system": forms.STEPS, "concept": [{"code": "x"}]}], "exclude": [{"system": "s"}]}
)
BROKEN = [
    ({"resourceType": "Bundle", "type": "collection"}, None, "It is a Bundle, not a Questionnaire"),
    ({"some": "thing"}, None, "It is no FHIR resource"),
    (plain(status="nearly"), None, "Questionnaire.status: Invalid enum value"),
    (plain(titel="x"), None, "There is no property “titel” here"),
    (plain(publisher=None), None, "Questionnaire.publisher: null stands here"),
    (plain(forms.question("a"), forms.question("a")), "a", "The linkId stands twice"),
    (plain({"linkId": "g", "type": "group", "text": "G"}, forms.question("a")), "g", "The group is empty"),
    (plain({"linkId": "d", "type": "display", "text": "D"}), None, "Nothing is asked"),
    (plain({"linkId": "a", "text": "A", "type": "coding"}), "a", "Invalid enum value 'coding'"),
    (asks_value_set("http://loinc.org/vs/LL358-3"), "a", "http://loinc.org/vs/LL358-3 is not contained"),
    (asks_value_set("#vs", RULE), "a", f"takes all codes of {forms.STEPS}, which the form does not contain"),
    (asks_value_set("#vs", RULE, code_system("fragment")), "a", "does not contain as a complete CodeSystem"),
    (asks_value_set("#vs", FILTERED), "a", "takes codes by a rule, not by a list"),
    (asks_value_set("#vs", EXCLUDING), "a", "leaves codes out again"),
    (asks_value_set("#vs", value_set()), "a", "lists no codes"),
    (
        plain(
            forms.question("a", modifierExtension=[{"url": "https://x.invalid/not", "valueBoolean": True}])
        ),
        "a",
        "The modifierExtension https://x.invalid/not is not known",
    ),
    (
        plain(
            forms.question("a", enableWhen=[{"question": "z", "operator": "exists", "answerBoolean": True}])
        ),
        "a",
        "enableWhen names “z”",
    ),
]


@pytest.mark.parametrize(("tree", "place", "says"), BROKEN)
def test_a_broken_form_names_the_place_and_the_remedy(
    load: Load, tree: Json, place: str | None, says: str
) -> None:
    with pytest.raises(BadInstrument) as caught:
        load(tree)
    (problem,) = caught.value.problems
    assert problem.link_id == place
    assert says in problem.found
    assert problem.remedy
    assert "PHQ 9.json" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"resourceType": ', b"\xff\xfe", b'{"a": 1, "a": 2}', b"{}"])
def test_a_file_that_is_no_json_object_is_named(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "form.json"
    file.write_bytes(data)
    with pytest.raises(BadInstrument, match=r"form\.json"):
        load_instrument(file, manner=Manner())


def test_a_folder_of_files_and_folders_is_taken_and_the_broken_left_out(tmp_path: Path) -> None:
    save(tmp_path, plain(), "One Form.json")
    save(tmp_path, {"resourceType": "Patient"}, "person.json")
    forms.write(tmp_path / "two", forms.form(forms.question("a")))
    (tmp_path / "notes.txt").write_text("not a form", encoding="utf-8")
    stock = load_stock(places=(tmp_path,))
    assert [each.id for each in stock.instruments if each.own] == ["one-form", "two"]
    assert [Path(each.file).name for each in stock.left_out] == ["person.json"]


def test_one_file_or_one_instruments_folder_is_a_place(tmp_path: Path) -> None:
    file = save(tmp_path, plain())
    folder = forms.write(tmp_path / "two", forms.form(forms.question("a")))
    stock = load_stock(places=(file, folder))
    assert [each.id for each in stock.instruments if each.own] == ["phq-9", "two"]


def test_of_two_with_one_address_the_second_is_left_out(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        save(tmp_path, forms.form(forms.question("a")), name)
    stock = load_stock(places=(tmp_path,))
    assert [each.id for each in stock.instruments if each.own] == ["a"]
    assert "Another instrument has the canonical" in str(stock.left_out[0])


def test_of_a_bad_wording_pack_only_the_pack_is_left_out(tmp_path: Path) -> None:
    save_pack = tmp_path / "wording" / "tasc-r-child"
    save_pack.mkdir(parents=True)
    (save_pack / "en.json").write_text("{}", encoding="utf-8")
    stock = load_stock(wording=tmp_path / "wording")
    assert "tasc-r-child" in {each.id for each in stock.instruments}
    assert stock.left_out[0].wording


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            "1e999",
            "Questionnaire.item[0].extension[0].value: The number is larger than any that is kept",
        ),
        (
            "1e99999999999999999999",
            "Questionnaire.item[0].extension[0].value: The number is larger than any that is kept",
        ),
        ("1" + "0" * 400, "The number is larger than any that is kept"),
        ('"\\ud800"', "A text holds a character that is not Unicode"),
    ],
)
def test_what_no_reader_holds_is_refused_with_its_place(tmp_path: Path, written: str, says: str) -> None:
    item = {
        "linkId": "x",
        "type": "decimal",
        "text": "X",
        "extension": [{"url": "http://x.invalid/y", "valueDecimal": 7777}],
    }
    file = tmp_path / "form.json"
    file.write_text(
        json.dumps({"resourceType": "Questionnaire", "status": "draft", "item": [item]}).replace(
            "7777", written
        )
    )
    with pytest.raises(BadInstrument) as caught:
        load_instrument(file, manner=Manner())
    assert says in str(caught.value)
