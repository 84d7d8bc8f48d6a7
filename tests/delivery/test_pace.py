"""`[site.delivery]`: what a site may set, and what the page of settings says of it."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from plugin.pace import Pace
from plugin.settings import is_loopback
from plugin.site_sections import WritingSection, build_writing
from plugin.writing import DEFAULT_WRITING

PAGE = Path(__file__).parents[2] / "docs/reference/delivery.md"


def pace(**delivery: object) -> Pace:
    section = WritingSection.model_validate({"delivery": delivery})
    return build_writing(section, "clinic", lambda how, name: None, is_loopback).pace  # type: ignore[arg-type, return-value]


def test_a_site_that_sets_nothing_has_the_defaults_of_the_code() -> None:
    assert pace() == Pace() == DEFAULT_WRITING.pace


def test_the_page_names_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    fields = type(WritingSection().delivery).model_fields
    assert {name: float(default) for name, default in rows.items()} == {
        name: float(field.default) for name, field in fields.items()
    }


@pytest.mark.parametrize("wrong", [{"at_once": 0}, {"per_second": 0}, {"order_hours": -1}, {"speed": 1}])
def test_a_pace_that_cannot_be_kept_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        pace(**wrong)
