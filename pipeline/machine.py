"""What we ask the machine that we run on: how much disk is left, and when a cycle last came to its end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Disk", "disk", "newest_cycle"]


@dataclass(frozen=True)
class Disk:
    """Bytes of a file system: what we may still write, and all of it."""

    free: int
    total: int


def disk(path: Path) -> Disk:
    """Of the file system of `path`, or of the nearest folder above it that is there."""
    found = shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists()))
    return Disk(found.free, found.total)


def newest_cycle(published: Path) -> datetime | None:
    """When the pointer to the published snapshot was last replaced: the last thing a cycle does."""
    try:
        changed = (published / "CURRENT").stat().st_mtime
    except OSError:  # nothing was published yet
        return None
    return datetime.fromtimestamp(changed, UTC)
