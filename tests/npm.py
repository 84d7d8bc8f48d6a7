"""Packages from npm for the tests, as a package-lock.json names them: installed once, by whoever comes first."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 600
_LISTS = ("package.json", "package-lock.json", ".npmrc")
_INSTALL = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]


def is_there() -> bool:
    """Say whether this machine has Node.js and npm."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


@contextmanager
def alone_in(place: Path) -> Iterator[None]:
    """Wait until no other process of the tests works in a folder, and keep the others waiting meanwhile."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(lists: Path, place: Path) -> bool:
    """Install in `place` what the lists of another folder name; False if the registry did not answer.

    To be called in `alone_in(place)`. What was installed from the same lock file before is kept.
    """
    wanted = (lists / "package-lock.json").read_bytes()
    done = place / "installed.json"
    if done.is_file() and done.read_bytes() == wanted:
        return True
    done.unlink(missing_ok=True)
    for name in _LISTS:
        shutil.copy(lists / name, place / name)
    if run(_INSTALL, place).returncode:
        return False
    done.write_bytes(wanted)
    return True


def run(command: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of Node's in a folder, for ten minutes at most."""
    return subprocess.run(command, cwd=place, check=False, capture_output=True, text=True, timeout=_SECONDS)
