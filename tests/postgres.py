"""A real PostgreSQL of the tests' own: started in a new folder, reachable by its socket only, gone afterwards."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWNER = "postgres"  # PostgreSQL refuses to run as root
_SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=100")


class PostgresMissing(Exception):
    """There is no PostgreSQL here that could be started; the message says why."""


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server until the block ends; gives its SQLAlchemy URL, with `{}` for the database's name."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="rapport-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _OWNER)
        user = _OWNER if os.geteuid() == 0 else getpass.getuser()
        data = folder / "data"
        _run(binaries / "initdb", "-D", data, "-U", user, "--auth=trust", "--no-sync", "-E", "UTF8")
        options = " ".join(f"-c {each}" for each in (*_SETTINGS, f"unix_socket_directories={folder}"))
        _run(binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://{user}@/{{}}?host={folder}"
        finally:
            _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    found = installed[0].parent if installed else Path(on_path).resolve().parent if on_path else None
    if found is None:
        raise PostgresMissing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        raise PostgresMissing("PostgreSQL does not run as root, and there is no runuser to become another")
    return found


def _run(program: Path, *arguments: object) -> None:
    command = [str(program), *(str(each) for each in arguments)]
    if os.geteuid() == 0:
        command = ["runuser", "-u", _OWNER, "--", *command]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise PostgresMissing(f"{program.name} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
