"""Fetches QuestionnaireResponses from an EHR by Bulk Data export, with a token of the app's own (SMART Backend Services).

https://hl7.org/fhir/uv/bulkdata/STU2/export.html. What was begun goes on: the export's address and its manifest are kept
in the folder, and a file that is there whole is not fetched again. The token goes to the EHR's own address only.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from plugin.ehr import read_retry_after
from plugin.errors import RapportError
from smart_launch import ServerUnavailable, Site, SmartDirectory, SmartError, TokenSet, system_token

_TYPE = "QuestionnaireResponse"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds
_MOST_FAILURES = 8  # in a row, of a server that is away or too busy
_EARLY = 30.0  # seconds before its end a token is no longer used
_BUSY = {429, 502, 503, 504}
_AGAIN = "Run the same command again: it goes on where it stopped."

Sleep = Callable[[float], Awaitable[None]]
Tell = Callable[[str], None]


class ExportFailed(RapportError):
    """The EHR does not export, refuses, or sends something else: what it said and what to do."""

    title = "Bulk Data export"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is exported: of a site, of one group of patients or of all, since when."""

    site: Site
    group: str | None
    since: str | None

    @property
    def address(self) -> str:
        """Where the export is begun."""
        place = f"Group/{self.group}/$export" if self.group else "Patient/$export"
        query = httpx.QueryParams(
            {"_type": _TYPE, "_outputFormat": "application/fhir+ndjson"}
            | ({"_since": self.since} if self.since else {})
        )
        return f"{self.site.base}/{place}?{query}"


class _File(msgspec.Struct):
    type: str = ""
    url: str = ""
    count: int | None = None


class _Manifest(msgspec.Struct, rename="camel"):
    transaction_time: str
    output: list[_File]
    requires_access_token: bool = True
    error: list[_File] = []


class _State(msgspec.Struct):
    """What is known of the export in the folder."""

    request: str
    status: str | None = None
    manifest: _Manifest | None = None


class BulkExport:
    """One export into one folder."""

    def __init__(
        self,
        wanted: Wanted,
        folder: Path,
        http: httpx.AsyncClient,
        clock: Callable[[], datetime],
        *,
        sleep: Sleep = asyncio.sleep,
        tell: Tell = lambda _: None,
    ) -> None:
        self._wanted = wanted
        self._folder = folder
        self._http = http
        self._clock = clock
        self._sleep = sleep
        self._tell = tell
        self._directory = SmartDirectory(clock=clock)
        self._token: TokenSet | None = None

    async def fetch(self) -> tuple[Path, ...]:
        """Give the files, complete; ExportFailed says what stopped it, and what is there already stays."""
        self._folder.mkdir(parents=True, exist_ok=True)
        state = self._read_state()
        if state.manifest is None:
            state = await self._prepare(state)
        assert state.manifest is not None  # noqa: S101 -- _prepare ends with it or raises
        if state.manifest.error:
            self._tell(f"The EHR reports {len(state.manifest.error)} files of errors of its own export.")
        wanted = [each for each in state.manifest.output if each.type == _TYPE]
        files = []
        for place, each in enumerate(wanted):
            self._tell(f"file {place + 1} of {len(wanted)}")
            files.append(await self._download(place, each, state.manifest))
        if state.status is not None:
            await self._clean_up(state)
        return tuple(files)

    async def _prepare(self, state: _State) -> _State:
        """Begin the export if it is not, and wait until its manifest is there."""
        if state.status is None:
            answer = await self._ask("GET", self._wanted.address, {"Prefer": "respond-async"})
            status = answer.headers.get("content-location")
            if answer.status_code != 202 or not status:
                raise self._refused("The EHR did not begin an export", answer)
            state = _State(state.request, str(httpx.URL(self._wanted.address).join(status)))
            self._keep(state)
        pause = _FIRST_PAUSE
        while True:
            answer = await self._ask("GET", str(state.status), {"Accept": "application/json"})
            if answer.status_code == 202:
                progress = answer.headers.get("x-progress", "")
                self._tell(f"The EHR prepares the export. {progress}".strip())
                await self._sleep(min(read_retry_after(answer.headers) or pause, _LONGEST_PAUSE))
                pause = min(pause * 2, _LONGEST_PAUSE)
            elif answer.status_code in {404, 410}:
                self._keep(_State(state.request))
                raise ExportFailed(
                    "The EHR has forgotten the export.", "Run the same command again: it begins anew."
                )
            elif answer.status_code == 200:
                state.manifest = self._read_manifest(answer)
                self._keep(state)
                return state
            else:
                raise self._refused("The export failed", answer)

    async def _download(self, place: int, each: _File, manifest: _Manifest) -> Path:
        name = f"{place:05}-{hashlib.sha256(each.url.encode()).hexdigest()[:12]}.ndjson"
        target, part = self._folder / name, self._folder / f"{name}.part"
        if target.exists():
            return target
        address = str(httpx.URL(self._wanted.address).join(each.url))
        headers = {"Accept": "application/fhir+ndjson"}
        answer = await self._ask("GET", address, headers, own=manifest.requires_access_token, into=part)
        if answer.status_code != 200:
            raise self._refused("A file of the export cannot be fetched", answer)
        with part.open("rb") as file:
            lines = sum(1 for line in file if line.strip())
        if each.count is not None and lines != each.count:
            part.unlink()
            raise ExportFailed(
                f"A file of the export has {lines} lines, and the EHR said {each.count}.", _AGAIN
            )
        part.replace(target)
        return target

    async def _clean_up(self, state: _State) -> None:
        """Tell the EHR that it may forget the export; it does so by itself otherwise."""
        try:
            await self._ask("DELETE", str(state.status), {})
        except ExportFailed:
            self._tell("The EHR did not take the notice that its files are no longer needed.")
        state.status = None
        self._keep(state)

    async def _ask(
        self,
        method: str,
        address: str,
        headers: dict[str, str],
        *,
        own: bool = True,
        into: Path | None = None,
    ) -> httpx.Response:
        """Send a request until there is an answer: waits where the EHR is busy, renews a token once it is refused."""
        self._check_address(address, own=own)
        failures, renewed = 0, False
        while True:
            wanted = {**headers, **({"Authorization": f"Bearer {await self._access_token()}"} if own else {})}
            try:
                answer = await self._send(method, address, wanted, into)
            except httpx.HTTPError as error:
                answer = None
                reason = type(error).__name__
            if answer is not None and answer.status_code == 401 and own and not renewed:
                self._token, renewed = None, True
                continue
            if answer is not None and answer.status_code not in _BUSY:
                return answer
            failures += 1
            if failures == _MOST_FAILURES:
                said = f"HTTP {answer.status_code}" if answer is not None else reason
                raise ExportFailed(f"The EHR does not answer ({said}).", _AGAIN)
            asked = read_retry_after(answer.headers) if answer is not None else None
            await self._sleep(min(asked or _FIRST_PAUSE * 2**failures, _LONGEST_PAUSE))

    async def _send(
        self, method: str, address: str, headers: dict[str, str], into: Path | None
    ) -> httpx.Response:
        if into is None:
            return await self._http.request(method, address, headers=headers)
        async with self._http.stream(method, address, headers=headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                return answer
            with into.open("wb") as file:
                async for piece in answer.aiter_bytes():
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        return answer

    def _check_address(self, address: str, *, own: bool) -> None:
        """Refuse an address that an EHR may not send us to; a token never leaves the EHR's own."""
        found, base = httpx.URL(address), httpx.URL(self._wanted.site.base)
        same = (found.scheme, found.host, found.port) == (base.scheme, base.host, base.port)
        host = found.host if found.port is None else f"{found.host}:{found.port}"
        named = not own and found.scheme == "https" and host in self._wanted.site.extra_hosts
        if not (same or named) or found.userinfo:
            raise ExportFailed(
                f"The export names files at {host}, which is not the EHR's own address.",
                "If the EHR keeps its files there, add the host to extra_hosts of the site.",
            )

    async def _access_token(self) -> str:
        site, now = self._wanted.site, self._clock()
        if self._token is None or (self._token.expires_at - now).total_seconds() < _EARLY:
            try:
                configuration = await self._directory.discover(site, self._http)
                self._token = await system_token(site, configuration, http=self._http, now=now)
            except ServerUnavailable as error:
                raise ExportFailed(error.what_happened, _AGAIN) from None
            except SmartError as error:
                raise ExportFailed(error.what_happened, error.what_to_do) from None
        return self._token.access_token

    def _read_state(self) -> _State:
        try:
            state = msgspec.json.decode((self._folder / "export.json").read_bytes(), type=_State)
        except FileNotFoundError:
            return _State(self._wanted.address)
        except msgspec.MsgspecError:
            raise ExportFailed(
                f"{self._folder}/export.json cannot be read.",
                "Remove the folder, or name another with --out.",
            ) from None
        if state.request != self._wanted.address:
            raise ExportFailed(
                f"{self._folder} holds another export ({state.request}).", "Name another folder with --out."
            )
        return state

    def _keep(self, state: _State) -> None:
        part = self._folder / "export.json.part"
        part.write_bytes(msgspec.json.encode(state))
        part.replace(self._folder / "export.json")

    def _read_manifest(self, answer: httpx.Response) -> _Manifest:
        try:
            return msgspec.json.decode(answer.content, type=_Manifest)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ExportFailed(
                f"The export's manifest cannot be read: {error}.", "Tell the EHR's vendor."
            ) from None

    def _refused(self, what: str, answer: httpx.Response) -> ExportFailed:
        remedies = {
            401: "Check the site's backend_scopes and that the EHR knows Rapport's keys.",
            403: f"Ask the EHR for the scope system/{_TYPE}.rs and for Bulk Data, and name it in backend_scopes.",
            404: "Ask the vendor whether it exports, and for which Group: then give --group.",
        }
        said = _diagnostics(answer)
        return ExportFailed(
            f"{what} (HTTP {answer.status_code}). {said}".strip(),
            remedies.get(answer.status_code, "Correct what the EHR names, then run it again."),
        )


def _diagnostics(answer: httpx.Response) -> str:
    """Give what an OperationOutcome says."""
    try:
        tree: Any = msgspec.json.decode(answer.content)
        issues = tree.get("issue", ()) if isinstance(tree, dict) else ()
        return " ".join(str(each.get("diagnostics") or each.get("code", "")) for each in issues)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError):
        return ""
