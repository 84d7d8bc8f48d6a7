"""The package's catalogue as one HTML page for people, readable without anything else beside it. Pure."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from questionnaires import Instrument, walk
from questionnaires.examples import read_unavailable


def write_page(instruments: tuple[Instrument, ...], version: str, date: str) -> bytes:
    """Write the page: who answers, standing, warnings, licence, questions with weights, scores, content hash; and what is not available."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files("plugin.packaging") / "catalogue.html").read_text("utf-8"))
    page = template.render(
        instruments=instruments, unavailable=read_unavailable(), walk=walk, version=version, date=date
    )
    return page.encode() + b"\n"
