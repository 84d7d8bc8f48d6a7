"""The demonstration's configuration: readable for every personality, and its rows are scores that exist."""

from pathlib import Path

import pytest

from plugin.demo import configuration
from plugin.initial import write_keys
from plugin.settings import read_settings
from questionnaires import load_catalogue
from sandbox_ehr.personalities import personality_ids


@pytest.mark.parametrize("personality", personality_ids())
def test_the_demonstration_is_configured_for_each_personality(tmp_path: Path, personality: str) -> None:
    write_keys(tmp_path / "keys")
    file = tmp_path / "rapport.toml"
    file.write_text(configuration(8701, personality).replace("{folder}", str(tmp_path)), encoding="utf-8")
    environment = {
        "RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc",
        "RAPPORT_SIGNING_KEYS": str(tmp_path / "keys"),
    }
    rows = read_settings(file, environment).writing["sandbox"].rows
    scores = {score.code.code for each in load_catalogue().all() for score in each.scores}
    assert {row.score for row in rows} <= scores
    assert bool(rows) is (personality in {"epic", "oracle"})
