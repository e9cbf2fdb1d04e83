"""One step as a scheduler runs it: settings named by BAROGRAPH_CONFIG, the step, its counts. Knows no scheduler."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

from models.errors import ModelError
from pipeline import logs, runs, stages
from pipeline.context import Context, open_context
from pipeline.errors import BarographError, UsageError, WorkError

__all__ = ["CONFIG_VARIABLE", "batches", "fetch", "load", "run", "run_apart"]

logger = logging.getLogger("pipeline.task")  # also where this file is run as a program

CONFIG_VARIABLE = "BAROGRAPH_CONFIG"
_ANSWER = "answer: "


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
    """The same in a fresh interpreter; what it logs is logged again here.

    Schedulers fork their task processes, and CUDA cannot be used in a fork; `multiprocessing` with "spawn" would do,
    but refuses to start from the daemonic workers some schedulers use. The memory of the model goes with the process.

    Raises:
        UsageError, WorkError: what the stage raised, by its exit status, in its words.
    """
    with logs.bound(run_id=run_id, stage=stage):
        return _apart(stage, run_id)


def _apart(stage: str, run_id: str) -> dict[str, int]:
    command = [sys.executable, "-m", "pipeline.task", stage, run_id]
    answer = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603
        try:
            for line in process.stdout or ():
                if line.startswith(_ANSWER):
                    answer = line.removeprefix(_ANSWER).strip()
                else:
                    logger.info("%s", line.rstrip())
        except BaseException:
            # A scheduler's time limit arrives as an exception: leaving would wait for the child, which runs on.
            process.kill()
            raise
    if process.returncode == 0 and answer:
        counts: dict[str, int] = json.loads(answer)
        return counts
    said = answer or f"{stage} ended with status {process.returncode}: see its last lines above."
    raise UsageError(said) if process.returncode == UsageError.exit_status else WorkError(said)


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


def _main(stage: str, run_id: str = "") -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    status = 0
    try:
        answer = json.dumps(run(stage, run_id=run_id))
    except (BarographError, ModelError) as error:
        answer, status = " ".join(str(error).split()), error.exit_status
    sys.stderr.flush()
    sys.stdout.write(f"{_ANSWER}{answer}\n")
    return status


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
