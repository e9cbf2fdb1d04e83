"""What the DAGs share: owner, retries, pools, assets, the clock, and the one way in which a task runs a stage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    TriggerRule,
    get_current_context,
    task,
)

__all__ = ["ARTICLES", "DAG_DEFAULTS", "GPU", "SCORES", "WRITER", "any_failed", "every_five_minutes", "run_id"]

WRITER = "duckdb_writer"
"""One slot (docker/pools.json). It spares waiting; that two writers never lose a row is the store's own work."""
GPU = "gpu"
"""Pool and queue of the scoring task: one slot per accelerator."""

ARTICLES = Asset("articles", uri="barograph://warehouse/articles")
SCORES = Asset("scores", uri="barograph://warehouse/scores")

DAG_DEFAULTS: dict[str, Any] = {
    "catchup": False,  # a stage takes everything not done yet: a missed run has nothing of its own to make up
    "max_active_runs": 1,  # two runs at once would be right, the store sees to that, but would do the work twice
    "dagrun_timeout": timedelta(hours=2),
    "tags": ["barograph"],
    "default_args": {
        "owner": "barograph",
        "retries": 2,
        "retry_delay": timedelta(seconds=20),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=15),
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(
                    exception="pipeline.errors.UsageError",
                    action=RetryAction.FAIL,
                    reason="a setting or a file is wrong: trying again would not mend it",
                )
            ]
        ),
    },
}


def every_five_minutes(offset: int = 0) -> CronTriggerTimetable:
    """At minutes `offset`, `offset` + 5, …, and once as soon as the DAG is new, so that nobody waits for the first."""
    return CronTriggerTimetable(f"{offset}-59/5 * * * *", timezone="UTC", run_immediately=True)


def run_id() -> str:
    """The id of the current DAG run: it ties together the log lines of one run through all tasks."""
    return str(get_current_context()["run_id"])


@task(trigger_rule=TriggerRule.ONE_FAILED, retries=0, execution_timeout=timedelta(minutes=1))
def any_failed() -> None:
    """Downstream of every task of a DAG whose later tasks go on after a failure: it makes such a run a failed one."""
    raise RuntimeError("a task of this run failed: it is the red one, and its log says why")
