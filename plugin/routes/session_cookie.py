"""The cookie that holds a browser session's handle."""

from fastapi import Request
from fastapi.responses import Response

from plugin.access.sessions import LOCK_LIFE
from plugin.routes.state import COOKIE

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=None; Partitioned"


def set_session_cookie(answer: Response, handle: str, *, lasting: bool = False) -> None:
    """Set the session handle for frames of other sites, too: partitioned by the embedding site (CHIPS).

    `lasting`: the browser keeps it when it is closed, so that closing it does not open a lock.
    """
    life = f"; Max-Age={int(LOCK_LIFE.total_seconds())}" if lasting else ""
    answer.headers.append("Set-Cookie", f"{COOKIE}={handle}; {_ATTRIBUTES}{life}")


def keep_session_cookie(request: Request, answer: Response, *, lasting: bool) -> None:
    """Set the handle that this browser has once more, to last or to end with the browser."""
    if handle := request.cookies.get(COOKIE):
        set_session_cookie(answer, handle, lasting=lasting)


def forget_session_cookie(answer: Response) -> None:
    """Take the session handle out of the browser."""
    answer.headers.append("Set-Cookie", f"{COOKIE}=; {_ATTRIBUTES}; Max-Age=0")
