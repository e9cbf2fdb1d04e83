"""What every stage is given (settings, store, clock, progress) and what it answers (a report)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pipeline import logs
from pipeline import settings as settings_file
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

__all__ = ["Clock", "Context", "Progress", "Report", "open_context", "reporting", "silent", "utc_now"]

Clock = Callable[[], datetime]


class Progress(Protocol):
    """Told how far a long piece of work is: `done` of `total` (None while unknown)."""

    def __call__(self, what: str, done: int, total: int | None) -> None: ...


def silent(what: str, done: int, total: int | None) -> None:
    """The progress of those who do not look."""


def utc_now() -> datetime:
    """The wall clock, with its zone. Named once, at the edge; everything else is handed a `Clock`."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Context:
    """The world as a stage sees it. `run_id` ties together log lines and records of one run through all stages."""

    settings: Settings
    warehouse: Warehouse
    clock: Clock = utc_now
    progress: Progress = silent
    run_id: str = ""


def open_context(
    config: str | Path | None = None,
    *,
    clock: Clock = utc_now,
    progress: Progress = silent,
    run_id: str = "",
    environment: bool = True,
) -> Context:
    """Settings read and checked (with BAROGRAPH_ variables, unless `environment` is False), the store made or migrated.

    Without a `run_id` (a scheduler has one) it is that of the run for which this process was started, else a new one.

    Raises:
        SettingsError: a key or value cannot be used.
        StoreBusy, SchemaTooNew: the store cannot be prepared.
    """
    settings = settings_file.load(config or settings_file.DEFAULT_CONFIG, environment=environment)
    warehouse = Warehouse(settings.store.warehouse, clock, settings.store.lock_timeout_s)
    warehouse.prepare()
    run_id = run_id or os.environ.get(logs.RUN_VARIABLE) or logs.new_run_id()
    return Context(settings, warehouse, clock, progress, run_id)


@dataclass
class Report:
    """What a stage did: counts by name, lines a person should read, and how long it took."""

    stage: str
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, name: str, n: int = 1) -> None:
        """Add `n` to the count `name`."""
        self.counts[name] = self.counts.get(name, 0) + n


@contextmanager
def reporting(stage: str) -> Iterator[Report]:
    """A report that times the block it stands around."""
    report = Report(stage)
    started = time.perf_counter()
    try:
        yield report
    finally:
        report.seconds = time.perf_counter() - started
