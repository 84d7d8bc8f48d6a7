"""What is wrong in a settings file, told by the names that stand in it, with what is expected there. Pure."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

# What a pattern of a setting asks for. A pattern without words here is shown as it is.
EXPECTED = {
    r"^https?://[^/?#]+$": "it must be https:// and a host, and a port if need be, without a path or a slash at the end",
    r"^https?://[^?#]+$": "it must be an https address without “?” and “#”",
    r"^https?://[^\s?#]+$": "it must be an https address without blanks, “?” and “#”",
    r"^[a-z0-9-]+$": "it must be the id of a form, as `rapport instruments list` shows it",
    r"^[a-z][a-z0-9-]{0,40}$": "it must begin with a small letter, then small letters, digits and hyphens, 41 at most",
    r"^[a-z0-9][a-z0-9-]{0,80}$": "it must be small letters, digits and hyphens, 81 at most, and not begin with a hyphen",
    r"^[^\s|]+\|[^\s|]+$": "it must be a canonical address with its version, “https://…|1.0”",
    r"^(Practitioner|PractitionerRole|Person)/[A-Za-z0-9\-.]{1,64}$": "it must be a reference such as “Practitioner/123”",
    r"^[A-Za-z0-9][A-Za-z0-9 ,()/-]{0,60}$": "it must begin with a letter or a digit, then letters, digits, blanks and , ( ) / -, 61 at most",
}


def describe_problems(
    content: Mapping[str, Any], model: type[BaseModel], errors: Sequence[ErrorDetails]
) -> str:
    """Tell every problem that `model` has with `content`: where it stands, and what is expected there."""
    places = [each["loc"] for each in errors]
    told = (
        f"{_place(content, each['loc'])}: {_reason(model, each)}"
        for each in errors
        # A list of which an entry cannot be used counts as one without it.
        if not (each["type"] == "too_short" and any(_is_inside(place, each["loc"]) for place in places))
    )
    return "; ".join(told)


def _is_inside(place: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _place(content: Mapping[str, Any], place: tuple[int | str, ...]) -> str:
    """Write a place as whoever edits the file finds it: a site by its id, other entries of a list by their number."""
    site, rest = "", place
    if len(place) > 1 and place[0] == "site" and isinstance(place[1], int):
        site, rest = f"site {_site_name(content, place[1])}", place[2:]
    written = ""
    for part in rest:
        if isinstance(part, int):
            written += f" {part + 1}"
        else:
            written += f".{part}" if written else part
    return ", ".join(filter(None, (site, written))) or "the file"


def _site_name(content: Mapping[str, Any], number: int) -> str:
    try:
        name = content["site"][number]["id"]
    except (KeyError, IndexError, TypeError):
        name = None
    return name if isinstance(name, str) and name else f"{number + 1}"


def _reason(model: type[BaseModel], error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "there is no such setting" + _nearest(
                str(error["loc"][-1]), _names_at(model, error["loc"])
            )
        case "string_pattern_mismatch":
            pattern = str(context.get("pattern"))
            return EXPECTED.get(pattern, f"it must match {pattern}")
        case "literal_error" | "enum":
            return f"it must be {context.get('expected')}"
        case "value_error":
            return str(context.get("error", error["msg"])).rstrip(".")
        case _:
            return error["msg"]


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, sorted(known), 1)
    return f"; {found[0]} is meant?" if found else ""


def _names_at(model: type[BaseModel], place: tuple[int | str, ...]) -> frozenset[str]:
    """List the settings that there are where one is not known."""
    models: frozenset[type[BaseModel]] = frozenset({model})
    for part in place[:-1]:
        if isinstance(part, str):
            fields = [each.model_fields[part].annotation for each in models if part in each.model_fields]
            models = frozenset(found for each in fields for found in _models_in(each))
    return frozenset(name for each in models for name in each.model_fields)


def _models_in(annotation: object) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
