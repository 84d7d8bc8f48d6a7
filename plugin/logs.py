"""Logs: one JSON object a line on standard error, events with fields. No address, answer, name or token in any.

Messages of other software may quote what it worked on. So of an exception only types and places are told, and of a
message of another library only its first line.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_INNERMOST = 12  # frames told of a traceback
# These name whole addresses, or quote what they render; addresses hold ids.
_QUIET = ("httpx", "httpcore", "authlib", "weasyprint", "fontTools", "sqlalchemy")


def configure_logs() -> None:
    """Set up the logs of a server process, those of uvicorn and other libraries too."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_exception,
    ]
    # Has no more of a text stream than loggers use.
    lines = cast("TextIO", _Lines(sys.stderr))
    written = structlog.processors.JSONRenderer(sort_keys=True)
    structlog.configure(
        processors=[*shared, written],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=lines),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _first_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, written],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.INFO)
    logging.captureWarnings(True)  # noqa: FBT003 -- the standard library's signature
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Lines:
    """A stream that does without a line that cannot be written: a full disk must not break what the line was about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def _tell_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its types and places: its text may hold what was worked on."""
    told: Any = event.pop("exc_info", None)
    if told is True:
        told = sys.exc_info()
    error = told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        event["exception"] = list(_chain(error))
    return event


def _chain(error: BaseException | None) -> Iterator[dict[str, object]]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield {"type": type(error).__qualname__, "at": _places(error.__traceback__)}
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_INNERMOST:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _first_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["event"] = str(event["event"]).partition("\n")[0]
    return event
