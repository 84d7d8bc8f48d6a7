"""`rapport audit` as an auditor uses it."""

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin import __version__
from plugin.commands.findings import print_verdict
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.transparency import leaf_hash, open_checkpoint, verify_inclusion
from plugin.verify import Finding, Flaw, Progress
from tests.audit.conftest import Kept
from tests.product.demonstration import running_demonstration
from tests.product.world import rapport_settings
from tests.terminal import run_rapport


def rapport(folder: Path, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run_rapport("audit", *arguments, "--config", folder / "rapport.toml", environment=environment)


def test_verify_says_that_nothing_was_altered(kept: Kept, environment: dict[str, str]) -> None:
    done = rapport(kept.folder, "verify", environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 responses recomputed" in done.stdout
    assert "nothing was altered" in done.stdout


def test_verify_names_the_response_whose_row_was_altered(kept: Kept, environment: dict[str, str]) -> None:
    kept.run("UPDATE response SET rater = 'caregiver'")
    done = rapport(kept.folder, "verify", "--json", environment=environment)
    assert done.returncode == 1
    flaws = {each["flaw"] for each in json.loads(done.stdout)["findings"]}
    assert {"wrong-rater", "altered"} <= flaws


def test_trace_follows_an_observation_back_to_its_answers(kept: Kept, environment: dict[str, str]) -> None:
    engine_location = location_of(kept)
    done = rapport(kept.folder, "trace", engine_location, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    chain = json.loads(done.stdout)
    assert chain["answered by"].startswith("Patient/1001 as child")
    ledger = chain["score ledger"]
    total = next(each for each in ledger["scores"] if each["score"] == "score-total")
    assert (total["stored"], total["recomputed"], total["agrees"]) == ("14", "14", True)
    assert sum(int(each["weight"]) for each in total["items"]) == 14
    assert total["rule"]
    assert ledger["key_hash"].startswith("sha256:")
    assert ledger["software"] == f"Rapport {__version__}"
    assert "no reversed items" in ledger["source"]["Key"]
    assert engine_location in chain["in the record"]
    assert any("response-received by Patient/1001" in each for each in chain["seen and touched"])


@pytest.mark.parametrize("form", ["{id}", "{address}/_history/1", "urn:uuid:{response}/{name}"])
def test_trace_takes_an_observation_however_it_is_named_and_says_which_score_it_is(
    kept: Kept, environment: dict[str, str], form: str
) -> None:
    chain = json.loads(
        rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment).stdout
    )
    made = [each for each in chain["the EHR's answers"] if " Observation/" in each]
    address = made[1].split()[-1].partition("/_history")[0]  # the panel is the first
    response = chain["response"].split()[0]
    name = chain["score ledger"]["scores"][0]["score"]
    asked = form.format(id=address.partition("/")[2], address=address, response=response, name=name)
    done = rapport(kept.folder, "trace", asked, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["asked for"]
    stored = chain["score ledger"]["scores"][0]["stored"]
    assert (told.startswith(address), f"({name}): {stored}" in told) == (True, True), told


def test_trace_of_nothing_says_what_to_give(kept: Kept, environment: dict[str, str]) -> None:
    done = rapport(kept.folder, "trace", " ", environment=environment)
    assert (done.returncode, "Nothing was typed" in done.stderr) == (1, True)


def test_trace_names_a_value_of_another_kind_and_goes_on(kept: Kept, environment: dict[str, str]) -> None:
    kept.run("UPDATE response SET received = 'yesterday'")
    done = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    chain = json.loads(done.stdout)
    assert any("Its received is of the kind text" in each for each in chain["not as Rapport wrote it"])
    assert chain["answered by"].startswith("Patient/1001 as child")


def test_trace_names_text_that_is_no_utf_8_and_goes_on(kept: Kept, environment: dict[str, str]) -> None:
    kept.run("UPDATE response SET encounter = CAST(x'ff' AS TEXT)")
    done = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    named = json.loads(done.stdout)["not as Rapport wrote it"]
    assert any(each.endswith("It is not what was logged.") for each in named)


def test_trace_names_a_row_that_is_not_what_was_logged(kept: Kept, environment: dict[str, str]) -> None:
    location = location_of(kept)
    kept.run("UPDATE attempt SET detail = 'another'")
    done = rapport(kept.folder, "trace", location, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    named = json.loads(done.stdout)["not as Rapport wrote it"]
    assert any(re.fullmatch(r"attempt \d+: It is not what was logged\.", each) for each in named)


@pytest.mark.parametrize("by", ["Observation", "response"])
def test_trace_says_that_a_response_is_gone(kept: Kept, environment: dict[str, str], by: str) -> None:
    location, response = location_of(kept), response_of(kept)
    kept.run("DELETE FROM response")
    asked = location if by == "Observation" else response
    done = rapport(kept.folder, "trace", asked, environment=environment)
    assert done.returncode == 1
    assert "and its row is gone from the database." in done.stderr


def test_trace_tells_of_a_response_whose_delivery_is_gone(kept: Kept, environment: dict[str, str]) -> None:
    response = response_of(kept)
    kept.run("DELETE FROM delivery")
    done = rapport(kept.folder, "trace", response, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "Its delivery is gone." in json.loads(done.stdout)["not as Rapport wrote it"]


def test_trace_tells_through_which_launch_on_whose_authority_and_by_which_invitation(
    kept: Kept, environment: dict[str, str]
) -> None:
    done = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    chain = json.loads(done.stdout)
    launch, invitation = chain["launch"], chain["invitation"]
    assert launch["by"].startswith("Practitioner/")
    assert (launch["patient"], launch["standing"]) == ("Patient/1001", "over")
    assert launch["when"] <= invitation["made"] <= invitation["opened"]
    authority = launch["authority"]
    assert authority["issuer"] == "https://ehr.invalid/r4"
    assert authority["fhirUser"].endswith(launch["by"])
    assert {"launch", "fhirUser", "patient/QuestionnaireResponse.crs"} <= set(authority["scopes"].split())
    assert (invitation["launch"], invitation["by"]) == (launch["id"], launch["by"])
    assert (invitation["asked"], invitation["as"], invitation["state"]) == (
        "Patient/1001",
        "child",
        "submitted",
    )
    assert invitation["way"] == "on the clinician's device"
    printed = rapport(kept.folder, "trace", location_of(kept), environment=environment).stdout
    said = " ".join(printed.split())
    for each in (
        launch["when"],
        launch["since"],
        authority["scopes"],
        authority["entry"],
        invitation["opened"],
    ):
        assert each in said


def test_trace_tells_what_the_ehr_answered(kept: Kept, environment: dict[str, str]) -> None:
    chain = json.loads(
        rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment).stdout
    )
    assert " delivered HTTP 200" in chain["delivery"][0]
    first, *parts = chain["the EHR's answers"]
    assert first == "attempt 1, POST Bundle: 200"
    assert [each for each in parts if "201 Observation/" in each and each.endswith("/_history/1")]


def test_a_correction_keeps_what_was_answered_to_each_change(kept: Kept) -> None:
    (answer,) = query(kept, "SELECT answer FROM attempt WHERE revision = 1")
    (status,) = query(kept, "SELECT status FROM attempt WHERE revision = 1")
    changed = re.findall(r"^PUT ([A-Za-z]+)/(\S+): 200 \1/\2/_history/2$", answer, re.M)
    assert sorted(kind for kind, _ in changed) == ["Observation"] * 5 + ["QuestionnaireResponse"]
    assert status == "201"  # of the Provenance, which came last


def test_trace_prints_every_item_with_its_weight_and_where_the_key_comes_from(
    kept: Kept, environment: dict[str, str]
) -> None:
    done = rapport(kept.folder, "trace", location_of(kept), environment=environment)
    assert done.returncode == 0, done.stderr
    assert "goal-1: completely counts 4" in done.stdout
    assert "computed again just now: the same" in done.stdout
    assert "Holder: The Rapport developers" in done.stdout


def test_trace_tells_later_versions_with_by_whom_and_why(kept: Kept, environment: dict[str, str]) -> None:
    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        response = connection.execute(sa.select(t.revision.c.response)).scalar_one()
    engine.dispose()
    first, later = json.loads(
        rapport(kept.folder, "trace", response, "--json", environment=environment).stdout
    )["versions"]
    assert (first["version"], first["kind"]) == (0, "answered")
    assert first["log"].startswith("leaf ")
    assert (later["version"], later["kind"], later["why"]) == (1, "entered-in-error", "wrong child")
    assert (later["by"], later["digest_is_the_stored_one"]) == ("Practitioner/202", True)
    said = rapport(kept.folder, "trace", response, environment=environment).stdout
    assert said.count("version 1, marked as entered in error") == 1
    assert "later versions" not in said


def test_a_verification_that_cannot_be_recorded_says_so(kept: Kept, environment: dict[str, str]) -> None:
    kept.run("UPDATE alembic_version SET version_num = '9999'")
    done = rapport(kept.folder, "verify", environment=environment)
    assert (done.returncode, "alembic_version" in done.stdout) == (1, True)
    assert "Not recorded in the trail" in done.stderr


def test_trace_of_a_stranger_says_what_to_give(kept: Kept, environment: dict[str, str]) -> None:
    done = rapport(kept.folder, "trace", "Observation/none", environment=environment)
    assert done.returncode == 1
    assert "Give the Observation's address" in done.stderr


def test_a_proof_can_be_checked_with_the_printed_key_alone(kept: Kept, environment: dict[str, str]) -> None:
    response = next(iter(responses_of(kept)))
    proof = rapport(kept.folder, "log", "prove", response, environment=environment).stdout
    key = re.search(
        r"verifier key: (\S+)", rapport(kept.folder, "log", "checkpoint", environment=environment).stderr
    )
    assert key
    head, note = proof.split("\n\n", 1)
    version, extra, index, *path = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    signed = open_checkpoint(note.encode(), key[1])
    verify_inclusion(
        leaf_hash(base64.b64decode(extra.removeprefix("extra "))),
        int(index.removeprefix("index ")),
        signed.size,
        [base64.b64decode(each) for each in path],
        signed.root,
    )


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("UPDATE response SET patient = 'Patient/2' WHERE id = '{row}'", id="altered"),
        pytest.param("DELETE FROM response WHERE id = '{row}'", id="deleted"),
        pytest.param("UPDATE log_leaf SET entry = zeroblob(32) WHERE row = '{row}'", id="leaf altered"),
    ],
)
def test_a_row_that_is_not_what_was_logged_gets_no_proof(
    kept: Kept, environment: dict[str, str], damage: str
) -> None:
    response = next(iter(responses_of(kept)))
    kept.run(damage.format(row=response))
    done = rapport(kept.folder, "log", "prove", response, environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{response} is not what was logged" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_erased_row_that_no_checkpoint_covers_yet_is_told_so(
    kept: Kept, environment: dict[str, str]
) -> None:
    response = next(iter(responses_of(kept)))
    kept.run(f"UPDATE log_leaf SET salt = NULL, place = 100000 WHERE row = '{response}'")
    done = rapport(kept.folder, "log", "prove", response, environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not covered by the checkpoint yet" in done.stderr


def test_the_running_demonstration_signs_its_log(tmp_path: Path) -> None:
    import time

    import httpx

    with running_demonstration(tmp_path) as demonstration:
        httpx.post(
            f"{demonstration.rapport}/code",
            data={"code": "1"},
            headers={"Origin": demonstration.rapport},
        )
        for _ in range(600):
            answer = httpx.get(f"{demonstration.rapport}/log/checkpoint")
            if answer.status_code == 200:
                break
            time.sleep(0.1)
    assert answer.text.startswith(f"127.0.0.1:{demonstration.port}/log\n")


def location_of(kept: Kept) -> str:
    (locations,) = query(kept, "SELECT locations FROM delivery ORDER BY rowid LIMIT 1")
    return next(each for each in locations.split() if each.startswith("Observation/"))


def responses_of(kept: Kept) -> list[str]:
    return query(kept, "SELECT id FROM response")


def query(kept: Kept, statement: str) -> list[str]:
    from plugin.ledger.store import open_database
    from tests.product.world import rapport_settings

    engine = open_database(rapport_settings(kept.folder).database)
    with engine.connect() as connection:
        found = [str(row[0]) for row in connection.exec_driver_sql(statement)]
    engine.dispose()
    return found


def response_of(kept: Kept) -> str:
    (found,) = query(kept, f"SELECT response FROM delivery WHERE locations LIKE '%{location_of(kept)}%'")
    return found


@pytest.mark.parametrize(
    "damage",
    [
        "sealed_results = zeroblob(50)",
        "sealed_results = 'hello'",
        "sealed_body = x'0102'",
        "sealed_results = (SELECT sealed_results FROM revision)",
    ],
)
def test_trace_names_a_sealed_value_that_does_not_open_and_goes_on(
    kept: Kept, environment: dict[str, str], damage: str
) -> None:
    kept.run(f"UPDATE response SET {damage}")
    done = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    chain = json.loads(done.stdout)
    said = "No key with id 00000000" if "zeroblob" in damage else "was altered or moved"
    assert any(said in each for each in chain["not as Rapport wrote it"])
    assert location_of(kept) in chain["in the record"]
    printed = rapport(kept.folder, "trace", location_of(kept), environment=environment)
    assert (printed.returncode, said in " ".join(printed.stdout.split())) == (0, True)


def test_an_altered_entry_is_named_by_the_trace_that_it_may_belong_to(
    kept: Kept, environment: dict[str, str]
) -> None:
    assert kept.run("UPDATE audit SET sealed_resource = x'00' WHERE kind = 'response-received'")
    done = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    assert any("audit " in each for each in json.loads(done.stdout)["not as Rapport wrote it"])


def test_another_patient_s_altered_entry_is_no_matter_of_this_trace(
    kept: Kept, environment: dict[str, str]
) -> None:
    assert kept.run(
        "UPDATE audit SET sealed_resource = x'00', patient = 'Patient/other' WHERE kind = 'patient-viewed'"
    )
    done = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "not as Rapport wrote it" not in json.loads(done.stdout)


def test_trace_tells_who_looked_at_the_patient_s_page(kept: Kept, environment: dict[str, str]) -> None:
    kept.run(
        "UPDATE audit SET recorded = (SELECT received + 1 FROM response WHERE patient = 'Patient/1001') "
        "WHERE kind = 'patient-viewed'"
    )
    done = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    seen = json.loads(done.stdout)["seen and touched"]
    assert any("patient-viewed by Practitioner/" in each for each in seen)


def test_a_trace_is_itself_in_the_trail_and_in_the_next_trace(
    kept: Kept, environment: dict[str, str]
) -> None:
    first = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    assert not any("chain-viewed" in each for each in json.loads(first.stdout)["seen and touched"])
    again = rapport(kept.folder, "trace", location_of(kept), "--json", environment=environment)
    (told,) = [each for each in json.loads(again.stdout)["seen and touched"] if "chain-viewed" in each]
    assert told.endswith(" at the command line")


def test_one_flaw_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_verdict([Finding(Flaw.LOG, "log", "It is another.")], Progress())
    assert capsys.readouterr().out.split()[-2:] == ["1", "flaw"]
