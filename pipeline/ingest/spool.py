"""Between fetching and loading: a file per body, and one for all attempts of a fetch that brought none.

Each is written whole or not at all; its name sorts by time and ends in the id of its first attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.ingest.exchange import Fetched
from pipeline.ingest.records import DAMAGE, Spooled, frame, records

__all__ = ["Made", "Spool", "Spooled"]

logger = logging.getLogger(__name__)

_SUFFIX = ".fetch"
_SEVERAL = f".several{_SUFFIX}"


@dataclass(frozen=True)
class Made:
    """One attempt that was just made."""

    fetch_id: str
    fetched_at: datetime
    fetched: Fetched


@dataclass(frozen=True)
class Spool:
    """The folder `[store] raw`: `spool/` holds what is not loaded yet, `rejected/` what is damaged."""

    raw: Path

    def put(self, attempts: Sequence[Made]) -> None:
        """Keep one attempt with its body, or any number of attempts without one.

        They survive the death of this process; lost with the machine, they are made again: until an attempt is loaded
        no validator of it is remembered, so that the feed is asked for the same once more.
        """
        first = attempts[0]
        folder = self.raw / "spool"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{first.fetched_at:%Y%m%dT%H%M%S.%f}-{first.fetch_id}{_SEVERAL if len(attempts) > 1 else _SUFFIX}"
        path = folder / name
        partial = path.with_suffix(".tmp")
        partial.write_bytes(frame([Spooled(path, made.fetch_id, made.fetched_at, made.fetched) for made in attempts]))
        partial.replace(path)

    def ids(self, path: Path) -> list[str]:
        """The attempts of a file; only of one that holds several it must be read."""
        if path.name.endswith(_SEVERAL):
            return [spooled.fetch_id for spooled in self.read([path])]
        return [path.stem.rpartition("-")[2]]

    def waiting(self) -> list[Path]:
        """What is not loaded yet, oldest first."""
        folder = self.raw / "spool"
        return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []

    def read(self, paths: Sequence[Path]) -> Iterator[Spooled]:
        """The attempts of each file. One that another load took meanwhile, or that cannot be read now, is left out; a
        damaged one is set aside."""
        for path in paths:
            try:
                yield from records(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                logger.warning("%s cannot be read now (%s); it stays for the next run", path, error.strerror or error)
            except DAMAGE as error:
                logger.warning("%s is damaged (%s); it is set aside in %s", path.name, error, self.raw / "rejected")
                _set_aside(path, self.raw / "rejected")


def _set_aside(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(folder / path.name)
    except FileNotFoundError:
        logger.debug("%s was moved by another load", path.name)
