"""One step as a scheduler runs it: settings named by BAROGRAPH_CONFIG, the step, its counts. Knows no scheduler."""

from __future__ import annotations

import json
import logging
import os
import sys

from models.errors import ModelError
from pipeline import logs, runs, stages
from pipeline.apart import run_module
from pipeline.context import Context, open_context
from pipeline.errors import BarographError

__all__ = ["CONFIG_VARIABLE", "batches", "command", "fetch", "load", "run", "run_apart", "score", "shards"]

logger = logging.getLogger("pipeline.task")  # also where this file is run as a program

CONFIG_VARIABLE = "BAROGRAPH_CONFIG"


def run(stage: str, *, run_id: str = "") -> dict[str, int]:
    """Run a stage once; answers its counts.

    Raises:
        BarographError: a `UsageError` will not heal by trying again, a `WorkError` may.
    """
    report = stages.run_stage(stage, _context(run_id))
    for note in report.notes:
        logger.warning("%s: %s", stage, note)
    return report.counts


def run_apart(stage: str, *, run_id: str = "") -> dict[str, int]:
    """The same in an interpreter of its own (`pipeline.apart`).

    Raises:
        UsageError, WorkError: what the stage raised, by its exit status, in its words.
    """
    with logs.bound(run_id=run_id, stage=stage):
        counts: dict[str, int] = json.loads(run_module("pipeline.task", stage, run_id=run_id))
        return counts


def score(*, run_id: str = "") -> dict[str, int]:
    """Score what waits, apart; where nothing does no model is loaded, the dearest part of an idle cycle."""
    from pipeline.score import nothing_waits

    if nothing_waits(_context(run_id)):
        with logs.bound(run_id=run_id, stage="score"):
            logger.info("nothing waits to be scored or explained: no model was loaded")
        return {}
    return run_apart("score", run_id=run_id)


def shards(*, run_id: str = "") -> list[str]:
    """The parts of what is not scored yet, as `barograph score --shard` takes them; none where little is."""
    from pipeline import score

    return [f"{shard.number + 1}/{shard.of}" for shard in score.shards(_context(run_id))]


def command(work: str, module: str, *arguments: str, run_id: str = "") -> str:
    """Run a module apart, answer what it printed, and keep among the runs, as `work`, how it went.

    Raises:
        UsageError, WorkError: what the module said.
    """
    context = _context(run_id)
    with logs.bound(run_id=context.run_id, stage=work):
        return runs.recorded(work, context, lambda: run_module(module, *arguments, run_id=context.run_id))


def batches(*, run_id: str = "") -> list[list[str]]:
    """The ids of the feeds that are due, in batches that can be fetched side by side."""
    from pipeline import ingest

    with logs.bound(run_id=run_id, stage="ingest"):
        return ingest.batches(_context(run_id))


def fetch(feed_ids: list[str], *, run_id: str = "") -> dict[str, int]:
    """Fetch one batch into the spool; the fault of one feed is an outcome there, never an error here."""
    from pipeline import ingest

    with logs.bound(run_id=run_id, stage="ingest"):
        return ingest.fetch(_context(run_id), feed_ids).counts


def load(*, run_id: str = "") -> dict[str, int]:
    """Put everything in the spool into the store, in one transaction; kept as this run's `ingest`."""
    from pipeline import ingest

    context = _context(run_id)
    with logs.bound(run_id=context.run_id, stage="ingest"):
        return runs.recorded("ingest", context, lambda: ingest.load(context)).counts


def _context(run_id: str) -> Context:
    return open_context(os.environ.get(CONFIG_VARIABLE), run_id=run_id)


def _main(stage: str) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        sys.stdout.write(json.dumps(run(stage)))
    except (BarographError, ModelError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
