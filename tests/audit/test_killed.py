"""A log whose process is killed while it appends is neither forked nor loses anything."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_log_that_is_killed_while_it_appends_goes_on_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.audit.killing", str(tmp_path), "12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["grew"] >= 3
    assert told["entries"] >= 120
    assert (told["forks"], told["flaws"]) == ([], [])
