"""Reads the links and forms of a page as a browser would follow and send them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass
class Field:
    """One input, list or group of buttons: what it sends as it stands there (None: nothing), and what else may be chosen."""

    name: str
    kind: str
    given: str | None = ""
    is_required: bool = False
    others: list[str | None] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it wants words, or a choice, and has none."""
        return self.is_required and not self.given

    @property
    def filled(self) -> str | None:
        """What somebody would write or choose, if it is wanted and not there."""
        if not self.is_open:
            return self.given
        return next((each for each in self.others if each), "Written by hand")

    @property
    def wrong(self) -> list[str]:
        """What somebody may write who is in a hurry."""
        if self.kind == "date":
            return ["", "next; week"]
        return ["x", ""] if self.kind in {"text", "textarea"} else ["12"] if self.kind == "password" else []


@dataclass
class Form:
    method: str
    action: str
    fields: list[Field] = field(default_factory=list)
    presses: list[tuple[str, str]] = field(default_factory=list)  # what each button that sends it adds

    @property
    def as_it_stands(self) -> dict[str, str]:
        """What it sends if nobody changes anything."""
        return {each.name: each.given for each in self.fields if each.given is not None}

    def keeps(self, data: dict[str, str]) -> bool:
        """Tell whether it has each field of what was sent, as it was sent: all but what is hidden, and PINs."""
        seen = [each for each in self.fields if each.kind not in {"hidden", "password"}]
        return data.keys() >= {"press"} or all(each.given == data.get(each.name) for each in seen)

    def sent(self) -> Iterator[dict[str, str]]:
        """Give it filled, with every other choice there is, and by each of its buttons."""
        plain = {each.name: each.filled for each in self.fields} | dict(self.presses[:1])
        changed = [{**plain, each.name: other} for each in self.fields for other in each.others]
        pressed = [{**plain, name: value} for name, value in self.presses if name]
        for whole in (plain, *changed, *pressed):
            yield {name: value for name, value in whole.items() if name and value is not None}

    def mistaken(self) -> Iterator[dict[str, str]]:
        """Give it with something wrong in one place after the other, the last choice of each list beside."""
        plain = {each.name: (each.others or [each.filled])[-1] for each in self.fields} | dict(
            self.presses[:1]
        )
        wrong = [{**plain, each.name: given} for each in self.fields for given in each.wrong]
        unmade = {
            each.name: None for each in self.fields if each.kind in {"radio", "checkbox"} and each.is_open
        }
        for whole in (*wrong, *([{**plain, **unmade}] if unmade else [])):
            yield {name: value for name, value in whole.items() if name and value is not None}


class Ways(HTMLParser):
    """Reads the links and forms of a page as a browser would send them, and what it says of a refusal."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.sentences: set[str] = set()
        self._is_open = False
        self._field: Field | None = None  # a list or a box of text whose content comes
        self._within = ("", 0)  # what tells of a refusal, and how many elements of its kind are open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self._enter(tag, told)
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])
        elif tag == "form":
            self._is_open = True
            self.forms.append(Form(told.get("method", "get"), told.get("action", "")))
        elif not self._is_open or "disabled" in told:
            return
        elif tag == "option" and self._field is not None:
            value = told.get("value", "")
            if "selected" in told or not self._field.others:
                self._field.given = value
            self._field.others.append(value)
        elif tag == "button" and told.get("type", "submit") == "submit":
            self.forms[-1].presses.append((told.get("name", ""), told.get("value", "")))
        elif told.get("name") and tag in {"input", "select", "textarea"}:
            self._add(tag, told)

    def _enter(self, tag: str, told: dict[str, str]) -> None:
        outer, depth = self._within
        if depth and tag == outer:
            self._within = (outer, depth + 1)
        elif not depth and (told.get("role") == "alert" or "message" in told.get("class", "").split()):
            self._within = (tag, 1)

    def _add(self, tag: str, told: dict[str, str]) -> None:
        kind = told.get("type", "text") if tag == "input" else tag
        form, name, value = self.forms[-1], told["name"], told.get("value", "")
        if kind in {"radio", "checkbox"}:
            group = next((each for each in form.fields if each.name == name), None)
            if group is None:
                group = Field(name, kind, None, "required" in told, [None] if kind == "checkbox" else [])
                form.fields.append(group)
            group.others.append(value)
            group.given = value if "checked" in told else group.given
        else:
            made = Field(name, kind, value, "required" in told)
            form.fields.append(made)
            self._field = None if tag == "input" else made

    def handle_data(self, data: str) -> None:
        if self._field is not None and self._field.kind == "textarea":
            self._field.given = f"{self._field.given}{data}".removeprefix("\n")
        elif self._within[1] and data.strip().count(" "):
            self.sentences |= {each.strip(" .") for each in " ".join(data.split()).split(". ")}

    def handle_endtag(self, tag: str) -> None:
        outer, depth = self._within
        if depth and tag == outer:
            self._within = (outer, depth - 1)
        if tag == "form":
            self._is_open = False
        elif tag in {"select", "textarea"}:
            self._field = None


def ways_of(page: httpx.Response) -> Ways:
    read = Ways()
    read.feed(page.text)
    return read


def form_to(page: httpx.Response, address: str) -> Form:
    """Give the first form of a page that leads to an address, by its end."""
    return next(each for each in ways_of(page).forms if each.action.endswith(address))
