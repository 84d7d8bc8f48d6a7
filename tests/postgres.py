"""A real PostgreSQL of the tests' own: started in a new folder, reachable by its socket only, gone afterwards."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_OWNER = "postgres"  # PostgreSQL refuses to run as root
_SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=100")


class PostgresMissing(Exception):
    """There is no PostgreSQL here that could be started; the message says why."""


@dataclass(frozen=True)
class Postgres:
    """A server in a folder of its own; `url` has `{}` for the database's name."""

    url: str
    binaries: Path
    _control: tuple[object, ...]
    _options: tuple[object, ...]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        _run(*self._control, *self._options, "start")

    def stop(self) -> None:
        """Stop it as a power failure does."""
        _run(*self._control, "-m", "immediate", "stop")


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run a server until the block ends."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="rapport-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _OWNER)
        user = _OWNER if os.geteuid() == 0 else getpass.getuser()
        data = folder / "data"
        _run(binaries / "initdb", "-D", data, "-U", user, "--auth=trust", "--no-sync", "-E", "UTF8")
        options = " ".join(f"-c {each}" for each in (*_SETTINGS, f"unix_socket_directories={folder}"))
        server = Postgres(
            f"postgresql+psycopg://{user}@/{{}}?host={folder}",
            binaries,
            (binaries / "pg_ctl", "-D", data, "-w"),
            ("-l", folder / "log", "-o", options),
        )
        server.start()
        try:
            yield server
        finally:
            if (data / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server until the block ends; gives its SQLAlchemy URL, with `{}` for the database's name."""
    with postgres_server() as server:
        yield server.url


def _binaries() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    found = installed[0].parent if installed else Path(on_path).resolve().parent if on_path else None
    if found is None:
        raise PostgresMissing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        raise PostgresMissing("PostgreSQL does not run as root, and there is no runuser to become another")
    return found


def _run(*command_line: object) -> None:
    program = Path(str(command_line[0]))
    command = [str(each) for each in command_line]
    if os.geteuid() == 0:
        command = ["runuser", "-u", _OWNER, "--", *command]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise PostgresMissing(f"{program.name} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
