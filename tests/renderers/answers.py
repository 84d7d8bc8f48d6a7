"""What a person does to give the answers of a response: one step an answer, in the order of the form."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from questionnaires.resources import STRUCTURE

Json = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """One answer: which question (linkId, and which repetition of each item around it, from 1), and what is given.

    `text` is typed; else `place` of `count` options is chosen, which a person finds by its `label` (None: without words).
    `again` is the group that must be added once more first.
    """

    link_id: str
    path: tuple[int, ...]
    text: str | None = None
    place: int = 0
    count: int = 0
    label: str | None = None
    again: str | None = None

    @property
    def repetition(self) -> int:
        """Which of the questions with this linkId, from 0: only groups that are not nested repeat in the kit."""
        return max(self.path) - 1


def answers_of(form: Json, response: Json) -> list[Given]:
    """Give the steps for a response; declined and computed items have none."""
    items = {item["linkId"]: item for item in every_item(form["item"])}
    return list(_steps(response.get("item", []), items, (), response.get("language", "en")))


def every_item(items: list[Json]) -> Iterator[Json]:
    """Give all items of a form or response, those below answers too."""
    for item in items:
        yield item
        yield from every_item(item.get("item", []))
        for answer in item.get("answer", []):
            yield from every_item(answer.get("item", []))


def _steps(
    answered: list[Json], items: dict[str, Json], path: tuple[int, ...], language: str
) -> Iterator[Given]:
    seen: dict[str, int] = {}
    for each in answered:
        link_id = each["linkId"]
        item = items[link_id]
        seen[link_id] = seen.get(link_id, 0) + 1
        here = (*path, seen[link_id])
        if item.get("readOnly"):
            continue
        below = list(_steps(each.get("item", []), items, here, language))
        if seen[link_id] > 1 and below:
            first = below[0]
            below[0] = Given(**{**_fields(first), "again": link_id})
        yield from below
        for answer in each.get("answer", []):
            if any(name.startswith("value") for name in answer):
                yield _given(link_id, here, item, answer, language)
            yield from _steps(answer.get("item", []), items, here, language)


def _fields(given: Given) -> dict[str, Any]:
    return {name: getattr(given, name) for name in given.__dataclass_fields__}


def _given(link_id: str, path: tuple[int, ...], item: Json, answer: Json, language: str) -> Given:
    (value,) = [value for name, value in answer.items() if name.startswith("value")]
    if item["type"] == "boolean":
        return Given(link_id, path, place=0 if value else 1, count=2, label="Yes" if value else "No")
    options = [_value(option) for option in item.get("answerOption", [])]
    if not options:
        return Given(link_id, path, text=str(value))
    place = next(place for place, option in enumerate(options) if _same(option, value))
    return Given(link_id, path, place=place, count=len(options), label=_label(options[place], language))


def _value(option: Json) -> Any:
    return next(value for name, value in option.items() if name.startswith("value"))


def _same(option: Any, value: Any) -> bool:
    if isinstance(option, dict):
        return bool(option["code"] == value["code"] and option.get("system") == value.get("system"))
    return bool(option == value)


def _label(option: Any, language: str) -> str | None:
    if not isinstance(option, dict):
        return str(option)
    for each in option.get("_display", {}).get("extension", []):
        parts = {part["url"]: part.get("valueCode") or part.get("valueString") for part in each["extension"]}
        if each["url"] == STRUCTURE + "translation" and parts["lang"] == language:
            return str(parts["content"])
    return option.get("display")
