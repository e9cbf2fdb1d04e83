"""The record of every run of a stage: kept in the store with its id, outcome, reason and counts, and added up."""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

import pyarrow as pa

from pipeline.context import Context, Report
from pipeline.errors import StoreError
from pipeline.warehouse import Transaction, Warehouse

__all__ = ["Outcome", "Run", "keep", "recorded", "tally"]

logger = logging.getLogger(__name__)

# The work is done, or has failed: its record is not worth a minute of waiting for the store.
_PATIENCE_S = 5.0
_UTC = pa.timestamp("us", tz="UTC")
Answer = TypeVar("Answer")


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Run:
    """One run of one stage. `reason`: the class of the error that ended it, '' where it is done; times in UTC."""

    run_id: str
    stage: str
    started_at: datetime
    ended_at: datetime
    seconds: float
    outcome: Outcome
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def recorded(stage: str, context: Context, work: Callable[[], Answer]) -> Answer:
    """Do `work`, keep how it went (with its counts, where it answers a report), and answer what it answered.

    Raises:
        whatever `work` raises; a record that could not be kept is logged and never makes a run fail.
    """
    started_at, started = context.clock(), time.perf_counter()

    def ended(outcome: Outcome, reason: str, counts: Mapping[str, int]) -> Run:
        seconds = time.perf_counter() - started
        return Run(context.run_id, stage, started_at, context.clock(), seconds, outcome, reason, counts)

    try:
        answer = work()
    except Exception as error:
        _keep_or_tell(context.warehouse, ended(Outcome.FAILED, type(error).__name__, {}))
        raise
    counts = dict(answer.counts) if isinstance(answer, Report) else {}
    _keep_or_tell(context.warehouse, ended(Outcome.DONE, "", counts))
    return answer


def tally(run: Run) -> dict[tuple[str, str, str], float]:
    """What a run adds to the tallies of its stage, by (kind, name, reason)."""
    added: dict[tuple[str, str, str], float] = {
        ("run", str(run.outcome), run.reason): 1.0,
        ("seconds", "", ""): run.seconds,
    }
    return added | {("result", name, ""): float(n) for name, n in run.counts.items() if n > 0}


def keep(tx: Transaction, run: Run) -> None:
    """Write the record of `run` and add it to the tallies."""
    row = {
        "run_id": pa.array([run.run_id]),
        "stage": pa.array([run.stage]),
        "started_at": pa.array([run.started_at], _UTC),
        "ended_at": pa.array([run.ended_at], _UTC),
        "seconds": pa.array([run.seconds]),
        "outcome": pa.array([str(run.outcome)]),
        "reason": pa.array([run.reason]),
        "counts": pa.array([json.dumps(run.counts, sort_keys=True)]),
    }
    tx.insert_new("runs", pa.table(row), ["run_id", "stage", "started_at"])
    known = {
        (kind, name, reason): n
        for kind, name, reason, n in tx.con.execute(
            "SELECT kind, name, reason, n FROM tallies WHERE stage = ?", [run.stage]
        ).fetchall()
    }
    sums = {key: known.get(key, 0.0) + n for key, n in tally(run).items()}
    columns = {
        "stage": [run.stage] * len(sums),
        "kind": [kind for kind, _, _ in sums],
        "name": [name for _, name, _ in sums],
        "reason": [reason for _, _, reason in sums],
        "n": list(sums.values()),
    }
    tx.upsert("tallies", pa.table(columns), ["stage", "kind", "name", "reason"])


def _keep_or_tell(warehouse: Warehouse, run: Run) -> None:
    hasty = copy.copy(warehouse)
    hasty.lock_timeout_s = min(_PATIENCE_S, warehouse.lock_timeout_s)
    try:
        hasty.transact("runs", partial(keep, run=run))
    except StoreError as error:
        logger.warning("%s: this run is not in the record: %s", run.stage, error)
