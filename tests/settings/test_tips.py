"""What to do next, as data: each tip with an occasion and a source; a site edits them in a file of its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from plugin.errors import SettingsInvalid
from plugin.pages.words import TRANSLATED
from plugin.tips import Occasion, fitting_tips, read_tips, shipped_tips, told_in
from tests.settings.test_settings import ACCEPTED, MINIMAL, read

OWN = """
[[tip]]
id = "ours"
when = "remote"
text = "Ask who else is in the room."
source = "Our own guideline, 2026"
"""


def own(folder: Path, text: str) -> Path:
    file = folder / "tips.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_occasion_has_a_tip_and_every_tip_an_https_source() -> None:
    tips = shipped_tips()
    assert {tip.when for tip in tips} == set(Occasion)
    assert all(tip.source and tip.link.startswith("https://") for tip in tips)


def test_no_tip_is_about_an_average_or_says_what_somebody_has() -> None:
    for tip in shipped_tips():
        assert not {"average", "mean", "diagnosis", "disorder", "symptom"} & set(tip.text.lower().split())


def test_no_tip_calls_a_rating_the_readers_own() -> None:
    """A colleague who stands in, and a supervisor, read the same page."""
    assert [tip.id for tip in shipped_tips() if "your own" in tip.text.lower()] == []


def test_every_occasion_is_documented() -> None:
    page = Path("docs/reference/interpretation.md").read_text(encoding="utf-8")
    assert [each for each in Occasion if f"`{each}`" not in page] == []


def test_a_sites_file_adds_replaces_and_leaves_out(tmp_path: Path) -> None:
    replaced = OWN.replace('"ours"', '"early-ask"').replace('"remote"', '"early"')
    found = {
        tip.id: tip for tip in read_tips(own(tmp_path, 'leave_out = ["remote-caregiver"]\n' + OWN + replaced))
    }
    assert found["ours"].text == "Ask who else is in the room."
    assert found["early-ask"].source == "Our own guideline, 2026"
    assert "remote-caregiver" not in found
    assert len(found) == len(shipped_tips())


def test_what_a_site_adds_is_shown_before_what_ships_for_the_same_occasion(tmp_path: Path) -> None:
    """Three tips ship for a fall of the young person's, and three are shown."""
    found = read_tips(own(tmp_path, OWN.replace('"remote"', '"rupture-young"')))
    shown = fitting_tips(found, [Occasion.RUPTURE_YOUNG], most=3)
    assert [tip.id for tip in shown] == ["ours", "rupture-explore", "rupture-withdrawal"]


def test_a_file_that_windows_wrote_is_read(tmp_path: Path) -> None:
    assert "ours" in {tip.id for tip in read_tips(own(tmp_path, f"\ufeff{OWN}".replace("\n", "\r\n")))}


def test_a_file_speaks_its_own_language(tmp_path: Path) -> None:
    found = read_tips(own(tmp_path, 'language = "de"\n' + OWN))
    assert {tip.language for tip in found if tip.id == "ours"} == {"de"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (OWN.replace('source = "Our own guideline, 2026"', ""), r"tip\.0 \(ours\)\.source"),
        (OWN.replace("Our own guideline, 2026", " " * 20), r"tip\.0 \(ours\)\.source"),
        (OWN.replace("Ask who else is in the room.", " " * 20), r"tip\.0 \(ours\)\.text"),
        (OWN.replace("remote", "sometimes"), r"tip\.0 \(ours\)\.when"),
        (OWN.replace("[[tip]]", 'link = "http://plain.invalid"\n[[tip]]'), "link"),
        (OWN + OWN, "twice: ours"),
        (OWN + OWN.replace("ours", "x").replace("remote", "sometimes"), r"tip\.1 \(x\)\.when"),
        (OWN.replace('id = "ours"\n', ""), r"tip\.0\.id"),
        (OWN.replace('"ours"', "7"), r"tip\.0\.id"),
        ("tip = 7", "tip: "),
        ("tip = [7]", r"tip\.0: "),
        ('leave_out = ["nothing-such"]', "nothing-such"),
        ("[[tip", "not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_and_is_named(
    tmp_path: Path, text: str, named: str
) -> None:
    own(tmp_path, text)
    with pytest.raises(SettingsInvalid, match=named):
        read(tmp_path, MINIMAL + ACCEPTED + 'tips = "tips.toml"\n')


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"tips\.toml cannot be read"):
        read(tmp_path, MINIMAL + ACCEPTED + 'tips = "tips.toml"\n')


def test_tips_come_with_interpretation_and_can_be_turned_off(tmp_path: Path) -> None:
    on = read(tmp_path, MINIMAL + ACCEPTED).policies["clinic"].interpretation
    off = read(tmp_path, MINIMAL + ACCEPTED + "tips = false\n").policies["clinic"].interpretation
    assert on is not None
    assert off is not None
    assert (on.tips, off.tips) == (shipped_tips(), ())


def test_each_occasion_is_heard_before_one_is_heard_twice() -> None:
    occasions = [Occasion.REMOTE, Occasion.RUPTURE_YOUNG]
    found = fitting_tips(shipped_tips(), occasions, most=3)
    assert [tip.id for tip in found] == ["rupture-explore", "remote-caregiver", "rupture-withdrawal"]
    assert fitting_tips(shipped_tips(), [], most=3) == ()


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_shipped_tip_is_told_in_every_language_of_the_interface(language: str) -> None:
    for tip in shipped_tips():
        told = told_in(tip, language)
        assert told.language == language
        assert told.text != tip.text
        assert (told.source, told.link) == (tip.source, tip.link)


def test_a_sites_own_tip_stays_as_the_site_wrote_it() -> None:
    own = replace(shipped_tips()[0], text="Ask.")
    assert told_in(own, "de") == own
