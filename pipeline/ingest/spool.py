"""Between fetching and loading: one file per attempt, written whole or not at all, kept by day once it is loaded.

A file is one line of JSON (what was asked, what came), then the body, gzipped. Its name sorts by time.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.ingest.exchange import Fetched
from pipeline.ingest.outcomes import Outcome

__all__ = ["Spool", "Spooled"]

logger = logging.getLogger(__name__)

_SUFFIX = ".fetch"


@dataclass(frozen=True)
class Spooled:
    """One attempt as the spool keeps it."""

    path: Path
    fetch_id: str
    fetched_at: datetime
    fetched: Fetched


@dataclass(frozen=True)
class Spool:
    """The folder `[store] raw`: `spool/` holds what is not loaded yet, `YYYY-MM-DD/` what is, `rejected/` the rest."""

    raw: Path

    def put(self, fetch_id: str, fetched_at: datetime, fetched: Fetched) -> Path:
        """Keep one attempt; when this returns it survives a crash."""
        folder = self.raw / "spool"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{fetched_at:%Y%m%dT%H%M%S.%f}-{fetch_id}{_SUFFIX}"
        meta = {
            "fetch_id": fetch_id,
            "fetched_at": fetched_at.isoformat(),
            "feed_id": fetched.feed_id,
            "url": fetched.url,
            "outcome": str(fetched.outcome) if fetched.outcome else None,
            "error": fetched.error,
            "status": fetched.status,
            "seconds": round(fetched.seconds, 4),
            "final_url": fetched.final_url,
            "content_type": fetched.content_type,
            "etag": fetched.etag,
            "last_modified": fetched.last_modified,
            "retry_after": fetched.retry_after,
            "moved_to": fetched.moved_to,
        }
        body = gzip.compress(fetched.body, compresslevel=4, mtime=0) if fetched.body else b""
        partial = path.with_suffix(".tmp")
        with partial.open("wb") as file:
            file.write(json.dumps(meta, ensure_ascii=True).encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        return path

    def waiting(self) -> list[Path]:
        """What is not loaded yet, oldest first."""
        folder = self.raw / "spool"
        return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []

    def read(self, paths: list[Path]) -> Iterator[Spooled]:
        """Each file in turn. One that another load took meanwhile is left out; a damaged one is set aside."""
        for path in paths:
            try:
                yield _read(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, EOFError, zlib.error) as error:
                logger.warning("%s is damaged (%s); it is set aside in %s", path.name, error, self.raw / "rejected")
                _move(path, self.raw / "rejected")

    def loaded(self, spooled: list[Spooled]) -> None:
        """Move what the store has taken in to the folder of its day."""
        for item in spooled:
            _move(item.path, self.raw / f"{item.fetched_at:%Y-%m-%d}")


def _read(path: Path) -> Spooled:
    line, _, body = path.read_bytes().partition(b"\n")
    meta: dict[str, Any] = json.loads(line)
    outcome = meta["outcome"]
    fetched = Fetched(
        feed_id=meta["feed_id"],
        url=meta["url"],
        outcome=Outcome(outcome) if outcome else None,
        error=meta["error"],
        status=meta["status"],
        seconds=meta["seconds"],
        final_url=meta["final_url"],
        content_type=meta["content_type"],
        etag=meta["etag"],
        last_modified=meta["last_modified"],
        retry_after=meta["retry_after"],
        moved_to=meta.get("moved_to"),
    )
    if body:
        fetched = replace(fetched, body=gzip.decompress(body))
    return Spooled(path, meta["fetch_id"], datetime.fromisoformat(meta["fetched_at"]), fetched)


def _move(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(folder / path.name)
    except FileNotFoundError:
        logger.debug("%s was moved by another load", path.name)
