"""Signing out: where somebody is signed in, what is asked before it is over, and that it is."""

from dataclasses import dataclass
from datetime import datetime

from plugin.pages.engine import render


@dataclass(frozen=True, slots=True)
class BrowserLine:
    """A browser in which the reader is signed in; `id` is a launch in it, by which it is ended."""

    id: str
    since: datetime
    last_used: datetime
    charts: int
    desks: int
    has_this_patient: bool
    handed_over: bool


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """Where the reader is signed in: in this browser and in others. `base` is the page that it was opened from."""

    base: str
    csrf: str
    here: BrowserLine | None
    others: tuple[BrowserLine, ...]
    is_named: bool  # the EHR said who the reader is: else other browsers cannot be known
    told: bool  # something was ended just now
    language: str = "en"
    look: str | None = None  # the address of the EHR's look, if it was opened from a chart that has one


@dataclass(frozen=True, slots=True)
class PartingPage:
    """What is asked before somebody signs out while a form that was begun here has not been sent, or a note not been saved."""

    base: str
    csrf: str
    forms: int  # with answers
    notes: tuple[str, ...] = ()  # the addresses at which their writing goes on
    language: str = "en"
    look: str | None = None  # as above


def render_sessions(page: SessionsPage) -> str:
    """Show where somebody is signed in."""
    return render("public/sessions.html", language=page.language, page=page)


def render_parting(page: PartingPage) -> str:
    """Ask once more."""
    return render("public/parting.html", language=page.language, page=page)


def render_signed_out(language: str) -> str:
    """Say that it is over, and what is not."""
    return render("public/signed_out.html", language=language)
