"""`rapport rescore --export`: fetched from a running EHR by Bulk Data, and what an EHR may do to it."""

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import parquet

from plugin.bulk_export import BulkExport, ExportFailed, Wanted
from plugin.command_line import main
from smart_launch import PrivateKeyJwt, Site, generate_key
from tests.packaging.built import built
from tests.ports import free_port
from tests.product.crashing import SECRET, Place, open_place
from tests.product.world import READER_SECRET

BASE = "https://ehr.invalid/r4"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("place"), free_port()) as opened:
        yield opened


@pytest.fixture
def rescore(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    def go(*words: str) -> tuple[int, str]:
        monkeypatch.setenv("RAPPORT_SECRET_KEY", SECRET)
        monkeypatch.setenv("RAPPORT_SIGNING_KEYS", str(place.folder / "keys"))
        config = str(place.folder / "rapport.toml")
        command = ["rapport", "rescore", "--config", config, "--out", str(tmp_path / "out"), *words]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end, warnings.catch_warnings():
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), " ".join((said.out + said.err).split())

    return go


def scores_in_record(place: Place) -> dict[tuple[str, str], float]:
    """Read the totals of the record as another client does: value by response and score code."""
    token = httpx.post(
        f"{place.ehr}/auth/token",
        data={"grant_type": "client_credentials", "scope": "system/Observation.rs"},
        auth=("reader", READER_SECRET),
    ).json()["access_token"]
    found: dict[tuple[str, str], float] = {}
    address: str | None = f"{place.ehr}/r4/Observation?category=survey&_count=100"
    while address:
        page = httpx.get(address, headers={"Authorization": f"Bearer {token}"}).json()
        for each in (entry["resource"] for entry in page.get("entry", ())):
            if "valueQuantity" in each and "derivedFrom" in each:
                response = each["derivedFrom"][0]["reference"].removeprefix("QuestionnaireResponse/")
                found[response, each["code"]["coding"][0]["code"]] = each["valueQuantity"]["value"]
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    return found


def test_the_package_is_published_with_a_token_of_our_own_and_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAPPORT_SECRET_KEY", SECRET)
    monkeypatch.setenv("RAPPORT_SIGNING_KEYS", str(place.folder / "keys"))
    monkeypatch.setenv("RAPPORT_CONFIG", str(place.folder / "rapport.toml"))
    # Built once: that building again gives the same is tested in tests/packaging/test_build.py.
    monkeypatch.setattr("plugin.packaging.build.build_package", lambda _folders: built())
    told = []
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", ["rapport", "instruments", "publish", "--site", "sandbox"])
        with pytest.raises(SystemExit), warnings.catch_warnings():
            main()
        told.append(capsys.readouterr().out.splitlines()[-1])
    first, second = told
    assert "created" in first
    assert "unchanged" in second
    assert "created" not in second
    assert "updated" not in second


@pytest.mark.parametrize("group", [(), ("--group", "everybody")])
def test_what_the_record_holds_is_fetched_and_scored_to_the_same_numbers(
    place: Place, rescore: Callable[..., tuple[int, str]], tmp_path: Path, group: tuple[str, ...]
) -> None:
    status, said = rescore("--export", "sandbox", *group)
    assert status == 0, said
    rows = parquet.read_table(tmp_path / "out" / "scores").to_pylist()
    record = scores_in_record(place)
    again = {
        (row["response"], code): row["value"]
        for row in rows
        for code in (f"{row['instrument']}-{row['score']}",)
        if (row["response"], code) in record
    }
    assert len(again) > 50
    assert again == {key: record[key] for key in again}


def test_a_second_run_fetches_nothing_again(
    place: Place, rescore: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    assert rescore("--export", "sandbox")[0] == 0
    files = {each: each.stat().st_mtime_ns for each in (tmp_path / "out" / "export").glob("*.ndjson")}
    assert files
    status, said = rescore("--export", "sandbox")
    assert (status, "prepares" in said) == (0, False)
    assert {each: each.stat().st_mtime_ns for each in files} == files


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--export", "none"), "There is no site none."),
        (("--export", "sandbox", "--since", "yesterday"), "no instant"),
        (("--export", "sandbox", "--since", "2026-01-01T00:00:00"), "time zone"),
        (("--export", "sandbox", "--group", "none"), "There is no such Group. Ask the vendor"),
        (("--export", "sandbox", "--since", "2999-01-01T00:00:00Z"), "exported no QuestionnaireResponse"),
        ((), "Name files, or a site"),
        (("--group", "everybody", "x.ndjson"), "--group"),
        (("--export", "sandbox", "x.ndjson"), "one of the two"),
    ],
)
def test_what_cannot_be_exported_says_why(
    rescore: Callable[..., tuple[int, str]], words: tuple[str, ...], told: str
) -> None:
    status, said = rescore(*words)
    assert status in {1, 2}
    assert told in said


class Fake:
    """An EHR that does what a test says: handlers by path, each taken once, the last one for ever."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str | None]] = []
        self.slept: list[float] = []
        self.handlers: dict[str, list[Any]] = {}

    def on(self, path: str, *answers: Any) -> None:
        self.handlers[path] = list(answers)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((request.method, str(request.url), request.headers.get("authorization")))
        waiting = self.handlers[request.url.path]
        found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(found, Exception):
            raise found
        status, headers, body = found
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, headers=headers, content=content)

    async def fetch(self, folder: Path, **more: Any) -> tuple[Path, ...]:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        wanted = Wanted(more.pop("site", SITE), more.pop("group", "g1"), more.pop("since", None))
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as http:
            return await BulkExport(wanted, folder, http, lambda: NOW, sleep=sleep).fetch()


SITE = Site(
    id="ehr",
    name="EHR",
    fhir_base=BASE,
    client_id="rapport",
    authentication=PrivateKeyJwt((generate_key("ES384"),)),
    redirect_uri="https://rapport.invalid/callback",
    scopes=("launch",),
    backend_scopes=("system/QuestionnaireResponse.rs",),
    allow_private_addresses=True,
)
LINE = b'{"resourceType":"QuestionnaireResponse"}\n'
BUSY: tuple[int, dict[str, str], object] = (429, {"Retry-After": "7"}, {})


def manifest(*files: dict[str, Any], **more: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    whole = {"transactionTime": "2026-06-01T00:00:00Z", "request": "r", "requiresAccessToken": True}
    return 200, {}, {**whole, "output": list(files), "error": [], **more}


def file(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "QuestionnaireResponse", "url": f"{BASE}/files/{name}", **more}


@pytest.fixture
def ehr() -> Fake:
    made = Fake()
    made.on(
        "/r4/.well-known/smart-configuration",
        (
            200,
            {},
            {
                "issuer": BASE,
                "authorization_endpoint": f"{BASE}/authorize",
                "token_endpoint": f"{BASE}/token",
                "jwks_uri": f"{BASE}/jwks",
                "grant_types_supported": ["authorization_code", "client_credentials"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
                "code_challenge_methods_supported": ["S256"],
                "capabilities": ["client-confidential-asymmetric"],
            },
        ),
    )
    made.on(
        "/r4/token",
        (200, {}, {"access_token": "t1", "token_type": "bearer", "expires_in": 300, "scope": "s"}),
    )
    made.on("/r4/Group/g1/$export", (202, {"Content-Location": f"{BASE}/status/1"}, {}))
    made.on("/r4/status/1", manifest(file("a", count=2), file("b", count=1)))
    made.on("/r4/files/a", (200, {}, LINE * 2))
    made.on("/r4/files/b", (200, {}, LINE))
    return made


async def test_a_busy_ehr_is_asked_again_when_it_says(ehr: Fake, tmp_path: Path) -> None:
    ehr.on("/r4/Group/g1/$export", BUSY, (202, {"Content-Location": f"{BASE}/status/1"}, {}))
    ehr.on(
        "/r4/status/1", (202, {"Retry-After": "11"}, {}), BUSY, manifest(file("a", count=2)), (202, {}, {})
    )
    ehr.on("/r4/files/a", BUSY, httpx.ConnectError("away"), (200, {}, LINE * 2))
    (found,) = await ehr.fetch(tmp_path)
    assert found.read_bytes() == LINE * 2
    assert ehr.slept[:4] == [7, 11, 7, 7]


async def test_a_refused_token_is_renewed_once(ehr: Fake, tmp_path: Path) -> None:
    ehr.on("/r4/files/a", (401, {}, {}), (200, {}, LINE * 2))
    assert len(await ehr.fetch(tmp_path)) == 2
    ehr.on("/r4/files/a", (401, {}, {}))
    with pytest.raises(ExportFailed, match="HTTP 401"):
        await ehr.fetch(tmp_path / "again")


async def test_an_interrupted_export_goes_on_with_the_missing_file(ehr: Fake, tmp_path: Path) -> None:
    ehr.on("/r4/files/b", (200, {}, b""))
    with pytest.raises(ExportFailed, match="0 lines, and the EHR said 1"):
        await ehr.fetch(tmp_path)
    ehr.seen.clear()
    ehr.on("/r4/files/b", (200, {}, LINE))
    assert [each.read_bytes() for each in await ehr.fetch(tmp_path)] == [LINE * 2, LINE]
    asked = [address for _, address, _ in ehr.seen]
    assert f"{BASE}/files/a" not in asked
    assert not any("$export" in address for address in asked)


async def test_an_export_that_the_ehr_has_forgotten_begins_anew(ehr: Fake, tmp_path: Path) -> None:
    ehr.on("/r4/status/1", (404, {}, {}))
    with pytest.raises(ExportFailed, match="begins anew"):
        await ehr.fetch(tmp_path)
    ehr.on("/r4/status/1", manifest(file("a", count=2)))
    assert len(await ehr.fetch(tmp_path)) == 1


async def test_no_token_and_no_request_leave_for_another_host(ehr: Fake, tmp_path: Path) -> None:
    ehr.on("/r4/status/1", manifest({**file("a"), "url": "https://evil.invalid/a"}))
    with pytest.raises(ExportFailed, match=r"evil\.invalid"):
        await ehr.fetch(tmp_path)
    assert not [each for each in ehr.seen if "evil" in each[1]]


async def test_a_named_host_of_files_gets_no_token(ehr: Fake, tmp_path: Path) -> None:
    ehr.on(
        "/r4/status/1",
        manifest({**file("a"), "url": "https://files.invalid/x"}, requiresAccessToken=False),
    )
    ehr.on("/x", (200, {}, LINE))
    site = Site(
        **{
            **{name: getattr(SITE, name) for name in SITE.__dataclass_fields__},
            "extra_hosts": ("files.invalid",),
        }
    )
    assert len(await ehr.fetch(tmp_path, site=site)) == 1
    assert [token for _, address, token in ehr.seen if "files.invalid" in address] == [None]


async def test_a_folder_of_another_export_is_not_mixed_up(ehr: Fake, tmp_path: Path) -> None:
    await ehr.fetch(tmp_path)
    with pytest.raises(ExportFailed, match="another export"):
        await ehr.fetch(tmp_path, since="2026-01-01T00:00:00Z")


async def test_an_ehr_that_stays_away_ends_it_with_what_to_do(ehr: Fake, tmp_path: Path) -> None:
    ehr.on("/r4/Group/g1/$export", (503, {}, {}))
    with pytest.raises(ExportFailed, match=r"HTTP 503.*goes on where it stopped"):
        await ehr.fetch(tmp_path)
    assert sum(ehr.slept) < timedelta(minutes=5).total_seconds()


async def test_the_files_are_given_back_when_all_are_there(ehr: Fake, tmp_path: Path) -> None:
    await ehr.fetch(tmp_path)
    assert ("DELETE", f"{BASE}/status/1") in [(method, address) for method, address, _ in ehr.seen]
