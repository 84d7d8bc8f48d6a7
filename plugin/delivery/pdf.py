"""Renders a summary as PDF, in a thread. Needs the extra `pdf` (WeasyPrint, which needs Pango)."""

import asyncio
import ctypes.util
import importlib.util
from functools import cache

from plugin.delivery.summary import Summary, as_html


@cache
def can_render() -> bool:
    """Tell whether the extra is installed, and the libraries of the system that it needs."""
    libraries = ("pango-1.0", "pangoft2-1.0")
    return importlib.util.find_spec("weasyprint") is not None and all(
        map(ctypes.util.find_library, libraries)
    )


async def render_pdf(summary: Summary) -> bytes:
    """Give the PDF of a summary (one page of A4, tagged for screen readers)."""
    return await asyncio.to_thread(pdf_of, as_html(summary))


def pdf_of(html: str) -> bytes:
    """Give a page as PDF, tagged for screen readers; it may fetch nothing."""
    import weasyprint

    document: bytes = weasyprint.HTML(string=html, url_fetcher=_fetch_nothing).write_pdf(
        pdf_variant="pdf/ua-1"
    )
    return document


def _fetch_nothing(url: str, *_: object, **__: object) -> dict[str, object]:
    raise ValueError(f"it fetches nothing, and asked for {url}")
