"""Which ingests are under way, so that the next one can say of another that it died: a locked file for each.

The lock goes with its process, however that ends; a file that nobody holds is of an ingest that did not get to its end.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

__all__ = ["under_way"]

logger = logging.getLogger(__name__)


@contextmanager
def under_way(raw: Path, name: str, now: datetime) -> Iterator[None]:
    """Within the block the ingest of this `name` (its own) is known to run; says first which ones before did not end.

    Where the folder cannot be written nothing is known and nothing said: fetching will tell.
    """
    folder = raw / "running"
    mine = folder / f"{name}.run"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.run")):
            _tell_of(path, raw)
    # What is said and what is held go together: one that is killed is told of if it has begun and is not over.
    logger.info("ingest %s begins (process %s)", name, os.getpid())
    held = _held(mine, f"{now:%Y-%m-%d %H:%M} UTC")
    try:
        yield
    finally:
        logger.info("ingest %s is over", name)
        if held:
            mine.unlink(missing_ok=True)
            held.close()


def _held(path: Path, begun: str) -> IO[str] | None:
    """The file, locked before others can see it under its name."""
    partial = path.with_suffix(".tmp")
    file: IO[str] | None = None
    try:
        file = partial.open("w", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(begun)
        file.flush()
        partial.replace(path)
    except OSError as error:
        logger.debug("%s cannot be held: %s", path, error)
        if file:
            file.close()
        return None
    return file


def _tell_of(path: Path, raw: Path) -> None:
    """If nobody holds it any more, say so once."""
    with suppress(FileNotFoundError, BlockingIOError), path.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not path.exists():
            return  # another ingest has just said it
        left = sum(1 for _ in (raw / "spool").glob("*.fetch"))
        path.unlink()
        logger.warning(
            "ingest %s, begun at %s, did not get to its end; nothing is lost: %d files wait in the spool and are taken"
            " in now", path.stem, file.read(), left,
        )  # fmt: skip
