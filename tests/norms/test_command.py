"""`rapport norms`: figures from files and from the ledger; decisions with name, date and n, audited."""

import asyncio
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.audit import Actor, Trail
from plugin.days import born_written
from plugin.flow import Arrival, Intake, submit
from plugin.ledger import Ledger, Vault
from plugin.ledger import tables as t
from plugin.norming import Figures, Group, Norm, statistics_for
from plugin.norms.administrations import band_of
from plugin.scores.bulk import compile_keys
from plugin.settings import read_settings
from questionnaires import load_catalogue
from tests.norms.forms import Run, form_of, write_ndjson

ADOPT = ("norms", "adopt", "rapport-checkin-child", "total", "--site", "clinic")
WHY = ("--why", "own data of the first year")


def people(count: int, sessions: int = 1) -> list[tuple[int, int, list[int]]]:
    """Answers that hang together: a child's own level, and chance."""
    chance = random.Random(5)
    rows = []
    for person in range(1, count + 1):
        level = chance.uniform(0.5, 3.5)
        for session in range(1, sessions + 1):
            answers = [min(4, max(0, round(level + chance.gauss(0, 0.8)))) for _ in range(6)]
            rows.append((person, session, answers))
    return rows


def fill_ledger(answers: list[tuple[int, int, list[int]]]) -> None:
    """Send forms through what every response goes through."""
    settings = read_settings(Path("rapport.toml"))
    catalogue = load_catalogue()

    def clock() -> datetime:
        return datetime(2026, 6, 1, tzinfo=UTC)

    async def send() -> None:
        ledger = Ledger(settings.database, Vault(settings.vault_keys))
        intake = Intake(
            catalogue, compile_keys(catalogue), ledger, Trail("https://rapport.invalid", clock), clock
        )
        for person, session, weights in answers:
            body = form_of(person, session, weights)
            await submit(intake, Arrival(body, "clinic", "Trust", f"Patient/{person}", Actor()))
        ledger.close()

    asyncio.run(send())


def groups(output: str) -> dict[tuple[str, str], dict[str, object]]:
    return {(each["score"], each["age_band"]): each for each in json.loads(output)["groups"]}


def test_too_few_people_give_the_reason_and_no_figure(run: Run, tmp_path: Path) -> None:
    write_ndjson(tmp_path / "export.ndjson", people(29))
    status, output = run("norms", "show", str(tmp_path / "export.ndjson"))
    assert status == 0
    assert "mean and SD: not given, n = 29; 30 are needed." in output
    assert "alpha: not given, n = 29; 100 are needed." in output


@pytest.mark.parametrize(("option", "asked"), [("--least-mean", "29"), ("--least-reliability", "99")])
def test_nobody_may_ask_for_figures_of_fewer(run: Run, tmp_path: Path, option: str, asked: str) -> None:
    write_ndjson(tmp_path / "export.ndjson", people(29))
    status, output = run("norms", "show", str(tmp_path / "export.ndjson"), option, asked)
    assert status == 2
    assert option in output


def test_a_persons_later_forms_do_not_count_again(run: Run, tmp_path: Path) -> None:
    write_ndjson(tmp_path / "export.ndjson", people(40, sessions=3))
    _, output = run("norms", "show", str(tmp_path / "export.ndjson"), "--json")
    found = groups(output)[("score-total", "unknown")]
    assert (found["people"], found["administrations"]) == (40, 120)


def test_a_file_that_is_named_twice_counts_once(run: Run, tmp_path: Path) -> None:
    write_ndjson(tmp_path / "export.ndjson", people(29))
    file = str(tmp_path / "export.ndjson")
    _, output = run("norms", "show", file, str(tmp_path / "." / ".." / tmp_path.name / "export.ndjson"))
    assert "29 people, 29 forms" in output


def test_birth_dates_in_the_export_make_age_bands(run: Run, tmp_path: Path) -> None:
    born = [
        json.dumps({"resourceType": "Patient", "id": str(person), "birthDate": day}).encode()
        for person, day in ((1, "2015-03-03"), (2, "2014-03-02"), (3, "2010-01-01"), (4, "2010"))
    ]
    write_ndjson(tmp_path / "export.ndjson", people(5), *born)
    _, output = run("norms", "show", str(tmp_path / "export.ndjson"), "--json")
    counts = {
        band: each["people"] for (score, band), each in groups(output).items() if score == "score-total"
    }
    assert counts == {"7–11": 1, "12–17": 3, "unknown": 1}


@pytest.mark.parametrize("band", ["7–11", "7-11"])
def test_an_age_band_is_named_with_either_dash(run: Run, place: Path, band: str) -> None:
    born = {"resourceType": "Patient", "id": "1", "birthDate": "2015-03-03"}
    write_ndjson(place / "export.ndjson", people(1), json.dumps(born).encode())
    given = ("--from", "export.ndjson")
    status, output = run(*ADOPT, *WHY, *given, "--age-band", band)
    assert status == 1
    assert "The figures cannot be adopted: n = 1; 30 are needed." in output


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("2019-03-03", "0–6"),
        ("2019-03-02", "7–11"),
        ("2008-03-02", "18+"),
        ("2027-01-01", "unknown"),
        ("2017", "7–11"),
        ("2014", "unknown"),
        ("2014-02", "12–17"),
        ("2014-03", "unknown"),
        ("2026", "unknown"),
    ],
)
def test_a_birthday_changes_the_band_on_its_day(born: str, band: str) -> None:
    assert band_of(born_written(born), date(2026, 3, 2)) == band


def test_what_cannot_be_used_is_counted(run: Run, tmp_path: Path) -> None:
    other = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "https://a.invalid/q|1",
    }
    write_ndjson(
        tmp_path / "export.ndjson",
        people(2),
        json.dumps(other).encode(),
        b'{"resourceType":"QuestionnaireResponse"',
    )
    _, output = run("norms", "show", str(tmp_path / "export.ndjson"), "--json")
    assert json.loads(output)["skipped"] == {
        "of forms that are not installed": 1,
        "that cannot be read or scored": 1,
        "without time or subject": 0,
    }


def test_a_norm_is_adopted_from_the_ledger_listed_and_withdrawn(run: Run, place: Path) -> None:
    fill_ledger(people(110))
    assert run("norms", "list")[1].startswith("No norm is in use")
    status, output = run(*ADOPT, *WHY)
    assert status == 0, output
    norm = output.split()[1]
    _, listed = run("norms", "list", "--json")
    (found,) = json.loads(listed)
    assert found["id"] == norm
    assert (found["figures"]["n"], found["figures"]["coefficient"]) == (110, "alpha")
    figures = found["figures"]
    error = figures["sd"] * (2 * (1 - figures["reliability"])) ** 0.5
    assert found["smallest_reliable_change"] == pytest.approx(1.96 * error)
    assert found["why"] == WHY[1]

    assert run("norms", "withdraw", norm, "--why", "another sample")[0] == 0
    assert json.loads(run("norms", "list", "--json")[1]) == []
    again, told = run("norms", "withdraw", norm, "--why", "once more")
    assert (again, "not in use" in told) == (1, True)

    settings = read_settings(place / "rapport.toml")
    engine = sa.create_engine(settings.database)
    with engine.connect() as connection:
        kinds = connection.execute(sa.select(t.audit.c.kind).where(t.audit.c.kind.like("norm-%"))).scalars()
        assert list(kinds) == ["norm-adopted", "norm-withdrawn"]
        waiting = connection.execute(sa.select(t.log_pending.c.kind).where(t.log_pending.c.kind == "norm"))
        assert len(waiting.all()) == 2
    engine.dispose()


@pytest.mark.parametrize("words", [("norms", "list"), ("norms", "show", "--site", "clinic"), (*ADOPT, *WHY)])
def test_before_the_database_is_set_up_a_command_says_so_in_two_sentences(
    run: Run, place: Path, words: tuple[str, ...]
) -> None:
    (place / "rapport.sqlite3").unlink()
    status, output = run(*words)
    assert status == 1
    assert output.split("\n")[0] == "The database is not set up, or is of an earlier version."
    assert "rapport database upgrade" in output
    assert "Traceback" not in output


def test_adopting_again_replaces_and_keeps_the_earlier_decision(run: Run, place: Path) -> None:
    write_ndjson(place / "export.ndjson", people(120, sessions=2))
    for coefficient in ("alpha", "retest"):
        status, output = run(*ADOPT, *WHY, "--from", "export.ndjson", "--coefficient", coefficient)
        assert status == 0, output
    (found,) = json.loads(run("norms", "list", "--json")[1])
    assert (found["figures"]["coefficient"], found["figures"]["source"]) == ("retest", "an export")
    engine = sa.create_engine(f"sqlite:///{place}/rapport.sqlite3")
    with engine.connect() as connection:
        assert len(connection.execute(sa.select(t.norm)).all()) == 2
    engine.dispose()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*ADOPT, "--why", " "), "There is no reason."),
        ((*ADOPT, "--why", "x"), "The reason is too short."),
        (
            ("norms", "adopt", "rapport-checkin-child", "total", "--site", "none", *WHY),
            "There is no site none.",
        ),
        (("norms", "adopt", "none", "total", "--site", "clinic", *WHY), "none"),
        ((*ADOPT, *WHY), "0 groups fit"),
        ((*ADOPT, *WHY, "--from", "few.ndjson"), "n = 40; 100 are needed."),
        (("norms", "withdraw", "none", "--why", "because"), "There is no norm none."),
        (("norms", "show", "none.ndjson"), "There is no file none.ndjson."),
    ],
)
def test_what_cannot_be_decided_says_why(run: Run, place: Path, words: tuple[str, ...], told: str) -> None:
    write_ndjson(place / "few.ndjson", people(40))
    status, output = run(*words)
    assert status == 1
    assert told in " ".join(output.split())


def test_an_age_band_goes_before_all_ages_and_other_raters_have_nothing() -> None:
    def norm(band: str, sd: float) -> Norm:
        figures = Figures(10, sd, 120, "alpha", 0.8, 0.7, 0.9, 110, "the ledger")  # type: ignore[arg-type]
        group = Group("clinic", "https://a.invalid/q|1", "score-total", "child", band)
        return Norm(band, group, figures, datetime(2026, 6, 1, tzinfo=UTC), "somebody", "because")

    norms = [norm("unknown", 4), norm("7–11", 3)]

    def sd_for(rater: str, band: str) -> float | None:
        found = statistics_for(norms, "https://a.invalid/q|1", "score-total", rater, band)
        return None if found is None else found.sd

    assert (sd_for("child", "7–11"), sd_for("child", "12–17"), sd_for("caregiver", "7–11")) == (3, 4, None)
