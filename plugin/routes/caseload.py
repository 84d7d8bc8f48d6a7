"""The supervisor's caseload: every patient of their team, by need or as they sort it, from the ledger; names from the EHR, if it gives them.

Who is in a team stands in the settings, whose patients they are in the ledger's launches (docs/adr/0010). No answer is opened,
and each patient shown is one entry in the trail.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from math import ceil
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy.engine import Connection

from plugin.access.desks import Desk
from plugin.access.openings import Opening, read_desk_launch, read_openings
from plugin.audit import Kind
from plugin.days import Age, age_on, day_of
from plugin.delivery.account import Account, whole
from plugin.delivery.scored import read_scored
from plugin.ehr import Ehr, EhrError
from plugin.norming import Norm, in_use
from plugin.pages import Trend
from plugin.pages.caseload import CaseloadPage, CaseRow, Chosen, RaterLine, Sort, Way, render_caseload
from plugin.pages.trend import RATER_ORDER, Panel, TrendSeries, group, since
from plugin.plan import addresses_of
from plugin.roles import Role
from plugin.routes.chart import OWN_HISTORY, Called, people_of
from plugin.routes.desk import frame
from plugin.routes.marks import TOTAL
from plugin.routes.needs import Known, Need, needs_of, whose
from plugin.routes.sorting import Case, sort_cases
from plugin.routes.state import CurrentRapport, Rapport, actor_of, desk_for, language_for, request_line
from plugin.routes.trend_views import read_trend
from plugin.schedule import Due
from questionnaires import Rater
from smart_launch import Scopes

router = APIRouter(prefix="/desks/{desk}")

T = TypeVar("T")
U = TypeVar("U")

SupervisorsDesk = Annotated[Desk, Depends(desk_for(Role.SUPERVISOR))]

MOST_ON_A_PAGE = 50
_NEED, _SORT, _WAY = TypeAdapter[Need](Need), TypeAdapter[Sort](Sort), TypeAdapter[Way](Way)
_DAYS = TypeAdapter[int](Annotated[int, Field(ge=1, le=3660)])
_PAGE = TypeAdapter[int](Annotated[int, Field(ge=1, le=10_000)])
_EXPECTED = (Rater.CHILD, Rater.CAREGIVER, Rater.THERAPIST)  # an observer comes by appointment


@dataclass
class _Typed:
    """Reads what stands in an address; nothing, as "all" of a list does, is as good as what is offered."""

    is_misread: bool = False

    def read(self, kind: TypeAdapter[T], text: str, otherwise: U) -> T | U:
        try:
            return kind.validate_python(text) if text else otherwise
        except ValidationError:
            self.is_misread = True
            return otherwise


@router.get("/caseload")
async def caseload(
    request: Request,
    found: SupervisorsDesk,
    rapport: CurrentRapport,
    accept_language: Annotated[str | None, Header()] = None,
    clinician: Annotated[str, Query(max_length=128)] = "",
    instrument: Annotated[str, Query(max_length=80)] = "",
    need: str = "",
    days: str = "",
    view: str = "",
    page: str = "",
    sort: str = "",
    way: str = "",
) -> HTMLResponse:
    """Show the team's patients: who needs a look first, or sorted as the supervisor wants.

    What of the address cannot be read is left out, and the page says so.
    """
    typed = _Typed()
    by, turned = typed.read(_SORT, sort, Sort.NEED), typed.read(_WAY, way, None)
    chosen = Chosen(
        clinician,
        instrument,
        typed.read(_NEED, need, None) or "",
        typed.read(_DAYS, days, 180),
        view == "plots",
        typed.read(_PAGE, page, 1),
        by,
        turned if turned and by is not Sort.NEED else by.first_way,
        is_misread=typed.is_misread,
    )
    team = _team(rapport, found)
    read = await _read(rapport, found, team)
    shown = await _page(rapport, found, chosen, read, team)
    # One entry for each patient in it, as BALP's PatientQuery asks; one without, where there is nobody.
    patients: list[str | None] = [f"Patient/{row.patient}" for row in shown.rows] or [None]
    asked, who = request_line(request), actor_of(found)
    entries = [
        rapport.trail.entry(Kind.CASELOAD_VIEWED, who, site=found.site, patient=each, query=asked)
        for each in patients
    ]
    await asyncio.gather(*(rapport.ledger.record(each) for each in entries))
    return HTMLResponse(render_caseload(shown, language_for(rapport, found.site, accept_language)))


def _team(rapport: Rapport, found: Desk) -> tuple[str, ...] | None:
    """Give the clinicians of a supervisor's team; None: every clinician of the site."""
    return rapport.settings.policies[found.site].roles.team_of(found.user)


async def _read(rapport: Rapport, found: Desk, team: tuple[str, ...] | None) -> list[Known]:
    """Read what the ledger has of the team's patients: three queries, whatever their number."""
    vault, zone = rapport.ledger.vault, rapport.zone_of(found.site)

    def look(
        connection: Connection,
    ) -> tuple[tuple[Opening, ...], Mapping[str, tuple[Account, ...]], tuple[Norm, ...]]:
        openings = read_openings(connection, found.site, team, zone) if team != () else ()
        patients = sorted({each.patient for each in openings})
        return openings, read_scored(connection, vault, found.site, patients), in_use(connection, found.site)

    openings, accounts, norms = await rapport.ledger.read(look)
    return await asyncio.to_thread(_know, rapport, found.site, openings, accounts, norms)


def _know(
    rapport: Rapport,
    site: str,
    openings: Sequence[Opening],
    accounts: Mapping[str, tuple[Account, ...]],
    norms: tuple[Norm, ...],
) -> list[Known]:
    interpretation, zone = rapport.settings.policies[site].interpretation, rapport.zone_of(site)
    today = rapport.today(site)
    by_patient: dict[str, list[Opening]] = defaultdict(list)
    for each in openings:
        by_patient[each.patient].append(each)
    known = []
    for patient, sessions in by_patient.items():
        kept = whole(accounts.get(patient, ()))
        trend = read_trend(
            rapport.intake.catalogue, OWN_HISTORY, kept, {}, norms, zone, interpretation, today=today
        )
        altered = len(accounts.get(patient, ())) - len(kept)
        known.append(Known(patient, trend, kept, tuple(sessions), zone, altered, today))
    return known


async def _page(
    rapport: Rapport, found: Desk, chosen: Chosen, read: list[Known], team: tuple[str, ...] | None
) -> CaseloadPage:
    policy = rapport.settings.policies[found.site]
    schedule = rapport.schedules.of(found.site)
    period, today = timedelta(days=chosen.days), rapport.today(found.site)
    earliest = rapport.clock() - period
    catalogue = rapport.intake.catalogue

    @cache
    def schedules_at(age: Age | None) -> Mapping[str, Due]:
        return {str(each): schedule.of(addresses_of(catalogue, each, age)) for each in _EXPECTED}

    at_any_age = schedules_at(None)
    within = [
        (each, needs_of(each, at_any_age, policy.interpretation, today))
        for each in read
        if each.seen >= earliest
    ]
    clinicians = sorted({opening.clinician for each in read for opening in each.openings})
    people, missing = await _people(rapport, found, (*_asked_for(within, chosen), *clinicians))
    names = {who: called.name for who, called in people.items()}
    dead = frozenset(who for who, called in people.items() if called.has_died)
    own = {who: schedules_at(age_on(called.born, today)) for who, called in people.items()}

    def needs_known(each: Known, needs: tuple[Need, ...]) -> tuple[Need, ...]:
        if Need.OVERDUE not in needs or each.patient not in people:
            return needs
        if each.patient in dead:
            return tuple(need for need in needs if need is not Need.OVERDUE)  # of them nobody is due
        schedules = own[each.patient]
        return needs if schedules == at_any_age else needs_of(each, schedules, policy.interpretation, today)

    within = [(each, needs_known(each, needs)) for each, needs in within]
    fitting = [each for each in within if _fits(each[0], chosen)]
    wanted = [each for each in fitting if not chosen.need or chosen.need in each[1]]
    pages = max(1, ceil(len(wanted) / MOST_ON_A_PAGE))
    page = min(chosen.page, pages)
    on_page = sort_cases(wanted, chosen.sort, chosen.way, names)[_shown(page)]
    return CaseloadPage(
        desk=frame(rapport, found, "caseload"),
        chosen=replace(chosen, page=page),
        rows=tuple(
            replace(
                _row(each, needs, names, chosen, today - period),
                page=f"/launches/{found.id}" if each.patient == found.patient else "",
                whose={
                    str(need): people
                    for need, people in whose(
                        each, own.get(each.patient, at_any_age), policy.interpretation, today
                    ).items()
                },
                has_died=each.patient in dead,
                number=people[each.patient].number if each.patient in people else "",
            )
            for each, needs in on_page
        ),
        found=len(wanted),
        all=len(fitting),
        pages=pages,
        counts={
            str(need): sum(need in needs for _, needs in fitting)
            for need in Need
            if policy.interpretation is not None or not need.is_read_from_scores or chosen.need == need
        },
        clinicians=tuple((each, names.get(each) or each) for each in clinicians),
        instruments=tuple(
            sorted({(line.measure, line.measure) for each in read for line in each.trend.series})
        ),
        has_team=team != (),
        today=today,
        is_stranger=chosen.clinician not in ("", *clinicians, *(team or ())),
        reads_scores=policy.interpretation is not None,
        names_missing=missing if on_page else "",
        altered=sum(each.altered for each, _ in within),
    )


def _fits(known: Known, chosen: Chosen) -> bool:
    """Tell whether a patient is among those chosen, whatever they need."""
    return (not chosen.clinician or any(each.clinician == chosen.clinician for each in known.openings)) and (
        not chosen.instrument or any(each.measure == chosen.instrument for each in known.trend.series)
    )


def _asked_for(cases: Sequence[Case], chosen: Chosen) -> tuple[str, ...]:
    """Name the patients of whom the EHR is asked: who may stand on the page, and who may be overdue.

    Whoever has died is not, nor somebody of an age at which the schedule asks for no form yet.
    By name or by clinician the names decide who stands on the page. Else each who is not overdue after all may let one
    further patient onto it.
    """
    overdue = tuple(each.patient for each, needs in cases if Need.OVERDUE in needs)
    wanted = [
        each for each in cases if _fits(each[0], chosen) and (not chosen.need or chosen.need in each[1])
    ]
    if chosen.sort in (Sort.NAME, Sort.CLINICIAN):
        likely = wanted
    else:
        page = min(chosen.page, max(1, ceil(len(wanted) / MOST_ON_A_PAGE)))
        shown = _shown(page)
        likely = sort_cases(wanted, chosen.sort, chosen.way, {})[shown.start : shown.stop + len(overdue)]
    return tuple(dict.fromkeys((*(each.patient for each, _ in likely), *overdue)))


def _shown(page: int) -> slice:
    return slice((page - 1) * MOST_ON_A_PAGE, page * MOST_ON_A_PAGE)


def _row(
    known: Known, needs: tuple[Need, ...], names: Mapping[str, str], chosen: Chosen, first: date
) -> CaseRow:
    """Tell of one patient; what is drawn begins with the day `first`."""
    totals = tuple(
        each
        for each in known.trend.series
        if each.scale == TOTAL and (not chosen.instrument or each.measure == chosen.instrument)
    )
    clinicians = dict.fromkeys(each.clinician for each in reversed(known.openings))
    return CaseRow(
        patient=known.patient.removeprefix("Patient/"),
        name=names.get(known.patient, ""),
        clinicians=tuple(names.get(each) or each for each in clinicians),
        needs=tuple(map(str, needs)),
        lines=_lines(totals),
        panel=_panel(tuple(since(each, first) for each in totals)),
        answered=day_of(known.answered, known.zone) if known.answered else None,
        rated=len(known.rated),
        last_session=last.day if (last := known.last_session) else None,
        has_forms=bool(known.accounts or known.altered),
        all_voided=not known.altered and all(each.record.voided for each in known.accounts),
    )


def _lines(totals: tuple[TrendSeries, ...]) -> tuple[RaterLine, ...]:
    """Tell each rater's last total: measure by measure, the young person first as on the patient page."""
    measures = list(dict.fromkeys(each.measure for each in totals))
    ordered = sorted(
        totals, key=lambda each: (measures.index(each.measure), RATER_ORDER.index(each.rater), each.number)
    )
    return tuple(_line(each) for each in ordered if not each.is_past)


def _line(series: TrendSeries) -> RaterLine:
    last, before = series.counted[-1], series.before
    return RaterLine(
        rater=series.rater,
        number=series.number,
        measure=series.measure,
        last=last.value,
        before=before.value if before else None,
        low=series.low,
        high=series.most,
        when=last.when,
    )


def _panel(totals: tuple[TrendSeries, ...]) -> Panel | None:
    """Give what is drawn small: the totals of the measure that was answered last."""
    scales = group(Trend(totals))
    panels = [panel for scale in scales for panel in scale.panels if not panel.is_common]
    return max(panels, key=lambda panel: max(each.points[-1].when for each in panel.series), default=None)


async def _people(
    rapport: Rapport, found: Desk, references: Sequence[str]
) -> tuple[Mapping[str, Called], str]:
    """Ask the EHR for names and deaths, with the supervisor's own token and for a short while; why none came, else."""
    vault = rapport.ledger.vault
    patience = rapport.settings.policies[found.site].ehr_patience
    held = await rapport.ledger.read(lambda connection: read_desk_launch(connection, vault, found))
    try:
        async with asyncio.timeout(patience):
            tokens = await rapport.sender.tokens_of(held) if held else None
            if tokens is None:
                return {}, "the sign-in to the EHR has ended"
            base = rapport.settings.sites[found.site].fhir_base
            granted = Scopes.parse(tokens.scope)
            ehr = Ehr(base, tokens.access_token, rapport.http, granted=granted)
            patients = await people_of(ehr, "Patient", references)
            try:
                return patients | await people_of(ehr, "Practitioner", references), ""
            except EhrError:
                return (
                    patients,
                    "",
                )  # not every EHR lets practitioners be searched; their references stand there
    except TimeoutError:
        return {}, "the EHR is slow"
    except EhrError as error:
        return {}, str(error).rstrip(".")
