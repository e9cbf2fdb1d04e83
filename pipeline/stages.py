"""The eight stages, in order: what `barograph run` walks through, and the names every other room uses."""

from __future__ import annotations

import logging
from importlib import import_module

from pipeline.context import Context, Report

__all__ = ["STAGES", "run_stage"]

logger = logging.getLogger(__name__)

STAGES = ("ingest", "link", "fold", "score", "aggregate", "detect", "notify", "publish")


def run_stage(name: str, context: Context, **options: object) -> Report:
    """Run one stage. A stage is a package of this name whose `run(context, **options)` answers a `Report`."""
    if name not in STAGES:
        raise ValueError(f"no stage is named {name}; they are {', '.join(STAGES)}")
    report: Report = import_module(f"pipeline.{name}").run(context, **options)
    logger.info("%s: %s in %.1f s", name, report.counts, report.seconds, extra={"run_id": context.run_id})
    return report
