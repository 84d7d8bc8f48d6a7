"""`rapport audit verify --ehr`: whatever is altered in the EHR's record is named."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.comparing.differences import Targets, of_provenance
from plugin.observations.build import with_status
from plugin.verify import Flaw
from plugin.writing import DEFAULT_WRITING
from sandbox_ehr import RegisteredClient
from tests.audit.conftest import Kept, configure
from tests.audit.test_exports import Done, lines_of, run, trail_of
from tests.observations.test_build import results_of
from tests.product.test_personalities import FLOWSHEET, send_form, settled
from tests.product.world import READER_SECRET, SIGNING_KEY, run_world, sandbox_settings
from tests.sandbox_ehr.serving import serving

MARKING = datetime(2026, 3, 3, 8, tzinfo=UTC)
SYSTEM = "https://w3id.org/rapport-fhir/identifier"
JsonObject = dict[str, Any]
EDITING = tuple(f"system/{each}.crus" for each in ("Observation", "QuestionnaireResponse", "Provenance"))


@dataclass
class Chart:
    """The EHR of a kept ledger, served again, and Rapport's configuration for it."""

    kept: Kept
    address: str
    environment: dict[str, str]
    personality: str = "full"

    def __post_init__(self) -> None:
        answer = httpx.post(
            f"{self.address}/auth/token",
            data={
                "grant_type": "client_credentials",
                "scope": " ".join(EDITING),
            },
            auth=("editor", READER_SECRET),
        )
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def verify(self, *more: str) -> Done:
        config = ("--config", str(self.kept.folder / "rapport.toml"))
        return run("verify", "--ehr", "sandbox", *config, *more, environment=self.environment)

    def findings(self) -> list[JsonObject]:
        done = self.verify("--json")
        assert done.stdout, done.error
        found: list[JsonObject] = json.loads(done.stdout)["findings"]
        assert (done.returncode == 1) is bool(found)
        return found

    def search(self, kind: str, query: str) -> list[JsonObject]:
        page = httpx.get(f"{self.address}/r4/{kind}?_count=100&{query}", headers=self.headers).json()
        return [each["resource"] for each in page.get("entry", ())]

    def total(self) -> JsonObject:
        """Give the total of the administration that has one."""
        ours = self.search("Observation", f"identifier={SYSTEM}|&code=rapport-checkin-child-total")
        return next(each for each in ours if "valueQuantity" in each)

    def panel(self) -> JsonObject:
        (found,) = self.search("Observation", f"identifier={SYSTEM}|{response_of(self.total())}/panel")
        return found

    def response(self) -> JsonObject:
        own_id = self.total()["derivedFrom"][0]["reference"]
        answer = httpx.get(f"{self.address}/r4/{own_id}", headers=self.headers)
        found: JsonObject = answer.json()
        return found

    def put(self, resource: JsonObject) -> None:
        answer = httpx.put(
            f"{self.address}/r4/{resource['resourceType']}/{resource['id']}",
            content=json.dumps(resource),
            headers={**self.headers, "Content-Type": "application/fhir+json"},
        )
        assert answer.status_code == 200, answer.text

    def create(self, resource: JsonObject) -> str:
        new = {name: value for name, value in resource.items() if name not in {"id", "meta"}}
        answer = httpx.post(
            f"{self.address}/r4/{resource['resourceType']}",
            content=json.dumps(new),
            headers={**self.headers, "Content-Type": "application/fhir+json"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.headers["location"])

    def delete(self, resource: JsonObject) -> None:
        """Take a resource out of the EHR's own database: its interface deletes nothing."""
        with closing(sqlite3.connect(self.kept.folder / "ehr.sqlite3", timeout=10)) as database, database:
            for table in ("entry", "current", "version"):
                database.execute(
                    f"DELETE FROM {table} WHERE type = ? AND id = ?",
                    (resource["resourceType"], resource["id"]),
                )


def response_of(observation: JsonObject) -> str:
    return str(observation["identifier"][0]["value"]).partition("/")[0]


@pytest.fixture
def chart(kept: Kept) -> Iterator[Chart]:
    with opened(kept) as found:
        yield found


@contextmanager
def opened(
    kept: Kept,
    *,
    scopes: str = "system/Observation.rs system/QuestionnaireResponse.rs system/Provenance.rs",
    personality: str = "full",
    section: str = "",
) -> Iterator[Chart]:
    """Serve the EHR, and configure Rapport for it; `section` goes into the site's."""
    settings = sandbox_settings(kept.folder, personality)
    editor = RegisteredClient(
        client_id="editor",
        name="Somebody with another app",
        kind="symmetric",
        secret=READER_SECRET,
        redirect_uris=(),
        launch_url="",
        scopes=EDITING,
    )
    settings = replace(settings, clients=(*settings.clients, editor))
    with serving(settings, lambda: datetime.now(UTC)) as address:
        environment = configure(kept.folder)
        config = kept.folder / "rapport.toml"
        text = config.read_text(encoding="utf-8").replace("https://ehr.invalid", address)
        site = f'"private_key_jwt"\nbackend_scopes = {json.dumps(scopes.split())}\n{section}'
        config.write_text(text.replace('"public"', site), encoding="utf-8")
        keys = kept.folder / "keys"
        keys.mkdir()
        (keys / "es384.jwk.json").write_text(SIGNING_KEY.to_jwk(), encoding="utf-8")
        yield Chart(kept, address, {**environment, "RAPPORT_SIGNING_KEYS": str(keys)})


def test_a_record_that_nobody_touched_agrees_with_the_ledger(chart: Chart) -> None:
    done = chart.verify("--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["findings"]) == (0, [])
    ehr = said["ehr"]
    assert (ehr["site"], ehr["patients"], ehr["administrations"], ehr["observations"]) == (
        "sandbox",
        1,
        2,
        10,
    )
    assert ehr["not_looked_at"] == []


@pytest.mark.parametrize("value", ["x'0102'", "CAST(x'c3ff61' AS TEXT)"])
def test_a_patient_that_is_none_ends_the_comparison_no_less(chart: Chart, value: str) -> None:
    row = response_of(chart.total())
    chart.kept.run(f"UPDATE response SET patient = {value} WHERE id = '{row}'")
    assert f"response {row}" in {each["where"] for each in chart.findings()}


def test_what_was_altered_and_put_back_is_told_and_is_no_flaw(chart: Chart) -> None:
    said = json.loads(chart.verify("--json").stdout)
    assert (said["ehr"]["written_since"], said["ehr"]["versions"]) == (0, [])
    total, response, provenance = chart.total(), chart.response(), provenance_of(chart)
    for whole, alter in (
        (total, change("valueQuantity.value", 3)),
        (response, change("status", "in-progress")),
        (provenance, change("recorded", "2026-03-03T09:00:00.000+00:00")),
    ):
        altered = deepcopy(whole)
        alter(altered)
        chart.put(altered)
        chart.put(whole)
    done = chart.verify("--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["findings"], said["ehr"]["written_since"]) == (0, [], 3)
    was = int(total["meta"]["versionId"])
    told = (
        f"Observation/{total['id']} stands there as version {was + 2}, and Rapport wrote version {was} last."
    )
    assert told in said["ehr"]["versions"]
    assert f"Written since: {told}" in " ".join(chart.verify().stdout.split())


def change(path: str, value: Any) -> Callable[[JsonObject], None]:
    """Set, or with None remove, what stands at a path such as `valueQuantity.value`."""

    def do(resource: JsonObject) -> None:
        *before, last = [int(each) if each.isdigit() else each for each in path.split(".")]
        place: Any = resource
        for each in before:
            place = place[each]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return do


def in_words(observation: JsonObject) -> None:
    observation["valueString"] = str(observation.pop("valueQuantity")["value"])


MODIFIER = [{"url": "https://a.invalid/not", "valueBoolean": True}]
SECOND = {"code": {"text": "Total"}, "valueInteger": 3}


def narrative(words: str) -> JsonObject:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{words}</div>'}


OBSERVATION = [
    ("value", change("valueQuantity.value", 13), "mismatch"),
    ("value beyond the range", change("valueQuantity.value", 130), "out-of-range"),
    ("value gone", change("valueQuantity", None), "missing-value"),
    ("value by another kind", in_words, "mismatch"),
    ("unit", change("valueQuantity.code", "%"), "mismatch"),
    ("status", change("status", "amended"), "mismatch"),
    ("withdrawn", change("status", "entered-in-error"), "mismatch"),
    ("code", change("code.coding.0.code", "rapport-checkin-child-bond"), "wrong-code"),
    ("category", change("category.0.coding.0.code", "exam"), "wrong-code"),
    ("subject", change("subject.reference", "Patient/1002"), "wrong-subject"),
    ("date", change("effectiveDateTime", "2026-03-03T09:00:00+00:00"), "wrong-date"),
    ("range", change("referenceRange.0.high.value", 14), "mismatch"),
    ("identifier", change("identifier.0.value", "another/score-total"), "mismatch"),
    ("identifier of another system", change("identifier.0.system", "urn:x-other"), "mismatch"),
    ("identifier gone", change("identifier", None), "mismatch"),
    ("issued earlier", change("issued", "2020-01-01T00:00:00Z"), "wrong-date"),
    ("issued after its last change", change("issued", "2126-01-01T00:00:00Z"), "wrong-date"),
    ("issued gone", change("issued", None), "wrong-date"),
    ("comparator", change("valueQuantity.comparator", "<"), "mismatch"),
    ("unit in words", change("valueQuantity.unit", "kg"), "mismatch"),
    ("system of the unit", change("valueQuantity.system", "urn:x-other"), "mismatch"),
    ("modifier extension", change("modifierExtension", MODIFIER), "mismatch"),
    ("implicit rules", change("implicitRules", "urn:x-other"), "mismatch"),
    ("focus on another patient", change("focus", [{"reference": "Patient/1002"}]), "mismatch"),
    ("interpretation", change("interpretation", [{"text": "critically low"}]), "mismatch"),
    ("second value as a component", change("component", [SECOND]), "mismatch"),
    ("method", change("method", {"text": "guessed"}), "mismatch"),
    ("device", change("device", {"display": "another"}), "mismatch"),
    ("text of the range", change("referenceRange.0.text", "Possible scores: 0 to 14"), "mismatch"),
    ("kind of range gone", change("referenceRange.0.type", None), "mismatch"),
    ("security label gone", change("meta.security", None), "mismatch"),
    ("narrative with another number", change("text", narrative("Total 3 of 24")), "mismatch"),
    ("narrative by hand", change("text", {**narrative("Seen"), "status": "additional"}), "mismatch"),
    ("where it was computed from gone", change("derivedFrom", None), "mismatch"),
]


@pytest.mark.parametrize(
    ("alter", "flaw"), [row[1:] for row in OBSERVATION], ids=[row[0] for row in OBSERVATION]
)
def test_an_altered_observation_is_named_with_its_address(
    chart: Chart, alter: Callable[[JsonObject], None], flaw: str
) -> None:
    total = chart.total()
    altered = deepcopy(total)
    alter(altered)
    chart.put(altered)
    where = f"response {response_of(total)}, score-total (Observation/{total['id']})"
    assert (flaw, where) in {(each["flaw"], each["where"]) for each in chart.findings()}


def test_another_rater_is_named(chart: Chart) -> None:
    panel = chart.panel()
    for performer in ([{"reference": "Patient/1002"}], None):
        change("performer", performer)(panel) if performer or "performer" in panel else None
        chart.put(panel)
        assert [each["flaw"] for each in chart.findings()] == ["wrong-rater"]


def test_scores_that_were_exchanged_are_named(chart: Chart) -> None:
    total = chart.total()
    (bond,) = chart.search("Observation", f"identifier={SYSTEM}|{response_of(total)}/score-bond")
    total["valueQuantity"], bond["valueQuantity"] = bond["valueQuantity"], total["valueQuantity"]
    chart.put(total)
    chart.put(bond)
    # The total is more than a bond can be.
    assert [each["flaw"] for each in chart.findings()] == ["mismatch", "mismatch", "out-of-range"]


def test_links_that_were_bent_are_named(chart: Chart) -> None:
    panel, total = chart.panel(), chart.total()
    stranger = chart.search("Observation", "patient=1001&category=survey&_sort=date")[0]["id"]
    panel["hasMember"][0]["reference"] = f"Observation/{stranger}"
    chart.put(panel)
    other = next(
        each["id"]
        for each in chart.search("QuestionnaireResponse", "patient=1001")
        if f"QuestionnaireResponse/{each['id']}" != total["derivedFrom"][0]["reference"]
    )
    total["derivedFrom"][0]["reference"] = f"QuestionnaireResponse/{other}"
    chart.put(total)
    told = {(each["flaw"], each["what"]) for each in chart.findings()}
    assert ("mismatch", "It groups other scores than its own.") in told
    assert ("mismatch", "It says that it was computed from another response.") in told


def test_a_panel_without_one_of_its_members_is_named(chart: Chart) -> None:
    panel = chart.panel()
    del panel["hasMember"][1]
    chart.put(panel)
    assert [each["what"] for each in chart.findings()] == ["It groups other scores than its own."]


def test_a_member_that_was_added_to_a_score_is_named(chart: Chart) -> None:
    chart.put({**chart.total(), "hasMember": chart.panel()["hasMember"][:1]})
    assert [(each["flaw"], each["what"]) for each in chart.findings()] == [
        ("mismatch", "Its hasMember is not what was delivered.")
    ]


def test_a_narrative_of_a_score_that_tells_its_value_is_no_difference_and_another_is(chart: Chart) -> None:
    total = chart.total()
    value = total["valueQuantity"]["value"]
    chart.put({**total, "text": narrative(f"Total: {value} of 24")})
    assert chart.findings() == []
    chart.put({**total, "text": narrative(f"Total: {value - 1} of 24")})
    assert [each["what"] for each in chart.findings()] == ["Its text is not what was delivered."]


def test_dates_that_two_administrations_exchanged_are_named(chart: Chart) -> None:
    ours = chart.search("Observation", f"identifier={SYSTEM}|&code=rapport-checkin-child-total")
    one, other = ours
    one["effectiveDateTime"], other["effectiveDateTime"] = "2026-03-02T08:00:00Z", "2026-03-02T07:00:00Z"
    chart.put(one)
    chart.put(other)
    assert [each["flaw"] for each in chart.findings()] == ["wrong-date", "wrong-date"]


def test_the_order_of_members_says_nothing(chart: Chart) -> None:
    panel = chart.panel()
    panel["hasMember"].reverse()
    chart.put(panel)
    assert chart.findings() == []


def provenance_of(chart: Chart) -> JsonObject:
    total = chart.total()
    (found,) = chart.search("Provenance", f"target=Observation/{total['id']}")
    return found


PROVENANCE = [
    ("target", change("target.0", None), "It is about other resources than those that were delivered."),
    (
        "source",
        change("entity.0.what.reference", "Patient/1002"),
        "It names another source than the response that was scored.",
    ),
    ("time", change("recorded", "2026-03-03T09:00:00.000+00:00"), "It has another time."),
    ("activity", change("activity.coding.0.code", "UPDATE"), "It tells of something else that was done."),
    (
        "form",
        change("entity.1.what.identifier.value", "https://a.invalid/q|1"),
        "It names another form, or another version of it.",
    ),
    (
        "content hash",
        change("entity.1.what.display", "sha256:0"),
        "It tells another content hash of the form.",
    ),
    (
        "author",
        change("agent.0.who.reference", "Patient/1002"),
        "It names another person as having answered, or none.",
    ),
    (
        "software",
        change("agent.1.who.identifier.value", "software/rapport-fhir/0"),
        "It names another software that computed the scores, or none.",
    ),
    (
        "organization",
        change("agent.1.onBehalfOf.display", "Elsewhere"),
        "The assembler acts on behalf of another organization, or of none.",
    ),
    (
        "organization gone",
        change("agent.1.onBehalfOf", None),
        "The assembler acts on behalf of another organization, or of none.",
    ),
]


@pytest.mark.parametrize(
    ("alter", "told"), [row[1:] for row in PROVENANCE], ids=[row[0] for row in PROVENANCE]
)
def test_whatever_of_a_provenance_is_altered_is_told_and_nothing_else(
    alter: Callable[[JsonObject], None], told: str
) -> None:
    found = json.loads(results_of({"goal-1": "mostly"}).provenance.replace(b"urn:uuid:", b"Observation/"))
    found["entity"][0]["what"]["reference"] = "QuestionnaireResponse/9"
    delivered = deepcopy(found)
    about = frozenset(each["reference"] for each in found["target"])
    targets = Targets(about, 0, "QuestionnaireResponse/9")
    assert list(of_provenance(delivered, found, targets)) == []
    alter(found)
    assert list(of_provenance(delivered, found, targets)) == [(Flaw.PROVENANCE, told)]


MARKED = [
    (change("recorded", "2026-03-03T09:00:00.000+00:00"), "It has another time."),
    (
        change("agent.0.who.reference", "Practitioner/9"),
        "It names another person as having changed it, or none.",
    ),
    (
        change("entity.0.agent.0.who.reference", "Patient/1002"),
        "It names another person as having answered, or none.",
    ),
]


@pytest.mark.parametrize(("alter", "told"), MARKED, ids=["time", "who marked it", "author"])
def test_whoever_marked_a_response_is_held_against_the_record(
    alter: Callable[[JsonObject], None], told: str
) -> None:
    marked = with_status(
        results_of({"goal-1": "mostly"}), "entered-in-error", made_by="Practitioner/1", made=MARKING
    )
    found = json.loads(marked.provenance.replace(b"urn:uuid:", b"Observation/"))
    found["entity"][0]["what"]["reference"] = "QuestionnaireResponse/9"
    targets = Targets(frozenset(each["reference"] for each in found["target"]), 0, "QuestionnaireResponse/9")
    delivered = deepcopy(found)
    assert list(of_provenance(delivered, found, targets)) == []
    alter(found)
    assert list(of_provenance(delivered, found, targets)) == [(Flaw.PROVENANCE, told)]


def test_provenance_that_was_altered_or_deleted_is_named(chart: Chart) -> None:
    found = provenance_of(chart)
    response = found["entity"][0]["what"]["reference"]
    assert {"reference": response} in found["target"]
    where = f"response {response_of(chart.total())} (Provenance/{found['id']})"
    altered = deepcopy(found)
    for name, alter, _ in PROVENANCE:
        if name != "organization gone":
            alter(altered)
    chart.put(altered)
    assert {(each["flaw"], each["where"], each["what"]) for each in chart.findings()} == {
        ("provenance", where, told) for _, _, told in PROVENANCE
    }
    chart.delete(found)
    assert [(each["flaw"], each["where"]) for each in chart.findings()] == [("missing", where)]


def test_provenance_that_may_not_be_read_is_told_as_not_looked_at(kept: Kept) -> None:
    with opened(kept, scopes="system/Observation.rs system/QuestionnaireResponse.rs") as chart:
        said = json.loads(chart.verify("--json").stdout)
    assert said["findings"] == []
    assert "Provenance" in said["ehr"]["not_looked_at"][0]


def test_a_deleted_observation_is_missing(chart: Chart) -> None:
    total = chart.total()
    chart.delete(total)
    (found,) = chart.findings()
    assert (found["flaw"], found["where"]) == ("missing", f"response {response_of(total)}, score-total")


def test_a_deleted_administration_is_missing_as_a_whole(chart: Chart) -> None:
    total, response = chart.total(), chart.response()
    for each in chart.search("Observation", f"derived-from=QuestionnaireResponse/{response['id']}"):
        chart.delete(each)
    chart.delete(response)
    found = chart.findings()
    assert [each["flaw"] for each in found] == ["missing"] * 6
    assert all(response_of(total) in each["where"] for each in found)


def test_a_copy_is_a_duplicate_and_both_are_compared(chart: Chart) -> None:
    total = chart.total()
    copy = deepcopy(total)
    copy["valueQuantity"]["value"] = 20
    place = chart.create(copy).partition("/_history")[0].rpartition("/")[2]
    found = {each["flaw"]: each for each in chart.findings()}
    assert set(found) == {"duplicate", "mismatch"}
    assert total["id"] in found["duplicate"]["what"]
    assert place in found["duplicate"]["what"]
    assert place in found["mismatch"]["where"]


@pytest.mark.parametrize("patient", ["Patient/1001", "Patient/1002"])
def test_a_result_that_the_ledger_does_not_know_is_an_orphan(chart: Chart, patient: str) -> None:
    forged = chart.total()
    forged["identifier"][0]["value"] = "00000000-0000-4000-8000-000000000000/score-total"
    forged["subject"]["reference"] = patient
    chart.create(forged)
    (found,) = chart.findings()
    assert found["flaw"] == "orphan"


def test_a_copy_in_another_patients_record_is_named(chart: Chart) -> None:
    copy = chart.total()
    copy["subject"]["reference"] = "Patient/1002"
    chart.create(copy)
    assert [each["flaw"] for each in chart.findings()] == ["wrong-subject"]


def test_a_score_in_the_record_of_another_patient_whom_the_ledger_knows_is_named_once(chart: Chart) -> None:
    # The ledger has it of somebody whose record is read later than the one in which it stands.
    moved = chart.kept.reseal(total=change("subject.reference", "Patient/1002"))
    chart.kept.run(f"UPDATE response SET patient = 'Patient/1002' WHERE id = '{moved}'")
    address = f"Observation/{chart.total()['id']}"
    told = [each["flaw"] for each in chart.findings() if address in each["where"]]
    assert told == ["wrong-subject"]


def add_words(response: JsonObject) -> None:
    response["item"].append({"linkId": "x", "text": "The child lied"})


RESPONSE = [
    ("answer", change("item.0.answer.0.valueCoding.code", "not-at-all"), "stale"),
    ("answers gone", change("item", None), "stale"),
    ("date, later", change("authored", "2126-03-04T09:00:00+00:00"), "stale"),
    ("date, earlier", change("authored", "2026-03-01T09:00:00+00:00"), "wrong-date"),
    ("withdrawn", change("status", "entered-in-error"), "stale"),
    ("version of the form", change("questionnaire", "https://a.invalid/q|1"), "wrong-version"),
    ("person", change("source.reference", "Patient/1002"), "wrong-rater"),
    ("subject", change("subject.reference", "Patient/1002"), "wrong-subject"),
    ("status", change("status", "in-progress"), "mismatch"),
    ("amended", change("status", "amended"), "mismatch"),
    ("who recorded it", change("author.reference", "Practitioner/201"), "wrong-rater"),
    ("words of an answer", change("item.0.answer.0.valueCoding.display", "Not at all!!"), "mismatch"),
    ("words of a question", change("item.0.text", "Do you take drugs?"), "mismatch"),
    ("weight of an answer", change("item.0.answer.0.valueCoding.extension.0.valueDecimal", 0), "mismatch"),
    ("words without an answer", add_words, "mismatch"),
    ("identifier", change("identifier.value", "another"), "mismatch"),
    ("modifier extension", change("modifierExtension", MODIFIER), "mismatch"),
    ("security label gone", change("meta.security", None), "mismatch"),
]


@pytest.mark.parametrize(("alter", "flaw"), [row[1:] for row in RESPONSE], ids=[row[0] for row in RESPONSE])
def test_a_response_that_changed_since_it_was_scored_is_named(
    chart: Chart, alter: Callable[[JsonObject], None], flaw: str
) -> None:
    response = chart.response()
    alter(response)
    chart.put(response)
    where = f"(QuestionnaireResponse/{response['id']})"
    assert [(each["flaw"], where in each["where"]) for each in chart.findings()] == [(flaw, True)]


def test_what_an_ehr_may_add_is_no_difference(chart: Chart) -> None:
    total = chart.total()
    total["code"]["coding"].append({"system": "http://loinc.org", "code": "1-8"})
    total["code"]["text"] = "Alliance"
    total["subject"] = {"reference": f"{chart.address}/r4/{total['subject']['reference']}", "display": "A."}
    total["effectiveDateTime"] = "2026-03-02T10:00:00.000+01:00"
    total["note"] = [{"text": "seen"}]
    total["extension"] = [{"url": "https://a.invalid/seen", "valueBoolean": True}]
    total["meta"]["tag"] = [{"system": "https://a.invalid/tags", "code": "seen"}]
    total["text"] = narrative(f"<p>Alliance: <b>{total['valueQuantity']['value']}</b> of 24, 2026-03-02</p>")
    total["issued"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    del total["referenceRange"]
    chart.put(total)
    assert chart.findings() == []


def test_what_stands_in_the_ehr_and_counts_as_discarded_is_named(chart: Chart) -> None:
    chart.kept.run("UPDATE delivery SET state = 'discarded'")
    found = [each for each in chart.findings() if "stands in the EHR" in each["what"]]
    assert {each["flaw"] for each in found} == {"state"}


def refuse_the_correction(chart: Chart) -> list[JsonObject]:
    """Have the ledger say what it says where an EHR takes no change, and the EHR hold what was there before."""
    chart.kept.run("UPDATE delivery SET state = 'refused' WHERE revision = 1")
    ours = chart.search("Observation", f"identifier={SYSTEM}|")
    marked = [each for each in ours if each["status"] == "entered-in-error"]
    assert len(marked) == 5
    for each in marked:
        chart.put({**each, "status": "final"})
    return marked


def test_what_stands_as_before_a_correction_that_the_ehr_refused_is_named(chart: Chart) -> None:
    marked = refuse_the_correction(chart)
    found = [each for each in chart.findings() if "(Observation/" in each["where"]]
    assert {each["flaw"] for each in found} == {"stale"}
    assert all("version 1" in each["what"] and "counts as refused" in each["what"] for each in found)
    places = {each["where"].partition("(")[2].rstrip(")") for each in found}
    assert places == {f"Observation/{each['id']}" for each in marked}


def test_what_was_corrected_by_hand_after_a_refusal_is_no_difference(chart: Chart) -> None:
    for each in refuse_the_correction(chart):
        chart.put(each)
    assert [each for each in chart.findings() if each["flaw"] == "stale"] == []


def test_an_altered_ledger_row_does_not_keep_the_others_from_being_compared(chart: Chart) -> None:
    chart.kept.run("UPDATE response SET sealed_results = x'00'")
    assert any(each["where"] == "a row of the ledger" for each in chart.findings())


def test_an_attempt_in_a_state_that_there_is_not_is_named_and_stops_nothing(chart: Chart) -> None:
    chart.kept.run("UPDATE attempt SET state = 'x'")
    assert any(
        each["flaw"] == "altered" and each["where"].startswith("attempt ") for each in chart.findings()
    )
    told = json.loads(chart.verify("--json").stdout)["ehr"]
    assert told["not_looked_at"] == []


def test_responses_that_may_not_be_read_are_told_as_not_looked_at(kept: Kept) -> None:
    with opened(kept, scopes="system/Observation.rs") as chart:
        said = json.loads(chart.verify("--json").stdout)
        assert said["findings"] == []
        assert "newer than their scores" in said["ehr"]["not_looked_at"][0]
        assert "Not looked at" in chart.verify().stdout


def test_observations_that_may_not_be_read_stop_it_with_what_to_ask_for(kept: Kept) -> None:
    with opened(kept, scopes="system/QuestionnaireResponse.rs") as chart:
        done = chart.verify()
    assert done.returncode == 1
    assert "system/Observation.rs" in done.error


def test_a_site_without_access_of_its_own_is_told(kept: Kept) -> None:
    with opened(kept, scopes="") as chart:
        done = chart.verify()
    assert (done.returncode, "backend_scopes" in done.error) == (1, True)


def test_an_unknown_site_is_told(chart: Chart) -> None:
    config = ("--config", str(chart.kept.folder / "rapport.toml"))
    done = run("verify", "--ehr", "none", *config, environment=chart.environment)
    assert "There is no site none." in done.error


def test_that_the_record_was_read_is_in_the_trail(chart: Chart) -> None:
    chart.verify()
    (entry,) = trail_of(chart.kept, "record-compared")
    assert any(f"{chart.address}/r4" in json.dumps(each) for each in entry["agent"])


def test_the_report_says_every_flaw_and_names_nobody(chart: Chart, tmp_path: Path) -> None:
    total = chart.total()
    total["valueQuantity"]["value"] = 13
    chart.put(total)
    done = chart.verify("--html", str(tmp_path / "report.html"), "--pdf", str(tmp_path / "report.pdf"))
    assert done.returncode == 1
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 flaw was found" in page
    assert f"response {response_of(total)}, score-total" in page
    assert "Patient/" not in page
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_report_of_an_export_says_whose_key_was_used(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    from tests.audit.test_exports import export

    assert export(kept, environment, tmp_path / "out").returncode == 0
    assert lines_of(tmp_path / "out" / "scores.ndjson")
    assert run("verify", str(tmp_path / "out"), "--html", str(tmp_path / "r.html")).returncode == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Nothing was altered" in page
    assert "taken from the export itself" in page


ROWS = """flowsheet_performer = "practitioner"
[[site.flowsheet]]
score = "rapport-checkin-child-total"
system = "urn:x-sandbox:flowsheet-row"
code = "4711"
[[site.flowsheet]]
score = "rapport-checkin-child-bond"
system = "urn:x-sandbox:flowsheet-row"
code = "4712"
"""


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose scores stand in the EHR as flowsheet readings, without identifiers."""
    folder = tmp_path_factory.mktemp("readings")

    async def make() -> None:
        async with run_world(folder, personality="oracle", writing=FLOWSHEET) as world:
            await settled(world, await send_form(world))
            await world.rapport.state.log.advance()

    asyncio.run(make())
    return folder


@pytest.fixture
def flowsheet(readings: Path, tmp_path: Path) -> Iterator[Chart]:
    shutil.copytree(readings, tmp_path, dirs_exist_ok=True)
    with opened(Kept(tmp_path), personality="oracle", section=ROWS, scopes="system/Observation.rs") as found:
        for each in readings_of(found).values():
            if each.pop("identifier", None):
                found.put(each)  # as Epic does, which keeps none with a reading
        yield found


@pytest.mark.parametrize("personality", ["athena", "meditech", "veradigm", "epic"])
def test_an_untouched_record_agrees_in_every_kind_of_ehr_that_takes_results(
    tmp_path: Path, personality: str
) -> None:
    writing = FLOWSHEET if personality == "epic" else DEFAULT_WRITING

    async def make() -> None:
        async with run_world(tmp_path, personality=personality, writing=writing) as world:
            await settled(world, await send_form(world))
            await world.rapport.state.log.advance()

    asyncio.run(make())
    section = ROWS if personality == "epic" else ""
    with opened(Kept(tmp_path), personality=personality, section=section) as chart:
        said = json.loads(chart.verify("--json").stdout)
    assert (said["findings"], said["ehr"]["administrations"], said["ehr"]["written_since"]) == ([], 1, 0)
    assert said["ehr"]["not_delivered"] == 0


def readings_of(chart: Chart) -> dict[str, JsonObject]:
    found = chart.search("Observation", "patient=1001&category=vital-signs")
    return {each["code"]["coding"][0]["code"]: each for each in found}


def test_readings_without_identifiers_are_found_by_their_addresses(flowsheet: Chart) -> None:
    assert set(readings_of(flowsheet)) >= {"4711", "4712"}
    assert not any("identifier" in each for each in readings_of(flowsheet).values())
    said = json.loads(flowsheet.verify("--json").stdout)
    assert (said["findings"], said["ehr"]["observations"]) == ([], 2)


def test_an_altered_reading_and_a_deleted_one_are_named(flowsheet: Chart) -> None:
    total, bond = (readings_of(flowsheet)[code] for code in ("4711", "4712"))
    total["valueQuantity"]["value"] = 13
    flowsheet.put(total)
    flowsheet.delete(bond)
    found = {(each["flaw"], each["where"].partition("(")[2]) for each in flowsheet.findings()}
    assert found == {
        ("mismatch", f"Observation/{total['id']})"),
        ("missing", f"Observation/{bond['id']})"),
    }
