"""A form or a score that the settings name and nobody has stops the start, with the names nearest to it."""

import json
import os
from pathlib import Path

import pytest

from plugin.errors import SettingsInvalid
from plugin.named_forms import check_names
from plugin.stock import open_stock_of
from tests.settings.test_settings import MINIMAL, SECRET, read
from tests.terminal import run_rapport

FORMS = "https://w3id.org/rapport-fhir/Questionnaire"
ROW = '[[site.flowsheet]]\nscore = "{}"\nsystem = "http://loinc.org"\ncode = "x"\n'
ACCEPTED = '[site.interpretation]\naccepted_by = "Head"\naccepted_on = 2026-01-31\ninstruments = ["{}"]\n'
LICENCE = (
    '[[site.licence]]\ninstrument = "{}"\nreference = "123"\nattested_by = "Me"\nattested_on = 2026-01-31\n'
)
RATER = '[[instruments.form]]\nid = "sesion"\nrater = "child"\n'
PLAN = {"resourceType": "PlanDefinition", "action": [{"definitionCanonical": f"{FORMS}/rapport-checkin-kid"}]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            ROW.format("rapport-checkin-kid-total"),
            r"\[\[site.flowsheet\]\] of clinic .*rapport-checkin-child-total",
        ),
        (
            ACCEPTED.format("rapport-checkin-chlid"),
            r"interpretation\] of clinic .*nearest: rapport-checkin-child",
        ),
        (LICENCE.format("sr"), r"\[\[site.licence\]\] of clinic names the form “sr”.*nearest: srs"),
        (RATER, r"\[\[instruments.form\]\] names the form “sesion”"),
        (
            'schedule = "plan.json"\n',
            "the schedule of clinic names .*rapport-checkin-kid, .*rapport-checkin-child",
        ),
    ],
)
def test_a_name_that_is_not_there_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN), encoding="utf-8")
    settings = read(tmp_path, MINIMAL + text)
    stock = open_stock_of(settings)
    with pytest.raises(SettingsInvalid, match=told):
        check_names(settings, stock.catalogue, stock.left_out)


def test_what_a_template_left_to_be_filled_in_is_told(tmp_path: Path) -> None:
    unfilled = '"FILL IN: from the registration"'
    settings = read(tmp_path, MINIMAL.replace('"rapport"', unfilled))
    with pytest.raises(SettingsInvalid, match="client_id of clinic still begins with FILL IN"):
        check_names(settings, open_stock_of(settings).catalogue)


def test_names_that_are_there_pass_and_so_do_those_of_a_form_that_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "forms" / "broken").mkdir(parents=True)
    (tmp_path / "forms" / "broken" / "questionnaire.json").write_text("{", encoding="utf-8")
    server = MINIMAL.replace("[[site]]", 'instruments = ["forms"]\n\n[[site]]')
    rows = ROW.format("rapport-checkin-child-total") + ROW.format("broken-total")
    settings = read(
        tmp_path, server + rows + ACCEPTED.format("rapport-checkin-child") + LICENCE.format("srs")
    )
    stock = open_stock_of(settings)
    assert [each.file for each in stock.left_out]
    check_names(settings, stock.catalogue, stock.left_out)


def test_neither_serve_nor_doctor_takes_a_score_that_is_not_there(tmp_path: Path) -> None:
    text = MINIMAL.replace("sqlite:///", f"sqlite:///{tmp_path}/") + ROW.format("rapport-checkin-kid-total")
    config = tmp_path / "rapport.toml"
    config.write_text(text, encoding="utf-8")
    environment = {**os.environ, "RAPPORT_SECRET_KEY": SECRET}
    for command in (("serve", "--port", "18701"), ("doctor", "https://ehr.invalid/r4")):
        done = run_rapport(*command, "--config", config, environment=environment)
        assert done.returncode == 1
        assert "“rapport-checkin-kid-total”" in done.stderr
        assert "Traceback" not in done.stderr
