"""Which form a site may use, by what a page or an address names; and a look at one, before anybody is asked to answer it."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Header, Query
from fastapi.responses import HTMLResponse

from plugin.access.launches import Launch
from plugin.errors import Invalid
from plugin.pages import PreviewPage, look_up, render_preview
from plugin.routes.compressed import compressed
from plugin.routes.form_views import empty_form
from plugin.routes.state import CurrentLaunch, CurrentRapport, Rapport, language_for
from plugin.routes.views import why_not_here
from plugin.stock import is_offered
from questionnaires import Instrument, Rater, UnknownQuestionnaire

router = APIRouter(prefix="/launches/{launch}/forms")

# Seconds for which a browser shows the same form again without asking: it holds nothing of anybody. Its script asks with an
# answer whether the device was handed over meanwhile.
_FRESH = 600


@router.get("/{form}")
async def look_at(
    form: str,
    found: CurrentLaunch,
    rapport: CurrentRapport,
    language: Annotated[str, Query(max_length=20)] = "",
    who: Annotated[str, Query(max_length=64, pattern="^[0-9a-f]*$")] = "",
    accept_language: Annotated[str, Header(max_length=500)] = "",
    accept_encoding: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """Show a form as those see it who answer it, to be tried: nothing that is chosen there leaves the page.

    `who`, a mark that says nothing of them, goes along to the way back.
    """
    reader = language_for(rapport, found.site, accept_language)
    instrument = choose_form(rapport, found.site, form, language or None)
    chosen = language or look_up(reader, instrument.languages) or instrument.languages[0]
    view = empty_form(rapport, found.site, instrument, chosen, instrument.rater, reader)
    of = f"/launches/{found.id}"
    respondents = rapport.settings.policies[found.site].respondents
    page = PreviewPage(
        view=replace(
            view, back=f"{of}?{urlencode({'form': instrument.id, 'language': chosen, 'who': who})}#start"
        ),
        form=instrument.id,
        address=f"{of}/forms/{quote(instrument.id, safe='')}",
        lock=f"{of}/return",
        who=who,
        languages=instrument.languages,
        language=reader,
        consent_below_age=0
        if view.from_paper or view.rater != Rater.CHILD
        else respondents.consent_below_age,
    )
    answer = compressed(render_preview(page), accept_encoding, again=False)
    answer.headers["Cache-Control"] = f"private, max-age={_FRESH}"
    answer.headers.add_vary_header("Accept-Language")
    return answer


def mark_of(rapport: Rapport, launch: Launch, respondent: str) -> str:
    """Give what stands for a person in the addresses of a launch: the same each time, and nothing without this installation."""
    return rapport.ledger.vault.digest("looked-at", f"{launch.id} {respondent}")


def choose_form(rapport: Rapport, site: str, form: str, language: str | None) -> Instrument:
    """Give today's version of a form that a site may have filled in a language (None: in any); Invalid, with the reason, for another."""
    try:
        chosen = rapport.intake.catalogue.by_id(form)
    except UnknownQuestionnaire:
        raise Invalid("No form is chosen.", "Choose the form that fits who answers.") from None
    if not is_offered(chosen, site, rapport.settings):
        raise Invalid(
            f"The form {chosen.id} belongs to another site.",
            "Choose one of those that the patient page offers.",
        )
    if (why_not := why_not_here(chosen, rapport.settings.policies[site].attested)) is not None:
        raise Invalid(f"{chosen.title} cannot be filled here. {why_not}", "Choose another form.")
    if language is not None and language not in chosen.languages:
        raise Invalid(
            f"{chosen.title} is not available in “{language}”.",
            f"Choose one of {', '.join(chosen.languages)}.",
        )
    return chosen
