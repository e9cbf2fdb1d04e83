"""The ingest of the soak that goes on in one process, as `barograph watch` does; it shows whether memory grows."""

from __future__ import annotations

import argparse
import logging
import uuid
from dataclasses import replace
from pathlib import Path

from pipeline import logs
from pipeline.context import open_context
from pipeline.stages import run_stage


def main() -> None:
    """Ingest again and again until the file `--until` is there; a line after each."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--config", required=True)
    arguments.add_argument("--until", type=Path, required=True)
    given = arguments.parse_args()
    # As `barograph --verbose` does: the log is judged by one measure.
    logs.configure("plain", logging.INFO)
    context = open_context(given.config)
    while not given.until.exists():
        run_stage("ingest", replace(context, run_id=uuid.uuid4().hex[:12]))


if __name__ == "__main__":
    main()
