"""A module of ours in an interpreter of its own: what it logs is logged here, its failure is an error of ours."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile

from pipeline import logs
from pipeline.errors import UsageError, WorkError

__all__ = ["run_module"]

logger = logging.getLogger(__name__)

_ERROR = "error: "


def run_module(module: str, *arguments: str, run_id: str = "") -> str:
    """Run `python -m module arguments…` and answer what it wrote on stdout; each line of its stderr is logged.

    What it does belongs to the run `run_id`, where one is named.

    Schedulers fork their task processes, and CUDA cannot be used in a fork; `multiprocessing` with "spawn" would do,
    but refuses to start from the daemonic workers some schedulers use. The memory of a model goes with the process.

    Raises:
        UsageError, WorkError: by its exit status (2 is the former), in the words after `error:` of its last such line.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, logs.RUN_VARIABLE: run_id} if run_id else None
    said = ""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        subprocess.Popen(  # noqa: S603 - our own
            command, stdout=out, stderr=subprocess.PIPE, text=True, env=environment
        ) as process,
    ):
        try:
            for line in process.stderr or ():
                logger.info("%s", line.rstrip())
                said = line.removeprefix(_ERROR).strip() if line.startswith(_ERROR) else said
        except BaseException:
            # A scheduler's time limit arrives as an exception: leaving would wait for the child, which runs on.
            process.kill()
            raise
        status = process.wait()
        out.seek(0)
        answer = out.read()
    if status == 0:
        return answer
    said = said or f"{arguments[0] if arguments else module} ended with status {status}: see its last lines above."
    raise UsageError(said) if status == UsageError.exit_status else WorkError(said)
