"""Pages that belong to no patient: the start page, and every failure."""

from dataclasses import dataclass

from plugin.pages.engine import render


@dataclass(frozen=True, slots=True)
class Link:
    """A way on."""

    label: str
    address: str


@dataclass(frozen=True, slots=True)
class FailurePage:
    """What happened and what to do; `reason` and `status` make the reference that a person can read out."""

    title: str
    what_happened: str
    what_to_do: str
    reason: str
    status: int
    link: Link | None = None


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


def render_failure(page: FailurePage) -> str:
    """Show what went wrong, calmly."""
    return render("public/failure.html", page=page)


def render_home(page: HomePage) -> str:
    """Say what this is, and where it is opened from."""
    return render("public/home.html", page=page)
