"""The research export through the front door: consent, what is in it, what is not, and its entries in the trail."""

import csv
import hashlib
import html
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from plugin.audit import Actor, Kind
from plugin.commands.researching import tell_export
from plugin.flow import Arrival, submit
from plugin.ledger import tables as t
from plugin.norms.administrations import bands_of
from plugin.pages.staff import KEPT
from plugin.pages.words import LANGUAGES
from plugin.research import COLUMNS
from plugin.research.deidentify import QUASI_IDENTIFIERS
from plugin.research_settings import BACKEND_SCOPES, Research
from plugin.researching import Gathered, LeftOut
from plugin.researching.writing import as_cell
from plugin.respondents import RespondentPolicy
from plugin.roles import Role, RoleBook
from questionnaires import load_catalogue, walk
from tests.product.forms import ANSWERS, response_of
from tests.product.test_administering import csrf_of, sign_in
from tests.product.test_auditing import logged
from tests.product.test_own_forms import drop
from tests.product.ways import form_to
from tests.product.world import EHR, World, order_by_reference, run_world
from tests.questionnaires import forms
from tests.security.test_attacks import rewrite

RESEARCHER, OTHER = "205", "206"
BOOK = RoleBook(
    {
        f"Practitioner/{RESEARCHER}": frozenset({Role.RESEARCHER}),
        f"Practitioner/{OTHER}": frozenset({Role.ADMINISTRATOR}),
    }
)
AGREED, REFUSED, NOT_ASKED = ("amara", "mateo", "نور"), "jayden", "kofi"


def policy(folder: Path, **more: Any) -> dict[str, Any]:
    # All forms here are of one day: of more than one day's shift each export would be asked about for that.
    research = Research(folder / "research.salt", **{"smallest_cell": 1, "shift_days": 1} | more)
    if not research.salt_file.exists():
        research.make_salt()
    return {"research": research, "roles": BOOK}


async def fill_forms(world: World, names: tuple[str, ...]) -> None:
    people = await world.people()
    for name in names:
        world.browser = world.new_browser()  # the last one is handed over
        page = await world.launch(name, encounter=f"{people[name]}-20260302")
        secret = await world.hand_over(page, f"Patient/{people[name]}")
        sent = await world.fill(secret, ANSWERS)
        assert sent.status_code == 200, sent.text


async def export(world: World, language: str = "en", **more: str) -> httpx.Response:
    browser, desk = await sign_in(world, RESEARCHER)
    browser.headers["Accept-Language"] = language
    page = await browser.get(f"{desk.url}/research")
    asked = {
        "csrf": csrf_of(page),
        "first": "2026-01-01",
        "last": "2026-12-31",
        "why": "Alliance and medicines",
    }
    return await browser.post(f"{desk.url}/research", data=asked | more)


def table_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return list(csv.DictReader(io.StringIO(archive.read("administrations.csv").decode())))


async def events(world: World) -> list[tuple[str, str | None, str]]:
    query = sa.select(t.audit.c.kind, t.audit.c.patient, t.audit.c.outcome).order_by(t.audit.c.id)
    rows = await world.rapport.state.rapport.ledger.read(lambda c: c.execute(query).all())
    return [tuple(row) for row in rows if row.kind == "research-exported"]


async def test_forms_of_those_who_agreed_are_given_with_their_session(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, (*AGREED[:2], REFUSED, NOT_ASKED))
        rows = table_of(await export(world))
        assert len(rows) == 2
        assert {row["score_total"] for row in rows} == {"14"}
        assert {row["modality"] for row in rows} == {"in-person"}
        assert {row["medication_class"] for row in rows} == {"none", "N06B"}
        assert {row["age_band"] for row in rows} == {"7–11"}
        assert {row["session"] for row in rows} == {"9", "7"}
        assert {row["rater"] for row in rows} == {"child"}
        assert len({row["person"] for row in rows}) == 2


@pytest.mark.parametrize(("ages", "band"), [((7, 9, 12), "9–11"), ((7, 11, 18), "7–10"), ((10,), "0–9")])
async def test_a_site_says_where_bands_of_age_begin(tmp_path: Path, ages: tuple[int, ...], band: str) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path, ages=ages)) as world:
        await fill_forms(world, AGREED[:1])  # nine years old
        answer = await export(world)
        (row,) = table_of(answer)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            book = archive.read("codebook.md").decode()
    assert row["age_band"] == band
    assert f"Bands: {', '.join(bands_of(ages))}." in book


async def test_a_site_may_give_all_who_did_not_refuse(tmp_path: Path) -> None:
    async with run_world(
        tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path, consent="not-refused")
    ) as world:
        await fill_forms(world, (AGREED[0], REFUSED, NOT_ASKED))
        assert len(table_of(await export(world))) == 2


class _Unfiltered(httpx.AsyncBaseTransport):
    """An EHR that knows no search of Consent by patient, and gives one person's whoever is asked about."""

    def __init__(self, inner: httpx.AsyncBaseTransport, patient: str) -> None:
        self._inner, self._patient = inner, patient

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/Consent"):
            request.url = request.url.copy_set_param("patient", self._patient)
        return await self._inner.handle_async_request(request)


async def test_somebody_elses_agreement_is_none(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, (AGREED[0], NOT_ASKED))
        host = httpx.URL(EHR).netloc.decode()
        amara = (await world.people())[AGREED[0]]
        world.hosts.apps[host] = _Unfiltered(world.hosts.apps[host], amara)  # type: ignore[assignment] # a transport around the one of httpx
        assert len(table_of(await export(world))) == 1


async def test_an_agreement_to_other_data_is_none(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, (AGREED[0], NOT_ASKED))
        people = await world.people()
        scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}
        agreed = {
            "resourceType": "Consent",
            "status": "active",
            "scope": {"coding": [scope]},
            "patient": {"reference": f"Patient/{people[NOT_ASKED]}"},
            "provision": {"type": "permit"},
        }
        limited = {"type": "permit", "dataPeriod": {"end": "2025-12-31"}}
        world.ehr.state.store.create({**agreed, "provision": limited})
        assert len(table_of(await export(world))) == 1
        world.ehr.state.store.create(agreed)
        assert len(table_of(await export(world, despite="yes"))) == 2


async def fluoxetine_of(world: World, who: str) -> dict[str, Any]:
    """Give what an order and a statement of one medicine have in common."""
    return {
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "N06AB03"}]},
        "subject": {"reference": f"Patient/{(await world.people())[who]}"},
    }


async def test_a_medicine_that_is_not_taken_is_none_however_it_was_ordered(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        head = await fluoxetine_of(world, AGREED[0])
        order = {"status": "active", "intent": "order", "authoredOn": "2026-01-05"}
        world.ehr.state.store.create({"resourceType": "MedicationRequest", **order, **head})
        (ordered,) = table_of(await export(world))
        assert ordered["medication_class"] == "N06A"
        said = {"resourceType": "MedicationStatement", "status": "not-taken"}
        world.ehr.state.store.create({**said, **head})
        (row,) = table_of(await export(world, despite="yes"))
        assert row["medication_class"] == "none"


async def test_a_medicine_that_is_ordered_again_after_it_was_stopped_is_taken(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        head = await fluoxetine_of(world, AGREED[0])
        taken = {"status": "completed", "effectivePeriod": {"start": "2025-01-05", "end": "2025-06-30"}}
        world.ehr.state.store.create({"resourceType": "MedicationStatement", **taken, **head})
        (row,) = table_of(await export(world))
        assert row["medication_class"] == "none"
        again = {"status": "active", "intent": "order", "authoredOn": "2026-01-05"}
        world.ehr.state.store.create({"resourceType": "MedicationRequest", **again, **head})
        (row,) = table_of(await export(world, despite="yes"))
        assert row["medication_class"] == "N06A"


@pytest.mark.parametrize(("born", "band"), [("2017", "7–11"), ("2014-02", "12–17"), ("2014", "unknown")])
async def test_a_birth_date_without_its_day_gives_the_band_that_it_leaves_no_doubt_about(
    tmp_path: Path, born: str, band: str
) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        rewrite(world, "Patient", (await world.people())[AGREED[0]], birthDate=born)
        (row,) = table_of(await export(world))
        assert row["age_band"] == band


async def test_no_birthday_shows_between_two_forms_of_a_person(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        rewrite(
            world, "Patient", (await world.people())[AGREED[0]], birthDate="2014-03-05"
        )  # 12 in three days
        world.clock.pass_time(days=7)
        await fill_forms(world, AGREED[:1])
        rows = table_of(await export(world))
        assert [row["age_band"] for row in rows] == ["7–11", "7–11"]


@pytest.mark.parametrize(("may_be_read", "told"), [(True, "N06A"), (False, "unclassified")])
async def test_a_medicine_may_stand_in_a_resource_of_its_own(
    tmp_path: Path, *, may_be_read: bool, told: str
) -> None:
    scopes = (
        BACKEND_SCOPES
        if may_be_read
        else tuple(each for each in BACKEND_SCOPES if each != "system/Medication.rs")
    )
    async with run_world(tmp_path, backend_scopes=scopes, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        people = await world.people()
        order_by_reference(world, f"Patient/{people[AGREED[0]]}")
        answer = await export(world)
    assert table_of(answer)[0]["medication_class"] == told
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        book = json.loads(archive.read("codebook.json"))
    assert ("Medication" in book["not_read_from_the_ehr"]) is not may_be_read


async def test_a_medicine_of_many_people_is_read_once(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        people, store = await world.people(), world.ehr.state.store
        medicine = store.create({"resourceType": "Medication", "code": {"text": "Sertraline"}}).id
        for name in AGREED[:2]:
            order_by_reference(world, f"Patient/{people[name]}", written=f"Medication/{medicine}")
        table_of(await export(world))
        assert len([each for each in world.hosts.seen if "/r4/Medication/" in each.url.path]) == 1


async def test_the_hundred_and_first_medicine_of_a_person_has_its_class(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        person = f"Patient/{(await world.people())[AGREED[0]]}"
        for number in range(101):
            order_by_reference(world, person, f"Medicine {number}")
        (row,) = table_of(await export(world))
        assert row["medication_class"] == "N06A"


@pytest.mark.parametrize("unread", ["MedicationStatement", "MedicationRequest"])
async def test_no_medicine_is_not_said_where_one_of_the_two_kinds_could_not_be_read(
    tmp_path: Path, unread: str
) -> None:
    scopes = tuple(each for each in BACKEND_SCOPES if each != f"system/{unread}.rs")
    async with run_world(tmp_path, backend_scopes=scopes, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        answer = await export(world)
    rows = table_of(answer)
    assert sorted(row["medication_class"] for row in rows) == ["N06B", "unknown"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        book = json.loads(archive.read("codebook.json"))
    assert "unknown where" in book["columns"]["medication_class"]


async def test_nothing_that_names_a_person_is_in_the_archive(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        answer = await export(world)
        people = await world.people()
        ledger = world.rapport.state.rapport.ledger
        responses = await ledger.read(lambda c: c.execute(sa.select(t.response.c.id)).scalars().all())
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert sorted(archive.namelist()) == [
                "administrations.csv",
                "administrations.parquet",
                "codebook.json",
                "codebook.md",
            ]
            whole = b"\n".join(archive.read(name) for name in archive.namelist()).decode("utf-8", "replace")
            frame = pq.read_table(io.BytesIO(archive.read("administrations.parquet")))
        assert all((field.metadata or {}).get(b"description") for field in frame.schema)
        for told in ("Okafor", "Ríos", "Patient/", "Practitioner/", "2026-03-02", *responses):
            assert told not in whole, told
        assert not re.search(rf"\b({people['amara']}|{people['mateo']})\b", whole)
        assert frame.num_rows == 2
        assert frame.column("score_total").to_pylist() == [14.0, 14.0]


async def test_both_tables_have_the_same_values(tmp_path: Path) -> None:
    form = load_catalogue().by_id("tpocs-a")
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        rapport, patient = world.rapport.state.rapport, f"Patient/{(await world.people())['amara']}"
        rated = [each for each in walk(form.items) if each.options]
        items = [
            {
                "linkId": each.link_id,
                "answer": [{"valueCoding": {"system": option.system, "code": option.code}}],
            }
            for place, each in enumerate(rated)
            for option in each.options[: 1 if place else 2][-1:]
        ]
        body = response_of("", questionnaire=form.canonical, item=items, subject={"reference": patient})
        body["source"] = {"reference": "Practitioner/202"}
        await submit(rapport.intake, Arrival(json.dumps(body).encode(), "sandbox", "S", patient, Actor(None)))
        answer = await export(world)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        frame = pq.read_table(io.BytesIO(archive.read("administrations.parquet"))).to_pylist()
    rows = table_of(answer)
    assert len(rows) == len(frame) == 2
    for row, exact in zip(rows, frame, strict=True):
        for name, text in row.items():
            value = exact[name]
            if isinstance(value, float):
                assert float(text) == value, name
            elif isinstance(value, bool):
                assert text == str(value).lower(), name
            else:
                assert text == ("" if value is None else str(value)), name
    assert any((each["score_total"] or 0) % 0.125 for each in frame)  # one that no short decimal can tell


async def test_each_score_has_a_column_of_its_own_whatever_its_linkid(tmp_path: Path) -> None:
    values = {"total": 3, "score-total": 2, "المجموع": 5, "الرابطة": 7}
    asked = forms.question("a")
    scored = [
        forms.score(each, f"%resource.item.answer.value.weight().sum() + {value}")
        for each, value in values.items()
    ]
    own = (drop(tmp_path / "own", "theirs.json", forms.form(asked, *scored)),)
    async with run_world(
        tmp_path, backend_scopes=BACKEND_SCOPES, instrument_folders=own, **policy(tmp_path)
    ) as world:
        page = await world.launch(AGREED[0])
        child = f"Patient/{(await world.people())[AGREED[0]]}"
        secret = await world.hand_over(page, child, "theirs")
        assert (await world.fill(secret, {"a": "s1"})).status_code == 200
        answer = await export(world)
    (row,) = table_of(answer)
    columns = ["score_total", "score_total_2", "score", "score_2"]
    assert [row[each] for each in columns] == [str(1 + each) for each in values.values()]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        book = json.loads(archive.read("codebook.json"))
    assert {each: book["scores"][each][0]["label"] for each in columns} == dict(
        zip(columns, values, strict=True)
    )


async def test_the_codebook_names_every_column_and_its_range(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        answer = await export(world)
        header = list(table_of(answer)[0])
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            book = json.loads(archive.read("codebook.json"))
            text = archive.read("codebook.md").decode()
        assert header == [*book["columns"], *book["scores"]]
        assert all(f"`{name}`" in text for name in header)
        assert (book["scores"]["score_total"][0]["low"], book["scores"]["score_total"][0]["high"]) == (0, 24)


@pytest.mark.parametrize(
    ("said", "written"),
    [("a | b", "a \\| b"), ("a\n\n# b", "a # b"), ("<img src=x>", "&lt;img src=x&gt;"), ("Total", "Total")],
)
def test_what_a_form_calls_its_score_stays_text_in_the_codebook(said: str, written: str) -> None:
    assert as_cell(said) == written


async def test_combinations_that_few_people_share_are_not_told(tmp_path: Path) -> None:
    few = policy(tmp_path)
    few["research"] = Research(tmp_path / "research.salt", smallest_cell=11, shift_days=1)
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **few) as world:
        await fill_forms(world, AGREED[:2])
        answer = await export(world)
        assert table_of(answer) == []
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            book = json.loads(archive.read("codebook.json"))
        assert book["left_out"]["forms_of_too_few_people"] == "of fewer than 11 people"
        assert book["scores"] == {}  # not even that a few filled this form
        assert await events(world) == [("research-exported", None, "0")] * 2  # its beginning and its end


def test_the_command_gives_no_count_that_the_codebook_withholds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_many = LeftOut(12, {f"p{each}" for each in range(6)})
    left_out = Gathered(without_consent=3, too_rare=of_many, unusable=LeftOut(40, {"p1"}))
    tell_export(tmp_path / "study", left_out, ["administrations.csv"], smallest=5)
    told = capsys.readouterr().out
    assert "people without consent: fewer than 5; forms that too few people share: 12;" in told
    assert "forms that cannot be scored: of fewer than 5 people." in told


async def test_answers_that_are_not_shared_give_only_the_score_of_all(tmp_path: Path) -> None:
    more = {
        **policy(tmp_path, consent="not-refused"),
        "respondents": RespondentPolicy(ask_before_sharing=True),
    }
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **more) as world:
        people = await world.people()
        page = await world.launch("amara", encounter=f"{people['amara']}-20260302")
        secret = await world.hand_over(page, f"Patient/{people['amara']}")
        sent = await world.browser.post(
            "/fill/submit",
            headers={"X-Rapport-Invitation": secret},
            json={"answers": ANSWERS, "share": False},
        )
        assert sent.status_code == 200, sent.text
        answer = await export(world)
        (row,) = table_of(answer)
        assert row["score_total"]
        assert not any(row[f"score_{part}"] for part in ("goal", "task", "bond"))
        assert row["complete"] == "false"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert "or single answers are not shared" in archive.read("codebook.md").decode()


async def test_the_trail_tells_of_the_export_and_of_each_patient_in_it(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, (AGREED[0], REFUSED))
        people = await world.people()
        table_of(await export(world))
        assert await events(world) == [
            ("research-exported", None, "0"),
            ("research-exported", f"Patient/{people['amara']}", "0"),
            ("research-exported", None, "0"),  # what it came to
        ]


async def test_what_was_made_is_told_beside_the_file(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, (*AGREED[:2], REFUSED))
        answer = await export(world)
        assert json.loads(answer.headers["X-Rapport-Made"]) == {
            "file": "rapport-research-2026-01-01-2026-12-31.zip",
            "rows": "2",
            "people": "2",
            "without_consent": "1",
            "too_rare": "0",
            "unusable": "0",
            "not_read": "",
            "malformed": "",
            "failed": "",
        }
        nothing = await export(world, first="2025-01-01", last="2025-01-31")
        assert json.loads(nothing.headers["X-Rapport-Made"])["rows"] == "0"
        with zipfile.ZipFile(io.BytesIO(nothing.content)) as archive:  # as the page says
            assert archive.read("administrations.csv").decode().splitlines() == [",".join(COLUMNS)]


async def test_what_is_not_counted_is_told_in_the_browsers_language(tmp_path: Path) -> None:
    few = policy(tmp_path)
    few["research"] = Research(tmp_path / "research.salt", smallest_cell=11, shift_days=1)
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **few) as world:
        await fill_forms(world, (AGREED[0], REFUSED))
        answer = await export(world, language="de")
        told = json.loads(answer.headers["X-Rapport-Made"])
        assert told["without_consent"] == "weniger als 11"
        assert told["too_rare"] == "von weniger als 11 Personen"


AUDITOR = "206"


async def exports_page(world: World, language: str = "en") -> str:
    browser, desk = await sign_in(world, AUDITOR)
    browser.headers["Accept-Language"] = language
    page = await browser.get(f"{desk.url}/exports")
    assert page.status_code == 200, page.text
    return html.unescape(page.text)


def with_auditor(folder: Path, **more: Any) -> dict[str, Any]:
    roles = RoleBook({**BOOK.people, f"Practitioner/{AUDITOR}": frozenset({Role.AUDITOR})})
    return {**policy(folder, **more), "roles": roles}


async def test_an_auditor_sees_each_export_with_its_purpose_and_what_it_came_to(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **with_auditor(tmp_path)) as world:
        assert "tells of no export for research" in await exports_page(world)
        await fill_forms(world, (*AGREED[:2], REFUSED))
        answer = await export(world)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            digest = hashlib.sha256(archive.read("administrations.csv")).hexdigest()
        await logged(world)
        page = await exports_page(world)
        for told in (
            f"Practitioner/{RESEARCHER}",
            "1 Jan 2026 – 31 Dec 2026",
            "<dd>Alliance and medicines</dd>",
            "Forms in it: 2",
            "People in it: 2",
            "people without consent: 1",
            digest,
        ):
            assert told in page
        assert page.count("in the log, as it was logged") == 2  # its beginning and its end
        people = await world.people()
        assert not [name for name in (*AGREED[:2], REFUSED) if f"Patient/{people[name]}" in page]


async def test_who_exports_says_which_column_is_kept_longest(tmp_path: Path) -> None:
    few = with_auditor(tmp_path)
    few["research"] = Research(tmp_path / "research.salt", smallest_cell=2, shift_days=1)
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **few) as world:
        await fill_forms(world, AGREED[:2])  # of whom one takes a medicine, in sessions 9 and 7
        rows = table_of(await export(world))
        assert {row["suppressed"] for row in rows} == {"language medication_class"}
        answer = await export(world, keep="language", despite="yes")
        rows = table_of(answer)
        assert {(row["language"], row["suppressed"]) for row in rows} == {("en", "medication_class")}
        assert {row["session"] for row in rows} == {"7"}
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            book = json.loads(archive.read("codebook.json"))
            text = archive.read("codebook.md").decode()
        assert (book["kept_longest"], book["session_bands"]) == ("language", ["7+"])
        assert (
            "chose to keep `language` longest: medication_class, carer_present, modality, age_band, language."
            in text
        )
        page = await exports_page(world, "de")
        assert page.count("Am längsten behaltene Spalte</dt><dd>Sprache") == 1
        refused = await export(world, "de", keep="rater")
        assert refused.status_code == 422
        assert "rater kann nicht am längsten behalten werden." in refused.text


def test_every_column_that_may_be_kept_longest_has_a_name_on_the_page() -> None:
    assert set(KEPT) == set(QUASI_IDENTIFIERS)


async def test_an_auditor_sees_an_export_that_failed_as_such(tmp_path: Path) -> None:
    scopes = tuple(each for each in BACKEND_SCOPES if "Consent" not in each)
    async with run_world(tmp_path, backend_scopes=scopes, **with_auditor(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        assert (await export(world)).status_code >= 400
        told = "It was not finished (the record in the EHR could not be read); nothing was given"
        assert told in await exports_page(world)
        page = await exports_page(world, "de")
        assert (
            "Er wurde nicht fertig (die Krankenakte konnte nicht gelesen werden); nichts wurde gegeben"
            in page
        )


@pytest.mark.parametrize("name", ["RecordUnreadable", "KeyError"])
async def test_a_class_that_an_entry_of_an_earlier_version_names_is_told_in_words(
    tmp_path: Path, name: str
) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **with_auditor(tmp_path)) as world:
        rapport = world.rapport.state.rapport
        for failure in (None, f"It was not finished ({name}); nothing was given"):
            entry = rapport.trail.entry(
                Kind.RESEARCH_EXPORTED,
                Actor(display="somebody"),
                site="sandbox",
                reason="A study of old",
                failure=failure,
                details=(("export", "1"),),
            )
            await rapport.ledger.record(entry)
        for language in LANGUAGES:
            page = await exports_page(world, language)
            assert "A study of old" in page
            assert name not in page
            assert language == "en" or "It was not finished" not in page


async def test_an_export_that_tells_no_end_is_shown_as_such(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **with_auditor(tmp_path)) as world:
        rapport = world.rapport.state.rapport
        entry = rapport.trail.entry(
            Kind.RESEARCH_EXPORTED, Actor(display="somebody"), site="sandbox", reason="A study of old"
        )
        await rapport.ledger.record(entry)
        page = await exports_page(world)
        assert "A study of old" in page
        assert "The trail tells no end" in page


async def test_an_entry_of_an_export_that_was_altered_is_shown_as_such(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **with_auditor(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        table_of(await export(world))
        await logged(world)
        known = t.audit.c
        first = sa.select(sa.func.min(known.id)).where(known.kind == "research-exported").scalar_subquery()
        altered = t.audit.update().where(known.id == first).values(sealed_resource=b"something else")
        await world.rapport.state.rapport.ledger.bookkeep(lambda c: c.execute(altered))
        assert "not what was logged" in await exports_page(world)


async def test_an_export_of_days_that_were_given_before_is_asked_about_first(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        table_of(await export(world))
        before = await events(world)
        asked = await export(world, first="2026-03-02", last="2026-03-02", why="Few days")
        assert asked.status_code == 409
        assert "have days in common" in asked.text
        assert "1 Jan 2026 – 31 Dec 2026" in asked.text
        assert 'value="Few days"' in asked.text
        assert await events(world) == before
        table_of(await export(world, first="2025-01-01", last="2025-12-31"))  # no day in common
        table_of(await export(world, first="2026-03-02", last="2026-03-02", despite="yes"))


async def test_an_export_of_few_days_is_asked_about_first_and_so_is_every_later_one(tmp_path: Path) -> None:
    whole = {"first": "2025-01-01", "last": "2025-12-31"}  # of another year
    async with run_world(
        tmp_path, backend_scopes=BACKEND_SCOPES, **with_auditor(tmp_path, shift_days=182)
    ) as world:
        await fill_forms(world, AGREED[:1])
        table_of(await export(world, **whole))
        asked = await export(world)
        assert asked.status_code == 409
        assert "All forms in it were filled from 2 Mar 2026 to 2 Mar 2026" in asked.text
        assert "Make it all the same" in asked.text
        assert len(await events(world)) == 2  # of the other year
        table_of(await export(world, despite="yes"))
        assert "its few days tell how far days are shifted" in await exports_page(world)
        asked = await export(world, **whole)
        assert asked.status_code == 409
        assert "of so few days that it tells how far" in asked.text
        (tmp_path / "research.salt").unlink()
        Research(tmp_path / "research.salt").make_salt()
        table_of(await export(world, **whole))


async def test_the_days_of_the_forms_that_may_be_given_count(tmp_path: Path) -> None:
    async with run_world(
        tmp_path, backend_scopes=BACKEND_SCOPES, **with_auditor(tmp_path, shift_days=182)
    ) as world:
        await fill_forms(world, (AGREED[0], REFUSED))
        whose = t.response.c.patient == f"Patient/{(await world.people())[REFUSED]}"
        later = t.response.update().where(whose).values(authored=datetime(2026, 12, 20, tzinfo=UTC))
        await world.rapport.state.rapport.ledger.bookkeep(lambda c: c.execute(later))
        asked = await export(world)
        assert asked.status_code == 409
        assert "from 2 Mar 2026 to 2 Mar 2026" in asked.text
        assert [each[2] for each in await events(world)] == ["0", "4"]
        told = "It was not finished (its few days tell how far days are shifted); nothing was given"
        assert told in await exports_page(world)
        table_of(await export(world, despite="yes"))


async def test_of_several_exports_of_the_same_days_the_latest_is_named(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        for _ in range(3):
            table_of(await export(world, despite="yes"))
        asked = await export(world)
        assert asked.status_code == 409
        assert asked.text.count("days shifted by up to 1") == 1


async def test_neither_another_salt_nor_an_export_that_failed_is_an_earlier_one(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        with garbled(world, "/Consent", "<html></html>"):
            assert (await export(world)).status_code >= 500
        table_of(await export(world))
        salt = tmp_path / "research.salt"
        salt.unlink()
        Research(salt).make_salt()
        table_of(await export(world))


async def test_a_salt_that_is_a_folder_is_told_with_what_to_do(tmp_path: Path) -> None:
    wrong = policy(tmp_path) | {"research": Research(tmp_path)}
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **wrong) as world:
        answer = await export(world)
        assert f"The salt for research at {tmp_path} cannot be read" in answer.text
        assert "Name in [site.research] a file" in answer.text


async def test_the_trail_holds_no_salt(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        table_of(await export(world))
        ledger, salt = world.rapport.state.rapport.ledger, (tmp_path / "research.salt").read_bytes()
        rows = await ledger.read(
            lambda c: c.execute(sa.select(t.audit.c.event, t.audit.c.sealed_resource)).all()
        )
        told = b"".join(ledger.vault.open("audit", *row) for row in rows)
        assert b"salt-fingerprint" in told
        assert salt.hex().encode() not in told
        assert salt not in told


async def test_without_leave_to_read_consent_nothing_is_given(tmp_path: Path) -> None:
    scopes = tuple(each for each in BACKEND_SCOPES if "Consent" not in each)
    async with run_world(tmp_path, backend_scopes=scopes, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:1])
        answer = await export(world)
        assert answer.status_code >= 400
        assert "system/Consent.rs" in answer.text
        assert [each[2] for each in await events(world)] == ["0", "4"]


async def test_an_ehr_without_consent_is_told_as_such_in_the_browsers_language(tmp_path: Path) -> None:
    async with run_world(
        tmp_path, personality="oracle", backend_scopes=BACKEND_SCOPES, **policy(tmp_path)
    ) as world:
        await fill_forms(world, AGREED[:1])
        answer = await export(world)
        assert answer.status_code == 502
        assert "Ask whoever runs the EHR whether apps can search Consent there." in answer.text
        answer = await export(world, language="de")
        assert "ob Anwendungen dort Consent suchen können" in answer.text
        answer = await export(world, language="de", why=" ")
        assert "Es fehlt der Zweck" in answer.text


async def test_what_the_ehr_does_not_let_be_read_is_empty_and_said(tmp_path: Path) -> None:
    async with run_world(
        tmp_path, backend_scopes=("system/Consent.rs", "system/Patient.rs"), **policy(tmp_path)
    ) as world:
        await fill_forms(world, AGREED[:1])
        answer = await export(world)
        (row,) = table_of(answer)
        assert (row["modality"], row["session"], row["medication_class"]) == ("", "", "")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert "The EHR lets no Encounter" in archive.read("codebook.md").decode()


class _Withholding(httpx.AsyncBaseTransport):
    """An EHR that keeps one patient's record to itself, beside Consent: locked, or merged into another."""

    def __init__(self, inner: httpx.AsyncBaseTransport, patient: str, status: int) -> None:
        self._inner, self._patient, self._status = inner, patient, status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.path.endswith(f"/Patient/{self._patient}") or (
            request.url.params.get("patient") == self._patient and "Consent" not in request.url.path
        )
        if asked:
            return httpx.Response(self._status, request=request)
        return await self._inner.handle_async_request(request)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_record_that_the_ehr_keeps_to_itself_empties_nobody_elses_rows(
    tmp_path: Path, status: int
) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        people = await world.people()
        kept = min(people[name] for name in AGREED[:2])  # the first that is asked for
        place = httpx.URL(EHR).netloc.decode()
        world.hosts.apps[place] = _Withholding(world.hosts.apps[place], kept, status)  # type: ignore[assignment] # a transport around the one of httpx
        answer = await export(world)
        rows = table_of(answer)
        assert sorted(row["age_band"] for row in rows) == ["7–11", "unknown"]
        assert sorted(row["modality"] for row in rows) == ["", "in-person"]
        assert len([row for row in rows if row["medication_class"] and row["session"]]) == 1
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            book = archive.read("codebook.md").decode()
        assert "The EHR lets no" not in book
        assert "Of some people the EHR lets no Encounter" in book


class _Garbling(httpx.AsyncBaseTransport):
    """An EHR that answers what is asked at some places with something that is no FHIR."""

    def __init__(self, inner: httpx.AsyncBaseTransport, place: str, body: str) -> None:
        self._inner, self._place, self._body = inner, place, body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if re.search(self._place, str(request.url)):
            return httpx.Response(200, text=self._body, request=request)
        return await self._inner.handle_async_request(request)


@contextmanager
def garbled(world: World, place: str, body: str) -> Iterator[None]:
    host = httpx.URL(EHR).netloc.decode()
    whole = world.hosts.apps[host]
    world.hosts.apps[host] = _Garbling(whole, place, body)  # type: ignore[assignment] # a transport around the one of httpx
    yield
    world.hosts.apps[host] = whole


@pytest.mark.parametrize("body", ["{", '{"resourceType": "OperationOutcome"}', "<html></html>"])
@pytest.mark.parametrize(
    ("place", "kind", "column", "told"),
    [
        ("/Patient/{kept}$", "Patient", "age_band", ["7–11", "unknown"]),
        ("/Encounter.*patient={kept}", "Encounter", "modality", ["", "in-person"]),
        (r"/Medication/", "Medication", "medication_class", ["N06B", "unclassified"]),
    ],
)
async def test_what_is_malformed_in_one_record_empties_nobody_elses_rows(
    tmp_path: Path, *, place: str, kind: str, column: str, told: list[str], body: str
) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        people = await world.people()
        order_by_reference(world, f"Patient/{people['amara']}")
        with garbled(world, place.format(kept=people["amara"]), body):
            answer = await export(world)
        assert sorted(row[column] for row in table_of(answer)) == told
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            book = json.loads(archive.read("codebook.json"))
            text = archive.read("codebook.md").decode()
        assert book["malformed_in_the_ehr"] == [kind]
        assert f"gave a {kind} that is no FHIR" in text


async def test_a_sign_in_page_in_the_place_of_every_consent_stops_the_export(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        with garbled(world, "/Consent", "<html></html>"):
            answer = await export(world)
        assert answer.status_code >= 400
        assert "is no FHIR, for every patient" in answer.text


async def test_a_record_that_the_ehr_fails_on_stops_nobody_elses_rows(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        fault = {
            "kind": "unavailable",
            "path": f"/r4/Patient/{(await world.people())['amara']}",
            "retry_after": 1,
        }
        assert (await world.browser.post(f"{EHR}/sandbox/faults", json=fault)).status_code == 201
        answer = await export(world)
        assert sorted(row["age_band"] for row in table_of(answer)) == ["7–11", "unknown"]
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert "the EHR failed to give Patient, each time" in archive.read("codebook.md").decode()


async def test_an_ehr_that_goes_away_stops_the_export(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        fault = {"kind": "unavailable", "path": "/r4/*", "retry_after": 0}
        assert (await world.browser.post(f"{EHR}/sandbox/faults", json=fault)).status_code == 201
        assert (await export(world)).status_code == 502
        assert [each[2] for each in await events(world)] == ["0", "4"]


async def test_a_malformed_consent_is_none_and_stops_nobody_elses(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        await fill_forms(world, AGREED[:2])
        with garbled(world, f"/Consent.*patient={(await world.people())['amara']}", "{"):
            answer = await export(world)
        assert len(table_of(answer)) == 1
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert "a Consent that is none counts as a refusal" in archive.read("codebook.md").decode()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"why": ""}, "There is no purpose. Say in a few words for which study the export is made."),
        (
            {"why": "ab"},
            "The purpose has fewer than 3 characters. Say in a few words for which study the export is made.",
        ),
        ({"first": "1st of October"}, "First day: 1st of October is no date. Write it as 2026-10-01."),
        ({"last": ""}, "Last day: there is no date. Write it as 2026-10-01."),
        ({"first": "2026-12-31", "last": "2026-01-01"}, "2026-12-31 is after 2026-01-01. Exchange the two."),
    ],
)
async def test_a_request_that_is_not_whole_is_refused_and_stands_in_the_form_again(
    tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    typed = {"first": "2026-01-01", "last": "2026-12-31", "why": "Alliance & medicines"} | wrong
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        for language in LANGUAGES:
            answer = await export(world, language, **typed)
            assert answer.status_code == 422
            assert (told in answer.text) == (language == "en")
            assert told.partition(". ")[2] not in answer.text or language == "en"
            assert typed.items() <= form_to(answer, "/research").as_it_stands.items()
        assert await events(world) == []


async def test_what_the_ehr_stops_stands_in_the_form_again(tmp_path: Path) -> None:
    async with run_world(
        tmp_path, personality="oracle", backend_scopes=BACKEND_SCOPES, **policy(tmp_path)
    ) as world:
        await fill_forms(world, AGREED[:1])
        answer = await export(world, why="Spring")
        assert answer.status_code == 502
        assert form_to(answer, "/research").as_it_stands["why"] == "Spring"


async def test_a_request_from_elsewhere_is_refused(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        answer = await export(world, csrf="guessed")
        assert answer.status_code == 403
        assert "did not come from" in answer.text
        assert await events(world) == []


async def test_an_installation_without_pyarrow_says_that_parquet_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        browser, desk = await sign_in(world, RESEARCHER)
        assert "Parquet is missing on this installation" in (await browser.get(f"{desk.url}/research")).text
        answer = await export(world)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert not [name for name in archive.namelist() if name.endswith(".parquet")]
    tell_export(tmp_path / "study", Gathered(), ["administrations.csv"], smallest=5)
    assert "needs the extra `bulk`" in capsys.readouterr().out


async def test_only_researchers_are_let_in(tmp_path: Path) -> None:
    async with run_world(tmp_path, backend_scopes=BACKEND_SCOPES, **policy(tmp_path)) as world:
        browser, desk = await sign_in(world, OTHER)
        assert (await browser.get(f"{desk.url}/research")).status_code == 403


async def test_a_site_that_has_not_decided_says_so(tmp_path: Path) -> None:
    async with run_world(tmp_path, roles=BOOK) as world:
        browser, desk = await sign_in(world, RESEARCHER)
        assert "Nothing is given to research" in (await browser.get(f"{desk.url}/research")).text
