"""Pages that belong to no patient: the start page, and every failure."""

from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

from plugin.pages.engine import asset, render


@dataclass(frozen=True, slots=True)
class FailurePage:
    """What happened and what to do; `reason` and `status` make the reference that a person can read out."""

    title: str
    what_happened: str
    what_to_do: str
    reason: str
    status: int
    asks_code: bool = False  # it stands in the way of a spoken code, which can be typed again
    back: str | None = None  # the launch or desk whose form was refused, which is open still
    unwritten: str | None = (
        None  # the text of a note that came after the sign-in was over: it stands nowhere else
    )


@dataclass(frozen=True, slots=True)
class SiteLink:
    """A configured site; its id makes the address /standalone/{id}."""

    id: str
    name: str
    has_staff: bool = False  # the site gives people roles beyond a patient's chart


@dataclass(frozen=True, slots=True)
class HomePage:
    """Rapport opened without an EHR around it."""

    sites: tuple[SiteLink, ...]
    version: str


@dataclass(frozen=True, slots=True)
class ProbePage:
    """Finds out whether the frame is sandboxed: where to go on if cookies can be used there, and where if not."""

    kept: str
    none: str


@dataclass(frozen=True, slots=True)
class DeparturePage:
    """On to the EHR's sign-in: by a form if there are `fields`. `binding` is remembered in the frame, if there is one."""

    address: str
    fields: tuple[tuple[str, str], ...] = ()
    binding: str | None = None


def render_probe(page: ProbePage, language: str = "en") -> str:
    """Ask the browser."""
    return render("public/probe.html", language=language, page=page)


def render_departure(page: DeparturePage, language: str = "en") -> str:
    """Leave for the sign-in."""
    return render("public/departure.html", language=language, page=page)


def render_arrival(page: FailurePage, language: str = "en") -> str:
    """Come back where cookies did not; the page says what is wrong where nothing was begun in this frame."""
    return render("public/arrival.html", language=language, page=page)


def carry(html: str, session: str, address: str) -> str:
    """Give a page the session that its script takes along, and the address that it stands for."""
    head = (
        f'<meta name="rapport-session" content="{escape(session)}">\n'
        f'<meta name="rapport-address" content="{escape(address)}">\n'
        f'<script src="{asset("carried.js")}"></script>\n'
    )
    # A frame without an origin may not draw symbols out of another file.
    with_own_symbols = html.replace(asset("icons.svg"), "").replace("</body>", f"{_symbols()}</body>", 1)
    return with_own_symbols.replace("<head>\n", f"<head>\n{head}", 1)


@cache
def _symbols() -> str:
    drawn = (files("plugin") / "static" / "icons.svg").read_text(encoding="utf-8")
    return drawn.replace("<svg ", "<svg hidden data-symbols ", 1)


def render_failure(page: FailurePage, language: str = "en") -> str:
    """Show what went wrong, calmly."""
    return render("public/failure.html", language=language, page=page)


def render_home(page: HomePage, language: str = "en") -> str:
    """Say what this is, and where it is opened from."""
    return render("public/home.html", language=language, page=page)
