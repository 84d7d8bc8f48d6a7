"""Fills the view models of the respondent's pages from invitations, instruments and the site's policy."""

from collections.abc import Mapping
from dataclasses import replace

from plugin.access.invitations import Invitation, KeptDraft
from plugin.errors import InvitationUnusable
from plugin.pages import (
    Audience,
    FormMode,
    FormView,
    GatePage,
    Kind,
    Option,
    Question,
    choose_language,
    interface_language,
)
from plugin.pages.figures import number
from plugin.pages.kinds import Asked, asked_of, step_of
from plugin.pages.words import N_, colon, translations
from plugin.respondents import RespondentPolicy
from plugin.responses.labels import PROMISES, Label
from plugin.routes.promises import promises_of, sign_promises
from plugin.routes.state import Rapport
from plugin.routes.trend_views import label_of
from plugin.scores import Score, needed_together, tells_together
from plugin.scores.together import INCOMPLETE, WITHHELD
from plugin.writing import DEFAULT_WRITING, WriterKind
from questionnaires import Instrument, Rater, Wording

_MODES: Mapping[str | None, FormMode] = {
    "sequential": FormMode.ONE,
    "prior-edit": FormMode.ONE,
    "random": FormMode.ALL,
}
"""By SDC's entry mode. None is without a way back: whoever answers may look over and change before sending."""

_WRITTEN = frozenset({Kind.LINE, Kind.LINES, Kind.TEXT})

_MEANING = N_(
    "This is not a mark, and nothing here is right or wrong. You can ask the therapist what it means."
)


def form_of(rapport: Rapport, invitation: Invitation) -> Instrument:
    """Give the form in the version that was begun; InvitationUnusable if the installation has it no longer."""
    found = rapport.intake.catalogue.find(invitation.instrument)
    if found is None:
        raise _changed()
    return found


def _changed() -> InvitationUnusable:
    return InvitationUnusable("This form was changed after it was begun.", "Ask for a new one.")


def form_view(rapport: Rapport, invitation: Invitation, draft: KeptDraft, reader: str) -> FormView:
    """Fill the respondent's form. It holds no weight and no score. `reader`: the language of whoever copies a paper."""
    instrument = form_of(rapport, invitation)
    if invitation.language not in instrument.languages:
        raise _changed()
    view = empty_form(rapport, invitation.site, instrument, invitation.language, invitation.rater, reader)
    # Whoever goes on reads what they read when they began: a resumed form does not show it before its first question again.
    if Label.ANSWERS_NOT_SHOWN in draft.promised:
        view = replace(view, audience=Audience.SCORES)
    if Label.ANSWERS_NOT_FOR_AUDITORS in draft.promised:
        view = replace(view, auditors_read=False)
    promised = promises_of(view) | {each for each in PROMISES if each in draft.promised}
    return replace(
        view,
        promised=sign_promises(rapport.ledger.vault, invitation.id, promised),
        answers={
            link_id: None if isinstance(each, dict) else each for link_id, each in draft.answers.items()
        },
        reasons={
            link_id: each["absent"] for link_id, each in draft.answers.items() if isinstance(each, dict)
        },
        mark=draft.mark,
        about=invitation.answered_on,
    )


def empty_form(
    rapport: Rapport, site: str, instrument: Instrument, language: str, by: str, reader: str
) -> FormView:
    """Fill a form that nobody has answered, as a site shows it to one of its raters (`by`) in one of its languages."""
    wording = instrument.wording(language)
    policy = rapport.settings.policies[site].respondents
    # What is entered from paper is in the clinician's hands, whoever filled the paper.
    from_paper = instrument.licence_kind == "score-entry"
    rater = Rater.THERAPIST if from_paper else by
    key = rapport.intake.keys[instrument.canonical]
    asks_sharing = asks_before_sharing(policy, by, instrument)
    return FormView(
        title=wording.title,
        intro=wording.intro,
        language=language,
        rater=rater,
        questions=tuple(_question(each, wording) for each in asked_of(instrument)),
        asks_why=policy.ask_why_skipped,
        mode=_mode(policy, rater, instrument),
        audience=audience_of(rapport, site),
        auditors_read=rapport.settings.policies[site].auditors_see_answers,
        asks_sharing=asks_sharing,
        tells_together=tells_together(key),
        needed_together=needed_together(key) if asks_sharing else frozenset(),
        shows_score=rater in policy.show_score_to,
        attribution=_attribution(instrument.questionnaire.copyright or ""),
        attribution_language=instrument.questionnaire.language or "en",
        from_paper=from_paper,
        reader=reader if from_paper else None,
    )


def _attribution(notice: str) -> str:
    """Keep what must be shown beside the wording. CC0 asks for nothing, and says nothing to whoever answers."""
    return "\n\n".join(part for part in notice.split("\n\n") if part and not part.startswith("CC0 "))


def _mode(policy: RespondentPolicy, rater: str, instrument: Instrument) -> FormMode:
    """Say whether a form shows one question at a time: as the form itself says, else by who answers and the age it is for.

    By the form's age, not the person's: the same form looks the same to whoever answers it.
    """
    if instrument.entry_mode in _MODES:
        return _MODES[instrument.entry_mode]
    youngest = instrument.age_years[0] or 0
    is_old_enough = 0 < policy.whole_form_from_age <= youngest
    return FormMode.ONE if rater == Rater.CHILD and not is_old_enough else FormMode.ALL


def asks_before_sharing(policy: RespondentPolicy, rater: str, instrument: Instrument) -> bool:
    """Tell whether a respondent decides about single answers: the young person, where the site has it so."""
    return policy.ask_before_sharing and rater == Rater.CHILD and instrument.licence_kind != "score-entry"


def audience_of(rapport: Rapport, site: str) -> Audience:
    """Say who can read single answers afterwards, by what the site writes and shows."""
    writers = rapport.settings.writing.get(site, DEFAULT_WRITING).writers
    # Where the site does not choose, the EHR is given what it takes: the answers, too.
    if writers is None or {WriterKind.RESPONSE, WriterKind.COMPANION} & set(writers):
        return Audience.RECORD
    return Audience.CARE_TEAM if rapport.settings.policies[site].show_item_answers else Audience.SCORES


def gate_page(rapport: Rapport, invitation: Invitation, accept_language: str, back: str | None) -> GatePage:
    """Fill the page that asks a caregiver first: on their own device in its language, for the form's is the child's."""
    forms = interface_language(invitation.language)
    own = choose_language(accept_language, forms) if invitation.remote else forms
    policy = rapport.settings.policies[invitation.site]
    return GatePage(
        invitation.gate or "",
        own,
        back,
        audience_of(rapport, invitation.site),
        auditors_read=policy.auditors_see_answers,
        asks_sharing=asks_before_sharing(policy.respondents, invitation.rater, form_of(rapport, invitation)),
    )


def score_lines(instrument: Instrument, scores: tuple[Score, ...], language: str) -> list[str]:
    """Write what a respondent may see of the result, where the site lets them, in the language of their form.

    A score that is missing says so, and where none has a value that is said once; one that is withheld from clinicians
    stands here neither: they hold the device next.
    """
    spoken = interface_language(language)
    names = {each.link_id: label_of(each.display, spoken) for each in instrument.scores}
    told = [each for each in scores if each.absent_reason != WITHHELD]
    _ = translations(spoken).gettext
    if len(told) > 1 and all(each.value is None for each in told):
        whole = all(map(_is_unanswered, told))
        return [_("No result, because not every question was answered.") if whole else _("No result.")]
    lines = [_score_line(names[each.link_id], each, spoken) for each in told]
    has_result = any(each.value is not None for each in told)
    return [*lines, _(_MEANING)] if has_result else lines


def _is_unanswered(score: Score) -> bool:
    return bool(score.missing) or score.absent_reason == INCOMPLETE


def _score_line(name: str, score: Score, language: str) -> str:
    _ = translations(language).gettext
    if score.value is None:
        told = (
            _("%(name)s: no result, because not every question was answered.")
            if _is_unanswered(score)
            else _("%(name)s: no result.")
        )
        return told % {"name": name}
    value = number(score.value, language)
    if score.low is None or score.high is None:
        return f"{name}{colon(language)} {value}"
    facts = {
        "name": name,
        "value": value,
        "low": number(score.low, language),
        "high": number(score.high, language),
    }
    if score.low == 0:
        return _("%(name)s: %(value)s of %(high)s points") % facts
    return _("%(name)s: %(value)s points. The lowest possible is %(low)s, the highest %(high)s.") % facts


def _question(asked: Asked, wording: Wording) -> Question:
    item = asked.item
    return Question(
        link_id=item.link_id,
        text=wording.items[item.link_id],
        options=tuple(Option(each.code, wording.options[item.link_id, each.code]) for each in item.options),
        required=item.required,
        low=item.low if not item.options else None,
        high=item.high if not item.options else None,
        kind=asked.kind,
        whole=item.type == "integer" or item.places == 0,
        places=item.places,
        first=item.first,
        last=item.last,
        longest=item.max_length if asked.kind in _WRITTEN or item.type == "open-choice" else None,
        open=bool(item.options) and item.type == "open-choice",
        above=tuple(wording.items[each] for each in asked.above if each in wording.items),
        conditions=asked.conditions,
        step=step_of(item) if asked.kind is Kind.SLIDER else None,
        ends=(_text(wording, asked.ends[0]), _text(wording, asked.ends[1])),
        help=tuple(wording.items[each] for each in asked.help if each in wording.items),
    )


def _text(wording: Wording, link_id: str | None) -> str:
    return wording.items.get(link_id, "") if link_id else ""
