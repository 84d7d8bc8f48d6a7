"""The package's catalogue as one HTML page for people, readable without anything else beside it. Pure."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from questionnaires import Instrument, walk


def write_page(instruments: tuple[Instrument, ...], version: str, date: str) -> bytes:
    """Write the page: who answers, standing, licence, questions with weights, scores with ranges, content hash."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files("plugin.packaging") / "catalogue.html").read_text("utf-8"))
    return template.render(instruments=instruments, walk=walk, version=version, date=date).encode() + b"\n"
