"""Processes of Rapport that begin at once: forked from one that has imported libraries, read forms and pages, and waits.

What a process does then is what `python -m plugin` does: arguments, environment, standard streams, signals and exit
status are its own. To import and to read takes two seconds of the processor, and the tests start some hundreds of processes.
`tests/command` and `tests/product/demonstration.py` start some in the way an operator does.
"""

import atexit
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
_LONGEST = 1 << 20  # bytes of one order


class Forked:
    """A process that was forked; to be used as `subprocess.Popen` is."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        self._alone = threading.Lock()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit status; subprocess.TimeoutExpired after so many seconds."""
        with self._alone:
            return self._read(timeout)

    def poll(self) -> int | None:
        """Give its exit status, None while it runs."""
        if not self._alone.acquire(blocking=False):
            return self.returncode  # somebody waits for it
        try:
            return self._read(0)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._alone.release()

    def _read(self, timeout: float | None) -> int:
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                told = self._line.recv(16)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("rapport", timeout or 0) from None
            assert told, "the process that forks has ended"
            self.returncode = int(told)
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def fork(
    module: Sequence[object],
    environment: Mapping[str, str],
    output: int,
    errors: int,
    given: int | None = None,
) -> Forked:
    """Begin a process that runs a module with its arguments, in the folder of the project; `given` is what it reads, if anything."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect(_parent())
    order = json.dumps({"module": [str(each) for each in module], "environment": dict(environment)}).encode()
    assert len(order) < _LONGEST
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
    socket.send_fds(line, [order], [output, errors, *(() if given is None else (given,))])
    return Forked(int(line.recv(16)), line)


@cache
def _parent() -> str:
    """Start what others are forked from; gives the address at which it takes orders (Linux: no file)."""
    address = f"\0rapport-tests-{os.getpid()}-{time.monotonic_ns()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forking", address[1:]],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(process.wait)
    atexit.register(process.terminate)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return address


class _Child(Exception):
    """This is the new process, and what it is to do."""

    def __init__(self, order: Mapping[str, Any], streams: Sequence[int]) -> None:
        self.order = order
        self.streams = streams


def _take_orders(address: str) -> NoReturn:
    """Fork one process after another, and tell those who ordered them what became of them."""
    running: dict[int, socket.socket] = {}
    waker, woken = socket.socketpair()
    for each in (waker, woken):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as ear, selectors.DefaultSelector() as chosen:
        ear.bind(f"\0{address}")
        ear.listen(64)
        for one in (ear, woken, sys.stdin):
            chosen.register(one, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            ready = [key.fileobj for key, _ in chosen.select()]
            if woken in ready:
                woken.recv(4096)
                _tell_ends(running)
            if ear in ready:
                _fork_one(ear, running, (waker, woken))
            if sys.stdin in ready:
                sys.exit()  # who ordered is gone


def _fork_one(ear: socket.socket, running: dict[int, socket.socket], own: Sequence[socket.socket]) -> None:
    line, _ = ear.accept()
    order, streams, _, _ = socket.recv_fds(line, _LONGEST, 3)
    pid = os.fork()
    if pid == 0:
        for each in (*running.values(), line, *own):
            each.close()
        raise _Child(json.loads(order), streams)
    for stream in streams:
        os.close(stream)
    running[pid] = line
    line.send(str(pid).encode())


def _tell_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as line, suppress(OSError):  # perhaps nobody waits for it
            line.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(child: _Child) -> None:
    """Be as if Python had been started for this order alone."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output, errors, *given = child.streams
    for place, each in enumerate((*(given or (os.open(os.devnull, os.O_RDONLY),)), output, errors)):
        os.dup2(each, place)
        os.close(each)
    os.environ.clear()
    os.environ.update(child.order["environment"])
    time.tzset()
    name, *arguments = child.order["module"]
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _main() -> None:
    import alembic.autogenerate
    import anyio._backends._asyncio
    import typer.main
    import uvicorn.lifespan.on
    import uvicorn.loops.uvloop
    import uvicorn.protocols.websockets.auto

    import plugin.app  # and not our commands, which look at the terminal while they are imported
    import plugin.slow_clients
    from plugin.pages.engine import _environment
    from plugin.pages.words import LANGUAGES, SOURCE_LANGUAGE, translations
    from questionnaires import load_catalogue

    assert all((alembic.autogenerate, anyio._backends._asyncio, typer.main, plugin.app, plugin.slow_clients))
    assert all((uvicorn.lifespan.on, uvicorn.loops.uvloop, uvicorn.protocols.websockets.auto))
    # What comes with the package is read once a process.
    load_catalogue()
    for language in LANGUAGES:
        translations(language)
    pages = _environment(SOURCE_LANGUAGE)
    for template in pages.list_templates(filter_func=lambda name: name.startswith("clinician/")):
        pages.get_template(template)  # what it is made of, too: a launch shows the chart
    try:
        _take_orders(sys.argv[1])
    except _Child as order:
        child = order
    _become(child)


if __name__ == "__main__":
    _main()
