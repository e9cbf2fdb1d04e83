"""Who is sending: each run holds a lock file that the kernel lets go of when the run dies, however it dies.

A claim runs out after two minutes by itself. On one machine nobody needs to wait for that: a run that can take the
lock of the claim's owner knows that the owner is gone. Where there is no such file (another machine) the two minutes
hold.
"""

from __future__ import annotations

import fcntl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["gone", "sender"]

_KEEP_SECONDS = 24 * 3600.0


@contextmanager
def sender(folder: Path) -> Iterator[str]:
    """A name for this run, alive as long as the block. Its file goes when the block ends well; when it fails, the
    file stays behind unlocked, which says that its claims are free."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    name = uuid.uuid4().hex[:16]
    path = folder / f"{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield name
        path.unlink(missing_ok=True)


def gone(folder: Path, name: str) -> bool:
    """Whether the run of this name is surely over; False where it lives or nothing is known of it here."""
    try:
        with (folder / f"{name}.lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # no such file, or somebody holds it
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove the files of runs that died long ago; their claims have run out."""
    for path in folder.glob("*.lock"):
        try:
            if time.time() - path.stat().st_mtime > _KEEP_SECONDS and gone(folder, path.stem):
                path.unlink(missing_ok=True)
        except FileNotFoundError:  # another run swept it
            continue
