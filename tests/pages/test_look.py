"""The EHR's colours and sizes on our pages: taken where everything stays readable, and nothing else ever."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.pages.look import choose_colours, contrast, is_readable, look_address, write_look
from sandbox_ehr.oauth.discovery import STYLE
from smart_launch.style import Style, read_style

_COLOURS = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")
_NAMES = [name for name in Style.__dataclass_fields__ if name.startswith("color")]


def test_the_colours_of_a_readable_look_are_taken() -> None:
    colours = choose_colours(read_style(STYLE))
    assert (colours["--paper"], colours["--ink"]) == (STYLE["color_background"], STYLE["color_text"])
    assert (colours["--accent"], colours["--alert"]) == (STYLE["color_highlight"], STYLE["color_error"])


def test_sizes_and_fonts_are_taken() -> None:
    sheet = write_look(STYLE)
    assert "--round: 6px;" in sheet
    assert "font-size: 93.75%;" in sheet
    assert "padding: 16px" in sheet
    assert "body { font-family: system-ui, 'Segoe UI'" in sheet


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_NAMES, _COLOURS)))
def test_whatever_the_ehr_sends_everything_can_be_read(values: dict[str, str]) -> None:
    colours = choose_colours(read_style(values))
    assert colours == {} or is_readable(colours)


@pytest.mark.parametrize("ground", ["#808080", "#ff0000"])
def test_a_ground_on_which_our_words_cannot_be_read_is_left_out(ground: str) -> None:
    assert choose_colours(Style(color_background=ground)) == {}


def test_a_dark_ehr_gets_a_dark_page() -> None:
    sheet = write_look({"color_background": "#101820", "color_text": "#eeeeee"})
    assert "color-scheme: dark;" in sheet


def test_ink_that_cannot_be_read_on_the_ground_is_left_out() -> None:
    colours = choose_colours(Style(color_background="#ffffff", color_text="#cccccc"))
    assert contrast(colours["--ink"], "#ffffff") >= 4.5


@pytest.mark.parametrize(
    "value",
    [
        "red;} body{display:none",
        "url(https://attacker.invalid/)",
        "expression(alert(1))",
        "#12345",
        "</style><script>",
        "1px;}",
        "Arial; } * { background: url(//attacker.invalid) }",
        "'Arial",
        "var(--x)",
        "@import 'x'",
    ],
)
def test_nothing_but_colours_sizes_and_font_names_comes_through(value: str) -> None:
    assert read_style(dict.fromkeys(Style.__dataclass_fields__, value)) == Style()
    assert write_look(dict.fromkeys(Style.__dataclass_fields__, value)) == ":root {  }\n"


@given(st.dictionaries(st.sampled_from(sorted(Style.__dataclass_fields__)), st.text(max_size=60)))
def test_no_text_breaks_out_of_the_style_sheet(values: dict[str, str]) -> None:
    sheet = write_look(values)
    assert sheet.count("{") == sheet.count("}")
    assert not re.search(r"url|@|<|\\|/\*|expression", sheet)


def test_sizes_stay_usable() -> None:
    sheet = write_look({"dim_font_size": "2px", "dim_border_radius": "900px", "dim_spacing_size": "500px"})
    assert "font-size: 87.5%;" in sheet
    assert "--round: 24px;" in sheet
    assert "padding: 32px" in sheet


def test_a_look_that_says_nothing_has_no_style_sheet() -> None:
    assert look_address(Style()) is None
    assert look_address(None) is None
