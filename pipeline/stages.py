"""The eight stages, in order: what `barograph run` walks through, and the names every other room uses."""

from __future__ import annotations

import logging
from importlib import import_module

from pipeline import logs, metrics, runs
from pipeline.context import Context, Report

__all__ = ["STAGES", "run_stage"]

logger = logging.getLogger(__name__)

STAGES = ("ingest", "link", "fold", "score", "aggregate", "detect", "notify", "publish")


def run_stage(name: str, context: Context, **options: object) -> Report:
    """Run one stage. A stage is a package of this name whose `run(context, **options)` answers a `Report`.

    How it went is kept in the store (`pipeline.runs`); every line of its log carries the id of the run. After the last
    stage the metrics are written.
    """
    if name not in STAGES:
        raise ValueError(f"no stage is named {name}; they are {', '.join(STAGES)}")

    def work() -> Report:
        report: Report = import_module(f"pipeline.{name}").run(context, **options)
        return report

    with logs.bound(run_id=context.run_id, stage=name):
        try:
            report = runs.recorded(name, context, work)
        finally:
            # The last stage ends a cycle, also one that went wrong: exactly then somebody should be told.
            if name == STAGES[-1]:
                metrics.write(context)
        logger.info("%s: %s in %.1f s", name, report.counts, report.seconds)
    return report
