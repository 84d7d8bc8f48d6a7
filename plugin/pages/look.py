"""Dresses our pages in the EHR's colours and sizes, as far as everything stays readable (WCAG 2.2 AA).

A colour that would take contrast from any text is left out. The look stands in the address of the style sheet, whose
values are read anew each time: nothing but colours, sizes and font names can come of it.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from urllib.parse import urlencode

from smart_launch.style import Style, read_style

TEXT_CONTRAST = 4.5  # WCAG 2.2 success criterion 1.4.3
DRAWN_CONTRAST = 3.0  # and 1.4.11
_WORDS = ("--ink", "--quiet", "--accent", "--alert")
_DRAWN = tuple(f"--series-{number}" for number in range(6))
_TINT = 0.1

Colours = dict[str, str]


def look_address(style: Style | None) -> str | None:
    """Give the address of the style sheet of a look; None if it says nothing that we take."""
    if style is None:
        return None
    told = {name: value for name in Style.__dataclass_fields__ if (value := getattr(style, name)) is not None}
    return f"/look.css?{urlencode(told)}" if told else None


def write_look(values: Mapping[str, str]) -> str:
    """Write the style sheet of a look."""
    style = read_style(values)
    colours = choose_colours(style)
    lines = [f"{name}: {value};" for name, value in colours.items()]
    if colours:
        lines.append(f"color-scheme: {'dark' if is_dark(colours['--paper']) else 'light'};")
    if style.dim_border_radius is not None:
        lines.append(f"--round: {_between(style.dim_border_radius, 0, 24):g}px;")
    if style.dim_font_size is not None:
        # A share of what the reader has set, so that larger letters stay possible.
        lines.append(f"font-size: {_between(style.dim_font_size / 16 * 100, 87.5, 125):g}%;")
    sheet = f":root {{ {' '.join(lines)} }}\n"
    if style.dim_spacing_size is not None:
        sheet += f".card {{ padding: {_between(style.dim_spacing_size, 8, 32):g}px; }}\n"
    if style.font_family_body is not None:
        sheet += f"body {{ font-family: {style.font_family_body}, sans-serif; }}\n"
    if style.font_family_heading is not None:
        sheet += f"h1, h2, h3 {{ font-family: {style.font_family_heading}, sans-serif; }}\n"
    return sheet


def choose_colours(style: Style) -> Colours:
    """Choose every colour of our pages: the EHR's where all words on it can be read, ours elsewhere; {} to keep our own."""
    ground = style.color_background
    whole = _ground(ground, style.color_text) if ground else None
    base = whole or dict(_palettes()[0])
    accented = _accented(base, style)
    return accented if whole or accented != base else {}


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours (WCAG 2.2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def is_dark(colour: str) -> bool:
    """Tell whether white reads better on it than black."""
    return contrast(colour, "#ffffff") > contrast(colour, "#000000")


def is_readable(colours: Colours) -> bool:
    """Tell whether all that stands on something can be read there."""
    grounds = ("--paper", "--surface", "--tint")
    words = all(
        contrast(colours[word], colours[ground]) >= TEXT_CONTRAST for word in _WORDS for ground in grounds
    )
    drawn = all(
        contrast(colours[each], colours["--surface"]) >= DRAWN_CONTRAST for each in (*_DRAWN, "--edge")
    )
    return (
        words
        and drawn
        and contrast(colours["--on-accent"], colours["--accent"]) >= TEXT_CONTRAST
        and contrast(colours["--alert"], colours["--alert-tint"]) >= TEXT_CONTRAST
        and contrast(colours["--ink"], colours["--alert-tint"]) >= TEXT_CONTRAST
    )


def _ground(ground: str, ink: str | None) -> Colours | None:
    """Put our colours on the EHR's ground, with its ink if that can be read; None if ours cannot be read there."""
    palette = _palettes()[is_dark(ground)]
    surface = palette["--surface"] if not is_dark(ground) else _mixed("#ffffff", ground, 0.04)
    tint = _mixed(palette["--accent"], surface, _TINT)
    plain = {**palette, "--paper": ground, "--surface": surface, "--tint": tint}
    for colours in ({**plain, "--ink": ink} if ink else plain, plain):
        if is_readable(colours):
            return colours
    return None


def _accented(base: Colours, style: Style) -> Colours:
    colours = base
    if style.color_highlight:
        accent = style.color_highlight
        on_accent = "#ffffff" if is_dark(accent) else "#101418"
        tint = _mixed(accent, base["--surface"], _TINT)
        wanted = {**colours, "--accent": accent, "--on-accent": on_accent, "--tint": tint}
        colours = wanted if is_readable(wanted) else colours
    if style.color_error:
        tint = _mixed(style.color_error, base["--surface"], _TINT)
        wanted = {**colours, "--alert": style.color_error, "--alert-tint": tint}
        colours = wanted if is_readable(wanted) else colours
    return colours


@cache
def _palettes() -> tuple[Colours, Colours]:
    """Read our own colours out of our style sheet: by day and by night."""
    sheet = (files("plugin") / "static" / "rapport.css").read_text(encoding="utf-8")
    day, night = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)[:2]
    by_day, by_night = (
        {name: _whole(value) for name, value in re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{3,6});", block)}
        for block in (day, night)
    )
    return by_day, {**by_day, **by_night}


def _whole(colour: str) -> str:
    return colour if len(colour) == 7 else "#" + "".join(each * 2 for each in colour[1:])


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(mine * share + theirs * (1 - share)):02x}" for mine, theirs in pairs)


def _luminance(colour: str) -> float:
    red, green, blue = (
        channel / 255 / 12.92 if channel / 255 <= 0.04045 else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _between(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))
