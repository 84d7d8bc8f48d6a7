"""Notes for the record: the draft that a clinician edits, and what was written with how far it is."""

from dataclasses import dataclass
from datetime import datetime

from plugin.pages.delivery import FINAL, DeliveryMark
from plugin.pages.engine import render
from plugin.pages.patient import NoteLine, PatientPage, facts_of, scales_of
from plugin.pages.sentences import left_out_of, sentences_of


@dataclass(frozen=True, slots=True)
class DraftPage:
    """A draft to edit. `can_write` if the EHR lets Rapport write documents; else the text can be copied."""

    launch: str
    csrf: str
    note: str
    who: str
    text: str
    can_write: bool
    language: str
    most: int
    is_kept: bool = False  # the text is what was written before in this sign-in, and not saved
    problem: str = ""  # why it could not be taken as it stands here
    earlier: NoteLine | None = None  # the last note that was written from the same launch
    look: str | None = None  # the address of the EHR's look, if it has one


@dataclass(frozen=True, slots=True)
class NotePage:
    """A note that was written, and how far it is on its way into the record."""

    launch: str
    csrf: str
    note: str
    who: str
    text: str
    when: datetime
    state: DeliveryMark
    detail: str
    location: str | None
    language: str
    is_again: bool = False  # the same text was sent once more, and nothing was written
    look: str | None = None  # the address of the EHR's look, if it has one

    @property
    def can_retry(self) -> bool:
        """Whether trying again makes sense: it is not in the record, and nothing is under way."""
        return self.state not in {DeliveryMark.DELIVERED, DeliveryMark.SENDING}

    @property
    def in_motion(self) -> bool:
        """True if it may still change by itself."""
        return self.state not in FINAL


def draft_text(page: PatientPage) -> str:
    """Write what a patient page shows as plain text: who answered, each rater's scores, and what the site lets be read of them."""
    scales = scales_of(page)
    facts = facts_of(page, scales)
    text = render(
        "clinician/draft.txt",
        language=page.language,
        page=page,
        scales=scales,
        facts=facts,
        sentences=sentences_of(page.trend, page.language),
        left_out=left_out_of(page.trend, page.language),
    )
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(kept).strip() + "\n"


def render_draft(page: DraftPage) -> str:
    """Show the draft."""
    return render("clinician/draft.html", language=page.language, page=page)


def render_note(page: NotePage) -> str:
    """Show what was written."""
    return render("clinician/note.html", language=page.language, page=page)
