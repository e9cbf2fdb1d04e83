"""What a scheduler saw fail or come late and no stage could record itself: kept among the runs, where rules look.

Light to import, because a scheduler does so at every parse.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["failed", "late", "work_of"]

LATE = "Late"


def work_of(task_id: str, promised: str) -> str:
    """The name under which a failure is kept: the stage that its task is named after, else what was promised.

    It must be one under which success is kept too, or the failure would never be over.
    """
    from pipeline.stages import STAGES

    named = task_id.partition(".")[0]
    return named if named in STAGES else promised


def failed(work: str, run_id: str, reason: str, since: datetime | None) -> None:
    """Keep that `work` failed, unless the stage has done so in this run since then.

    Raises:
        StoreError: the store cannot be written now.
    """
    from pipeline import runs
    from pipeline.context import open_context
    from pipeline.task import CONFIG_VARIABLE
    from pipeline.warehouse import Transaction

    context = open_context(os.environ.get(CONFIG_VARIABLE), run_id=run_id)
    now = context.clock()
    since = since or now
    run = runs.Run(run_id, work, since, now, (now - since).total_seconds(), runs.Outcome.FAILED, reason)

    def write(tx: Transaction) -> None:
        known = tx.con.execute(
            "SELECT count(*) FROM runs WHERE run_id = ? AND stage = ? AND outcome = ? AND started_at >= ?",
            [run_id, work, str(runs.Outcome.FAILED), run.started_at],
        ).fetchone()
        if not (known and known[0]):
            runs.keep(tx, run)

    context.warehouse.transact("runs", write)


def late(work: str, context: Mapping[str, Any]) -> None:
    """Keep that `work` was not done in the time promised. `context`: as Airflow hands it to a missed deadline."""
    run = context["dag_run"]
    since = run.get("queued_at") or run.get("run_after")
    failed(work, str(run["dag_run_id"]), LATE, datetime.fromisoformat(since) if since else None)
