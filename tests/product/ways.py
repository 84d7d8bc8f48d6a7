"""Reads the links and forms of a page as a browser would follow and send them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass
class Field:
    """One input or list, with what it sends as it stands there and what else may be chosen."""

    name: str
    given: str = ""
    is_required: bool = False
    others: list[str] = field(default_factory=list)


@dataclass
class Form:
    method: str
    action: str
    fields: list[Field] = field(default_factory=list)

    @property
    def as_it_stands(self) -> dict[str, str]:
        """What it sends if nobody changes anything."""
        return {each.name: each.given for each in self.fields}

    def sent(self) -> Iterator[dict[str, str]]:
        """Give it as it stands there, and with every other choice of every list."""
        plain = self.as_it_stands
        yield plain
        yield from ({**plain, each.name: other} for each in self.fields for other in each.others)

    @property
    def wants_words(self) -> bool:
        return any(each.is_required and not each.given for each in self.fields)


class Ways(HTMLParser):
    """Reads the links and forms of a page as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._is_open = False
        self._list: Field | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])
        elif tag == "form":
            self._is_open = True
            self.forms.append(Form(told.get("method", "get"), told.get("action", "")))
        elif not self._is_open or "disabled" in told:
            return
        elif tag == "option" and self._list is not None:
            value = told.get("value", "")
            if "selected" in told or not self._list.others:
                self._list.given = value
            self._list.others.append(value)
        elif told.get("name") and tag in {"input", "select", "textarea"}:
            if told.get("type") in {"radio", "checkbox"} and "checked" not in told:
                return
            made = Field(told["name"], told.get("value", ""), "required" in told)
            self.forms[-1].fields.append(made)
            self._list = made if tag == "select" else self._list

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False
        elif tag == "select":
            self._list = None


def ways_of(page: httpx.Response) -> Ways:
    read = Ways()
    read.feed(page.text)
    return read


def form_to(page: httpx.Response, address: str) -> Form:
    """Give the first form of a page that leads to an address, by its end."""
    return next(each for each in ways_of(page).forms if each.action.endswith(address))
