"""What the patient page tells of the site's schedule: that it could not be read, or is not followed in everything."""

from collections.abc import Iterator

from plugin.pages import Notice, NoticeKind
from plugin.pages.figures import day
from plugin.pages.retold import retell
from plugin.pages.words import semicolon, translations
from plugin.plan import problems_of
from plugin.routes.state import Rapport


def told_of_schedule(rapport: Rapport, site: str, language: str) -> Iterator[Notice]:
    """Tell what of the schedule could not be read from the EHR, or is not followed."""
    _ = translations(language).gettext
    trouble = rapport.schedules.trouble(site)
    if trouble is not None and trouble.followed is None:
        yield Notice(
            NoticeKind.PROBLEM,
            _(
                "Your service's schedule, %(place)s, could not be read from the EHR (%(why)s). "
                "Until it is, each form is due at every session."
            )
            % {"place": trouble.place, "why": retell(trouble.why, language)},
        )
    elif trouble is not None and trouble.followed is not None:
        yield Notice(
            NoticeKind.INFORMATION,
            _(
                "Your service's schedule, %(place)s, could not be read again from the EHR (%(why)s). "
                "It is followed as it was on %(day)s."
            )
            % {
                "place": trouble.place,
                "why": retell(trouble.why, language),
                "day": day(rapport.day_of(site, trouble.followed), language),
            },
        )
    if problems := problems_of(rapport.schedules.of(site), rapport.intake.catalogue):
        yield Notice(
            NoticeKind.INFORMATION,
            _("Your service's schedule is not followed in everything: %(what)s.")
            % {"what": f"{semicolon(language)} ".join(retell(each, language) for each in problems)},
        )
