"""Between fetching and loading: one file per attempt, written whole or not at all. Its name sorts by time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.ingest.exchange import Fetched
from pipeline.ingest.records import DAMAGE, Spooled, frame, records

__all__ = ["Spool", "Spooled"]

logger = logging.getLogger(__name__)

_SUFFIX = ".fetch"


@dataclass(frozen=True)
class Spool:
    """The folder `[store] raw`: `spool/` holds what is not loaded yet, `rejected/` what is damaged."""

    raw: Path

    def put(self, fetch_id: str, fetched_at: datetime, fetched: Fetched) -> Path:
        """Keep one attempt. It survives the death of this process; lost with the machine, it is made again.

        Until it is loaded no validator of it is remembered, so that the feed is asked for the same once more.
        """
        folder = self.raw / "spool"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{fetched_at:%Y%m%dT%H%M%S.%f}-{fetch_id}{_SUFFIX}"
        partial = path.with_suffix(".tmp")
        partial.write_bytes(frame([Spooled(path, fetch_id, fetched_at, fetched)]))
        partial.replace(path)
        return path

    def waiting(self) -> list[Path]:
        """What is not loaded yet, oldest first."""
        folder = self.raw / "spool"
        return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []

    def read(self, paths: Sequence[Path]) -> Iterator[Spooled]:
        """Each file in turn. One that another load took meanwhile is left out; a damaged one is set aside."""
        for path in paths:
            try:
                (spooled,) = records(path)
            except FileNotFoundError:
                continue
            except DAMAGE as error:
                logger.warning("%s is damaged (%s); it is set aside in %s", path.name, error, self.raw / "rejected")
                _set_aside(path, self.raw / "rejected")
                continue
            yield spooled


def _set_aside(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(folder / path.name)
    except FileNotFoundError:
        logger.debug("%s was moved by another load", path.name)
