"""Scores over sessions for the patient page: what the record holds, what is on its way, and what the site knows of error."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from plugin.days import day_of, is_ahead
from plugin.delivery.account import Account
from plugin.interpretation import Interpretation
from plugin.norming import Norm, norm_for
from plugin.norms.administrations import band_of
from plugin.pages import Trend, TrendPoint, TrendSeries
from plugin.pages.engine import SCORE_NAMES, name_score
from plugin.pages.trend import Acceptance, Ahead, Unplaced
from plugin.pages.worded import RoleName, Worded, within
from plugin.pages.words import N_, SOURCE_LANGUAGE, translations
from plugin.routes import marks
from plugin.routes.absences import absence_of, off_scale
from plugin.routes.chart import Chart, Respondent
from plugin.routes.marks import findings_of, mark_events
from plugin.trends.contacts import Contacts
from plugin.trends.history import Point, read_points
from questionnaires import Catalogue, Instrument, Rater, ScoreItem

_ROLE_NAMES = {
    Rater.CHILD: N_("The young person"),
    Rater.CAREGIVER: N_("Caregiver"),
    Rater.THERAPIST: N_("Therapist"),
    Rater.OBSERVER: N_("Observer"),
}

_PAST_MIDNIGHT = timedelta(hours=6)  # a session may go on into the next day


def read_trend(
    catalogue: Catalogue,
    chart: Chart,
    accounts: tuple[Account, ...],
    people: Mapping[str, Respondent],
    norms: tuple[Norm, ...],
    zone: tzinfo,
    interpretation: Interpretation | None = None,
    language: str = "en",
    *,
    today: date,
) -> Trend:
    """Join what the record holds with what is on its way there, by the days of the site's zone.

    Marks are made where the site accepts interpretation. What is dated after `today` is named apart.
    """
    in_record = {address for account in accounts for address in account.locations}
    waiting = [account for account in accounts if not in_record & set(account.locations)]
    recorded = _with_their_raters(catalogue, chart.points, accounts)
    # The record may have a score already that the ledger, read a moment before, still has on its way.
    known = {(point.instrument, point.score, point.respondent, point.when) for point in recorded}
    # An EHR that does not let us mark what stands there still shows it: here it counts no more.
    voided = {
        (account.record.source, account.record.authored) for account in accounts if account.record.voided
    }
    points = [each for each in recorded if (each.respondent, each.when) not in voided]
    for account in waiting if chart.has_history else accounts:
        points += [
            point
            for point in points_of(catalogue, account)
            if (point.instrument, point.score, point.respondent, point.when) not in known
        ]
    points.sort(key=lambda each: each.when)
    people = _numbered(catalogue, points, people, language)
    ahead = frozenset(each for each in points if is_ahead(day_of(each.when, zone), today))
    by_line: dict[tuple[str, str, str], list[Point]] = {}
    for point in (each for each in points if each not in ahead):
        by_line.setdefault((point.instrument, point.score, point.respondent or ""), []).append(point)
    places = _places(catalogue)
    lines = sorted(by_line.items(), key=lambda each: places[each[0][:2]])
    adopted = _Adopted(catalogue, norms, chart, zone, interpretation)
    made = tuple(
        adopted.complete(
            line,
            replace(
                _series(catalogue, line, found, (people, language), (chart.contacts, zone)),
                is_past=_is_past(catalogue, line, by_line),
            ),
        )
        for line, found in lines
    )
    told = _ahead(catalogue, ahead, people, zone, language)
    called = {
        who: _line_name(people.get(who), catalogue.by_id(instrument).rater, language)
        for instrument, _, who in by_line
        if who
    }
    unplaced = _unplaced(catalogue, chart, accounts, people, language)
    if interpretation is None:
        return Trend(made, chart.courses, ahead=told, unplaced=unplaced, called=called)
    findings = findings_of(made, interpretation, has_sessions=bool(chart.contacts.held))
    if findings is not None and not chart.has_sessions:
        findings = replace(findings, early=())  # which scores are of sessions 1 to 4 is not known
    return Trend(
        made,
        chart.courses,
        criterion=interpretation.rupture if interpretation.rupture != "none" else None,
        sessions_before=interpretation.sessions_before,
        findings=findings,
        repair_within=interpretation.repair_within,
        divergence=interpretation.divergence,
        ahead=told,
        unplaced=unplaced,
        accepted=Acceptance(interpretation.accepted_by, interpretation.accepted_on),
        called=called,
    )


def _ahead(
    catalogue: Catalogue,
    points: Iterable[Point],
    people: Mapping[str, Respondent],
    zone: tzinfo,
    language: str,
) -> tuple[Ahead, ...]:
    """Name each form once, whatever the number of its scores."""
    forms = dict.fromkeys(
        (day_of(each.when, zone), each.respondent or "", each.instrument) for each in points
    )
    return tuple(
        Ahead(_line_name(people.get(respondent), catalogue.by_id(instrument).rater, language), day)
        for day, respondent, instrument in sorted(forms)
    )


def _unplaced(
    catalogue: Catalogue,
    chart: Chart,
    accounts: Iterable[Account],
    people: Mapping[str, Respondent],
    language: str,
) -> tuple[Unplaced, ...]:
    """Name each form that has no day, whatever the number of its scores; none that was entered in error with us."""
    voided = {place for each in accounts if each.record.voided for place in each.locations}
    counted = Counter(
        (
            (each.is_unreadable, each.written, each.respondent or "", each.instrument, each.response),
            each.score,
        )
        for each in chart.unplaced
        if each.response not in voided
    )
    # Scores of one form share all but the score; where the record names no response, as many forms as one score has.
    forms: dict[tuple[bool, str, str, str, str | None], int] = {}
    for (form, _score), many in counted.items():
        forms[form] = max(many, forms.get(form, 0))
    return tuple(
        Unplaced(
            _line_name(people.get(respondent), catalogue.by_id(instrument).rater, language),
            written,
            is_unreadable,
        )
        for (is_unreadable, written, respondent, instrument, _), many in sorted(
            forms.items(), key=lambda each: each[0][:4]
        )
        for _place in range(many)
    )


def _numbered(
    catalogue: Catalogue, points: Iterable[Point], people: Mapping[str, Respondent], language: str
) -> Mapping[str, Respondent]:
    """Number those whom nobody names, such as clinicians of earlier sessions, where one role has several: by their first form."""
    unnamed: dict[Rater, dict[str, None]] = {}
    for point in points:
        who = people.get(point.respondent or "")
        if point.respondent and not (who and who.name):
            unnamed.setdefault(catalogue.by_id(point.instrument).rater, {})[point.respondent] = None
    numbered = {
        who: Respondent(who, _with_number(name_of(None, rater, language), number), rater, "")
        for rater, found in unnamed.items()
        for number, who in enumerate(found, 1)
        if len(found) > 1
    }
    return {**people, **numbered}


def _with_number(name: str, number: int) -> str:
    return RoleName(f"{name} {number}", f"{within(name)} {number}", number)


def _is_past(
    catalogue: Catalogue, line: tuple[str, str, str], by_line: Mapping[tuple[str, str, str], list[Point]]
) -> bool:
    """Tell whether somebody has gone on to another form of the same measure, as from the children's to the adolescents'."""
    instrument, score, respondent = line
    own = catalogue.by_id(instrument)
    return bool(respondent) and any(
        (other[1], other[2]) == (score, respondent)
        and found[-1].when > by_line[line][-1].when
        and (kin := catalogue.by_id(other[0])).rater == own.rater
        and measure_of(kin) == measure_of(own)
        for other, found in by_line.items()
    )


def _with_their_raters(
    catalogue: Catalogue, points: tuple[Point, ...], accounts: tuple[Account, ...]
) -> tuple[Point, ...]:
    """Say whose scores they are where the record does not: somebody's answers may have stayed out of it."""
    if all(point.respondent for point in points):
        return points
    kept = (point for account in accounts for point in points_of(catalogue, account))
    raters = {(point.instrument, point.when): point.respondent for point in kept}
    return tuple(
        point if point.respondent else replace(point, respondent=raters.get((point.instrument, point.when)))
        for point in points
    )


@dataclass(frozen=True, slots=True)
class _Adopted:
    """What the site has decided about scores: its norms, and what it accepts of interpretation."""

    catalogue: Catalogue
    norms: tuple[Norm, ...]
    chart: Chart
    zone: tzinfo
    interpretation: Interpretation | None

    def complete(self, line: tuple[str, str, str], series: TrendSeries) -> TrendSeries:
        """Add the error of a score, for the patient's age at the last session, and marks by the site's rule."""
        instrument, score, _ = line
        band = band_of(self.chart.born, series.points[-1].day)
        canonical = self.catalogue.by_id(instrument).canonical
        # What was adopted for a version holds for those that ask and count the same.
        versions = self.catalogue.alike(canonical)
        found = [norm_for(self.norms, each, score, series.rater, band) for each in versions]
        adopted = [each for each in found if each is not None]
        # One for an age band of its own goes first, whichever version it was adopted for.
        norm = next((each for each in adopted if each.group.age_band == band), next(iter(adopted), None))
        if norm is not None:
            series = replace(series, error=norm.statistics_in(self.zone))
        if marks.is_read(self.interpretation, self.catalogue.by_id(instrument), score):
            series = mark_events(replace(series, is_read=True), self.interpretation)
        return series


def _places(catalogue: Catalogue) -> Mapping[tuple[str, str], tuple[bool, int, int]]:
    """Order scores for the eye: totals first, then the subscales as their instrument lists them."""
    return {
        (instrument.id, score.link_id): (score.link_id != "score-total", place, number)
        for number, instrument in enumerate(catalogue.all())
        for place, score in enumerate(instrument.scores)
    }


def _series(
    catalogue: Catalogue,
    line: tuple[str, str, str],
    found: list[Point],
    told: tuple[Mapping[str, Respondent], str],
    around: tuple[Contacts, tzinfo],
) -> TrendSeries:
    people, language = told
    contacts, zone = around
    instrument_id, score_id, respondent = line
    instrument = catalogue.by_id(instrument_id)
    score = next(each for each in instrument.scores if each.link_id == score_id)
    found = [_on_scale(each, score) for each in found]
    superseded = _superseded(found, contacts, zone) if respondent else frozenset[int]()
    return TrendSeries(
        rater=instrument.rater,
        name=_line_name(people.get(respondent), instrument.rater, language),
        measure=measure_of(instrument),
        scale=score_id.removeprefix("score-"),
        scale_label=label_of(score.display, language, language_of(instrument)),
        low=float(score.low if score.low is not None else 0),
        high=float(score.high if score.high is not None else max((p.value or 0 for p in found), default=1)),
        is_bounded=score.low is not None and score.high is not None,
        points=tuple(
            TrendPoint(
                point.when,
                day,
                point.value,
                absence_of(point.absent, instrument, language),
                contacts.was_virtual(point.encounter, day),
                session=contacts.number_in(point.encounter, day),
                caregiver=contacts.had_carer(point.encounter, day),
                is_superseded=place in superseded,
            )
            for place, (point, day) in enumerate((each, day_of(each.when, zone)) for each in found)
        ),
    )


def _superseded(found: Sequence[Point], contacts: Contacts, zone: tzinfo) -> frozenset[int]:
    """Give the places of one person's scores in whose place another of the same session counts: the last computed one.

    Scores are of one session by the encounter that they name, without one that is known by their day. An encounter may be a
    whole stay, or stand for a series of appointments: each of its days counts for itself.
    """
    counts: dict[object, int] = {}
    superseded = set[int]()
    for place, point in enumerate(found):
        day = day_of(point.when, zone)
        held = contacts.of(point.encounter, day)
        session = held[0].reference if len(held) == 1 else point.encounter or day
        before = counts.get(session)
        if before is None or not _are_near(found[before].when, point.when, zone):
            counts[session] = place
        elif point.value is None and found[before].value is not None:
            superseded.add(place)
        else:
            superseded.add(before)
            counts[session] = place
    return frozenset(superseded)


def _are_near(one: datetime, later: datetime, zone: tzinfo) -> bool:
    return day_of(one, zone) == day_of(later, zone) or later - one <= _PAST_MIDNIGHT


def _on_scale(point: Point, score: ScoreItem) -> Point:
    """Give a point without its value where the scale has none such: a slip in the record is no fall, and no best."""
    if point.value is None:
        return point
    is_below = score.low is not None and point.value < score.low
    is_above = score.high is not None and point.value > score.high
    return replace(point, value=None, absent=off_scale(point.value)) if is_below or is_above else point


def label_of(display: str, language: str, written: str = SOURCE_LANGUAGE) -> str:
    """Name a score for a reader: the open forms' in the reader's language, others as their holders wrote them, in `written`."""
    return name_score(display, language) if display in SCORE_NAMES else Worded(display, written)


def language_of(instrument: Instrument | None) -> str:
    """Give the language that a form's own words are in: those that stand where it has none in the reader's."""
    return (instrument.questionnaire.language if instrument else None) or SOURCE_LANGUAGE


def title_of(instrument: Instrument, language: str) -> Worded:
    """Name a form for a reader, in their language if it has one there."""
    own = language_of(instrument)
    return Worded(instrument.title_in(language), language if language in instrument.wordings else own)


def points_of(catalogue: Catalogue, account: Account) -> tuple[Point, ...]:
    """Read the scores of a kept response the way those of the record are read."""
    raw = stored_scores(account)
    response = f"QuestionnaireResponse/{account.record.id}"
    for each in raw:
        each["derivedFrom"] = [{"reference": response}]
        each["encounter"] = {"reference": account.record.encounter or ""}
    sources = {response: account.record.source} if account.record.source else {}
    return read_points(raw, sources, catalogue, UTC)  # ours have an offset always


def stored_scores(account: Account) -> list[dict[str, Any]]:
    """Read the Observations that were stored with a response."""
    return [msgspec.json.decode(each) for each in account.record.results.scores]


def measure_of(instrument: Instrument) -> str:
    """Name what forms of one family share: a title's words before its parenthesis, as in "Check-in (child)"."""
    return Worded(instrument.title.partition(" (")[0], language_of(instrument))


def _line_name(person: Respondent | None, rater: Rater, language: str) -> str:
    """Name a line after who rated; of an observer say so, for the same clinician may rate as the therapist, too."""
    name = name_of(person, rater, language)
    role = translations(language).gettext(_ROLE_NAMES[rater])
    return f"{name} ({role})" if rater == Rater.OBSERVER and not isinstance(name, RoleName) else name


def name_of(person: Respondent | None, rater: Rater, language: str = "en") -> str:
    """Name a respondent, or say what they are where the EHR gives no name."""
    if person is not None and person.name:
        return person.name
    return RoleName(translations(language).gettext(_ROLE_NAMES[rater]), _within(rater, language))


def _within(rater: Rater, language: str) -> str:
    pgettext = translations(language).pgettext
    return {
        Rater.CHILD: pgettext("inside a sentence", "the young person"),
        Rater.CAREGIVER: pgettext("inside a sentence", "the caregiver"),
        Rater.THERAPIST: pgettext("inside a sentence", "the therapist"),
        Rater.OBSERVER: pgettext("inside a sentence", "the observer"),
    }[rater]
