"""What one press starts for each who is due: the form by role and age, in the language that they answer in."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from plugin.access.invitations import Invitation
from plugin.days import Age
from plugin.delivery.account import Account
from plugin.pages import (
    BegunForm,
    DuePerson,
    InstrumentChoice,
    PatientPage,
    RespondentChoice,
    language_name,
    look_up,
)
from plugin.pages.words import translations
from plugin.tips import Occasion
from questionnaires import Rater


def with_due(page: PatientPage, recent: Iterable[Account]) -> PatientPage:
    """Give the page a press for each who is due; `recent` are the patient's latest responses, newest first.

    The form is the one that the EHR asks for, then what the same person answered last, then the first that fits in a
    language that is likeliest to be read. The language is that of their last answer, else theirs by the record, else the
    reader's, else English, else the form's first.
    """
    last: dict[str, tuple[str, str]] = {}
    for account in recent:
        if account.record.source:
            given = (account.record.instrument.partition("|")[0], account.record.language or "")
            last.setdefault(account.record.source, given)
    people = [each for each in page.respondents if each.is_due]
    due = [_press(page, each, last.get(each.reference, ("", ""))) for each in people]
    return replace(page, due=tuple(each for each in due if each is not None))


def with_missing_forms(page: PatientPage) -> PatientPage:
    """Say of whoever is due and has no form for it here that there is none, and why; nothing then tells to ask them."""
    people = tuple(
        replace(each, standing=_why_none(page, each), is_due=False)
        if each.is_due and not any(_fits(form, each, page.age) for form in page.instruments)
        else each
        for each in page.respondents
    )
    young = [
        (before, after)
        for before, after in zip(page.respondents, people, strict=True)
        if before.rater == Rater.CHILD
    ]
    unasked = any(before.is_due and not after.is_due for before, after in young)
    tips = tuple(each for each in page.tips if not (unasked and each.when is Occasion.EARLY))
    return replace(page, respondents=people, tips=tips)


def _why_none(page: PatientPage, who: RespondentChoice) -> str:
    catalogue = translations(page.language)
    if (
        page.age is None
        or not page.age.is_certain
        or not any(_fits(form, who, None) for form in page.instruments)
    ):
        return catalogue.gettext("no form here")
    return catalogue.ngettext(
        "no form for %(num)d year of age", "no form for %(num)d years of age", page.age.low
    ) % {"num": page.age.low}


def _press(page: PatientPage, who: RespondentChoice, last: tuple[str, str]) -> DuePerson | None:
    address, spoken = last
    fitting = [each for each in page.instruments if _fits(each, who, page.age)]
    if not fitting:
        return None
    wanted = [each for each in fitting if each.id == page.asked_for] + [
        each for each in fitting if each.address == address
    ]
    wishes = (spoken, *who.spoken, page.language, "en")  # the last: more people read it than any other
    # Of several that fit, the one in a language that comes first here: a form must be read before anything else.
    chosen = wanted[0] if wanted else min(fitting, key=lambda each: _place(each.languages, wishes))
    language = next(filter(None, (look_up(each, chosen.languages) for each in wishes)), chosen.languages[0])
    rest = f"{chosen.id} {language} {who.reference}"
    return DuePerson(
        reference=who.reference,
        name=who.name,
        rater=who.rater,
        form=chosen.title,
        language=language_name(language) if len(page.languages) > 1 else "",
        hand=f"device {rest}",
        link=f"link {rest}" if _may_have_link(page, who) else None,
        unsent=who.unsent,
    )


def _place(languages: Sequence[str], wishes: Sequence[str]) -> int:
    """Tell how far down among the wished languages the first is that a form has; after all of them if it has none."""
    found = (place for place, each in enumerate(wishes) if look_up(each, languages))
    return next(found, len(wishes))


def _fits(form: InstrumentChoice, who: RespondentChoice, age: Age | None) -> bool:
    """Tell whether somebody can answer a form themselves: what is entered from paper is not among them."""
    if form.rater != who.rater or form.unavailable is not None or form.by_clinician:
        return False
    if who.forms is not None and form.address not in who.forms:
        return False
    return form.fits(age)


def _may_have_link(page: PatientPage, who: RespondentChoice) -> bool:
    if who.is_signed_in:
        return False
    is_old_enough = page.age is not None and page.age.low >= page.link_from_age
    return who.rater != Rater.CHILD or page.link_from_age == 0 or is_old_enough


def with_begun(page: PatientPage, under_way: Iterable[tuple[Invitation, int]]) -> PatientPage:
    """Give the page a press for each form that is under way on a clinician's device, whichever launch began it.

    A link goes on where it is; a colleague's own form is theirs.
    """
    people = {each.reference: each for each in page.respondents}
    on_paper = {each.address for each in page.instruments if each.by_clinician}
    shown = {each.id: each for each in page.open_forms}
    begun = tuple(
        BegunForm(
            form.source,
            people[form.source].name,
            form.rater,
            shown[form.id].instrument,
            shown[form.id].state,
            f"on {form.id}",
            form.answered_on,
            form.instrument.partition("|")[0] in on_paper,
        )
        for form, _ in under_way
        if not form.remote and form.source in people and form.id in shown
    )
    return replace(page, begun=begun)
