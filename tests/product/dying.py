"""A serving Rapport that kills itself (SIGKILL) once, at a named moment of a response's way into the record.

Run: python -m tests.product.dying MOMENT MARK [arguments of rapport]. MARK is a file that is made at the kill: a process
that finds it there lives. The product has no hooks for this: the functions around each moment are wrapped here.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plugin import flow
from plugin.delivery import outbox
from plugin.delivery.send import EhrSender
from plugin.ledger import Ledger

MOMENTS = (
    "received, not committed",
    "received, nobody told",
    "claimed, not committed",
    "claimed",
    "written, not noted",
    "noted, not committed",
    "noted",
)


class Death:
    """Comes once."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def come(self) -> None:
        """Kill this process, unless it happened before."""
        if not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def _after(function: Callable[..., Any], death: Death) -> Callable[..., Any]:
    """Die when the function has done something."""

    def wrapped(*given: Any, **named: Any) -> Any:
        done = function(*given, **named)
        if done or done is None:
            death.come()
        return done

    return wrapped


def _arrange(moment: str, death: Death) -> None:
    if moment == "received, not committed":
        flow.keep = _after(flow.keep, death)  # type: ignore[attr-defined] # see above
    elif moment == "claimed, not committed":
        outbox.claim = _after(outbox.claim, death)
    elif moment == "noted, not committed":
        outbox.finish = _after(outbox.finish, death)
    elif moment in {"received, nobody told", "noted"}:
        _die_when_committed("response-received" if moment == "received, nobody told" else "delivery", death)
    else:
        _die_around_sending(moment == "claimed", death)


def _die_when_committed(kind: str, death: Death) -> None:
    write = Ledger.write

    async def written(self: Ledger, change: Any, audit: Any) -> Any:
        done = await write(self, change, audit)
        if audit.kind == kind:
            death.come()
        return done

    Ledger.write = written  # type: ignore[method-assign] # see above


def _die_around_sending(before: bool, death: Death) -> None:
    call = EhrSender.__call__

    async def sent(self: EhrSender, claimed: Any, record: Any, heard: Any) -> Any:
        if before:
            death.come()
        try:
            return await call(self, claimed, record, heard)
        finally:
            death.come()

    EhrSender.__call__ = sent  # type: ignore[method-assign] # see above


if __name__ == "__main__":
    chosen, mark, *arguments = sys.argv[1:]
    assert chosen in MOMENTS, chosen
    _arrange(chosen, Death(Path(mark)))
    sys.argv = ["rapport", *arguments]
    from plugin.command_line import main

    main()
