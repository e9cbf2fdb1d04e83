"""What a monitoring system is told of the store: read at the end of a cycle, written as a file for Prometheus."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pipeline.context import Context
from pipeline.errors import StoreError
from pipeline.metrics.exposition import exposition
from pipeline.metrics.facts import Facts, read

__all__ = ["FILE", "Facts", "exposition", "read", "write"]

logger = logging.getLogger(__name__)

FILE = "metrics.prom"
"""Beside the snapshot, so that whoever may read that may be asked for these, and nobody opens the store for them."""


def write(context: Context) -> None:
    """Write the metrics of now under `[store] published`, and to `[metrics] file`; what goes wrong is only logged.

    Each file is replaced whole: who reads it while it is written gets the one before.
    """
    try:
        text = exposition(read(context))
        for path in (context.settings.store.published / FILE, context.settings.metrics.file):
            if path is not None:
                _replace(path, text)
    except (StoreError, OSError) as error:
        logger.warning("the metrics stay those of the cycle before: %s", error)


def _replace(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # node_exporter reads *.prom: a half-written file must not be one.
    fresh = path.with_name(f"{path.name}.{os.getpid()}.writing")
    try:
        fresh.write_bytes(text)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
