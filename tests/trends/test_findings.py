"""What is said of scores: of one rater, or of two side by side."""

from datetime import date, timedelta

from plugin.trends.agreement import Rating
from plugin.trends.findings import Findings, Rated, read_findings
from plugin.trends.sequences import Fall

SCALE = ("Rapport Check-in", 0.0, 24.0)
START = date(2026, 1, 5)


def rated(rater: str, *values: float, first: int | None = 1, **more: object) -> Rated:
    ratings = tuple(Rating(START + timedelta(weeks=place), value) for place, value in enumerate(values))
    numbers = tuple(None if first is None else first + place for place in range(len(values)))
    known = {"scale": SCALE, "sessions": numbers, **more}
    return Rated(rater=rater, name=rater.title(), ratings=ratings, **known)  # type: ignore[arg-type] # checked by the tests


def read(*each: Rated, divergence: float = 1.0) -> Findings:
    return read_findings(each, within=2, divergence=divergence)


def test_the_early_level_is_of_sessions_one_to_four() -> None:
    (found,) = read(rated("child", 10, 12, 14, 16, 24)).early
    assert (found.level.mean, found.level.sessions) == (13, 4)


def test_scores_that_begin_later_have_no_early_level() -> None:
    assert read(rated("child", 10, 12, first=5)).early == ()
    (found,) = read(rated("child", 10, 12, first=4)).early
    assert (found.level.mean, found.level.sessions) == (10, 1)


def test_where_the_record_has_no_sessions_the_first_four_forms_count() -> None:
    (found,) = read(rated("child", 10, 12, 14, 16, 24, by_forms=True)).early
    assert (found.level.mean, found.session) == (13, None)


def test_scores_that_belong_to_none_of_the_records_sessions_have_no_early_level() -> None:
    assert read(rated("child", 10, 12, 14, 16, 24, first=None)).early == ()


def test_a_fall_is_repaired_not_repaired_or_too_early_to_tell() -> None:
    fell, back = Fall(1, 20, 10, 2, None, 1), Fall(1, 20, 10, 2, 2, 1)
    (repaired,) = read(rated("child", 20, 10, 19, falls=(back,))).falls
    assert repaired.repaired is not None
    assert (repaired.repaired.value, repaired.is_settled, repaired.is_current) == (19, True, False)
    (waiting,) = read(rated("child", 20, 10, 12, falls=(fell,))).falls
    assert (waiting.is_settled, waiting.is_current) == (False, True)
    (settled,) = read(rated("child", 20, 10, 12, 12, falls=(fell,))).falls
    assert (settled.is_settled, settled.is_current) == (True, True)


def test_a_fall_is_over_once_the_scores_are_up_again_however_late() -> None:
    fell = Fall(1, 20, 10, 2, None, 1)
    (late,) = read(rated("child", 20, 10, 10, 10, 19, falls=(fell,))).falls
    assert (late.repaired, late.is_current) == (None, False)


def test_two_raters_are_set_side_by_side_session_by_session() -> None:
    (found,) = read(rated("child", 10, 12, 14), rated("therapist", 12, 11, 18)).pairs
    assert (len(found.pairs), found.counts, found.last.difference) == (
        3,
        {"above": 2, "same": 0, "below": 1},
        4,
    )


def test_two_raters_of_long_ago_are_not_told() -> None:
    """The therapist rated two sessions; the young person goes on for three more, then for a fourth."""
    therapist = rated("therapist", 12, 11)
    assert len(read(rated("child", 10, 12, 14, 14, 14), therapist).pairs) == 1
    assert read(rated("child", 10, 12, 14, 14, 14, 14), therapist).pairs == ()


def test_a_fall_names_its_lowest_score() -> None:
    (found,) = read(rated("child", 20, 16, 9, 12, falls=(Fall(1, 20, 16, 2, None, 2),))).falls
    assert (found.fell.value, found.lowest.value, found.lowest.when) == (16, 9, START + timedelta(weeks=2))


def test_divergence_is_judged_by_the_young_persons_norm_and_in_one_direction() -> None:
    above, below = rated("therapist", 18), rated("therapist", 6)
    assert read(rated("child", 12), above).pairs[0].is_divergent is None
    assert read(rated("child", 12, sd=6.0), above).pairs[0].is_divergent is True
    assert read(rated("child", 12, sd=6.1), above).pairs[0].is_divergent is False
    assert read(rated("child", 12, sd=6.0), above, divergence=1.1).pairs[0].is_divergent is False
    assert read(rated("child", 12, sd=6.0), below).pairs[0].is_divergent is False


def test_adults_beside_each_other_are_compared_and_never_judged() -> None:
    (found,) = read(rated("caregiver", 12, sd=1.0), rated("therapist", 20, sd=1.0)).pairs
    assert found.is_divergent is None


def test_different_scales_the_same_rater_and_observers_are_never_compared() -> None:
    other = rated("therapist", 40, scale=("TASC-r", 12.0, 48.0))
    observer, twin = rated("observer", 20), rated("child", 14)
    assert read(rated("child", 12), other, observer, twin).pairs == ()
