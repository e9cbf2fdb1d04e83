"""Logging, set up once per process: lines for people or JSON for programs, each with the id of its run."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

__all__ = ["RUN_VARIABLE", "bound", "configure", "new_run_id"]

RUN_VARIABLE = "BAROGRAPH_RUN_ID"
"""Where a process that was started for a run finds its id."""
# The run that this process is at: worker threads do not see the context of the one that started them.
_process: dict[str, str] = {}


def new_run_id() -> str:
    """An id for one walk through all stages: 12 hex digits."""
    return uuid.uuid4().hex[:12]


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Within the block every log line of this process carries `ids` (those that are not empty)."""
    given = {name: value for name, value in ids.items() if value}
    before = dict(_process)
    _process.update(given)
    try:
        # Airflow logs through structlog, too: its own lines then carry the same ids.
        with structlog.contextvars.bound_contextvars(**given):
            yield
    finally:
        _process.clear()
        _process.update(before)


def configure(form: str, level: int, stream: TextIO | None = None) -> None:
    """Log to `stream` (stderr if None) in this form: `plain` or `json`, one object a line. May be called again."""
    handler = _Ours(stream or sys.stderr)
    handler.setFormatter(_formatter(form))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Ours)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)


class _Ours(logging.StreamHandler[TextIO]):
    """A handler that is ours to replace: those of pytest and Airflow are not."""


def _formatter(form: str) -> logging.Formatter:
    if form == "plain":
        return _Plain("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            _of_the_run,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )


class _Plain(logging.Formatter):
    """One line for people, in UTC as all that we tell; the id of the run in front of the message where there is one."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s,%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:
        run = _ids().get("run_id")
        record.message = f"[{run}] {record.message}" if run else record.message
        return super().formatMessage(record)


def _ids() -> dict[str, Any]:
    return {**_process, **structlog.contextvars.get_contextvars()}


def _of_the_run(logger: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {**event, **_ids()}
