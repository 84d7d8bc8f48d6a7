"""Fills the view models of the pages from what launches, charts, accounts and instruments hold."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal

from plugin.access.gates import GateAnswer, is_waiting
from plugin.access.invitations import FILLABLE, Invitation, InvitationState
from plugin.access.launches import Launch
from plugin.access.sessions import LockedDevice
from plugin.auditing.unfolding import Unfolded, unfold
from plugin.days import Age, age_on, day_alone, day_of
from plugin.delivery.account import Account, Attempt, whole
from plugin.delivery.choosing import can_write_some, wanted_there
from plugin.delivery.notes import SentNote
from plugin.delivery.pdf import can_render
from plugin.erasure import Erasure
from plugin.norming import Norm
from plugin.pages import (
    AnswerLine,
    Banner,
    Contact,
    DeliveryAttempt,
    DeliveryMark,
    InstrumentChoice,
    ItemAccount,
    LockedForm,
    NoteLine,
    Notice,
    NoticeKind,
    OpenForm,
    PatientPage,
    RecentResponse,
    RespondentChoice,
    ResponsePage,
    ScoreAccount,
    ScoreLine,
    delivery_label,
)
from plugin.pages.figures import day, list_of, number
from plugin.pages.kinds import why_not_shown
from plugin.pages.look import look_address
from plugin.pages.response import PASSED_OVER
from plugin.pages.responses import ResponsesPage
from plugin.pages.retold import retell
from plugin.pages.worded import Worded
from plugin.pages.words import N_, colon, translations
from plugin.plan import addresses_of
from plugin.responses import Answers, take_answers
from plugin.responses.labels import Label, read_labels
from plugin.routes.absences import absence_of
from plugin.routes.answered import answered_of
from plugin.routes.asked import AskedFor
from plugin.routes.chart import CAREGIVERS, Chart, Respondent, Unread, as_observer
from plugin.routes.next_steps import choose_tips
from plugin.routes.pressing import with_missing_forms
from plugin.routes.relationships import told_relationship
from plugin.routes.schedule_notices import told_of_schedule
from plugin.routes.state import Rapport, csrf_token
from plugin.routes.trend_views import label_of, language_of, name_of, points_of, read_trend, title_of
from plugin.schedule import Due, SiteSchedule
from plugin.settings import Attestation
from plugin.stock import is_offered
from plugin.tips import told_in
from plugin.trends.contacts import ThisSession
from plugin.writing import DEFAULT_WRITING
from questionnaires import Catalogue, Instrument, Item, Rater, Wording, walk

_STANDING = (
    N_(
        "Not validated: no study of reliability or validity exists, no norm and no cut-off. "
        "Use it to open a conversation, not to judge or to predict."
    ),
)
"""What the open forms say of themselves; the others' holders are quoted in English, as their files say it."""
_WITH_NORMS = N_(
    "Not validated: no study of reliability or validity exists, and no cut-off; its norms are your service's own. "
    "Use it to open a conversation, not to judge or to predict."
)
"""The same where a norm for them is in use."""

_NOT_INSTALLED = N_(
    "This version of the form is not installed now: its stored scores are shown, not computed again."
)


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a patient for their page.

    `recent` are the latest responses, `kept` those that the plot takes; `norms` are those that the site has adopted;
    `newer` is when another patient's chart was opened in this browser since; `waited` if the EHR was given longer.
    """

    chart: Chart
    recent: tuple[Account, ...]
    kept: tuple[Account, ...]
    under_way: tuple[tuple[Invitation, int], ...]
    norms: tuple[Norm, ...]
    notes: tuple[SentNote, ...] = ()
    newer: datetime | None = None
    waited: bool = False
    erased: tuple[Erasure, ...] = ()
    is_long: bool = False  # the record's history was left for later
    barred: tuple[LockedDevice, ...] = ()  # devices on which too many PINs were wrong
    altered: int = 0  # responses whose rows were altered in the database: named, and not counted
    altered_forms: int = 0  # invitations of which the same is true
    unsent: tuple[Invitation, ...] = ()  # forms that ended without being sent, each the last of somebody
    many: int = 0  # responses that the ledger has, those among them that are not read


def patient_page(rapport: Rapport, launch: Launch, known: Known, csrf: str, language: str) -> PatientPage:
    """Fill the patient page; `language` is the reader's."""
    catalogue = rapport.intake.catalogue
    chart = _told_apart(known.chart, language)
    policy = rapport.settings.policies[launch.site]
    today, zone = rapport.today(launch.site), rapport.zone_of(launch.site)
    age = age_on(chart.born, today)
    banner = Banner(chart.name, chart.born, age)
    people = chart.people
    clinician = people.get(launch.user or "")
    # Who can answer is offered once it is whole, or cannot be: the caregivers follow by themselves.
    offered = () if CAREGIVERS in chart.late and not known.waited else chart.respondents
    normed = {each.group.instrument for each in known.norms}
    forms = tuple(
        _choice(
            each,
            policy.attested,
            language,
            has_norm=not normed.isdisjoint(catalogue.alike(each.canonical)),
        )
        for each in _first_choice_first(catalogue.all(), age)
        if is_offered(each, launch.site, rapport.settings)
    )
    # Most services have nobody who observes, and no form for it.
    if any(each.rater == Rater.OBSERVER and each.unavailable is None for each in forms):
        offered = (*offered, *(observer for each in offered for observer in as_observer(each)))
    session = ThisSession(chart.contacts, launch.encounter, today, zone)
    # In the order of their answers, each once.
    answered: dict[tuple[str, str], Rater] = {
        (each.respondent or "", each.rater): each.rater
        for each in answered_of(known.recent, chart.points, catalogue)
        if session.has(each.encounter, each.when)
    }
    heard = _Heard(
        chart.session,
        set(answered),
        # What is about another day is no part of this session.
        {(each.source, each.rater) for each, _ in known.under_way if each.answered_on in (None, today)},
        {
            (each.source, each.rater): _tell_unsent(rapport, each, zone, language)
            for each in known.unsent
            if (each.source, each.rater) not in answered or each.gate_answer == GateAnswer.REFUSED
        },
        age,
        chart.has_died,
    )
    # Out of a part of the history nothing is read, and nothing in it compared; what else is late is no matter.
    is_part = known.is_long or chart.is_part
    interpretation = None if is_part else policy.interpretation
    trend = read_trend(
        catalogue, chart, known.kept, people, known.norms, zone, interpretation, language, today=today
    )
    here = {(each.reference, each.rater) for each in (*chart.respondents, *offered)}
    page = PatientPage(
        launch=launch.id,
        csrf=csrf,
        today=today,
        clinician=(clinician.name if clinician else "") or "",
        respondents=tuple(_respondent(rapport, launch, each, heard, language) for each in offered),
        instruments=forms,
        age=age,
        link_from_age=0 if policy.respondents.link_with_caregiver else policy.link_from_age,
        asks_consent=policy.respondents.consent_below_age > 0
        and (age is None or age.low < policy.respondents.consent_below_age),
        banner=banner if launch.context.need_patient_banner else None,
        printed=banner,
        session=chart.session,
        contact=Contact(chart.contact, chart.virtual) if launch.encounter else None,
        is_uncounted=chart.session is None
        and any(_depends_on_number(rapport, launch, each.rater, age) for each in offered),
        of_session=chart.of_session,
        responses=tuple(_recent(catalogue, account, people, zone, language) for account in known.recent),
        kept=known.many,
        trend=trend,
        tips=tuple(told_in(each, language) for each in choose_tips(interpretation, chart, trend, age)),
        language=language,
        look=look_address(launch.context.style),
        messaging=_messaging(launch, policy.frame_ancestors),
        notices=(
            *_notices(launch, known, zone, language),
            *_not_written(rapport, launch, language),
            *told_of_schedule(rapport, launch.site, language),
        ),
        open_forms=tuple(
            _open_form(catalogue, (each, answered), people, rapport.clock(), language)
            for each, answered in known.under_way
        ),
        locked=tuple(LockedForm(each.form, each.locked) for each in known.barred if each.form),
        notes=tuple(
            NoteLine(each.note.id, each.note.written, DeliveryMark(each.state), retell(each.detail, language))
            for each in known.notes
        ),
        can_pdf=can_render(),
        late=bool(chart.late) and not known.waited,
        is_part=is_part,
        is_unread=not chart.has_history,
        also_answered=tuple(
            trend.called.get(who) or name_of(people.get(who), rater, language)
            for (who, _), rater in answered.items()
            if who and (who, rater) not in here
        ),
    )
    return with_missing_forms(page)


def _told_apart(chart: Chart, language: str) -> Chart:
    """Say what somebody is who has the name of another, such as a father and his son; the young person's stands alone."""
    names = Counter(each.name.casefold() for each in (*chart.respondents, *chart.others) if each.name)

    def tell(people: tuple[Respondent, ...]) -> tuple[Respondent, ...]:
        return tuple(
            replace(each, name=f"{each.name} ({_what_is(each, language)})")
            if names[each.name.casefold()] > 1 and each.rater != Rater.CHILD
            else each
            for each in people
        )

    return replace(chart, respondents=tell(chart.respondents), others=tell(chart.others))


def _what_is(who: Respondent, language: str) -> str:
    told = told_relationship(who.relationship, who.kinship, language)
    return told or name_of(None, who.rater, language)


def _first_choice_first(instruments: Iterable[Instrument], age: Age | None) -> list[Instrument]:
    """Sort forms: drafts behind, and before them what is entered from paper; the first that fits is chosen beforehand.

    Of two that may fit an age which is not certain, or not known at all, it is the one for younger people: both understand
    that.
    """
    is_uncertain = age is None or not age.is_certain

    def key(form: Instrument) -> tuple[bool, bool, int]:
        young = (form.age_years[0] or 0) if is_uncertain else 0
        return form.status == "draft", form.licence_kind == "score-entry", young

    return sorted(instruments, key=key)


def ask_for(page: PatientPage, asked: AskedFor | None) -> PatientPage:
    """Put the form that the EHR asks for first, with whom it is for; say so where it is not to be had here."""
    if asked is None:
        return page
    _ = translations(page.language).gettext
    chosen = next(
        (each for each in page.instruments if each.id == asked.instrument and each.unavailable is None), None
    )
    if chosen is None:
        text = _("The EHR asks for a form that cannot be filled here: %(form)s.") % {"form": asked.canonical}
        return replace(page, notices=(Notice(NoticeKind.PROBLEM, text), *page.notices))
    fitting = [each for each in page.respondents if each.rater == chosen.rater]
    first = next((each for each in fitting if each.reference == asked.respondent), None) or next(
        iter(fitting), None
    )
    text = _("The EHR asks for this form: %(form)s.") % {"form": chosen.title}
    if asked.answers:
        text += " " + _("It was begun there; what can be taken over stands in it already.")
    notice = Notice(NoticeKind.INFORMATION, text)
    return replace(
        page,
        asked_for=chosen.id,
        continues=asked.response,
        instruments=(chosen, *(each for each in page.instruments if each is not chosen)),
        respondents=(*([first] if first else []), *(each for each in page.respondents if each is not first)),
        notices=(notice, *page.notices),
    )


def _messaging(launch: Launch, ancestors: tuple[str, ...]) -> tuple[str, str] | None:
    """Give handle and origin of the EHR's window; only an origin that may frame us is spoken to."""
    told = launch.context.messaging
    return (told.handle, told.origin) if told is not None and told.origin in ancestors else None


@dataclass(frozen=True, slots=True)
class _Heard:
    """Of this session: its number, who has answered, who has a form just now, whose last form was not sent, the patient's age.

    People by reference and rater: a clinician may be therapist and observer.
    """

    session: int | None
    answered: set[tuple[str, str]]
    under_way: set[tuple[str, str]]
    unsent: Mapping[tuple[str, str], str]
    age: Age | None
    is_over: bool = False  # the patient has died: nobody is asked any more


def _respondent(
    rapport: Rapport, launch: Launch, who: Respondent, heard: _Heard, language: str
) -> RespondentChoice:
    schedule = rapport.schedules.of(launch.site)
    forms = addresses_of(rapport.intake.catalogue, who.rater, heard.age)
    standing, is_due = _standing(schedule.of(forms), who, heard, language)
    name = name_of(who, who.rater, language)
    key = (who.reference, who.rater)
    return RespondentChoice(
        who.reference,
        name,
        who.rater,
        told_relationship(who.relationship, who.kinship, language),
        standing,
        is_due,
        key in heard.answered,
        key in heard.under_way,
        _due_forms(schedule, forms, heard.session),
        who.spoken,
        heard.unsent.get(key, ""),
    )


def _tell_unsent(rapport: Rapport, last: Invitation, zone: tzinfo, language: str) -> str:
    """Say what became of somebody's last form; nothing of what a clinician withdrew."""
    if last.state is InvitationState.WITHDRAWN and last.gate_answer != GateAnswer.REFUSED:
        return ""
    state = form_state(rapport.intake.catalogue, last, 0, rapport.clock(), language).label
    return translations(language).gettext("Not sent: the form of %(day)s (%(why)s)") % {
        "day": day(last.answered_on or day_of(last.created, zone), language),
        "why": state,
    }


def _depends_on_number(rapport: Rapport, launch: Launch, rater: Rater, age: Age | None) -> bool:
    """Tell whether somebody's form is due at certain sessions only; an observer's is agreed between people."""
    schedule = rapport.schedules.of(launch.site).of(addresses_of(rapport.intake.catalogue, rater, age))
    return rater != Rater.OBSERVER and schedule.next_after(0) is not None and not schedule.is_every


def _due_forms(schedule: SiteSchedule, forms: tuple[str, ...], session: int | None) -> tuple[str, ...]:
    return tuple(
        each
        for each in forms
        if (session is None and schedule.of((each,)).next_after(0) is not None)
        or (session is not None and schedule.of((each,)).is_due(session))
    )


def _standing(schedule: Due, who: Respondent, heard: _Heard, language: str) -> tuple[str, bool]:
    _ = translations(language).gettext
    if (who.reference, who.rater) in heard.answered:
        return _("has answered"), False
    if (who.reference, who.rater) in heard.under_way:
        return _("has a form"), False
    if who.rater == Rater.OBSERVER:
        return "", False  # who observes, and when, is agreed between people
    if heard.is_over:
        return "", False
    if schedule.next_after(0) is None:
        return _("not due"), False
    if heard.session is None or schedule.is_due(heard.session):
        return _("due"), True
    following = schedule.next_after(heard.session)
    if following is None:
        return _("not due"), False
    return _("due in session %(number)s") % {"number": following}, False


def response_page(
    rapport: Rapport,
    launch: Launch,
    account: Account,
    attempts: tuple[Attempt, ...],
    chart: Chart,
    language: str = "en",
) -> ResponsePage:
    """Fill the page of one response; single answers only where the site lets clinicians see them.

    Numbers that a clinician entered from paper are shown always.
    """
    record, catalogue = account.record, rapport.intake.catalogue
    rater = Rater(record.rater)
    who = chart.people.get(record.source or "")
    nearest = catalogue.nearest(record.instrument)
    title = title_of(nearest, language) if nearest else record.instrument.partition("|")[0]
    from_paper = nearest is not None and nearest.licence_kind == "score-entry"
    is_told = from_paper or rapport.settings.policies[launch.site].show_item_answers
    shown = is_told and not record.answers_held_back
    # Of whoever did not agree no more is told than that they have answered.
    is_shared = Label.ANSWERS_NOT_SHARED not in read_labels(record.body)
    unfolding = unfold(record, catalogue, rapport.intake.keys)
    wording = _wording(nearest, record.language) if nearest is not None else None
    said = translations(language).gettext
    warnings: tuple[str, ...] = ()
    label, lines = said(_NOT_INSTALLED), None
    if nearest is not None and unfolding.problem is None:
        label = (said(nearest.status_note) if nearest.status_note else "") + _threshold_note(
            rapport, launch, nearest, language
        )
        warnings = tuple(said(each) for each in nearest.warnings)
        _, answers = take_answers(record.body, nearest, patient=record.patient)
        lines = _answer_lines(nearest, record.language, answers)
    elif unfolding.instrument is not None and unfolding.problem is not None:
        label = unfolding.problem
    return ResponsePage(
        launch=launch.id,
        id=record.id,
        who=name_of(who, rater, language),
        rater=rater,
        relationship=told_relationship(who.relationship, who.kinship, language) if who else "",
        when=record.authored,
        about=day_alone(record.authored, record.received, rapport.zone_of(launch.site)),
        instrument=title,
        version=record.instrument.partition("|")[2],
        label=label,
        warnings=warnings,
        language=record.language or "",
        scores=tuple(
            # Which questions were left out is told with the answers, or by the site's policy; never against the respondent.
            _account(
                replace(each, items=()) if record.answers_withheld else each,
                nearest,
                wording,
                shown=shown,
                language=language,
            )
            for each in unfolding.scores
        ),
        state=DeliveryMark(account.state),
        detail=retell(account.detail, language),
        attempts=tuple(DeliveryAttempt(each.when, _result(each, language)) for each in attempts),
        locations=account.locations,
        identifier=record.identifier,
        questionnaire=record.instrument,
        key_hash=record.key_hash,
        software=f"Rapport {account.software}",
        answers=lines if shown else None,
        without=_without(lines or ()) if not shown and is_shared else (),
        look=look_address(launch.context.style),
        csrf=csrf_token(rapport, launch),
        voided=record.voided,
        amended=record.revision > 0 and not record.voided,
        revised=record.revised,
        why=record.why,
        collected=record.collected,
        reader=language,
        citations=unfolding.citations,
    )


def questions_of(instrument: Instrument) -> tuple[Item, ...]:
    """List what a respondent answers, in order."""
    return tuple(item for item in walk(instrument.items) if item.is_question)


def why_not_here(
    instrument: Instrument, attested: Mapping[str, Attestation], language: str = "en"
) -> str | None:
    """Say why a form cannot be filled in Rapport; None if it can. `attested` are the site's licences for score entry."""
    if instrument.licence_kind == "score-entry" and instrument.id not in attested:
        return translations(language).gettext(
            "Its scores are entered from paper, once your service has attested its licence in the settings."
        )
    return why_not_fillable(instrument, language)


def why_not_fillable(instrument: Instrument, language: str = "en") -> str | None:
    """Say why Rapport's own page cannot show a form, wherever it is used; None if it can."""
    if instrument.licence_kind != "score-entry" and not instrument.fillable:
        return translations(language).gettext("Its wording must be supplied by your service's licence.")
    return why_not_shown(instrument)


def _threshold_note(rapport: Rapport, launch: Launch, instrument: Instrument, language: str) -> str:
    attested = rapport.settings.policies[launch.site].attested.get(instrument.id)
    if attested is None or attested.threshold is None:
        return ""
    told = translations(language).gettext("Your service's own threshold for the total: %(threshold)s.")
    return " " + told % {"threshold": number(attested.threshold, language)}


def _standing_note(instrument: Instrument, language: str, *, has_norm: bool) -> str:
    """Say how far a form may be relied on: of the open forms in the reader's language, of others as their files say it."""
    said = translations(language).gettext
    note = _WITH_NORMS if has_norm and instrument.status_note in _STANDING else instrument.status_note
    return " ".join(said(each) for each in (note, *instrument.warnings) if each)


def _choice(
    instrument: Instrument, attested: Mapping[str, Attestation], language: str, *, has_norm: bool
) -> InstrumentChoice:
    low, high = instrument.age_years
    return InstrumentChoice(
        id=instrument.id,
        title=title_of(instrument, language),
        rater=instrument.rater,
        label=_standing_note(instrument, language, has_norm=has_norm),
        languages=instrument.languages,
        by_clinician=instrument.licence_kind == "score-entry",
        is_dated=instrument.is_dated,
        label_language=language if instrument.status_note in _STANDING else "en",
        address=instrument.canonical.partition("|")[0],
        age_from=low,
        age_to=high,
        unavailable=why_not_here(instrument, attested, language),
    )


@dataclass(frozen=True, slots=True)
class FormState:
    """How far a form is, in words."""

    instrument: str
    label: str
    is_open: bool


def form_state(
    catalogue: Catalogue, invitation: Invitation, answered: int, now: datetime, language: str = "en"
) -> FormState:
    """Say how far a form is: sent out, opened, half done, sent."""
    _ = translations(language).gettext
    instrument = catalogue.nearest(invitation.instrument)
    asked = len(questions_of(instrument)) if instrument else 0
    # What is asked only after some answers is not left open where it is not asked.
    most = instrument is not None and any(item.conditions for item in walk(instrument.items))
    so_far = (
        _("%(answered)s of at most %(asked)s answered") if most else _("%(answered)s of %(asked)s answered")
    )
    title = title_of(instrument, language) if instrument else invitation.instrument
    is_open = invitation.state in FILLABLE
    if invitation.state is InvitationState.EXPIRED or (is_open and invitation.expires <= now):
        return FormState(title, _("its time has passed"), is_open=False)
    if is_open and is_waiting(invitation):
        return FormState(title, _("waits for a caregiver"), is_open)
    label = {
        InvitationState.CREATED: _("not opened yet"),
        InvitationState.OPENED: so_far % {"answered": answered, "asked": asked} if answered else _("opened"),
        InvitationState.SUBMITTED: _("sent"),
        InvitationState.WITHDRAWN: _("the caregiver did not agree")
        if invitation.gate_answer == GateAnswer.REFUSED
        else _("withdrawn"),
    }[invitation.state]
    return FormState(title, label, is_open)


def _open_form(
    catalogue: Catalogue,
    form: tuple[Invitation, int],
    people: Mapping[str, Respondent],
    now: datetime,
    language: str,
) -> OpenForm:
    invitation, answered = form
    state = form_state(catalogue, invitation, answered, now, language)
    who = name_of(people.get(invitation.source), Rater(invitation.rater), language)
    about = invitation.answered_on
    return OpenForm(invitation.id, who, state.instrument, state.label, remote=invitation.remote, about=about)


def _told_altered(number: int, language: str) -> str:
    """Say how many responses are not shown because their rows were altered; nothing if none is."""
    text = translations(language).ngettext(
        "%(num)d response is not shown: its row in the database was altered. Tell your administrator: rapport audit verify names it.",
        "%(num)d responses are not shown: their rows in the database were altered. Tell your administrator: rapport audit verify names them.",
        number,
    )
    return text % {"num": number} if number else ""


def responses_page(
    rapport: Rapport, launch: Launch, accounts: Sequence[Account], chart: Chart, language: str
) -> ResponsesPage:
    """Fill the page of all responses of a patient; those whose rows were altered are counted and not shown."""
    zone = rapport.zone_of(launch.site)
    people = _told_apart(chart, language).people
    shown = sorted(whole(accounts), key=lambda each: each.record.authored, reverse=True)
    return ResponsesPage(
        launch=launch.id,
        patient=chart.name,
        responses=tuple(_recent(rapport.intake.catalogue, each, people, zone, language) for each in shown),
        altered=_told_altered(len(accounts) - len(shown), language),
        look=look_address(launch.context.style),
        csrf=csrf_token(rapport, launch),
        reader=language,
    )


def _recent(
    catalogue: Catalogue, account: Account, people: Mapping[str, Respondent], zone: tzinfo, language: str
) -> RecentResponse:
    _ = translations(language).gettext
    record = account.record
    nearest = catalogue.nearest(record.instrument)
    known = {score.link_id: score for score in nearest.scores} if nearest else {}
    lines = tuple(
        ScoreLine(
            label=label_of(known[point.score].display, language, language_of(nearest)),
            value=None if point.value is None else Decimal(str(point.value)),
            low=known[point.score].low,
            high=known[point.score].high,
            absent=absence_of(point.absent, nearest, language) if nearest else point.absent,
        )
        for point in points_of(catalogue, account)
        if point.score in known
    )
    detail = retell(account.detail, language)
    return RecentResponse(
        id=record.id,
        when=record.authored,
        about=day_alone(record.authored, record.received, zone),
        who=name_of(people.get(record.source or ""), Rater(record.rater), language),
        rater=record.rater,
        instrument=title_of(nearest, language) if nearest else record.instrument.partition("|")[0],
        scores=lines,
        state=DeliveryMark(account.state),
        detail=f"{_('Entered in error')}. {detail}".strip() if record.voided else detail,
    )


def _account(
    score: Unfolded, form: Instrument | None, wording: Wording | None, *, shown: bool, language: str
) -> ScoreAccount:
    """Show one score of the score ledger; answers and weights only where this reader may see them."""
    options = wording.options if wording else {}
    return ScoreAccount(
        label=label_of(score.label, language, language_of(form)),
        value=score.stored,
        low=score.low,
        high=score.high,
        method=score.rule,
        items=tuple(
            ItemAccount(
                _worded(each.text, wording),
                _worded(options.get((each.link_id, each.answer or "")) or each.answer or "", wording) or None
                if shown
                else None,
                each.weight if shown else None,
                each.is_reversed,
                each.is_skipped,
            )
            for each in score.items
        ),
        absent=absence_of(score.absent, form, language) if form else score.absent,
        differs=score.agrees is False,
    )


def _wording(instrument: Instrument, language: str | None) -> Wording | None:
    """Give the wording that was answered, or the form's own; None where the site has none."""
    chosen = language if language in instrument.languages else next(iter(instrument.languages), None)
    return instrument.wording(chosen) if chosen else None


def _answer_lines(instrument: Instrument, language: str | None, answers: Answers) -> tuple[AnswerLine, ...]:
    """List what was asked, in order, each with its number on the form; what was passed over among it."""
    wording = _wording(instrument, language)
    lines = []
    for place, item in enumerate(questions_of(instrument), start=1):
        given = answers.given.get(item.link_id, ())
        is_passed = not given and item.link_id not in answers.declined and item.link_id not in answers.absent
        if is_passed and item.conditions:
            continue  # perhaps it was not asked
        words = [
            (wording.options.get((item.link_id, each.code)) if wording else None) or each.code
            for each in given
        ]
        text = wording.items.get(item.link_id, item.link_id) if wording else item.link_id
        answer = _worded(", ".join(words), wording) or None
        absent = PASSED_OVER if is_passed else answers.absent.get(item.link_id, "")
        lines.append(AnswerLine(_worded(text, wording), answer, absent, place))
    return tuple(lines)


def _without(lines: Iterable[AnswerLine]) -> tuple[tuple[str, int], ...]:
    """Count the questions without an answer by why there is none: the score's items tell already which they are."""
    return tuple(Counter(each.absent for each in lines if each.answer is None).items())


def _worded(text: str, wording: Wording | None) -> str:
    """Give words of a form the language that it was answered in, where that is known."""
    return Worded(text, wording.language) if wording else text


def _result(attempt: Attempt, language: str) -> str:
    label = delivery_label(attempt.state, language)
    return f"{label}{colon(language)} {retell(attempt.detail, language)}" if attempt.detail else label


_PARTS = {
    "the patient": N_("the patient"),
    "the caregivers": N_("the caregivers"),
    "this session": N_("this session"),
    "earlier scores": N_("earlier scores"),
    "the sessions": N_("the sessions"),
    "the medication": N_("the medication"),
    "the names of some medicines": N_("the names of some medicines"),
}
"""What the chart calls its parts."""


def _notices(launch: Launch, known: Known, zone: tzinfo, language: str) -> Iterable[Notice]:
    _ = translations(language).gettext
    again = f"/launches/{launch.id}?wait=true"

    if known.newer is not None:
        who = {"who": known.chart.name or _("another patient")}
        yield Notice(
            NoticeKind.PROBLEM,
            _(
                "This page is still of %(who)s. Another patient was opened in this browser since; go on there, or be sure "
                "that you mean %(who)s."
            )
            % who,
        )
    if known.chart.has_died:
        yield Notice(NoticeKind.INFORMATION, _("The record says that this patient has died: nobody is due."))
    if known.altered:
        yield Notice(NoticeKind.PROBLEM, _told_altered(known.altered, language), is_of_scores=True)
    if known.altered_forms:
        text = translations(language).ngettext(
            "%(num)d form that was given out is not used any more: its row in the database was altered. Tell your administrator: rapport audit verify names it.",
            "%(num)d forms that were given out are not used any more: their rows in the database were altered. Tell your administrator: rapport audit verify names them.",
            known.altered_forms,
        )
        yield Notice(NoticeKind.PROBLEM, text % {"num": known.altered_forms})
    if known.is_long:
        yield Notice(
            NoticeKind.INFORMATION,
            _("The latest sessions are shown; earlier ones follow by themselves."),
            retry=again,
        )
    elif known.chart.late and not known.waited:
        yield Notice(
            NoticeKind.INFORMATION,
            _("The EHR is slow. This is what Rapport has itself; the rest follows by itself."),
            retry=again,
        )
    for each in known.erased:
        yield Notice(
            NoticeKind.INFORMATION,
            _(
                "What Rapport had of this patient was erased on %(day)s: %(why)s. What stands in the EHR is not Rapport's "
                "to erase."
            )
            % {"day": day(day_of(each.decided, zone), language), "why": each.why},
            is_of_scores=True,
        )
    yield from _not_given(known, again, language)


def _not_written(rapport: Rapport, launch: Launch, language: str) -> Iterable[Notice]:
    """Tell before anything is answered that nothing will be written to the record: no token may, or the EHR takes nothing."""
    site, sender = rapport.settings.sites[launch.site], rapport.sender
    writing = rapport.settings.writing.get(launch.site, DEFAULT_WRITING)
    wanted, capability = wanted_there(writing), sender.known_capability(site.id)
    tokens = (launch.context.granted, sender.own_scopes(site))
    if not wanted or any(can_write_some(writing, each, capability) for each in tokens):
        return
    _ = translations(language).gettext
    missing = [each for each in wanted if capability is None or each in capability.creates]
    if not missing:
        text = _(
            "The EHR takes nothing of what Rapport would write there (%(kinds)s). What is answered is kept in Rapport, and does not go into the record."
        )
        yield Notice(NoticeKind.INFORMATION, text % {"kinds": ", ".join(wanted)})
        return
    text = _(
        "The EHR has not granted Rapport the right to write (missing: %(rights)s). What is answered is kept in Rapport, and does not go into the record."
    )
    yield Notice(NoticeKind.INFORMATION, text % {"rights": ", ".join(f"{each}.c" for each in missing)})


def _not_given(known: Known, again: str, language: str) -> Iterable[Notice]:
    """Tell what the EHR did not give of the chart, and what it does not keep."""
    _ = translations(language).gettext
    if known.chart.late and known.waited:
        yield Notice(
            NoticeKind.PROBLEM,
            _("The EHR did not give %(part)s in time") % {"part": _listed(known.chart.late, language)},
            retry=again,
            is_of_scores=True,
        )
    if CAREGIVERS in known.chart.lacking:
        text = _("The EHR keeps no caregivers: the young person and the therapist can answer here.")
        yield Notice(NoticeKind.QUIET, text)
    if known.chart.is_of_scores_alone and known.chart.points:
        text = _(
            "The EHR does not let Rapport read the responses behind the record's scores: one that was marked as entered in error there may still count here."
        )
        yield Notice(NoticeKind.INFORMATION, text, is_of_scores=True)
    for part in _parts_by_reason(known.chart.unread, language):
        text = _("The EHR did not give %(part)s") % {"part": part}
        yield Notice(NoticeKind.PROBLEM, text, retry=again, is_of_scores=True)


def _parts_by_reason(unread: Iterable[Unread], language: str) -> Iterable[str]:
    """Word the parts that have one reason in common together, with the reason in parentheses."""
    parts: dict[str, list[str]] = {}
    for each in unread:
        parts.setdefault(each.reason, []).append(each.part)
    for reason, names in sorted(parts.items(), key=lambda each: min(map(_place, each[1]))):
        yield _listed(names, language) + (f" ({retell(reason, language)})" if reason else "")


def _listed(parts: Iterable[str], language: str) -> str:
    """Name parts in the page's order, whichever failed first."""
    _ = translations(language).gettext
    return list_of([_(_PARTS[each]) for each in sorted(parts, key=_place)], language)


def _place(part: str) -> int:
    return tuple(_PARTS).index(part)
