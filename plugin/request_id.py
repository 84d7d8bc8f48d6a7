"""The id of the request, or of the delivery, that is being worked on: in every log line, in the answer, on the way to the EHR."""

import re
import uuid

import httpx
import structlog

HEADER = "X-Request-Id"
_KEY = "request_id"
# A UUID, or 16 to 64 hexadecimal digits, as proxies make them: nothing that could be a name or a date.
_WELL_FORMED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,64}", re.IGNORECASE)


def begin(given: str = "") -> str:
    """Begin a piece of work under the id that came with it, if that is well-formed, or under a new one."""
    chosen = given if _WELL_FORMED.fullmatch(given) else str(uuid.uuid4())
    structlog.contextvars.bind_contextvars(**{_KEY: chosen})
    return chosen


def current() -> str | None:
    """Tell the id of the work under way, if there is any."""
    found = structlog.contextvars.get_contextvars().get(_KEY)
    return None if found is None else str(found)


def pass_on_from(http: httpx.AsyncClient) -> None:
    """Have every request of a client carry the id (FHIR R4, section 3.1.0.1.4: X-Request-Id)."""
    hooks = http.event_hooks
    if _add_to not in hooks["request"]:
        http.event_hooks = {**hooks, "request": [*hooks["request"], _add_to]}


async def _add_to(request: httpx.Request) -> None:
    if (own := current()) is not None:
        request.headers[HEADER] = own
