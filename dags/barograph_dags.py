"""What the DAGs share: owner, retries, deadlines, pools, assets, the clock, and how a task runs our commands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    CronTriggerTimetable,
    DeadlineAlert,
    DeadlineReference,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    SyncCallback,
    TriggerRule,
    get_current_context,
    task,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from pipeline.settings import Settings

__all__ = [
    "ARTICLES",
    "FEEDS",
    "GPU",
    "MODELS",
    "REPORTS",
    "SCORES",
    "SNAPSHOT",
    "WRITER",
    "any_failed",
    "barograph",
    "by_hand",
    "every_five_minutes",
    "kept",
    "promised",
    "run_id",
    "settings",
    "told_as",
]

WRITER = "duckdb_writer"
"""One slot (docker/pools.json). It spares waiting; that two writers never lose a row is the store's own work."""
GPU = "gpu"
"""Pool and queue of what runs a model: one slot per accelerator."""

FEEDS = Asset("feeds", uri="barograph://feeds")
ARTICLES = Asset("articles", uri="barograph://warehouse/articles")
SCORES = Asset("scores", uri="barograph://warehouse/scores")
SNAPSHOT = Asset("snapshot", uri="barograph://snapshot")
REPORTS = Asset("reports", uri="barograph://reports")
MODELS = Asset("models", uri="barograph://warehouse/models")


HOPELESS = (
    (
        "pipeline.errors.UsageError",
        RetryAction.FAIL,
        None,
        "a setting, a parameter or a file is wrong: trying again would not mend it",
    ),
    (
        "pipeline.errors.SchemaTooNew",
        RetryAction.FAIL,
        None,
        "a newer version has written the store: this worker must be upgraded",
    ),
)
"""What is not tried again, and why."""


def tell_failure(context: Context, *, work: str) -> None:
    """Keep a failure that the stage itself could not record (it was killed, or ran out of time) where `detect` looks.

    Rules of kind `health` make incidents of such records, and `notify` tells them as it tells all others. `work`: what
    failed where the task is not named after a stage.
    """
    from pipeline.failures import failed, work_of

    attempt, error = context["task_instance"], context.get("exception")
    reason = type(error).__name__ if isinstance(error, BaseException) else "Killed"
    failed(work_of(attempt.task_id, work), attempt.run_id, reason, since=attempt.start_date)


def told_as(work: str) -> Callable[[Context], None]:
    """What Airflow calls after the last try of a task that does this work."""
    return partial(tell_failure, work=work)


def promised(within: timedelta, *, work: str) -> dict[str, Any]:
    """The arguments of `@dag` of a scheduled DAG: a run not done `within` this time, and what fails, are told.

    `work`: the stage that ends it, or the name under which `kept` records it. A task that `kept` records under another
    name tells its failures under that one (`told_as`).
    """
    late = SyncCallback("pipeline.failures.late", {"work": work})
    arguments = by_hand(max(within * 3, timedelta(hours=2)))
    return {
        **arguments,
        "deadline": DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, within, late),
        "default_args": {**arguments["default_args"], "on_failure_callback": told_as(work)},
    }


def by_hand(timeout: timedelta, *, runs: int = 1) -> dict[str, Any]:
    """The arguments of `@dag` of one that a person starts, who also looks what became of it.

    `runs`: how many may go on at once. Two at once are right, the store sees to that; where they would only do the
    same work twice it is one.
    """
    return {
        "catchup": False,  # a stage takes everything not done yet: a missed run has nothing of its own to make up
        "max_active_runs": runs,
        "dagrun_timeout": timeout,
        "tags": ["barograph"],
        "default_args": {
            "owner": "barograph",
            "retries": 2,
            "retry_delay": timedelta(seconds=20),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=5),
            "execution_timeout": timedelta(minutes=15),
            "retry_policy": ExceptionRetryPolicy([RetryRule(*rule) for rule in HOPELESS]),
        },
    }


def every_five_minutes(offset: int = 0) -> CronTriggerTimetable:
    """At minutes `offset`, `offset` + 5, …, and once as soon as the DAG is new, so that nobody waits for the first."""
    return CronTriggerTimetable(f"{offset}-59/5 * * * *", timezone="UTC", run_immediately=True)


def run_id() -> str:
    """The id of the current DAG run: it ties together the log lines of one run through all tasks."""
    return str(get_current_context()["run_id"])


def settings() -> Settings:
    """What BAROGRAPH_CONFIG names; without it, barograph.toml of the worker's folder or the defaults."""
    from pipeline import settings as file

    return file.load(os.environ.get("BAROGRAPH_CONFIG") or file.DEFAULT_CONFIG)


def barograph(*arguments: str) -> Any:
    """Run a command as a person would, in a process of its own, as part of the current DAG run; answers its JSON."""
    from pipeline.apart import run_module

    return json.loads(run_module("cli.main", "--verbose", *arguments, "--json", run_id=run_id()))


def kept(work: str, *arguments: str) -> str:
    """The same for what a schedule starts: how it went is kept among the runs, as `work`; answers what it printed."""
    from pipeline import task as step

    return step.command(work, "cli.main", "--verbose", *arguments, run_id=run_id())


@task(trigger_rule=TriggerRule.ONE_FAILED, retries=0, execution_timeout=timedelta(minutes=1), on_failure_callback=None)
def any_failed() -> None:
    """Downstream of every task of a DAG whose later tasks go on after a failure: it makes such a run a failed one."""
    raise RuntimeError("a task of this run failed: it is the red one, and its log says why")
