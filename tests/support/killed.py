"""Running a stage in a process of its own that kills itself, really, at a named point around a commit."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import datetime
from pathlib import Path

import duckdb

from pipeline import settings as settings_file
from pipeline.context import Context
from pipeline.stages import run_stage
from pipeline.warehouse import Warehouse
from tests.support.fakes import WordScorer

__all__ = ["context_at", "options_for", "run_and_die"]

SPAWN = multiprocessing.get_context("spawn")


class DyingWarehouse(Warehouse):
    """A warehouse whose process ends by SIGKILL before or after its n-th commit."""

    def die(self, nth: int, when: str) -> DyingWarehouse:
        """Set the point; answers itself."""
        self.left, self.when = nth, when
        return self

    def _commit(self, con: duckdb.DuckDBPyConnection, group: str) -> None:
        if self.left == 1 and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super()._commit(con, group)
        # One that lost a race is no commit: it is made again, and counts then.
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def context_at(config: Path, now: datetime, warehouse: type[Warehouse] = Warehouse) -> Context:
    """A context whose clock stands at `now`."""
    settings = settings_file.load(config)
    store = warehouse(settings.store.warehouse, lambda: now, settings.store.lock_timeout_s)
    return Context(settings, store, lambda: now)


def options_for(stage: str) -> dict[str, object]:
    """The scorer of the tests for `score`; nothing for the others."""
    return {"scorer": WordScorer()} if stage == "score" else {}


def _child(config: Path, now: datetime, stage: str, nth: int, when: str) -> None:
    context = context_at(config, now, DyingWarehouse)
    assert isinstance(context.warehouse, DyingWarehouse)
    context.warehouse.die(nth, when)
    run_stage(stage, context, **options_for(stage))


def run_and_die(config: Path, now: datetime, stage: str, nth: int, when: str) -> bool:
    """True when the process was killed at that point; False when the stage ended before it came to it.

    Raises:
        AssertionError: the process ended in any other way.
    """
    process = SPAWN.Process(target=_child, args=(config, now, stage, nth, when))
    process.start()
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL), f"{stage} ended with {process.exitcode}"
    return process.exitcode == -signal.SIGKILL
