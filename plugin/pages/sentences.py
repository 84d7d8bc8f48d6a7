"""What is read out of scores, as sentences: the patient page, the PDF and the note say the same words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from unicodedata import bidirectional

from plugin.pages.figures import count_of, day, number, tenths
from plugin.pages.strips import shorten
from plugin.pages.trend import Trend
from plugin.pages.worded import Instead, RoleName, within
from plugin.pages.words import semicolon, translations
from plugin.trends.findings import EarlyFinding, FallFinding, Findings, PairFinding

_MOST_NAMED = 3  # forms that are left out
_MOST_WRITTEN = 45  # characters of what the record has in place of a day
_LEFT_TO_RIGHT = "\u200e"  # Unicode's mark: every language of these sentences runs that way
_MOST_FALLS = 3  # of one person, the latest: a long history has dozens, and the table marks each


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said of whom. `kind`: fall | more | pair | early; `warning` stands behind the text."""

    kind: str
    who: str
    text: str
    warning: str = ""

    @property
    def whole(self) -> str:
        """All that is said."""
        return f"{self.text} {self.warning}".strip()


def sentences_of(trend: Trend, language: str) -> tuple[Sentence, ...]:
    """Tell what the site lets be read, falls first; nothing where it lets nothing be read."""
    findings = trend.findings or Findings()
    return (
        *_falls(findings.falls, trend.repair_within, language),
        *(_pair(each, trend.divergence, language) for each in findings.pairs),
        *(_early(each, language) for each in findings.early),
    )


def left_out_of(trend: Trend, language: str) -> tuple[str, ...]:
    """Name the forms of the record whose scores are left out, one sentence a reason: of a day to come, without one, unreadable."""
    catalogue = translations(language)
    ahead = [(each.name, day(each.day, language)) for each in trend.ahead]
    told = [
        (
            each.is_unreadable,
            (each.name, shorten(each.written, _MOST_WRITTEN) or catalogue.gettext("without a day")),
        )
        for each in trend.unplaced
    ]
    undated = [each for is_unreadable, each in told if not is_unreadable]
    unreadable = [each for is_unreadable, each in told if is_unreadable]
    sentences = (
        (
            ahead,
            catalogue.ngettext(
                "%(num)d form is dated on a day that is still to come (%(forms)s): its scores are neither drawn nor compared. "
                "Have its date put right in the record.",
                "%(num)d forms are dated on days that are still to come (%(forms)s): their scores are neither drawn nor compared. "
                "Have their dates put right in the record.",
                len(ahead),
            ),
        ),
        (
            undated,
            catalogue.ngettext(
                "%(num)d form is not dated on one day (%(forms)s): its scores are neither drawn nor compared. "
                "Have its date put right in the record.",
                "%(num)d forms are not dated on one day (%(forms)s): their scores are neither drawn nor compared. "
                "Have their dates put right in the record.",
                len(undated),
            ),
        ),
        (
            unreadable,
            catalogue.ngettext(
                "%(num)d form of the record has scores that cannot be read (%(forms)s): they are neither drawn nor compared. "
                "Have them put right there.",
                "%(num)d forms of the record have scores that cannot be read (%(forms)s): they are neither drawn nor compared. "
                "Have them put right there.",
                len(unreadable),
            ),
        ),
    )
    return tuple(
        text % {"num": len(forms), "forms": _named(forms, language)} for forms, text in sentences if forms
    )


def say_unscored(absent: str | None, language: str) -> str:
    """Say what stands in place of a score that there is not, for which `absent` is the reason."""
    return absent if isinstance(absent, Instead) else translations(language).gettext("not computed")


def _named(forms: Sequence[tuple[str, str]], language: str) -> str:
    """List whose forms they are, each with its day; of many the first."""
    told = [f"{_apart(within(name))}, {when}" for name, when in forms[:_MOST_NAMED]]
    return f"{semicolon(language)} ".join([*told, *(["…"] if len(forms) > _MOST_NAMED else [])])


def _falls(falls: tuple[FallFinding, ...], within: int, language: str) -> Iterator[Sentence]:
    """Tell the latest falls of each person, and how many more there were before these."""
    for _, own in groupby(falls, key=lambda each: id(each.rated)):
        found = list(own)
        yield from (_fall(each, within, language) for each in found[-_MOST_FALLS:])
        if earlier := found[:-_MOST_FALLS]:
            text = translations(language).ngettext(
                "before these there was %(num)d more rupture by the rule below (repaired: %(repaired)s): the table marks each.",
                "before these there were %(num)d more ruptures by the rule below (repaired: %(repaired)s): the table marks each.",
                len(earlier),
            ) % {"num": len(earlier), "repaired": sum(each.repaired is not None for each in earlier)}
            yield Sentence("more", found[0].rated.name, text)


def _fall(each: FallFinding, sessions: int, language: str) -> Sentence:
    catalogue = translations(language)
    _ = catalogue.gettext
    told = [
        _("the total fell to %(value)s on %(day)s, from a best of %(best)s: a rupture by the rule below.")
        % {
            "value": _figure(each.fell.value, language),
            "day": day(each.fell.when, language),
            "best": _figure(each.best, language),
        }
    ]
    if each.lowest.value < each.fell.value:
        known = {"value": _figure(each.lowest.value, language), "day": day(each.lowest.when, language)}
        told.append(_("It fell further, to %(value)s on %(day)s.") % known)
    if each.repaired is not None:
        known = {"value": _figure(each.repaired.value, language), "day": day(each.repaired.when, language)}
        told.append(_("It was back at %(value)s on %(day)s: repaired.") % known)
    elif each.is_settled:
        told.append(
            catalogue.ngettext(
                "It did not come back in the next %(num)d session that %(name)s rated.",
                "It did not come back in the next %(num)d sessions that %(name)s rated.",
                sessions,
            )
            % {"num": sessions, "name": within(each.rated.name)}
        )
        if each.late is not None:
            known = {"value": _figure(each.late.value, language), "day": day(each.late.when, language)}
            told.append(_("It came back later, to %(value)s on %(day)s.") % known)
    elif not each.rated.is_past:
        told.append(_unsettled(each, language))
    return Sentence("fall", each.rated.name, " ".join(told))


def _unsettled(each: FallFinding, language: str) -> str:
    """Say why it is not known whether a fall came back: only what its own rater has rated since counts."""
    catalogue, known = translations(language), {"name": within(each.rated.name), "num": each.since}
    if not each.since:
        text = catalogue.gettext(
            "Whether it came back is not known: there is no score of %(name)s since then."
        )
    else:
        text = catalogue.ngettext(
            "It is too early to say whether it comes back: %(name)s has rated %(num)d session since then.",
            "It is too early to say whether it comes back: %(name)s has rated %(num)d sessions since then.",
            each.since,
        )
    return text % known


def _pair(each: PairFinding, divergence: float, language: str) -> Sentence:
    catalogue = translations(language)
    _ = catalogue.gettext
    names = {"name": each.second.name, "other": each.first.name}
    count, (first, second) = len(each.pairs), (day(one.when, language) for one in each.last.ratings)
    if first == second and count == 1:
        text = _("both rated one session, on %(day)s.")
    elif first == second:
        text = _("both rated %(number)s sessions, the last on %(day)s.")
    elif count == 1:
        text = _("both rated one session, %(other)s on %(day)s and %(name)s on %(later)s.")
    else:
        text = _("both rated %(number)s sessions; the last, %(other)s on %(day)s and %(name)s on %(later)s.")
    own = {key: within(name) for key, name in names.items()}
    told = [text % {"number": count, "day": first, "later": second, **own}]
    difference = each.last.difference
    known = {**names, "points": _figure(abs(difference), language)}
    if difference > 0:
        told.append(_tell(_("%(name)s rated it %(points)s higher than %(other)s."), known))
    elif difference < 0:
        told.append(_tell(_("%(name)s rated it %(points)s lower than %(other)s."), known))
    else:
        told.append(_("They gave it the same score."))
    if count > 1:
        told.append(_over_all(each, language))
    return Sentence(
        "pair",
        f"{each.first.name}, {each.second.name}",
        " ".join(told),
        _divergence(divergence, language) if each.is_divergent else "",
    )


def _over_all(each: PairFinding, language: str) -> str:
    """Tell how the second rated over all sessions: what never was is not said."""
    _ = translations(language).gettext
    known = {"number": str(len(each.pairs)), "name": each.second.name, "other": each.first.name}
    counts = {way: many for way, many in each.counts.items() if many}
    if len(counts) == 1:
        always = {
            "above": _("%(name)s rated higher in each of the %(number)s sessions."),
            "same": _("%(name)s gave the same score as %(other)s in each of the %(number)s sessions."),
            "below": _("%(name)s rated lower in each of the %(number)s sessions."),
        }
        return _tell(always[next(iter(counts))], known)
    ways = {
        "above": _("higher in %(many)s"),
        "same": _("the same in %(many)s"),
        "below": _("lower in %(many)s"),
    }
    parts = ", ".join(ways[way] % {"many": many} for way, many in counts.items())
    return _tell(_("Over the %(number)s sessions %(name)s rated %(parts)s."), {**known, "parts": parts})


def _tell(sentence: str, known: Mapping[str, str]) -> str:
    """Fill a sentence about people: what stands for a name begins with a capital where the sentence begins with it."""
    text = sentence % {key: within(value) for key, value in known.items()}
    begins = sentence.startswith("%(name)s") and isinstance(known["name"], RoleName)
    return text[:1].upper() + text[1:] if begins else text


def _divergence(least: float, language: str) -> str:
    return translations(language).ngettext(
        "They diverge: the adult rates at least %(sds)s SD of your service's figures above the young person.",
        "They diverge: the adult rates at least %(sds)s SD of your service's figures above the young person.",
        count_of(least, language),
    ) % {"sds": _figure(least, language)}


def _early(each: EarlyFinding, language: str) -> Sentence:
    _ = translations(language).gettext
    many, session, value = each.level.sessions, each.session, _figure(each.level.mean, language)
    by_forms = each.rated.by_forms
    if many > 1:
        told = (
            _("%(mean)s on average over the first four forms, from %(number)s scores.")
            if by_forms
            else _("%(mean)s on average over sessions 1 to 4, from %(number)s scores.")
        )
        text = told % {"mean": value, "number": many}
    elif by_forms:
        text = _("%(value)s, the only score of the first four forms.") % {"value": value}
    else:
        told = _("%(value)s in session %(session)s, the only score of sessions 1 to 4.")
        text = told % {"value": value, "session": session}
    return Sentence("early", _apart(each.rated.name), text)


def _apart(name: str) -> str:
    """Keep the number that follows a name written from right to left behind it: it would be shown before the name."""
    turns = any(bidirectional(each) in {"R", "AL"} for each in name)
    return f"{name}{_LEFT_TO_RIGHT}" if turns else name


def _figure(value: float, language: str) -> str:
    return number(tenths(value), language)
