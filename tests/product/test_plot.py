"""What the patient page draws around the scores: sessions' kinds, medicines, and ruptures where the site accepts a rule."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from plugin.delivery.pdf import can_render
from plugin.errors import SettingsInvalid
from plugin.interpretation import Interpretation, Rupture
from plugin.tips import shipped_tips
from tests.product.forms import ANSWERS, response_of
from tests.product.test_later_versions import submitted
from tests.product.test_norms import adopt_figures
from tests.product.test_personalities import send_form, settled
from tests.product.test_score_entry import ATTESTED, LINES, TEENAGER
from tests.product.world import EHR, World, order_by_reference, run_world

ADOLESCENT = "rapport-checkin-adolescent"
ACCEPTED = Interpretation(
    accepted_by="Head of service",
    accepted_on=date(2026, 1, 31),
    instruments=(ADOLESCENT,),
    rupture="gumz-1sd",
    sessions_before=3,
    repair_within=3,
    smallest_fall=1 / 12,
    divergence=1.0,
    tips=shipped_tips(),
)


@pytest.fixture
async def reading(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(tmp_path, interpretation=ACCEPTED, show_medication=True) as world:
        yield world


async def test_nour_fell_and_came_back_and_the_rule_stands_beneath(reading: World) -> None:
    page = await reading.launch("نور")
    first = page.text[page.text.index('class="plot wide"') :].partition("</svg>")[0]
    assert re.findall(r'data-event="(\w+)"', first) == ["rupture", "repair"]
    assert "(rupture)" in page.text
    assert "(repair)" in page.text
    assert "Gumz 2012" in page.text


async def test_subscales_are_not_read_for_ruptures(reading: World) -> None:
    page = await reading.launch("نور")
    assert page.text.count("data-event=") == 4  # the total's two marks, in the wide and in the narrow drawing


async def test_instruments_that_the_site_does_not_name_are_not_read(reading: World) -> None:
    page = await reading.launch("jayden")  # up and down: his caregiver's form is not named, his own is
    assert "data-criterion" in page.text
    table = page.text[page.text.index("<table>") :].partition("</table>")[0]
    caregivers = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL)[1] for row in table.split("<tr>")[2:]]
    assert not any("rupture" in each for each in caregivers)


@pytest.mark.parametrize("rupture", ["gumz-1sd", "none"])
async def test_on_whose_word_scores_are_interpreted_stands_beneath(tmp_path: Path, rupture: Rupture) -> None:
    accepted = replace(ACCEPTED, accepted_by="A. <b>Lindgren</b>", rupture=rupture)
    async with run_world(tmp_path, interpretation=accepted) as world:
        page = await world.launch("نور")
    told = page.text.partition("data-accepted>")[2].partition("</p>")[0]
    assert (
        told
        == "What is read out of scores here was accepted by A. &lt;b&gt;Lindgren&lt;/b&gt; on 31 Jan 2026."
    )


async def test_without_acceptance_nothing_is_marked(world: World) -> None:
    page = await world.launch("نور")
    assert "rupture" not in page.text.lower()
    assert "data-criterion" not in page.text
    assert "data-accepted" not in page.text


async def test_a_medicine_of_the_record_is_drawn_where_the_site_shows_them(reading: World) -> None:
    page = await reading.launch("نور")
    assert re.search(r"<li>Fluoxetine 20 mg capsule since \d+ \w+ 20\d\d</li>", page.text)
    asked = {request.url.path for request in reading.hosts.seen if "/r4/Medication" in request.url.path}
    assert {path.split("/")[2] for path in asked} == {"MedicationStatement", "MedicationRequest"}


async def test_a_medicine_in_a_resource_of_its_own_is_drawn_by_its_name(reading: World) -> None:
    people = await reading.people()
    order_by_reference(reading, f"Patient/{people['نور']}")
    page = await reading.launch("نور")
    assert "Fluoxetine 20 mg capsule since" in page.text
    assert "Sertraline since 5 Jan 2026" in page.text


@pytest.mark.parametrize("written", [f"{EHR}/r4/Medication/{{id}}", "Medication/{id}/_history/1"])
async def test_a_medicine_may_be_referred_to_by_its_whole_address_or_a_version(
    reading: World, written: str
) -> None:
    people = await reading.people()
    order_by_reference(reading, f"Patient/{people['نور']}", written=written)
    assert "Sertraline since 5 Jan 2026" in (await reading.launch("نور")).text


async def test_two_medicines_that_their_orders_contain_under_one_id_are_two(reading: World) -> None:
    person = f"Patient/{(await reading.people())['نور']}"
    for name, day in (("Sertraline", "2026-01-05"), ("Melatonin", "2026-02-05")):
        reading.ehr.state.store.create(
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "authoredOn": day,
                "contained": [{"resourceType": "Medication", "id": "1", "code": {"text": name}}],
                "medicationReference": {"reference": "#1"},
                "subject": {"reference": person},
            }
        )
    page = await reading.launch("نور")
    assert "Sertraline since 5 Jan 2026" in page.text
    assert "Melatonin since 5 Feb 2026" in page.text


@pytest.mark.parametrize(
    ("period", "told"),
    [
        ({}, ", days not recorded"),
        ({"end": "2026-02-05"}, " until 5 Feb 2026"),
        ({"start": "2025"}, ", start recorded as 2025, without a day"),
        (
            {"start": "2025-11", "end": "2026-02-05"},
            " until 5 Feb 2026, start recorded as Nov 2025, without a day",
        ),
    ],
)
async def test_a_medicine_whose_start_is_not_recorded_is_not_drawn_as_taken_throughout(
    reading: World, period: dict[str, str], told: str
) -> None:
    person = f"Patient/{(await reading.people())['نور']}"
    before = await reading.launch("نور")
    reading.ehr.state.store.create(
        {
            "resourceType": "MedicationStatement",
            "status": "completed" if "end" in period else "active",
            "medicationCodeableConcept": {"text": "Sertraline"},
            "subject": {"reference": person},
            **({"effectivePeriod": period} if period else {}),
        }
    )
    page = await reading.launch("نور")
    assert f"<li>Sertraline{told}</li>" in page.text
    assert "start or stop not recorded" in page.text
    assert page.text.count('class="course uncertain" d="M66') == 4  # from the left edge of each wide plot
    assert "uncertain" not in before.text


async def test_a_medicine_whose_end_lies_before_its_start_is_named_and_not_drawn(reading: World) -> None:
    person = f"Patient/{(await reading.people())['نور']}"
    before = await reading.launch("نور")
    reading.ehr.state.store.create(
        {
            "resourceType": "MedicationStatement",
            "status": "completed",
            "medicationCodeableConcept": {"text": "Sertraline"},
            "subject": {"reference": person},
            "effectivePeriod": {"start": "2026-02-17", "end": "2026-01-27"},
        }
    )
    page = await reading.launch("نور")
    told = "Sertraline, not drawn: in the record its end (27 Jan 2026) lies before its start (17 Feb 2026)"
    assert f"<li>{told}</li>" in page.text
    assert f"{told}. " in page.text.partition("<desc")[2].partition("</desc>")[0]
    assert page.text.count('class="course') == before.text.count('class="course')


async def test_a_medicine_begun_since_the_last_score_is_told(reading: World) -> None:
    """Nour's last score is of 23 February; today is 2 March."""
    person = f"Patient/{(await reading.people())['نور']}"
    for name, start in (("Sertraline", "2026-02-27"), ("Melatonin", "2026-03-09")):
        reading.ehr.state.store.create(
            {
                "resourceType": "MedicationStatement",
                "status": "active",
                "medicationCodeableConcept": {"text": name},
                "effectivePeriod": {"start": start},
                "subject": {"reference": person},
            }
        )
    page = await reading.launch("نور")
    assert "<li>Sertraline since 27 Feb 2026</li>" in page.text
    assert "Melatonin" not in page.text  # that is still to come


async def test_a_medicine_of_another_server_is_not_asked_for(reading: World) -> None:
    people = await reading.people()
    elsewhere = "https://elsewhere.invalid/r4/Medication/{id}"
    order_by_reference(reading, f"Patient/{people['نور']}", written=elsewhere)
    page = await reading.launch("نور")
    assert "A medicine whose name could not be read since 5 Jan 2026" in page.text
    assert "The EHR did not give" not in page.text  # trying again would not help
    assert not [each for each in reading.hosts.seen if "elsewhere" in each.url.host]


async def test_a_medicine_whose_name_cannot_be_read_is_called_so(reading: World) -> None:
    people = await reading.people()
    order_by_reference(reading, f"Patient/{people['نور']}")
    fault = {"kind": "forbidden", "path": "/r4/Medication/*"}
    assert (await reading.browser.post(f"{EHR}/sandbox/faults", json=fault)).status_code == 201
    page = await reading.launch("نور")
    assert "A medicine whose name could not be read since 5 Jan 2026" in page.text
    assert "Fluoxetine 20 mg capsule since" in page.text
    assert "Medication/" not in page.text
    assert "The EHR did not give the names of some medicines (" in page.text
    reading.browser.headers["Accept-Language"] = "de"
    page = await reading.browser.get(page.url)
    assert "Ein Medikament, dessen Name nicht gelesen werden konnte, seit" in page.text


async def test_a_medicine_that_its_order_refers_to_in_vain_is_no_fault_of_today(reading: World) -> None:
    order_by_reference(reading, f"Patient/{(await reading.people())['نور']}", written="Medication/gone")
    page = await reading.launch("نور")
    assert "A medicine whose name could not be read since 5 Jan 2026" in page.text
    assert "The EHR did not give" not in page.text


class _Slow(httpx.AsyncBaseTransport):
    """An EHR that takes its time over one medicine; counts how many are read at once."""

    def __init__(self, inner: httpx.AsyncBaseTransport, slow: str) -> None:
        self._inner, self._slow, self.now, self.most = inner, slow, 0, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "/r4/Medication/" not in request.url.path:
            return await self._inner.handle_async_request(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(60 if request.url.path.endswith(self._slow) else 0.01)
            return await self._inner.handle_async_request(request)
        finally:
            self.now -= 1


async def test_one_slow_medicine_keeps_none_of_the_others_and_few_are_read_at_once(tmp_path: Path) -> None:
    async with run_world(tmp_path, interpretation=ACCEPTED, show_medication=True, ehr_patience=4) as world:
        person = f"Patient/{(await world.people())['نور']}"
        for number in range(20):
            order_by_reference(world, person, f"Medicine {number}")
        slow = world.ehr.state.store.create({"resourceType": "Medication", "code": {"text": "Slow"}}).id
        order_by_reference(world, person, written=f"Medication/{slow}")
        host = httpx.URL(EHR).netloc.decode()
        watch = _Slow(world.hosts.apps[host], f"/{slow}")
        world.hosts.apps[host] = watch  # type: ignore[assignment] # a transport around the one of httpx
        page = await world.launch("نور")
    assert re.search(r"Medicine \d+ since 5 Jan 2026", page.text)  # one course: they have one code
    assert "A medicine whose name could not be read since 5 Jan 2026" in page.text
    assert "the rest follows by itself" in page.text
    assert 2 <= watch.most <= 10


async def test_by_default_medicines_are_neither_read_nor_shown(world: World) -> None:
    page = await world.launch("نور")
    assert "Fluoxetine" not in page.text
    assert not [request for request in world.hosts.seen if "/r4/Medication" in request.url.path]


async def test_medicines_that_cannot_be_read_are_named_and_the_scores_still_shown(reading: World) -> None:
    answer = await reading.browser.post(
        "https://ehr.invalid/sandbox/faults",
        json={"kind": "failed", "path": "/r4/MedicationStatement*", "count": 1},
    )
    assert answer.status_code in {200, 201}, answer.text
    page = await reading.launch("نور")
    assert "The EHR did not give the medication" in page.text
    assert 'class="plot wide"' in page.text


async def test_sessions_by_video_are_marked(world: World) -> None:
    page = await world.launch("wei-ling")  # all by video
    assert "session by video" in page.text
    assert "session in person" not in page.text
    assert ", by video</th>" in page.text


async def test_a_band_is_drawn_where_a_norm_is_adopted_without_any_interpretation(world: World) -> None:
    await adopt_figures(world, 3.0)
    page = await world.launch("amara")
    assert 'class="band band-0' in page.text
    assert 'class="band band-1' not in page.text  # the caregiver's form has no norm
    assert "20 ± 3.72" in page.text  # 1.96 · 3 · √2 · √(1 − 0.8)


async def test_the_scores_speak_the_browsers_language(world: World) -> None:
    world.browser.headers["Accept-Language"] = "fr-CH, en;q=0.5"
    page = await world.launch("amara")
    assert "Scores au fil des séances" in page.text
    assert '<html lang="fr"' in page.text


async def test_a_score_that_is_missing_says_once_that_it_is_and_which_question_had_no_answer(
    world: World,
) -> None:
    page = await world.launch("tomasz")
    assert "not computed: unanswered questions: no. 6<" in page.text
    assert "Not computed" not in page.text


@pytest.mark.parametrize("names_session", [True, False])
async def test_a_form_that_was_filled_again_in_a_session_is_compared_with_the_session_before(
    world: World, *, names_session: bool
) -> None:
    told = []
    for _ in range(2):
        await settled(world, await send_form(world, encounter=names_session))
        world.browser = world.new_browser()
        page = await world.launch("amara")
        told.append(re.findall(r"data-moved>([^<]*)<.*?last time \(([^)]*)\)", page.text, re.DOTALL)[0])
        world.browser = world.new_browser()
        world.clock.pass_time(minutes=5)
    assert told[1] == told[0]
    assert told[0][0].endswith(" lower")
    table = page.text[page.text.index("<table>") :].partition("</table>")[0]
    assert len(re.findall(r"\b14\b", table)) == 2  # both stand there


@pytest.mark.parametrize("kind", ["IMP", "AMB"])
async def test_a_stay_or_a_series_under_one_encounter_is_no_single_session(world: World, kind: str) -> None:
    store = world.ehr.state.store
    visit = store.read("Encounter", "1001-20260302").read()
    begun = {"status": "in-progress", "period": {"start": world.clock().isoformat()}}
    stay = store.create({**visit, **begun, "class": {**visit["class"], "code": kind}}).id
    people = await world.people()
    told = []
    for _ in range(4):
        page = await world.launch("amara", encounter=stay)
        told.append(int(re.findall(r"(\d+) sessions, latest", page.text)[0]))
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        assert (await world.fill(secret, ANSWERS)).status_code == 200
        world.browser = world.new_browser()
        world.clock.pass_time(days=7)
    assert [each - told[0] for each in told] == [0, 1, 2, 3]


async def test_findings_are_told_in_words(reading: World) -> None:
    page = await reading.launch("نور")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))
    assert "the total fell to 10 on" in text
    assert re.search(
        r"from a best of 19: a rupture by the rule below\. It fell further, to 7 on [^.]*\. It was back at 18 on",
        text,
    )
    assert "16 on average over sessions 1 to 4, from 4 scores." in text


async def test_a_score_of_no_session_takes_the_place_of_no_early_one(tmp_path: Path) -> None:
    """Another app's form, without an encounter, between the first two sessions of the record."""
    accepted = replace(ACCEPTED, instruments=("rapport-checkin-child",))
    early = re.compile(r"Amara Okafor</b>\W+[\d.]+ on average over sessions 1 to 4, from 4 scores")
    async with run_world(tmp_path, interpretation=accepted) as world:
        before = early.findall((await world.launch("amara")).text)
        amara = (await world.people())["amara"]
        found = await world.search("Observation", patient=amara)
        first = min(datetime.fromisoformat(each["effectiveDateTime"]) for each in found)
        await submitted(world, response_of(amara, authored=(first + timedelta(days=1)).isoformat()))
        after = early.findall((await world.launch("amara")).text)
    assert before == after
    assert len(after) == 1


async def test_a_form_without_an_encounter_on_the_day_of_a_session_is_of_that_session(tmp_path: Path) -> None:
    """Filled again five minutes after the form of the first session, it counts in its place as an early one."""
    accepted = replace(ACCEPTED, instruments=("rapport-checkin-child",))
    early = re.compile(r"Amara Okafor</b>\W+([\d.]+) on average over sessions 1 to 4, from 4 scores")
    async with run_world(tmp_path, interpretation=accepted) as world:
        (before,) = early.findall((await world.launch("amara")).text)
        amara = (await world.people())["amara"]
        found = await world.search("Observation", patient=amara)
        first = min(datetime.fromisoformat(each["effectiveDateTime"]) for each in found)
        await submitted(world, response_of(amara, authored=(first + timedelta(minutes=5)).isoformat()))
        (after,) = early.findall((await world.launch("amara")).text)
    assert before != after


async def test_a_fall_that_went_deeper_names_its_lowest_score_and_stands_in_what_changed(
    reading: World,
) -> None:
    """Wei-Ling's scores fell by the rule three sessions ago, and go on falling."""
    page = await reading.launch("wei-ling")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))
    assert re.search(r"the total fell to 15 on [^.]*\. It fell further, to 9 on [^.]*\.", text)
    changed = text.partition("What changed")[2].partition("Due now")[0]
    assert re.search(r"Wei-Ling Chen 9 of 24 .*?rupture since \d+ \w+ 20\d\d, not back yet", changed)


async def test_a_rupture_that_was_repaired_is_over_in_what_changed(reading: World) -> None:
    page = await reading.launch("نور")
    assert "not back yet" not in page.text


async def test_raters_are_told_side_by_side_where_all_their_forms_are_named(tmp_path: Path) -> None:
    names = tuple(f"rapport-checkin-{each}" for each in ("adolescent", "therapist"))
    async with run_world(tmp_path, interpretation=replace(ACCEPTED, instruments=names)) as world:
        await adopt_figures(world, 4.0, instrument="rapport-checkin-adolescent")
        page = await world.launch(
            "wei-ling", practitioner="203"
        )  # falling, and her therapist does not see it
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))
    assert "both rated 4 sessions, the last on" in text
    assert re.search(
        r"([A-Z][\w ]+) rated it 4 higher than Wei-Ling Chen\. \1 rated higher in each of the 4 sessions\. They",
        text,
    )
    assert "They diverge: the adult rates at least 1 SD of your service" in text


async def test_a_form_that_is_accepted_and_not_installed_stops_the_start(tmp_path: Path) -> None:
    """A slip of the pen would leave its ruptures unmarked without a word."""
    slip = replace(ACCEPTED, instruments=("rapport-chekin-child",))
    with pytest.raises(
        SettingsInvalid, match=r"interpretation.*“rapport-chekin-child”.*nearest: rapport-checkin-child"
    ):
        async with run_world(tmp_path, interpretation=slip):
            pass


async def test_without_acceptance_nothing_is_said(world: World) -> None:
    page = await world.launch("نور")
    assert "data-finding" not in page.text
    assert "What the scores say" not in page.text


async def test_sessions_with_a_caregiver_are_ringed_and_told(world: World) -> None:
    page = await world.launch("mateo")
    assert 'class="caregiver"' in page.text
    assert re.search(r"<th scope=\"row\">[^<]*, caregiver took part</th>", page.text)


async def test_the_axis_carries_the_native_scale_and_0_to_100(world: World) -> None:
    page = await world.launch("amara")
    drawing = page.text[page.text.index('class="plot wide"') :].partition("</svg>")[0]
    assert re.findall(r'text-anchor="end">(\d+)</text>', drawing) == [
        "0",
        "0",
        "6",
        "25",
        "12",
        "50",
        "18",
        "75",
        "24",
        "100",
    ]


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
async def test_scores_and_plots_come_as_a_pdf(world: World) -> None:
    page = await world.launch("amara")
    assert "/summary.pdf" in page.text
    answer = await world.browser.get(f"{page.url}/summary.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt install poppler-utils")
async def test_the_pdf_has_every_score_and_every_medicine_with_its_whole_name(reading: World) -> None:
    page = await reading.launch("نور")
    table = re.compile(r"<table>.*?</table>", re.DOTALL)
    rows = sum(each.count('<tr><th scope="row">') for each in table.findall(page.text))
    answer = await reading.browser.get(f"{page.url}/summary.pdf")
    command = ["pdftotext", "-layout", "-", "-"]
    text = await asyncio.to_thread(
        subprocess.run, command, input=answer.content, capture_output=True, check=True
    )
    told = text.stdout.decode()
    assert len(re.findall(r"^\s*Session\b", told, re.M)) == 4  # total, goals, tasks and bond
    assert len(re.findall(r"^\s*\d+ \w+ 20\d\d, (?:in person|by video)", told, re.M)) == rows
    assert "accepted by Head of service on 31 Jan 2026." in re.sub(r"\s+", " ", told)
    assert re.search(r"Medication in the record\s+• Fluoxetine 20 mg capsule since \d+ \w+ 20\d\d", told)


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt install poppler-utils")
@pytest.mark.parametrize(
    ("form", "who", "moved"),
    [("rapport-checkin-child", "Amara", True), ("rapport-checkin-caregiver", "Ngozi", False)],
)
async def test_the_pdf_says_what_its_shading_and_a_difference_mean(
    world: World, form: str, who: str, *, moved: bool
) -> None:
    await adopt_figures(world, 3.0, instrument=form, rater=form.rpartition("-")[2])
    page = await world.launch("amara")
    answer = await world.browser.get(f"{page.url}/summary.pdf")
    text = await asyncio.to_thread(
        subprocess.run, ["pdftotext", "-raw", "-", "-"], input=answer.content, capture_output=True, check=True
    )
    told = re.sub(r"\s+", " ", text.stdout.decode())
    first = 20 if who == "Amara" else 19
    assert f"{who} Okafor: No reliable change from the first score between {first - 3.72:g}" in told
    within = "The difference is within measurement error (± 3.72)."
    assert (within in told) is moved
    source = (
        f"Measurement error ({who} Okafor): own data (the ledger), alpha 0.80, n = 120, adopted 1 Feb 2026."
    )
    assert source in told
    band = f"{first - 3.72:g} – {min(first + 3.72, 24):g}"
    assert re.search(rf"No reliable change from the first score (– )*{band}", told)
    assert re.search(r"How much measurement error alone moves a score is not known \([^)]*\)", told)


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt install poppler-utils")
async def test_the_pdf_says_what_it_lacks(reading: World) -> None:
    page = await reading.launch("نور")
    fault = {"kind": "failed", "path": "/r4/MedicationStatement*", "count": 9}
    asked = await reading.browser.post("https://ehr.invalid/sandbox/faults", json=fault)
    assert asked.status_code == 201, asked.text
    answer = await reading.browser.get(f"{page.url}/summary.pdf")
    text = await asyncio.to_thread(
        subprocess.run, ["pdftotext", "-raw", "-", "-"], input=answer.content, capture_output=True, check=True
    )
    assert "The EHR did not give the medication" in text.stdout.decode()


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt install poppler-utils")
async def test_the_plot_of_several_forms_stands_in_the_pdf_as_a_table_too(tmp_path: Path) -> None:
    async with run_world(tmp_path, attested=ATTESTED) as world:
        people = await world.people()
        page = await world.launch(TEENAGER)
        secret = await world.hand_over(page, f"Patient/{people[TEENAGER]}", "srs", pin="")
        assert (await world.fill(secret, LINES)).status_code == 200
        answer = await world.browser.get(f"{page.url}/summary.pdf")
    text = await asyncio.to_thread(
        subprocess.run, ["pdftotext", "-raw", "-", "-"], input=answer.content, capture_output=True, check=True
    )
    common = text.stdout.decode().partition("each on 0 to 100")[2].partition("scale 0 to")[0]
    assert re.search(r"^\s*Session\b", common, re.M)
    assert re.search(r"20\d\d.*\b87\b", common)  # 34.8 of 40
