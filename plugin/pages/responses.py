"""Every response of a patient, however old: the way to each of them."""

from dataclasses import dataclass

from plugin.pages.delivery import FINAL
from plugin.pages.engine import render
from plugin.pages.patient import RecentResponse


@dataclass(frozen=True, slots=True)
class ResponsesPage:
    """Every response of a patient that the ledger has, the newest answer first; `altered` says whether rows are not shown."""

    launch: str
    patient: str
    responses: tuple[RecentResponse, ...]
    altered: str = ""
    look: str | None = None  # the address of the EHR's look, if it has one
    csrf: str = ""
    reader: str = "en"  # the language of whoever reads this page

    @property
    def in_motion(self) -> bool:
        """True if a delivery may still change by itself."""
        return any(each.state not in FINAL for each in self.responses)


def render_responses(page: ResponsesPage) -> str:
    """Show the clinician every response of a patient."""
    return render("clinician/responses.html", language=page.reader, page=page)
