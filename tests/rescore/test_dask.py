"""The example of the page on clusters, run as it stands there."""

import re
from collections import Counter
from pathlib import Path

import pytest

from plugin.commands.rescoring import run
from tests.rescore.test_rescore import export, job, results

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "rescore-on-a-cluster.md"


def test_dask_gives_the_same_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dask = pytest.importorskip("dask", reason="Dask is not installed: uv sync --group benchmarks")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "export").mkdir()
    export(tmp_path / "export" / "one.ndjson", 30)
    export(tmp_path / "export" / "two.ndjson", 30, bad=False)
    monkeypatch.chdir(tmp_path)
    found: dict[str, list[tuple[object, ...]]] = {}
    with dask.config.set(scheduler="synchronous"):
        exec(compile(example, str(PAGE), "exec"), found)
    run(job(tmp_path / "here", tmp_path / "export", workers=1))
    scores, _ = results(tmp_path / "here")
    # response, score, value and reason, as Parquet has them
    assert Counter((row[0], row[6], row[7], row[9]) for row in found["scores"]) == scores
