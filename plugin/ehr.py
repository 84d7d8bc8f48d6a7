"""The FHIR client: read, search, create and transact on one EHR with one token.

EhrError
├── EhrUnavailable   try again later (`retry_after` seconds, if the EHR said so); nothing was changed there
├── OutcomeUnknown   a write may or may not have happened: look for it before repeating it
├── TokenRefused     401: get another token
├── NotPermitted     403: the token, or the EHR's configuration, does not allow it
├── NotFound         404, 410
├── Elsewhere        the reference or address is on another server: the token is never sent there
├── EhrRefused       the EHR read it and said no (`status`, `issues`): repeating does not help
└── BadAnswer        the EHR answered something that is not FHIR

Messages hold no token, no body and no value of one: of an OperationOutcome only codes and places are kept.
"""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlencode

import httpx
import msgspec

from smart_launch import Scopes
from smart_launch.wire import read_address

JsonObject = dict[str, object]

_FHIR_JSON = "application/fhir+json"
_LARGEST_ANSWER = 20 * 1024 * 1024  # bytes
_LONGEST_EXCHANGE = 60.0  # seconds in all, however slowly the EHR drips
_AT_ONCE = 8  # Medications, say, of one page or one person
_MOST_PAGES = 100
_PAGE_SIZE = 100
_TRANSACTED = "transaction-response"
_UNTOLD = "The EHR's answer to the transaction does not say what became of each entry."
_MOST_ANSWERS = 200  # lines that are kept of what an EHR answered to one attempt
_LONGEST_PAUSE = 86_400.0  # seconds of Retry-After that are believed

_OF_A_RESOURCE = frozenset({400, 409, 412, 422})
# Issue types of what passes by itself. Not of a 412, of which Medplum says `lock-error` for a version that is no more.
_PASSING = frozenset({"transient", "lock-error", "no-store", "throttled", "timeout"})
_MAY_PASS = _OF_A_RESOURCE - {412}
# Issue types (R4 valueset-issue-type) of a server that does not do it, or does it for nobody like us.
_OF_A_TYPE = frozenset({"not-supported", "business-rule", "security", "login", "forbidden", "suppressed"})

_TYPE = r"[A-Z][A-Za-z]{1,63}"
_REFERENCE = re.compile(rf"({_TYPE})/([A-Za-z0-9\-.]{{1,64}})(?:/_history/[A-Za-z0-9\-.]{{1,64}})?")
_LOCATION = re.compile(rf"(?:.*/)?{_REFERENCE.pattern}/?")
_ETAG = re.compile(r'(?:W/)?"?([A-Za-z0-9\-.]{1,64})"?')
_HISTORY = re.compile(r".*/_history/([A-Za-z0-9\-.]{1,64})/?")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PLACE = re.compile(r"[A-Za-z0-9_.\[\]]{1,120}")


class EhrError(Exception):
    """The EHR could not do, or did not do, what was asked. The message is one sentence for people.

    `status` is the HTTP status of its answer, if there was one.
    """

    status: int | None = None

    @property
    def is_conflict(self) -> bool:
        """Whether something else stood in the way: another write at the same time (HAPI, Azure, LinuxForHealth) or the same resource."""
        return self.status == httpx.codes.CONFLICT


class EhrUnavailable(EhrError):
    """The EHR cannot be reached or is too busy; what was sent, if anything, was not done."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutcomeUnknown(EhrError):
    """A write was sent and its fate is not known."""


class TokenRefused(EhrError):
    """The EHR does not accept the token (any more)."""


class NotPermitted(EhrError):
    """The EHR does not allow this with this token."""


class NotFound(EhrError):
    """There is no such resource, or no such interaction, there."""


class Elsewhere(EhrError):
    """A reference or a page is on another server, or is no reference at all."""


class BadAnswer(EhrError):
    """The answer is not the FHIR resource that it should be."""


@dataclass(frozen=True, slots=True)
class RefusalIssue:
    """What an OperationOutcome names: its code, the server's own error code, and where."""

    code: str
    detail: str | None = None
    expression: str | None = None

    def __str__(self) -> str:
        detail = f" {self.detail}" if self.detail else ""
        return f"{self.code}{detail}" + (f" at {self.expression}" if self.expression else "")


class EhrRefused(EhrError):
    """The EHR understood and refused."""

    def __init__(self, status: int, issues: tuple[RefusalIssue, ...] = ()) -> None:
        named = "; ".join(str(issue) for issue in issues)
        super().__init__(f"The EHR refused it (HTTP {status}{f': {named}' if named else ''}).")
        self.status = status
        self.issues = issues

    @property
    def is_of_content(self) -> bool:
        """Whether it is this resource that is not taken, rather than its type or form (an EHR's own rules).

        HTTP 422 is said of a resource; other refusals are as their issues say.
        """
        codes = {issue.code for issue in self.issues}
        if self.status not in _OF_A_RESOURCE or codes & _OF_A_TYPE:
            return False
        return bool(codes) or self.status == httpx.codes.UNPROCESSABLE_ENTITY

    @property
    def is_unexplained(self) -> bool:
        """Whether it does not say what is not taken, this resource or its type."""
        return self.status in _OF_A_RESOURCE and not self.issues


@dataclass(frozen=True, slots=True)
class Created:
    """Where a created resource stands: `Observation/17`. Status 200 if a condition found it there already."""

    location: str
    status: int


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What became of one entry of a transaction."""

    status: int
    location: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What an EHR answered to one write, or to one entry of a transaction: statuses and addresses, nothing of the content."""

    asked: str  # `POST Observation`, `PUT Observation/17`, `entry 3`
    status: int
    location: str | None = None  # `Observation/17/_history/2`, as far as it was told
    is_entry: bool = False

    def __str__(self) -> str:
        return f"{self.asked}: {self.status}" + (f" {self.location}" if self.location else "")


@dataclass(frozen=True, slots=True)
class Heard:
    """What was answered to the writes of one attempt, in their order. `server` names another one than the EHR."""

    answers: list[Answered] = field(default_factory=list)
    server: str = ""

    def beside(self, server: str) -> "Heard":
        """Listen to another server, too: its answers go among these."""
        return Heard(self.answers, f"{server} ")

    def note(self, answered: Answered) -> None:
        """Keep one answer."""
        self.answers.append(replace(answered, asked=f"{self.server}{answered.asked}"))

    def locate(self, location: str | None) -> None:
        """Say where what the last answer was about stands, where only its body told."""
        self.answers[-1] = replace(self.answers[-1], location=location)

    def status(self, *, good: bool) -> int | None:
        """Give the HTTP status of the last write that was answered, with `good` of the last that succeeded."""
        whole = [each.status for each in self.answers if not each.is_entry]
        return next((each for each in reversed(whole) if not good or httpx.codes.is_success(each)), None)

    def __str__(self) -> str:
        return "\n".join(map(str, self.answers[:_MOST_ANSWERS]))


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _SearchMode(msgspec.Struct):
    mode: str = "match"


class _EntryResponse(msgspec.Struct):
    status: str
    location: str | None = None
    etag: str | None = None
    outcome: msgspec.Raw = msgspec.Raw(b"{}")


class _Entry(msgspec.Struct):
    resource: JsonObject | None = None
    search: _SearchMode = msgspec.field(default_factory=_SearchMode)
    response: _EntryResponse | None = None


class _Bundle(msgspec.Struct):
    resourceType: Literal["Bundle"]  # noqa: N815 -- FHIR's element name
    type: str = ""
    link: tuple[_Link, ...] = ()
    entry: tuple[_Entry, ...] = ()


class _Request(msgspec.Struct):
    url: str


class _SentEntry(msgspec.Struct):
    request: _Request


class _Sent(msgspec.Struct):
    entry: tuple[_SentEntry, ...] = ()


class _Coding(msgspec.Struct):
    code: str = ""


class _Details(msgspec.Struct):
    coding: tuple[_Coding, ...] = ()


class _Issue(msgspec.Struct):
    code: str = ""
    details: _Details = msgspec.field(default_factory=_Details)
    expression: tuple[str, ...] = ()


class _Outcome(msgspec.Struct):
    issue: tuple[_Issue, ...] = ()


class Ehr:
    """One FHIR R4 server, seen with one token. The token goes to `base` and nowhere else.

    With `granted`, what no scope allows is NotPermitted without asking. `heard` keeps what was answered to writes. Every
    method raises an EhrError. Time-outs of single steps are those of `http`.
    """

    def __init__(
        self,
        base: str,
        access_token: str | None,
        http: httpx.AsyncClient,
        *,
        user_agent: str = "rapport",
        granted: Scopes | None = None,
        heard: Heard | None = None,
    ) -> None:
        self._granted = granted
        self._heard = heard or Heard()
        self._base = base.removesuffix("/")
        self._http = http
        # HAPI answers the same search for a minute from what it found before, unless it is asked not to.
        self._headers = {"Accept": _FHIR_JSON, "Cache-Control": "no-cache", "User-Agent": user_agent}
        self.access_token = access_token
        if access_token is not None:
            self._headers["Authorization"] = f"Bearer {access_token}"

    def __repr__(self) -> str:
        return f"Ehr({self._base})"

    @property
    def base(self) -> str:
        """The FHIR base, without a final slash."""
        return self._base

    async def read(self, reference: str) -> JsonObject:
        """Read `Patient/1`, or an absolute reference on this server; Elsewhere for any other."""
        relative = reference.removeprefix(f"{self._base}/")
        found = _REFERENCE.fullmatch(relative)
        if found is None:
            raise Elsewhere("The reference is not to a resource on this EHR, so it was not followed.")
        self._check_granted(found[1], "r", "read")
        answer = await self._send("GET", f"{self._base}/{relative}")
        return _decode(answer, found[1])

    async def read_original(self, reference: str) -> bytes:
        """Read `Type/id` and give the very bytes that came; as `read` otherwise."""
        found = _REFERENCE.fullmatch(reference.removeprefix(f"{self._base}/"))
        if found is None:
            raise Elsewhere("The reference is not to a resource on this EHR, so it was not followed.")
        self._check_granted(found[1], "r", "read")
        answer = await self._send("GET", f"{self._base}/{found[0]}")
        _decode(answer, found[1])
        return answer.body

    async def ask(
        self, reference: str, operation: str, params: Mapping[str, str] | None = None
    ) -> JsonObject:
        """Call an operation that changes nothing on `Type/id` (`$status`, `$events`); gives the Bundle it answers."""
        if _REFERENCE.fullmatch(reference) is None:
            raise Elsewhere("The reference is not to a resource on this EHR, so it was not followed.")
        query = f"?{urlencode(params)}" if params else ""
        return _decode(await self._send("GET", f"{self._base}/{reference}/{operation}{query}"), "Bundle")

    async def delete(self, reference: str) -> None:
        """Delete `Type/id`; NotFound if it is gone already."""
        if _REFERENCE.fullmatch(reference) is None:
            raise Elsewhere("The reference is not to a resource on this EHR, so it was not followed.")
        await self._send("DELETE", f"{self._base}/{reference}", writes=True)

    async def capability(self) -> JsonObject:
        """Read the CapabilityStatement."""
        return _decode(await self._send("GET", f"{self._base}/metadata"), "CapabilityStatement")

    async def search(
        self,
        resource_type: str,
        params: Mapping[str, str | Sequence[str]],
        *,
        limit: int = 1000,
        size: int = _PAGE_SIZE,
        method: Literal["GET", "POST"] = "GET",
    ) -> tuple[JsonObject, ...]:
        """Search; gives at most `limit` resources in the EHR's order, following its pages of `size`, or of what it gives.

        POST keeps the parameters out of addresses and so out of other people's logs, where the EHR offers it.
        BadAnswer rather than a part of the result if a page is elsewhere, repeats, or there is no end to them.
        """
        found: list[JsonObject] = []
        async with aclosing(self.pages(resource_type, params, size=min(limit, size), method=method)) as pages:
            async for page in pages:
                found += page
                if len(found) >= limit:
                    break
        return tuple(found[:limit])

    async def pages(
        self,
        resource_type: str,
        params: Mapping[str, str | Sequence[str]],
        *,
        size: int = _PAGE_SIZE,
        most: int = _MOST_PAGES,
        method: Literal["GET", "POST"] = "GET",
    ) -> AsyncGenerator[tuple[JsonObject, ...], None]:
        """Search as `search` does, page by page: memory does not grow with what is found. BadAnswer after `most` pages."""
        self._check_granted(resource_type, "s", "search")
        form = urlencode({"_count": str(size), **params}, doseq=True)
        address = f"{self._base}/{resource_type}"
        if method == "GET":
            answer = await self._send("GET", f"{address}?{form}")
        else:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await self._send("POST", f"{address}/_search", form.encode(), headers, writes=False)
        visited: set[str] = set()
        while True:
            bundle = _decode_bundle(answer)
            yield tuple(
                each.resource
                for each in bundle.entry
                if each.resource is not None and each.search.mode != "outcome"
            )
            following = self._next_page(bundle)
            if following is None:
                return
            if following in visited or len(visited) >= most:
                raise BadAnswer("The EHR's pages of search results have no end.")
            visited.add(following)
            answer = await self._send("GET", following)

    async def create(self, resource: bytes, resource_type: str, *, if_none_exist: str | None) -> Created:
        """Create a resource from its bytes, as they are; with a condition only if no resource meets it."""
        headers = {"Content-Type": _FHIR_JSON, "Prefer": "return=minimal"}
        if if_none_exist is not None:
            headers["If-None-Exist"] = if_none_exist
        answer = await self._send("POST", f"{self._base}/{resource_type}", resource, headers)
        location = _read_location(answer.headers.get("location") or answer.headers.get("content-location"))
        if location is None or location.partition("/")[0] != resource_type:
            # Epic answers 201 with a relative Location and nothing else; others give the resource and no Location.
            location = _read_location(f"{resource_type}/{_decode(answer, resource_type).get('id', '')}")
            self._heard.locate(location)
        if location is None:
            raise BadAnswer("The EHR took the resource and did not say where it stands.")
        return Created(location, answer.status)

    async def update(
        self, resource: bytes, reference: str, *, if_match: str | None = None
    ) -> JsonObject | None:
        """Replace `Type/id` by a resource that has this id; with a version only if that is what stands there (else 412).

        Gives what stands there now, where the answer holds it. None where it does not tell, be it as short as it was asked
        to be or a page to sign in: read it then before you believe it.
        """
        if _REFERENCE.fullmatch(reference) is None:
            raise Elsewhere("The reference is not to a resource on this EHR, so it was not followed.")
        headers = {"Content-Type": _FHIR_JSON, "Prefer": "return=minimal"}
        if if_match is not None:
            headers["If-Match"] = f'W/"{if_match}"'
        answer = await self._send("PUT", f"{self._base}/{reference}", resource, headers)
        kind, _, own = reference.partition("/")
        try:
            found = _decode(answer, kind)
        except BadAnswer:
            return None
        return found if found.get("id") == own.partition("/")[0] else None

    async def transact(self, bundle: bytes) -> tuple[EntryResult, ...]:
        """Send a transaction Bundle: all of it stands in the record, or nothing (EhrRefused).

        BadAnswer unless the answer is that to a transaction, and says of each entry where it stands.
        """
        headers = {"Content-Type": _FHIR_JSON, "Prefer": "return=minimal"}
        answer = await self._send("POST", self._base, bundle, headers)
        answered = _decode_bundle(answer)
        entries = [entry.response for entry in answered.entry]
        results = tuple(map(_read_entry, answered.entry))
        for number, (entry, result) in enumerate(zip(entries, results, strict=True), 1):
            place = _with_version(result.location, entry.location, entry.etag) if entry else None
            self._heard.note(Answered(f"entry {number}", result.status, place, is_entry=True))
        _check_entries(answered, results, bundle)
        return results

    def _check_granted(self, resource_type: str, letter: str, word: str) -> None:
        """NotPermitted for what no granted scope speaks of."""
        granted = self._granted
        if granted is not None and not granted.may(resource_type, letter):
            raise NotPermitted(f"The EHR has not granted the right to {word} {resource_type}.")

    async def _send(
        self,
        method: str,
        address: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        writes: bool | None = None,
    ) -> _Answer:
        changes = body is not None if writes is None else writes
        # Not `http.build_request`: that would add cookies which another user's request left in the client.
        request = httpx.Request(
            method,
            address,
            headers={**self._headers, **(headers or {})},
            content=body,
            extensions={"timeout": self._http.timeout.as_dict()},
        )
        try:
            async with asyncio.timeout(_LONGEST_EXCHANGE):
                answer = await self._exchange(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            raise EhrUnavailable("The EHR cannot be reached.") from None
        except (httpx.TimeoutException, TimeoutError):
            raise _lost(_SLOW, changes=changes) from None
        except httpx.TransportError:
            raise _lost("broke off", changes=changes) from None
        except httpx.DecodingError:
            raise BadAnswer("The EHR's answer has a broken encoding.") from None
        if changes:
            asked = address.removeprefix(self._base).removeprefix("/") or "Bundle"
            told = answer.headers.get("location") or answer.headers.get("content-location")
            stands = _read_location(told) or (asked if method == "PUT" else None)
            place = _with_version(stands, told, answer.headers.get("etag"))
            self._heard.note(Answered(f"{method} {asked}", answer.status, place))
        try:
            _check_status(answer, changes=changes)
        except EhrError as error:
            error.status = answer.status
            raise
        return answer

    async def _exchange(self, request: httpx.Request) -> _Answer:
        response = await self._http.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _LARGEST_ANSWER:
                    if httpx.codes.is_error(response.status_code):
                        content.clear()  # the status says enough: no reason is worth so many bytes
                        break
                    raise BadAnswer(f"The EHR's answer is larger than {_LARGEST_ANSWER // 1024 // 1024} MB.")
        finally:
            await response.aclose()
        # A byte order mark is no JSON, and RFC 8259 lets readers pass over it.
        return _Answer(response.status_code, response.headers, bytes(content).removeprefix(BOM_UTF8))

    def _next_page(self, bundle: _Bundle) -> str | None:
        """Find the next page's address, made absolute; BadAnswer if it leaves the base."""
        address = next((link.url for link in bundle.link if link.relation == "next"), None)
        if address is None:
            return None
        base = httpx.URL(self._base)
        url = read_address(address, f"{self._base}/")
        if (url.scheme, base.scheme) == ("http", "https"):
            # Behind a proxy that ends TLS a server may not know how it was asked. The page is asked for as all else is.
            url = url.copy_with(scheme="https")
        same = (url.scheme, url.host, url.port, url.userinfo) == (base.scheme, base.host, base.port, b"")
        inside = url.path == base.path or url.path.startswith(f"{base.path.removesuffix('/')}/")
        if not (same and inside) or ".." in url.path:
            raise BadAnswer("The next page of the search is on another server, so it was not followed.")
        return str(url)


def _check_status(answer: _Answer, *, changes: bool) -> None:
    """Raise the error that a status calls for."""
    status = answer.status
    if status in {408, 423, 425, 429, 503}:
        raise _too_busy(answer)
    if status in {302, 303, 307, 500, 502, 504} or status > 505:
        # A gateway that gave up or sends elsewhere for a while, or a server that broke, may have done the write all the same.
        raise _lost(f"failed (HTTP {status})", changes=changes)
    if status == httpx.codes.UNAUTHORIZED:
        raise TokenRefused("The EHR does not accept the sign-in (HTTP 401).")
    if status == httpx.codes.FORBIDDEN:
        named = "; ".join(str(issue) for issue in _read_issues(answer.body))
        raise NotPermitted(f"The EHR does not allow it (HTTP 403{f': {named}' if named else ''}).")
    if status in {404, 410}:
        raise NotFound(f"The EHR has no such resource (HTTP {status}).")
    if not httpx.codes.is_success(status):
        issues = _read_issues(answer.body)
        if status in _MAY_PASS and any(each.code in _PASSING for each in issues):
            raise _too_busy(answer)
        raise EhrRefused(status, issues)


def _too_busy(answer: _Answer) -> EhrUnavailable:
    return EhrUnavailable(f"The EHR is too busy (HTTP {answer.status}).", read_retry_after(answer.headers))


_SLOW = "did not answer in time"  # it was Rapport that gave up


def _lost(how: str, *, changes: bool) -> EhrError:
    """Give the error of an answer that did not come; `how` is said of the EHR."""
    if changes:
        return OutcomeUnknown(f"The EHR {how} while it was writing: whether it has the result is not known.")
    if how == _SLOW:
        return EhrUnavailable("The EHR did not answer in time.")
    return EhrUnavailable(f"The EHR {how} while it was answering.")


def _decode(answer: _Answer, resource_type: str) -> JsonObject:
    try:
        found = msgspec.json.decode(answer.body, type=JsonObject)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer("The EHR's answer is not JSON.") from None
    if found.get("resourceType") != resource_type:
        raise BadAnswer(f"The EHR's answer is not of type {resource_type}.")
    return found


def _decode_bundle(answer: _Answer) -> _Bundle:
    try:
        return msgspec.json.decode(answer.body, type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer("The EHR's answer is not of type Bundle.") from None


def _read_location(value: str | None) -> str | None:
    """Take `Type/id` from a Location, relative or absolute (some servers give an inner address)."""
    found = _LOCATION.fullmatch(value) if value else None
    return f"{found[1]}/{found[2]}" if found else None


def _with_version(location: str | None, told: str | None, etag: str | None) -> str | None:
    """Add the version that a Location or an ETag names to `Type/id`."""
    version = _HISTORY.fullmatch(told or "") or _ETAG.fullmatch(etag or "")
    return f"{location}/_history/{version[1]}" if location and version else location


def _read_entry(entry: _Entry) -> EntryResult:
    response, resource = entry.response, entry.resource or {}
    status = response.status[:3] if response else ""
    if response is None or not status.isdecimal():
        raise BadAnswer(_UNTOLD)
    # Some give the resource, whatever was preferred, and no location.
    itself = f"{resource.get('resourceType', '')}/{resource.get('id', '')}"
    return EntryResult(int(status), _read_location(response.location) or _read_location(itself))


def _check_entries(answered: _Bundle, results: tuple[EntryResult, ...], sent: bytes) -> None:
    """EhrRefused if an entry was; BadAnswer if any entry that was sent is not said to stand where its type does."""
    if answered.type != _TRANSACTED:
        # Of a batch some entries may stand there and others not, and what was found is no answer at all.
        raise BadAnswer("The EHR's answer is not that to a transaction.")
    for entry, result in zip(answered.entry, results, strict=True):
        if entry.response is not None and result.status >= httpx.codes.BAD_REQUEST:
            raise EhrRefused(result.status, _read_issues(bytes(entry.response.outcome)))
    kinds = [each.request.url for each in msgspec.json.decode(sent, type=_Sent).entry]
    if len(kinds) != len(results) or not all(map(_stands, results, kinds)):
        raise BadAnswer(_UNTOLD)


def _stands(result: EntryResult, kind: str) -> bool:
    """Tell whether an entry was taken, and stands among those of its type, if it is told where."""
    place = result.location or kind
    return httpx.codes.is_success(result.status) and place.partition("/")[0] == kind.partition("/")[0]


def _read_issues(body: bytes) -> tuple[RefusalIssue, ...]:
    """Keep codes and places of an OperationOutcome: its texts may repeat what was sent."""
    try:
        issues = msgspec.json.decode(body, type=_Outcome).issue[:5]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(
        RefusalIssue(
            code=issue.code,
            detail=next((each.code for each in issue.details.coding if _CODE.fullmatch(each.code)), None),
            expression=next((place for place in issue.expression if _PLACE.fullmatch(place)), None),
        )
        for issue in issues
        if _CODE.fullmatch(issue.code)
    )


async def few_at_a_time(references: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Do something with each reference, eight side by side at most: the connections to EHRs are everybody's."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def one(reference: str) -> None:
        async with at_once:
            await work(reference)

    await asyncio.gather(*map(one, references))


def read_retry_after(headers: httpx.Headers) -> float | None:
    """Read Retry-After in seconds: a number, or a date against the EHR's own clock (RFC 9110 section 10.2.3); else None."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return min(float(value), _LONGEST_PAUSE)
    try:
        pause = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return min(max(pause.total_seconds(), 0.0), _LONGEST_PAUSE)
