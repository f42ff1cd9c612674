"""Structured logs to standard error: events as fields, never patient data."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog


def setup(process: str, level: str | None = None) -> None:
    """Log as one JSON line for each event when stderr is not a terminal, readable lines when it is."""
    number = getattr(logging, (level or os.environ.get("SCRUBCAM_LOG", "WARNING")).upper(), logging.WARNING)
    renderer: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process, pid=os.getpid())


def get_logger(name: str) -> Any:
    """A bound logger; `name` says which part speaks."""
    return structlog.get_logger(part=name)
