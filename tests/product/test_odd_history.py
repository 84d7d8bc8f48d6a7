"""A record that tells odd things, or a part of them: what the patient page makes of it."""

import asyncio
import copy
import json
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.delivery.pdf import can_render
from plugin.respondents import RespondentPolicy
from plugin.routes import chart
from plugin.scores.together import WITHHELD
from tests.product.forms import response_of
from tests.product.test_later_versions import submitted
from tests.product.test_norms import adopt_figures
from tests.product.test_plot import ACCEPTED, ADOLESCENT
from tests.product.test_slow_ehr import unavailable
from tests.product.test_tips import NAMED
from tests.product.world import EHR, SCOPES, World, run_world

Resources = list[dict[str, Any]]
NOUR = "نور"
ARABIC = {"text": "نور الحداد"}


def tell(world: World, path: str, change: Callable[[Resources], Resources]) -> None:
    """Have the EHR give other resources than it holds where this is asked for: all of them on one page."""
    honest = world.hosts.apps["ehr.invalid"]

    async def answer(request: httpx.Request) -> httpx.Response:
        given = await honest.handle_async_request(request)
        if request.method != "GET" or request.url.path != path:
            return given
        body = json.loads(await given.aread())
        if body["resourceType"] != "Bundle":
            return httpx.Response(200, json=change([body])[0])
        found = change([each["resource"] for each in body["entry"]])
        entry = [{"resource": each, "search": {"mode": "match"}} for each in found]
        link = [each for each in body["link"] if each["relation"] != "next"]
        return httpx.Response(200, json={**body, "entry": entry, "link": link, "total": len(entry)})

    world.hosts.apps["ehr.invalid"] = httpx.MockTransport(answer)  # type: ignore[assignment] # a transport, too


def totals(found: Resources, rater: str) -> Resources:
    """Give one rater's totals, oldest first."""
    code = f"rapport-checkin-{rater}-total"
    mine = [each for each in found if each["code"]["coding"][0]["code"] == code]
    return sorted(mine, key=lambda each: str(each["effectiveDateTime"]))


def dated(response: dict[str, Any]) -> str:
    return str(response["authored"])


def born(written: str) -> Callable[[Resources], Resources]:
    return lambda found: [{**each, "birthDate": written} for each in found]


def findings(page: httpx.Response) -> str:
    told = page.text.partition("What the scores say")[2].partition("</section>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", told))


@pytest.mark.parametrize("slip", [99, -3, 1e300])
async def test_a_value_that_is_not_on_the_scale_is_no_best_score_and_no_fall(
    tmp_path: Path, slip: float
) -> None:
    def change(found: Resources) -> Resources:
        totals(found, "adolescent")[1]["valueQuantity"]["value"] = slip
        return found

    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        tell(world, "/r4/Observation", change)
        page = await world.launch(NOUR)
    assert f"not computed: the record says {slip:g}, which is not on the scale<" in page.text
    assert "fell to 7 on" in findings(page)  # one score fewer before the rule may judge
    assert "from a best of 19" in findings(page)
    assert "15.3 on average over sessions 1 to 4, from 3 scores" in findings(page)


async def test_a_score_that_the_ehr_masks_is_told_as_withheld(world: World) -> None:
    masked = {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "masked"}
    reasons = [
        {"coding": [masked]},
        {"coding": [masked], "text": "By request"},
        {"coding": [masked], "text": WITHHELD},
    ]

    def change(found: Resources) -> Resources:
        for score, reason in zip(totals(found, "adolescent"), reasons, strict=False):
            del score["valueQuantity"]
            score["dataAbsentReason"] = reason
        return found

    tell(world, "/r4/Observation", change)
    page = await world.launch(NOUR)
    assert re.findall(r"<td>(withheld[^<]*)</td>", page.text)[:3] == [
        "withheld: the answers may not be read one by one",
        "withheld in the record: By request",
        "withheld in the record",
    ]
    assert "answered, but withheld" in page.text
    assert "not computed" not in page.text


async def test_scores_of_a_response_that_was_entered_in_error_count_no_more(world: World) -> None:
    """The EHR has marked the response, as of a wrong patient, and left its scores as they were."""
    withdrawn = ""

    def change(found: Resources) -> Resources:
        nonlocal withdrawn
        latest = max(
            (each for each in found if each["source"]["reference"].startswith("Patient/")), key=dated
        )
        withdrawn = latest["authored"]
        return [{**each, "status": "entered-in-error"} if each is latest else each for each in found]

    before = await world.launch(NOUR)
    tell(world, "/r4/QuestionnaireResponse", change)
    page = await world.launch(NOUR)
    assert withdrawn
    assert '<span class="now">21 of 24</span>' in before.text
    assert '<span class="now">21 of 24</span>' not in page.text
    assert '<span class="now">20 of 24</span>' in page.text


@pytest.mark.parametrize("written", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-02-20"}])
async def test_when_the_patient_has_died_nobody_is_due(tmp_path: Path, written: dict[str, Any]) -> None:
    async with run_world(tmp_path, interpretation=NAMED) as world:
        amara = (await world.people())["amara"]
        before = await world.launch("amara")
        tell(world, f"/r4/Patient/{amara}", lambda found: [{**each, **written} for each in found])
        page = await world.launch("amara")
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert "Due now" in before.text
    assert "data-tip" in before.text
    assert "The record says that this patient has died: nobody is due." in page.text
    assert "Due now" not in page.text
    assert "data-tip" not in page.text
    assert '<span class="now">21 of 24</span>' in page.text
    assert "Due and not answered" not in draft.text


async def test_a_mean_is_rounded_as_by_hand(tmp_path: Path) -> None:
    """17, 18, 20 and 10 are 16.25 on average."""

    def change(found: Resources) -> Resources:
        totals(found, "adolescent")[2]["valueQuantity"]["value"] = 20
        return found

    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        tell(world, "/r4/Observation", change)
        page = await world.launch(NOUR)
    assert "16.3 on average over sessions 1 to 4, from 4 scores" in findings(page)


async def test_a_day_of_birth_that_is_still_to_come_gives_no_age(world: World) -> None:
    def change(found: Resources) -> Resources:
        return [{**each, "birthDate": "2031-03-01"} for each in found]

    people = await world.people()
    tell(world, f"/r4/Patient/{people['amara']}", change)
    page = await world.launch("amara")
    assert "born 1 Mar 2031" in page.text
    assert "-5 year" not in page.text
    assert "data-age" not in page.text


@pytest.mark.parametrize(
    ("written", "told", "ages", "may_have_link"),
    [
        ("2014", "born 2014, the record gives no day (11 or 12 years)", (11, 12), False),
        ("2013", "born 2013, the record gives no day (12 or 13 years)", (12, 13), True),
        ("2014-03", "born Mar 2014, the record gives no day (11 or 12 years)", (11, 12), False),
        ("2013-11", "born Nov 2013, the record gives no day (12 years)", (12, 12), True),
        ("2013-11-30", "born 30 Nov 2013 (12 years)", (12, 12), True),
        ("2026", "born 2026, the record gives no day (0 years)", (0, 0), False),
    ],
)
async def test_of_a_birth_without_a_day_the_age_is_taken_as_low_as_it_may_be(
    tmp_path: Path, written: str, told: str, ages: tuple[int, int], *, may_have_link: bool
) -> None:
    """Under 12 no link is made: who may be 11 gets none, on the page or by its address."""
    async with run_world(tmp_path, link_from_age=12) as world:
        people = await world.people()
        amara = people["amara"]
        tell(world, f"/r4/Patient/{amara}", born(written))
        page = await world.launch("amara")
        asked = {
            "csrf": re.findall(r'name="csrf" value="([^"]+)"', page.text)[0],
            "respondent": f"Patient/{amara}",
            "instrument": "rapport-checkin-child",
            "language": "en",
            "way": "link",
        }
        answer = await world.browser.post(f"{page.url}/invitations", data=asked)
    assert told in page.text
    assert f'data-age="{ages[0]}" data-age-to="{ages[1]}"' in page.text
    assert ("Send a link to Amara Okafor" in page.text) is may_have_link
    assert (answer.status_code == 303) is may_have_link


@pytest.mark.parametrize("written", ["2014", ""], ids=["a year", "not known"])
async def test_of_two_forms_that_may_fit_an_age_the_one_for_younger_people_comes_first(
    world: World, written: str
) -> None:
    amara = (await world.people())["amara"]
    tell(world, f"/r4/Patient/{amara}", born(written))
    page = await world.launch("amara")
    pressed = re.findall(r'name="press" value="device (\S+) \w+ (\w+)/', page.text)
    assert {who: form for form, who in pressed} == {
        "Patient": "rapport-checkin-child",
        "RelatedPerson": "rapport-checkin-caregiver",
        "Practitioner": "rapport-checkin-therapist",
    }
    offered = re.findall(r'name="instrument" value="(\S+)"', page.text)
    assert offered.index("rapport-checkin-child") < offered.index("rapport-checkin-adolescent")


async def test_a_caregiver_is_asked_for_whoever_may_be_under_the_age_of_consent(tmp_path: Path) -> None:
    policy = RespondentPolicy(consent_below_age=12)
    for written, asks in (("2014", True), ("2013", False)):
        (folder := tmp_path / written).mkdir()
        async with run_world(folder, respondents=policy) as world:
            amara = (await world.people())["amara"]
            tell(world, f"/r4/Patient/{amara}", born(written))
            page = await world.launch("amara")
            secret = await world.hand_over(page, f"Patient/{amara}")
            form = await world.browser.get("/fill/form", headers={"X-Rapport-Invitation": secret})
        assert ("consent_again" in page.text) is asks
        assert ("goal-1" not in form.text) is asks


async def test_a_name_that_turns_letters_round_leaves_those_after_it_alone(world: World) -> None:
    def change(found: Resources) -> Resources:
        return [{**each, "name": [{"text": "Mara\u202e \n Okafor\u2066"}]} for each in found]

    people = await world.people()
    tell(world, f"/r4/Patient/{people['amara']}", change)
    page = await world.launch("amara")
    assert "<b>Mara Okafor</b>" in page.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page.text)


async def test_who_has_the_name_of_another_is_told_with_what_they_are(tmp_path: Path) -> None:
    """A father and his daughter may have one name, and two parents."""

    def rename(found: Resources) -> Resources:
        return [{**each, "name": [{"text": "Sam Al-Haddad"}]} for each in found]

    every = replace(ACCEPTED, instruments=(ADOLESCENT, "rapport-checkin-caregiver"))
    async with run_world(tmp_path, interpretation=every) as world:
        nour = (await world.people())[NOUR]
        tell(world, f"/r4/Patient/{nour}", rename)
        tell(world, "/r4/RelatedPerson", rename)
        page = await world.launch(NOUR)
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert "Hand over to Sam Al-Haddad<" in page.text
    assert "Hand over to Sam Al-Haddad (father)<" in page.text
    assert "Hand over to Sam Al-Haddad (mother)<" in page.text
    assert "Sam Al-Haddad (father) rated it 1 higher than Sam Al-Haddad." in findings(page)
    assert "- Sam Al-Haddad (father), Rapport Check-in" in draft.text
    assert "Dr Hannah Lindgren (" not in page.text


def _of_colleagues(found: Resources) -> Resources:
    """Give two of the forms of this clinician to one colleague, and one to another."""
    own = sorted((each for each in found if each["source"]["reference"] == "Practitioner/201"), key=dated)
    for each, who in zip(own, ("203", "203", "204"), strict=False):
        each["source"] = {"reference": f"Practitioner/{who}"}
    return found


def _therapists(page: httpx.Response, *names: str) -> list[str]:
    heads = re.findall(
        r'<th scope="col">(.*?)</th>', page.text.partition("<table>")[2].partition("</thead>")[0]
    )
    return [each for each in heads if any(name in each for name in names)]


async def test_clinicians_of_earlier_sessions_are_named_by_the_ehr(tmp_path: Path) -> None:
    """Nour had two therapists before the one who opens her chart; the EHR lets practitioners be read."""
    every = replace(ACCEPTED, instruments=(ADOLESCENT, "rapport-checkin-therapist"))
    async with run_world(tmp_path, interpretation=every) as world:
        tell(world, "/r4/QuestionnaireResponse", _of_colleagues)
        page = await world.launch(NOUR, practitioner="201")
    assert _therapists(page, "Vega", "Novák", "Therapist") == ["Marisol Vega Prieto", "Daniel Novák"]
    assert "Marisol Vega Prieto: 19.5 on average over sessions 1 to 4, from 2 scores." in findings(page)
    assert "Hand over to Marisol" not in page.text


async def test_clinicians_of_earlier_sessions_who_are_not_named_are_told_apart(tmp_path: Path) -> None:
    """The EHR lets no practitioner be read: not the clinician, either."""
    every = replace(ACCEPTED, instruments=(ADOLESCENT, "rapport-checkin-therapist"))
    granted = tuple(each for each in SCOPES if "Practitioner" not in each)
    async with run_world(tmp_path, interpretation=every, granted_scopes=granted) as world:
        tell(world, "/r4/QuestionnaireResponse", _of_colleagues)
        page = await world.launch(NOUR, practitioner="201")
    assert _therapists(page, "Vega", "Novák", "Therapist") == ["Therapist 1", "Therapist 2", "Therapist 3"]
    assert "Therapist 1: 19.5 on average over sessions 1 to 4, from 2 scores." in findings(page)


def _of_another_app(panel: bool, performers: tuple[str, ...]) -> Callable[[Resources], Resources]:
    """Have each caregiver's total name no response, and its performer in turn: in itself or in a panel of its own."""

    def change(found: Resources) -> Resources:
        mine, panels = totals(found, "caregiver"), []
        others = [each for each in found if "rapport-checkin-caregiver" not in json.dumps(each["code"])]
        for place, each in enumerate(mine):
            named = [{"reference": performers[place % len(performers)]}]
            each.pop("derivedFrom")
            members = [{"reference": f"Observation/{each['id']}"}]
            owner = {**each, "id": f"panel-{place}", "code": {"text": "Panel"}, "hasMember": members}
            (owner if panel else each)["performer"] = named
            panels += [owner] if panel else []
        return others + mine + panels

    return change


@pytest.mark.parametrize("panel", [False, True])
@pytest.mark.parametrize("responses_are_read", [True, False])
async def test_two_caregivers_whose_scores_name_no_response_are_two_people(
    tmp_path: Path, panel: bool, responses_are_read: bool
) -> None:
    granted = tuple(each for each in SCOPES if responses_are_read or "QuestionnaireResponse" not in each)
    async with run_world(tmp_path, granted_scopes=granted) as world:
        tell(world, "/r4/Observation", _of_another_app(panel, ("RelatedPerson/a", "RelatedPerson/b")))
        page = await world.launch(NOUR)
    assert _therapists(page, "Caregiver", "Samir") == ["Caregiver 1", "Caregiver 2"]


async def test_a_clinician_who_typed_a_caregivers_score_is_no_caregiver(tmp_path: Path) -> None:
    """Another app names as performer who entered the score: whose it is, is not known."""
    async with run_world(tmp_path) as world:
        tell(world, "/r4/Observation", _of_another_app(False, ("Practitioner/201", "PractitionerRole/x")))
        page = await world.launch(NOUR)
    assert _therapists(page, "Caregiver", "Samir", "Vega") == ["Caregiver"]


async def test_a_caregiver_of_before_keeps_their_name_and_is_asked_no_more(tmp_path: Path) -> None:
    def end(found: Resources) -> Resources:
        return [{**each, "active": False} for each in found]

    async with run_world(tmp_path) as world:
        before = await world.launch(NOUR)
        tell(world, "/r4/RelatedPerson", end)
        page = await world.launch(NOUR)
    assert "Hand over to Samir Al-Haddad<" in before.text
    assert "Hand over to Samir Al-Haddad" not in page.text
    assert _therapists(page, "Samir") == _therapists(before, "Samir") == ["Samir Al-Haddad"]


async def test_a_number_after_a_name_in_arabic_stays_behind_it(tmp_path: Path) -> None:
    """Without a letter or mark of the other direction between the two, a line shows the number first."""
    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        nour = (await world.people())[NOUR]
        tell(world, f"/r4/Patient/{nour}", lambda found: [{**each, "name": [ARABIC]} for each in found])
        page = await world.launch(NOUR)
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert f"{ARABIC['text']}\u200e: 16 on average" in findings(page)
    assert f"{ARABIC['text']}\u200e: 16 on average" in draft.text


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt install poppler-utils")
async def test_in_the_pdf_a_name_in_arabic_stands_at_its_line_as_it_is_written(world: World) -> None:
    nour = (await world.people())[NOUR]
    tell(world, f"/r4/Patient/{nour}", lambda found: [{**each, "name": [ARABIC]} for each in found])
    page = await world.launch(NOUR)
    answer = await world.browser.get(f"{page.url}/summary.pdf")
    text = await asyncio.to_thread(
        subprocess.run,
        ["pdftotext", "-layout", "-", "-"],
        input=answer.content,
        capture_output=True,
        check=True,
    )
    told = re.sub("[\u202a-\u202e]", "", unicodedata.normalize("NFKC", text.stdout.decode()))
    sheets = told.count("\f")
    # Above, with the last score, in four tables, at four lines, and in the foot of each sheet.
    assert told.count(ARABIC["text"]) == 10 + sheets


async def test_of_a_history_that_is_too_long_no_part_is_shown_as_if_it_were_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The EHR gives them in its own order: the newest may be among those that are left out."""
    monkeypatch.setattr(chart, "_HISTORY_LIMIT", 60)  # Nour's record has 95: ten thousand take their time
    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        page = await world.launch(NOUR)
    assert "The EHR did not give earlier scores (The EHR has more than 60 of them.)" in page.text
    assert "What the scores say" not in page.text
    assert 'class="now"' not in page.text


async def test_a_patient_of_five_hundred_sessions_is_shown_in_full(tmp_path: Path) -> None:
    def change(found: Resources) -> Resources:
        longer = list(found)
        for week in range(1, 400):
            for each in found[:6]:
                past = copy.deepcopy(each)
                when = datetime.fromisoformat(each["effectiveDateTime"]) - timedelta(weeks=week + 10)
                past.update(id=f"{week}-{each['id']}", effectiveDateTime=when.isoformat())
                longer.insert(0, past)
        return longer

    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        tell(world, "/r4/Observation", change)
        page = await world.launch(NOUR)
    assert "did not give" not in page.text
    assert '<span class="now">21 of 24</span>' in page.text


async def test_sessions_that_could_not_be_read_are_named_and_none_is_called_an_early_one(
    tmp_path: Path,
) -> None:
    """Nour's father answered in sessions 1 and 3, 5 and 7: the first four that he answered are not the first four."""
    async with run_world(tmp_path, interpretation=NAMED) as world:
        whole = await world.launch(NOUR)
        assert "Samir Al-Haddad: 19 on average over sessions 1 to 4, from 2 scores." in findings(whole)
        await unavailable(world, "/r4/Encounter")
        page = await world.launch(NOUR)
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert "The EHR did not give the sessions (The EHR is too busy (HTTP 503).)" in page.text
    assert "fell to 10" in findings(page)
    assert "on average" not in findings(page)
    assert "on average" not in draft.text


async def test_a_form_is_compared_with_that_of_its_own_day_where_sessions_are_days_apart(
    tmp_path: Path,
) -> None:
    """The young person answered three days before as well: the father's form is of the second day."""

    def change(found: Resources) -> Resources:
        latest = totals(found, "adolescent")[-1]
        before = copy.deepcopy(latest)
        when = datetime.fromisoformat(latest["effectiveDateTime"]) - timedelta(days=3)
        before.update(id="before", effectiveDateTime=when.isoformat())
        before["valueQuantity"]["value"] = 3
        return [*found, before]

    every = replace(ACCEPTED, instruments=(ADOLESCENT, "rapport-checkin-caregiver"))
    async with run_world(tmp_path, interpretation=every) as world:
        tell(world, "/r4/Observation", change)
        page = await world.launch(NOUR)
    assert "Samir Al-Haddad rated it 1 higher than Nour Al-Haddad" in findings(page)


async def test_where_two_rated_one_session_on_two_days_both_days_are_told(tmp_path: Path) -> None:
    """The father's last form names no session, and came two days after the young person's."""

    def move(found: Resources) -> Resources:
        own = totals(found, "caregiver")[-1]
        when = datetime.fromisoformat(own["effectiveDateTime"]) + timedelta(days=2)
        own.update(effectiveDateTime=when.isoformat())
        del own["encounter"]
        return found

    def alone(found: Resources) -> Resources:
        others = totals(found, "caregiver")[:-1]
        return [each for each in move(found) if each not in others]

    every = replace(ACCEPTED, instruments=(ADOLESCENT, "rapport-checkin-caregiver"))
    async with run_world(tmp_path, interpretation=every) as world:
        honest = world.hosts.apps["ehr.invalid"]
        told = []
        for change in (move, alone):
            world.hosts.apps["ehr.invalid"] = honest
            tell(world, "/r4/Observation", change)
            told.append(findings(await world.launch(NOUR)))
    days = r"Nour Al-Haddad on (\d+) Feb 2026 and Samir Al-Haddad on (\d+) Feb 2026\."
    several = re.search(rf"both rated 5 sessions; the last, {days}", told[0])
    assert several, told[0]
    assert int(several[2]) - int(several[1]) == 2
    assert re.search(rf"both rated one session, {days}", told[1]), told[1]


@pytest.mark.parametrize("days", [0, 2])
async def test_forms_that_the_record_puts_into_two_sessions_are_not_compared(
    tmp_path: Path, days: int
) -> None:
    """The father's last form is of a session of its own, be it on the same day: nobody else rated that one."""

    def add(found: Resources) -> Resources:
        last = max(found, key=lambda each: str(each["period"]["start"]) * (each["status"] == "finished"))
        start = datetime.fromisoformat(last["period"]["start"]) + timedelta(days=days, hours=6)
        return [*found, {**last, "id": "another", "period": {"start": start.isoformat()}}]

    def move(found: Resources) -> Resources:
        own = totals(found, "caregiver")[-1]
        when = datetime.fromisoformat(own["effectiveDateTime"]) + timedelta(days=days, hours=6)
        own.update(effectiveDateTime=when.isoformat(), encounter={"reference": "Encounter/another"})
        return found

    every = replace(ACCEPTED, instruments=(ADOLESCENT, "rapport-checkin-caregiver"))
    async with run_world(tmp_path, interpretation=every) as world:
        before = findings(await world.launch(NOUR))
        tell(world, "/r4/Encounter", add)
        tell(world, "/r4/Observation", move)
        after = findings(await world.launch(NOUR))
    assert "Nour Al-Haddad, Samir Al-Haddad: both rated 5 sessions" in before
    assert "Nour Al-Haddad, Samir Al-Haddad: both rated 4 sessions" in after


async def test_a_fall_on_a_form_that_its_person_has_outgrown_is_over(tmp_path: Path) -> None:
    """Nour's first five were on the form for children, on which she ended low; since then hers is the adolescents'."""

    def change(found: Resources) -> Resources:
        last = sorted({str(each["effectiveDateTime"]) for each in totals(found, "adolescent")})[4]
        for each in found:
            code = each["code"]["coding"][0]
            if str(each["effectiveDateTime"]) <= last:
                code["code"] = code["code"].replace("-adolescent", "-child")
        return found

    both = replace(NAMED, instruments=(ADOLESCENT, "rapport-checkin-child"))
    async with run_world(tmp_path, interpretation=both) as world:
        tell(world, "/r4/Observation", change)
        page = await world.launch(NOUR)
    changed = page.text.partition('class="facts"')[2].partition("</ul>")[0]
    assert changed.count("<li>") == 3
    assert "not back yet" not in changed
    assert '<span class="now">21 of 24</span>' in changed
    assert 'data-tip="rupture' not in page.text
    assert "fell to 10" in findings(page)
    assert "it comes back" not in findings(page)
    assert "it came back" not in findings(page)  # on that form nothing will come back


async def test_no_divergence_is_told_of_a_form_that_its_person_has_outgrown(tmp_path: Path) -> None:
    """The clinician rates above Wei-Ling, whose last form alone is the adolescents': no norm is adopted for that one."""
    is_outgrown = False

    def change(found: Resources) -> Resources:
        own = sorted({str(each["effectiveDateTime"]) for each in totals(found, "adolescent")})
        for each in found:
            code = each["code"]["coding"][0]
            if str(each["effectiveDateTime"]) <= own[-2 if is_outgrown else -1]:
                code["code"] = code["code"].replace("-adolescent", "-child")
        return found

    async with run_world(tmp_path, interpretation=NAMED) as world:
        tell(world, "/r4/Observation", change)
        await adopt_figures(world, 2.0)
        assert 'data-tip="divergence' in (await world.launch("wei-ling", practitioner="203")).text
        is_outgrown = True
        page = await world.launch("wei-ling", practitioner="203")
    assert 'data-tip="divergence' not in page.text
    assert "rated it" in findings(page)


@pytest.mark.parametrize(("of", "told"), [("1001-20260302", True), ("morning", False), ("unknown", True)])
async def test_of_two_sessions_on_one_day_a_form_counts_for_its_own(
    world: World, of: str, *, told: bool
) -> None:
    def change(found: Resources) -> Resources:
        (today,) = (each for each in found if each["id"] == "1001-20260302")
        morning = {**today, "id": "morning", "period": {"start": "2026-03-02T07:00:00+00:00"}}
        return [*(each for each in found if "period" in each), morning]

    amara, store = (await world.people())["amara"], world.ehr.state.store
    for own in ("morning", "unknown"):  # the search says of the one when it was, and nothing of the other
        subject = {"reference": f"Patient/{amara}"}
        store.create({"resourceType": "Encounter", "status": "finished", "subject": subject}, resource_id=own)
    await submitted(world, response_of(amara, encounter={"reference": f"Encounter/{of}"}))
    tell(world, "/r4/Encounter", change)
    page = await world.launch("amara", encounter="1001-20260302")
    assert ("has answered" in page.text) is told


async def test_without_sessions_in_the_record_a_form_without_a_score_keeps_its_place(tmp_path: Path) -> None:
    """Of Nour's first four forms two have no score: 17, none, none, 10; the fifth is no early one."""

    def change(found: Resources) -> Resources:
        for each in totals(found, "adolescent")[1:3]:
            each["dataAbsentReason"] = {"text": f"{each.pop('valueQuantity')['value']} was a slip"}
        return found

    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        tell(world, "/r4/Observation", change)
        tell(world, "/r4/Encounter", lambda _: [])
        page = await world.launch(NOUR)
    assert "13.5 on average over the first four forms, from 2 scores" in findings(page)


async def test_forms_from_before_the_first_session_are_of_no_session(tmp_path: Path) -> None:
    """The record has one session, of a day on which nobody answered: its forms are older."""

    def change(found: Resources) -> Resources:
        return [{**found[0], "period": {"start": "2026-03-01T08:00:00+00:00"}, "status": "finished"}]

    def without_encounter(found: Resources) -> Resources:
        return [{key: value for key, value in each.items() if key != "encounter"} for each in found]

    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        tell(world, "/r4/Observation", without_encounter)
        tell(world, "/r4/Encounter", change)
        page = await world.launch(NOUR)
        draft = await world.browser.get(f"{page.url}/notes/new")
    assert "fell to" in findings(page)
    for each in (findings(page), draft.text):
        assert "sessions 1 to 4" not in each
        assert "first four forms" not in each


async def test_who_cannot_be_named_is_written_within_a_sentence(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=NAMED) as world:
        nour = (await world.people())[NOUR]
        await unavailable(world, f"/r4/Patient/{nour}")
        page = await world.launch(NOUR)
    assert "than the young person." in findings(page)


async def test_of_hundreds_of_ruptures_the_latest_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    """Nour's total goes up and down for three hundred weeks: a rupture and a repair every month."""

    def change(found: Resources) -> Resources:
        latest = totals(found, "adolescent")[-1]
        last = datetime.fromisoformat(latest["effectiveDateTime"])
        for week in range(1, 301):
            past = copy.deepcopy(latest)
            past.update(id=f"week-{week}", effectiveDateTime=(last - timedelta(weeks=week + 60)).isoformat())
            past["valueQuantity"]["value"] = 4 if week % 8 == 0 else 20 + week % 2
            found.append(past)
        return found

    async with run_world(tmp_path, interpretation=ACCEPTED) as world:
        tell(world, "/r4/Observation", change)
        page = await world.launch(NOUR)
        draft = await world.browser.get(f"{page.url}/notes/new")
    told = findings(page)
    assert told.count("a rupture by the rule below.") == 3
    (more,) = re.findall(r"before these there were (\d+) more ruptures by the rule below", told)
    table = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert int(more) == table.count("(rupture)") - 3 > 30
    assert f"before these there were {more} more ruptures" in draft.text


@pytest.mark.parametrize("declares", [False, True])
async def test_an_ehr_that_keeps_no_caregivers_is_no_alert_at_every_launch(
    world: World, *, declares: bool
) -> None:
    def change(found: Resources) -> Resources:
        (rest,) = found[0]["rest"]
        kept = [each for each in rest["resource"] if declares or each["type"] != "RelatedPerson"]
        return [{**found[0], "rest": [{**rest, "resource": kept}]}]

    tell(world, "/r4/metadata", change)
    fault = {"kind": "forbidden", "path": "/r4/RelatedPerson*"}
    assert (await world.browser.post(f"{EHR}/sandbox/faults", json=fault)).status_code == 201
    page = await world.launch("amara")
    line = '<p class="quiet">The EHR keeps no caregivers: the young person and the therapist can answer here.</p>'
    assert (line in page.text) is not declares
    assert ("The EHR did not give the caregivers (" in page.text) is declares
    notices = page.text.partition('data-part="notices"')[2].partition('data-part="changed"')[0]
    assert ('role="alert"' in notices) is declares
    assert "<b>Amara Okafor</b>" in page.text
