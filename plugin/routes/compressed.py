"""Pages that hold nothing of anybody, compressed: what holds answers or a token is not, so that its length tells nothing."""

import gzip
from functools import lru_cache

from fastapi.responses import HTMLResponse

_LEAST = 500  # bytes below which nothing is won


def compressed(html: str, accept_encoding: str, *, again: bool = True) -> HTMLResponse:
    """Send a page compressed to whoever takes gzip. Only for pages without answers, names and tokens.

    `again`: others will be sent the same page, so that what it is compressed to is remembered.
    """
    if "gzip" not in accept_encoding or len(html) < _LEAST:
        return HTMLResponse(html, headers={"Vary": "Accept-Encoding"})
    packed = _remember(html) if again else _pack(html)
    return HTMLResponse(packed, headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})


def _pack(html: str) -> bytes:
    return gzip.compress(html.encode(), 9, mtime=0)


_remember = lru_cache(maxsize=256)(_pack)  # one a form, language and policy of a site
