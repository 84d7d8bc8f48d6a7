"""`rapport audit export`, and its verification where there is nothing but the folder."""

import csv
import json
import os
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from plugin.audit.leaves import LOGGED, row_content
from plugin.command_line import app
from plugin.exports import read_manifest
from plugin.exports.manifest import write_manifest
from plugin.exports.reading import Lines
from plugin.exports.rows import columns_of, content_of, read_values
from plugin.exports.sheets import LOGGED_AS, disarm, header, row, row_of_before
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.store import open_database
from plugin.transparency import LogSigner
from plugin.verify import Finding
from tests.audit.conftest import Kept, configure, record
from tests.product.world import rapport_settings

PERIOD = ("--from", "2020-01-01", "--to", "2099-12-31")
KINDS = ("administrations", "revisions", "rescorings", "scores", "deliveries", "attempts", "audit")


@dataclass(frozen=True)
class Done:
    """What a command printed, and the error that `main` tells on standard error."""

    returncode: int
    stdout: str
    error: str


def run(*arguments: str, environment: dict[str, str] | None = None) -> Done:
    """Run the command in this process (a process each would take a second)."""
    without: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("RAPPORT_"))
    result = CliRunner().invoke(app, ["audit", *arguments], env=environment or without)
    return Done(result.exit_code, result.stdout, str(result.exception or ""))


def export(kept: Kept, environment: dict[str, str], out: Path, *period: str) -> Done:
    place = ("--out", str(out), "--config", str(kept.folder / "rapport.toml"))
    return run("export", *(period or PERIOD), *place, environment=environment)


def verify(folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    done = run("verify", str(folder), "--json", *more)
    assert done.stdout, done.error
    return done.returncode, json.loads(done.stdout)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def exported(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export, alone: what it was made from is gone."""
    place = tmp_path_factory.mktemp("exported")
    shutil.copytree(original, place / "kept")
    done = export(Kept(place / "kept"), configure(place / "kept"), place / "export")
    assert done.returncode == 0, done.error
    shutil.rmtree(place / "kept")
    return place / "export"


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of it, to alter."""
    return Path(shutil.copytree(exported, tmp_path / "export"))


@pytest.fixture
def signer(tmp_path: Path) -> LogSigner:
    settings = rapport_settings(tmp_path)
    return LogSigner(settings.log_name, settings.log_key)


def test_what_nobody_touched_verifies_without_database_and_settings(folder: Path, signer: LogSigner) -> None:
    status, said = verify(folder, "--key", signer.verifier)
    assert (status, said["findings"]) == (0, [])
    assert said["progress"]["responses"] == 2
    assert said["progress"]["leaves"] > 10
    assert said["waiting"] == 1  # the entry of this very export


def test_the_period_is_counted_in_the_manifest_with_digests_and_checkpoint(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    found = {kind: len(lines_of(folder / f"{kind}.ndjson")) for kind in KINDS}
    assert manifest["counts"] == found
    assert found | {"audit": 0} == {
        "administrations": 2,
        "revisions": 1,
        "rescorings": 1,
        "scores": 16,  # of both versions of one, and of what scored the other again
        "deliveries": 2,
        "attempts": 3,  # one brought the mark of an error to the record
        "audit": 0,
    }
    assert {f"{kind}.{ending}" for kind in KINDS for ending in ("ndjson", "csv")} < set(manifest["files"])
    assert manifest["software"].startswith("Rapport ")
    assert (folder / "checkpoint").read_text().splitlines()[1] == str(manifest["log"]["size"])


def test_a_score_is_written_with_what_it_was_computed_from(folder: Path) -> None:
    totals = [
        each
        for each in lines_of(folder / "scores.ndjson")
        if each["score"] == "score-total" and each["version"] == 0 and each["rescoring"] is None
    ]
    (total,) = (each for each in totals if each["value"] is not None)
    assert total["value"] == 14
    assert sum(each["weight"] for each in total["items"]) == 14
    (absent,) = (each for each in totals if each["value"] is None)
    assert "goal-2" in absent["absent"]


def test_whose_key_was_used_is_told(folder: Path, signer: LogSigner) -> None:
    pinned = run("verify", str(folder))
    assert pinned.returncode == 0
    assert "taken from the export itself" in " ".join(pinned.stdout.split())
    given = run("verify", str(folder), "--key", signer.verifier)
    assert "taken from the export itself" not in " ".join(given.stdout.split())
    assert verify(folder)[1]["key"]["from"] == "the export itself"


def test_whoever_acted_with_a_token_is_named_once_and_exports_of_before_verify_too(
    folder: Path,
) -> None:
    who = "Practitioner/202"
    agents = [{"requestor": True, "who": {"reference": who}} for _ in range(2)]
    line: dict[str, object] = {"resource": json.dumps({"agent": agents})}
    now, before = row("audit", line), row_of_before("audit", line)
    assert (now.count(who.encode()), before.count(who.encode())) == (1, 2)
    (folder / "audit.ndjson").write_text(f"{json.dumps(line)}\n" * 2)
    for rows, many in (((now, now), 0), ((before, before), 0), ((before, now + b"x"), 1)):
        (folder / "audit.csv").write_bytes(header("audit") + b"".join(rows))
        findings: list[Finding] = []
        assert len(list(Lines(folder, "audit", findings))) == 2
        assert len(findings) == many


def test_an_empty_key_is_refused_and_not_taken_for_none(folder: Path) -> None:
    assert run("verify", str(folder), "--key", "").returncode == 2


@pytest.mark.parametrize("key", ["garbage", "name+00000000+é", "name+00000000+AAAA"])
def test_a_key_that_is_none_is_refused_and_finds_nothing_wrong(folder: Path, key: str) -> None:
    assert run("verify", str(folder), "--key", key).returncode == 2


@pytest.mark.parametrize("content", [None, b"", b"a-machine\n", b"some\n\ntext\n"])
def test_what_is_no_checkpoint_is_refused_and_not_held_against_the_log(
    tmp_path: Path, content: bytes | None
) -> None:
    older = tmp_path / "older"
    if content is not None:
        older.write_bytes(content)
    assert run("verify", "--against", str(older)).returncode == 2


def test_an_export_without_rows_is_said_to_hold_nothing(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    out, page = tmp_path / "out", tmp_path / "report.html"
    assert export(kept, environment, out, "--from", "2020-01-01", "--to", "2020-01-02").returncode == 0
    done = run("verify", str(out), "--html", str(page))
    said = " ".join(done.stdout.split())  # a terminal breaks lines
    assert (done.returncode, "the export holds nothing" in said) == (0, True)
    assert "nothing was altered" not in (said + page.read_text(encoding="utf-8")).lower()


def test_another_logs_key_does_not_verify(folder: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    stranger = LogSigner("stranger.invalid/log", Ed25519PrivateKey.generate()).verifier
    status, said = verify(folder, "--key", stranger)
    assert status == 1
    assert {"manifest.json", "checkpoint"} <= {each["where"] for each in said["findings"]}


def test_every_altered_byte_of_every_file_is_named(folder: Path) -> None:
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        whole, name = path.read_bytes(), path.relative_to(folder).as_posix()
        for place in {0, len(whole) // 3, len(whole) - 3, len(whole) - 1}:
            for mask in (1, 2, 4, 32) if name == "manifest.sig" else (1,):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
                assert name in named(folder), (name, place, mask)
        for damaged in (whole + b"\n", whole[:-1], b""):
            path.write_bytes(damaged)
            assert name in named(folder), (name, len(damaged))
        path.unlink()
        assert name in named(folder), name
        path.write_bytes(whole)
    assert verify(folder)[0] == 0


def named(folder: Path) -> set[str]:
    """Give the files that verification names; a manifest that cannot be read or signed at all names itself."""
    done = run("verify", str(folder), "--json")
    assert done.returncode == 1
    found = {each["where"] for each in json.loads(done.stdout)["findings"]}
    # The signature and what it signs are one: either may be the altered one.
    return found | ({"manifest.sig"} if "manifest.json" in found else set())


@pytest.mark.parametrize("content", [None, b"", b"no manifest", b'{"format": "rapport-export/9"}'])
def test_programs_are_told_in_json_that_there_is_no_manifest_to_read(
    folder: Path, content: bytes | None
) -> None:
    path = folder / "manifest.json"
    whole = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    status, said = verify(folder)
    assert (status, said["waiting"], said["progress"]["responses"]) == (1, 0, 0)
    (found,) = said["findings"]
    assert (found["flaw"], found["where"]) == ("file", "manifest.json")
    assert "manifest.json" in run("verify", str(folder)).error
    path.write_bytes(whole)


NESTED = '{"more":' + "[" * 50_000 + "]" * 50_000 + "}"


def test_a_manifest_of_brackets_without_end_is_no_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text(NESTED)
    status, said = verify(folder)
    assert (status, [each["where"] for each in said["findings"]]) == (1, ["manifest.json"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_brackets_without_end_is_named_and_the_others_are_read(folder: Path, kind: str) -> None:
    path = folder / f"{kind}.ndjson"
    others = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
    path.write_text("".join((NESTED + "\n", *others)), encoding="utf-8")
    status, said = verify(folder)
    assert status == 1
    assert ("altered", f"{kind}.ndjson line 1") in {(e["flaw"], e["where"]) for e in said["findings"]}
    assert said["progress"]["audit_entries"] > 1


@pytest.mark.parametrize(("kind", "member"), [("audit", "resource"), ("administrations", "results")])
def test_what_a_line_holds_may_be_brackets_without_end(folder: Path, kind: str, member: str) -> None:
    path = folder / f"{kind}.ndjson"
    first, *others = lines_of(path)
    first[member] = NESTED
    path.write_text("".join(json.dumps(each) + "\n" for each in (first, *others)), encoding="utf-8")
    status, said = verify(folder)
    assert status == 1
    assert any(f"({kind}.ndjson line 1)" in each["where"] for each in said["findings"])


def test_a_file_that_does_not_belong_there_is_named(folder: Path) -> None:
    (folder / "more.ndjson").write_text("{}")
    assert named(folder) == {"more.ndjson"}


def signed_again(folder: Path, signer: LogSigner) -> None:
    """Alter as somebody does who has the log's key: digests, counts and signature fit again."""
    import hashlib

    import msgspec

    manifest = read_manifest(folder)
    files = {
        name: msgspec.structs.replace(file, sha256=hashlib.sha256((folder / name).read_bytes()).hexdigest())
        for name, file in manifest.files.items()
        if (folder / name).exists()
    }
    write_manifest(folder, msgspec.structs.replace(manifest, files=files), signer)


def test_a_row_that_counts_as_waiting_though_later_ones_are_logged_is_named(
    kept: Kept, environment: dict[str, str], tmp_path: Path, signer: LogSigner
) -> None:
    record(kept, 1, logged=True, ago=timedelta(hours=1))
    out = tmp_path / "out"
    assert export(kept, environment, out).returncode == 0
    assert verify(out, "--key", signer.verifier)[0] == 0
    lines = lines_of(out / "audit.ndjson")
    oldest = min(lines, key=lambda each: str(each["recorded"]))
    oldest["log"] = {"waits": True}
    text = "".join(json.dumps(each) + "\n" for each in lines)
    (out / "audit.ndjson").write_text(text, encoding="utf-8")
    signed_again(out, signer)
    status, said = verify(out, "--key", signer.verifier)
    (found,) = (each["where"] for each in said["findings"] if each["flaw"] == "not-logged")
    assert (status, found.startswith(f"audit entry {oldest['event']} ")) == (1, True)


ALTERED = [(kind, column.name) for kind, logged in LOGGED_AS.items() for column in columns_of(logged)]


@pytest.mark.parametrize(("kind", "column"), ALTERED, ids=[f"{kind}.{column}" for kind, column in ALTERED])
def test_an_altered_value_is_named_by_its_row_although_the_manifest_was_signed_again(
    folder: Path, signer: LogSigner, kind: str, column: str
) -> None:
    path = folder / f"{kind}.ndjson"
    first, *others = lines_of(path)
    first[column] = other(first[column])
    path.write_text("".join(json.dumps(each) + "\n" for each in (first, *others)), encoding="utf-8")
    signed_again(folder, signer)
    status, said = verify(folder, "--key", signer.verifier)
    assert status == 1
    wheres = [each["where"] for each in said["findings"] if each["flaw"] == "altered"]
    identity = {"administrations": "response ", "audit": "audit entry "}.get(kind, f"{LOGGED_AS[kind]} ")
    assert any(each.startswith(identity) for each in wheres), said["findings"]


def other(value: object) -> object:
    if isinstance(value, int):
        return value + 1
    text = str(value or "")
    return f"2021{text[4:]}" if text[:4] == "2026" and text.endswith("Z") else f"{text}x"


@pytest.mark.parametrize(
    "column",
    [
        "response",
        "version",
        "rescoring",
        "site",
        "patient",
        "rater",
        "authored",
        "instrument",
        "key_hash",
        "score",
        "status",
        "system",
        "code",
        "value",
        "unit",
        "absent",
        "items",
    ],
)
def test_an_altered_score_is_named_although_the_manifest_was_signed_again(
    folder: Path, signer: LogSigner, column: str
) -> None:
    path = folder / "scores.ndjson"
    first, *others = lines_of(path)
    first[column] = other(first[column])
    path.write_text("".join(json.dumps(each) + "\n" for each in (first, *others)), encoding="utf-8")
    signed_again(folder, signer)
    status, said = verify(folder, "--key", signer.verifier)
    assert status == 1
    assert any(each["flaw"] in {"mismatch", "orphan"} for each in said["findings"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_left_out_doubled_or_moved_is_named_although_the_manifest_was_signed_again(
    folder: Path, signer: LogSigner, kind: str
) -> None:
    path = folder / f"{kind}.ndjson"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for altered in (lines[1:], lines[:1] + lines, [*lines[1:], lines[0]]):
        if altered == lines:
            continue  # one line has no other place
        path.write_bytes(b"".join(altered))
        signed_again(folder, signer)
        status, said = verify(folder, "--key", signer.verifier)
        assert status == 1, (kind, len(altered))
        flaws = {each["flaw"] for each in said["findings"]}
        assert flaws & {"deleted", "orphan", "duplicate", "mismatch", "state", "file"}, said["findings"]
    path.write_bytes(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sheet_that_says_something_else_is_named_with_its_row(
    folder: Path, signer: LogSigner, kind: str
) -> None:
    path = folder / f"{kind}.csv"
    rows = path.read_bytes().split(b"\r\n")
    rows[1] = rows[1][:-2] + b'x"'
    path.write_bytes(b"\r\n".join(rows))
    signed_again(folder, signer)
    assert f"{kind}.csv, row 1" in {
        each["where"] for each in verify(folder, "--key", signer.verifier)[1]["findings"]
    }


@pytest.mark.parametrize("member", ["salt", "entry", "place", "proof"])
def test_an_altered_proof_is_named(folder: Path, signer: LogSigner, member: str) -> None:
    path = folder / "administrations.ndjson"
    first, *others = lines_of(path)
    first["log"][member] = {
        "salt": "AAAA",
        "entry": first["log"]["entry"] + "0",
        "place": first["log"]["place"] + 1,
        "proof": [],
    }[member]
    path.write_text("".join(json.dumps(each) + "\n" for each in (first, *others)), encoding="utf-8")
    signed_again(folder, signer)
    findings = verify(folder, "--key", signer.verifier)[1]["findings"]
    assert any(each["flaw"] in {"altered", "log"} and first["id"] in each["where"] for each in findings)


def test_another_key_under_the_same_version_is_named(folder: Path, signer: LogSigner) -> None:
    (form,) = folder.glob("forms/*/*/questionnaire.json")
    form.write_text(
        form.read_text().replace('"valueDecimal": 4', '"valueDecimal": 3', 1).replace(" ", "  ", 1)
    )
    signed_again(folder, signer)
    findings = verify(folder, "--key", signer.verifier)[1]["findings"]
    assert {"wrong-key", "not-verifiable"} <= {each["flaw"] for each in findings}


def test_a_stored_score_that_its_answers_do_not_give_is_named(
    kept: Kept, environment: dict[str, str], tmp_path: Path, signer: LogSigner
) -> None:
    alter_total(kept)
    out = tmp_path / "export"
    assert export(kept, environment, out).returncode == 0
    findings = verify(out, "--key", signer.verifier)[1]["findings"]
    assert {("mismatch", True), ("altered", False)} <= {
        (each["flaw"], each["where"].endswith("score-total")) for each in findings
    }


def test_a_stored_score_of_another_version_that_the_answers_do_not_give_is_named(
    kept: Kept, environment: dict[str, str], tmp_path: Path, signer: LogSigner
) -> None:
    alter_total(kept, t.rescoring, "rescoring")
    out = tmp_path / "export"
    assert export(kept, environment, out).returncode == 0
    findings = verify(out, "--key", signer.verifier)[1]["findings"]
    (rescoring,) = lines_of(out / "rescorings.ndjson")
    wheres = [each["where"] for each in findings if each["flaw"] == "mismatch"]
    assert any(rescoring["id"] in each and each.endswith("score-total") for each in wheres), findings


def test_a_mark_of_an_error_that_changes_a_score_is_named(
    kept: Kept, environment: dict[str, str], tmp_path: Path, signer: LogSigner
) -> None:
    alter_total(kept, t.revision, "results", (b"goal-2", b"goal-3"))
    out = tmp_path / "export"
    assert export(kept, environment, out).returncode == 0
    findings = verify(out, "--key", signer.verifier)[1]["findings"]
    assert any(
        each["flaw"] == "mismatch" and "version 1" in each["where"] and "marked" in each["what"]
        for each in findings
    ), findings


def test_what_became_of_an_administration_later_is_exported_in_the_period_in_which_it_was(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    kept.run(f"UPDATE response SET received = received - {400 * 86_400_000_000}")
    out = tmp_path / "export"
    assert export(kept, environment, out, "--from", "2026-03-01", "--to", "2099-12-31").returncode == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["counts"]["administrations"], manifest["counts"]["scores"]) == (0, 0)
    assert (manifest["counts"]["revisions"], manifest["counts"]["rescorings"]) == (1, 1)
    assert verify(out)[0] == 0


def alter_total(
    kept: Kept,
    table: sa.Table = t.response,
    purpose: str = "results",
    change: tuple[bytes, bytes] = (b'\\"value\\":14', b'\\"value\\":18'),
) -> None:
    """Alter a stored total as somebody does who has the database and its key."""
    settings = rapport_settings(kept.folder)
    vault = Vault(settings.vault_keys)
    engine = open_database(settings.database)
    with engine.connect() as connection, connection.execution_options(writing=True).begin():
        rows = connection.execute(sa.select(table)).all()
        opened = {row.id: vault.open(purpose, row.id, row.sealed_results) for row in rows}
        ((identity, results),) = (each for each in opened.items() if change[0] in each[1])
        sealed = vault.seal(purpose, identity, results.replace(*change))
        connection.execute(table.update().where(table.c.id == identity).values(sealed_results=sealed))
    engine.dispose()


def test_what_cannot_be_opened_is_named_and_the_rest_exported(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    kept.run("UPDATE audit SET sealed_resource = x'00' WHERE id = 2")
    out = tmp_path / "export"
    done = export(kept, environment, out)
    assert done.returncode == 0
    assert "Not exported: audit" in done.stdout
    assert any(each["flaw"] == "altered" and "audit" in each["where"] for each in verify(out)[1]["findings"])


@pytest.mark.parametrize("change", ["recorded = 'yesterday'", "recorded = x'00'", "kind = x'00'"])
def test_a_value_of_another_kind_is_named_and_the_rest_exported(
    kept: Kept, environment: dict[str, str], tmp_path: Path, change: str
) -> None:
    kept.run(f"UPDATE audit SET {change} WHERE id = 2")
    out = tmp_path / "export"
    done = export(kept, environment, out)
    assert done.returncode == 0
    assert "Not exported: audit" in done.stdout
    assert any(each["flaw"] == "altered" and "audit" in each["where"] for each in verify(out)[1]["findings"])
    assert len(lines_of(out / "administrations.ndjson")) == 2


def test_text_that_is_no_utf8_is_exported_with_its_bytes_written_out_and_named(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    kept.run("UPDATE audit SET patient = CAST(x'fffe' AS TEXT) WHERE id = 2")
    out = tmp_path / "export"
    assert export(kept, environment, out).returncode == 0
    (line,) = (each for each in lines_of(out / "audit.ndjson") if each["patient"] == "\\xff\\xfe")
    findings = verify(out)[1]["findings"]
    assert any(each["flaw"] == "altered" and line["event"] in each["where"] for each in findings)


def test_only_what_was_received_and_done_in_the_period_is_exported(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    for period, many in ((("2026-03-02", "2026-03-02"), 2), (("2026-03-03", "2026-03-31"), 0)):
        out = tmp_path / period[0]
        done = export(kept, environment, out, "--from", period[0], "--to", period[1])
        assert done.returncode == 0, done.error
        assert len(lines_of(out / "administrations.ndjson")) == many
        assert bool(lines_of(out / "audit.ndjson")) is bool(many)
        assert verify(out)[0] == 0


def trail_of(kept: Kept, kind: str) -> list[dict[str, Any]]:
    settings = rapport_settings(kept.folder)
    vault = Vault(settings.vault_keys)
    engine = open_database(settings.database)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(t.audit).where(t.audit.c.kind == kind).order_by(t.audit.c.id)
        ).all()
    engine.dispose()
    return [json.loads(vault.open("audit", row.event, row.sealed_resource)) for row in rows]


def test_the_export_is_in_the_trail_and_names_its_entry(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    assert export(kept, environment, tmp_path / "out", *PERIOD, "--why", "Inspection 7").returncode == 0
    (entry,) = trail_of(kept, "exported")
    assert entry["id"] == json.loads((tmp_path / "out" / "manifest.json").read_text())["audit_entry"]
    assert entry["purposeOfEvent"][0]["text"] == "Export of 2020-01-01 to 2099-12-31 (UTC): Inspection 7"
    assert "at the command line" in json.dumps(entry["agent"])


def test_an_export_that_fails_is_in_the_trail_too_and_leaves_nothing(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.rmtree(kept.tiles)
    done = export(kept, environment, tmp_path / "out")
    assert done.returncode == 1
    assert "no checkpoint" in done.error
    assert [each["outcome"] for each in trail_of(kept, "exported")] == ["0", "4"]
    assert not list(tmp_path.glob("out*"))


def test_only_its_user_may_read_the_folder(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "soon", "--to", "2026-01-01"), "--from: soon is no date"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "Exchange the two"),
    ],
)
def test_a_period_that_is_none_is_refused(
    kept: Kept, environment: dict[str, str], tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = export(kept, environment, tmp_path / "out", *words)
    assert (done.returncode, told in done.error) == (1, True)
    assert trail_of(kept, "exported") == []


@pytest.mark.parametrize("there", ["out", "out.part"])
def test_nothing_is_written_over(kept: Kept, environment: dict[str, str], tmp_path: Path, there: str) -> None:
    (tmp_path / there).mkdir()
    (tmp_path / there / "theirs").touch()
    done = export(kept, environment, tmp_path / "out")
    assert f"{there} exists already" in done.error
    assert (tmp_path / there / "theirs").exists()
    assert trail_of(kept, "exported") == []


def test_a_folder_that_is_no_export_is_told(tmp_path: Path) -> None:
    done = run("verify", str(tmp_path / "none"))
    assert (done.returncode, "is no export" in done.error) == (1, True)


def test_rows_of_the_export_give_the_bytes_that_the_log_hashed(kept: Kept) -> None:
    settings = rapport_settings(kept.folder)
    vault = Vault(settings.vault_keys)
    engine = open_database(settings.database)
    with engine.connect() as connection:
        for kind, each in LOGGED.items():
            rows = [dict(row._mapping) for row in connection.execute(sa.select(each.table))]
            assert rows
            for row in rows:
                line = json.loads(json.dumps(read_values(kind, row, vault)))
                assert content_of(columns_of(kind), line) == row_content(kind, row, vault)
    engine.dispose()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+49 30", "'+49 30"),
        ("-cmd", "'-cmd"),
        ("  =1", "  '=1"),
        ("\t=1", "\t'=1"),
        ("a;=1", "a;'=1"),
        ("a\r\n=1", "a\r\n'=1"),
        ("＝1", "'＝1"),
        ("-2.5", "-2.5"),
        ("score-total", "score-total"),
        ("https://a.invalid/q|1.0.0", "https://a.invalid/q|1.0.0"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(text: str, written: str) -> None:
    assert disarm(text) == written


def test_sheets_show_an_answering_persons_formula_as_text(
    kept: Kept, environment: dict[str, str], tmp_path: Path
) -> None:
    kept.run("UPDATE delivery SET detail = '=HYPERLINK(\"http://x.invalid\")'")
    assert export(kept, environment, tmp_path / "out").returncode == 0
    with (tmp_path / "out" / "deliveries.csv").open(newline="", encoding="utf-8") as file:
        details = {row["detail"] for row in csv.DictReader(file)}
    assert details == {'\'=HYPERLINK("http://x.invalid")'}
