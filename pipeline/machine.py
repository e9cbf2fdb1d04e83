"""What we ask the machine that we run on: how much disk is left, and when a cycle last came to its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Disk", "disk", "fullest", "newest_cycle"]


@dataclass(frozen=True)
class Disk:
    """Bytes of a file system: what we may still write, and all of it; `folder`: of ours, on it."""

    free: int
    total: int
    folder: str = ""


def disk(path: Path) -> Disk:
    """Of the file system of `path`, or of the nearest folder above it that is there."""
    found = shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists()))
    return Disk(found.free, found.total, str(path))


def fullest(disks: Iterable[Disk]) -> Disk:
    """The one that has the least share free; the first of equals."""
    return min(disks, key=lambda one: one.free / one.total if one.total else 1.0)


def newest_cycle(published: Path) -> datetime | None:
    """When the published snapshot was made, the last thing a cycle does; by its id, which a copied folder keeps."""
    try:
        stamp = (published / "CURRENT").read_text(encoding="ascii").partition("-")[0]
        return datetime.strptime(stamp.strip(), "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    except (OSError, ValueError):  # nothing was published yet
        return None
