"""How far an import is: written with each batch, so that one that was killed goes on where the last commit left it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipeline.context import Context
from pipeline.context import Progress as Told
from pipeline.errors import InputError
from pipeline.ingest.identity import article_id
from pipeline.warehouse import Transaction

__all__ = ["Progress", "begun", "import_id", "store_progress"]

_CHUNK = 1 << 20
_IMPORTS = pa.schema(
    [
        *((name, pa.string()) for name in ("import_id", "name", "status", "counts")),
        *((name, pa.int64()) for name in ("rows_done", "rejects_bytes")),
        *((name, pa.timestamp("us", tz="UTC")) for name in ("started_at", "changed_at")),
    ]
)


@dataclass(frozen=True)
class Progress:
    """A row of `imports`. `rows_done` counts every row that was read, those left out too."""

    import_id: str
    name: str
    started_at: datetime
    rows_done: int = 0
    rejects_bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    finished: bool = False


def import_id(path: Path, progress: Told, *how: str) -> str:
    """The id of an import: what the file holds, and how it is read.

    Raises:
        InputError: the file cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                progress("look", done, size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Check the path and the file.") from error
    return article_id("import", digest.hexdigest(), *how)


def begun(context: Context, key: str, name: str) -> Progress:
    """Where to begin: at the start, or where an import of the same file in the same way was stopped."""
    with context.warehouse.read() as con:
        row = con.execute(
            "SELECT started_at, rows_done, rejects_bytes, counts FROM imports"
            " WHERE import_id = ? AND status = 'running'",
            [key],
        ).fetchone()
    if row is None:
        return Progress(key, name, context.clock())
    return Progress(key, name, row[0], row[1], row[2], json.loads(row[3]))


def store_progress(tx: Transaction, progress: Progress) -> None:
    """Write how far we are, in the transaction of the batch."""
    row = {
        "import_id": progress.import_id,
        "name": progress.name,
        "status": "done" if progress.finished else "running",
        "counts": json.dumps(progress.counts, sort_keys=True),
        "rows_done": progress.rows_done,
        "rejects_bytes": progress.rejects_bytes,
        "started_at": progress.started_at,
        "changed_at": tx.recorded_at,
    }
    tx.upsert("imports", pa.Table.from_pylist([row], _IMPORTS), ["import_id"])
