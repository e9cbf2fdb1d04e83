"""Files that are whole, and still there, after a crash: written beside, synced, and put in place by one rename."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["TEMPORARY", "sync", "write_safely"]

TEMPORARY = ".writing"


def write_safely(path: Path, content: bytes) -> None:
    """Write `path` so that a reader sees the old file or the new one whole, also after a crash."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def sync(path: Path) -> None:
    """Make what a file holds, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
