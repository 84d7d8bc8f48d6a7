"""The EHR's look (smart_style_url): colours, sizes and fonts, read with suspicion.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling
"""

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass

import httpx
import msgspec

from smart_launch.errors import SmartError
from smart_launch.site import Site
from smart_launch.wire import fetch

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_SIZE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)(px|rem|em|pt)?")
_FONTS = re.compile(r"[A-Za-z0-9 ,_'\"-]{1,200}")
_PIXELS = {"px": 1.0, "": 1.0, "rem": 16.0, "em": 16.0, "pt": 4 / 3}
_PATIENCE = 3.0  # seconds that a launch waits for a look, however slowly it drips
_MOST = 100  # looks that are remembered: an EHR has few, and gives each an address of its own


@dataclass(frozen=True, slots=True)
class Style:
    """What of the EHR's look could be read: colours as #rrggbb, sizes in pixels; None where it says nothing usable."""

    color_background: str | None = None
    color_error: str | None = None
    color_highlight: str | None = None
    color_modal_backdrop: str | None = None
    color_success: str | None = None
    color_text: str | None = None
    dim_border_radius: float | None = None
    dim_font_size: float | None = None
    dim_spacing_size: float | None = None
    font_family_body: str | None = None
    font_family_heading: str | None = None


def read_style(values: object) -> Style:
    """Take the values that are plain colours, sizes or font names; whatever else stands there is left out."""
    given = values if isinstance(values, dict) else {}
    found: dict[str, str | float | None] = {}
    for name in Style.__dataclass_fields__:
        value = given.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found[name] = _READERS[name.partition("_")[0]](str(value).strip())
    return Style(**found)  # type: ignore[arg-type]  # each reader gives the type of its fields


def read_colour(text: str) -> str | None:
    """Read #rgb or #rrggbb as #rrggbb."""
    if not _HEX.fullmatch(text):
        return None
    digits = text[1:].lower()
    return f"#{digits}" if len(digits) == 6 else "#" + "".join(each * 2 for each in digits)


def read_size(text: str) -> float | None:
    """Read a length in pixels."""
    found = _SIZE.fullmatch(text)
    return round(float(found[1]) * _PIXELS[found[2] or ""], 3) if found else None


def read_fonts(text: str) -> str | None:
    """Read a list of font names: letters, digits, hyphens, in whole quotes."""
    names = [each.strip() for each in text.split(",")]
    whole = all(
        re.fullmatch(r"[A-Za-z0-9 _-]+|'[A-Za-z0-9 _-]+'|\"[A-Za-z0-9 _-]+\"", each) for each in names
    )
    return ", ".join(names) if _FONTS.fullmatch(text) and whole else None


_READERS = {"color": read_colour, "dim": read_size, "font": read_fonts}


class Styles:
    """Fetches looks, each address once: it changes when the look does."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._known: OrderedDict[tuple[str, str], Style] = OrderedDict()

    async def find(self, site: Site, address: str | None, http: httpx.AsyncClient) -> Style | None:
        """Give the look at an address of the site's hosts; None if there is none to be had soon: a look stops no launch."""
        if address is None:
            return None
        known = self._known.get((site.id, address))
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._patience):
                response = await fetch(site, http, address, "style")
        except (SmartError, TimeoutError):
            return None
        if response.status_code != httpx.codes.OK:
            return None
        try:
            found = read_style(msgspec.json.decode(response.content))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        self._known[site.id, address] = found
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return found
