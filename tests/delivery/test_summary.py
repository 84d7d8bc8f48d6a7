"""The summary: what people read, as text and as a page that can become a PDF."""

import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugin.delivery.pdf import can_render, render_pdf
from plugin.delivery.summary import ScoreLine, Summary, as_html, as_text

SUMMARY = Summary(
    title="Form <one>",
    version="1.0.0",
    note="Not validated.",
    answered_by="a caregiver",
    answered_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    organization="Clinic & Sons",
    scores=(ScoreLine("Total", "14", "0 to 24"), ScoreLine("Bond", "no value: not answered", "")),
    response="0001",
)


def test_text_has_who_when_scores_and_the_caution() -> None:
    text = as_text(SUMMARY)
    assert "Answered by: a caregiver" in text
    assert "Answered:    2026-03-02 09:00 UTC" in text
    assert "Total  14  (possible 0 to 24)" in text
    assert "Bond   no value: not answered\n" in text
    assert "Not validated." in text


def test_text_without_a_caution_has_no_gap_for_it() -> None:
    assert "\n\n\n" not in as_text(replace(SUMMARY, note=""))


def test_html_escapes_what_people_wrote() -> None:
    page = as_html(SUMMARY)
    assert "Form &lt;one&gt;" in page
    assert "Clinic &amp; Sons" in page
    assert "<one>" not in page


def test_html_asks_for_nothing_from_elsewhere() -> None:
    assert "http" not in as_html(SUMMARY)


@pytest.mark.skipif(not can_render(), reason="needs the extra `pdf` and Pango: apt install libpangoft2-1.0-0")
async def test_a_pdf_is_made_and_tagged_for_screen_readers() -> None:
    pdf = await render_pdf(SUMMARY)
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    assert any(b"/StructTreeRoot" in each for each in (pdf, *map(_inflated, streams)))


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream
