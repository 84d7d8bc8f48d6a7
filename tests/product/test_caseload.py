"""The supervisor's caseload: their team's patients, sorted by need, without an answer, each view in the trail."""

import html
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
import pytest
import sqlalchemy as sa

from plugin.ledger import tables as t
from plugin.roles import EVERYBODY, Role, RoleBook, Team
from plugin.schedule import Schedule
from tests.product.collecting import collecting_world, look, someones_answers, started
from tests.product.forms import ANSWERS
from tests.product.test_administering import sign_in
from tests.product.test_later_versions import CORRECTING, mark
from tests.product.test_norms import adopt_figures
from tests.product.test_odd_history import tell
from tests.product.test_personalities import newest, settled
from tests.product.test_tips import NAMED
from tests.product.ways import form_to
from tests.product.world import RAPPORT, World, run_world

SUPERVISOR, FIRST, SECOND = "201", "202", "203"
NAMES = ("user/Patient.rs", "user/Practitioner.rs")


def book(*clinicians: str) -> RoleBook:
    team = Team((f"Practitioner/{SUPERVISOR}",), clinicians)
    role = frozenset({Role.SUPERVISOR})
    return RoleBook({f"Practitioner/{SUPERVISOR}": role}, teams=(team,) if clinicians else ())


ANSWERS_OF_TOTAL = ("goal_1", "goal_2", "task_1", "task_2", "bond_1", "bond_2")
OF_BOTH = book(f"Practitioner/{FIRST}", f"Practitioner/{SECOND}")


async def answer(world: World, patient: str, practitioner: str = FIRST, **changed: str | None) -> str:
    """Have the young person answer the child form in a session of its own; gives the response."""
    people = await world.people()
    world.browser = world.new_browser()
    page = await world.launch(patient, practitioner=practitioner)
    secret = await world.hand_over(page, f"Patient/{people[patient]}")
    sent = await world.fill(
        secret, {**ANSWERS, **{name.replace("_", "-"): value for name, value in changed.items()}}
    )
    assert sent.status_code == 200, sent.text
    ledger = world.rapport.state.rapport.ledger
    response = str(await ledger.read(lambda connection: connection.execute(newest()).scalar_one()))
    await settled(world, response)
    world.clock.pass_time(days=7)
    return response


async def caseload(world: World, query: str = "") -> httpx.Response:
    browser, desk = await sign_in(world, SUPERVISOR)
    page = await browser.get(f"{desk.url}/caseload{query}")
    assert page.status_code == 200, page.text
    return page


def patients(page: httpx.Response) -> list[str]:
    return re.findall(r'data-patient="([^"]+)"', page.text)


def needs(page: httpx.Response, patient: str) -> list[str]:
    row = page.text.partition(f'data-patient="{patient}"')[2].partition("</tr>")[0]
    return re.findall(r'data-need="([^"]+)"', row)


async def test_a_supervisor_sees_the_patients_of_their_team_by_name(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=book(f"Practitioner/{FIRST}"), more_scopes=NAMES) as world:
        await answer(world, "amara", FIRST)
        await answer(world, "mateo", SECOND)
        page = await caseload(world)
        people = await world.people()
        assert patients(page) == [people["amara"]]
        assert re.search(r"<b>Amara Okafor</b> <small>RV-4\d{4}</small>", page.text)
        assert "Mateo" not in page.text


@pytest.mark.parametrize(
    ("identifiers", "number"),
    [
        ([{"value": "1", "use": "official"}, {"value": "2", "type": {"coding": [{"code": "MR"}]}}], "2"),
        ([{"value": "1", "use": "official"}, {"value": "2", "use": "usual"}], "2"),
        ([{"value": "1", "use": "old"}, {"value": "2"}], "2"),
        ([{"value": "1"}, {"value": "2"}], "1001"),  # either may be anything
        ([{"value": 7}], "1001"),
        ("none", "1001"),
        (None, "1001"),
    ],
)
async def test_beside_a_name_stands_the_number_by_which_the_ehr_knows_the_patient(
    tmp_path: Path, identifiers: object, number: str
) -> None:
    def change(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**each, "identifier": identifiers} for each in found]

    async with run_world(tmp_path, roles=book(f"Practitioner/{FIRST}"), more_scopes=NAMES) as world:
        await answer(world, "amara", FIRST)
        tell(world, "/r4/Patient", change)
        page = await caseload(world)
    assert f"<b>Amara Okafor</b> <small>{number}</small>" in page.text


async def test_of_a_patient_of_whom_rapport_took_nothing_in_nothing_is_said_to_be_absent(
    tmp_path: Path,
) -> None:
    """The record may have scores that the caseload does not read: three ruptures, or a fall of today."""
    async with run_world(tmp_path, roles=book(f"Practitioner/{FIRST}"), more_scopes=NAMES) as world:
        await world.launch("amara", practitioner=FIRST)
        people = await world.people()
        page = await caseload(world)
        row = page.text.partition(f'data-patient="{people["amara"]}"')[2].partition("</tr>")[0]
        assert (
            row.count("the record was not read") == 3
        )  # no scores, no answer, no session: a chart was opened
        assert "not looked at: Rapport has no form of this patient" in row
        assert not re.search(">(nothing|none|never)<|rated", row)
        assert "no sign here is no all-clear" in page.text
        assert "the record was not read." in (await caseload(world, "?view=plots")).text


async def test_a_form_that_was_entered_in_error_is_not_said_to_be_none(tmp_path: Path) -> None:
    async with run_world(
        tmp_path, roles=OF_BOTH, more_scopes=(*NAMES, *CORRECTING), schedule=Schedule.parse("9")
    ) as world:
        response = await answer(world, "amara", FIRST)
        world.browser = world.new_browser()
        assert (await mark(world, response)).status_code == 303
        await settled(world, response)
        page = await caseload(world)
        plots = await caseload(world, "?view=plots")
    for each in (page, plots):
        assert "nothing to look at: each form that Rapport took in was entered in error" in each.text
        assert "Rapport has no form of this patient" not in each.text
        assert "No scores that Rapport took in" not in each.text


async def test_where_nothing_calls_for_a_look_it_is_said_of_what_was_read(tmp_path: Path) -> None:
    for place, interpretation, told in (
        ("with", NAMED, "only the forms that Rapport took in were looked at: nothing in them"),
        ("without", None, "only what Rapport itself sent, and when, was looked at: scores are not read"),
    ):
        (folder := tmp_path / place).mkdir()
        async with run_world(folder, roles=OF_BOTH, interpretation=interpretation) as world:
            await answer(world, "amara", FIRST)
            page = await caseload(world)
        assert told in page.text
        assert "no sign here is no all-clear" in page.text


async def test_the_patient_whose_chart_the_desk_was_opened_from_has_a_way_to_their_page(
    tmp_path: Path,
) -> None:
    """Every other page is opened from its own chart: Rapport has no launch for it."""
    async with run_world(tmp_path, roles=book(EVERYBODY)) as world:
        await answer(world, "mateo")
        world.browser = world.new_browser()
        page = await world.launch("amara", practitioner=SUPERVISOR)
        launch = page.url.path.rpartition("/")[2]
        shown = await world.browser.get(f"{RAPPORT}/desks/{launch}/caseload")
        ways = re.findall(
            r'<tr data-patient="([^"]+)">.*?(?:class="own" href="([^"]+)"|</tr>)', shown.text, re.S
        )
        people = await world.people()
        assert dict(ways) == {people["amara"]: f"/launches/{launch}", people["mateo"]: ""}
        assert (await world.browser.get(f"{RAPPORT}/launches/{launch}")).status_code == 200


async def test_sessions_of_responses_that_the_ehr_collected_count_by_their_encounters(tmp_path: Path) -> None:
    async with collecting_world(tmp_path, roles=OF_BOTH) as world:
        await started(world)
        page = await world.launch("amara", practitioner=FIRST)
        assert page.status_code == 200
        amara = (await world.people())["amara"]
        held = (await world.search("Encounter", patient=amara))[:3]
        for each in (*held, held[0]):  # one session was rated twice
            began, encounter = each["period"]["start"], {"reference": f"Encounter/{each['id']}"}
            await world.collect(await someones_answers(world, authored=began, encounter=encounter))
            await look(world)
        row = (await caseload(world)).text.partition('data-label="Last session"')[2].partition("</td>")[0]
    assert "3 sessions rated" in row


async def test_every_clinician_of_the_site_where_it_says_so(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=book(EVERYBODY), more_scopes=NAMES) as world:
        await answer(world, "amara", FIRST)
        await answer(world, "mateo", SECOND)
        assert len(patients(await caseload(world))) == 2


async def test_without_a_team_nobody_is_shown(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=book()) as world:
        await answer(world, "amara")
        page = await caseload(world)
        assert patients(page) == []
        assert "You have no team yet" in page.text


async def test_a_fall_stands_first_and_only_where_interpretation_is_accepted(tmp_path: Path) -> None:
    accepted = replace(NAMED, sessions_before=3)
    async with run_world(tmp_path, roles=OF_BOTH, interpretation=accepted) as world:
        low = dict.fromkeys(("goal_1", "goal_2", "task_1", "task_2", "bond_1", "bond_2"), "not-at-all")
        for _ in range(4):
            await answer(world, "mateo")
        await answer(world, "mateo", **low)
        await answer(world, "amara")
        people = await world.people()
        page = await caseload(world)
        assert patients(page) == [people["mateo"], people["amara"]]
        assert "rupture" in needs(page, people["mateo"])
        assert needs(page, people["amara"]) == []


async def test_a_need_says_whose_line_it_is_about(tmp_path: Path) -> None:
    accepted = replace(NAMED, sessions_before=3)
    async with run_world(tmp_path, roles=OF_BOTH, interpretation=accepted) as world:
        for _ in range(4):
            await answer(world, "mateo")
        await answer(world, "mateo", **dict.fromkeys(ANSWERS_OF_TOTAL, "not-at-all"))
        row = (await caseload(world)).text.partition('data-need="rupture">')[2].partition("</li>")[0]
    assert re.sub("<.*?>", "", row) == "Rupture: Young person"


async def test_two_of_a_kind_of_rater_have_the_same_numbers_everywhere(tmp_path: Path) -> None:
    accepted = replace(NAMED, sessions_before=3)
    async with run_world(tmp_path, roles=OF_BOTH, interpretation=accepted) as world:
        await rate_as(world, f"Practitioner/{SECOND}", "therapist")
        for goal in (*["completely"] * 4, "not-at-all"):
            answers = dict.fromkeys((each.replace("_", "-") for each in ANSWERS_OF_TOTAL), goal)
            await rate_as(world, f"Practitioner/{FIRST}", "therapist", answers)
        await rate_as(world, "RelatedPerson/1001-1", "caregiver")
        await answer(world, "amara")
        table, plots = await caseload(world), await caseload(world, "?view=plots")
    scores = table.text.partition('data-label="Last scores"')[2].partition("</td>")[0]
    assert re.findall(r"([A-Z][a-z ]+\d?):", re.sub("<.*?>", "", scores)) == [
        "Young person", "Caregiver", "Therapist 1", "Therapist 2",
    ]  # fmt: skip
    drawing = plots.text.partition('<svg class="plot small')[2].partition("</svg>")[0]
    labels = re.findall(r">([A-Z][^<\d]+\d?)</text>", drawing)
    assert sorted(labels) == ["Caregiver", "Therapist 1", "Therapist 2", "Young person"]
    assert "Therapist 2: 1 rupture" in drawing.partition("</desc>")[0]
    for page in (table, plots):
        need = page.text.partition('data-need="rupture">')[2].partition("</li>")[0]
        assert re.sub("<.*?>", "", need) == "Rupture: Therapist 2"


async def test_raters_stand_in_one_order_the_young_person_first(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await rate_as(world, "RelatedPerson/1001-1", "caregiver")
        await answer(world, "amara")
        row = (await caseload(world)).text.partition('data-label="Last scores"')[2].partition("</td>")[0]
        (title,) = re.findall(
            "<title id=.small-1.>(.*?)</title>", (await caseload(world, "?view=plots")).text
        )
    for told in (re.sub("<.*?>", "", row), title):
        assert told.index("Young person:") < told.index("Caregiver:")


async def rate_as(world: World, who: str, rater: str, answers: Mapping[str, str | None] = ANSWERS) -> None:
    """Have a caregiver of Amara's or a clinician fill their form, a week before whatever comes after it."""
    is_clinician = who.startswith("Practitioner/")
    world.browser = world.new_browser()
    page = await world.launch(
        "amara", practitioner=who.removeprefix("Practitioner/") if is_clinician else FIRST
    )
    pin = {"pin": ""} if is_clinician else {}
    secret = await world.hand_over(page, who, f"rapport-checkin-{rater}", **pin)
    assert (await world.fill(secret, answers)).status_code == 200
    world.clock.pass_time(days=7)


async def test_a_small_plot_says_which_days_it_covers_and_what_its_marks_mean(tmp_path: Path) -> None:
    accepted = replace(NAMED, sessions_before=3)
    async with run_world(tmp_path, roles=OF_BOTH, interpretation=accepted) as world:
        for _ in range(4):
            await answer(world, "mateo")
        plain = await caseload(world, "?view=plots")
        await answer(world, "mateo", **dict.fromkeys(ANSWERS_OF_TOTAL, "not-at-all"))
        await answer(world, "mateo", bond_1=None)
        told = await caseload(world, "?view=plots")
    drawing = told.text.partition('class="plot small"')[2].partition("</svg>")[0]
    days = re.findall(r">(\d+ \w+ 20\d\d)</text>", drawing)
    assert days == ["2 Mar 2026", "13 Apr 2026"]  # to today
    assert "2 Mar 2026 – 6 Apr 2026" in drawing.partition("</title>")[0]
    assert "Young person: 1 rupture, on 30 Mar 2026." in drawing.partition("</desc>")[0]
    assert "<desc" not in plain.text
    assert 'class="legend"' not in plain.text
    legend = re.sub(
        "<svg.*?</svg>|<.*?>", "", told.text.partition('class="legend"')[2].partition("</ul>")[0], flags=re.S
    )
    assert all(each in legend for each in ("rupture", "repair", "whose it is", "answered, but not computed"))


async def test_the_small_plots_have_one_axis_of_days(tmp_path: Path) -> None:
    """A fall of weeks ago lies as far from the right edge as it is from today."""
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        for patient in ("amara", "mateo", "mateo"):
            await answer(world, patient)
        world.browser = world.new_browser()
        await world.launch("amara", practitioner=FIRST)
        page = await caseload(world, "?view=plots&sort=name")
        lately = await caseload(world, "?view=plots&sort=name&days=10")
    amara, mateo = re.findall(r'<svg class="plot small".*?</svg>', page.text, re.S)
    for each in (amara, mateo):
        assert re.findall(r">(\d+ \w+ 20\d\d)</text>", each) == ["2 Mar 2026", "23 Mar 2026"]
    circles = re.findall(r'class="mark" d="M([\d.]+) [\d.]+a([\d.]+)', amara + mateo)
    places = [float(left) + float(radius) for left, radius in circles]
    curve = re.findall(r'class="curve" d="M([\d.]+) [\d.]+L([\d.]+)', mateo)
    start, end = (float(each) for each in curve[0])
    assert places == pytest.approx([start - (end - start), start, end], abs=0.2)
    assert "leader" not in amara + mateo
    assert min(each.count('class="mark whose"') for each in (amara, mateo)) == 1
    assert lately.text.count('<svg class="plot small"') == 1
    assert "No scores in this period." in lately.text.partition("Mateo")[0]
    card = re.sub("<.*?>", "", page.text.partition("<ol")[2].partition("</li>")[0])
    assert "Last answered: 2 Mar 2026\nLast session: 2 Mar 2026\nClinician: " in card
    assert "·" not in card  # it would end a line: a plot is no wider than one of these


async def test_a_fall_after_a_good_start_is_a_drop_by_the_rule_of_the_patient_page(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, interpretation=NAMED) as world:
        await adopt_figures(world, 2.0)
        for bond in ("completely", "completely", "not-at-all"):
            await answer(world, "mateo", bond_1=bond, bond_2=bond)
        people = await world.people()
        assert needs(await caseload(world), people["mateo"]) == ["drop"]


async def test_of_equal_need_who_has_not_answered_for_longest_stands_first(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await answer(world, "amara")
        await answer(world, "mateo")
        world.browser = world.new_browser()
        await world.launch("amara", practitioner=FIRST)  # opened today, and nobody answered
        people = await world.people()
        assert patients(await caseload(world)) == [people["amara"], people["mateo"]]


async def test_a_chart_opened_beside_the_session_of_that_day_is_no_session_of_its_own(tmp_path: Path) -> None:
    """Else the first session would count as the second, too, in which a form is due."""
    schedule = Schedule.parse("2")
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES, schedule=schedule) as world:
        for encounter in ("1001-20260302", None):
            world.browser = world.new_browser()
            session: dict[str, Any] = {"encounter": encounter} if encounter else {}
            await world.launch("amara", practitioner=FIRST, **session)
        people = await world.people()
        world.clock.pass_time(days=1)
        assert needs(await caseload(world), people["amara"]) == []


async def test_a_score_that_was_not_computed_hides_behind_no_older_one(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await answer(world, "amara")
        await answer(world, "amara", bond_1=None)
        page = await caseload(world)
        told = re.sub(r"\s+", " ", re.sub("<.*?>", "", page.text))
        assert "Young person: not computed, before 14" in told


async def test_scores_are_not_read_where_nobody_accepted_it(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        low = dict.fromkeys(("goal_1", "goal_2", "task_1", "task_2", "bond_1", "bond_2"), "not-at-all")
        for _ in range(4):
            await answer(world, "mateo")
        await answer(world, "mateo", **low)
        page = await caseload(world)
        assert needs(page, (await world.people())["mateo"]) == []
        assert "reads nothing out of scores" in page.text
        asked_for = await caseload(world, "?need=rupture")
    offered = re.compile(r'<option value="(rupture|drop|divergence|undelivered|overdue)"( selected)?>')
    assert offered.findall(page.text) == [("undelivered", ""), ("overdue", "")]
    assert ("rupture", " selected") in offered.findall(asked_for.text)


async def test_what_did_not_reach_the_record_is_a_need(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", roles=OF_BOTH) as world:
        await answer(world, "amara")
        assert needs(await caseload(world), (await world.people())["amara"]) == ["undelivered"]


async def test_a_chart_opened_to_look_is_no_session_until_a_form_of_that_day_is_begun(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        amara, mateo = [(await world.people())[each] for each in ("amara", "mateo")]
        await answer(world, "amara")
        for patient in ("amara", "mateo"):
            world.browser = world.new_browser()
            looked = await world.launch(patient, practitioner=FIRST)
            assert "No session chosen in the EHR" in looked.text
        world.clock.pass_time(hours=26)
        latest, earliest = [await caseload(world, f"?sort=session{way}") for way in ("", "&way=ascending")]
        world.browser = world.new_browser()
        await world.hand_over(await world.launch("mateo", practitioner=FIRST), f"Patient/{mateo}")
        world.clock.pass_time(hours=26)
        begun = await caseload(world)
    for page in (latest, earliest):
        assert needs(page, amara) == needs(page, mateo) == []
        assert last_session(page, amara) == "2 Mar 2026 1 session rated"
        assert last_session(page, mateo) == "the record was not read"
        assert patients(page) == [amara, mateo]
    assert (needs(begun, amara), needs(begun, mateo)) == ([], ["overdue"])
    assert last_session(begun, mateo) == "10 Mar 2026"


def last_session(page: httpx.Response, patient: str) -> str:
    row = page.text.partition(f'data-patient="{patient}"')[2].partition("</tr>")[0]
    cell = re.sub("<.*?>", "", row.partition('data-label="Last session">')[2].partition("</td>")[0])
    return " ".join(cell.split())


async def test_a_session_without_an_answer_is_overdue_the_day_after(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await world.launch("amara", practitioner=FIRST, encounter="1001-20260302")
        amara = (await world.people())["amara"]
        assert needs(await caseload(world), amara) == []
        world.clock.pass_time(days=1)
        assert needs(await caseload(world), amara) == ["overdue"]
        await answer(world, "amara")
        assert needs(await caseload(world), amara) == []


async def test_who_is_overdue_is_told_of_each_kind_of_rater(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        amara = (await world.people())["amara"]
        page = await world.launch("amara", practitioner=FIRST)
        secret = await world.hand_over(page, f"Practitioner/{FIRST}", "rapport-checkin-therapist", pin="")
        sent = await world.fill(secret, ANSWERS)
        assert sent.status_code == 200, sent.text
        world.clock.pass_time(days=7)
        await answer(world, "amara")
        row = (await caseload(world)).text.partition(f'data-patient="{amara}"')[2].partition("</tr>")[0]
    told = re.sub("<.*?>", "", row.partition('data-need="overdue">')[2].partition("</li>")[0])
    assert told == "Overdue: Therapist"


async def test_of_a_patient_who_has_died_nobody_is_overdue(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        await world.launch("amara", practitioner=FIRST, encounter="1001-20260302")
        world.clock.pass_time(days=1)
        amara, store = (await world.people())["amara"], world.ehr.state.store
        assert needs(await caseload(world), amara) == ["overdue"]
        kept = store.read("Patient", amara)
        store.update({**kept.read(), "deceasedDateTime": "2026-03-03"}, kept)
        pages = [await caseload(world, query) for query in ("", "?view=plots", "?sort=name")]
        overdue = await caseload(world, "?need=overdue")
    told = "The record says that this patient has died: nobody is due."
    for page in pages:
        assert told in page.text
        assert "Overdue (0)" in page.text
        assert "data-need" not in page.text
        assert "not looked at" not in page.text
    assert patients(overdue) == []


async def test_the_counts_of_needs_are_those_that_choosing_one_would_show(tmp_path: Path) -> None:
    async with run_world(tmp_path, personality="read-only", roles=OF_BOTH) as world:
        for patient, practitioner in (("amara", FIRST), ("mateo", SECOND), ("freya", SECOND)):
            await answer(world, patient, practitioner)
        for others in ("", f"clinician=Practitioner/{SECOND}", "days=8", "instrument=SRS"):
            page = await caseload(world, f"?{others}")
            for need, many in re.findall(r'<option value="([^"]*)"(?: selected)?>[^<]*\((\d+)\)', page.text):
                assert len(patients(await caseload(world, f"?{others}&need={need}"))) == int(many)
    assert len(patients(page)) == 0


@pytest.mark.parametrize("name", ["Practitioner/999", "Dr. %3Cb%3E", f"Practitioner/{SUPERVISOR}"])
async def test_a_clinician_who_is_nobody_of_the_team_is_told_with_a_way_to_all(
    tmp_path: Path, name: str
) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await answer(world, "amara")
        page = await caseload(world, f"?clinician={name}&days=90")
        assert f"Nobody called {html.escape(unquote(name))} is in your team." in page.text
        assert "Nobody fits what you chose" not in page.text
        (way,) = re.findall(r'<a href="([^"]+)">Show all clinicians</a>', page.text)
        everybody = await caseload(world, f"?{html.unescape(way).partition('?')[2]}")
        of_the_team = await caseload(world, f"?clinician=Practitioner/{SECOND}")
    assert "days=90" in way
    assert len(patients(everybody)) == 1
    assert "Nobody fits what you chose" in of_the_team.text  # who has opened no chart yet


@pytest.fixture
async def of_two(tmp_path: Path) -> AsyncIterator[World]:
    """A supervisor's world in which each of two clinicians has one patient: Amara answered a week before Mateo."""
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await answer(world, "amara", FIRST)
        await answer(world, "mateo", SECOND)
        yield world


async def test_filters_narrow_the_list(of_two: World) -> None:
    shown = {
        "": {"amara", "mateo"},
        f"?clinician=Practitioner/{FIRST}": {"amara"},
        "?need=overdue": set[str](),
        "?instrument=Rapport+Check-in": {"amara", "mateo"},
        "?instrument=SRS": set[str](),
        "?days=8": {"mateo"},
    }
    people = await of_two.people()
    found = {query: set(patients(await caseload(of_two, query))) for query in shown}
    assert found == {query: {people[each] for each in those} for query, those in shown.items()}


async def test_what_of_an_address_cannot_be_read_is_left_out_and_said(of_two: World) -> None:
    everybody = patients(await caseload(of_two))
    assert len(everybody) == 2
    unreadable = {"days=soon", "days=0", "need=help", "sort=luck&way=around", "page=last"}
    told = set()
    for query in (*unreadable, "days=", "need="):
        page = await caseload(of_two, f"?{query}")
        assert patients(page) == everybody, query
        told |= {query} if "Part of this address cannot be read" in page.text else set()
    assert told == unreadable


async def test_the_pages_own_form_narrows_the_list_with_whatever_is_left_at_all(of_two: World) -> None:
    shown: tuple[tuple[dict[str, str], set[str]], ...] = (
        ({}, {"amara", "mateo"}),
        ({"clinician": f"Practitioner/{FIRST}"}, {"amara"}),
        ({"days": "30"}, {"amara", "mateo"}),
        ({"need": "overdue"}, set()),
    )
    people = await of_two.people()
    given = form_to(await caseload(of_two), "/caseload").as_it_stands
    for chosen, those in shown:
        page = await caseload(of_two, f"?{urlencode({**given, **chosen})}")
        assert set(patients(page)) == {people[each] for each in those}, chosen


async def test_a_head_of_the_table_says_what_it_is_sorted_by(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        await answer(world, "amara", SECOND)
        await answer(world, "mateo", FIRST)
        people = await world.people()
        for query, first, *marked in (
            ("?sort=name", "amara", "ascending", "Patient"),
            ("?sort=name&way=descending", "mateo", "descending", "Patient"),
            ("?sort=session", "mateo", "descending", "Last session"),
            ("?sort=session&way=ascending", "amara", "ascending", "Last session"),
            ("?sort=clinician", "mateo", "ascending", "Clinician"),
            ("?sort=clinician&way=descending", "amara", "descending", "Clinician"),
            ("", "amara", "other", "Needs a look"),
        ):
            page = await caseload(world, query)
            names = re.findall(r'data-label="Clinician">([^<]+)</td>', page.text)
            assert len(set(names)) == 2
            if "clinician" in query:
                assert names == sorted(names, reverse="descending" in query)
            else:
                assert patients(page)[0] == people[first], query
            heads = re.findall(r'<th scope="col" class="by" aria-sort="([^"]+)"><a [^>]+>([^<]+)<', page.text)
            assert heads == [tuple(marked)], query


async def test_sorting_keeps_the_filters_and_filtering_the_order(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        await answer(world, "amara", FIRST)
        await answer(world, "mateo", FIRST)
        chosen = f"?clinician=Practitioner/{FIRST}&days=365&sort=name"
        page = await caseload(world, chosen)
        (again,) = re.findall(r'href="[^"?]+([^"]+)" aria-current="true">Patient', page.text)
        turned = await caseload(world, again.replace("&amp;", "&"))
        assert patients(turned) == patients(page)[::-1]
        assert re.search(r'name="days">.*?value="365" selected', turned.text, re.DOTALL)
        assert '<input type="hidden" name="sort" value="name">' in turned.text
        assert '<input type="hidden" name="way" value="descending">' in turned.text


async def test_a_caseload_by_name_opens_while_the_ehr_is_away(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        await answer(world, "amara")
        amara = (await world.people())["amara"]
        browser, desk = await sign_in(world, SUPERVISOR)
        world.hosts.cut.add("ehr.invalid")
        page = await browser.get(f"{desk.url}/caseload?sort=name&way=descending")
        assert "Names are not shown" in page.text
        assert patients(page) == [amara]


async def test_each_patient_shown_is_an_entry_of_the_trail(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await answer(world, "amara", FIRST)
        await answer(world, "mateo", SECOND)
        await caseload(world)
        people = await world.people()
        query = sa.select(t.audit.c.patient).where(t.audit.c.kind == "caseload-viewed")
        seen = await world.rapport.state.rapport.ledger.read(lambda c: c.execute(query).scalars().all())
        assert set(seen) == {f"Patient/{people['amara']}", f"Patient/{people['mateo']}"}


async def test_no_answer_is_shown_or_opened(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        response = await answer(world, "amara")
        ledger = world.rapport.state.rapport.ledger
        spoilt = t.response.update().where(t.response.c.id == response).values(sealed_body=b"unreadable")
        await ledger.bookkeep(lambda connection: connection.execute(spoilt))
        page = await caseload(world)
        assert "14" in page.text
        assert "Completely" not in page.text


async def test_it_opens_while_the_ehr_is_away(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH, more_scopes=NAMES) as world:
        await answer(world, "amara")
        amara = (await world.people())["amara"]
        browser, desk = await sign_in(world, SUPERVISOR)
        world.hosts.cut.add("ehr.invalid")
        page = await browser.get(f"{desk.url}/caseload")
        assert f"Patient {amara}" in page.text
        assert "Names are not shown" in page.text


async def test_the_plots_have_words(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await answer(world, "amara")
        page = await caseload(world, "?view=plots")
        assert re.search(
            r"<title id=\"small-1\">Rapport Check-in, \d+ \w+ 2026\. Young person: 14 of 24", page.text
        )


async def test_a_score_that_was_not_computed_has_a_mark_beside_its_name(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=OF_BOTH) as world:
        await answer(world, "amara", goal_1=None)
        page = await caseload(world, "?view=plots")
        assert "Young person: not computed" in page.text
        assert 'class="mark hollow"' in page.text


async def test_a_clinician_without_the_role_is_refused(tmp_path: Path) -> None:
    roles = RoleBook({f"Practitioner/{FIRST}": frozenset({Role.ADMINISTRATOR})})
    async with run_world(tmp_path, roles=roles) as world:
        browser, desk = await sign_in(world, FIRST)
        refused = await browser.get(f"{desk.url}/caseload")
        assert refused.status_code == 403
