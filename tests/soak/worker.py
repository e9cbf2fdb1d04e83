"""One ingest of the soak as a process: `barograph ingest` on a clock that runs fast, so that hours of back-off pass."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline import ingest
from pipeline.context import open_context

# One second is twelve minutes: the longest back-off (six hours, and a fifth) is over after 36 seconds.
SPEED = 720


def main() -> None:
    """Ingest once, or again and again until the file `--until` is there; a line of JSON with the counts after each."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--config", required=True)
    arguments.add_argument("--origin", type=float, required=True)
    arguments.add_argument("--ahead-hours", type=float, default=0.0)
    arguments.add_argument("--until", type=Path)
    given = arguments.parse_args()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s"
    )

    def clock() -> datetime:
        since = (time.time() - given.origin) * SPEED + given.ahead_hours * 3600
        return datetime.fromtimestamp(given.origin + since, UTC)

    while True:
        report = ingest.run(open_context(given.config, clock=clock, environment=False))
        for note in report.notes:
            logging.info("ingest: %s", note)
        sys.stdout.write(json.dumps(report.counts) + "\n")
        sys.stdout.flush()
        if given.until is None or given.until.exists():
            return


if __name__ == "__main__":
    main()
