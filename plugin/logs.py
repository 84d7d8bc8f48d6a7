"""Logs: one JSON object a line on standard error, events with fields. No address, answer, name or token in any."""

import logging
import sys

import structlog


def configure_logs() -> None:
    """Set up the logs of a server process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # These name whole addresses, and addresses hold ids.
    for name in ("httpx", "httpcore", "authlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
