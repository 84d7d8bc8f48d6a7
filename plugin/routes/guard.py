"""What every request and answer passes: the size limit, the security headers."""

import re
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugin.errors import Issue, TooLarge
from plugin.routes.errors import Told, outcome
from plugin.settings import Settings

_NEVER_FRAMED = frozenset({"/code"})  # typed on a respondent's own device; no hand-over comes by here
_CODES = frozenset({"/launch", "/callback", "/carried"})  # addresses that hold codes
LARGEST_BODY = 1_000_000  # bytes; the largest form known here has 36 items and makes 20 kB


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest body of an address, and what to do about a larger one."""

    most: int  # bytes
    remedy: str

    @property
    def told(self) -> tuple[str, str]:
        """What happened, and what to do."""
        return f"The body is larger than {self.most} bytes.", self.remedy


_FORM = Limit(LARGEST_BODY, "No form is that large: send one response at a time.")
_CALL = re.compile(r"/sites/[^/]+/cds-services/[^/]+")
# Its prefetch asks for 200 encounters and 200 scores; a narrative is up to some 10 kB.
_CDS_CALL = Limit(
    8_000_000,
    "Send no more than the prefetch asks for, 200 encounters and 200 scores, without their narratives.",
)


def limit_of(path: str) -> Limit:
    """Give the limit of the bodies that are sent to an address."""
    return _CDS_CALL if _CALL.fullmatch(path) else _FORM


class SizeLimit:
    """Refuses a body over the limit before or while it is read, whatever its header says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = limit_of(scope["path"])
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit.most:
            await _refuse(send, limit)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit.most:
                raise TooLarge(*limit.told)
            return message

        await self._app(scope, counted, send)


class SecurityHeaders:
    """Adds what keeps a page to itself, and says which EHRs may frame it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._ancestors = {site: policy.frame_ancestors for site, policy in settings.policies.items()}
        self._https = settings.base_url.startswith("https://")
        below = "; includeSubDomains" if settings.hsts_subdomains else ""
        self._only_https = f"max-age=31536000{below}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy(scope)
                # Not no-referrer everywhere: with it browsers send Origin: null for our own forms.
                headers["Referrer-Policy"] = "no-referrer" if scope["path"] in _CODES else "same-origin"
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
                headers.setdefault("Cache-Control", _caching(scope))
                if scope["path"].startswith("/static/"):
                    headers["Access-Control-Allow-Origin"] = "*"  # modules, for frames without an origin
                if self._https:
                    headers["Strict-Transport-Security"] = self._only_https
            await send(message)

        await self._app(scope, receive, with_headers)

    def _policy(self, scope: Scope) -> str:
        # The site is known once a launch or an invitation is; before that, any configured EHR may frame the page.
        site = scope.get("state", {}).get("site")
        if site in self._ancestors:
            ancestors = self._ancestors[site]
        else:
            ancestors = tuple(dict.fromkeys(each for known in self._ancestors.values() for each in known))
        framing = "'none'" if scope["path"] in _NEVER_FRAMED else " ".join(("'self'", *ancestors))
        actions = " ".join(("'self'", *scope.get("state", {}).get("form_action", ())))
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            f"form-action {actions}; base-uri 'none'; object-src 'none'; "
            f"frame-ancestors {framing}"
        )


def _caching(scope: Scope) -> str:
    """Only files whose address changes with their content are kept by browsers."""
    if not scope["path"].startswith("/static/"):
        return "no-store"
    return "public, max-age=31536000, immutable" if scope["query_string"].startswith(b"v=") else "no-cache"


async def _refuse(send: Send, limit: Limit) -> None:
    happened, remedy = limit.told
    issue = Issue(TooLarge.code, f"{happened} {remedy}")
    body = outcome(Told(413, TooLarge.title, happened, remedy, TooLarge.code, (issue,)))
    headers = [(b"content-type", b"application/fhir+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
