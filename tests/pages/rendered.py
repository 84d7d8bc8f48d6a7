"""Which templates a page was made of: for tests that look at every page there is."""

from pathlib import Path

import jinja2
import pytest

from plugin import pages

TEMPLATES = Path(pages.__file__).parent / "templates"


def templates() -> set[str]:
    """Name all templates of pages."""
    return {each.relative_to(TEMPLATES).as_posix() for each in TEMPLATES.rglob("*.html")}


def note_templates(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Give a set that each template is put into as it is rendered, included or extended.

    Patched, because no page says what it is made of.
    """
    rendered: set[str] = set()
    get = jinja2.Environment.get_template

    def note(
        environment: jinja2.Environment, name: str | jinja2.Template, *more: object, **named: object
    ) -> jinja2.Template:
        found = get(environment, name, *more, **named)  # type: ignore[arg-type] # passed on as given
        rendered.add(found.name or "")
        return found

    monkeypatch.setattr(jinja2.Environment, "get_template", note)
    return rendered
